"""Milliseconds of each stage of vision, of processor and of clock, beside OpenCV's detector and
face_recognition.

    python -m regulars_lab.bench.vision [--json FILE] [--repeat N] [--photos FOLDER]

Pictures are 1920x1080 with 1, 5 and 20 faces, and a portrait. Ours and the peers' take turns. The
first figure is the median of the time of all threads on processors, which others on the machine
hardly change. The second is the least by the clock: what a machine does on which nobody else
computes. Ours uses all cores that are free, the peers are used as their makers say, and use one.
`opencv` is cv2.FaceDetectorYN with the same weights at the picture's own size; `network` is what is
like it here: one run of the detector at that size, decoded. `detect` looks at the whole picture at
two scales and at every face once or twice more (chalicelib/book/vision/detect/detect.py), so
`detect / opencv` grows with the faces. `all stages` is no sum: a face's template, attributes,
quality and kept picture go side by side, as the service asks for them. `face_recognition` (dlib 20,
HOG detector, 5 landmarks, ResNet) is what its README does: face_locations and face_encodings; ours
beside it, `recognise`, is detect, align and embed, the mirror image's embedding included where the
pack adds it. What is skipped because a peer is not installed says so. Last: the memory that a
picture of 4096x4096 takes at its peak, in a process of its own, and what loading takes by role.
"""

from __future__ import annotations

import io
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chalicelib.book.vision.detect.align import align_face
from chalicelib.book.vision.detect.detect import YuNet, suppress_overlaps
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.book.vision.packs.session import Sessions
from chalicelib.book.vision.pictures.crop import make_planes
from chalicelib.book.vision.pipeline import FacePipeline
from regulars_lab.bench.detection import PHOTOS, RULES, portraits_of
from regulars_lab.bench.measuring import SHARED, memory_bytes, pack, parser, time_call, write
from tests.support.pictures.crowds import Portrait, crowd, head_of

BESIDE = SHARED / "models" / "face-pack-1"
OPENCV_MODEL = BESIDE / "face_detection_yunet_2023mar.onnx"
OPENCV_SCORE, NMS_IOU, MOST_FACES = 0.6, 0.3, 5000
SIZE = (1920, 1080)
CROWDS = {1: (320, (1, 1)), 5: (180, (5, 1)), 20: (110, (7, 3))}
"""Pixels of face, columns and rows, by how many faces there are."""
WARM_UP = 2
WALL = ", by the clock"
LARGE_PX = 4096

Picture = NDArray[np.uint8]
T = TypeVar("T")


def main() -> None:
    options = parser("vision", __doc__)
    options.add_argument(
        "--repeat", type=int, default=15, help="runs measured (default: %(default)s)"
    )
    options.add_argument(
        "--photos", type=Path, default=PHOTOS, help="the labelled pictures (default: %(default)s)"
    )
    arguments = options.parse_args()
    models = pack()
    vision = FacePipeline(models)
    heads = [head_of(portrait) for portrait in portraits_of(vision, arguments.photos)][::2]
    house = np.asarray(Image.open(arguments.photos / "noface" / "house.jpg").convert("RGB"))
    pictures = {
        "portrait 720x720": sorted((arguments.photos / "people").glob("london_*"))[0].read_bytes()
    }
    pictures |= {
        f"1920x1080, {count:2} faces": _jpeg_of_crowd(house, heads[:count], SIZE)
        for count in CROWDS
    }
    figures: dict[str, dict[str, float]] = {
        name: measure_stages(vision, models, peers(), data, arguments.repeat)
        for name, data in pictures.items()
    }
    figures["4096x4096, 20 faces"] = memory(_jpeg_of_crowd(house, heads[:20], (LARGE_PX, LARGE_PX)))
    figures["loading, by role"] = loading(models)
    report(figures)
    write(figures, arguments.json)


def _jpeg_of_crowd(background: Picture, heads: Sequence[Portrait], size: tuple[int, int]) -> bytes:
    picture, _ = crowd(heads, background, size, *CROWDS[len(heads)])
    target = io.BytesIO()
    Image.fromarray(picture).save(target, "JPEG", quality=90)
    return target.getvalue()


Peer = Callable[[Picture], int]
"""Looks at an RGB picture and says how many faces it found."""


def peers() -> dict[str, Peer]:
    found = {"opencv": _opencv(), "face_recognition": _face_recognition()}
    return {name: peer for name, peer in found.items() if peer is not None}


def _opencv() -> Peer | None:
    """None without its packaging of the weights."""
    import cv2

    if not OPENCV_MODEL.is_file():
        return None
    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(
        str(OPENCV_MODEL), "", SIZE, OPENCV_SCORE, NMS_IOU, MOST_FACES
    )

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


