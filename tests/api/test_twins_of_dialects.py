"""Twin books that are asked by the APIs of others: a key of one group learns nothing of people who
are in others, and a key of all groups of who is shown no more what docs/privacy.md says."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from chalice.app import Chalice
from regulars_dialects.compreface.requests import RULES
from regulars_dialects.subjects import Subjects

from chalicelib.api.dialects import DIALECTS, SERVICES
from chalicelib.api.service_keys import add_service_key
from tests.api.neighbours import (
    COMPREFACE,
    DEEPSTACK,
    REKOGNITION,
    Sender,
    access_key,
    appcode,
    service_key,
)
from tests.support.api.routes import ROUTES
from tests.support.api.samples import SAMPLES, Sample
from tests.support.fakes import FakeClock, Person, photo, picture
from tests.support.twins import (
    LEAVES,
    MARKED,
    Maker,
    Shop,
    Visit,
    both_regulars,
    list_said,
    mask,
    sweep,
)

KIN, ANYBODY = 21, 999
"""Somebody of the group whose keys are asked, and whom the samples show."""
OF_GROUP = ("recognition", "deepstack")
BY_GROUP, BY_ALL = (COMPREFACE, DEEPSTACK), ("/openapi/", "/icredit/", REKOGNITION)
Answers = list[tuple[str, str]]
TIMES = re.compile(r'(?<=Ms":)\d+')
GROUPS = ("guest", "staff", "vip", None)
WRITES = (
    "DELETE",
    "delete",
    "Delete",
    "register",
    "IndexFaces",
    "addFace",
    "createGroup",
    "manage",
)


def is_of(path: str, kinds: tuple[str, ...]) -> bool:
    return path.startswith(kinds)


def test_every_route_of_a_dialect_is_walked() -> None:
    others = {path for _, path in ROUTES if not is_of(path, (*BY_GROUP, *BY_ALL))}
    assert not [path for path in others for dialect in DIALECTS if dialect.owns(path)]


def list_samples(method: str, path: str, words: Mapping[str, str]) -> Iterator[Sample]:
    """Yield the samples of which all words are known, once with each of three people's pictures."""
    for sample in SAMPLES[method, path]:
        for seed in (MARKED.seed, KIN, 77):
            known = {**words, "photo": photo(seed)}
            if not known.keys() >= {*sample.slots}:
                continue
            filled = sample.filled(known)
            parts = json.dumps([filled.path, filled.query, filled.fields, filled.pic])
            yield Sample(*json.loads(parts.replace(photo(ANYBODY), photo(seed))))


def list_routes(kinds: tuple[str, ...]) -> list[tuple[str, str]]:
    """Those of these dialects, the ones that write last."""
    routes = [(method, path) for method, path in ROUTES if is_of(path, kinds)]
    return sorted(routes, key=lambda one: any(word in " ".join(one) for word in WRITES))


class Asker:
    """Asks a shop by the keys of its dialects."""

    def __init__(self, app: Chalice, shop: Shop, clock: FakeClock) -> None:
        self._app, self._shop, self._sender = app, shop, Sender(clock)
        services, tenant = shop.services, shop.tenant
        services.groups.create(tenant, "family", 20, "")
        family = services.groups.get_by_name(tenant, "family")
        kin = Subjects(services).enrol_photo(
            tenant, family, "kin", picture(Person(KIN)), RULES, 0.0
        )
        self._words = {
            **dict.fromkeys(("face", "other_face"), shop.words["face"]),
            "example": kin.id,
            "subject": "kin",
            "group": "vip",
            "empty_group": "guest",
            "attribute": "size",
            "label": "front",
        }
        self._keys = {
            name: add_service_key(
                services,
                tenant,
                name,
                name,
                family.id if name in OF_GROUP else "",
            )
            for name in SERVICES
        }

    def _key_of(self, path: str) -> dict[str, Any]:
        own = self._shop.own
        if path.startswith(DEEPSTACK):
            return {"key": self._keys["deepstack"]}
        if path.startswith(COMPREFACE):
            return service_key(self._keys[path.split("/")[3]])
        if path.startswith(REKOGNITION):
            return access_key(own)
        if path.startswith("/icredit/"):
            return appcode(own.appcode)
        return {"app_id": own.app_id, "app_key": own.app_key}

    def ask_all(self, kinds: tuple[str, ...]) -> Answers:
        """Return each question with the answer and its headers."""
        answers = []
        for method, path in list_routes(kinds):
            for sample in list_samples(method, path, self._words):
                reply = self._sender.send_to(self._app, method, path, sample, **self._key_of(path))
                headers = {
                    name: value
                    for name, value in reply.headers.items()
                    if name.startswith("x-regulars") and name != "x-regulars-time"
                }
                answer = mask((reply.status, f"{headers} {reply.body}"))
                answers.append((f"{method} {path}", TIMES.sub("", answer)))
        return answers


def compare(one: Answers, other: Answers) -> set[str]:
    """Return the questions that twins answer otherwise."""
    return {asked[0] for asked, as_other in zip(one, other, strict=True) if asked != as_other}


@pytest.mark.parametrize("group", GROUPS)
def test_a_key_of_one_group_tells_nothing_of_who_is_in_another(
    app: Chalice, make_shop: Maker, clock: FakeClock, group: str | None
) -> None:
    hers = Visit(MARKED, group, 280.4)
    shops = make_shop("without", *both_regulars()), make_shop("with", *both_regulars(), hers)
    one, other = (Asker(app, shop, clock).ask_all(BY_GROUP) for shop in shops)
    assert compare(one, other) == set()


@pytest.mark.parametrize(
    ("kinds", "words"), [(BY_GROUP, "a key of one group"), (BY_ALL, "SUNMI, iCREDIT")]
)
def test_a_key_tells_of_who_is_shown_no_more_what_is_said(
    app: Chalice, make_shop: Maker, clock: FakeClock, kinds: tuple[str, ...], words: str
) -> None:
    """People whose consent has ended are enrolled by no picture, in no group: that is told."""
    hers = Visit(MARKED, "guest", 280.4)
    never = make_shop("without", *both_regulars())
    shops = [make_shop(f"with{leave.__name__}", *both_regulars(), hers) for leave in LEAVES]
    for leave, shop in zip(LEAVES, shops, strict=True):
        leave(shop.v1, shop.find_marked())
    sweep([never, *shops], clock)
    as_ever = Asker(app, never, clock).ask_all(kinds)
    told = {
        told for shop in shops for told in compare(as_ever, Asker(app, shop, clock).ask_all(kinds))
    }
    [point] = [one for one in list_said() if words in one.partition("**:")[0]]
    assert told == {*re.findall(r"`(POST \S+)`", point)}
