"""`regulars-edge status`: what the spool holds, also while an uploader runs."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from regulars_edge.clock import Clock
from regulars_edge.config import find_spool, load
from regulars_edge.errors import Misconfigured
from regulars_edge.logs import redact_text
from regulars_edge.spool import counts, database, shops, times, totals
from regulars_edge.spool import spool as spools
from regulars_edge.spool.counts import CountSums
from regulars_edge.spool.model import Limits, Waiting
from regulars_edge.spool.spool import Spool
from regulars_edge.spool.totals import Totals

_SHOWN = 100
"""Refused pictures that `status` lists."""
_Refused = tuple[int, str, str | None, str]
"""Id, camera, file or None, and reason."""


def status(arguments: argparse.Namespace) -> int:
    """Print the spool's state.

    Raises Misconfigured without a spool; SpoolInUse for a retry beside an uploader.
    """
    folder = load(arguments.config).spool if arguments.config else find_spool()
    try:
        if not (folder / database.FILE).is_file():
            raise Misconfigured(
                f"there is no spool in {folder}: name it with --config or REGULARS_EDGE_SPOOL"
            )
        if arguments.retry_refused or arguments.release:
            # else older ones than usual would go
            with spools.open_spool(folder, Limits(kept_days=math.inf)) as spool:
                print(_release(spool, arguments.release) if arguments.release else _retry(spool))
            return 0
        with contextlib.closing(database.open_for_reading(folder)) as db:
            figures = totals.count_by_camera(db, times.now_ms(db, Clock()))
            refused = totals.list_refused(db, _SHOWN) if arguments.refused else []
            waiting = shops.list_waiting(db)
            sums = counts.sum_by_camera(db, times.now_ms(db, Clock()))
    except (sqlite3.Error, OSError) as error:
        raise Misconfigured(f"the spool {folder} cannot be read: {error}") from error
    if arguments.json:
        answer = _write_json(
            folder, figures, sums, waiting=waiting, refused=refused if arguments.refused else None
        )
        print(answer)
    else:
        for line in _list_lines(folder, figures, sums, waiting=waiting, refused=refused):
            print(line)
    return 0


def _release(spool: Spool, url: str) -> str:
    """Release what waits for the shops at a URL, and say how much that was."""
    released = spool.release_waiting(url)
    pictures, minutes = sum(one.pictures for one in released), sum(one.minutes for one in released)
    return f"{pictures} pictures and {minutes} counted minutes will be sent where the next ones are"


def _retry(spool: Spool) -> str:
    return f"{spool.retry_refused()} pictures will be offered once more"


def _write_json(
    folder: Path,
    figures: Mapping[str, Totals],
    sums: Mapping[str, CountSums],
    *,
    waiting: Iterable[Waiting],
    refused: Iterable[_Refused] | None,
) -> str:
    """Write the state of the spool as JSON: figures by camera, and what waits for a shop.

    `refused`: the pictures that the service refused; None: they were not asked for and are left
    out.
    """
    answer: dict[str, object] = {
        "spool": str(folder),
        "cameras": {camera: asdict(its) for camera, its in figures.items()},
        "people": {camera: asdict(its) for camera, its in sums.items()},
        "waiting": [asdict(one) for one in waiting],
    }
    if refused is not None:
        answer["refused"] = [
            dict(zip(("id", "camera", "file", "reason"), row, strict=True)) for row in refused
        ]
    return json.dumps(answer, indent=2)


def _list_lines(
    folder: Path,
    figures: Mapping[str, Totals],
    sums: Mapping[str, CountSums],
    *,
    waiting: Iterable[Waiting],
    refused: Iterable[_Refused],
) -> Iterator[str]:
    """Yield the state of the spool as lines for people: a table of cameras, and what waits or was
    refused.

    Passwords in addresses are left out.
    """
    yield f"spool {folder}"
    yield (
        f"{'camera':24} {'spooled':>8} {'sent':>8} {'refused':>8} {'turned away':>12} "
        f"{'oldest unsent':>14}  sent/h"
    )
    for camera, its in figures.items():
        counts = (
            f"{camera[:24]:24} {its.unsent:8} {its.sent:8} {its.refused:8} {its.turned_away:12}"
        )
        yield f"{counts} {format_age(its.oldest_unsent_s):>14} {its.sent_last_hour:7}"
        yield (
            "  times by "
            f"{', '.join(f'{by} {count}' for by, count in its.times_by.items() if count) or '-'}"
        )
    for camera, people in sums.items():
        yield (
            f"{camera}: people in the last hour {people.in_hour} in, {people.out_hour} out; in a "
            f"day {people.in_day} in, {people.out_day} out; {people.untold_minutes} minutes untold"
        )
    for one in waiting:
        yield redact_text(f"{one.camera}: {one}")
    for _, camera, file, reason in refused:
        yield redact_text(f"{camera}: {file or 'bytes are gone'}: {reason}")


def format_age(seconds: float | None) -> str:
    """Write a time as 3 s, 1.5 min, 2.0 h or 4.0 d; "-" for None."""
    if seconds is None:
        return "-"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
