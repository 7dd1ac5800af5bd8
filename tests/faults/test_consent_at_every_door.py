"""A tenant that asks for consent: through no route, function or job does somebody without it become
more than a stranger. Every row of use_cases.py is tried, so that a new door is, too.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.domain.consent import Basis, Consent, Ending
from chalicelib.domain.grounds import has_ground, is_made_by_cameras, rises
from chalicelib.domain.model import BLANK, REGULAR, RESTRICTED, STRANGER, Face, Restriction
from chalicelib.storage import keys
from chalicelib.storage.items import ENDED_CHANGES, WITHDRAWN, walk_items
from chalicelib.storage.ports import Delete, Put, Update, exists
from chalicelib.storage.records.faces import face_from, face_item, face_puts
from chalicelib.storage.values import time_text
from tests.support.faults.shop import Box, Shop
from tests.support.faults.use_cases import USE_CASES, UseCase

ROWS = [pytest.param(case, id=str(case)) for case in USE_CASES]
OF_9_2 = {"consent", "employment", "vital_interest", "legal_claims", "public_interest"}


def read_faces(box: Box) -> dict[str, Face]:
    """All faces, whatever their groups."""
    return {
        item["faceid"]: face_from(item)
        for item in walk_items(box.storage.items, keys.FACES, "shop")
    }


def gained(before: Mapping[str, Face], after: Mapping[str, Face]) -> list[str]:
    """What faces without a ground have by now that no stranger has, and that they did not have."""
    found = []
    for faceid, face in after.items():
        old = before.get(faceid)
        if face.consent is not None and face.consent.basis in OF_9_2:
            continue
        if face.stripped_at is not None and not face.picture_keys:
            continue  # the template of before is left, and no picture
        if face.name and (old is None or old.name != face.name):
            found.append(f"{faceid}: the name {face.name!r}")
        if face.group_id not in ("stranger", "restricted") and (
            old is None or old.group_id != face.group_id
        ):
            found.append(f"{faceid}: the group {face.group_id}")
        for called in BLANK.keys() - {"name", "age", "gender", "consent"}:
            text = getattr(face, called)
            if any(text) and (old is None or getattr(old, called) != text):
                found.append(f"{faceid}: {called}")
        if old is not None and (old.name or old.group_id not in ("stranger", "restricted")):
            if any(one.id not in {mine.id for mine in old.pictures} for one in face.pictures):
                found.append(f"{faceid}: any picture")
            if face.merges > old.merges:
                found.append(f"{faceid}: visits")
        if face.face_set and (old is None or old.face_set != face.face_set):
            found.append(f"{faceid}: the user {face.face_set}")
        photos = {one.id for one in old.pictures} if old else set()
        if any(
            one.id not in photos and one.learnt is None and one.founded_at is None
            for one in face.pictures
        ):
            found.append(f"{faceid}: a picture")
    return found


def try_case(
    case: UseCase, shop: Shop, folder: Path, *, asks: bool
) -> tuple[list[str], object, list[str]]:
    """What is gained by the use case, its answer, and who has a record by it."""
    with shop.copied(folder) as box:
        box.services.tenants.change_settings("shop", {"consent_required": asks})
        before = read_faces(box)
        answer, after = case.do(box), read_faces(box)
        return gained(before, after), answer, list_consenting(before, after)


DOORS = {
    "POST /openapi/face/addFace",
    "POST /openapi/face/updateFace",
    "POST /icredit/face/manage 0",
    "POST / IndexFaces",
    "POST / AssociateFaces",
    "POST /api/v1/recognition/faces",
    "PUT /api/v1/recognition/subjects/{name}",
    "PUT /api/v1/recognition/subjects/{name}/{second}",
    "PUT /api/v1/recognition/subjects/{name}/{second}/{third}",
    "POST /v1/vision/face/register",
    "PATCH /v1/faces/{id}",
    "POST /v1/face-changes",
    "POST /v1/faces/{id}/pictures",
    "POST /v1/faces/{id}/sightings/{sighting}/reject",
    "POST /v1/faces/{id}/merge",
    "POST /v1/merges/{id}/undo",
    "POST /v1/done/{id}/undo",
    *(BY_THE_CLOCK := {"ingest", "sweep", "watch"}),
}
"""Routes of which some row gives somebody something if the tenant does not ask, and no consent with
it. By the clock: a stranger who came often is a regular, or two faces are one.
"""


RECORDS = {
    "PUT /v1/faces/{id}/consent (consented)",
    "POST /v1/faces",
    "POST /v1/faces unless known",
}
"""Rows by which a face gets a record of consent."""


def list_consenting(before: Mapping[str, Face], after: Mapping[str, Face]) -> list[str]:
    """The faces that have a record by now, and had none, or another one."""
    return [
        faceid
        for faceid, face in after.items()
        if face.consent is not None
        and (faceid not in before or face.consent != before[faceid].consent)
    ]


def forget_requests(box: Box) -> None:
    """Have the same request be another one, as a program sends it that has the record still."""
    for item in box.storage.items.scan(keys.REQUESTS, "shop"):
        key = item["tenant"], item["request"]
        box.storage.items.transact([Delete(keys.REQUESTS, key)])


@pytest.mark.parametrize("case", [row for row in ROWS if row.id in RECORDS])
def test_no_older_record_takes_a_withdrawal_back(
    case: UseCase, shops: dict[str, Shop], tmp_path: Path
) -> None:
    """Whoever consents by it withdraws, and it is done once more."""
    with shops[case.shop].copied(tmp_path) as box:
        before = read_faces(box)
        case.do(box)
        consented = read_faces(box)
        consenting = list_consenting(before, consented)
        assert consenting
        box.clock.advance(timedelta(hours=1))
        for faceid in consenting:
            box.services.consents.withdraw_consent(box.tenant, faceid)
        withdrawn = read_faces(box)
        forget_requests(box)
        answer = str(case.do(box))
        after = read_faces(box)
    assert after == withdrawn, "nobody is in the book again, by this or another face"
    given_at = {consented[faceid].consent.given_at for faceid in consenting}
    withdrawn_at = {after[faceid].withdrawn_at for faceid in consenting}
    times = set(map(time_text, given_at | withdrawn_at))
    assert "'status': 409" in answer
    if "FaceExists" not in answer:  # as it says of somebody who is sent with an id
        assert {text for text in times if text not in answer} == set(), f"it names both: {answer}"


@pytest.mark.parametrize("case", ROWS)
def test_nobody_without_consent_becomes_more_than_a_stranger(
    case: UseCase, shops: dict[str, Shop], tmp_path: Path
) -> None:
    through, _, consenting = try_case(case, shops[case.shop], tmp_path, asks=False)
    held, answer, _ = try_case(case, shops[case.shop], tmp_path, asks=True)
    assert held == []
    assert not consenting or str(case) in RECORDS, "it writes a record: write it down there"
    if through:
        assert case.route in DOORS, "it is a door that nobody knew: write it down here"
        assert "consent" in str(answer).lower() or case.route in BY_THE_CLOCK, (
            f"the refusal does not say why: {answer}"
        )


def test_each_door_is_a_row() -> None:
    assert RECORDS - set(map(str, USE_CASES)) == set()
    assert DOORS - {case.route for case in USE_CASES} == set()


KNOWN_ROWS = [
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
                face,
                group_id=STRANGER,
                name="",
                face_set="",
                consent=None,
                pictures=tuple(pictures),
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


def try_known(case: UseCase, shop: Shop, folder: Path, *, withdrawn: bool) -> list[str]:
    """What somebody is by the use case, who is somebody who withdrew, or nobody's like."""
    with shop.copied(folder) as box:
        make_nameless(box)
        if withdrawn:
            withdraw_twins(box)
        before, pairs = read_faces(box), read_pairs(box)
        case.do(box)
        return [*list_risen(box, before, pairs)]


@pytest.mark.parametrize("case", KNOWN_ROWS)
def test_nobody_who_withdrew_becomes_more_than_a_stranger(
    case: UseCase, shops: dict[str, Shop], tmp_path: Path
) -> None:
    risen = try_known(case, shops[case.shop], tmp_path, withdrawn=False)
    assert bool(risen) == (str(case) in RISING), f"write it down: {risen}"
    assert try_known(case, shops[case.shop], tmp_path, withdrawn=True) == []


def test_each_row_that_raises_somebody_is_there() -> None:
    assert RISING - set(map(str, USE_CASES)) == set()
