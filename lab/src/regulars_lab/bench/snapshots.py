"""Measure how many bytes snapshots write for 256 changes of a large gallery.

    python -m regulars_lab.bench.snapshots [--faces 200000] [--builds 80]

The builder itself, on the embedded storage: random templates, a million changes a day, of which
four in five are faces that learn and one is new. The journal is written without the faces' own
records.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.book.search.compact import TAIL_LENGTH, Compactor
from chalicelib.book.search.galleries import Galleries
from chalicelib.domain.model import Edit, JournalEntry
from chalicelib.domain.rules.templates import make_template
from chalicelib.storage import keys
from chalicelib.storage.box.blobs import FolderBlobStore
from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.pieces import Pieces
from chalicelib.storage.ports import ItemStore, Put
from chalicelib.storage.records.faces import journal_item
from chalicelib.storage.values import milliseconds
from regulars_lab.bench.vectors import DIMENSIONS
from regulars_lab.rigs.stand_ins import SteppedClock
from tests.support.book.synthetic import segment, write_snapshot

TENANT, MODEL = "shop", "bench"
_A_DAY = 1_000_000


class Counting(FolderBlobStore):
    """A folder that notes the sizes of what is written, by kind of snapshot."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.written: defaultdict[str, list[int]] = defaultdict(list)

    def put_if_absent(self, key: str, data: bytes | Pieces, content_type: str) -> bool:
        size = data.size if isinstance(data, Pieces) else len(data)
        self.written["whole" if keys.base_of_snapshot(key) == key else "delta"].append(size)
        return super().put_if_absent(key, data, content_type)


def main() -> None:
    parser = argparse.ArgumentParser(
        "regulars_lab.bench.snapshots", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--faces", type=int, default=200_000)
    parser.add_argument("--builds", type=int, default=80)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as place,
        closing(SqliteItemStore(Path(place, "db"), keys.TABLES)) as items,
    ):
        written = measure_snapshots(
            items, Counting(Path(place, "blobs")), arguments.faces, arguments.builds
        )
    for kind, sizes in written.items():
        print(f"{kind}: {len(sizes)}, {max(sizes) / 1e6:.1f} MB at most")
    print(
        f"{sum(map(sum, written.values())) / arguments.builds / 1e6:.1f} MB for {TAIL_LENGTH} "
        "changes"
    )


def measure_snapshots(
    items: ItemStore, blobs: Counting, faces: int, builds: int
) -> dict[str, list[int]]:
    """Write so many snapshots after one that is new; return their sizes by kind."""
    random, clock = np.random.default_rng(1), SteppedClock(datetime(2026, 11, 26, tzinfo=UTC))
    write_snapshot(items, blobs, TENANT, segment(_unit(random, faces), model=MODEL, seq=0))
    place = (TENANT, keys.index_item(MODEL))
    items.transact(
        [
            Put(
                keys.DIRECTORY,
                {**(items.get(keys.DIRECTORY, place) or {}), "built_at": milliseconds(clock.at)},
            )
        ]
    )
    blobs.written.clear()
    for build in range(builds):
        for number, vector in enumerate(_unit(random, TAIL_LENGTH)):
            seq, is_new = build * TAIL_LENGTH + number + 1, number % 5 == 0
            faceid = f"new-{seq}" if is_new else f"face-{random.integers(faces):07d}"
            edit = Edit.PUT if is_new else Edit.REPLACE
            entry = JournalEntry(
                edit, faceid, "g", (make_template(MODEL, vector),), learnt=not is_new
            )
            directory = {"tenant": TENANT, "item": keys.TENANT_ITEM, "seq": seq, "model": MODEL}
            journal = journal_item(TENANT, seq, clock.at, [entry])
            items.transact([Put(keys.JOURNAL, journal), Put(keys.DIRECTORY, directory)])
        clock.at += timedelta(days=TAIL_LENGTH / _A_DAY)
        Compactor(items, blobs, Galleries(items, blobs), clock, large_bytes=1).build(
            TENANT, erase=False
        )
    return blobs.written


def _unit(random: np.random.Generator, count: int) -> NDArray[np.float32]:
    rows = random.standard_normal((count, DIMENSIONS)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
