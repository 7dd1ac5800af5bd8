"""Helpers of all benchmarks: their command line, one thread, the models at hand, times, and a
process's memory.

It imports nothing that loads numpy, so that `one_thread` still can be called before it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import argparse

    from chalicelib.book.vision.packs.packs import Pack

SHARED = Path(__file__).resolve().parents[5] / "shared"
"""Data that lie beside the checkout."""

T = TypeVar("T")


def parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    """Make the parser of the benchmark of this name, whose module's docstring is `doc`, with the
    option --json."""
    import argparse  # here: processes whose start is measured import this module, too

    made = argparse.ArgumentParser(f"bench.{name}", description=(doc or "").partition("\n")[0])
    made.add_argument("--json", type=Path, help="write the figures to this file, too")
    return made


def write(figures: Any, file: Path | None) -> None:
    """Write the figures to the file that --json named, if it named one."""
    if file:
        file.write_text(json.dumps(figures, indent=2) + "\n")


def numbers(text: str) -> list[int]:
    """Read numbers with commas between them."""
    return [int(part) for part in text.split(",") if part]


def one_thread() -> None:
    """Keep the libraries of linear algebra to one thread.

    They read this once, when numpy or faiss loads them.
    """
    os.environ.update(
        dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    )


def pack() -> Pack:
    """Find the pack that the service would use. Raises MissingModel."""
    from chalicelib.book.vision.packs import packs

    models = os.environ.get("REGULARS_MODELS")
    return packs.find(Path(models) if models else None, os.environ.get("REGULARS_PACK"))


def time_call(
    call: Callable[[], T], clock: Callable[[], float] = time.perf_counter
) -> tuple[T, float]:
    """Call once; return the answer, and how many milliseconds it took by the clock."""
    began = clock()
    answer = call()
    return answer, 1e3 * (clock() - began)


def memory_bytes(pid: int | str = "self") -> dict[str, int]:
    """Return what Linux says of a process's memory: VmRSS (resident), VmHWM (the most that was) and
    others."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines if line[-1] == "kB"}


def processor_s(pid: int) -> float:
    """Return the seconds of processors that a process has taken, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
