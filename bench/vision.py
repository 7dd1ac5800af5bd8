"""Milliseconds of each stage of vision on one thread, beside OpenCV's detector with the same weights.

    python -m bench.vision [--json FILE] [--repeat N] [--photos FOLDER]

Figures are medians. `opencv` is cv2.FaceDetectorYN at the size of our first look, resizing left out. `detect` looks at
every face a second time (chalicelib/vision/detect.py) and resizes, so `detect / opencv` says what that costs, and
`network / opencv` what the first look's network alone costs here and there.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chalicelib.core.model import PictureRules
from chalicelib.core.timing import collected
from chalicelib.vision import packs
from chalicelib.vision.detect import CANVAS_PX, PROPOSAL_SCORE, Detector
from chalicelib.vision.packs import Pack
from chalicelib.vision.pipeline import FacePipeline
from chalicelib.vision.session import Sessions

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "faces"
RULES = PictureRules(frozenset({"JPEG", "PNG", "BMP"}), 1 << 24, 4096, 4096)
OPENCV_MODEL = "face_detection_yunet_2023mar.onnx"
NMS_IOU, MOST_FACES = 0.3, 5000
WALL, COLUMNS, ROWS = (1920, 1080), 4, 3
WARM_UP = 5


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("bench.vision", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--repeat", type=int, default=30, help="runs measured (default: %(default)s)")
    parser.add_argument("--photos", type=Path, default=PHOTOS, help="the labelled pictures (default: %(default)s)")
    arguments = parser.parse_args(argv)
    models = os.environ.get("REGULARS_MODELS")
    pack = packs.find(Path(models) if models else None)
    people = sorted((arguments.photos / "people").glob("london_*_neutral.jpg"))
    pictures = {"portrait 720x720": people[0].read_bytes(), "wall 1920x1080, 12 faces": wall(people)}
    figures = {name: measured(pack, picture, arguments.repeat) for name, picture in pictures.items()}
    report(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def wall(people: Sequence[Path]) -> bytes:
    """A JPEG with twelve portraits."""
    width, height = WALL[0] // COLUMNS, WALL[1] // ROWS
    picture = Image.new("RGB", WALL)
    for index, path in enumerate(people[: COLUMNS * ROWS]):
        cell = Image.open(path).resize((height, height), Image.Resampling.BOX)
        picture.paste(cell, (index % COLUMNS * width, index // COLUMNS * height))
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=90)
    return target.getvalue()


def measured(pack: Pack, picture: bytes, repeat: int) -> dict[str, Any]:
    """Medians of the stages, of the peer, and their ratios."""
    vision = FacePipeline(pack)
    image = vision.read(picture, RULES)
    faces = vision.detect(image)
    runs: list[dict[str, float]] = []
    for _ in range(WARM_UP + repeat):
        with collected() as stages:
            found = vision.detect(vision.read(picture, RULES))
            vision.embed(image, found)
        with collected() as more:
            vision.describe(image, found)
            vision.crop(image, found[0])
        runs.append({**stages, "attributes": more["attributes"], "crop": more["crop"]})
    figures: dict[str, Any] = {name: median(run[name] for run in runs[WARM_UP:]) for name in runs[0]}
    figures["search"] = sum(figures[name] for name in ("decode", "detect", "align", "embed"))
    figures["faces"] = len(faces)
    figures.update(compared(pack, image, figures["detect"], repeat))
    return {name: round(value, 3) for name, value in figures.items()}


def compared(pack: Pack, image: NDArray[np.uint8], detect_ms: float, repeat: int) -> dict[str, float]:
    """The peer's detector and ours on the picture at the size of the first look; {} without the peer's model."""
    paths = [place / pack.manifest.name / OPENCV_MODEL for place in pack.places]
    model = next((path for path in paths if path.is_file()), None)
    if model is None:
        return {}
    small = Image.fromarray(image)
    small.thumbnail((CANVAS_PX, CANVAS_PX))
    first = np.asarray(small)
    swapped = np.ascontiguousarray(first[:, :, ::-1])
    detector = Detector(Sessions(pack), pack.manifest.detector)
    cv2.setNumThreads(1)
    peer = cv2.FaceDetectorYN.create(str(model), "", small.size, PROPOSAL_SCORE, NMS_IOU, MOST_FACES)
    ours = timed(lambda: detector.run([first], PROPOSAL_SCORE), repeat)
    theirs = timed(lambda: peer.detect(swapped), repeat)
    return {"network": ours, "opencv": theirs, "detect / opencv": detect_ms / theirs, "network / opencv": ours / theirs}


def timed(call: Callable[[], object], repeat: int) -> float:
    """Median milliseconds."""
    times = []
    for _ in range(WARM_UP + repeat):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return median(times[WARM_UP:])


def report(figures: dict[str, dict[str, Any]]) -> None:
    for picture, values in figures.items():
        print(picture)
        for name, value in values.items():
            print(f"  {name:18} {value:9.2f}" if isinstance(value, float) else f"  {name:18} {value:6}")


if __name__ == "__main__":
    raise SystemExit(main())
