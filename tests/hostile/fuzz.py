"""Fuzzing of every parser: `make fuzz`, or `python -m tests.hostile.fuzz --inputs 1000000 --seed
1`.

Half of the inputs are files of a corpus that are broken at random, the others come from a
hypothesis strategy. The seed decides all of them. Each input is judged: what the parser raises, and
how long it takes; and each parser, by how much memory the process has more of afterwards.
tests/hostile/parsers.py has the table of the parsers.

Each parser runs in a process of its own, so that a crash stops no other and memory is measured for
one parser alone.
"""

import argparse
import ctypes
import gc
import logging
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from types import FrameType

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from msgspec import Struct

Read = Callable[[bytes], object]
Opened = Callable[[Path], AbstractContextManager[Read]]
"""Makes a parser ready in an empty folder, for the inputs of one batch."""

INPUTS = 1_000_000
BATCH = 1000
"""Inputs to one opening of a parser: what they store is thrown away with it."""

SLOWEST_S = 1.0
STUCK_S = 20.0
"""Processor time after which an input is given up."""

MOST_GROWTH = 24 * 2**20
"""Bytes that the process may have more of after a parser's inputs than after the first tenth of
them."""

MOST_MEMORY = 6 * 2**30
"""Address space of a parser's process."""

LARGEST = 2**20
"""Bytes of the largest input."""

SHOWN = 5
"""Findings that are printed for one parser."""


class Parser(Struct, frozen=True):
    """What reads bytes that others chose.

    `errors`: those that it documents; anything else that it raises, and any error that is logged
    with its traceback, is a finding. `of`: the modules that it goes through. `share`: how many
    inputs it gets, next to the other parsers.
    """

    opened: Opened
    errors: tuple[type[Exception], ...]
    of: tuple[str, ...]
    corpus: Sequence[bytes] = ()
    strategy: st.SearchStrategy[bytes] | None = None
    share: int = 8


class Finding(Struct, frozen=True):
    what: str
    data: bytes

    def __str__(self) -> str:
        return f"{self.what}\n    input: {self.data!r}"


@dataclass
class Result:
    """What came of a parser's inputs.

    `slowest_s`: processor time of the slowest, `growth`: bytes.
    """

    inputs: int = 0
    slowest_s: float = 0.0
    growth: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)
    """By the error's kind and place, so that each is told once."""

    def add(self, place: str, what: str, data: bytes) -> None:
        found = self.findings.get(place)
        if found is None or len(data) < len(found.data):
            self.findings[place] = Finding(what, data)


class Stuck(BaseException):
    """An input took `STUCK_S`."""


# --- inputs
# --------------------------------------------------------------------------------------------------


def inputs(parser: Parser, seed: str) -> Iterator[bytes]:
    """Yield a parser's inputs without end; its corpus first, as it is."""
    broken = mutated(parser.corpus, random.Random(seed)) if parser.corpus else None
    drawn = of_strategy(parser.strategy, seed) if parser.strategy is not None else None
    yield from parser.corpus
    if broken is None or drawn is None:
        yield from broken or drawn or ()
    else:
        yield from chain.from_iterable(zip(broken, drawn, strict=True))


def of_strategy(strategy: st.SearchStrategy[bytes], seed: str) -> Iterator[bytes]:
    """Yield what hypothesis draws, in batches that grow: within one it remembers all that it has
    drawn."""
    rng, count = random.Random(seed), 16
    while True:
        yield from drawn(strategy, rng.getrandbits(32), count)
        count = min(2 * count, BATCH // 4)


def drawn(strategy: st.SearchStrategy[bytes], seed: int, count: int) -> list[bytes]:
    found: list[bytes] = []

    @seeded(seed)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def keep(data: bytes) -> None:
        found.append(data)

    keep()
    return found


def mutated(corpus: Sequence[bytes], rng: random.Random) -> Iterator[bytes]:
    """Yield files of the corpus as files are broken: changed, cut, doubled, spliced, and with
    extreme numbers."""
    while True:
        data = rng.choice(corpus)
        for _ in range(rng.choice((1, 1, 2, 3, 6))):
            data = rng.choice(MUTATIONS)(data or b"\xff", corpus, rng)[:LARGEST]
        yield with_checksums(data) if data.startswith(PNG) and rng.random() < 0.7 else data


def span(data: bytes, rng: random.Random) -> tuple[int, int]:
    """A part of the file: mostly a short one near its beginning, seldom any."""
    start = rng.randrange(min(len(data), rng.choice((60, 300, len(data)))))
    return start, min(start + rng.randrange(1, rng.choice((3, 20, len(data) + 2))), len(data))


def noised(data: bytes, _: Sequence[bytes], rng: random.Random) -> bytes:
    start, end = span(data, rng)
    return data[:start] + rng.randbytes(end - start) + data[end:]


def cut(data: bytes, _: Sequence[bytes], rng: random.Random) -> bytes:
    start, end = span(data, rng)
    return data[:start] + data[end:]


def doubled(data: bytes, _: Sequence[bytes], rng: random.Random) -> bytes:
    start, end = span(data, rng)
    return data[:end] + data[start:end] * rng.choice((1, 1, 2, 50)) + data[end:]


def ended(data: bytes, _: Sequence[bytes], rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data) + 1)]


