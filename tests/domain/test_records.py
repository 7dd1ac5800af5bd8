from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import FieldInfo, fields, replace

from chalicelib.domain.consent import Basis, Consent, Ending, Remembered
from chalicelib.domain.model import (
    Attribute,
    Edit,
    Face,
    Group,
    Hold,
    JournalEntry,
    Labels,
    ListedFace,
    Picture,
    Restriction,
    Template,
)
from chalicelib.domain.pictures import BoundingBox, Estimates, Gender, Pose, Sides
from chalicelib.storage import keys
from chalicelib.storage.limits import attribute_size
from chalicelib.storage.records.faces import (
    face_from,
    face_item,
    group_from,
    group_item,
    journal_entries,
    journal_item,
    listed_face_from,
    round_estimates,
)
from tests.support.book.written import kinds_of

START = datetime(2026, 1, 1, tzinfo=UTC)

moments = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
tenths = st.integers(-900, 1000).map(lambda n: n / 10)
thousandths = st.integers(0, 1000).map(lambda n: n / 1000)
templates = st.lists(
    st.builds(Template, st.sampled_from(["m", "n"]), st.binary(max_size=8)), max_size=4
).map(tuple)
estimates = st.builds(
    Estimates,
    st.none() | tenths,
    st.none() | st.sampled_from(Gender),
    st.none() | thousandths,
    st.none() | st.just("happy"),
    st.none() | thousandths,
    st.none() | st.builds(Pose, tenths, tenths, tenths),
    st.none() | tenths,
    st.none() | tenths,
    st.none() | thousandths,
    st.frozensets(st.sampled_from(["age", "beauty"])),
)
pictures = st.lists(
    st.builds(
        Picture,
        st.binary(min_size=16, max_size=16).map(bytes.hex),
        st.sampled_from(["", keys.face_picture("t", "f", "0123456789abcdef")]),
        moments,
        templates,
        estimates,
        meant=st.none() | st.just(BoundingBox(12.5, 0.0, 250.1, 301.0)),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda picture: picture.id,
).map(tuple)
texts = st.text(max_size=3)
BY_NAME = {"faceid": st.just("f"), "group_id": st.just("g"), "pictures": pictures}
BY_KIND = {
    str: texts,
    int: st.integers(1, 999),
    bool: st.booleans(),
    datetime: moments,
    Gender: st.sampled_from(Gender),
    Mapping[int, str]: st.dictionaries(st.integers(1, 9), texts),
    Labels: st.builds(Labels, texts, texts),
    tuple[str, ...]: st.lists(texts, max_size=3).map(tuple),
    Remembered: st.builds(Remembered, st.sampled_from(Basis), texts, moments),
    Consent: st.builds(Consent, st.sampled_from(Basis), moments, texts, st.none() | moments),
    Hold: st.builds(Hold, texts, moments),
    Restriction: st.builds(
        Restriction, texts, moments, texts, texts, texts, st.sampled_from(Ending)
    ),
}


def values_of(field: FieldInfo) -> st.SearchStrategy[Any]:
    """Values of a field of a face: what says nothing, or another.

    A new field needs nothing here unless its kind is.
    """
    if field.name in BY_NAME:
        return BY_NAME[field.name]
    values = BY_KIND[kinds_of(field.type)[0]]
    return (
        values
        if field.required
        else st.just(getattr(Face("f", "g", START, ()), field.name)) | values
    )


faces = st.builds(Face, **{field.name: values_of(field) for field in fields(Face)}).flatmap(
    lambda face: st.sampled_from(face.pictures).map(
        lambda chosen: replace(face, portrait_id="" if chosen is face.pictures[0] else chosen.id)
    )
)
"""Faces of which the portrait is any of the pictures."""


@given(faces)
def test_face_comes_back_as_it_was_stored(face: Face) -> None:
    assert face_from(face_item("t", face)) == face


def test_a_stranger_is_a_unit_of_writing_so_that_an_arrival_costs_no_more() -> None:
    at, seen = datetime(2026, 1, 1, tzinfo=UTC), Pose(-12.3, -14.7, -11.2)
    estimates = Estimates(
        33.4,
        Gender.FEMALE,
        0.912,
        "surprise",
        0.834,
        seen,
        81.4,
        59.2,
        0.929,
        frozenset({"beauty"}),
    )
    picture = Picture(
        bytes(16).hex(),
        keys.face_picture("shop", "456140626329642571", "0123456789abcdef"),
        at,
        (Template("faceembed-mf_0002", bytes(512)),),
        estimates,
        Sides(1000, 1000),
        founded_at=at,
    )
    stranger = Face(
        "456140626329642571", "stranger", at, (picture,), arrive_count=999, last_arrival_at=at
    )
    item = face_item("shop", replace(stranger, number=99_999, version=1_000))
    assert sum(attribute_size(name, value) for name, value in item.items()) <= 1024 - 40


@given(faces)
def test_what_the_index_by_arrival_carries_is_all_that_a_list_shows(face: Face) -> None:
    item = face_item("t", face)
    carried = {
        name: item[name]
        for name in ("tenant", "faceid", *keys.FACES.projections["by_arrival"])
        if name in item
    }
    listed = listed_face_from(carried)
    assert listed == listed_face_from(item)
    assert listed.portrait == replace(face.portrait, templates=())
    for name in shared_fields(ListedFace, Face):
        assert getattr(listed, name) == getattr(face, name)
    assert (listed.picture_count, listed.estimates) == (face.picture_count, face.estimates)


def shared_fields(*kinds: type[ListedFace | Face]) -> set[str]:
    return set.intersection(*({field.name for field in fields(kind)} for kind in kinds))


@given(
    st.builds(
        Estimates, st.floats(0, 120), quality=st.floats(0, 100), emotion_score=st.floats(0, 1)
    )
)
def test_estimates_as_stored_are_what_comes_back(estimates: Estimates) -> None:
    kept = round_estimates(estimates)
    assert round_estimates(kept) == kept
    assert kept.age == pytest.approx(estimates.age, abs=0.051)


@given(st.none() | st.integers(0, 30_000), st.integers(0, 100))
def test_group_comes_back_as_it_was_stored(capacity: int | None, count: int) -> None:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    group = Group(
        "1",
        "vip",
        "d",
        count,
        capacity,
        (Attribute(1, "hobby"),),
        3,
        tags={"site": ""},
        created_at=made,
    )
    item = group_item("t", group, made)
    assert group_from(item) == group
    assert ("free" in item) == (capacity is not None)


@given(
    st.lists(st.builds(JournalEntry, st.sampled_from(Edit), st.just("f"), st.just("g"), templates))
)
def test_journal_comes_back_as_it_was_stored(entries: list[JournalEntry]) -> None:
    item = journal_item("t", 7, datetime(2026, 1, 1, tzinfo=UTC), entries)
    assert journal_entries(item) == tuple(entries)
