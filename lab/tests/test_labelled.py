import csv
import io
import os
from pathlib import Path

import pytest

from regulars.errors import NoPictures, OperatorError
from regulars_lab.evaluate.labels import IllegalPairs, Pair, read_groups, read_pairs
from regulars_lab.measuring.labelled import LabelledFolder, read_folder

FOLD = "Ann_Lee\t1\t2\nAnn_Lee\t2\tBo\t1\n"
"""One mated and one non-mated pair."""


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
    return read_pairs(path, read_folder(folder))


def test_a_folder_with_pictures_is_a_person(folder: Path) -> None:
    found = read_folder(folder)
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
        read_folder(folder / name)


def test_pairs_are_named_as_lfw_names_them(folder: Path) -> None:
    """By the number in the file's name, else by place."""
    found = pairs_of(
        folder, "2\t1\nBo\t1\t10\nBo\t2\tAnn_Lee\t1\nAnn_Lee\t1\t2\nAnn_Lee\t2\tBo\t1\n"
    )
    assert found == [
        Pair(2, 3, True, 0),
        Pair(4, 0, False, 0),
        Pair(0, 1, True, 1),
        Pair(1, 2, False, 1),
    ]


@pytest.mark.parametrize("first", ["1", "1 1"])
def test_pairs_of_one_fold_are_refused_since_no_other_gives_their_threshold(
    first: str, folder: Path
) -> None:
    """pairsDevTest.txt begins with a bare count."""
    with pytest.raises(IllegalPairs, match=r"one fold.*such as `10 300`"):
        pairs_of(folder, f"{first}\nBo 1 2\nBo 2 Ann_Lee 1\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with"),
        ("ten\t300\n", "begins with"),
        ("1\t2\t3\n", "begins with"),
        ("-2\t1\n", "begins with"),
        ("2\t1\nBo\t1\t2\n", "has 1 lines"),
        (f"2\t1\nBo\t1\t3\nBo\t1\tAnn_Lee\t1\n{FOLD}", "line 2"),
        (f"2\t1\nBo\t1\t2\nBo\t1\tCy\t1\n{FOLD}", "line 3"),
        (f"2\t1\nBo\tx\t2\nBo\t1\tAnn_Lee\t1\n{FOLD}", "line 2"),
    ],
)
def test_pairs_that_are_none_are_refused_with_the_line(
    text: str, message: str, folder: Path
) -> None:
    with pytest.raises(IllegalPairs, match=message):
        pairs_of(folder, text)


def groups_of(
    folder: Path, text: str, encoding: str = "utf-8"
) -> tuple[LabelledFolder, dict[str, list[str | None]]]:
    path = folder / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return read_folder(folder), read_groups(path, read_folder(folder))


def test_groups_are_of_persons_or_of_pictures(folder: Path) -> None:
    _, found = groups_of(folder, "person,gender,city\nBo,male,Rome\nAnn_Lee,female,Rome\n")
    assert found == {"gender": ["female", "female", "male", "male", "male"]}
    _, found = groups_of(folder, "file,notes\nBo/Bo_1.jpg,light=dim\nAnn_Lee/a.png,light=day;x\n")
    assert found == {"light": ["day", None, "dim", None, None]}


def test_labels_without_a_key_are_refused(folder: Path) -> None:
    with pytest.raises(OperatorError, match="person, identity or file"):
        groups_of(folder, "name,gender\nBo,male\n")


READ = ["utf-8", "utf-8-sig", "utf-16"]
"""UTF-16 as Python writes it begins with its byte order mark, as Excel's "Unicode text" does."""


@pytest.mark.parametrize("encoding", READ)
def test_labels_and_pairs_are_read_as_spreadsheets_write_them(encoding: str, folder: Path) -> None:
    _put(folder / "Zoë" / "1.jpg")
    _, found = groups_of(folder, "person,city\r\nBo,Rome\r\nZoë,Oslo\r\n", encoding)
    assert found == {"city": [None, None, "Rome", "Rome", "Rome", "Oslo"]}
    path = folder / "pairs.txt"
    path.write_bytes(f"2\t1\r\nBo\t1\t10\r\nBo\t2\tZoë\t1\r\n{FOLD}".encode(encoding))
    assert read_pairs(path, read_folder(folder))[:2] == [Pair(2, 3, True, 0), Pair(4, 5, False, 0)]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_columns_are_parted_as_the_header_says(delimiter: str, folder: Path) -> None:
    text = io.StringIO()
    rows = [("person", "city", "more, or less"), ("Bo", "Rome", "a;b"), ("Ann_Lee", "Oslo", "c")]
    csv.writer(text, delimiter=delimiter).writerows(rows)
    _, found = groups_of(folder, text.getvalue())
    assert set(found) == {"city", "more, or less"}
    assert found["city"] == ["Oslo", "Oslo", "Rome", "Rome", "Rome"]


@pytest.mark.parametrize(("encoding", "line"), [("latin-1", 3), ("utf-16-le", 1)])
def test_a_file_in_another_encoding_is_refused_with_the_line(
    encoding: str, line: int, folder: Path
) -> None:
    with pytest.raises(
        OperatorError, match=rf"line {line} of .*labels\.csv is no UTF-8.*save it as UTF-8"
    ):
        groups_of(folder, "person,city\nBo,Rome\nZoë,Oslo\n", encoding)
    path = folder / "pairs.txt"
    path.write_bytes(f"2\t1\nBo\t1\t2\nZoë\t1\t2\n{FOLD}".encode(encoding))
    with pytest.raises(OperatorError, match=rf"line {line} of .*pairs\.txt is no UTF-8"):
        read_pairs(path, read_folder(folder))


def test_half_a_character_of_utf_16_is_refused(folder: Path) -> None:
    (folder / "labels.csv").write_bytes("person,city\nBo,Rome\n".encode("utf-16")[:-1])
    with pytest.raises(OperatorError, match=r"line 2 of .* is no UTF-16"):
        read_groups(folder / "labels.csv", read_folder(folder))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column"),
        ("person,city\n", "has no line below its header"),
        (
            "person,city\nAnn_Lee,Oslo\nBo,Rome,Italy\n",
            "line 3 of .* has more values than the header has columns",
        ),
        ("person,city\nBo," + "x" * 200_000 + "\n", "line 2 of .* is no CSV"),
    ],
)
def test_labels_that_say_nothing_are_refused(text: str, message: str, folder: Path) -> None:
    with pytest.raises(OperatorError, match=message):
        groups_of(folder, text)


def test_a_name_that_is_no_utf_8_is_shown_with_its_bytes(folder: Path) -> None:
    """Old archives have Latin-1 names; what is told of them must be text that a file can hold."""
    person = folder / os.fsdecode(b"M\xfcller")
    person.mkdir()
    (person / os.fsdecode(b"M\xfcller_1.jpg")).write_bytes(b"here")
    found = read_folder(folder)
    assert found.persons == ("Ann_Lee", "Bo", "M\\xfcller")
    assert found.name(5) == "M\\xfcller/M\\xfcller_1.jpg"
    assert found.files[5].read_bytes() == b"here"
    _, groups = groups_of(folder, "person,city\nBo,Rome\nM\\xfcller,Bonn\n")
    assert groups["city"][5] == "Bonn"
