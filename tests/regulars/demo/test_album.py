from pathlib import Path

import pytest

from regulars.demo import album, registry_photos
from regulars.errors import NoPictures


def test_labels_say_who_is_who(tmp_path: Path) -> None:
    for name in ("a_1.jpg", "a_2.jpg", "b.png", "both.jpg", "dog.jpg", "unnamed.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "labels.csv").write_text(
        "file,identity,faces,notes\na_1.jpg,ann,1,\na_2.jpg,ann,1,\nb.png,bob,1,\nboth.jpg,ann|bob,2,\ndog.jpg,,0,\n"
        "unnamed.jpg,,4,\n"
    )
    read = album.read(tmp_path)
    assert {person.name: len(person.photos) for person in read.people} == {"ann": 2, "bob": 1}
    assert [one.photo.name for one in read.nobody] == ["dog.jpg"]
    assert [(one.photo.name, one.names) for one in read.several] == [("both.jpg", frozenset({"ann", "bob"}))]


def test_a_folder_without_labels_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(NoPictures, match=r"has no labels\.csv, which names the people on each picture"):
        album.read(tmp_path)


def test_the_people_of_the_registries_are_two_who_are_enrolled_and_a_stranger() -> None:
    planned = album.plan(album.read(registry_photos.folder()))
    assert [*map(min, (probe.names for probe in planned.enrolments))] == ["astronaut", "obama"]
    assert {name for probe in planned.strangers for name in probe.names} == {"biden"}
    assert len(planned.known) == 4
    assert len(planned.nobody) == 3
