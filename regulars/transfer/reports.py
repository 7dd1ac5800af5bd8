"""What an import says while it runs, and at its end."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from chalicelib.core.values import one_line, plain_cell
from regulars.transfer.importing import Fate
from regulars.transfer.journal import KEPT, LEFT_OUT, REFUSED

HEADER = ("person", "picture", "reason")


@contextmanager
def bar(total: int | None) -> Iterator[Callable[[int], object]]:
    """Show a bar on stderr if that is a terminal; yield what moves it on."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("pictures" if total is not None else "faces", total=total)
        yield lambda count: progress.advance(task, count)


def report(about: str, fates: Sequence[Fate], file: Path | None, *, dry_run: bool) -> int:
    """Print what became of the pictures, the refused ones with their reasons; return the exit code."""
    counts = Counter(fate.outcome.state for fate in fates)
    people = len({fate.person for fate in fates if fate.outcome.state == KEPT})
    refused = [(fate.person, fate.outcome.name, fate.outcome.why) for fate in fates if fate.outcome.state == REFUSED]
    if file is not None:
        _write(file, refused)
    if refused:
        table = Table(*HEADER)
        for row in refused:
            table.add_row(*(escape(one_line(text)) for text in row))
        Console().print(table)
    verb = "would come in" if dry_run else "are in"
    left = f", {counts[LEFT_OUT]:,} not needed" if counts[LEFT_OUT] else ""
    print(f"{about}: {people:,} people with {counts[KEPT]:,} pictures {verb}, {len(refused):,} refused{left}")
    return 1 if refused else 0


def _write(file: Path, rows: Sequence[tuple[str, str, str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        writer.writerows(map(plain_cell, row) for row in rows)
