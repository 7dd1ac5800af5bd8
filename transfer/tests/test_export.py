import csv
import io
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from regulars_client import Regulars, models
from regulars_transfer.exports import (
    FACES,
    FORMAT,
    GROUPS,
    RULES,
    RULES_KEPT,
    export,
    open_export,
    write_archive,
)

from regulars.cli import main
from tests.support.box.album import state
from tests.support.box.box import Box
from tests.support.fakes import Person, picture

NAMES = ("Ann Lee", "=1+1", "李小明", 'Zoë\u2009, "Z"')


@pytest.fixture
def shop(box: Box) -> Box:
    """Two groups, people in them with all that can be said of them, and a change of the first
    groups and the rules."""
    with box.client() as client:
        client.add_group(
            name="VIP", capacity=50, description="who sits", attributes=["hobby", "seat"]
        )
        client.add_group(name="Empty", capacity=7)
        regular = next(group for group in client.list_groups() if group.name == "regular")
        client.change_group(regular.id, capacity=321, description="who comes")
        for group in client.list_groups():
            if group.name in ("Empty", "stranger"):
                client.change_group(group.id, learns=False)
        client.change_settings(arrive_times=5, period_days=40)
        for number, name in enumerate(NAMES):
            face = client.enrol_face(
                group="VIP" if number % 2 else "regular",
                picture=picture(Person(number)),
                name=name,
                note="a\nb" * number,
                **(
                    {"age": 41, "gender": "male", "attributes": {"hobby": "go"}}
                    if number % 2
                    else {}
                ),
            )
            client.change_face(face.id, labels={"a": "x" * number}, hidden=number == 1)
            for quality in range(50, 50 + 10 * number, 10):
                client.add_picture(face.id, picture=picture(Person(number, quality=quality)))
    return box


