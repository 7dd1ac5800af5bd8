"""Milliseconds of each stage of vision on one thread, beside OpenCV's detector and face_recognition.

    python -m bench.vision [--json FILE] [--repeat N] [--photos FOLDER]

Pictures are 1920x1080 with 1, 5 and 20 faces, and a portrait. Figures are medians of the thread's own time; ours and
the peers' take turns.
`opencv` is cv2.FaceDetectorYN with the same weights at the picture's own size; `network` is what is like it here: one
run of the detector at that size, decoded. `detect` looks at the whole picture at two scales and at every face once or
twice more (chalicelib/vision/detect/detect.py), so `detect / opencv` grows with the faces.
`face_recognition` (dlib 20, HOG detector, 5 landmarks, ResNet) is what its README does: face_locations and
face_encodings; ours beside it, `recognise`, is detect, align and embed, the mirror image's embedding included where
the pack adds it. What is skipped because a peer is not installed says so.
Last: the memory that a picture of 4096x4096 takes at its peak, in a process of its own, and what loading takes by role.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.detection import PHOTOS, RULES, Portrait, head_of, portraits_of
from chalicelib.vision.detect.align import aligned
from chalicelib.vision.detect.detect import Detector
from chalicelib.vision.detect.yunet import suppress
from chalicelib.vision.packs import packs
from chalicelib.vision.packs.packs import Pack
from chalicelib.vision.packs.session import Sessions
from chalicelib.vision.pipeline import FacePipeline

OPENCV_MODEL = "face_detection_yunet_2023mar.onnx"
OPENCV_SCORE, NMS_IOU, MOST_FACES = 0.6, 0.3, 5000
SIZE = (1920, 1080)
CROWDS = {1: (1, 1, 320), 5: (5, 1, 180), 20: (7, 3, 110)}
"""Columns, rows and pixels of face, by how many faces there are."""
WARM_UP = 2
LARGE_PX = 4096

Picture = NDArray[np.uint8]
T = TypeVar("T")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("bench.vision", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--repeat", type=int, default=15, help="runs measured (default: %(default)s)")
    parser.add_argument("--photos", type=Path, default=PHOTOS, help="the labelled pictures (default: %(default)s)")
    arguments = parser.parse_args(argv)
    pack = _pack()
    vision = FacePipeline(pack)
    heads = [head_of(portrait) for portrait in portraits_of(vision, arguments.photos)][::2]
    house = Image.open(arguments.photos / "noface" / "house.jpg").convert("RGB").resize(SIZE, Image.Resampling.BICUBIC)
    pictures = {"portrait 720x720": sorted((arguments.photos / "people").glob("london_*"))[0].read_bytes()}
    pictures |= {f"1920x1080, {count:2} faces": crowd(house, heads[:count], *CROWDS[count]) for count in CROWDS}
    figures: dict[str, dict[str, float]] = {
        name: measured(vision, pack, peers(pack), data, arguments.repeat) for name, data in pictures.items()
    }
    figures["4096x4096, 20 faces"] = memory(crowd(house.resize((LARGE_PX, LARGE_PX)), heads[:20], *CROWDS[20]))
    figures["loading, by role"] = loading(pack)
    report(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def _pack() -> Pack:
    models = os.environ.get("REGULARS_MODELS")
    return packs.find(Path(models) if models else None)


def crowd(background: Image.Image, heads: Sequence[Portrait], columns: int, rows: int, size_px: int) -> bytes:
    """Return a JPEG of the heads in rows, each with a face of `size_px` pixels."""
    picture = background.copy()
    width, height = picture.size
    for place, head in enumerate(heads):
        side = round(len(head.image) * size_px / float(head.box[2:4].min()))
        x, y = ((place % columns + 0.5) * width / columns, (place // columns + 0.5) * height / rows)
        small = Image.fromarray(head.image).resize((side, side), Image.Resampling.BOX)
        picture.paste(small, (int(x - side / 2), int(y - side / 2)))
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=90)
    return target.getvalue()


Peer = Callable[[Picture], int]
"""Looks at an RGB picture and says how many faces it found."""


def peers(pack: Pack) -> dict[str, Peer]:
    found = {"opencv": _opencv(pack), "face_recognition": _face_recognition()}
    return {name: peer for name, peer in found.items() if peer is not None}


def _opencv(pack: Pack) -> Peer | None:
    """None without its packaging of the weights."""
    import cv2

    paths = [place / pack.manifest.name / OPENCV_MODEL for place in pack.places]
    model = next((path for path in paths if path.is_file()), None)
    if model is None:
        return None
    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(str(model), "", SIZE, OPENCV_SCORE, NMS_IOU, MOST_FACES)

    def look(image: Picture) -> int:
        detector.setInputSize((image.shape[1], image.shape[0]))
        _, faces = detector.detect(image)
        return 0 if faces is None else len(faces)

    return look


def _face_recognition() -> Peer | None:
    try:
        import face_recognition
    except ImportError:
        return None

    def look(image: Picture) -> int:
        return len(face_recognition.face_encodings(image, face_recognition.face_locations(image)))

    return look


def measured(
    vision: FacePipeline, pack: Pack, others: Mapping[str, Peer], data: bytes, repeat: int
) -> dict[str, float]:
    """Medians of the stages and of the peers, and their ratios."""
    network, aligns = Detector(Sessions(pack), pack.manifest.detector), pack.manifest.embedding

    def looked(turn: int) -> dict[str, float]:
        run: dict[str, float] = {}
        image = timed(run, "decode", lambda: vision.read(data, RULES))
        found = timed(run, "detect", lambda: vision.detect(image))
        timed(run, "network", lambda: suppress(network.run([image], OPENCV_SCORE)[0], NMS_IOU))
        timed(run, "align", lambda: [aligned(image, one.landmarks, aligns.points, aligns.size_px) for one in found])
        timed(run, "quality", lambda: vision.qualities(image, found))  # which keeps the aligned crops
        timed(run, "embed", lambda: vision.embed(image, found))
        timed(run, "attributes", lambda: vision.describe(image, found))
        timed(run, "crop", lambda: vision.crop(image, found[0]))
        run["faces"] = len(found)
        for name, peer in others.items():
            if name == "opencv" or turn < WARM_UP + max(3, repeat // 5):  # the slow one less often
                run[f"{name} faces"] = timed(run, name, partial(peer, image))
        return run

    runs = [looked(turn) for turn in range(WARM_UP + repeat)]
    figures = {name: median(run[name] for run in runs[WARM_UP:] if name in run) for name in runs[WARM_UP]}
    return {name: round(value, 3) for name, value in {**figures, **ratios(figures)}.items()}


def timed(run: dict[str, float], name: str, call: Callable[[], T]) -> T:
    """Milliseconds of this thread alone: others on the machine wait in nobody's figure."""
    began = time.thread_time()
    answer = call()
    run[name] = (time.thread_time() - began) * 1000
    return answer


