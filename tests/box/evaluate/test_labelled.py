from __future__ import annotations

from pathlib import Path

import pytest

from regulars.errors import NoPictures, OperatorError
from regulars.evaluate.labelled import IllegalPairs, Labelled, Pair, read, read_groups, read_pairs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("Bo_1.jpg", "Bo_2.jpg", "Bo_10.jpg"):
        _put(tmp_path / "Bo" / name)
    for name in ("a.png", "b.JPG"):
        _put(tmp_path / "Ann_Lee" / name)
    _put(tmp_path / "empty" / "readme.txt")
    return tmp_path


def _put(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")


def pairs_of(folder: Path, text: str) -> list[Pair]:
    path = folder / "pairs.txt"
    path.write_text(text)
    return read_pairs(path, read(folder))


def test_a_folder_with_pictures_is_a_person(folder: Path) -> None:
    found = read(folder)
    assert found.persons == ("Ann_Lee", "Bo")
    assert [found.name(i) for i in range(5)] == [
        "Ann_Lee/a.png",
        "Ann_Lee/b.JPG",
        "Bo/Bo_1.jpg",
        "Bo/Bo_10.jpg",
        "Bo/Bo_2.jpg",
    ]
    assert found.person_of == (0, 0, 1, 1, 1)


@pytest.mark.parametrize("name", ["nowhere", "Bo"])
def test_a_folder_without_persons_is_refused(name: str, folder: Path) -> None:
    with pytest.raises(NoPictures, match=r"folder"):
        read(folder / name)


def test_pairs_are_named_as_lfw_names_them(folder: Path) -> None:
    """By the number in the file's name, else by place."""
    found = pairs_of(folder, "2\t1\nBo\t1\t10\nBo\t2\tAnn_Lee\t1\nAnn_Lee\t1\t2\nAnn_Lee\t2\tBo\t1\n")
    assert found == [Pair(2, 3, True, 0), Pair(4, 0, False, 0), Pair(0, 1, True, 1), Pair(1, 2, False, 1)]


def test_the_development_pairs_are_one_fold(folder: Path) -> None:
    assert {pair.fold for pair in pairs_of(folder, "1\nBo 1 2\nBo 2 Ann_Lee 1\n")} == {0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with"),
        ("ten\t300\n", "begins with"),
        ("1\t2\nBo\t1\t2\n", "has 1 lines"),
        ("1\t1\nBo\t1\t3\nBo\t1\tAnn_Lee\t1\n", "line 2"),
        ("1\t1\nBo\t1\t2\nBo\t1\tCy\t1\n", "line 3"),
        ("1\t1\nBo\tx\t2\nBo\t1\tAnn_Lee\t1\n", "line 2"),
    ],
)
def test_pairs_that_are_none_are_refused_with_the_line(text: str, message: str, folder: Path) -> None:
    with pytest.raises(IllegalPairs, match=message):
        pairs_of(folder, text)


def groups_of(folder: Path, text: str) -> tuple[Labelled, dict[str, list[str | None]]]:
    path = folder / "labels.csv"
    path.write_text(text)
    return read(folder), read_groups(path, read(folder))


def test_groups_are_of_persons_or_of_pictures(folder: Path) -> None:
    _, found = groups_of(folder, "person,gender,city\nBo,male,Rome\nAnn_Lee,female,Rome\n")
    assert found == {"gender": ["female", "female", "male", "male", "male"]}
    _, found = groups_of(folder, "file,notes\nBo/Bo_1.jpg,light=dim\nAnn_Lee/a.png,light=day;x\n")
    assert found == {"light": ["day", None, "dim", None, None]}


def test_labels_without_a_key_are_refused(folder: Path) -> None:
    with pytest.raises(OperatorError, match="person, identity or file"):
        groups_of(folder, "name,gender\nBo,male\n")
