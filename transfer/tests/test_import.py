import csv
import os
import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from regulars_client import Regulars, models
from regulars_transfer.importing import show_progress

from chalicelib.domain.model import MAX_PICTURES, Profile
from chalicelib.domain.pictures import DetectedFace
from regulars.cli import main
from tests.support.book.tenants import KEEPING
from tests.support.box.album import people, state
from tests.support.box.box import Box, serving
from tests.support.fakes import FakeVision, Person, picture

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
        tmp_path / "people",
        Ann=[picture(Person(1, quality=q)) for q in qualities],
        Bo=[picture(Person(2))],
    )
    assert imported(box, source, "--group", GROUP) == 0
    found = faces(box)
    assert set(found) == {"Ann", "Bo"}
    assert [one.quality for one in pictures_of(box, found["Ann"])] == [95, 75, 55]
    assert found["Ann"].quality == 95
    assert "2 people with 4 pictures added, 0 refused" in capsys.readouterr().out


@pytest.mark.parametrize("source", [".", "./", "Ann/.."])
def test_the_working_folder_is_a_source_and_its_report_lies_beside_it(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.chdir(people(tmp_path / "people", Ann=[picture(Person(1))], Bo=[NOBODY]))
    assert main(["import", source, "--url", box.url, "--group", GROUP]) == 1
    assert set(faces(box)) == {"Ann"}
    assert (tmp_path / "people.refused.csv").is_file()


def test_the_same_again_changes_nothing_and_says_who_was_in(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ann = [picture(Person(1, quality=q)) for q in (60, 70)]
    source = people(tmp_path / "people", Ann=ann, Bo=[picture(Person(2))])
    assert imported(box, source, "--group", GROUP) == 0
    before, files = state(box), sorted(tmp_path.iterdir())
    for options in (("--dry-run",), ()):
        capsys.readouterr()
        assert imported(box, source, "--group", GROUP, *options) == 0
        said = capsys.readouterr().out
        assert "0 people with 0 pictures " in said
        assert "2 people were in already, with 3 pictures, 0 refused" in said
        assert state(box) == before
    people(source, Ann=[*ann, picture(Person(1, quality=80))], Cy=[picture(Person(3))])
    assert imported(box, source, "--group", GROUP) == 0
    said = capsys.readouterr().out
    assert (
        "1 person with 1 picture added, 2 people were in already, with 3 pictures, 1 more picture "
        "of these" in said
    )
    assert sorted(tmp_path.iterdir()) == files, "no file is kept of what was done"


def test_what_is_added_is_there_in_another_tenant_after_a_restore_and_after_a_deletion(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(tmp_path / "people", Ann=[picture(Person(1))] * 2, Bo=[picture(Person(2))])
    assert imported(box, source, "--group", GROUP) == 0
    first = faces(box)
    monkeypatch.setenv(
        "REGULARS_API_KEY", box.services.tenants.add("second", Profile.CAMERA, KEEPING).api_key
    )
    assert imported(box, source, "--group", GROUP) == 0
    assert capsys.readouterr().out.count("2 people with ") == 2
    with Regulars(box.url, api_key=os.environ["REGULARS_API_KEY"]) as second:
        assert {face.name for face in second.list_faces()} == {"Ann", "Bo"}
    monkeypatch.setenv("REGULARS_API_KEY", box.key)
    with box.client() as client:
        client.change_settings(deletes_erase=False)
        client.delete_face(first["Ann"].id)
    assert imported(box, source, "--group", GROUP) == 0
    assert "1 person with " in capsys.readouterr().out
    assert faces(box).keys() == {"Ann", "Bo"}


def test_who_was_renamed_moved_or_merged_is_in_already(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(
        tmp_path / "people",
        Ann=[picture(Person(1))],
        Bo=[picture(Person(2))],
        Cy=[picture(Person(3))],
    )
    assert imported(box, source, "--group", GROUP) == 0
    first = faces(box)
    with box.client() as client:
        client.change_face(first["Ann"].id, name="Ann Lee")
        client.change_face(first["Bo"].id, group="regular")
        other = client.enrol_face(group=GROUP, picture=picture(Person(4)), name="Cyril")
        client.merge_faces(other.id, other=first["Cy"].id)
    before = state(box)
    assert imported(box, source, "--group", GROUP) == 0
    assert "3 people were in already" in capsys.readouterr().out
    assert state(box) == before


def test_people_who_were_entered_by_hand_are_in_already(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(tmp_path / "people", Ann=[picture(Person(1, quality=q)) for q in (60, 70)])
    with box.client() as client:
        client.add_group(name=GROUP, capacity=9)
        ann = client.enrol_face(group=GROUP, picture=picture(Person(1, quality=70)), name="Ann")
        client.add_picture(ann.id, picture=picture(Person(1, quality=60)))
    assert imported(box, source, "--group", GROUP) == 0
    assert "1 person was in already, with 2 pictures" in capsys.readouterr().out
    assert faces(box)["Ann"].id == ann.id


def test_the_same_picture_under_two_names_is_two_people(box: Box, tmp_path: Path) -> None:
    source = people(tmp_path / "people", Ann=[picture(Person(1))], Bo=[picture(Person(1))])
    for _ in range(2):
        assert imported(box, source, "--group", GROUP) == 0
        assert set(faces(box)) == {"Ann", "Bo"}


def test_who_is_restricted_does_not_come_in_anew(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(tmp_path / "people", Ann=[picture(Person(1, quality=60))])
    assert imported(box, source, "--group", GROUP) == 0
    with box.client() as client:
        client.change_restriction(faces(box)["Ann"].id, restricted=True, reason="she asked")
    people(source, Ann=[picture(Person(1, quality=60)), picture(Person(1, quality=90))])
    assert imported(box, source, "--group", GROUP) == 1
    assert "which is restricted" in capsys.readouterr().out
    assert faces(box) == {}


def test_up_to_a_hundred_pictures_are_kept_and_the_others_not_sent(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(
        tmp_path / "people",
        Ann=[picture(Person(1, quality=50 + number / 4)) for number in range(103)],
    )
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
    for first in (True, False):
        assert imported(box, source, "--group", GROUP, "--report", str(report)) == 1
        said = capsys.readouterr().out
        assert (
            "1 person with 1 picture added" if first else "1 person was in already, with 1 picture"
        ) in said
        assert ", 3 refused" in said
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
    source = people(
        tmp_path / "people", Ann=[picture(Person(1)), NOBODY], Bo=[NOBODY], **{long: poor}
    )
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
    people(
        source,
        Ann=[picture(Person(1))] * 2,
        Bo=[picture(Person(2))],
        **{long: [picture(Person(3))] * 2},
    )
    assert imported(box, source, "--group", GROUP) == 0
    assert not refused.exists()


class Stopping(FakeVision):
    """A vision at whose third picture somebody at the terminal presses Ctrl-C: once, though several
    threads look at pictures."""

    def __init__(self) -> None:
        self.looks = count(1)

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        if next(self.looks) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return super().detect(image)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_says_how_far_it_came_and_that_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(
        tmp_path / "people", **{f"p{number:02}": [picture(Person(number))] for number in range(40)}
    )
    with serving(tmp_path / "other", Stopping()) as other:
        monkeypatch.setenv("REGULARS_API_KEY", other.key)
        assert imported(other, source, "--group", GROUP) == 130
        stopping, stopped, _ = capsys.readouterr().err.splitlines()
        assert "are finished first" in stopping
        found = re.fullmatch(
            r"stopped: (\d+) of 40 people are in, as far as it looked; nothing is lost, and the "
            r"same .* goes on",
            stopped,
        )
        # Those whose enrolment was acknowledged: on a busy machine an answer may be lost, though
        # not its face.
        assert 0 < int(found[1]) <= len(faces(other)) < 40
        assert imported(other, source, "--group", GROUP) == 0
        assert len(faces(other)) == 40
    with serving(tmp_path / "third", Stopping()) as third:
        monkeypatch.setenv("REGULARS_API_KEY", third.key)
        assert imported(third, source, "--group", GROUP, "--dry-run") == 130
        assert "stopped: nothing was changed\n" in capsys.readouterr().err


class Restored(FakeVision):
    """A vision at whose third picture the service comes back from a restore."""

    looks = 0

    def __init__(self) -> None:
        self.restore: Callable[[], object] = lambda: None

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        self.looks += 1
        if self.looks == 3:
            self.restore()
        return super().detect(image)


def test_a_restore_meanwhile_stops_it_and_the_same_command_asks_anew_who_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(
        tmp_path / "people", **{f"p{number:02}": [picture(Person(number))] for number in range(20)}
    )
    vision = Restored()
    with serving(tmp_path / "other", vision) as other:
        monkeypatch.setenv("REGULARS_API_KEY", other.key)

        def restore() -> None:
            other.services.tenants.begin_life("shop")

        vision.restore = restore
        assert imported(other, source, "--group", GROUP) == 1
        assert "the book was restored" in capsys.readouterr().err
        in_before = len(faces(other))
        assert 0 < in_before < 20
        assert imported(other, source, "--group", GROUP) == 0
        said = capsys.readouterr().out
        assert f"{20 - in_before} people with" in said
        assert f"{in_before} people were in already" in said


def test_without_a_terminal_a_line_a_minute_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    times = iter([0.0, 59.0, 60.0, 60.0, 61.0, 150.0, 150.0])
    with show_progress(1000, lambda: next(times)) as told:
        for _ in range(4):
            told(10)
    assert capsys.readouterr().err == "20 of 1,000 pictures\n40 of 1,000 pictures\n"


@pytest.mark.parametrize("bad", [NOBODY, b"no picture", b"RIFF....WEBP but broken"])
def test_a_picture_in_the_place_of_a_refused_one_is_tried(
    box: Box, tmp_path: Path, bad: bytes
) -> None:
    source = people(tmp_path / "people", Ann=[bad])
    assert imported(box, source, "--group", GROUP) == 1
    people(source, Ann=[picture(Person(1))])
    assert imported(box, source, "--group", GROUP) == 0
    assert set(faces(box)) == {"Ann"}


def test_who_was_deleted_comes_in_again_on_the_same_day(box: Box, tmp_path: Path) -> None:
    (tmp_path / "ann.jpg").write_bytes(picture(Person(1)))
    (tmp_path / "staff.csv").write_text(f"path,name,id,group\nann.jpg,Ann,77,{GROUP}\n")
    # the setting `deletes_erase` made an erasure of it
    for asked in ((), ("--if-erased", "enrol")):
        assert imported(box, tmp_path / "staff.csv", *asked) == 0
        assert faces(box)["Ann"].id == "77"
        with box.client() as client:
            client.delete_face("77")


def test_a_dry_run_reports_and_changes_nothing(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(
        tmp_path / "people", Ann=[picture(Person(1)), NOBODY], Bo=[picture(Person(2, quality=5))]
    )
    before = state(box)
    assert imported(box, source, "--group", GROUP, "--dry-run") == 1
    said = capsys.readouterr().out
    assert "1 person with 1 picture would be added, 2 refused" in said
    assert "no face was found" in said
    assert "too blurred: 5 of" in said
    assert state(box) == before
    assert [path.name for path in tmp_path.iterdir() if "import" in path.name] == []


def test_people_who_are_known_may_be_refused(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        imported(box, people(tmp_path / "first", Ann=[picture(Person(1))]), "--group", GROUP) == 0
    )
    again = people(
        tmp_path / "again", Anna=[picture(Person(1, quality=70)), picture(Person(1, quality=71))]
    )
    assert imported(box, again, "--group", GROUP, "--if-known", "refuse") == 1
    assert "2 refused" in capsys.readouterr().out
    assert set(faces(box)) == {"Ann"}


def test_people_who_were_erased_are_refused_unless_the_command_says_so(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(tmp_path / "people", Ann=[picture(Person(1))])
    assert imported(box, source, "--group", GROUP) == 0
    with box.client() as client:
        [ann] = [one.id for one in client.list_faces() if one.name == "Ann"]
        client.delete_face(ann, erase=True)
    capsys.readouterr()
    for _ in range(2):
        assert imported(box, source, "--group", GROUP) == 1
        assert "ended by an erasure" in capsys.readouterr().out
        assert set(faces(box)) == set()
    assert imported(box, source, "--group", GROUP, "--if-erased", "enrol") == 0
    assert set(faces(box)) == {"Ann"}


def test_who_has_withdrawn_since_an_export_is_refused_and_the_others_come_in(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also with another id than the one of the export, as in another shop of the same people."""
    given_at = datetime.now(UTC) - timedelta(days=300)
    signed = {"basis": "consent", "given_at": given_at}
    with box.client() as client:
        client.add_group(name=GROUP, capacity=10)
        for seed, name in ((1, "Ann"), (2, "Bo")):
            client.enrol_face(picture=picture(Person(seed)), group=GROUP, name=name, consent=signed)
        assert main(["export", str(tmp_path / "before.tar"), "--url", box.url]) == 0
        for face in faces(box).values():
            client.delete_face(face.id)
        ann = client.enrol_face(picture=picture(Person(1)), group=GROUP, consent=signed)
        client.withdraw_consent(ann.id)
        capsys.readouterr()
        assert imported(box, tmp_path / "before.tar", "--if-erased", "enrol") == 1
    assert f"this record was given at {given_at:%Y-%m-%d}" in capsys.readouterr().out
    assert set(faces(box)) == {"Bo"}


def test_people_who_look_like_somebody_in_the_book_come_in_and_are_named(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        imported(box, people(tmp_path / "first", Ann=[picture(Person(1))]), "--group", GROUP) == 0
    )
    assert "look like" not in capsys.readouterr().out
    again = people(
        tmp_path / "again", Anna=[picture(Person(1, quality=70))], Bo=[picture(Person(2))]
    )
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
    assert (
        imported(
            box, people(tmp_path / "first", Ann=[picture(Person(1, quality=70))]), "--group", GROUP
        )
        == 0
    )
    assert "look like" not in capsys.readouterr().out
    assert set(faces(box)) == {"Ann"}


def test_a_report_that_could_not_be_written_is_told_before_anybody_comes_in(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = people(tmp_path / "people", Ann=[picture(Person(1))])
    assert (
        imported(box, source, "--group", GROUP, "--report", str(tmp_path / "none" / "refused.csv"))
        == 1
    )
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
    ("options", "says"),
    [((), "name one with --group"), (("--group", GROUP, "--tenant", "shop"), "--tenant goes with")],
)
def test_what_is_missing_is_said(
    box: Box,
    tmp_path: Path,
    options: tuple[str, ...],
    says: str,
    capsys: pytest.CaptureFixture[str],
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
    assert "http://127.0.0.1:1/v1/session does not answer" in capsys.readouterr().err
