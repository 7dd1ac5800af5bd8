"""Who withdrew comes again on six days by every way in: nothing is kept of her, whatever is kept of
strangers.

A camera's picture of her is counted as a person without a face. By hand nobody enrols her without a
new record. The ways in are those of tests/support/api/ways_in.py, which the walk over all routes
holds complete.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta

import pytest

from chalicelib.domain.model import Template
from chalicelib.domain.rules.templates import parse_vector
from chalicelib.domain.tenant_settings import FORGET, KEEP
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.records.faces import face_from
from tests.support.api.ways_in import IN, House, Somebody, open_house
from tests.support.fakes import Person, embedding_of, picture
from tests.support.faults.shop import Box

BY_CAMERA = {"camera", "capture", "upload", "frigate"}
"""Ways in whose picture a camera took; by the others somebody enrols her."""
DAYS = 6
WHY = re.compile("withdrawn|consent", re.IGNORECASE)
ALIKE = 0.5
"""Between the likeness of two people and that of two pictures of one."""


class Comer(Somebody):
    """Somebody who withdrew. Where a way in needs a picture before hers, it is another person's."""

    @property
    def first_photo(self) -> bytes:
        return picture(Person(self.seed + 1_000_000))


def withdraw(house: House, one: Somebody) -> None:
    """Enrol her with a record of consent, and take it away."""
    box = house.box
    one.faceid = IN["v1"].go(house, one)
    record = {"basis": "consent", "given_at": "2026-03-01T00:00:00Z"}
    box.v1.done("PUT", f"/v1/faces/{one.faceid}/consent", record)
    assert box.v1.send("DELETE", f"/v1/faces/{one.faceid}/consent").status == 204


def come_again(house: House, one: Somebody) -> Iterator[str]:
    """Let her come by her way in, and yield what is wrong with how that ends."""
    before, refusal = count_nobodies(house.box), ""
    try:
        IN[one.way_in].go(house, one)
    except Exception as error:
        refusal = repr(error)
    counted = count_nobodies(house.box) - before
    if not refusal:
        yield f"{one.way_in}: nobody says no"
    elif counted != (one.way_in in BY_CAMERA):
        yield f"{one.way_in}: {counted} people without a face are counted: {refusal}"
    elif counted == 0 and one.way_in != "import" and not WHY.search(refusal):
        yield f"{one.way_in}: refused for another reason: {refusal}"


def count_nobodies(box: Box) -> int:
    found = walk_items(box.storage.items, keys.DIRECTORY, "shop", between=keys.NOBODIES)
    return sum(int(item["number"]) for item in found)


def find_traces(box: Box, people: Sequence[Somebody]) -> Iterator[str]:
    """Yield what is kept of the pictures with which they came again, and of templates beside those
    from before."""
    stores = {store.walk: store.get for store in (box.storage.blobs, box.storage.uploads)}
    kept = {blob.key: get(blob.key) or b"" for walk, get in stores.items() for blob in walk("")}
    faces = [face_from(item) for item in walk_items(box.storage.items, keys.FACES, "shop")]
    for one in people:
        looks = [
            f'"seed": {one.seed}, "side_px": {140.0 + day}'.encode() for day in range(1, DAYS + 1)
        ]
        yield from (
            f"{one.way_in}: the picture {key}"
            for key, data in kept.items()
            for look in looks
            if look in data
        )
        for face in faces:
            if face.faceid != one.faceid and any(
                is_of(template, one) for template in face.templates
            ):
                yield (
                    f"{one.way_in}: the face {face.faceid} of group {face.group_id}, "
                    f"{face.arrive_count} visits"
                )
    for item in walk_items(box.storage.items, keys.CAPTURES, keys.captures("shop", "door")):
        if "detection" in item:
            yield f"the templates of the capture {item}"


def is_of(template: Template, one: Somebody) -> bool:
    return float(parse_vector(template) @ embedding_of(one.seed)) > ALIKE


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house")) as made:
        made.box.v1.done("PATCH", "/v1/settings", {"expired_consent_erases": False})
        yield made


@pytest.mark.parametrize("settings", [{"strangers": KEEP}, {"strangers": FORGET}], ids=str)
def test_whoever_withdrew_leaves_a_count_by_a_camera_and_nothing_by_any_way_in(
    house: House, settings: dict[str, str]
) -> None:
    box, people = house.box, [Comer(way_in, "withdrawn") for way_in in IN]
    box.v1.done("PATCH", "/v1/settings", settings)
    for one in people:
        withdraw(house, one)
    reviews = len(list(walk_items(box.storage.items, keys.REVIEWS, "shop")))
    wrong = list[str]()
    for day in range(1, DAYS + 1):
        box.clock.advance(timedelta(days=1))
        for one in people:
            one.day = day
            wrong += come_again(house, one)
    box.settle()
    assert not wrong, "\n".join(wrong)
    assert list(find_traces(box, people)) == []
    assert len(list(walk_items(box.storage.items, keys.REVIEWS, "shop"))) == reviews


def test_whoever_has_a_record_is_found_by_the_same_search(house: House) -> None:
    """It is what the walk above would find, had the withdrawal no effect."""
    one = Comer("camera", "stays")
    one.faceid = IN["v1"].go(house, one)
    other = Comer("camera", "stays", seed=one.seed)
    house.box.v1.done("PATCH", "/v1/settings", {"strangers": KEEP})
    assert list(find_traces(house.box, [other])) != []


AGAIN = IN.keys() - BY_CAMERA - {"import"}
"""Ways in whose very requests are sent once more. An import makes its folder of pictures once."""


def test_the_same_requests_again_name_nobody_who_withdrew_and_leave_no_name(house: House) -> None:
    """A program that does not know of the withdrawal sends what it sent before."""
    box, people = house.box, [Somebody(way_in, "withdrawn") for way_in in sorted(AGAIN)]
    record = {"basis": "consent", "given_at": "2026-03-01T00:00:00Z"}
    for one in people:
        one.faceid = IN[one.way_in].go(house, one)
        box.v1.done("PUT", f"/v1/faces/{one.faceid}/consent", record)
        assert box.v1.send("DELETE", f"/v1/faces/{one.faceid}/consent").status == 204
    box.clock.advance(timedelta(hours=1))
    taken = []
    for one in people:
        with suppress(Exception):
            taken.append((one.way_in, IN[one.way_in].go(house, one)))
    assert taken == []
    listed = [str(item) for item in walk_items(box.storage.items, keys.DIRECTORY, "shop")]
    named = [one.way_in for one in people if any(one.name in text for text in listed)]
    assert named == [], "a refused request wrote the name"
