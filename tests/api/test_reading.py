"""Who is read is an entry of the audit: whatever route of whatever dialect names people says so, to
every kind of key.

The walk is that of tests/support/api/routes.py: a new route that answers people and does not
declare it fails here.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from regulars_dialects.compreface import routes as compreface
from regulars_dialects.records import user_from

from chalicelib import telemetry
from chalicelib.api import observability
from chalicelib.api.dialects import READS
from chalicelib.api.sunmi.routes import ALIASES
from chalicelib.bootstrap import build
from chalicelib.domain.model import Face
from chalicelib.privacy.audit.audit import Reads
from chalicelib.privacy.reading import Data, Tally
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.records.faces import face_from
from regulars.cli import main
from tests.api.logs import LAMBDA
from tests.api.neighbours import ALPHA, Shop, Street, Walk, bearer, key_of
from tests.support.api.routes import ROUTES, samples_of
from tests.support.api.samples import Sample
from tests.support.api.stage import make_stage
from tests.support.api.v1.client import V1Client
from tests.support.fakes import UNHURRIED, FakeClock, FakeVision

ROLES = {
    "blind viewer": {"role": "viewer", "pictures": False},
    "viewer": {"role": "viewer", "pictures": True},
    "operator": {"role": "operator", "pictures": True},
}
SOURCE_IP = "203.0.113.7"
"""Of the gateway in these tests."""
_PICTURE = re.compile(r"signature=|/crops/\d|/thumbnail\?")
_OF_V1 = [route for route in ROUTES if route[1].startswith("/v1/") and "/vision/" not in route[1]]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Street:
    return Street.made(tmp_path_factory.mktemp("street") / "data")


@pytest.fixture(scope="module")
def role_keys(street: Street) -> Mapping[str, tuple[str, str]]:
    """By role: the id by which the audit knows the key, and the key."""
    services = build(
        Settings(storage=street.folder, **UNHURRIED), clock=FakeClock(), vision=FakeVision
    )
    v1 = V1Client(make_stage(services).app, street.shops[ALPHA].credentials.api_key)
    made = {name: v1.done("POST", "/v1/keys", {"name": name, **how}) for name, how in ROLES.items()}
    services.close()
    shop = street.shops[ALPHA]
    return {
        **{name: (one["id"], one["api_key"]) for name, one in made.items()},
        "admin": ("first", shop.credentials.api_key),
        "camera": (f"camera {shop.ids['camera']}", shop.camera_key),
    }


@pytest.fixture(scope="module")
def walk(
    street: Street, role_keys: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Walk]:
    assert role_keys  # before the street is copied
    walk = Walk(street, tmp_path_factory.mktemp("walk"))
    yield walk
    walk.close()


def words_of(services: Services) -> dict[str, set[str]]:
    """What names each face in an answer: its id, its name, its subject's and its user's.

    One of them is enough.
    """
    faces: list[Face] = [face_from(one) for one in walk_items(services.items, keys.FACES, ALPHA)]
    words = {face.faceid: {face.faceid, face.name} - {""} for face in faces if face.faceid != "7"}
    for user in map(
        user_from, walk_items(services.items, keys.DIRECTORY, ALPHA, between=keys.FACE_SETS)
    ):
        for faceid in user.faceids:
            words[faceid] |= {user.name or user.id}
    return words


def named_in(text: str, words: Mapping[str, set[str]]) -> set[str]:
    """The faces that a text names: by an id, or by a name that is no other face's."""
    said = set(re.findall(r'"((?:[^"\\]|\\.)*)"', text))
    return {
        face
        for face, own in words.items()
        if face in said or (own & said and _is_only_one(own & said, words))
    }


def _is_only_one(names: set[str], words: Mapping[str, set[str]]) -> bool:
    return sum(bool(names & own) for own in words.values()) == 1


def act_of(method: str, path: str, sample: Sample) -> str:
    begin, _, name = path.rpartition("/")
    if path.startswith("/openapi/"):
        return f"sunmi {ALIASES.get(name, name)}"
    if path.startswith("/icredit/"):
        return f"icredit {name} {sample.fields.get('CONTROL_TYPE', '')}".strip()
    if path.startswith("/ "):
        return f"rekognition {path[2:]}"
    if path.startswith("/v1/vision/"):
        return (
            "deepstack "
            f"{'list_names' if name == 'list' else 'detect' if begin.endswith('vision') else name}"
        )
    ours = [one.name for one in compreface.OPERATIONS if (one.method, one.path) == (method, path)]
    return ours[0] if ours else f"{method} {path}"