def exported(box: Box, path: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Path:
    monkeypatch.setenv("REGULARS_API_KEY", box.key)
    assert main(["export", str(path), "--url", box.url, *options]) == 0
    return path


def test_an_import_into_an_empty_tenant_gives_the_same(
    shop: Box,
    other_box: Box,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = exported(shop, tmp_path / "shop.tar", monkeypatch)
    said = capsys.readouterr().out
    assert f"{len(NAMES)} faces" in said
    assert "legal holds and restricted faces are not in it" in said
    assert file.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("REGULARS_API_KEY", other_box.key)
    for _ in range(2):
        assert main(["import", str(file), "--url", other_box.url, "--rules"]) == 0
        assert state(other_box) == state(shop)
    with shop.client() as one, other_box.client() as other:
        assert [face.id for face in one.list_faces(order="id")] == [
            face.id for face in other.list_faces(order="id")
        ]
        assert one.get_settings() == other.get_settings()
        for face in one.list_faces():
            urls = [picture.url for picture in one.list_pictures(face.id).pictures]
            others = [picture.url for picture in other.list_pictures(face.id).pictures]
            assert [one.fetched(url) for url in urls if url] == [
                other.fetched(url) for url in others if url
            ]


def test_the_portrait_that_somebody_chose_is_the_portrait_after_an_import(
    box: Box, other_box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with box.client() as client:
        face = client.enrol_face(group="regular", picture=picture(Person(1, quality=80)))
        chosen = client.add_picture(face.id, picture=picture(Person(1, quality=60)))
        portrait = client.change_face(face.id, portrait=chosen.id).portrait
        jpeg = client.fetched(portrait.url or "")
    file = exported(box, tmp_path / "shop.tar", monkeypatch)
    monkeypatch.setenv("REGULARS_API_KEY", other_box.key)
    for _ in range(2):
        assert main(["import", str(file), "--url", other_box.url]) == 0
        with other_box.client() as other:
            imported = other.get_face(face.id)
            assert imported.pictures == 2
            assert other.fetched(imported.portrait.url or "") == jpeg


def test_what_a_face_learnt_by_itself_is_not_exported(box: Box, tmp_path: Path) -> None:
    with box.client() as client:
        client.add_camera(id="door", name="door")
        face = client.enrol_face(group="regular", picture=picture(Person(1, quality=60.0)))
        capture = client.take_capture(picture=picture(Person(1, quality=90.0)), camera="door")
        box.services.sightings.ingest.resolve_capture("shop", "door", capture.id)
        assert [one.learnt is None for one in client.list_pictures(face.id).pictures] == [
            True,
            False,
        ]
        assert export(client, tmp_path / "shop.tar", history=False, advance=lambda _: None) == 1
    with open_export(tmp_path / "shop.tar") as source:
        assert [len(person.photos) for person in source.people] == [1]


def test_every_setting_that_a_tenant_may_change_is_exported(box: Box) -> None:
    with box.client() as client:
        left_out = {"model", "requests_a_day", "no_pictures_of", "captures_kept_days"}
        assert {*RULES_KEPT, *left_out} == set(msgspec.to_builtins(client.get_settings()))


def test_a_setting_that_is_not_known_is_named(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REGULARS_API_KEY", box.key)
    with write_archive(tmp_path / "shop.tar") as writer:
        for name, data in ((RULES, b'{"mood": 1}'), (GROUPS, b""), (FACES, b"")):
            writer.add_stream(name, io.BytesIO(data), len(data))
        writer.finish(datetime.now(UTC), FORMAT)
    assert main(["import", str(tmp_path / "shop.tar"), "--url", box.url, "--rules"]) == 1
    assert "has the setting 'mood'" in capsys.readouterr().err
    assert main(["import", str(tmp_path / "shop.tar"), "--url", box.url]) == 0


def test_rules_stay_unless_they_are_asked_for(
    shop: Box, other_box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = exported(shop, tmp_path / "shop.tar", monkeypatch)
    monkeypatch.setenv("REGULARS_API_KEY", other_box.key)
    with other_box.client() as client:
        before = client.get_settings()
        assert main(["import", str(file), "--url", other_box.url]) == 0
        assert client.get_settings() == before


def test_history_is_a_table_without_formulas(
    shop: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = exported(shop, tmp_path / "shop.tar", monkeypatch, "--history")
    with tarfile.open(file) as tar:
        assert [tar.getnames()[-3:]] == [["observations.csv", "arrivals.csv", "manifest.json"]]
        content = tar.extractfile("observations.csv")
        assert content is not None
        rows = list(csv.DictReader(io.TextIOWrapper(content, encoding="utf-8", newline="")))
    assert {row["name"] for row in rows} == {"Ann Lee", "'=1+1", "李小明", NAMES[-1]}
    assert {row["kind"] for row in rows} == {"enrolment"}
    assert not any("signature" in text for row in rows for text in row.values())
    assert all(datetime.fromisoformat(row["at"]).tzinfo == UTC for row in rows)


def test_history_has_the_arrivals_of_all_days(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [datetime.now(UTC) - timedelta(days=before) for before in (40, 2, 0)]
    with box.client() as client:
        client.add_camera(name="door")
        for day in days:
            capture = client.take_capture(
                picture=picture(Person(1)), camera="door", captured_at=day
            )
            box.services.sightings.ingest.resolve_capture("shop", "door", capture.id)
    with tarfile.open(exported(box, tmp_path / "shop.tar", monkeypatch, "--history")) as tar:
        content = tar.extractfile("arrivals.csv")
        assert content is not None
        rows = list(csv.DictReader(io.TextIOWrapper(content, encoding="utf-8", newline="")))
    assert [row["first"][:10] for row in rows] == [f"{day:%Y-%m-%d}" for day in reversed(days)]


def test_history_has_the_arrivals_of_staff_and_says_whose_they_are(
    box: Box, other_box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with box.client() as client:
        client.add_camera(name="door")
        client.change_group(client.add_group(name="Crew", capacity=9).id, staff=True)
        client.add_group(name="VIP", capacity=9)
        people = {Person(1): "Crew", Person(2): "VIP"}
        for person, group in people.items():
            client.enrol_face(group=group, picture=picture(person), name=group)
        at = datetime.now(UTC) - timedelta(hours=3)
        for minutes, person in enumerate([*people, Person(3)]):
            capture = client.take_capture(
                picture=picture(person), camera="door", captured_at=at + timedelta(minutes=minutes)
            )
            box.services.sightings.ingest.resolve_capture("shop", "door", capture.id)
        promoted = next(face for face in client.list_faces() if face.group == "stranger")
        client.change_face(promoted.id, group="Crew")
    file = exported(box, tmp_path / "shop.tar", monkeypatch, "--history")
    [*arrivals] = read_table(file, "arrivals.csv")
    assert [(row["name"], row["staff"]) for row in arrivals] == [
        ("", "True"),
        ("VIP", "False"),
        ("Crew", "True"),
    ]
    seen = [row["id"] for row in read_table(file, "observations.csv") if row["kind"] == "sighting"]
    assert sorted(row["sighting"] for row in arrivals) == sorted(seen)
    monkeypatch.setenv("REGULARS_API_KEY", other_box.key)
    assert main(["import", str(file), "--url", other_box.url]) == 0


def test_an_export_whose_history_has_no_staff_is_imported(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGULARS_API_KEY", box.key)
    before = b"face,name,group,camera,sighting,first\n1,Ann,VIP,door,2,2026-01-01T00:00:00Z\n"
    with write_archive(tmp_path / "shop.tar") as writer:
        members = {
            RULES: b"{}",
            GROUPS: b'{"name": "VIP", "capacity": 9}',
            FACES: b"",
            "arrivals.csv": before,
        }
        for name, data in members.items():
            writer.add_stream(name, io.BytesIO(data), len(data))
        writer.finish(datetime.now(UTC), FORMAT)
    assert main(["import", str(tmp_path / "shop.tar"), "--url", box.url]) == 0
    with box.client() as client:
        assert "VIP" in {group.name for group in client.list_groups()}


def read_table(file: Path, name: str) -> list[dict[str, str]]:
    with tarfile.open(file) as tar:
        content = tar.extractfile(name)
        assert content is not None
        text = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
        return list(csv.DictReader(text))


class Fleeting(Regulars):
    """A tenant in which a face goes, or loses a picture, just before or after its pictures are
    listed."""

    gone: str
    poorer: str

    def list_pictures(self, id: str) -> models.Pictures:  # noqa: A002 -- the operation calls it so
        if id == self.gone:
            self.delete_face(id)
        listed = super().list_pictures(id)
        if id == self.poorer and len(listed.pictures) == 4:
            self.delete_picture(id, listed.pictures[0].id)
        return listed


def test_what_goes_meanwhile_is_left_out_and_stops_no_export(shop: Box, tmp_path: Path) -> None:
    with Fleeting(shop.url, api_key=shop.key) as service:
        _, service.gone, _, service.poorer = (face.id for face in service.list_faces(order="id"))
        count = export(service, tmp_path / "shop.tar", history=False, advance=lambda _: None)
    with open_export(tmp_path / "shop.tar") as source:
        people = {person.id: len(person.photos) for person in source.people}
    assert count == len(people) == len(NAMES) - 1
    assert service.gone not in people
    assert people[service.poorer] == 3


def test_a_file_that_is_there_is_not_written_over(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REGULARS_API_KEY", box.key)
    (tmp_path / "shop.tar").write_text("mine")
    assert main(["export", str(tmp_path / "shop.tar"), "--url", box.url]) == 1
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["shop.tar"]


def test_a_key_that_sees_no_pictures_exports_nothing(
    shop: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with shop.client() as client:
        made = client.add_key(name="blind", role="admin", pictures=False)
    monkeypatch.setenv("REGULARS_API_KEY", made.api_key)
    assert main(["export", str(tmp_path / "shop.tar"), "--url", shop.url]) == 1
    assert "sees no pictures" in capsys.readouterr().err
    assert not (tmp_path / "shop.tar").exists()
