"""What is left, in any storage, of people who withdrew in each way, once the retention days are
over.

After `ended_days` only the id and the template of those who are remembered; after `remembered_days`
nothing. It depends on no table and no file (tests/support/api/remains.py).
"""

import io
import json
import re
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.domain.consent import Basis
from chalicelib.domain.model import Face
from chalicelib.privacy.retention import Kind
from chalicelib.storage import keys
from chalicelib.storage.records.faces import face_from
from tests.support.api.remains import found, kept_in, live, needles
from tests.support.api.ways_in import Somebody
from tests.support.book.book import Shot
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import Person, photo
from tests.support.faults.shop import Box, Shop, furnished
from tests.support.hooks.receiver import answers, receiving

DAY = timedelta(days=1)
ENDED, REMEMBERED = 14, 365
WISH = {"remember_basis": "consent", "remember_evidence": "letter in drawer 5"}
ENDS = ("withdrawn", "expired", "remembered", "merged", "held")
"""The ways to say no; of merged and held, too, she asks to be remembered."""
MAY_STAY = re.compile(r"id|template \d( in base64)?")
"""What may be found of somebody who is remembered."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with receiving(answers(200)) as receiver:
        yield furnished(tmp_path_factory.mktemp("shop") / "shop", receiver)


@pytest.fixture
def box(shop: Shop, tmp_path: Path) -> Iterator[Box]:
    with shop.copied(tmp_path) as made:
        made.services.tenants.change_settings("shop", {"deletes_erase": False})
        yield made


def enrol(box: Box, one: Somebody) -> None:
    record = {"basis": "consent", "given_at": "2026-03-01T00:00:00Z", "evidence": one.note}
    body = {"picture": photo(one.seed, side_px=140.0), "group": "regular", "name": one.name}
    one.faceid = box.v1.done("POST", "/v1/faces", {**body, "consent": record})["id"]


def merge(box: Box, one: Somebody) -> None:
    sent = {"picture": photo(one.seed + 9_000, side_px=140.0), "group": "regular"}
    other = box.v1.done("POST", "/v1/faces", {**sent, "name": f"{one.name}-second"})
    box.v1.done("POST", f"/v1/faces/{one.faceid}/merge", {"other": other["id"]})


def end(box: Box, one: Somebody) -> None:
    """End her consent. She loses what somebody took for her, too."""
    path = f"/v1/faces/{one.faceid}"
    if one.way_out == "expired":
        ends = (box.clock.now() + timedelta(hours=1)).isoformat()
        record = {"basis": "consent", "given_at": "2026-03-01T00:00:00Z"}
        body = {**record, "expires_at": ends, "evidence": one.note}
        box.v1.done("PUT", f"{path}/consent", body)
        return
    wish = {} if one.way_out == "withdrawn" else WISH
    assert box.v1.send("DELETE", f"{path}/consent", query=wish).status == 204
    if one.way_out == "held":
        box.services.faces.holds.set(box.tenant, one.faceid, "case 7")


def sweep(box: Box) -> None:
    """Let the clock do all that it does, and confirm what would wait."""
    box.settle()
    for _ in range(2):
        kinds = (Kind.CONSENTS, Kind.REMEMBERED)
        box.services.erasure.retention.sweep_tenant(
            box.tenant, swept_kinds=kinds, is_confirmed=True
        )
        box.clock.advance(timedelta(minutes=5))
        box.settle()


def come_late(box: Box, one: Somebody) -> None:
    """A camera that was offline sends what it saw before, and one sees her now."""
    for at in (box.clock.now() - 20 * DAY, box.clock.now()):
        box.see(Shot(at, (Person(one.seed, side_px=140.0),)))


def begin(box: Box, ends: Sequence[str]) -> list[Somebody]:
    people = [Somebody("v1", way_out) for way_out in ends]
    for one in people:
        enrol(box, one)
    for one, beside in zip(people, [*people[1:], people[0]], strict=True):
        live(box, one, beside)
    for one in people:
        if one.way_out == "merged":
            merge(box, one)
        one.wanted = needles(box, one)
        end(box, one)
        box.v1.done("DELETE", f"/v1/faces/{one.also}", erase="true")
    sweep(box)
    return people


def list_left(box: Box, people: Sequence[Somebody]) -> dict[str, set[str]]:
    """Return what is found of each, by how she said no."""
    left = {one.way_out: set[str]() for one in people}
    for line in found(kept_in(box.folder), [*people]):
        who, _, what = line.partition(": ")
        left[who.partition(", ")[2]].add(what.partition(" in /")[0].rpartition(" in ")[0])
    return left


def is_bare(left: set[str]) -> bool:
    return "id" in left and all(MAY_STAY.fullmatch(what) for what in left)


def test_the_template_is_left_of_who_is_remembered_and_nothing_of_others_and_it_ends(
    box: Box,
) -> None:
    people = begin(box, ENDS)
    box.clock.advance((ENDED - 2) * DAY)
    sweep(box)
    before = list_left(box, people)
    assert all({"name", "note", "a picture"} <= left for left in before.values()), before
    for one in people:
        come_late(box, one)
    box.clock.advance(2 * DAY)
    sweep(box)
    for one in people[2:]:  # who is erased is a stranger as any other
        come_late(box, one)
    sweep(box)
    left = list_left(box, people)
    assert left["withdrawn"] == left["expired"] == set()
    assert {"name", "note", "a picture"} <= left["held"]
    assert is_bare(left["remembered"]), left
    assert is_bare(left["merged"]), left
    remembered = [one for one in people if one.way_out in ("remembered", "merged")]
    require_bare(box, remembered)
    ids = [one.faceid for one in remembered]
    for face in box.services.faces.by_id(box.tenant, ids, restricted=True).values():
        assert face.remembered is not None
        wish = face.remembered.basis, face.remembered.evidence
        assert wish == (Basis.CONSENT, "letter in drawer 5")
    entries = box.services.audit.erasing.read_entries("shop", ids)
    assert {entry["remember_evidence"] for entry in entries} == {"letter in drawer 5"}
    [held] = (one for one in people if one.way_out == "held")
    box.services.faces.holds.lift(box.tenant, held.faceid, "closed")
    box.clock.advance(DAY)
    sweep(box)
    assert is_bare(list_left(box, people)["held"])
    box.clock.advance((REMEMBERED - ENDED) * DAY)
    sweep(box)
    assert list_left(box, people) == {way_out: set() for way_out in ENDS}


def require_bare(box: Box, people: Sequence[Somebody]) -> None:
    """Require that no table names her but with her face, and the audit's entry of that."""
    ids = {one.faceid for one in people}
    assert {face.faceid for face in box.services.faces.list_restricted(box.tenant)} >= ids
    for table in keys.TABLES:
        if table in (keys.FACES, keys.AUDIT):
            continue
        for item in box.storage.items.scan(table, "shop"):
            text = str(item)
            assert not [one for one in ids if one in text], (table.name, item)
    faces = box.services.faces.by_id(box.tenant, ids, restricted=True).values()
    assert len(faces) == len(people)
    for face in faces:
        wanted = next(one.wanted for one in people if one.faceid == face.faceid)
        assert {template.vector for template in face.templates} <= {*wanted.values()}
        assert (face.name, face.arrive_count, face.merges, face.negatives) == ("", 0, 0, 0)
        assert face.estimates.age is face.estimates.gender is face.estimates.emotion is None
        assert face.templates
    entries = box.services.audit.erasing.read_entries("shop", ids)
    assert {entry["what"] for entry in entries} == {"sweep consents"}
    assert list_disagreements(box.services, "shop") == []


