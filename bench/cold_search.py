"""From a cold process to its first answer out of blob storage: what takes how long. Run by `bench.search`.

The process that is measured begins like a search function: Python, numpy and the index, then the directory, the
snapshot, the search. The snapshot lies in a folder and in the page cache: what S3 adds is its own transfer time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TENANT = "cold"
MODEL = "bench"


def measured(rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), rows)
        command = [sys.executable, "-m", "bench.cold_search", folder, str(time.time())]
        figures: dict[str, Any] = {}
        for _ in range(2):  # the first one warms the page cache
            command[-1] = str(time.time())
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            figures = json.loads(done.stdout)
    return {"rows": rows, **figures}


def report(start: dict[str, Any]) -> None:
    phases = ", ".join(f"{name} {ms:.0f}" for name, ms in start["phases_ms"].items())
    print(
        f"\ncold start with {start['rows']} faces: {start['total_ms']:.0f} ms to the first answer ({phases}); "
        f"the next takes {start['warm_ms']:.1f} ms; resident {start['resident_bytes_per_face']:.0f} bytes a face, "
        f"of which {start['anonymous_bytes_per_face']:.0f} cannot be given back to the page cache"
    )


def prepare(folder: Path, rows: int) -> None:
    """Make a tenant whose gallery is one snapshot, without a tail."""
    import numpy as np

    from bench.vectors import Maker
    from chalicelib.adapters.embedded.blobs import FolderBlobStore
    from chalicelib.adapters.embedded.items import SqliteItemStore
    from chalicelib.core import keys
    from chalicelib.core.ports import Put
    from chalicelib.index.snapshots import build_segment
    from chalicelib.index.snapshots.segment import encode

    maker = Maker("face-like", seed=rows)
    templates = maker.vectors(rows).astype(np.float16)
    np.save(folder / "probe.npy", maker.vectors(1))
    ids = [f"face-{number:07d}" for number in range(rows)]
    groups = np.zeros(rows, dtype=np.uint32)
    segment = build_segment.from_rows(MODEL, 1, ids, ["g"], groups, np.ones(rows, dtype=np.int64), templates)
    key = keys.snapshot(TENANT, MODEL, 1, "bench")
    FolderBlobStore(folder / "blobs").put_if_absent(key, encode(segment), "application/octet-stream")
    items = SqliteItemStore(folder / "regulars.sqlite", keys.TABLES)
    pointer = {"tenant": TENANT, "item": keys.index_item(MODEL), "seq": 1, "built_at": 0, "snapshots": [key]}
    items.transact([Put(keys.DIRECTORY, {"tenant": TENANT, "item": keys.TENANT_ITEM, "seq": 1, "model": MODEL})])
    items.transact([Put(keys.DIRECTORY, pointer)])
    items.close()


def answer_once(folder: Path, started_at: float) -> dict[str, Any]:
    """In the cold process: its phases in milliseconds."""
    begun = time.time()
    import numpy as np

    from chalicelib.adapters.embedded.blobs import FolderBlobStore
    from chalicelib.adapters.embedded.items import SqliteItemStore
    from chalicelib.core import keys
    from chalicelib.core.search import SearchRequest
    from chalicelib.core.telemetry import collected
    from chalicelib.index.galleries import Galleries
    from chalicelib.index.scan.kernel import kernel

    kernel()
    imported = time.time()
    before = _resident()
    items = SqliteItemStore(folder / "regulars.sqlite", keys.TABLES)
    galleries = Galleries(items, FolderBlobStore(folder / "blobs"), scratch=folder)
    request = SearchRequest(MODEL, np.load(folder / "probe.npy"), limit=10)
    opened = time.time()
    with collected() as spent:
        galleries.search(TENANT, request)
    answered = time.time()
    load_ms, scan_ms = (spent.get(name, 0.0) for name in ("load", "scan"))
    warm = []
    for _ in range(5):
        began = time.perf_counter()
        galleries.search(TENANT, request)
        warm.append(1e3 * (time.perf_counter() - began))
    after, faces = _resident(), galleries.current(TENANT, MODEL).view.faces
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


def _resident() -> dict[str, int]:
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines if line[0] in ("VmRSS:", "RssAnon:")}


if __name__ == "__main__":
    print(json.dumps(answer_once(Path(sys.argv[1]), float(sys.argv[2]))))
