"""The story in a terminal: a progress bar while it plays, then a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from regulars.demo.story import Part, Step


@contextmanager
def progress(console: Console, steps: int) -> Iterator[Callable[[Step], None]]:
    """Show a progress bar, and give a function to call with each finished step."""
    columns = (TextColumn("{task.description:<40.40}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=steps)
        yield lambda step: bar.update(task, advance=1, description=escape(f"{step.part}: {step.subject}"))


def table(steps: Sequence[Step], *, labelled: bool = True) -> Table:
    """Make a table of the steps by chapter: picture, answer, score against threshold, time.

    Only answers about `labelled` pictures are marked as right or wrong; names that are guessed judge nothing.
    """
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("picture", width=30, overflow="ellipsis", no_wrap=True)
    shown.add_column("answer", min_width=20)
    shown.add_column("score", no_wrap=True)
    shown.add_column("time", justify="right", no_wrap=True)
    part: Part | None = None
    for step in steps:
        if step.part is not part:
            part = step.part
            shown.add_row(f"[bold cyan]{part}[/]", f"[dim]{step.api}[/]", "")
        shown.add_row(*_cells(step, labelled=labelled))
    return shown


def summary(steps: Sequence[Step], *, labelled: bool = True) -> str:
    """Say in one line how many answers were right, and the median time of a search."""
    truth = "right" if labelled else "as the files' names say"
    right = sum(step.right for step in steps)
    searches = [step.elapsed_ms for step in steps if step.api == "getFaceByPicture"]
    usual = f", a search took {median(searches):.0f} ms (median, over HTTP)" if searches else ""
    return f"{right} of {len(steps)} answers are {truth}{usual}"


def _cells(step: Step, *, labelled: bool) -> tuple[str, ...]:
    colour, mark = ("green", "✓ ") if step.right else ("red", "✗ wrong: ")
    if not labelled:
        colour, mark = "default", ""
    score = ""
    if step.score is None and step.threshold is not None:
        score = f"below {step.threshold:.2f}"
    elif step.score is not None and step.threshold is not None:
        score = f"{step.score:.2f} {'≥' if step.score >= step.threshold else '<'} {step.threshold:.2f}"
    subject, answer = escape(f"  {step.subject}"), f"[{colour}]{mark}{escape(step.answer)}[/]"
    return subject, answer, score, f"{step.elapsed_ms:.0f} ms"
