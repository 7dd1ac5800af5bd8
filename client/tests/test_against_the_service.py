"""The client against the service itself, on one box with a fake vision."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from regulars_client import Regulars, codes

from tests.support.box.box import serving
from tests.support.fakes import Person, picture

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def regulars(tmp_path: Path) -> Iterator[Regulars]:
    with serving(tmp_path / "data") as box, box.client() as client:
        yield client


def test_a_picture_is_sent_as_it_is_and_a_repeat_is_the_same_capture(
    regulars: Regulars, tmp_path: Path
) -> None:
    regulars.add_camera(name="door")
    file = tmp_path / "one.jpg"
    Image.new("RGB", (32, 32)).save(file)
    one = regulars.take_capture(picture=file, camera="door", captured_at=AT)
    again = regulars.take_capture(picture=file.read_bytes(), camera="door", captured_at=AT)
    assert (one.id, one.captured_at) == (again.id, AT)
    assert [capture.id for capture in regulars.list_captures(camera="door")] == [one.id]


def test_a_write_with_the_same_key_is_done_once(regulars: Regulars) -> None:
    one = regulars.change_camera(
        regulars.add_camera(name="door").id, gap_s=60, idempotency_key="k-1"
    )
    regulars.change_camera(one.id, gap_s=90)
    regulars.change_camera(one.id, gap_s=60, idempotency_key="k-1")
    assert regulars.get_camera(one.id).gap_s == 90
    hook = regulars.add_hook(url="https://example.com/hook", idempotency_key="k-2")
    with pytest.raises(codes.Conflict) as caught:  # what has a secret is not shown again
        regulars.add_hook(url="https://example.com/hook", idempotency_key="k-2")
    assert caught.value.details["id"] == hook.id
    with pytest.raises(codes.RequestReused):
        regulars.add_hook(url="https://example.com/other", idempotency_key="k-2")
    assert len(regulars.list_hooks().hooks) == 1


def test_statistics_are_numbers_or_a_table(regulars: Regulars) -> None:
    assert regulars.get_statistics(from_=AT, by="month").buckets[0].amounts == {"total": 0}
    table = regulars.get_statistics_csv(from_=AT, to="2026-03-02T00:00:00Z", by="day")
    assert table.decode("utf-8-sig").splitlines()[0] == '"time","amount","closed"'


def test_an_empty_choice_of_faces_is_not_everybody(regulars: Regulars) -> None:
    face = regulars.enrol_face(group="regular", picture=picture(Person(1)))
    assert list(regulars.list_faces(ids=[])) == []
    assert [one.id for one in regulars.list_faces(ids=[face.id, "gone"])] == [face.id]


def test_lists_end_and_errors_have_classes(regulars: Regulars) -> None:
    assert list(regulars.list_arrivals()) == list(regulars.list_observations(limit=1)) == []
    with pytest.raises(codes.FaceNotFound, match="no face"):
        regulars.get_face("7")
    with pytest.raises(codes.InvalidInput, match="limit"):
        list(regulars.list_observations(limit=0))
