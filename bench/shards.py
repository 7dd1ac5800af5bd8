"""A gallery cut into shards: a scaled run, and what it says of ten million faces.

    python -m bench.shards [--rows 1000000] [--shards 4] [--cold 10] [--json FILE]

One process builds the shards, asks each in turn (as functions of their own would run side by side, the slowest counts)
and checks that the merged answers are those of the whole gallery. Cold processes load one shard each; with S3's
transfer, which is not here, reckoned at `S3_BYTES_A_S`, that is what each of a burst of 50 searches on cold functions
does. Prices are AWS's list prices for arm64 in us-east-1.
"""

from __future__ import annotations

from bench.measuring import one_thread, parser, timed, write

one_thread()

import json
from functools import partial
from typing import Any

import numpy as np

from bench import cold_search
from bench.synthetic import segment
from bench.vectors import Maker
from chalicelib.core.decision import OperatingPoint
from chalicelib.core.search import WHOLE, SearchAnswer, SearchRequest, Shard, shards
from chalicelib.index.gallery import Gallery
from chalicelib.index.sharded import merged
from chalicelib.index.snapshots.segment import encode
from chalicelib.vision.packs import packs

PROBES = 40
FACES = 10_000_000
BURST = 50
S3_BYTES_A_S = 90e6
"""What one function gets from S3 with several connections at about 1.8 GB of memory; AWS promises none."""
GB_SECOND = 0.0000133334
REQUEST = 0.20e-6
DYNAMO_READ = 0.125e-6
WIRE_MS = 8.0
"""Invoking a warm function from another, with the directory's read: reckoned, not measured here."""


def main() -> None:
    options = parser("shards", __doc__)
    options.add_argument("--rows", type=int, default=1_000_000, help="faces in all (default: %(default)s)")
    options.add_argument("--shards", type=int, default=4, help="(default: %(default)s)")
    options.add_argument("--cold", type=int, default=10, help="cold processes (default: %(default)s)")
    arguments = options.parse_args()
    scaled = measured(arguments.rows, arguments.shards)
    starts = [cold_search.measured(arguments.rows // arguments.shards) for _ in range(arguments.cold)]
    figures = {"scaled": scaled, "cold_ms": [start["total_ms"] for start in starts]}
    figures["ten_million"] = reckoned(scaled, figures["cold_ms"])
    print(json.dumps(figures, indent=2))
    write(figures, arguments.json)


def measured(rows: int, number: int) -> dict[str, Any]:
    """Milliseconds of the slowest shard of each search, with the merge, and whether the answers are the whole's."""
    maker = Maker("face-like", seed=rows)
    templates = maker.vectors(rows).astype(np.float16)
    probes = np.concatenate((maker.mates(templates[:20].astype(np.float32)), maker.vectors(PROBES - 20)))
    ids = [f"face-{n:08d}" for n in range(rows)]
    decides = OperatingPoint(packs.at().manifest.impostor_curve)
    gallery = _gallery(templates, ids, WHOLE)
    whole = [asked(gallery, probe, decides) for probe in probes]
    parts = [_gallery(templates, ids, shard) for shard in shards(number)]
    stored = [len(encode(part.view.base)) for part in parts]
    top_ms, identify_ms, same = [], [], True
    for probe, (best, match) in zip(probes, whole, strict=True):
        for times, limit, point, wanted in ((top_ms, 10, None, best), (identify_ms, 1, decides, match)):
            slowest, answers = 0.0, []
            for part in parts:
                answer, spent_ms = timed(partial(_ask, part, probe, limit, point))
                answers.append(answer)
                slowest = max(slowest, spent_ms)
            answer, spent_ms = timed(partial(merged, answers, limit, point))
            same &= answer.candidates == wanted.candidates
            times.append(slowest + spent_ms)
    return {
        "rows": rows,
        "shards": number,
        "same_as_whole": same,
        "top_10_ms": float(np.median(top_ms)),
        "identify_ms": float(np.median(identify_ms)),
        "identify_p99_ms": float(np.quantile(identify_ms, 0.99)),
        "stored_bytes_per_face": sum(stored) / rows,
        "memory_bytes_per_face": sum(part.hot_bytes - part.view.base.templates.nbytes for part in parts) / rows,
    }


def asked(gallery: Gallery, probe: Any, decides: OperatingPoint) -> tuple[SearchAnswer, SearchAnswer]:
    return _ask(gallery, probe, 10, None), _ask(gallery, probe, 1, decides)


def _ask(gallery: Gallery, probe: Any, limit: int, decides: OperatingPoint | None) -> SearchAnswer:
    request = SearchRequest("bench", probe[None], limit=limit, operating_point=decides, shard=gallery.shard)
    return gallery.view.search(request)


def _gallery(templates: Any, ids: list[str], shard: Shard) -> Gallery:
    mine = [n for n, faceid in enumerate(ids) if shard.holds(faceid)]
    return Gallery("bench", segment(templates[mine], [ids[n] for n in mine]), shard)


def reckoned(scaled: dict[str, Any], cold_ms: list[float]) -> dict[str, Any]:
    """Ten million faces by shards of a million: time follows the rows of a shard, cost all rows."""
    number = FACES // 1_000_000
    factor = 1_000_000 / (scaled["rows"] / scaled["shards"])
    stored = scaled["stored_bytes_per_face"] * 1_000_000
    warm_ms = scaled["identify_ms"] * factor + WIRE_MS
    transfer_s = stored / S3_BYTES_A_S
    cold = sorted(cold_ms)
    billed_s = (scaled["identify_ms"] * factor + 5) / 1e3
    each = billed_s * 1.769 * GB_SECOND + REQUEST + DYNAMO_READ
    return {
        "shards": number,
        "warm_identify_ms": warm_ms,
        "memory_mb_a_function": scaled["memory_bytes_per_face"] + 150,
        "disk_mb_a_function": stored / 1e6,
        "dollars_a_million_searches": 1e6 * number * each,
        "burst_of_50": {
            "functions": BURST * number,
            "gigabytes_loaded_by_each": stored / 1e9,
            "median_s": transfer_s + cold[len(cold) // 2] * factor / 1e3,
            # half as long again: a guess at what S3 does when it is asked for much at once
            "p99_s": transfer_s * 1.5 + cold[-1] * factor / 1e3,
        },
    }


if __name__ == "__main__":
    main()
