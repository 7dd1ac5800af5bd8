"""Who is made by cameras alone, and by all pictures somebody who withdrew, becomes no more by any
door: no regular, no name, no part of somebody, no suggestion.

Everybody whom cameras made gets a twin: a face of the same look whose record was withdrawn.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.domain.consent import Basis, Consent, Ending
from chalicelib.domain.grounds import has_ground, is_made_by_cameras, rises
from chalicelib.domain.model import REGULAR, RESTRICTED, STRANGER, Face, Restriction
from chalicelib.storage import keys
from chalicelib.storage.items import ENDED_CHANGES, WITHDRAWN, walk_items
from chalicelib.storage.ports import Put, Update, exists
from chalicelib.storage.records.faces import face_item, face_puts
from tests.faults.test_consent_at_every_door import DOORS, RECORDS, read_faces
from tests.support.faults.shop import Box, Shop
from tests.support.faults.use_cases import USE_CASES, UseCase

ROWS = [
    pytest.param(case, id=str(case))
    for case in USE_CASES
    if case.route in DOORS or str(case) in RECORDS
]
RISING = {
    "PATCH /v1/faces/{id}",
    "PATCH /v1/faces/{id} its name away",
    "POST /v1/face-changes labelled",
    "POST /v1/face-changes moved",
    "POST /v1/faces/{id}/merge",
    "POST /v1/faces/{id}/merge the other way",
    "POST /v1/faces/{id}/sightings/{sighting}/reject",
    "POST /v1/faces/{id}/sightings/{sighting}/reject for a stranger",
    "POST /v1/faces/{id}/sightings/{sighting}/reject for another",
    "POST /v1/faces/{id}/sightings/{sighting}/reject for nobody",
    "POST /v1/merges/{id}/undo (merged)",
    "PUT /v1/faces/{id}/consent (consented)",
    "ingest who is promoted, and somebody new",
    "sweep (alike)",
    "watch (alike)",
}
"""Rows by which somebody becomes more if nobody withdrew: of all use cases no other does so."""


def make_nameless(box: Box) -> None:
    """Have everybody whom a camera might have made be made by one: nobody said anything of them."""
    for faceid, face in read_faces(box).items():
        if face.group_id in (STRANGER, REGULAR):
            pictures = (
                replace(picture, learnt=None, founded_at=face.enrolled_at)
                for picture in face.pictures
            )
            nameless = replace(
                face, group_id=STRANGER, name="", user="", consent=None, pictures=tuple(pictures)
            )
            put = Put(keys.FACES, face_item("shop", nameless), (exists(faceid),))
            box.storage.items.transact([put])


def withdraw_twins(box: Box) -> None:
    """Have somebody with the look of each of those people withdraw."""
    now = box.clock.now()
    consent = Consent(Basis.CONSENT, now - timedelta(days=60), "form")
    ended = Restriction("", now, "regular", "", ended=Ending.WITHDRAWN)
    made = [face for face in read_faces(box).values() if is_made_by_cameras(face)]
    twins = (
        replace(
            face,
            faceid=f"twin-{face.faceid}",
            group_id=RESTRICTED,
            pictures=tuple(replace(picture, key="") for picture in face.pictures),
            consent=consent,
            restriction=ended,
            withdrawn_at=now,
            merges=0,
            negatives=0,
            moving="",
        )
        for face in made
    )
    for twin in twins:
        box.storage.items.transact(face_puts(box.tenant, twin))
    noted = {WITHDRAWN: 1, ENDED_CHANGES: 1}
    key = "shop", keys.TENANT_ITEM
    box.storage.items.transact([Update(keys.DIRECTORY, key, (exists("there"),), add=noted)])


def list_risen(box: Box, before: dict[str, Face], pairs: set[str]) -> Iterator[str]:
    """Yield what those people are by now that they were not."""
    after = read_faces(box)
    made = {faceid: face for faceid, face in before.items() if is_made_by_cameras(face)}
    yield from (
        f"{faceid} rose"
        for faceid, face in made.items()
        if faceid in after and rises(face, after[faceid])
    )
    for merge in box.services.merges.records.list_all("shop"):
        into = after.get(merge.survivor)
        if merge.other in made and merge.is_active and into and not has_ground(into.consent):
            yield f"{merge.other} is a part of {merge.survivor}"
    for pair in read_pairs(box) - pairs:
        if made.keys() & {*keys.parts_of_duplicate(pair)}:
            yield f"{pair} are suggested"


def read_pairs(box: Box) -> set[str]:
    return {item["id"] for item in walk_items(box.storage.items, keys.DUPLICATES, "shop")}


def try_case(case: UseCase, shop: Shop, folder: Path, *, withdrawn: bool) -> list[str]:
    """What somebody is by the use case, who is somebody who withdrew, or nobody's like."""
    with shop.copied(folder) as box:
        make_nameless(box)
        if withdrawn:
            withdraw_twins(box)
        before, pairs = read_faces(box), read_pairs(box)
        case.do(box)
        return [*list_risen(box, before, pairs)]


@pytest.mark.parametrize("case", ROWS)
def test_nobody_who_withdrew_becomes_more_than_a_stranger(
    case: UseCase, shops: dict[str, Shop], tmp_path: Path
) -> None:
    risen = try_case(case, shops[case.shop], tmp_path, withdrawn=False)
    assert bool(risen) == (str(case) in RISING), f"write it down: {risen}"
    assert try_case(case, shops[case.shop], tmp_path, withdrawn=True) == []


def test_each_row_is_there() -> None:
    assert RISING - set(map(str, USE_CASES)) == set()
