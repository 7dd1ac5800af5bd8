"""Which pictures the demo shows, and as whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from regulars.demo import album, registry_photos
from regulars.demo.album import plan
from regulars.errors import NoPictures


def test_labels_say_who_is_who_and_names_that_continue_another_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "file,identity,faces,notes\na_1.jpg,ann,1,\na_2.jpg,ann,1,\nb.png,bob,1,\nboth.jpg,ann|bob,2,\ndog.jpg,,0,\n"
        "unnamed.jpg,,4,\nzoom.jpg,ann_zoom,1,\n"
    )
    read = album.read(tmp_path)
    assert {person.name: len(person.photos) for person in read.people} == {"ann": 2, "bob": 1}
    assert [photo.name for photo in read.nobody] == ["dog.jpg"]
    assert [(one.photo.name, one.names) for one in read.several] == [("both.jpg", frozenset({"ann", "bob"}))]


def test_a_folder_without_labels_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoPictures, match=r"has no labels\.csv: name a folder that has one"):
        album.read(tmp_path)


def test_the_people_of_the_registries_are_two_who_are_enrolled_and_a_stranger() -> None:
    planned = plan(album.read(registry_photos.folder()))
    assert [probe.person for probe in planned.enrolments] == ["astronaut", "obama"]
    assert {probe.person for probe in planned.strangers} == {"biden"}
    assert len(planned.known) == 4
    assert not {probe.photo.name for probe in planned.enrolments} & {probe.photo.name for probe in planned.known}
    assert len(planned.nobody) == 3
