import csv
import json
import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from msgspec import to_builtins
from numpy.typing import NDArray
from regulars_client import models

from chalicelib.book.words import keys
from chalicelib.book.words.items import walk_items, write_in_parts
from chalicelib.book.words.model import MAX_PICTURES
from chalicelib.book.words.pictures import DetectedFace
from chalicelib.book.words.ports import Delete
from regulars.cli import main
from regulars.transfer.importing import show_progress
from tests.support.box.album import people, state
from tests.support.box.box import Box, serving
from tests.support.fakes import FakeVision, Person, picture
from tests.support.web.answering import Service, answer

GROUP = "VIP"
NOBODY = picture()


def imported(box: Box, source: Path, *options: str) -> int:
    return main(["import", str(source), "--url", box.url, *options])


@pytest.fixture(autouse=True)
def key(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGULARS_API_KEY", box.key)


def faces(box: Box) -> dict[str, models.Face]:
    with box.client() as client:
        return {face.name: face for face in client.list_faces(order="id") if face.group == GROUP}


def pictures_of(box: Box, face: models.Face) -> list[models.Picture]:
    with box.client() as client:
        return client.list_pictures(face.id).pictures


def test_a_folder_a_person_comes_in_with_names_the_best_picture_first(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    qualities = [55, 95, 75]
    source = people(
        tmp_path / "people", Ann=[picture(Person(1, quality=q)) for q in qualities], Bo=[picture(Person(2))]
    )
    assert imported(box, source, "--group", GROUP) == 0
    found = faces(box)
    assert set(found) == {"Ann", "Bo"}
    assert [one.quality for one in pictures_of(box, found["Ann"])] == [95, 75, 55]
    assert found["Ann"].quality == 95
    assert "2 people with 4 pictures added, 0 refused" in capsys.readouterr().out


def test_the_same_again_changes_nothing(box: Box, tmp_path: Path) -> None:
    source = people(tmp_path / "people", Ann=[picture(Person(1, quality=q)) for q in (60, 70)], Bo=[picture(Person(2))])
    assert imported(box, source, "--group", GROUP) == 0
    before = state(box)
    assert imported(box, source, "--group", GROUP) == 0
    assert state(box) == before


def test_up_to_a_hundred_pictures_are_kept_and_the_others_not_sent(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(tmp_path / "people", Ann=[picture(Person(1, quality=50 + number / 4)) for number in range(103)])
    assert imported(box, source, "--group", GROUP) == 0
    qualities = [one.quality for one in pictures_of(box, faces(box)["Ann"])]
    assert (len(qualities), qualities[0]) == (MAX_PICTURES, 75.5)
    assert "100 pictures added, 0 refused, 3 not needed" in capsys.readouterr().out


def test_refused_pictures_are_listed_with_their_reasons_and_come_once(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(
        tmp_path / "people",
        Ann=[picture(Person(1)), picture(Person(7)), b"no picture"],
        **{"=HYPERLINK(1)": [NOBODY]},
    )
    report = tmp_path / "report.csv"
    for _ in range(2):
        assert imported(box, source, "--group", GROUP, "--report", str(report)) == 1
        said = capsys.readouterr().out
        assert "1 person with 1 picture added, 3 refused" in said
        assert "decoded" in said
        with report.open(encoding="utf-8-sig", newline="") as stream:
            header, *rows = csv.reader(stream)
        assert header == ["person", "picture", "reason", "pictures in"]
        assert [[*row[:2], row[3]] for row in rows] == [
            ["'=HYPERLINK(1)", "'=HYPERLINK(1)/0.jpg", "0"],
            ["Ann", "Ann/1.jpg", "1"],
            ["Ann", "Ann/2.jpg", "1"],
        ]
        assert all(row[2] for row in rows)
    assert set(faces(box)) == {"Ann"}


def test_the_end_names_who_has_no_picture_in_and_counts_the_reasons(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "Cy " + "x" * 90
    poor = [picture(Person(3, quality=quality)) for quality in (5, 6)]
    source = people(tmp_path / "people", Ann=[picture(Person(1)), NOBODY], Bo=[NOBODY], **{long: poor})
    assert imported(box, source, "--group", GROUP) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "people of whom no picture is in: 2"
    assert said[1].startswith("  Bo: Bo/0.jpg: no face was found")
    assert [line.split(": ")[1] for line in said[2:4]] == [f"{long}/0.jpg", f"{long}/1.jpg"]
    assert said[4] == "refused pictures of the others:"
    reasons = said[said.index("how often each reason was given:") + 1 : -2]
    assert [line.split()[0] for line in reasons] == ["2", "2"]
    assert not any("5" in line or "6" in line for line in reasons)
    refused = tmp_path / "people.refused.csv"
    assert said[-2] == f"all that was refused, as a table: {refused}"
    people(source, Ann=[picture(Person(1))] * 2, Bo=[picture(Person(2))], **{long: [picture(Person(3))] * 2})
    assert imported(box, source, "--group", GROUP) == 0
    assert not refused.exists()


class Stopping(FakeVision):
    """A vision at whose third picture somebody at the terminal presses Ctrl-C."""

    looks = 0

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        self.looks += 1
        if self.looks == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return super().detect(image)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_says_how_far_it_came_and_that_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(tmp_path / "people", **{f"p{number:02}": [picture(Person(number))] for number in range(40)})
    vision = Stopping()
    with serving(tmp_path / "other", vision) as other:
        monkeypatch.setenv("REGULARS_API_KEY", other.key)
        assert imported(other, source, "--group", GROUP) == 130
        stopping, stopped, _ = capsys.readouterr().err.splitlines()
        assert "are finished first" in stopping
        found = re.fullmatch(r"stopped: (\d+) of 40 people are in; nothing is lost, and the same .* goes on", stopped)
        # Those whose enrolment was acknowledged: on a busy machine an answer may be lost, though not its face.
        assert 0 < int(found[1]) <= len(faces(other)) < 40
        vision.looks = 0
        assert imported(other, source, "--group", GROUP, "--dry-run") == 130
        assert "stopped: nothing was changed\n" in capsys.readouterr().err
        assert imported(other, source, "--group", GROUP) == 0
        assert len(faces(other)) == 40


def test_without_a_terminal_a_line_a_minute_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 59.0, 60.0, 60.0, 61.0, 150.0, 150.0])
    with show_progress(1000, lambda: next(times)) as told:
        for _ in range(4):
            told(10)
    assert capsys.readouterr().err == "20 of 1,000 pictures\n40 of 1,000 pictures\n"


@pytest.mark.parametrize("bad", [NOBODY, b"no picture", b"RIFF....WEBP but broken"])
def test_a_picture_in_the_place_of_a_refused_one_is_tried(box: Box, tmp_path: Path, bad: bytes) -> None:
    source = people(tmp_path / "people", Ann=[bad])
    assert imported(box, source, "--group", GROUP) == 1
    people(source, Ann=[picture(Person(1))])
    assert imported(box, source, "--group", GROUP) == 0
    assert set(faces(box)) == {"Ann"}


def test_who_was_deleted_comes_in_again_on_the_same_day(box: Box, tmp_path: Path) -> None:
    (tmp_path / "ann.jpg").write_bytes(picture(Person(1)))
    (tmp_path / "staff.csv").write_text(f"path,name,id,group\nann.jpg,Ann,77,{GROUP}\n")
    for asked in ((), ("--if-erased", "enrol")):  # the setting `deletes_erase` made an erasure of it
        assert imported(box, tmp_path / "staff.csv", *asked) == 0
        assert faces(box)["Ann"].id == "77"
        (tmp_path / "staff.csv.import").unlink()
        with box.client() as client:
            client.delete_face("77")


def test_a_dry_run_reports_and_changes_nothing(box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = people(tmp_path / "people", Ann=[picture(Person(1)), NOBODY], Bo=[picture(Person(2, quality=5))])
    before = state(box)
    assert imported(box, source, "--group", GROUP, "--dry-run") == 1
    said = capsys.readouterr().out
    assert "1 person with 1 picture would be added, 2 refused" in said
    assert "no face was found" in said
    assert "too blurred: 5 of" in said
    assert state(box) == before
    assert [path.name for path in tmp_path.iterdir() if "import" in path.name] == []


def test_people_who_are_known_may_be_refused(box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert imported(box, people(tmp_path / "first", Ann=[picture(Person(1))]), "--group", GROUP) == 0
    again = people(tmp_path / "again", Anna=[picture(Person(1, quality=70)), picture(Person(1, quality=71))])
    assert imported(box, again, "--group", GROUP, "--if-known", "refuse") == 1
    assert "2 refused" in capsys.readouterr().out
    assert set(faces(box)) == {"Ann"}


def test_people_who_were_erased_are_refused_unless_the_command_says_so(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(tmp_path / "people", Ann=[picture(Person(1)), picture(Person(1, quality=70))])
    assert imported(box, source, "--group", GROUP) == 0
    with box.client() as client:
        [ann] = [one.id for one in client.list_faces() if one.name == "Ann"]
        client.delete_face(ann, erase=True)
    (tmp_path / "people.import").unlink()
    capsys.readouterr()
    for _ in range(2):
        assert imported(box, source, "--group", GROUP) == 1
        assert "somebody was erased" in capsys.readouterr().out
        assert set(faces(box)) == set()
    assert imported(box, source, "--group", GROUP, "--if-erased", "enrol") == 0
    assert set(faces(box)) == {"Ann"}


def test_a_service_that_cannot_refuse_the_erased_is_told_before_anybody_comes_in(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An older one would refuse each person for a member that it does not know, and each would be noted."""
    source = people(tmp_path / "people", Ann=[picture(Person(1))])
    with box.client() as client:
        session = to_builtins(client.get_session())
    document = {"components": {"schemas": {"NewFace": {"properties": {"if_known": {}}}}}}
    older = Service(answer(session), answer(document))
    with older.running() as url:
        assert main(["import", str(source), "--url", url, "--group", GROUP]) == 1
    assert "--if-erased enrol" in capsys.readouterr().err
    asked = [one.partition(" HTTP")[0] for one in older.heads]
    assert asked == ["GET /v1/session", "GET /v1/openapi.json"]
    assert "refused" not in (tmp_path / "people.import").read_text()


def test_people_who_look_like_somebody_in_the_book_come_in_and_are_named(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported(box, people(tmp_path / "first", Ann=[picture(Person(1))]), "--group", GROUP) == 0
    assert "look like" not in capsys.readouterr().out
    again = people(tmp_path / "again", Anna=[picture(Person(1, quality=70))], Bo=[picture(Person(2))])
    for _ in range(2):
        assert imported(box, again, "--group", GROUP) == 0
        said = capsys.readouterr().out
        assert "people who look like somebody in the book (merge them if they are one): 1\n" in said
        assert "  Anna: Anna/0.jpg: looks like Ann\n" in said
    assert set(faces(box)) == {"Ann", "Anna", "Bo"}


def test_a_stranger_whom_an_import_names_is_no_likeness(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with box.client() as client:
        client.enrol_face(group="stranger", picture=picture(Person(1)))
    assert imported(box, people(tmp_path / "first", Ann=[picture(Person(1, quality=70))]), "--group", GROUP) == 0
    assert "look like" not in capsys.readouterr().out
    assert set(faces(box)) == {"Ann"}


def test_a_report_that_could_not_be_written_is_told_before_anybody_comes_in(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(tmp_path / "people", Ann=[picture(Person(1))])
    assert imported(box, source, "--group", GROUP, "--report", str(tmp_path / "none" / "refused.csv")) == 1
    assert f"there is no folder {tmp_path / 'none'} for --report" in capsys.readouterr().err
    assert faces(box) == {}


def test_a_table_says_ids_ages_labels_and_attributes(box: Box, tmp_path: Path) -> None:
    people(tmp_path, p=[picture(Person(1)), picture(Person(1, quality=70))])
    table = tmp_path / "staff.csv"
    table.write_text(
        "path,name,id,group,age,gender,note,label_a,hobby\n"
        f"p/0.jpg,Ann,staff-7,{GROUP},34,female,at the till,early,tennis\n"
        f"p/1.jpg,Ann,staff-7,{GROUP},,,,,\n"
    )
    assert imported(box, table) == 0
    ann = faces(box)["Ann"]
    assert (ann.id, ann.age, ann.gender, ann.note) == ("staff-7", 34, "female", "at the till")
    assert (ann.labels.a, ann.attributes) == ("early", {"hobby": "tennis"})
    assert ann.pictures == 2


@pytest.mark.parametrize(
    ("options", "says"), [((), "name one with --group"), (("--group", GROUP, "--tenant", "shop"), "--tenant goes with")]
)
def test_what_is_missing_is_said(
    box: Box, tmp_path: Path, options: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported(box, people(tmp_path / "people", Ann=[picture(Person(1))]), *options) == 2
    assert says in capsys.readouterr().err
    assert faces(box) == {}


def test_a_full_group_stops_it_and_with_more_room_it_goes_on(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with box.client() as client:
        group = client.add_group(name=GROUP, capacity=3)
        source = people(tmp_path / "people", **{f"p{n}": [picture(Person(n))] for n in range(9)})
        assert imported(box, source, "--group", GROUP) == 1
        assert "full" in capsys.readouterr().err
        assert len(faces(box)) == 3
        client.change_group(group.id, capacity=20)
    assert imported(box, source, "--group", GROUP) == 0
    assert len(faces(box)) == 9


def test_a_wrong_key_and_a_service_that_is_away_are_said_in_one_line(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(tmp_path / "people", Ann=[picture(Person(1))])
    monkeypatch.setenv("REGULARS_API_KEY", "rk_" + "0" * 32)
    assert imported(box, source, "--group", GROUP) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "rk_" not in said
    assert main(["import", str(source), "--group", GROUP, "--url", "http://127.0.0.1:1"]) == 1
    assert "http://127.0.0.1:1 does not answer" in capsys.readouterr().err


def test_with_the_journal_cut_off_after_any_line_it_comes_to_the_same(box: Box, tmp_path: Path) -> None:
    """As a kill between two lines leaves it: the service may have done more than the journal says."""
    source = people(
        tmp_path / "people",
        Ann=[picture(Person(1, quality=q)) for q in (60, 70, 80)],
        Bo=[picture(Person(2)), NOBODY],
        Cy=[picture(Person(3))],
    )
    assert imported(box, source, "--group", GROUP) == 1
    journal = tmp_path / "people.import"
    whole, before = journal.read_bytes(), state(box)
    lines = whole.splitlines(keepends=True)
    first = {json.loads(line)["person"]: number for number, line in reversed([*enumerate(lines)][1:])}
    for count in range(1, len(lines), 2):
        # What is sent has been written down before.
        left = [line for number, line in enumerate(lines) if number < count or number in first.values()]
        if count % 4 == 1:
            forget_requests(box)  # the service keeps its answers for a day
        journal.write_bytes(b"".join(left))
        assert imported(box, source, "--group", GROUP) == 1
        assert state(box) == before


def forget_requests(box: Box) -> None:
    """As the service does a day later."""
    items = box.services.ports.storage.items
    stored = walk_items(items, keys.REQUESTS, "shop")
    assert write_in_parts(items, [Delete(keys.REQUESTS, ("shop", item["request"])) for item in stored]) > 0
