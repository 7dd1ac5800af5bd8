"""1:N search beside its peers: one run, one thread, the same vectors.

    python -m regulars_lab.bench.search [--rows 1000,30000,...] [--vectors random,face-like,lfw]
    [--json FILE]
                           [--peers all|faiss|faiss-flat] [--cold 30000,1000000]

For each size and kind of vectors (bench/vectors.py says how they are made): a search for the ten
best (median, p99) and an identification (`identify`: the best face at or above the threshold of the
gallery's size; a peer has no such thing, so it looks for the best one), each over the same probes,
half of them of enrolled persons; recall@10 against float64; bytes in memory for a face; the time to
load what was stored; and the median by the time of merely reading the gallery as int8. Every search
ends with the names of the faces: a peer gives numbers, which are looked up in a list. The engines
take turns, round by round, so that what else the machine does meets all of them. `least` is the
median over the probes of each one's quickest search, and `x faiss` by how much that of faiss's Flat
is longer: what a machine with other work hardly changes.
"""

from __future__ import annotations

from regulars_lab.bench.measuring import numbers, one_thread, parser, time_call, write

one_thread()  # before numpy comes in: its BLAS reads the environment once

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.book.search.gallery import Gallery
from chalicelib.book.search.scan.scan import load_kernel
from chalicelib.book.search.snapshots.loading import fetch
from chalicelib.book.search.snapshots.scratch import Scratch
from chalicelib.book.search.snapshots.segment import encode_segment
from chalicelib.book.vision.packs import packs
from chalicelib.domain.rules.decision import OperatingPoint, SearchRequest
from chalicelib.storage.box.blobs import FolderBlobStore
from regulars_lab.bench import cold_search
from regulars_lab.bench.peers import Engine, peers
from regulars_lab.bench.vectors import DIMENSIONS, KINDS, Maker
from tests.support.book.synthetic import faceids, segment

LIMIT = 10
PROBES = 40
ROUNDS = 5
BUDGET_S = 0.5
"""For one engine in one round; at least two searches are made."""

Figures = dict[str, Any]
_KERNEL = "compiled" if load_kernel() else "none"


class Regulars:
    """A gallery out of a snapshot in blob storage, as a search function holds it."""

    name = "regulars"

    def __init__(self) -> None:
        self._decides = OperatingPoint(packs.read_pack().manifest.impostor_curve)

    def build(self, folder: Path, vectors: NDArray[np.float32]) -> None:
        snapshot = encode_segment(segment(vectors))
        FolderBlobStore(folder / "blobs").put_if_absent(
            "snapshot", snapshot, "application/octet-stream"
        )

    def load(self, folder: Path) -> None:
        self._gallery = Gallery(
            "bench", fetch(FolderBlobStore(folder / "blobs"), "snapshot", Scratch(folder).open_file)
        )

    def search(self, probe: NDArray[np.float32], limit: int) -> list[str]:
        found = self._gallery.view.search(
            SearchRequest("bench", probe[None], limit=limit)
        ).candidates[0]
        return [candidate.faceid for candidate in found]

    def identify(self, probe: NDArray[np.float32]) -> list[str]:
        request = SearchRequest("bench", probe[None], operating_point=self._decides)
        found = self._gallery.view.search(request).candidates[0]
        return [candidate.faceid for candidate in found]

    def bytes_per_face(self) -> float:
        return self._gallery.hot_bytes / self._gallery.view.faces


def main() -> None:
    options = parser("search", __doc__)
    options.add_argument(
        "--rows", default="1000,30000,300000", help="sizes, with commas (default: %(default)s)"
    )
    options.add_argument(
        "--vectors", default=",".join(KINDS), help="kinds, with commas (default: %(default)s)"
    )
    options.add_argument(
        "--peers",
        choices=["all", "faiss", "faiss-flat"],
        default="all",
        help="(default: %(default)s)",
    )
    options.add_argument(
        "--cold", default="30000", help="sizes of a cold start, with commas (default: %(default)s)"
    )
    arguments = options.parse_args()
    print(f"one thread, {DIMENSIONS} dimensions, kernel: {_KERNEL}")
    results = []
    for rows in numbers(arguments.rows):
        for kind in arguments.vectors.split(","):
            chosen = [
                peer for peer in peers() if peer.name.startswith(arguments.peers.replace("all", ""))
            ]
            with tempfile.TemporaryDirectory() as folder:
                results.append(measure_engines(Path(folder), rows, kind, [Regulars(), *chosen]))
            report(results[-1])
    cold = [cold_search.measure_cold_search(rows) for rows in numbers(arguments.cold)]
    for start in cold:
        cold_search.report(start)
    figures = {"kernel": _KERNEL, "dimensions": DIMENSIONS, "results": results, "cold": cold}
    write(figures, arguments.json)