def test_the_archive_says_of_whom_is_remembered_what_is_kept_and_for_how_long(box: Box) -> None:
    one, *_ = begin(box, ("remembered",))
    file = io.BytesIO()
    box.services.archives.write(box.tenant, one.faceid, file, "en")
    with zipfile.ZipFile(file) as archive:
        page, data = (archive.read(name).decode() for name in ("index.html", "everything.json"))
    assert "letter in drawer 5" in page
    assert "kept without being used since" not in page, "it is compared with everybody"
    assert "if it is not seen again" not in page
    kept = json.loads(data)["kept"]
    assert (kept["ended"], kept["template kept"], kept.get("unseen")) == (ENDED, REMEMBERED, None)


def test_of_everybody_the_template_is_left_where_the_tenant_erases_nobody_at_once(
    box: Box,
) -> None:
    box.v1.done("PATCH", "/v1/settings", {"expired_consent_erases": False})
    people = begin(box, ("withdrawn", "expired"))
    box.clock.advance(ENDED * DAY)
    sweep(box)
    for one in people:
        come_late(box, one)
    sweep(box)
    left = list_left(box, people)
    assert all(is_bare(what) for what in left.values()), left
    require_bare(box, people)
    box.clock.advance((REMEMBERED - ENDED) * DAY)
    sweep(box)
    assert list_left(box, people) == {"withdrawn": set(), "expired": set()}


