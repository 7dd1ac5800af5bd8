"""Every picture of a folder looked at once: its person's face, embedding, quality and what each stage took.

What was seen is kept in a file by the picture's sha256 and by what looked at it, so that a run that was stopped goes
on where it was, and a second one has nothing to look at. It holds biometric templates: whoever deletes the pictures
deletes it too.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.errors import Unusable
from chalicelib.core.model import DetectedFace, PictureRules
from chalicelib.core.timing import collected
from chalicelib.vision import packs
from chalicelib.vision.packs import Pack
from chalicelib.vision.pipeline import FacePipeline, cores

ANY_PICTURE = PictureRules(frozenset({"JPEG", "PNG", "BMP"}), 1 << 26, 8192, 8192)
KEPT_EVERY = 32
"""Pictures after which what was seen is written down."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS seen (sha256 TEXT, by TEXT, face TEXT, embedding BLOB, PRIMARY KEY (sha256, by))"


@dataclass(frozen=True)
class Seen:
    """A picture's person. `failure`: why there is none; then the rest is empty. `stages_ms` by stage."""

    failure: str
    faces: int
    quality: float
    stages_ms: dict[str, float]
    embedding: NDArray[np.float32] | None


def person_in(faces: Sequence[DetectedFace], width_px: int, height_px: int) -> DetectedFace:
    """The face that a picture is of: large and near its middle, by area - 2 (distance of the middles)^2, in pixels.

    That is how InsightFace's own examples choose; in a picture cut about a detected face, as LFW's are, it is that one
    unless another is much larger.
    """

    def weight(face: DetectedFace) -> float:
        x = face.box.x + face.box.width / 2 - width_px / 2
        y = face.box.y + face.box.height / 2 - height_px / 2
        return face.box.area - 2 * (x * x + y * y)

    return max(faces, key=weight)


def look(vision: FacePipeline, picture: bytes) -> Seen:
    with collected() as stages:
        try:
            image = vision.read(picture, ANY_PICTURE)
        except Unusable as error:
            return Seen(str(error), 0, 0.0, {}, None)
        found = vision.detect(image)
        if not found:
            return Seen("no face was found", 0, 0.0, dict(stages), None)
        face = [person_in(found, image.shape[1], image.shape[0])]
        embedding = vision.embed(image, face)[0]
        quality = vision.qualities(image, face)[0].total
    return Seen("", len(found), quality, dict(stages), embedding)


def looked_by(pack: Pack) -> str:
    """What looks, as a digest: the models, how they are used, and the program."""
    manifest = pack.manifest
    roles = (manifest.detector, manifest.embedding)
    names = [*manifest.detector.files, manifest.embedding.file]
    digest = hashlib.sha256(repr((roles, [pack.file(name).sha256 for name in names if name])).encode())
    for source in sorted(Path(packs.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


class Memory:
    """What was seen, in a file."""

    def __init__(self, path: Path, by: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._by = by
        self._connection = sqlite3.connect(path)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(_SCHEMA)

    def close(self) -> None:
        self._connection.close()

    def find(self, sha256: str) -> Seen | None:
        row = self._connection.execute(
            "SELECT face, embedding FROM seen WHERE sha256 = ? AND by = ?", (sha256, self._by)
        ).fetchone()
        if row is None:
            return None
        embedding = None if row[1] is None else np.frombuffer(row[1], dtype="<f4").astype(np.float32)
        return Seen(**json.loads(row[0]), embedding=embedding)

    def keep(self, found: Iterable[tuple[str, Seen]]) -> None:
        rows = [
            (
                sha256,
                self._by,
                json.dumps({k: v for k, v in asdict(seen).items() if k != "embedding"}),
                None if seen.embedding is None else seen.embedding.astype("<f4").tobytes(),
            )
            for sha256, seen in found
        ]
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", rows)


def see_all(
    pack: Pack, files: Sequence[Path], memory_file: Path, advance: Callable[[int], None], workers: int | None = None
) -> list[Seen]:
    """What each file shows, in order. `advance` is told how many more are done; looks on all cores, a process each."""
    with closing(Memory(memory_file, looked_by(pack))) as memory:
        digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        seen = {digest: found for digest in set(digests) if (found := memory.find(digest))}
        missing = {digest: file for digest, file in zip(digests, files, strict=True) if digest not in seen}
        advance(sum(digest in seen for digest in digests))
        times = Counter(digests)
        unwritten: list[tuple[str, Seen]] = []
        try:
            for digest, found in _looked(pack, missing, workers or cores()):
                seen[digest] = found
                unwritten.append((digest, found))
                advance(times[digest])
                if len(unwritten) >= KEPT_EVERY:
                    memory.keep(unwritten)
                    unwritten.clear()
        finally:
            memory.keep(unwritten)
        return [seen[digest] for digest in digests]


def _looked(pack: Pack, missing: dict[str, Path], workers: int) -> Iterator[tuple[str, Seen]]:
    """Processes rather than threads: half of a small picture's time is Python's own, which runs one at a time."""
    if not missing:
        return
    context = multiprocessing.get_context("spawn")  # a fork would take onnxruntime's locks along
    workers = min(workers, len(missing))
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(pack,)) as pool:
        waiting = iter(missing.items())
        running: dict[Future[Seen], str] = {}
        try:
            while True:
                for digest, file in waiting:
                    running[pool.submit(_look_at, file)] = digest
                    if len(running) >= 4 * workers:
                        break
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
        finally:
            pool.shutdown(cancel_futures=True)


_vision: FacePipeline | None = None
"""A worker's own."""


def _begin(pack: Pack) -> None:
    global _vision
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who waits, and ends these by ending the pool
    _vision = FacePipeline(pack)


def _look_at(file: Path) -> Seen:
    assert _vision is not None  # noqa: S101 -- every worker begins with `_begin`
    return look(_vision, file.read_bytes())
