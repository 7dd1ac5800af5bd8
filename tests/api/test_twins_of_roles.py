"""Twin books of which one never knew somebody: a role tells of who is shown no more what
docs/privacy.md says in its own words.

All reads and searches are asked, with each sample that the two can answer
(tests/support/api/samples.py), and the enrolment by that person's picture.
"""

from collections.abc import Iterator

import pytest
from chalice.app import Chalice

from chalicelib.api.v1.endpoint import V1Operation
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.auth.roles import ROLES, Role
from tests.api.neighbours import Sender, bearer
from tests.support.api.samples import SAMPLES, Sample
from tests.support.fakes import FakeClock, photo
from tests.support.twins import (
    LEAVES,
    MARKED,
    Maker,
    Shop,
    Visit,
    both_regulars,
    erase,
    list_paths_said,
    mask,
    sweep,
)

HERS = photo(MARKED.seed)
NOBODYS = "456088349737713666"
READS_OF_GROUNDS = next(one.role for one in OPERATIONS if one.path == "/v1/restrictions")
QUESTIONS = [
    *(one for one in OPERATIONS if one.role is not None and one.method == "GET"),
    *(one for one in OPERATIONS if one.searches and "{" not in one.path),
]
"""Enrolments stand last: they change what others are answered."""
QUESTIONS.sort(key=lambda one: one.path == "/v1/faces" and one.method == "POST")


def list_samples(operation: V1Operation, face: str) -> Iterator[Sample]:
    """Yield the samples of which twins know all words, of a search with that person's picture.

    `face`: the id that is asked for.
    """
    words = {
        **dict.fromkeys(("face", "consenting"), face),
        **dict.fromkeys(("camera", "camera_name"), "door"),
        "group": "guest",
        "face_name": f"ann {MARKED.seed}",
        "photo": HERS,
    }
    for sample in SAMPLES[operation.method, operation.path]:
        if words.keys() >= {*sample.slots}:
            filled = sample.filled(words)
            yield filled
            if "picture" in filled.fields:
                yield Sample(filled.path, filled.query, {**filled.fields, "picture": HERS})


def ask(app: Chalice, shop: Shop, role: Role, face: str) -> list[tuple[str, str, bool]]:
    """Return the operation of each question, the answer, and whether it is about that face."""
    sender, key = Sender(FakeClock()), bearer(f"{shop.make_key(role).api_key}")
    answers = []
    for operation in QUESTIONS:
        name = f"{operation.method} {operation.path}"
        for sample in list_samples(operation, face):
            reply = sender.send_to(app, operation.method, operation.path, sample, **key)
            is_about_it = face in f"{sample.path} {sample.query}"
            answers.append((name, mask((reply.status, reply.body)), is_about_it))
            if operation.role is Role.VIEWER:
                assert f"Ann {MARKED.seed}" not in reply.body, name
    return answers


@pytest.mark.parametrize("role", ROLES)
def test_a_role_tells_of_who_is_shown_no_more_what_is_said_to_it(
    app: Chalice, make_shop: Maker, clock: FakeClock, role: Role
) -> None:
    assert READS_OF_GROUNDS is not None
    hers = Visit(MARKED, "guest", 280.4)
    never = make_shop("without", *both_regulars())
    shops = [make_shop(f"with{leave.__name__}", *both_regulars(), hers) for leave in LEAVES]
    ids = [shop.find_marked() for shop in shops]
    for leave, shop, face in zip(LEAVES, shops, ids, strict=True):
        leave(shop.v1, face)
    sweep([never, *shops], clock)
    told, as_ever = set(), ask(app, never, role, never.words["face"])
    for shop in shops:
        answers = ask(app, shop, role, shop.words["face"])
        told |= {one[0] for one, other in zip(as_ever, answers, strict=True) if one != other}
    assert told == list_paths_said(role)
    unknown = [one for one in ask(app, never, role, NOBODYS) if one[2]]
    for leave, shop, face in zip(LEAVES, shops, ids, strict=True):
        if leave is erase or not role.includes(READS_OF_GROUNDS):
            assert [one for one in ask(app, shop, role, face) if one[2]] == unknown, leave
