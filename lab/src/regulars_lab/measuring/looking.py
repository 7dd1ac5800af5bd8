"""The pictures of a folder, each looked at once: its person's embedding and quality, and the time
of each stage."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from chalicelib.book.vision.machine import count_cores
from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.errors import Unusable
from chalicelib.domain.pictures import BoundingBox, DetectedFace, PictureRules
from chalicelib.domain.rules.decision import MIN_QUALITY
from chalicelib.storage.ports import Vision
from chalicelib.telemetry import collect_stages
from regulars.errors import OperatorError
from regulars_lab.measuring.labelled import LabelledFolder
from regulars_lab.measuring.memory import Memory, PictureResult
from regulars_lab.measuring.pairs import Faces

MEMORY = "embeddings.sqlite"
"""File of the results in the folder `out`."""

ANY_PICTURE = PictureRules(
    formats=frozenset({"JPEG", "PNG", "BMP"}),
    max_bytes=1 << 26,
    max_long_side_px=8192,
    max_short_side_px=8192,
)
KEPT_EVERY = 32
"""Number of pictures after which the results are saved."""


Change = Callable[[NDArray[np.uint8], DetectedFace], NDArray[np.uint8]]
"""A function of a picture and the face in it, which gives another picture of that face."""


class _Placed(Protocol):
    @property
    def box(self) -> BoundingBox: ...


_Face = TypeVar("_Face", bound=_Placed)


def choose_main_face(faces: Sequence[_Face], width_px: int, height_px: int) -> _Face:
    """Choose the picture's main face: the largest area - 2 (distance of its middle from the
    picture's)^2, in pixels.

    InsightFace's own examples choose this way. In a picture cropped around a face, as LFW's are, it
    is that face unless another is much larger.
    """

    def weigh(face: _Face) -> float:
        x = face.box.x + face.box.width / 2 - width_px / 2
        y = face.box.y + face.box.height / 2 - height_px / 2
        return face.box.area - 2 * (x * x + y * y)

    return max(faces, key=weigh)


def look(vision: Vision, picture: bytes, change: Change | None = None) -> PictureResult:
    """Return the embedding and the quality of a picture's main face, and the time of each stage.

    `change`: what is done to the picture before. `failure` says why there is none.
    """
    with collect_stages() as stages:
        try:
            image = vision.read_picture(picture, ANY_PICTURE)
        except Unusable as error:
            return PictureResult(
                failure=str(error), faces=0, quality=0.0, stages_ms={}, embedding=None
            )
        faces = vision.detect(image)
        if faces and change is not None:
            image = change(image, choose_main_face(faces, image.shape[1], image.shape[0]))
            faces = vision.detect(image)
        if not faces:
            return PictureResult(
                failure="no face was found",
                faces=0,
                quality=0.0,
                stages_ms=dict(stages),
                embedding=None,
            )
        face = [choose_main_face(faces, image.shape[1], image.shape[0])]
        embedding = vision.embed(image, face)[0]
        quality = vision.qualities(image, face)[0].total
    return PictureResult(
        failure="", faces=len(faces), quality=quality, stages_ms=dict(stages), embedding=embedding
    )


class Looker:
    """Viewer of one picture after the other, with times that leave out the loading of models.

    Models load at their first use. So until one picture with a face has passed all of them, each
    picture is looked at twice, and the second look counts.
    """

    def __init__(self, vision: Vision) -> None:
        self._vision = vision
        self._warm = False

    def look_at(self, picture: bytes, change: Change | None = None) -> PictureResult:
        result = look(self._vision, picture, change)
        if self._warm:
            return result
        self._warm = result.embedding is not None
        return look(self._vision, picture, change)


def digest_vision(pack: Pack) -> str:
    """Return a digest of all that a result depends on: the models, their parameters, and the
    program."""
    manifest = pack.manifest
    roles = (manifest.detector, manifest.embedding)
    names = [manifest.detector.file, *manifest.embedding.files]
    digest = hashlib.sha256(
        repr((roles, [pack.find_file(name).sha256 for name in names if name])).encode()
    )
    for source in sorted(Path(packs.__file__).parents[1].rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def look_at_folder(
    folder: LabelledFolder,
    pack: Pack,
    out: Path,
    console: Console,
    change: Change | None = None,
) -> list[PictureResult]:
    """Look at every picture, with a progress bar.

    The folder `out` keeps the results for the next run. `change`: a function of a module, or a
    value that is called like one, which is done to each picture before.
    """
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console) as bar:
        task = bar.add_task("looking at pictures", total=len(folder.files))
        return see_all(
            pack,
            folder.files,
            out / MEMORY,
            lambda picture_count: bar.advance(task, picture_count),
            change=change,
        )


def see_all(
    pack: Pack,
    files: Sequence[Path],
    memory_file: Path,
    advance: Callable[[int], None],
    workers: int | None = None,
    change: Change | None = None,
) -> list[PictureResult]:
    """Look at each file that no earlier run has seen, and return the results of all in the files'
    order.

    `memory_file`: the file with the results of earlier runs, to which new ones are added.
    `workers`: the processes that look at pictures; None: one a core. `advance`: gets the number of
    further pictures done. `change`: as in `look_at_folder`.

    Raises OperatorError or OSError; the results until then are saved.
    """
    with closing(Memory(memory_file, digest_vision(pack))) as memory:
        suffix = "" if change is None else f" {getattr(change, '__qualname__', repr(change))}"
        digests = [hashlib.sha256(file.read_bytes()).hexdigest() + suffix for file in files]
        result_by_digest = {
            digest: result for digest in set(digests) if (result := memory.find(digest))
        }
        unseen_files = {
            digest: file
            for digest, file in zip(digests, files, strict=True)
            if digest not in result_by_digest
        }
        advance(sum(digest in result_by_digest for digest in digests))
        picture_counts = Counter(digests)
        unwritten: list[tuple[str, PictureResult]] = []
        try:
            for digest, result in _look_at_files(
                pack, unseen_files, workers or count_cores(), change
            ):
                result_by_digest[digest] = result
                unwritten.append((digest, result))
                advance(picture_counts[digest])
                if len(unwritten) >= KEPT_EVERY:
                    memory.keep(unwritten)
                    unwritten.clear()
        finally:
            memory.keep(unwritten)
        return [result_by_digest[digest] for digest in digests]


def _look_at_files(
    pack: Pack, unseen_files: dict[str, Path], workers: int, change: Change | None
) -> Iterator[tuple[str, PictureResult]]:
    """Look at the missing files in parallel; yield digests and results as they come.

    Processes rather than threads: Python's own code takes half of a small picture's time, and holds
    the lock.
    """
    if not unseen_files:
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy onnxruntime's locks
    workers = min(workers, len(unseen_files))
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(pack,)
    ) as pool:
        try:
            running = {
                pool.submit(_look_at, file, change): digest for digest, file in unseen_files.items()
            }
            for finished in as_completed(running):
                yield running.pop(finished), finished.result()
        except BrokenProcessPool as error:
            raise OperatorError(
                "a process that looks at pictures was ended from outside, as the system does when "
                "memory runs out: "
                "leave it more memory and run the same command again, which goes on where this one "
                "was"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


_looker: Looker | None = None
"""The worker process's own."""


def _begin(pack: Pack) -> None:
    global _looker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends the pool
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _looker = Looker(FacePipeline(pack))


def _end_with_parent() -> None:
    """End this worker with its parent.

    A worker waits for work on a pipe that it holds open itself, so it would outlive a killed
    parent.
    """
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _look_at(file: Path, change: Change | None) -> PictureResult:
    assert _looker is not None  # noqa: S101 -- every worker begins with `_begin`
    return _looker.look_at(file.read_bytes(), change)


def gather_faces(labelled: LabelledFolder, picture_results: Sequence[PictureResult]) -> Faces:
    has_face = np.array([result.embedding is not None for result in picture_results], bool)
    dimensions = next(
        (len(result.embedding) for result in picture_results if result.embedding is not None), 1
    )
    embeddings = np.zeros((len(picture_results), dimensions), np.float32)
    for embedding, result in zip(embeddings, picture_results, strict=True):
        if result.embedding is not None:
            embedding[:] = result.embedding
    enrollable = np.array([result.quality >= MIN_QUALITY for result in picture_results], bool)
    return Faces(embeddings, has_face, np.array(labelled.person_of, np.intp), enrollable)
