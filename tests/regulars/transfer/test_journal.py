import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regulars.errors import DamagedFile, FolderInUse, OperatorError
from regulars.transfer.journal import KEPT, REFUSED, Journal, Outcome, open_journal

ABOUT = {"from": "people", "into": "http://box"}
GOOD, BAD = Outcome("a.jpg", KEPT), Outcome("b.jpg", REFUSED, "too blurred: 12 of 40")


def write(journal: Journal) -> None:
    journal.note_order("Ann", "7", ["p1", "p2"])
    journal.note_outcome("Ann", "p1", GOOD)
    journal.note_outcome("Ann", "p2", BAD)
    journal.note_order("Bo\n", "8", [])


def test_what_was_noted_is_there_in_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with open_journal(path, ABOUT) as journal:
        write(journal)
    with open_journal(path, ABOUT) as journal:
        ann, bo = journal.read_progress("Ann"), journal.read_progress("Bo\n")
        assert (ann.faceid, ann.order, ann.kept) == ("7", ["p1", "p2"], 1)
        assert (bo.faceid, bo.kept) == ("8", 0)
        assert ann.outcomes == {"p1": GOOD, "p2": BAD}
        assert not journal.read_progress("Cy").faceid
    assert path.stat().st_mode & 0o777 == 0o600


def test_nobody_is_named_in_it(tmp_path: Path) -> None:
    """It outlives the erasure of the people whom it brought."""
    path = tmp_path / "journal"
    with open_journal(path, ABOUT) as journal:
        journal.note_order("Zacharias", "faceid-7", ["photo-1"])
        journal.note_outcome("Zacharias", "photo-1", Outcome("zach.jpg", REFUSED, "looks like Zacharias"))
        assert journal.read_progress("Zacharias").outcomes["photo-1"].name == "zach.jpg"
    data = path.read_bytes()
    for said in (b"acharias", b"faceid-7", b"photo-1", b"zach.jpg", b"looks"):
        assert said not in data
    _, *lines = path.read_text().splitlines()
    assert len({json.loads(line)["person"] for line in lines}) == 1
    with open_journal(tmp_path / "other", ABOUT) as other:
        other.note_order("Zacharias", "faceid-7", ["photo-1"])
    assert json.loads(lines[0])["person"] not in (tmp_path / "other").read_text(), (
        "no two journals have a hash in common"
    )


def test_a_line_of_another_person_is_no_line_of_this_one(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with open_journal(path, ABOUT) as journal:
        write(journal)
    first, *lines = path.read_text().splitlines()
    ann, bo = (json.loads(lines[place]) for place in (0, 3))
    path.write_text("\n".join([first, json.dumps({**ann, "sealed": bo["sealed"]})]) + "\n")
    with open_journal(path, ABOUT) as journal, pytest.raises(DamagedFile, match="a line was changed"):
        journal.read_progress("Ann")


def test_a_line_that_was_cut_off_anywhere_is_not_read_and_not_left(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with open_journal(path, ABOUT) as journal:
        write(journal)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with open_journal(path, ABOUT) as journal:
            journal.note_outcome("Cy", "p1", GOOD)
        with open_journal(path, ABOUT) as journal:
            assert journal.read_progress("Cy").kept
            assert journal.read_progress("Ann").kept == (whole[:length].count(b"\n") >= 3)


def test_two_imports_do_not_share_a_journal(tmp_path: Path) -> None:
    with (
        open_journal(tmp_path / "journal", ABOUT),
        pytest.raises(FolderInUse, match="another import is at work"),
        open_journal(tmp_path / "journal", ABOUT),
    ):
        pass


def test_a_journal_of_another_import_is_refused(tmp_path: Path) -> None:
    with open_journal(tmp_path / "journal", ABOUT):
        pass
    with (
        pytest.raises(OperatorError, match=r"into http://box; this one: .* into http://other"),
        open_journal(tmp_path / "journal", {**ABOUT, "into": "http://other"}),
    ):
        pass


def test_a_journal_of_an_earlier_version_is_to_be_deleted_since_it_names_people(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    lines = [{"import": ABOUT}, {"person": "Zacharias", "face": "7", "order": ["p1"]}]
    data = "".join(f"{json.dumps(line)}\n" for line in lines)
    path.write_text(data)
    with (
        pytest.raises(OperatorError, match="earlier version, and names people in clear: delete it") as error,
        open_journal(path, ABOUT),
    ):
        pass
    assert "Zacharias" not in str(error.value)
    assert path.read_text() == data


@example(b'{"import": 1}\n' + b"[" * 100_000 + b"\n")
@given(st.binary(max_size=60))
def test_a_file_that_is_no_journal_is_refused_and_left(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("journals") / "journal"
    path.write_bytes(data + b"\n")
    with pytest.raises((DamagedFile, OperatorError)), open_journal(path, ABOUT):
        pass
    assert path.read_bytes() == data + b"\n"
