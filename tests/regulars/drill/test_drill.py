"""The rights drill: no red line on a box and on AWS, and a red one where something is left."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.book.vision.packs import packs
from chalicelib.domain.model import Profile
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.open_storage import open_storage
from chalicelib.privacy.signing import fingerprint
from chalicelib.settings import Settings
from chalicelib.storage.ports import BlobStore, Clock, Storage
from regulars.cli import main
from regulars.demo.drawn_vision import DrawnVision
from regulars.demo.shop import PastClock
from regulars.drill.drill import EVERY, Line, State, run_drill
from regulars.drill.ways import NOT_TRIED, WAYS
from tests.support.api.ways_in import IN
from tests.support.book.book import Book
from tests.support.book.tenants import CHOICE
from tests.support.faults.stored import stored
from tests.support.storage.emulated import storage_on, storage_stack

KEPT = TenantSettings(**CHOICE, time_zone="UTC")


Kept = Callable[[Settings, Clock], Storage]


def run(
    folder: Path,
    settings: TenantSettings,
    kept: Kept = open_storage,
    ways: Collection[str] = EVERY,
) -> list[Line]:
    """Play the drill without a restore, in storage as `kept` opens it."""
    clock, vision = PastClock(datetime.now(UTC)), DrawnVision(packs.read_pack())
    own = Settings(storage=folder, requests_a_second=1e6, searches_a_second=1e6)
    services = bootstrap.build(own, clock=clock, vision=lambda: vision, storage=kept(own, clock))
    with closing(services):
        credentials = services.tenants.add("drill", Profile.CLOUD, settings)
        return run_drill(services, clock, credentials, ways=ways)


def list_red(lines: list[Line]) -> list[str]:
    return [f"{one.step}, {one.subject}: {one.says}" for one in lines if one.state is State.RED]


def test_each_way_in_is_tried_or_named_with_the_reason() -> None:
    """tests/faults/test_every_call.py holds the list of all ways in complete."""
    assert WAYS.keys() | NOT_TRIED.keys() == IN.keys()
    assert WAYS.keys() & NOT_TRIED.keys() == set()


def test_by_the_command_no_line_is_red_and_the_page_is_signed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The operator's own book stays as it is."""
    with closing(Book(tmp_path / "data")) as book:
        key = fingerprint(book.services.audit.signing.read_public_keys("shop").current)
    before, page = stored(tmp_path / "data"), tmp_path / "drill.json"
    words = ["drill", "--tenant", "shop", "--data", str(tmp_path / "data"), "--out", str(page)]
    assert main(words) == 0, capsys.readouterr().out
    assert stored(tmp_path / "data") == before
    printed = capsys.readouterr().out
    assert ", 0 red lines" in printed
    statement = json.loads(page.read_text())["statement"]
    steps = Counter(one["step"] for one in statement["lines"] if one["state"] == "as promised")
    assert {step: number for step, number in steps.items() if number == len(WAYS)}.keys() >= {
        *("withdrawn", "old record", "seen again", "after 14 days", "restored")
    }
    assert steps["after 365 days"] == steps["the backup after 365 days"] == len(WAYS) + 1
    assert "kept on purpose" in printed
    assert main(["receipt", "verify", str(page), "--key", key]) == 0
    page.write_text(page.read_text().replace('"red": 0', '"red": 1'))
    assert main(["receipt", "verify", str(page), "--key", key]) == 1
    assert main(words) == 1, "nothing is written over a page"


FEW = ("v1", "photo", "capture")
"""With a record, with the wish to be remembered, and by a camera: an emulated call takes long."""


def test_on_aws_no_line_is_red(tmp_path: Path) -> None:
    with storage_stack() as aws:
        lines = run(tmp_path, KEPT, storage_on(aws), FEW)
    assert list_red(lines) == []
    assert {one.subject for one in lines if one.step == "after 365 days"} == {*FEW, "erased"}
    assert [one.subject for one in lines if one.step == "restore"] == ["backup"]


@pytest.mark.parametrize(
    "settings",
    [
        {"strangers": "forget"},
        {"consent_required": True},
        {"expired_consent_erases": False, "ended_days": 3, "remembered_days": 30},
        {"keeps_pictures": False, "ended_days": 0},
    ],
    ids=str,
)
def test_whatever_the_settings_no_line_is_red(
    tmp_path: Path, settings: Mapping[str, object]
) -> None:
    lines = run(tmp_path, replace(KEPT, **settings), ways=(*FEW, "sunmi"))
    assert list_red(lines) == []
    assert len(lines) > len(WAYS) + 10


class Keeping:
    """Objects that nobody deletes, as on a disk that loses writes."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._blobs, verb)

    def delete(self, key: str) -> None:
        """Say that it is done."""


def test_what_is_left_is_a_red_line_that_names_the_place(tmp_path: Path) -> None:
    def kept(settings: Settings, clock: Clock) -> Storage:
        storage = open_storage(settings, clock)
        return replace(storage, blobs=Keeping(storage.blobs))  # type: ignore[arg-type]

    red = list_red(run(tmp_path, KEPT, kept, ("v1", "photo")))
    assert any("picture in face pictures" in line for line in red if "after 14 days" in line), red
    assert any("did not open" in line for line in red if line.startswith("withdrawn")), red
    assert any(line.startswith("erased") for line in red)