def extreme(data: bytes, _: Sequence[bytes], rng: random.Random) -> bytes:
    """A number in the file as small or large as it can be, in bytes."""
    start = rng.randrange(len(data))
    order = rng.choice("<>")
    number = rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 65535, 1023))
    size = rng.choice((1, 2, 4))
    return data[:start] + struct.pack(f"{order}I", number)[:size] + data[start + size :]


def spelled(data: bytes, _: Sequence[bytes], rng: random.Random) -> bytes:
    """A word that means much to some parser, in place of something or beside it."""
    start, end = span(data, rng)
    return data[:start] + rng.choice(WORDS) + data[rng.choice((start, end)) :]


def spliced(data: bytes, corpus: Sequence[bytes], rng: random.Random) -> bytes:
    other = rng.choice(corpus) or b"\xff"
    start, end = span(other, rng)
    at = rng.randrange(len(data))
    return data[:at] + other[start:end] + data[at:]


MUTATIONS = (noised, cut, doubled, ended, extreme, spelled, spliced)

WORDS = (
    *(
        b'"',
        b"'",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b"[[",
        b",",
        b":",
        b";",
        b"=",
        b"&",
        b"%",
        b"+",
        b"-",
        b"--",
        b"/",
    ),
    *(
        b"..",
        b"#",
        b"?",
        b" ",
        b"\t",
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\x00",
        b"\x7f",
        b"\xff",
        b"\xef\xbb\xbf",
    ),
    *(
        b"null",
        b"true",
        b"false",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"inf",
        b"nan",
        b"1e999",
        b"-1e999",
        b"1e-999",
    ),
    *(
        b"0",
        b"-0",
        b"-1",
        b"00",
        b"1.5",
        b"9" * 19,
        b"9" * 400,
        b"9" * 5000,
        b"0x10",
        b"1_0",
        b"253402300800",
    ),
    *(
        b"%00",
        b"%ff",
        b"%2541",
        b"%zz",
        b"%u1234",
        b"\\u0000",
        b"\\ud800",
        b"\\uffff",
        b"\\udc00\\ud800",
    ),
    *(
        "é".encode(),
        "会".encode(),
        "😀".encode(),
        "\u202e".encode(),
        "\u2028".encode(),
        "ſ".encode(),
        "İ".encode(),
    ),
    *(
        "²".encode(),
        "٣".encode(),
        "e\u0301\u0323".encode(),
        b"\xc0\x80",
        b"\xed\xa0\x80",
        "\ufffd".encode(),
    ),
    *(
        b"[" * 2000,
        b'{"a":' * 2000,
        b"a" * 3000,
        b"-" * 300,
        b"\xff\xda\x00\x02",
        b"\xff\xd8",
        b"IEND",
        b"acTL",
    ),
    *(
        b"chunked",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"charset=",
        b"utf-16",
        b"boundary=",
    ),
)

PNG = b"\x89PNG\r\n\x1a\n"


def with_checksums(png: bytes) -> bytes:
    """The PNG with right checksums, so that a decoder looks at the chunks' content."""
    parts, at = [png[:8]], 8
    while at + 8 <= len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4], "big")
        if end > len(png):
            break
        parts.append(png[at : end - 4] + struct.pack(">I", zlib.crc32(png[at + 4 : end - 4])))
        at = end
    return b"".join([*parts, png[at:]])


# --- judging
# --------------------------------------------------------------------------------------------------


