"""From a cold process to its first answer out of blob storage: what takes how long. Run by
`bench.search`.

The process that is measured begins like a search function: Python, numpy and the index, then the
directory, the snapshot, the search. The snapshot lies in a folder and in the page cache: what S3
adds is its own transfer time.

Another process then makes the next snapshot, as build_index does after so many newcomers as make
one worth it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from regulars_lab.bench.measuring import memory_bytes, time_call

TENANT = "cold"
MODEL = "bench"


def measure_cold_search(rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), rows)
        _in_a_process(folder, str(time.time()))  # it warms the page cache
        return {
            "rows": rows,
            **_in_a_process(folder, str(time.time())),
            **_in_a_process(folder, "build"),
        }


def _in_a_process(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "regulars_lab.bench.cold_search", *arguments]
    figures: dict[str, Any] = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
    )
    return figures


def report(start: dict[str, Any]) -> None:
    phases = ", ".join(f"{name} {ms:.0f}" for name, ms in start["phases_ms"].items())
    print(
        f"\ncold start with {start['rows']} faces: {start['total_ms']:.0f} ms to the first answer "
        f"({phases}); "
        f"the next takes {start['warm_ms']:.1f} ms; resident "
        f"{start['resident_bytes_per_face']:.0f} bytes a face, "
        f"of which {start['anonymous_bytes_per_face']:.0f} cannot be given back to the page cache\n"
        f"the next snapshot: {start['build_s']:.1f} s of processor, "
        f"{start['build_peak_bytes'] / 1e6:.0f} MB at most"
    )


def prepare(folder: Path, rows: int) -> None:
    """Make a tenant whose gallery is one snapshot, without a tail."""
    import numpy as np

    from chalicelib.storage import keys
    from chalicelib.storage.box.blobs import FolderBlobStore
    from chalicelib.storage.box.items import SqliteItemStore
    from chalicelib.storage.ports import Put
    from regulars_lab.bench.vectors import Maker
    from tests.support.book.synthetic import segment, write_snapshot

    maker = Maker("face-like", seed=rows)
    gallery = segment(maker.vectors(rows), model=MODEL)
    np.save(folder / "probe.npy", maker.vectors(1))
    with closing(SqliteItemStore(folder / "regulars.sqlite", keys.TABLES)) as items:
        write_snapshot(items, FolderBlobStore(folder / "blobs"), TENANT, gallery)
        items.transact(
            [
                Put(
                    keys.DIRECTORY,
                    {"tenant": TENANT, "item": keys.TENANT_ITEM, "seq": 1, "model": MODEL},
                )
            ]
        )


def answer_once(folder: Path, started_at: float) -> dict[str, Any]:
    """In the cold process: its phases in milliseconds."""
    begun = time.time()
    import numpy as np

    from chalicelib.book.search.galleries import Galleries
    from chalicelib.book.search.scan.scan import load_kernel
    from chalicelib.domain.rules.decision import SearchRequest
    from chalicelib.storage import keys
    from chalicelib.storage.box.blobs import FolderBlobStore
    from chalicelib.storage.box.items import SqliteItemStore
    from chalicelib.telemetry import collect_stages

    load_kernel()
    imported = time.time()
    before = memory_bytes()
    items = SqliteItemStore(folder / "regulars.sqlite", keys.TABLES)
    galleries = Galleries(items, FolderBlobStore(folder / "blobs"), scratch=folder)
    request = SearchRequest(MODEL, np.load(folder / "probe.npy"), limit=10)
    opened = time.time()
    with collect_stages() as spent:
        galleries.search(TENANT, request)
    answered = time.time()
    load_ms, scan_ms = (spent.get(name, 0.0) for name in ("load", "scan"))
    warm = [time_call(lambda: galleries.search(TENANT, request))[1] for _ in range(5)]
    after, faces = memory_bytes(), galleries.read_current(TENANT, MODEL).view.faces
    return {
        "total_ms": 1e3 * (answered - started_at),
        "phases_ms": {
            "python": 1e3 * (begun - started_at),
            "imports": 1e3 * (imported - begun),
            "storage": 1e3 * (opened - imported),
            "directory": 1e3 * (answered - opened) - load_ms - scan_ms,
            "load": load_ms,
            "first scan": scan_ms,
        },
        "warm_ms": sorted(warm)[2],
        "resident_bytes_per_face": (after["VmRSS"] - before["VmRSS"]) / faces,
        "anonymous_bytes_per_face": (after["RssAnon"] - before["RssAnon"]) / faces,
    }


def build_once(folder: Path) -> dict[str, Any]:
    """Make the next snapshot: its processor time, and the most memory beside the page cache that
    the process had."""
    from chalicelib.book.search.compact import TAIL_LENGTH, Compactor
    from chalicelib.book.search.galleries import Galleries
    from chalicelib.domain.model import Edit, JournalEntry
    from chalicelib.domain.rules.templates import make_template
    from chalicelib.storage import keys
    from chalicelib.storage.box.blobs import FolderBlobStore
    from chalicelib.storage.box.items import SqliteItemStore
    from chalicelib.storage.in_process import SystemClock
    from chalicelib.storage.ports import Put, Update, exists
    from chalicelib.storage.records.faces import journal_item
    from regulars_lab.bench.vectors import Maker

    items, clock = SqliteItemStore(folder / "regulars.sqlite", keys.TABLES), SystemClock()
    for seq, vector in enumerate(Maker("face-like", seed=1).vectors(TAIL_LENGTH), start=2):
        newcomer = JournalEntry(Edit.PUT, f"new-{seq}", "g", (make_template(MODEL, vector),))
        items.transact([Put(keys.JOURNAL, journal_item(TENANT, seq, clock.now(), [newcomer]))])
    there = (exists("tenant"),)
    items.transact(
        [Update(keys.DIRECTORY, (TENANT, keys.TENANT_ITEM), there, set={"seq": TAIL_LENGTH + 1})]
    )
    blobs = FolderBlobStore(folder / "blobs")
    compactor = Compactor(items, blobs, Galleries(items, blobs, 0, folder), clock)
    peaks, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peaks[0] = max(peaks[0], memory_bytes()["RssAnon"])

    watching = threading.Thread(target=watch)
    watching.start()
    is_built, spent_ms = time_call(lambda: compactor.build(TENANT), time.process_time)
    done.set()
    watching.join()
    assert is_built
    return {"build_s": spent_ms / 1e3, "build_peak_bytes": peaks[0]}


if __name__ == "__main__":
    place, what = Path(sys.argv[1]), sys.argv[2]
    print(json.dumps(build_once(place) if what == "build" else answer_once(place, float(what))))
