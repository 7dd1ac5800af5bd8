"""Fields that somebody writes of a person are in every place where they belong, or here is why not.

A new field of `Face` fails here until it is.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from msgspec import Struct
from msgspec.structs import replace
from regulars_transfer.exports import FaceLine
from regulars_transfer.sources import TEXTS as COLUMNS

from chalicelib.api.v1 import faces as v1
from chalicelib.book.sightings.rejection import has_only_a_name
from chalicelib.domain.consent import Consent
from chalicelib.domain.grounds import list_gains
from chalicelib.domain.model import BLANK, OF_THE_SERVICE, STRANGER, Face, Labels, ListedFace
from chalicelib.domain.person_texts import LINES, TEXTS, PersonTextChanges, PersonTexts
from chalicelib.domain.rules.hold import loses_anything
from chalicelib.privacy.data_map import DATA_MAP
from chalicelib.privacy.notices import write_record
from chalicelib.storage import keys
from chalicelib.storage.items import FaceOrder
from chalicelib.storage.ports import Put
from chalicelib.storage.records.faces import face_item
from chalicelib.storage.records.merges import TAKEN, MergeBackup
from tests.support.api.stage import make_stage
from tests.support.api.v1.client import V1Client
from tests.support.book.book import Book
from tests.support.book.written import WRITTEN
from tests.support.fakes import Person

ROOT = Path(__file__).parents[2]


def require_decided(
    place: str, names: Collection[str], found: Collection[str], why_not: Mapping[str, str]
) -> None:
    """Fail for each field that is neither there nor left out for a reason; the reasons are of
    fields that are not."""
    new = [name for name in names if name not in found and name not in why_not]
    assert not new, (
        f"Face.{new[0]} is new: put it into {place}, or say in {Path(__file__).name} why it is not "
        "there"
    )
    assert not {*why_not} & {*found}, "the reason is out of date"


def test_each_field_is_of_the_service_or_somebody_wrote_it() -> None:
    assert not OF_THE_SERVICE - {*Face.__struct_fields__}
    assert {*BLANK, *OF_THE_SERVICE} == {*Face.__struct_fields__}


def test_each_text_of_a_person_may_be_changed_and_papers_have_a_word_for_it() -> None:
    names = [*PersonTexts.__struct_fields__]
    assert names == [*PersonTextChanges.__struct_fields__] == [*TEXTS]


STORED = {
    Face: "faceid group_id enrolled_at pictures age gender attributes labels name consent "
    "arrive_count last_arrival_at negatives merges moving hold restriction changed_at external_id "
    "face_set number revision version withdrawn_at",
    MergeBackup: "face visits negatives survivor_group_id survivor_visits pictures learnt spare "
    "given name consent age gender external_id labels attributes survivor_withdrawn_at",
}
"""Members of what is stored of a person, in their order. Texts are behind all of them."""


@pytest.mark.parametrize("kind", STORED)
def test_members_that_are_stored_are_where_they_were(kind: type[Struct]) -> None:
    """Forms without names depend on the order, and a member that is gone is read no more."""
    known = STORED[kind].split()
    assert [*kind.__struct_fields__][: len(known)] == known, "put a new member behind them"


class Shop:
    """A shop that knows Eva, of whom all is written that can be, and Gus, of whom nothing is."""

    def __init__(self, folder: Path) -> None:
        self.book = book = Book(folder)
        app = make_stage(book.services).app
        self.v1 = V1Client(app, book.services.tenants.rotate_keys("shop").api_key)
        self.v1.done("POST", "/v1/groups", {"name": "vip", "attributes": ["hobby"]})
        self.eva, self.gus = book.enrol(Person(1), "vip"), book.enrol(Person(2), "vip")
        self.eva = replace(self.eva, **WRITTEN)
        book.storage.items.transact([Put(keys.FACES, face_item("shop", self.eva))])

    def write_members(self, face: Face) -> dict[str, Any]:
        stored = self.book.services.faces.get(self.book.tenant, face.faceid)
        return {name: getattr(stored, name) for name in BLANK}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("written"))
    yield shop
    shop.book.services.close()


def test_a_hold_keeps_it(shop: Shop) -> None:
    kept = [
        name for name in BLANK if loses_anything(shop.eva, replace(shop.eva, **{name: BLANK[name]}))
    ]
    require_decided("chalicelib/domain/rules/hold.py", BLANK, kept, {})
    assert not [
        name
        for name in BLANK
        if loses_anything(shop.gus, replace(shop.gus, **{name: WRITTEN[name]}))
    ]


def test_a_rejection_that_unmakes_a_face_does_not_lose_it(shop: Shop) -> None:
    assert has_only_a_name(shop.gus)
    lost = [name for name in BLANK if has_only_a_name(replace(shop.gus, **{name: WRITTEN[name]}))]
    kept = [name for name in BLANK if name not in lost]
    why_not = {"name": "who gives a visit back to its person has named the face by mistake"}
    require_decided(
        "has_only_a_name (chalicelib/book/sightings/rejection.py)", BLANK, kept, why_not
    )


def test_a_merge_takes_it_over_and_its_undo_gives_it_back(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with closing(shop.book.services):
        require_decided("MergeBackup (chalicelib/storage/records/merges.py)", BLANK, TAKEN, {})
        merging = shop.book.services.merges.merging
        merge = merging.merge(shop.book.tenant, shop.gus.faceid, shop.eva.faceid)
        assert shop.write_members(shop.gus) == {**BLANK, **{name: WRITTEN[name] for name in TAKEN}}
        merging.undo(shop.book.tenant, merge.id)
        assert (shop.write_members(shop.gus), shop.write_members(shop.eva)) == (BLANK, WRITTEN)


def test_a_tenant_that_asks_for_consent_asks_before_a_stranger_gets_it(shop: Shop) -> None:
    stranger = replace(shop.gus, group_id=STRANGER, pictures=())
    asked = [
        name for name in BLANK if list_gains(replace(stranger, **{name: WRITTEN[name]}), stranger)
    ]
    why_not = {
        **dict.fromkeys(
            ("age", "gender"), "they are estimates, of which many people have the same"
        ),
        "consent": "it is the ground",
    }
    require_decided("list_gains (chalicelib/domain/grounds.py)", BLANK, asked, why_not)


OF_PAPERS = {
    "name": "name",
    **{name: text.word for name, text in TEXTS.items()},
    "labels": "labels",
    "attributes": "attributes",
    "consent": "consent",
}
"""What papers call a field that somebody wrote."""


def test_the_data_map_and_the_record_of_processing_name_it(shop: Shop) -> None:
    why_not = {
        "age": "the estimates say it",
        "gender": "the estimates say it",
        "external_id": "it is the name of a photo, which a program gave",
    }
    [faces] = (place for place in DATA_MAP if place.name == "faces")
    named = [name for name, word in OF_PAPERS.items() if word in faces.holds]
    require_decided("the place faces (chalicelib/privacy/data_map.py)", BLANK, named, why_not)
    facts = shop.book.services.notices.read_facts(shop.book.tenant)
    [data] = [
        line for line in write_record(facts, []).splitlines() if line.startswith("| (c) data")
    ]
    named = [name for name, word in OF_PAPERS.items() if word in data]
    of_groups = {"attributes": "they are what a group notes", "consent": "the legal basis says it"}
    require_decided(
        "write_record (chalicelib/privacy/notices.py)", BLANK, named, why_not | of_groups
    )


def test_the_archive_of_a_person_shows_it(shop: Shop) -> None:
    file = BytesIO()
    shop.book.services.archives.write(shop.book.tenant, shop.eva.faceid, file, "en")
    page = ZipFile(file).read("index.html").decode()
    shown = [name for name in BLANK if all(f">{text}" in page for text in show(WRITTEN[name]))]
    why_not = {"external_id": "everything.json has it"}
    require_decided(
        "_list_record_rows (chalicelib/privacy/subject_access.py)", BLANK, shown, why_not
    )


def show(value: Any) -> list[str]:
    """Return texts of a value as a page begins a cell with them."""
    if isinstance(value, Consent):
        return [value.evidence]
    if isinstance(value, Mapping):
        return [", ".join(value.values())]
    return [", ".join(filter(None, value))] if isinstance(value, Labels) else [str(value)]


def test_v1_answers_and_takes_it(shop: Shop) -> None:
    index = "external_id", "only Rekognition knows it"
    consent = "consent", "it has routes of its own"
    place = "{} (chalicelib/api/v1/faces.py)"
    for kind, why_not in (
        (v1.Face, [index, consent]),
        (v1.NewFace, [index]),
        (v1.FaceChanges, [index, consent]),
    ):
        require_decided(place.format(kind.__name__), BLANK, kind.__struct_fields__, dict(why_not))
    answer = shop.v1.done("GET", f"/v1/faces/{shop.eva.faceid}")
    plain = {
        name: WRITTEN[name]
        for name in BLANK
        if name in answer and name not in ("attributes", "labels")
    }
    assert {name: answer[name] for name in plain} == plain


@pytest.mark.parametrize("order", FaceOrder)
def test_each_list_answers_it_as_the_face_does(shop: Shop, order: FaceOrder) -> None:
    listed = {face["id"]: face for face in shop.v1.done("GET", "/v1/faces", order=order)["faces"]}
    answer = shop.v1.done("GET", f"/v1/faces/{shop.eva.faceid}")
    unlisted = {name for name, text in TEXTS.items() if not text.is_listed}
    # a list says neither of the first two (`face-ids?hidden=true` does); the third has a signed URL
    unlike = {"kept_until", "hidden", "portrait", *unlisted}
    for name in answer.keys() - unlike:
        assert listed[shop.eva.faceid][name] == answer[name], (
            f"by {order}: put {name} into {LISTED}"
        )


LISTED = (
    "ListedFace, and into by_arrival (chalicelib/storage/keys.py), but ask first: a stage on AWS "
    "that exists cannot "
    "change a local secondary index"
)


def test_the_index_by_arrival_is_as_stages_have_it() -> None:
    names = {"group_id": "group", "picture_count": "pictures"}
    of_portrait = {"estimates"}  # the stored portrait has them
    fields = {*ListedFace.__struct_fields__} - {"faceid"} - of_portrait
    wanted = {names.get(name, name) for name in fields}
    new = wanted.symmetric_difference(keys.FACES.projections["by_arrival"])
    assert not new, f"{new} is either in ListedFace or in the index: put it into {LISTED}"


def test_an_export_and_a_table_bring_along_what_an_enrolment_takes() -> None:
    names = {*v1.NewFace.__struct_fields__} - {"picture", "if_known", "if_erased"}
    require_decided(
        "FaceLine (transfer/src/regulars_transfer/exports.py)",
        sorted(names),
        FaceLine.__struct_fields__,
        {},
    )
    others = {"age", "attributes", "labels"}  # a number, any other column, and a column each
    why_not = {
        "consent": "a record has parts, for which a table has no columns: v1 records it",
        "hidden": "people who are brought in are to be seen: somebody hides them afterwards",
    }
    require_decided(
        "TEXTS (transfer/src/regulars_transfer/sources.py)",
        sorted(names),
        {*COLUMNS} | others,
        why_not,
    )


def test_the_console_shows_a_person_what_may_be_changed() -> None:
    page = "".join(path.read_text() for path in sorted((ROOT / "console/people").glob("*.js")))
    names = [name for name in v1.FaceChanges.__struct_fields__ if name != "revision"]
    assert "Object.entries(PERSON_TEXTS)" in page
    shown = [
        name for name in names if name in LINES or f"one.{name}" in page or f"face.{name}" in page
    ]
    require_decided("the person's page (console/people/person.js)", names, shown, {})