def measure_stages(
    vision: FacePipeline, pack: Pack, others: Mapping[str, Peer], data: bytes, repeat: int
) -> dict[str, float]:
    """Medians of the stages and of the peers, and their ratios."""
    network = YuNet(Sessions(pack), pack.manifest.detector)
    aligns = pack.manifest.embedding.networks[0]

    def time_stages(turn: int) -> dict[str, float]:
        run: dict[str, float] = {}
        image = note_time(run, "decode", lambda: vision.read_picture(data, RULES))
        found = note_time(run, "detect", lambda: vision.detect(image))
        note_time(
            run,
            "network",
            lambda: suppress_overlaps(
                network.detect_rows([make_planes(image)], OPENCV_SCORE)[0], NMS_IOU
            ),
        )
        note_time(
            run,
            "align",
            lambda: [
                align_face(image, one.landmarks, aligns.points, aligns.size_px) for one in found
            ],
        )
        # which keeps the aligned crops
        note_time(run, "quality", lambda: vision.qualities(image, found))
        note_time(run, "embed", lambda: vision.embed(image, found))
        note_time(run, "attributes", lambda: vision.describe(image, found))
        note_time(run, "crop", lambda: vision.crop(image, found[0]))
        note_time(run, "all stages", lambda: product(vision, data))
        run["faces"] = len(found)
        for name, peer in others.items():
            if name == "opencv" or turn < WARM_UP + max(3, repeat // 5):  # the slow one less often
                run[f"{name} faces"] = note_time(run, name, partial(peer, image))
        return run

    runs = [time_stages(turn) for turn in range(WARM_UP + repeat)]
    figures = {
        name: (min if name.endswith(WALL) else median)(
            run[name] for run in runs[WARM_UP:] if name in run
        )
        for name in runs[WARM_UP]
    }
    figures |= ratios(figures, "") | ratios(figures, WALL)
    return {name: round(value, 3) for name, value in figures.items()}


def product(vision: FacePipeline, data: bytes) -> None:
    """Do what the service does with a picture: enrol one face, or several as a capture of which one
    face is new."""
    image = vision.read_picture(data, RULES)
    faces = vision.detect(image)
    vision.qualities(image, faces[:1])  # a poor face is refused before another network runs
    vision.examine(image, faces, all_boxes=[] if len(faces) == 1 else None)
    if len(faces) > 1:
        vision.crop(image, faces[0])


def note_time(run: dict[str, float], name: str, call: Callable[[], T]) -> T:
    """Note the milliseconds of all threads of this process, and those by the clock."""
    began = time.process_time()
    answer, run[name + WALL] = time_call(call)
    run[name] = 1e3 * (time.process_time() - began)
    return answer


def ratios(figures: Mapping[str, float], clock: str) -> dict[str, float]:
    """Return what compares the stages and the peers by one of the clocks, "" or WALL."""
    stages = {name: figures[name + clock] for name in ("detect", "align", "embed", "network")}
    found = {"recognise": stages["detect"] + stages["align"] + stages["embed"]}
    if "opencv" in figures:
        found |= {
            f"{name} / opencv": stages[name] / figures[f"opencv{clock}"]
            for name in ("network", "detect")
        }
    if "face_recognition" in figures:
        found["face_recognition / recognise"] = (
            figures[f"face_recognition{clock}"] / found["recognise"]
        )
    return {name + clock: value for name, value in found.items()}


def memory(data: bytes) -> dict[str, float]:
    """Peak resident mebibytes of a process that does nothing but look at this picture."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_peaks, (data,))


def _peaks(data: bytes) -> dict[str, float]:
    vision = FacePipeline(pack())
    figures = {"peak MiB before": _peak_mib()}
    image = note_time(figures, "decode", lambda: vision.read_picture(data, RULES))
    figures["peak MiB decoded"] = _peak_mib()
    vision.detect(image)
    figures["peak MiB detected"] = _peak_mib()
    faces = note_time(figures, "detect", lambda: vision.detect(image))  # its models are loaded
    vision.examine(image, faces)
    return {**figures, "peak MiB described": _peak_mib(), "faces": len(faces)}


def _peak_mib() -> float:
    """Of this process since it began its program; what getrusage says begins with the parent's."""
    return memory_bytes()["VmHWM"] / 2**20


def loading(pack: Pack) -> dict[str, float]:
    """Milliseconds to load what each role needs, which is done at its first use."""
    roles = {"detector": pack.manifest.detector.file}
    roles |= {
        f"embedding: {network.file}": network.file for network in pack.manifest.embedding.networks
    }
    files = (
        (name, model.file) for name, role in pack.manifest.crops.items() for model in role.models
    )
    roles |= {f"{name}: {file}": file for name, file in files}
    figures = {}
    for name, file in roles.items():
        _, figures[name] = time_call(partial(Sessions(pack).load, file))
    return figures


def report(figures: Mapping[str, Mapping[str, Any]]) -> None:
    for picture, values in figures.items():
        print(picture)
        for name in (name for name in values if not name.endswith(WALL)):
            by_the_clock = f"{values[name + WALL]:9.2f}" if name + WALL in values else ""
            print(f"  {name:30} {values[name]:9.2f} {by_the_clock}")
    for name in ("opencv", "face_recognition"):
        if not any(name in values for values in figures.values()):
            print(f"{name} is not here: `make bench` installs what it compares with")


if __name__ == "__main__":
    main()
