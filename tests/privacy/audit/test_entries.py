"""Every act leaves its entry in its own transaction; sightings leave theirs in their captures."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.domain.errors import RegularsError, StorageUnavailable
from chalicelib.privacy.audit.audit import Reads
from regulars.cli import main
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.audit.shop import HOUR, Shop
from tests.support.book.book import MONDAY, Shot, shot
from tests.support.fakes import Person, photo, picture


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    with closing(made.services):
        yield made


def test_an_enrolment_says_who_what_when_and_at_which_seq(shop: Shop) -> None:
    shop.enrol(1, "anna")
    entry = shop.last()
    assert entry.pop("id").startswith("1")
    assert entry.pop("request", "") is not None
    assert entry == {
        "at": "2026-03-16T09:00:00.001Z",
        "what": "POST /v1/faces",
        "by": "key first",
        "faces": ["anna"],
        "does": {"adds": ["anna"]},
        "seq": 1,
    }


def test_a_deletion_names_who_was_deleted_and_a_change_that_changes_nothing_is_no_entry(
    shop: Shop,
) -> None:
    shop.enrol(1, "anna")
    shop.v1.send("DELETE", "/v1/faces/anna")
    assert (shop.last()["what"], shop.last()["deleted"]) == ("DELETE /v1/faces/{id}", ["anna"])
    before = shop.open()
    assert shop.v1.send("DELETE", "/v1/faces/anna").status == 404
    assert shop.v1.send("PATCH", "/v1/settings", {"arrive_times": 3}).status == 200
    assert [entry["what"] for entry in shop.open()[len(before) :]] == ["PATCH /v1/settings"]


def test_no_entry_holds_a_name_a_template_or_a_secret(shop: Shop) -> None:
    shop.enrol(1, "anna")
    shop.v1.send("PATCH", "/v1/faces/anna", {"name": "Anna Karenina", "note": "comes at nine"})
    made = shop.v1.send("POST", "/v1/keys", {"name": "Ben Nevis", "role": "viewer"})
    said = str(shop.open())
    assert "Karenina" not in said
    assert "nine" not in said
    assert "Nevis" not in said
    assert made.json["api_key"] not in said


def test_an_identification_says_model_threshold_score_and_seq_though_it_stores_nothing(
    shop: Shop,
) -> None:
    shop.enrol(1, "anna")
    shop.v1.send("POST", "/v1/identify", {"picture": photo(1)})
    (decided,) = shop.last()["decided"]
    assert (decided["face"], decided["model"], decided["seq"], decided["gallery_size"]) == (
        "anna",
        "fake",
        1,
        1,
    )
    assert float(decided["score"]) >= float(decided["threshold"])
    shop.v1.send("POST", "/v1/identify", {"picture": photo(2)})
    (decided,) = shop.last()["decided"]
    assert "face" not in decided
    assert decided["seq"] == 1


def test_a_recorded_identification_has_its_entry_in_the_observations_transaction(
    shop: Shop,
) -> None:
    shop.enrol(1, "anna")
    before = len(shop.open())
    shop.v1.send("POST", "/v1/identify", {"picture": photo(1), "record": True})
    assert [entry["what"] for entry in shop.open()[before:]] == ["POST /v1/identify"]


def test_a_comparison_of_two_pictures_is_a_decision(shop: Shop) -> None:
    shop.enrol(1, "anna")
    shop.v1.send("POST", "/v1/verify", {"picture": photo(1), "face": "anna"})
    (decided,) = shop.last()["decided"]
    assert (decided["face"], decided["match"]) == ("anna", True)


def test_a_camera_of_the_first_dialect_acts_by_its_app_id(shop: Shop) -> None:
    camera = CameraClient(
        shop.app, shop.credentials.app_id, shop.credentials.app_key, shop.clock, 500_000
    )
    assert camera.create_group("vip")["code"] == 0
    assert (shop.last()["what"], shop.last()["by"]) == ("sunmi createGroup", "app_id")


def test_pictures_that_are_shown_are_an_entry_once_an_hour_for_each_key_and_picture(
    shop: Shop,
) -> None:
    told = "estimates names pictures visits"
    shop.enrol(1, "anna")
    shop.enrol(2, "ben")
    before = len(shop.open())
    shop.v1.send("GET", "/v1/faces")
    assert len(shop.open()) == before  # the enrolments' own entries name both
    shop.clock.advance(HOUR)
    for _ in range(3):
        assert shop.v1.send("GET", "/v1/faces/anna").status == 200
        assert shop.v1.send("GET", "/v1/faces/anna/pictures").status == 200  # tells nothing more
    shop.v1.send("GET", "/v1/faces")
    assert [
        entry.get("read") for entry in shop.open()[before:] if entry["what"] == "people read"
    ] == [
        {told: ["anna"]},
        {told: ["ben"]},
    ]
    shop.clock.advance(HOUR)
    shop.v1.send("GET", "/v1/faces")
    assert shop.last()["read"] == {told: ["anna", "ben"]}


def test_a_key_that_sees_no_pictures_makes_an_entry_by_reading_too(shop: Shop) -> None:
    shop.enrol(1, "anna")
    key = shop.v1.send(
        "POST", "/v1/keys", {"name": "blind", "role": "viewer", "pictures": False}
    ).json["api_key"]
    assert V1Client(shop.app, key).send("GET", "/v1/faces").status == 200
    (entry,) = [one for one in shop.open() if one["what"] == "people read"]
    assert (entry["read"], entry["acts"]) == (
        {"estimates names visits": ["anna"]},
        ["GET /v1/faces"],
    )


def test_sightings_are_closed_from_their_captures_with_score_limit_model_and_seq(
    shop: Shop,
) -> None:
    shop.clock.advance(MONDAY - shop.clock.now())
    shop.see(shot(0, 1), shot(5, 1, 2))
    assert [entry["what"] for entry in shop.open() if entry["what"].startswith("sighting")] == []
    entries = [entry for entry in shop.closed() if entry["what"] == "sighting"]
    assert sorted(entry["resolution"] for entry in entries) == ["matched", "stranger", "stranger"]
    (matched,) = [entry for entry in entries if entry["resolution"] == "matched"]
    assert matched["by"] == "camera door"
    assert matched["seq"] >= 1
    assert matched["model"] == "fake"
    assert float(matched["score"]) >= float(matched["threshold"])
    assert all(entry["id"] not in {one["id"] for one in shop.open()} for entry in entries)


def test_a_sighting_that_is_resolved_late_is_closed_with_the_hour_in_which_it_was_resolved(
    shop: Shop,
) -> None:
    shop.see(shot(0, 1))  # two weeks late
    assert [entry["what"] for entry in shop.open()].count("sighting") == 1
    (sighting,) = [entry for entry in shop.closed() if entry["what"] == "sighting"]
    assert sighting["at"] == "2026-03-16T09:00:00.000Z"
    assert "late" not in sighting


def test_a_rejected_sighting_keeps_its_decision_and_the_new_one_is_an_entry_too(shop: Shop) -> None:
    shop.clock.advance(MONDAY - shop.clock.now())
    shop.see(shot(0, 1))
    (capture,) = shop.see(
        Shot(MONDAY + timedelta(minutes=5), (Person(1, side_px=90.0, likeness=0.8),))
    )
    face = shop.services.captures.get(shop.tenant, "door", capture.id).sightings[0].faceid
    assert shop.v1.send("POST", f"/v1/faces/{face}/sightings/{capture.id}-0/reject").status == 200
    what = [entry["what"] for entry in shop.closed()]
    assert "sighting rejected" in what
    assert "POST /v1/faces/{id}/sightings/{sighting}/reject" in what
    assert any(
        entry.get("again") == 1 and entry["sighting"] == f"{capture.id}-0"
        for entry in shop.closed()
    )


def test_what_the_operator_does_at_the_command_line_is_an_entry(shop: Shop, tmp_path: Path) -> None:
    assert (
        main(["tenants", "set", "shop", "--set", "review_margin=0.05", "--data", str(tmp_path)])
        == 0
    )
    assert (shop.last()["what"], shop.last()["by"]) == ("regulars tenants set", "operator")


def test_a_search_that_finds_nobody_is_a_decision_though_the_dialect_answers_with_an_error(
    shop: Shop,
) -> None:
    camera = CameraClient(
        shop.app, shop.credentials.app_id, shop.credentials.app_key, shop.clock, 500_000
    )
    before = len(shop.open())
    assert camera.call("getFaceByPicture", pic=picture(Person(3)))["code"] != 0
    assert len(shop.open()) == before + 1
    assert shop.last()["what"] == "sunmi getFaceByPicture"
    assert "face" not in shop.last()["decided"][0]


def test_all_that_is_held_about_a_person_is_given_out_with_an_entry(
    shop: Shop, tmp_path: Path
) -> None:
    shop.enrol(1, "anna")
    out = tmp_path / "anna.zip"
    assert (
        main(
            [
                "about",
                "--tenant",
                "shop",
                "--face",
                "anna",
                "--out",
                str(out),
                "--data",
                str(tmp_path),
            ]
        )
        == 0
    )
    entry = shop.last()
    assert (entry["what"], entry["by"], entry["faces"]) == ("regulars about", "operator", ["anna"])


@pytest.mark.parametrize(
    ("command", "kinds"),
    [
        (["call", "list-holds", "--tenant", "shop"], "marks"),
        (["call", "list-restrictions", "--tenant", "shop"], "marks"),
        (["today", "--tenant", "shop"], "names visits"),
        (["call", "list-entries", "--tenant", "shop", "--json"], "names visits"),
        (["audit", "breach", "--tenant", "shop", "--key", "first", "--since", "2026-01-01"], "ids"),
    ],
)
def test_whom_a_command_names_the_operator_has_read(
    shop: Shop, tmp_path: Path, command: list[str], kinds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, face in enumerate(("anna", "ben"), 1):
        shop.enrol(seed, face)
    shop.v1.done("PUT", "/v1/faces/anna/hold", {"held": True, "reason": "case 7"})
    shop.v1.done("PUT", "/v1/faces/ben/restriction", {"restricted": True, "reason": "letter 7"})
    capsys.readouterr()
    assert main([*command, "--data", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    read = [
        one["read"]
        for one in shop.open()
        if one["what"] == "people read" and one["by"] == "operator"
    ]
    named = {face for face in ("anna", "ben") if face in printed}
    assert named
    assert {face for one in read for face in one[kinds]} == named


def test_a_backup_and_an_export_are_entries_of_every_tenant(shop: Shop, tmp_path: Path) -> None:
    shop.enrol(1, "anna")
    assert main(["backup", str(tmp_path.with_suffix(".tar")), "--data", str(tmp_path)]) == 0
    assert (shop.last()["what"], shop.last()["by"]) == ("regulars backup", "operator")
    assert shop.v1.send("POST", "/v1/exports").status == 204
    assert [one["what"] for one in shop.open() if one["by"] == "key first"][
        -1
    ] == "POST /v1/exports"


def test_who_asks_for_all_about_a_face_that_is_not_there_leaves_no_trace_of_its_id(
    shop: Shop, tmp_path: Path
) -> None:
    before = shop.open()
    assert shop.v1.send("GET", "/v1/faces/erased/everything").status == 404
    out = tmp_path / "erased.zip"
    assert (
        main(
            [
                "about",
                "--tenant",
                "shop",
                "--face",
                "erased",
                "--out",
                str(out),
                "--data",
                str(tmp_path),
            ]
        )
        == 1
    )
    assert shop.open() == before


def test_an_answer_is_not_given_if_its_entry_cannot_be_written(shop: Shop) -> None:
    class Full(Reads):
        def _close(self, act: object) -> None:
            raise StorageUnavailable("the disk is full")

    shop.enrol(1, "anna")
    shop.services.audit.reads = Full(shop.services)
    assert shop.v1.send("GET", "/v1/faces/anna").status == 503


def test_the_sweep_closes_hours_and_what_it_does_itself_is_an_entry(shop: Shop) -> None:
    shop.enrol(1, "anna")
    shop.clock.advance(2 * HOUR)
    try:
        shop.services.sweep.sweep_tenant(shop.tenant, shop.clock.now())
    except RegularsError as error:
        pytest.fail(str(error))
    assert shop.services.audit.chain.read_end("shop").number >= 1
