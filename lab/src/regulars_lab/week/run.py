"""Make the pictures, upload them, read the book, compare."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from regulars.clients import Connection
from regulars.demo.run import (
    TENANT,
    end_by_signals,
    find_pictures,
    open_scratch_folder,
    wait_for_end,
    wait_until_resolved,
)
from regulars.demo.story import format_name
from regulars.serve import service
from regulars.tenants import credentials
from regulars_lab.v1 import V1, Picture
from regulars_lab.week import book, timeline
from regulars_lab.week.scenes import Scenes
from regulars_lab.week.table import WeekRow, week_table
from regulars_lab.week.timeline import Capture, ExpectedEntry
from tests.support.api.over_http import Sunmi
from tests.support.book.tenants import CHOICE


class Week(Struct, frozen=True):
    """Captures by id, the book that must come of them, and the book that came (`entries`)."""

    captures: Mapping[str, Capture]
    expected: Sequence[ExpectedEntry]
    entries: Sequence[book.BookEntry]

    @property
    def differences(self) -> dict[str, list[str]]:
        return book.differences(self.captures, self.entries, self.expected)


def last_week(now: datetime) -> datetime:
    """Return Monday 00:00 UTC of the last week that is over."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=today.weekday() + 7)


def week(photos: Path | None, models: Path | None, out: Path, *, stays: bool = False) -> int:
    """Play a week and compare the book with the timeline.

    The pictures stay in `out`; `stays`: so does the service.

    Return the exit code: 1 if the book differs.
    """
    console = Console()
    pictures = draw(photos, out, last_week(datetime.now(UTC)))
    console.print(
        f"{len(pictures)} captures of a week before two cameras are in {out}", soft_wrap=True
    )
    with (
        end_by_signals(),
        open_scratch_folder() as data,
        service.run_service(data, models=models) as running,
        Connection(running.url) as connection,
    ):
        known = credentials.read_credentials(running.data)[TENANT]
        v1 = V1(connection, known.api_key)
        began = time.perf_counter()
        result = play_week(pictures, Sunmi(connection, known), v1)
        _tell(result, time.perf_counter() - began, console)
        if stays:
            for faceid, person in book.names(result.captures, result.entries).items():
                v1.call("PATCH", f"/v1/faces/{faceid}", {"name": format_name(person)})
            wait_for_end(running, console)
    return 1 if result.differences else 0


def _tell(result: Week, elapsed_s: float, console: Console) -> None:
    console.print(_table(result))
    for difference in chain.from_iterable(result.differences.values()):
        console.print(f"[red]not as stated:[/] {difference}")
    right = sum(one.person not in result.differences for one in result.expected)
    console.print(
        f"{right} of {len(result.expected)} visitors are as the timeline states; "
        f"{len(result.captures)} captures "
        f"uploaded and resolved in {elapsed_s:.1f} s",
        style="bold",
    )


def draw(photos: Path | None, out: Path, monday: datetime) -> dict[Path, Capture]:
    """Draw the week into `out`, a folder for each camera; return each file's capture."""
    people = sorted(
        find_pictures(photos).people, key=lambda person: (-len(person.photos), person.name)
    )
    people = people[: timeline.MOST_PEOPLE]
    scenes = Scenes(people)
    files: dict[Path, Capture] = {}
    for number, capture in enumerate(timeline.captures(people, monday)):
        file = out / capture.camera / f"{capture.at:%Y%m%d-%H%M%S}-{number:03d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(scenes.jpeg(capture))
        files[file] = capture
    return files


def play_week(files: Mapping[Path, Capture], sunmi: Sunmi, v1: V1) -> Week:
    """Upload the files in random order, wait until all are resolved, and read the book."""
    v1.call("PATCH", "/v1/settings", CHOICE)
    for camera in (timeline.DOOR, timeline.TILL):
        v1.add_camera(camera)
    shuffled = random.Random(7).sample(sorted(files), len(files))
    ids = v1.upload(
        [Picture(files[file].camera, files[file].at, file.read_bytes()) for file in shuffled]
    )
    wait_until_resolved(v1, (timeline.DOOR, timeline.TILL), len(files))
    uploaded = {id_: files[file] for id_, file in zip(ids, shuffled, strict=True)}
    return Week(
        uploaded,
        timeline.expect_entries(sorted(files.values(), key=lambda one: one.at)),
        book.read_entries(sunmi, v1),
    )


def _table(result: Week) -> Table:
    """Make a table of the book: visitor, group, number of arrivals, and their times day by day."""
    names = book.names(result.captures, result.entries)
    first = min(capture.at.date() for capture in result.captures.values())
    days = [first + timedelta(days=number - first.weekday()) for number in range(7)]
    return week_table(
        [
            WeekRow(
                names.get(face.faceid, face.faceid), face.group, face.arrive_count, face.arrivals
            )
            for face in result.entries
        ],
        days,
    )
