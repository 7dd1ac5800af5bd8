"""A dry run judges by the rules of an enrolment: its sums are those of the import, or it says what
only that finds."""

import re
from collections.abc import Collection
from pathlib import Path

import pytest
from regulars_transfer.importing import UNKNOWN_BEFORE

from regulars.cli import main
from tests.support.box.album import people
from tests.support.box.box import Box
from tests.support.fakes import Person, picture

NOBODY = picture()


def two(first: int, second: int, px: float = 95.0) -> bytes:
    return picture(Person(first, side_px=100.0), Person(second, side_px=px))


def one(seed: int, quality: float = 80.0) -> bytes:
    return picture(Person(seed, quality=quality))


FOLDERS: dict[str, dict[str, list[bytes]]] = {
    "all is well": {"Ann": [one(1), one(1, 70.0)], "Bo": [one(2)]},
    "nobody on it": {"Ann": [NOBODY, one(1)], "Bo": [NOBODY]},
    "two of one size": {"Ann": [two(1, 3)], "Bo": [one(2)]},
    "one behind the other": {"Ann": [two(1, 3, 45.0)], "Bo": [one(2), two(2, 4, 45.0)]},
    "two on a further one": {"Ann": [one(1), two(1, 3)], "Bo": [one(2)]},
    "another person beside": {"Ann": [one(1), one(3, 60.0)], "Bo": [one(2), one(2, 60.0)]},
    "too poor": {"Ann": [one(1, 5.0)], "Bo": [one(2), one(2, 5.0)]},
    "no picture": {"Ann": [b"no picture"], "Bo": [one(2), b"nor this"]},
    "the same twice": {"Ann": [one(1), one(1)], "Bo": [one(2)]},
    "a name that is too long": {"A" * 101: [one(1), one(1, 70.0)], "Bo": [one(2)]},
    "a name of two lines": {"A\nnn": [one(1)], "Bo": [one(2)]},
    "all at once": {
        "Ann": [two(1, 3), one(1), one(4, 60.0), NOBODY],
        "Bo": [one(2, 5.0)],
        "Cy": [one(5), two(5, 6)],
    },
}
HOW = ["--group", "VIP", "--if-erased", "enrol"]
"""One folder's people are deleted before the next one comes."""
SUMS = re.compile(r"(\d+ \w+ with \d+ \w+) (?:would be )?added, (.*)")


@pytest.mark.parametrize(
    "asked", [FOLDERS.keys(), {"all at once"}], ids=["as at first", "where consent is asked for"]
)
def test_the_sums_of_a_dry_run_are_those_of_the_run(
    box: Box,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    asked: Collection[str],
) -> None:
    monkeypatch.setenv("REGULARS_API_KEY", box.key)
    for name in asked:
        source, found = people(tmp_path / name, **FOLDERS[name]), []
        with box.client() as client:
            client.change_settings(consent_required=len(asked) == 1)
            for face in client.list_faces():
                client.delete_face(face.id)
        for options in (("--dry-run",), ()):
            code = main(["import", str(source), *HOW, "--url", box.url, *options])
            said = capsys.readouterr().out
            assert (UNKNOWN_BEFORE in said) is bool(options)
            sums = SUMS.search(said)
            assert sums is not None, said
            found.append((code, sums.groups()))
        assert found[0] == found[1], name


TABLES = {
    "a note that is too long": ("note", "x" * 501),
    "an age of no person": ("age", "200"),
    "a value that is too long": ("Memo", "x" * 51),
    "a label that is too long": ("label_a", "x" * 101),
    "a name of a group that is too long": ("group", "x" * 97),
    "a name of an attribute that cameras' forms have": ("point", "x"),
}


def test_what_a_table_says_of_people_is_judged_as_the_run_does(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGULARS_API_KEY", box.key)
    for number, (name, (column, value)) in enumerate(TABLES.items()):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        (folder / "a.jpg").write_bytes(one(100 + 2 * number))
        (folder / "b.jpg").write_bytes(one(101 + 2 * number))
        table = folder / "people.csv"
        table.write_text(f"path,name,{column}\na.jpg,Ann,{value}\nb.jpg,Bo,\n")
        line = ["import", str(table), "--group", f"Group {number}", "--url", box.url]
        found = []
        for options in (["--dry-run"], []):
            code = main([*line, *options])
            said = capsys.readouterr()
            sums = SUMS.search(said.out)
            found.append((code, sums.groups() if sums else "no group is made"))
        assert found[0] == found[1], name
        assert found[0][0] == 1, name


def test_a_dry_run_says_if_the_run_would_make_too_many_groups(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGULARS_API_KEY", box.key)
    (tmp_path / "a.jpg").write_bytes(one(301))
    table = tmp_path / "people.csv"
    lines = [f"a.jpg,Ann {number},Team {number}" for number in range(40)]
    table.write_text("\n".join(["path,name,group", *lines]))
    line = ["import", str(table), "--url", box.url]
    assert main([*line, "--dry-run"]) == 1
    assert re.search(r"room for \d+ more (groups|people in)", capsys.readouterr().err)
    assert main(line) == 1


def test_a_dry_run_says_where_the_run_would_find_no_room(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGULARS_API_KEY", box.key)
    with box.client() as client:
        client.add_group(name="Small", capacity=1)
    source = people(tmp_path / "source", Ann=[one(201)], Bo=[one(202)])
    line = ["import", str(source), "--group", "Small", "--url", box.url]
    assert main([*line, "--dry-run"]) == 1
    said = capsys.readouterr()
    assert "'Small' has room for 1 more, and 2 people would come" in said.err
    assert "2 people with 2 pictures" in said.out, "what it found is not lost"
    assert main(line) == 1