def fuzz(
    parser: Parser, count: int, seed: str, before: Callable[[bytes], object] | None = None
) -> Result:
    """Give the parser `count` inputs. `before` gets each input before the parser does."""
    result, feed, warm = Result(), inputs(parser, seed), None
    with errors_logged() as logged, stuck_after():
        while result.inputs < count:
            batch = list(islice(feed, min(BATCH, count - result.inputs, max(count // 10, 1))))
            with tempfile.TemporaryDirectory() as folder, parser.opened(Path(folder)) as read:
                for data in batch:
                    if before is not None:
                        before(data)
                    judge(read, data, parser.errors, logged, result)
            result.inputs += len(batch)
            warm = resident() if warm is None else warm
    result.growth = max(resident() - (warm or 0), 0)
    if result.growth > MOST_GROWTH:
        result.add(
            "memory", f"{result.growth / 2**20:.0f} MiB more memory after {count} inputs", b""
        )
    return result


def judge(
    read: Read,
    data: bytes,
    errors: tuple[type[Exception], ...],
    logged: list[BaseException],
    result: Result,
) -> None:
    """Read one input, and keep what is wrong with it."""
    seconds, error = timed(read, data)
    if SLOWEST_S < seconds < STUCK_S:  # once more: the first may have loaded what all others share
        seconds = min(seconds, timed(read, data)[0])
    result.slowest_s = max(result.slowest_s, seconds)
    if seconds > SLOWEST_S:
        result.add("slow", f"took {seconds:.1f} s of processor time", data)
    for one in [*([] if error is None or isinstance(error, errors) else [error]), *logged]:
        result.add(place_of(one), "".join(traceback.format_exception(one)[-4:]).strip(), data)
    logged.clear()


def timed(read: Read, data: bytes) -> tuple[float, BaseException | None]:
    """Return the processor time of reading, of all threads, and what was raised."""
    error: BaseException | None = None
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, STUCK_S)
    try:
        read(data)
    except (Exception, Stuck) as raised:
        error = raised
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return time.process_time() - began, error


def place_of(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return (
        f"{type(error).__name__} {frames[-1].filename}:{frames[-1].lineno}"
        if frames
        else type(error).__name__
    )


@contextmanager
def stuck_after() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Stuck(f"still at it after {STUCK_S:g} s")

    old = signal.signal(signal.SIGPROF, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGPROF, old)


@contextmanager
def errors_logged() -> Iterator[list[BaseException]]:
    """Collect errors that are logged with their traceback: nobody expected them."""
    logged: list[BaseException] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1] is not None:
                logged.append(record.exc_info[1])

    collector, root = Collector(logging.ERROR), logging.getLogger()
    root.addHandler(collector)
    try:
        yield logged
    finally:
        root.removeHandler(collector)


def resident() -> int:
    """Bytes of memory that the process holds, without what it has freed."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


# --- the command
# --------------------------------------------------------------------------------------------------


def shares(parsers: dict[str, Parser], total: int) -> dict[str, int]:
    """Divide the inputs among the parsers."""
    whole = sum(parser.share for parser in parsers.values())
    return {name: max(total * parser.share // whole, 1) for name, parser in parsers.items()}


HEADER = f"{'parser':28} {'inputs':>9} {'slowest':>9} {'growth':>9}  findings"


def line(name: str, result: Result) -> str:
    return (
        f"{name:28} {result.inputs:9,} {result.slowest_s * 1000:6.0f} ms "
        f"{result.growth / 2**20:5.1f} MiB"
        f"  {len(result.findings)}"
    )


def main() -> int:
    from tests.hostile.parsers import PARSERS

    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument(
        "--inputs", type=int, default=INPUTS, help="how many, of all parsers together"
    )
    options.add_argument(
        "--seed", default=None, help="as an earlier run printed it; default: a new one"
    )
    options.add_argument(
        "--parser", choices=[*PARSERS], help="only this one, with all the inputs, in this process"
    )
    chosen = options.parse_args()
    seed = chosen.seed or f"{random.SystemRandom().getrandbits(32):x}"
    if chosen.parser:
        return alone(chosen.parser, PARSERS[chosen.parser], chosen.inputs, seed)
    print(f"seed {seed}: make fuzz INPUTS={chosen.inputs} SEED={seed}\n{HEADER}", flush=True)
    # A parser is measured by its process's own time and memory, so one a core is no worse.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        codes = pool.map(
            lambda share: in_a_process(*share, seed), shares(PARSERS, chosen.inputs).items()
        )
    failed = sum(map(bool, codes))
    print(f"parsers with findings: {failed}", flush=True)
    return min(failed, 1)


def in_a_process(name: str, count: int, seed: str) -> int:
    with tempfile.NamedTemporaryFile() as last:
        command = [sys.executable, "-m", "tests.hostile.fuzz"]
        command += ["--parser", name, "--inputs", str(count), "--seed", seed]
        code = subprocess.run(command, env={**os.environ, LAST: last.name}, check=False).returncode
        if code not in (0, 1):
            size = int.from_bytes(last.read(8), "little")
            print(f"{name:28} died with {code} at the input {last.read(size)!r}", flush=True)
    return code


LAST = "REGULARS_FUZZ_LAST"
"""Names the file that keeps the input under way, so that it can be told after a crash."""


def alone(name: str, parser: Parser, count: int, seed: str) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    logging.getLogger().addHandler(logging.NullHandler())
    result = fuzz(
        parser, count, f"{seed}/{name}", keeping(os.environ[LAST]) if LAST in os.environ else None
    )
    print(
        line(name, result),
        *[str(one) for one in islice(result.findings.values(), SHOWN)],
        sep="\n  ",
        flush=True,
    )
    return min(len(result.findings), 1)


def keeping(path: str) -> Callable[[bytes], None]:
    """Return what writes an input to the file, so that it is there whatever becomes of this
    process."""
    descriptor = os.open(path, os.O_WRONLY)
    return lambda data: os.pwrite(descriptor, len(data).to_bytes(8, "little") + data, 0)


if __name__ == "__main__":
    from testing.folders import pytest_configure as use_memory

    use_memory()
    sys.exit(main())