def test_by_the_clock_alone_it_ends_whoever_looks(box: Box) -> None:
    """Twenty days at a time, as a box that is seldom on, and nobody confirms anything."""
    people = begin(box, ("withdrawn", "expired", "remembered"))
    left = dict[int, dict[str, set[str]]]()
    for day in range(20, REMEMBERED + 41, 20):
        box.clock.advance(20 * DAY)
        for _ in range(3):  # after such a jump the clock is believed in the second hour
            box.clock.advance(timedelta(hours=1))
            box.sweep()
        left[day] = list_left(box, people)
    assert left[20]["withdrawn"] == left[20]["expired"] == set(), left[20]
    assert is_bare(left[20]["remembered"]), left[20]
    assert left[400] == {"withdrawn": set(), "expired": set(), "remembered": set()}


def test_a_wish_is_taken_back_as_easily_as_it_was_said(box: Box) -> None:
    [one] = begin(box, ("remembered",))
    path = f"/v1/faces/{one.faceid}/consent"
    before = face_of(box, one)
    for status in (204, 404):
        assert box.v1.send("DELETE", path).status == status
    assert face_of(box, one).remembered is None
    assert face_of(box, one).withdrawn_at == before.withdrawn_at
    entries = box.services.audit.erasing.read_entries("shop", [one.faceid])
    said = [entry["remember_basis"] for entry in entries if "remember_basis" in entry]
    assert sorted(said) == ["consent", "none"]
    box.clock.advance(ENDED * DAY)
    sweep(box)
    assert list_left(box, [one]) == {"remembered": set()}


def test_once_the_template_alone_is_left_a_wish_ends_by_an_erasure(box: Box) -> None:
    [one] = begin(box, ("remembered",))
    box.clock.advance(ENDED * DAY)
    sweep(box)
    assert box.v1.send("DELETE", f"/v1/faces/{one.faceid}/consent").status == 404
    assert face_of(box, one).remembered is not None


def test_a_copy_from_before_the_days_ends_as_the_book_did(shop: Shop, tmp_path: Path) -> None:
    with shop.copied(tmp_path) as made:
        people = begin(made, ("withdrawn", "remembered"))
        backup = Path(shutil.copytree(made.folder, tmp_path / "backup", symlinks=True))
        at = made.clock.now()
    with closing(shop.opened(backup)) as box:
        box.clock.advance(at - box.clock.now() + ENDED * DAY)
        sweep(box)
        left = list_left(box, people)
        assert left["withdrawn"] == set()
        assert is_bare(left["remembered"])


def test_a_new_record_gives_all_back_before_and_the_nameless_template_after(box: Box) -> None:
    people = begin(box, ("remembered", "remembered"))
    early, late = people
    before = face_of(box, early)
    box.clock.advance((ENDED - 2) * DAY)
    renew(box, early)
    after = face_of(box, early)
    assert (after.name, after.group_id, after.arrive_count) == (
        before.name,
        "regular",
        before.arrive_count,
    )
    assert after.remembered is None
    box.clock.advance(2 * DAY)
    sweep(box)
    renew(box, late)
    bare = face_of(box, late)
    assert (bare.name, bare.group_id, bare.remembered, bare.stripped_at) == (
        "",
        "regular",
        None,
        None,
    )
    identified = box.v1.done("POST", "/v1/identify", {"picture": photo(late.seed, side_px=141.0)})
    assert late.faceid in str(identified)
    assert face_of(box, early).name == early.name
    box.clock.advance(40 * DAY)
    sweep(box)
    assert {early.faceid, late.faceid} <= {*box.faceids()}


def face_of(box: Box, one: Somebody) -> Face:
    item = box.storage.items.get(keys.FACES, ("shop", one.faceid))
    assert item is not None
    return face_from(item)


def renew(box: Box, one: Somebody) -> None:
    record = {"basis": "consent", "given_at": box.clock.now().isoformat(), "evidence": "form 8"}
    box.v1.done("PUT", f"/v1/faces/{one.faceid}/consent", record)