def measure_engines(
    folder: Path, rows: int, kind: str, engines: list[Engine | Regulars]
) -> Figures:
    maker = Maker(kind, seed=rows)
    vectors = maker.vectors(rows).astype(np.float16).astype(np.float32)
    half = min(PROBES // 2, rows)
    probes = np.concatenate(
        (maker.mates(vectors[:: rows // half][:half]), maker.vectors(PROBES - half))
    )
    names = faceids(rows)
    truth = [[names[row] for row in best] for best in brute_force(vectors, probes)]
    figures: dict[str, Figures] = {}
    for engine in engines:
        engine.build(folder, vectors)
    del vectors
    for engine in engines:
        figures[engine.name] = {"load_ms": time_call(partial(engine.load, folder))[1]}
        found = [
            search_faceids(engine, probe, LIMIT, names)
            for probe in probes[: 10 if engine.name == "sqlite-vec" else None]
        ]
        right = sum(len(set(mine) & set(best)) for mine, best in zip(found, truth, strict=False))
        figures[engine.name] |= {
            "recall": right / LIMIT / len(found),
            "bytes_per_face": engine.bytes_per_face(),
        }
        if isinstance(engine, Regulars):
            figures[engine.name]["same_order"] = found == truth
    read_ms = reading_ms(rows)
    top = turns(engines, probes, lambda engine, probe: search_faceids(engine, probe, LIMIT, names))
    best = turns(engines, probes, lambda engine, probe: identify_probe(engine, probe, names))
    for engine in engines:
        searches = np.concatenate(top[engine.name])
        identified_ms = np.concatenate(best[engine.name])
        least, identify_least = _least(top[engine.name]), _least(best[engine.name])
        figures[engine.name] |= {
            "median_ms": float(np.median(searches)),
            "p99_ms": float(np.quantile(searches, 0.99)),
            "least_ms": least,
            "identify_ms": float(np.median(identified_ms)),
            "identify_least_ms": identify_least,
            "read_ratio": float(np.median(searches)) / read_ms,
            "times_faster_than_faiss_flat": _least(top["faiss-flat"]) / least,
            "identify_times_faster_than_faiss_flat": _least(best["faiss-flat"]) / identify_least,
            "searches": len(searches),
        }
    return {"rows": rows, "vectors": kind, "read_int8_ms": read_ms, "engines": figures}


def _least(times: list[list[float]]) -> float:
    return float(np.median([min(of_probe) for of_probe in times if of_probe]))


def search_faceids(
    engine: Engine | Regulars, probe: NDArray[np.float32], limit: int, names: list[str]
) -> list[str]:
    """Search for faceids, which callers need.

    A peer gives numbers, so its caller looks the names up.
    """
    if isinstance(engine, Regulars):
        return engine.search(probe, limit)
    return [names[row] for row in engine.search(probe, limit)]


def identify_probe(
    engine: Engine | Regulars, probe: NDArray[np.float32], names: list[str]
) -> list[str]:
    return (
        engine.identify(probe)
        if isinstance(engine, Regulars)
        else search_faceids(engine, probe, 1, names)
    )


def turns(
    engines: Sequence[Engine | Regulars],
    probes: NDArray[np.float32],
    search: Callable[[Engine | Regulars, NDArray[np.float32]], list[str]],
) -> dict[str, list[list[float]]]:
    """Return the milliseconds of each engine's searches, by probe."""
    times: dict[str, list[list[float]]] = {engine.name: [[] for _ in probes] for engine in engines}
    for _ in range(ROUNDS):
        for engine in engines:
            until = time.perf_counter() + BUDGET_S
            for number, probe in enumerate(probes):
                times[engine.name][number].append(time_call(partial(search, engine, probe))[1])
                if time.perf_counter() > until and number:
                    break
    return times


def brute_force(vectors: NDArray[np.float32], probes: NDArray[np.float32]) -> list[list[int]]:
    """Return the rows with the ten highest float64 dot products, ties by number."""
    block, wide = 32_768, probes.astype(np.float64)
    scores: list[list[tuple[float, int]]] = [[] for _ in probes]
    for begin in range(0, len(vectors), block):
        some = vectors[begin : begin + block].astype(np.float64) @ wide.T
        for number, column in enumerate(some.T):
            near = np.argsort(-column, kind="stable")[: 2 * LIMIT]
            scores[number] += [(-column[row], begin + int(row)) for row in near]
    return [[row for _, row in sorted(found)[:LIMIT]] for found in scores]


def reading_ms(rows: int) -> float:
    """Milliseconds to read the gallery as int8, once, from memory."""
    words = np.ones(rows * DIMENSIONS // 8, dtype=np.uint64)
    return float(np.median([time_call(lambda: np.bitwise_or.reduce(words))[1] for _ in range(9)]))


def report(result: Figures) -> None:
    print(
        f"\n{result['rows']} {result['vectors']} vectors; reading them as int8: "
        f"{result['read_int8_ms']:.3f} ms"
    )
    heads = (
        *("engine", "top-10 ms", "p99", "least", "identify ms", "least"),
        *("x faiss", "identify", "recall", "bytes/face", "load ms", "/read"),
    )
    print(
        "{:>14} {:>11} {:>11} {:>11} {:>11} {:>11} {:>8} {:>8} {:>7} {:>11} {:>9} {:>7}".format(
            *heads
        )
    )
    for name, one in result["engines"].items():
        times = (
            one[f"{figure}_ms"]
            for figure in ("median", "p99", "least", "identify", "identify_least")
        )
        print(
            f"{name:>14} {' '.join(f'{ms:11.3f}' for ms in times)} "
            f"{one['times_faster_than_faiss_flat']:8.2f} "
            f"{one['identify_times_faster_than_faiss_flat']:8.2f} {one['recall']:7.3f} "
            f"{one['bytes_per_face']:11.0f} {one['load_ms']:9.1f} {one['read_ratio']:7.2f}"
        )


if __name__ == "__main__":
    main()
