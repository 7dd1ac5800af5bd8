import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from regulars_client.errors import DamagedFile, OperatorError
from regulars_transfer.command import open_source
from regulars_transfer.exports import (
    FACES,
    FORMAT,
    GROUPS,
    RULES,
    open_export,
    write_archive,
    write_table,
)

GROUP = b'{"name": "VIP", "capacity": 9, "attributes": ["hobby"]}'
FACE = (
    b'{"id": "7", "group": "VIP", "name": "Ann", "age": 34, "labels": {"a": "x"}, "pictures": '
    b'["pictures/0/0.jpg"]}'
)
MEMBERS = {RULES: b"{}", GROUPS: GROUP + b"\n", FACES: FACE + b"\n", "pictures/0/0.jpg": b"photo"}


def written(path: Path, format_: int | str = FORMAT, **changed: bytes | None) -> Path:
    """An export with these members; `changed`, by the name before the dot."""
    members = {name: changed.get(name.partition(".")[0], data) for name, data in MEMBERS.items()}
    with write_archive(path) as writer:
        for name, data in members.items():
            if data is not None:
                writer.add_stream(name, io.BytesIO(data), len(data))
        writer.finish(datetime(2026, 3, 1, tzinfo=UTC), format_)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    with open_source(str(written(tmp_path / "shop.tar"))) as source:
        (person,) = source.people
        assert (person.id, person.name, person.group, person.is_vouched_for) == (
            "7",
            "Ann",
            "VIP",
            True,
        )
        assert person.other_fields == {"age": 34, "labels": {"a": "x"}}
        assert [photo.read() for photo in person.photos] == [b"photo"]
        assert source.groups == [
            {
                "name": "VIP",
                "capacity": 9,
                "description": "",
                "attributes": ["hobby"],
                "learns": True,
                "staff": False,
            }
        ]


def test_a_byte_that_changed_anywhere_is_found(tmp_path: Path) -> None:
    whole = written(tmp_path / "shop.tar").read_bytes()
    broken = tmp_path / "broken.tar"
    places = [whole.index(part) for part in (GROUP, FACE, b"photo")]
    for place in places:
        broken.write_bytes(whole[:place] + b"?" + whole[place + 1 :])
        with pytest.raises(DamagedFile, match="not what was written"), open_export(broken):
            pass
    for length in (places[-1], places[-1] + 512):
        broken.write_bytes(whole[:length])
        with pytest.raises(DamagedFile), open_export(broken):
            pass


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"faces": b'{"id": 7}'}, "line 1 of faces.jsonl"),
        ({"faces": FACE + b"\n" + FACE[:-9]}, "line 2 of faces.jsonl"),
        (
            {"faces": b'{"id": "7", "group": "VIP", "pictures": ["x.jpg"]}'},
            "no x.jpg, a picture of face '7'",
        ),
        ({"groups": b"[]"}, "line 1 of groups.jsonl"),
        ({"rules": b"[1]"}, "line 1 of rules.json"),
        ({"rules": None}, "holds no rules.json"),
    ],
)
def test_what_is_no_export_of_ours_is_refused(
    tmp_path: Path, changed: dict[str, bytes], says: str
) -> None:
    with (
        pytest.raises(DamagedFile, match=says),
        open_export(written(tmp_path / "shop.tar", **changed)),
    ):
        pass


@pytest.mark.parametrize(
    ("format_", "says"), [(1, "is a backup"), ("export-2", "of the format 'export-2'")]
)
def test_another_kind_of_file_is_named(tmp_path: Path, format_: int | str, says: str) -> None:
    with (
        pytest.raises(OperatorError, match=says),
        open_source(str(written(tmp_path / "shop.tar", format_))),
    ):
        pass


class Row(msgspec.Struct):
    name: str
    box: dict[str, float] | None


def test_no_cell_of_a_table_is_a_formula() -> None:
    rows = [Row("=1+1", {"x": -2.5}), Row("@a", None), Row("+4", {"x": 0.0}), Row("Ann", {})]
    file = io.BytesIO()
    write_table(rows, file, UTC)
    assert list(csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig")))) == [
        ["name", "box"],
        ["'=1+1", '{"x": -2.5}'],
        ["'@a", ""],
        ["'+4", '{"x": 0.0}'],
        ["Ann", "{}"],
    ]


class Time(msgspec.Struct):
    at: datetime
    before: datetime | None = None


def test_a_time_stands_beside_it_as_the_shops_clock_shows_it() -> None:
    """Also of the hour that comes twice, and where no record has the time."""
    at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    file = io.BytesIO()
    rows = [Time(at), Time(at + timedelta(hours=1), before=at)]
    write_table(rows, file, ZoneInfo("Europe/Berlin"))
    assert list(csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig")))) == [
        ["at", "before", "at_local", "before_local"],
        ["2026-10-25T00:30:00Z", "", "2026-10-25 02:30:00", ""],
        ["2026-10-25T01:30:00Z", "2026-10-25T00:30:00Z", *["2026-10-25 02:30:00"] * 2],
    ]


def test_what_stands_in_json_is_no_formula_if_semicolons_divide_cells() -> None:
    file = io.BytesIO()
    write_table([Row("Ann", {'x";=1+1': 1.0})], file, UTC)  # type: ignore[arg-type]
    text = file.getvalue().decode()
    assert not [
        cell
        for row in csv.reader(io.StringIO(text), delimiter=";")
        for cell in row
        if cell.startswith("=")
    ]
    assert json.loads(list(csv.reader(io.StringIO(text)))[1][1]) == {'x";=1+1': 1.0}
