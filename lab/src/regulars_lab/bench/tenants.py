"""Many tenants through one process whose disk holds the galleries of few, as a search function
serves them.

    python -m regulars_lab.bench.tenants [--tenants 200] [--faces 30000] [--held 20] [--memory 1769]
    [--searches 600]
        [--json FILE]

Each search is of a tenant drawn at random and must find the person that it looks for. The galleries
may take the share of a function of `--memory` MB that the settings give them, and the disk that
`--held` of them need. The figures tell what the process took in all. A few snapshots stand for
those of all tenants, and lie in a folder: S3 adds its transfer.
"""

from __future__ import annotations

from regulars_lab.bench.measuring import memory_bytes, one_thread, parser, time_call, write

one_thread()

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from chalicelib.book.search.galleries import Galleries
from chalicelib.book.search.snapshots.segment import encode_segment
from chalicelib.book.vision.packs import packs
from chalicelib.domain.errors import RegularsError
from chalicelib.domain.rules.decision import OperatingPoint, SearchRequest
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.box.blobs import FolderBlobStore
from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.ports import Put
from chalicelib.telemetry import collect_stages
from regulars_lab.bench.vectors import DIMENSIONS, Maker
from tests.support.book.synthetic import segment, unnamed_bytes

MODEL = "bench"
PROBES = 20
SNAPSHOTS = 4
MIB = 1024 * 1024


def main() -> None:
    options = parser("tenants", __doc__)
    options.add_argument("--tenants", type=int, default=200, help="(default: %(default)s)")
    options.add_argument("--faces", type=int, default=30_000, help="of each (default: %(default)s)")
    options.add_argument(
        "--held", type=int, default=20, help="galleries that the disk holds (default: %(default)s)"
    )
    options.add_argument(
        "--memory", type=int, default=1769, help="of the function, in MB (default: %(default)s)"
    )
    options.add_argument("--searches", type=int, default=600, help="(default: %(default)s)")
    options.add_argument(
        "--in", dest="folder", type=Path, help="search there (what a run starts, as a new process)"
    )
    arguments = options.parse_args()
    if arguments.folder:
        print(json.dumps(measure_searches(arguments.folder, arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), arguments.tenants, arguments.faces)
        command = [
            sys.executable,
            "-m",
            "regulars_lab.bench.tenants",
            *sys.argv[1:],
            "--in",
            folder,
        ]
        region = {"AWS_DEFAULT_REGION": "us-east-1"}  # without one, there are no clients
        done = subprocess.run(
            command, stdout=subprocess.PIPE, check=True, env={**os.environ, **region}
        )
        figures = json.loads(done.stdout)
    print(json.dumps(figures, indent=2))
    write(figures, arguments.json)


def prepare(folder: Path, tenants: int, faces: int) -> None:
    """Make the tenants, each with one of the snapshots, and for each snapshot some of its persons
    in other pictures."""
    blobs = FolderBlobStore(folder / "blobs")
    maker = Maker("face-like", seed=faces)
    probes = []
    for number in range(SNAPSHOTS):
        vectors = maker.vectors(faces)
        probes.append(maker.mates(vectors[:PROBES]))
        blobs.put_if_absent(
            f"{number}.snapshot",
            encode_segment(segment(vectors, model=MODEL)),
            "application/octet-stream",
        )
    np.save(folder / "probes.npy", np.array(probes))
    with closing(SqliteItemStore(folder / "regulars.sqlite", keys.TABLES)) as items:
        for tenant in range(tenants):
            snapshot = f"{tenant % SNAPSHOTS}.snapshot"
            named = {"seq": 1, "built_at": 0, "snapshots": [snapshot], "built": [0]}
            pointer = {"tenant": f"shop-{tenant}", "item": keys.index_item(MODEL), **named}
            directory = {
                "tenant": f"shop-{tenant}",
                "item": keys.TENANT_ITEM,
                "seq": 1,
                "model": MODEL,
            }
            items.transact([Put(keys.DIRECTORY, item) for item in (pointer, directory)])


def measure_searches(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Search in a process that has loaded what the search function loads. Sizes are in MiB."""
    import app  # noqa: F401
    from chalicelib.storage.aws.clients import open_aws_client

    # `meta` makes them; they count, too
    _clients = [open_aws_client(name).meta for name in ("dynamodb", "s3")]
    environ = {
        "REGULARS_DATA": str(folder),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(arguments.memory),
    }
    share = Settings.from_environment(environ).search_memory_mb
    items = SqliteItemStore(folder / "regulars.sqlite", keys.TABLES)
    blobs = FolderBlobStore(folder / "blobs")
    disk = arguments.held * arguments.faces * DIMENSIONS * 2
    galleries = Galleries(items, blobs, share * MIB, folder, disk)
    probes = np.load(folder / "probes.npy")
    decides = OperatingPoint(packs.read_pack().manifest.impostor_curve)
    draw, found, failed = random.Random(1), 0, 0
    loaded_ms, held_ms, anonymous, on_disk = [], [], [memory_bytes()["RssAnon"]], [0]
    for _ in range(arguments.searches):
        tenant, person = draw.randrange(arguments.tenants), draw.randrange(PROBES)
        request = SearchRequest(
            MODEL, probes[tenant % SNAPSHOTS, person][None], operating_point=decides
        )
        with collect_stages() as spent:
            try:
                answer, ms = time_call(partial(galleries.search, f"shop-{tenant}", request))
                found += (
                    bool(answer.candidates[0])
                    and answer.candidates[0][0].faceid == f"face-{person:07d}"
                )
                (loaded_ms if "load" in spent else held_ms).append(ms)
            except RegularsError:
                failed += 1
        anonymous.append(memory_bytes()["RssAnon"])
        on_disk.append(unnamed_bytes(folder))
    held = len(galleries._galleries)
    return {
        "searches": arguments.searches,
        "found": found,
        "failed": failed,
        "loads": len(loaded_ms),
        "load_ms": float(np.median(loaded_ms)),
        "held_ms": float(np.median(held_ms)),
        "held": held,
        "memory_each": galleries.loaded_bytes / held / MIB,
        "memory_share": share,
        "anonymous_before": anonymous[0] / MIB,
        "anonymous_most": max(anonymous) / MIB,
        "disk_limit": disk / MIB,
        "disk_most": max(on_disk) / MIB,
    }


if __name__ == "__main__":
    main()