def ratios(figures: Mapping[str, float]) -> dict[str, float]:
    found = {"recognise": sum(figures[name] for name in ("detect", "align", "embed"))}
    if "opencv" in figures:
        found["network / opencv"] = figures["network"] / figures["opencv"]
        found["detect / opencv"] = figures["detect"] / figures["opencv"]
    if "face_recognition" in figures:
        found["face_recognition / recognise"] = figures["face_recognition"] / found["recognise"]
    return found


def memory(data: bytes) -> dict[str, float]:
    """Peak resident mebibytes of a process that does nothing but look at this picture."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_peaks, (data,))


def _peaks(data: bytes) -> dict[str, float]:
    vision = FacePipeline(_pack())
    figures = {"peak MiB before": _peak_mib()}
    image = timed(figures, "decode", lambda: vision.read(data, RULES))
    figures["peak MiB decoded"] = _peak_mib()
    faces = timed(figures, "detect", lambda: vision.detect(image))
    figures["peak MiB detected"] = _peak_mib()
    vision.embed(image, faces)
    vision.describe(image, faces)
    return {**figures, "peak MiB described": _peak_mib(), "faces": len(faces)}


def _peak_mib() -> float:
    """Of this process since it began its program; what getrusage says begins with the parent's."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def loading(pack: Pack) -> dict[str, float]:
    """Milliseconds to load what each role needs, which is done at its first use."""
    roles = {"detector": pack.manifest.detector.file, "embedding": pack.manifest.embedding.file}
    files = ((name, model.file) for name, role in pack.manifest.crops.items() for model in role.models)
    roles |= {f"{name}: {file}": file for name, file in files if pack.has(pack.file(file))}
    figures = {}
    for name, file in roles.items():
        began = time.perf_counter()
        Sessions(pack).load(file)
        figures[name] = (time.perf_counter() - began) * 1000
    return figures


def report(figures: Mapping[str, Mapping[str, Any]]) -> None:
    for picture, values in figures.items():
        print(picture)
        for name, value in values.items():
            print(f"  {name:30} {value:9.2f}")
    for name in ("opencv", "face_recognition"):
        if not any(name in values for values in figures.values()):
            print(f"{name} is not here: `make bench` installs what it compares with")


if __name__ == "__main__":
    raise SystemExit(main())