def read(
    walk: Walk, method: str, path: str, sample: Sample, key: Mapping[str, Any]
) -> tuple[Any, set[str], Tally]:
    """The reply to a request, whom it names, and what the audit says of it.

    The process is a new one each time.
    """
    assert walk.app
    services = walk.services
    services.audit.reads = Reads(services)
    words = words_of(services)
    before = {one.id for one in services.audit.chain.list_waiting(ALPHA)}
    reply = walk.send(method, path, sample, **key)
    new = [
        one.leaf.content or {}
        for one in services.audit.chain.list_waiting(ALPHA)
        if one.id not in before
    ]
    tally = Tally(READS)
    tally.add(new)
    assert {act for one in new for act in one.get("acts", ())} <= READS.keys(), (
        "declare it in privacy/reading or its dialect"
    )
    text = f"{reply.body} {json.dumps([*reply.headers.values()])}"
    if "Looks-Like" in str(reply.headers):
        text += "".join(f' "{value}"' for value in reply.headers.values())
    return reply, named_in(text, words), tally


def sent_in(sample: Sample) -> set[str]:
    return {
        *re.findall(
            r'[^"\\\\]+', json.dumps([dict(sample.path), dict(sample.query), dict(sample.fields)])
        )
    }


def require_noted(
    walk: Walk, method: str, path: str, key: Mapping[str, Any], *, on_one_copy: bool = False
) -> Iterator[tuple[set[str], set[Data]]]:
    """Send all samples of a route; fail if one names somebody of whom the audit does not say so.

    Yield both.
    """
    for sample in (one.filled(walk.street.shops[ALPHA].ids) for one in samples_of(method, path)):
        act = act_of(method, path, sample)
        words = words_of(walk.services)
        reply, people, tally = read(walk, method, path, sample, key)
        if not on_one_copy:
            walk.changed()
        sent = sent_in(sample)
        told = (
            people
            if act in READS and reply.status < 300
            else {one for one in people if not words[one] & sent}
        )
        assert told <= tally.kinds.keys(), (
            act,
            reply.status,
            sorted(told - tally.kinds.keys()),
            reply.body[:500],
        )
        seen = {Data(kind) for own in tally.kinds.values() for kind in own}
        if _PICTURE.search(reply.body):
            assert Data.PICTURES in seen or tally.captures, (act, reply.body[:500])
        yield told, seen


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_whom_a_route_names_the_audit_names(walk: Walk, method: str, path: str) -> None:
    shop: Shop = walk.street.shops[ALPHA]
    assert len([*require_noted(walk, method, path, key_of(shop, path))]) == len(
        samples_of(method, path)
    )


@pytest.mark.parametrize("role", [*ROLES, "admin", "camera"])
def test_after_a_breach_all_people_and_kinds_that_a_key_of_a_role_read_are_printed(
    walk: Walk,
    role_keys: Mapping[str, tuple[str, str]],
    role: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    id_, key = role_keys[role]
    people, kinds = set[str](), set[Data]()
    for method, path in (route for route in ROUTES if route[0] == "GET" and route in _OF_V1):
        for named, told in require_noted(walk, method, path, bearer(key), on_one_copy=True):
            people |= named
            kinds |= told
    folder = str(walk.services.settings.storage)
    asked = [
        "audit",
        "breach",
        "--tenant",
        ALPHA,
        "--key",
        id_,
        "--since",
        "2026-01-01",
        "--data",
        folder,
    ]
    capsys.readouterr()
    assert main(asked) == 0
    printed = capsys.readouterr().out
    of = {
        one: {*own.split()}
        for one, own in re.findall(r"^person   (.+): (.+)$", printed, re.MULTILINE)
    }
    assert people <= of.keys()
    assert kinds == {Data(kind) for own in of.values() for kind in own}
    assert f"people   {len(of)}\n" in printed
    assert Data.PICTURES not in kinds or role not in ("blind viewer", "camera")
    if role == "camera":
        assert people == set(), "it is told nothing of faces"
    else:
        assert len(people) > 5


@pytest.fixture(scope="module")
def log(walk: Walk) -> io.StringIO:
    out = io.StringIO()
    walk.app.register_middleware(observability.make_observer(LAMBDA, out), "all")
    return out


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_the_log_line_of_each_call_has_the_caller_and_the_address(
    walk: Walk, log: io.StringIO, method: str, path: str
) -> None:
    shop: Shop = walk.street.shops[ALPHA]
    log.seek(log.truncate(0))
    walk.send(method, path, samples_of(method, path)[0].filled(shop.ids), **key_of(shop, path))
    walk.changed()
    line = json.loads(log.getvalue())
    assert line["address"] == SOURCE_IP
    assert line["caller"] in ("app_id", "appcode", "access key") or line["caller"].startswith(
        "key "
    )


def test_a_refused_role_has_the_caller_and_a_member_no_name(walk: Walk, log: io.StringIO) -> None:
    log.seek(log.truncate(0))
    walk.send("GET", "/v1/keys", Sample(), **bearer(walk.street.shops[ALPHA].camera_key))
    assert json.loads(log.getvalue())["caller"] == "camera kestrel-gate"
    with telemetry.begin_invocation("api", "r-1") as this:
        telemetry.of_tenant("shop", "Maria, member 3 (manager), member 7")
    assert this.caller == "member 7"
