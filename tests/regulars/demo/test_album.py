import io
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image

from regulars.demo import album, registry_photos
from regulars.demo.album import Album, Person, Photo, Probe, plan_story
from regulars.errors import NoPictures


def jpeg(width: int = 8, height: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "JPEG")
    return buffer.getvalue()


def people(**photos: int) -> Album:
    return Album(
        "made up",
        tuple(
            Person(name, tuple(Photo(f"{name}_{n}", bytes) for n in range(count)))
            for name, count in photos.items()
        ),
    )


def names(probes: Iterable[Probe]) -> set[str]:
    return {name for probe in probes for name in probe.names}


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg())


def test_labels_say_who_is_who(tmp_path: Path) -> None:
    write(
        tmp_path, "a_1.jpg", "a_2.jpg", "b.png", "both.jpg", "dog.jpg", "unnamed.jpg", "notes.txt"
    )
    (tmp_path / "labels.csv").write_text(
        "file,identity,faces,notes\na_1.jpg,ann,1,\na_2.jpg,ann,1,\nb.png,bob,1,\n"
        "both.jpg,ann|bob,2,\ndog.jpg,,0,\n"
        "unnamed.jpg,,4,\ngone.jpg,cy,1,\nnotes.txt,dan,1,\n"
    )
    read = album.read_album(tmp_path)
    assert {person.name: len(person.photos) for person in read.people} == {"ann": 2, "bob": 1}
    assert [one.photo.name for one in read.nobody] == ["dog.jpg"]
    assert [(one.photo.name, one.names) for one in read.several] == [
        ("both.jpg", frozenset({"ann", "bob"}))
    ]
    assert read.labelled


def test_without_labels_a_folder_is_a_person(tmp_path: Path) -> None:
    write(tmp_path, "Ann/1.jpg", "Ann/2.JPG", "Bob/x.jpg", "loose.jpg")
    (tmp_path / "empty").mkdir()
    read = album.read_album(tmp_path)
    assert {person.name: len(person.photos) for person in read.people} == {"Ann": 2, "Bob": 1}
    assert read.labelled


def test_without_folders_the_file_name_up_to_the_last_underscore_is_a_person(
    tmp_path: Path,
) -> None:
    write(tmp_path, "ann_lee_1.jpg", "ann_lee_2.jpg", "bob.jpg", "ignored.gif", "cy.heic")
    read = album.read_album(tmp_path)
    assert {person.name: len(person.photos) for person in read.people} == {"ann_lee": 2, "bob": 1}
    assert not read.labelled


def test_names_that_continue_another_name_may_be_the_same_person_and_are_left_out(
    tmp_path: Path,
) -> None:
    write(tmp_path, "lisa_1.jpg", "lisa_zoom_1.jpg", "lisabeth_1.jpg")
    assert [person.name for person in album.read_album(tmp_path).people] == ["lisa", "lisabeth"]


def test_an_empty_or_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoPictures, match="name a folder that has one for each person"):
        album.read_album(tmp_path)
    with pytest.raises(NoPictures, match="PHOTOS=folder"):
        album.read_album(tmp_path / "nowhere")


def test_one_in_four_is_a_stranger_and_no_stranger_is_enrolled() -> None:
    planned = plan_story(people(a=2, b=2, c=2, d=2, e=2, f=2, g=2, h=3))
    enrolled = names(planned.enrolments)
    strangers = names(planned.strangers)
    assert (len(enrolled), len(strangers)) == (6, 2)
    assert not enrolled & strangers
    assert names(planned.known) == enrolled


def test_a_picture_that_was_enrolled_is_not_searched() -> None:
    planned = plan_story(people(a=3, b=2, c=1, d=2))
    enrolled = {probe.photo.name for probe in planned.enrolments}
    assert not enrolled & {probe.photo.name for probe in (*planned.known, *planned.strangers)}


def test_those_with_one_picture_are_the_strangers() -> None:
    planned = plan_story(people(a=2, b=1, c=2, d=1))
    assert names(planned.strangers) == {"b", "d"}
    assert [probe.photo.name for probe in planned.known] == ["a_1", "c_1"]


@pytest.mark.parametrize("album_", [people(a=1), people(a=1, b=1), people(a=4), people(a=2, b=2)])
def test_somebody_is_always_enrolled(album_: Album) -> None:
    planned = plan_story(album_)
    assert len(planned.enrolments) >= 1
    assert len(planned.enrolments) + len(names(planned.strangers)) == len(album_.people)


def test_a_large_album_is_cut_to_a_size_that_a_person_waits_for() -> None:
    planned = plan_story(people(**{f"p{n}": 5 for n in range(100)}))
    assert len(planned.enrolments) == album.MAX_ENROLLED
    assert len(planned.known) == album.MAX_PROBES
    assert len(planned.strangers) == album.MAX_STRANGERS
    assert names(planned.known) == names(planned.enrolments)


def test_the_people_of_the_registries_are_two_who_are_enrolled_and_a_stranger() -> None:
    planned = plan_story(album.read_album(registry_photos.provide_folder()))
    assert [*map(min, (probe.names for probe in planned.enrolments))] == ["astronaut", "neighbour"]
    assert names(planned.strangers) == {"stranger"}
    assert len(planned.known) == 4
    assert len(planned.nobody) == 3
