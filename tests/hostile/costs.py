"""Cost of reading a file that a stranger made, by kind: in a process of its own, as multiples of a
peer's.

`python -m tests.hostile.costs KIND FILE` reads one file and prints its cost.
"""

import json
import re
import resource
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random

import regulars_edge.setup.onvif as onvif
from msgspec import Struct, convert
from regulars_dialects.rekognition.requests import REQUESTS, parse_members
from regulars_edge.errors import SourceFailed
from regulars_mqtt import frigate
from regulars_transfer.tables import read_rows

from chalicelib.api.base64_text import parse_base64
from chalicelib.api.forms import parse_form
from chalicelib.api.http import Failure, MediaType
from chalicelib.api.v1.pictures import NewPicture
from chalicelib.api.v1.wire import parse_body
from chalicelib.book.vision.pictures.containers import split_views
from chalicelib.book.vision.pictures.image import MOST, read_picture
from chalicelib.domain.errors import RegularsError
from chalicelib.domain.pictures import MAX_PICTURE_BYTES, PictureRules
from regulars.errors import DamagedFile

BOUNDARY = "b"
RULES = PictureRules(frozenset(MOST), MAX_PICTURE_BYTES, 8192, 8192)


class Cost(Struct):
    """Cost of reading: times the peer's processor time, and megabytes above the process's start.

    `said`: what the reader refused the file with; "": nothing.
    """

    peers: float
    megabytes: float
    seconds: float
    said: str


def read_table(file: Path) -> None:
    read_rows(file)


def read_image(file: Path) -> None:
    data = file.read_bytes()
    split_views(data)
    read_picture(data, RULES)


def of_bytes(read: Callable[[bytes], object]) -> Callable[[Path], object]:
    return lambda file: read(file.read_bytes())


READERS: Mapping[str, Callable[[Path], object]] = {
    "workbook": read_table,
    "CSV": read_table,
    **dict.fromkeys(MOST, read_image),
    "JSON of v1": of_bytes(lambda data: parse_body(data, NewPicture)),
    "JSON of Rekognition": of_bytes(lambda data: parse_members(data, REQUESTS["IndexFaces"])),
    "form": of_bytes(
        partial(parse_form, MediaType("multipart/form-data", boundary=BOUNDARY.encode()))
    ),
    "form in a URL's way": of_bytes(
        partial(parse_form, MediaType("application/x-www-form-urlencoded"))
    ),
    "base64": of_bytes(lambda data: parse_base64(data.decode())),
    "XML of a camera": of_bytes(onvif.parse_xml),
    "list of Frigate": of_bytes(frigate.parse_events),
}
"""By kind of file, its reader."""

_REFUSALS = (DamagedFile, RegularsError, Failure, SourceFailed, ValueError, frigate.NotFrigates)


def use_processor() -> float:
    """Return the processor time of this process, all threads, so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


_DRAWS = Random(1)
_PACKED = zlib.compress(bytes(_DRAWS.choices(range(4), k=1 << 21)))
_ROWS = json.dumps([{"id": n, "name": f"Person {n}", "of": [n, n + 1]} for n in range(9_000)])


def take_peer() -> float:
    """Return the processor time of a fixed work: 0.1 s of a core that does nothing else.

    It unpacks bytes, as decoders do, and makes many small objects, as parsers do. Beside other
    processes it takes longer, as they do.
    """
    began = use_processor()
    for _ in range(4):
        zlib.decompress(_PACKED)
    for _ in range(4):
        sum(len(row["name"]) for row in json.loads(_ROWS))
    return use_processor() - began


_GIVEN_UP_S = 60
"""Processor time after which a process is ended that reads without end."""


def measure_here(kind: str, file: Path) -> Cost:
    """Read a file in this process, between two rounds of the peer."""
    resource.setrlimit(resource.RLIMIT_CPU, (_GIVEN_UP_S, _GIVEN_UP_S))
    before_s = [take_peer() for _ in range(3)]
    resident_kb, said, began = _read_kb("VmRSS"), "", use_processor()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    try:
        READERS[kind](file)
    except _REFUSALS as error:
        said = f"{type(error).__name__}: {error}"
    seconds = use_processor() - began
    peak_kb = _read_kb("VmHWM")
    peers_s = [*before_s, *(take_peer() for _ in range(3))]
    return Cost(
        peers=seconds * len(peers_s) / sum(peers_s),
        megabytes=(peak_kb - resident_kb) / 1024,
        seconds=seconds,
        said=said[:300],
    )


def _read_kb(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1])


def measure(kind: str, file: Path) -> Cost:
    """Read a file in a fresh process."""
    asked = [sys.executable, "-m", "tests.hostile.costs", kind, str(file)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return convert(json.loads(done.stdout), Cost)


if __name__ == "__main__":
    cost = measure_here(sys.argv[1], Path(sys.argv[2]))
    print(json.dumps({name: getattr(cost, name) for name in Cost.__struct_fields__}))
