"""Faces in a frame, by the YuNet of the service's model pack: the [detector] extra.

One look at one scale, unlike the service's own two: here it is only decided what is worth sending. The decoding is
libfacedetection.train's (the same as OpenCV's FaceDetectorYN).

A picture in which nothing has changed shows the same faces (`Still`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PIL import ImageChops
from PIL.Image import Image, Resampling

from regulars_edge.errors import Misconfigured
from regulars_edge.sources.source import Frame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from regulars_edge.choose.areas import Areas


MODEL = Path(__file__).with_name("yunet_s_dynamic.onnx")
"""In a checkout it is a link to the file of the service's pack; the wheel has the file."""

ENOUGH_FACE_PX = 112
"""Shorter side beyond which more pixels do not help: what embeddings look at."""

_SHARP = 200.0

CANVAS_PX = 640
_STRIDES = (8, 16, 32)
_NMS_IOU = 0.3
_LARGEST_LOG_SIDE = 10.0


@dataclass(frozen=True)
class Face:
    """Box and landmarks in the frame's pixels; eyes, nose tip, mouth corners, the image's left before its right."""

    box_xywh: tuple[float, float, float, float]
    landmarks: tuple[tuple[float, float], ...]
    score: float


class FaceDetector(Protocol):
    def faces(self, image: Image) -> list[Face]: ...


class Detector:
    """One thread; faces of up to the whole picture, from about 10 pixels on a canvas of 640."""

    def __init__(self, score: float = 0.7) -> None:
        self._session = _session()
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._score = score

    def faces(self, image: Image) -> list[Face]:
        """Largest first."""
        import numpy as np

        scale = CANVAS_PX / max(image.size)
        small = image.resize(
            (max(1, round(image.width * scale)), max(1, round(image.height * scale))), reducing_gap=2.0
        )
        pixels = np.asarray(small, np.float32)[:, :, ::-1].transpose(2, 0, 1)
        height, width = (-(-side // 32) * 32 for side in pixels.shape[1:])
        canvas = np.zeros((1, 3, height, width), np.float32)
        canvas[0, :, : pixels.shape[1], : pixels.shape[2]] = pixels
        outputs = dict(zip(self._outputs, self._session.run(None, {self._input: canvas}), strict=True))
        rows = _suppressed(np.concatenate([_level(outputs, width, stride, self._score) for stride in _STRIDES]))
        rows[:, 0:14:2] *= image.width / small.width
        rows[:, 1:14:2] *= image.height / small.height
        return sorted((_face(row) for row in rows), key=lambda face: -face.box_xywh[2] * face.box_xywh[3])


@cache
def _session() -> Any:
    """Load the model, once for all cameras (twice, if two begin at the same moment)."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else it writes to the home folder and to its makers
    try:
        import onnxruntime
    except ImportError as error:
        raise Misconfigured("choosing faces needs the detector: pip install onnxruntime numpy") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep what the largest picture took
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])


class Counting:
    """The faces that count: of `min_face_px` or more on the shorter side, with their middle in one of the zones."""

    def __init__(self, detector: FaceDetector, min_face_px: int, zones: Areas | None = None) -> None:
        self._detector = detector
        self._min_face_px = min_face_px
        self._zones = zones

    def faces(self, image: Image) -> list[Face]:
        return [face for face in self._detector.faces(image) if self._counts(face, image)]

    def _counts(self, face: Face, image: Image) -> bool:
        x, y, width, height = face.box_xywh
        if min(width, height) < self._min_face_px:
            return False
        return self._zones is None or self._zones.hold((x + width / 2) / image.width, (y + height / 2) / image.height)


def seen(detector: FaceDetector, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Image, list[Face]]]:
    """Give each frame that is a whole picture, with its pixels and its faces."""
    for frame in frames:
        try:
            image = frame.image()
        except OSError:
            continue
        yield frame, image, detector.faces(image)
        del frame, image  # before the next one comes: in 4K each has 25 MB


def worth(image: Image, face: Face) -> float:
    """Judge how well a face can be recognised here: surely a face, large, sharp, and turned to the camera; 0 to 1."""
    from PIL import ImageFilter, ImageStat

    x, y, width, height = face.box_xywh
    crop = image.crop((round(x), round(y), round(x + width), round(y + height))).convert("L").resize((64, 64))
    laplacian = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)
    edges = ImageStat.Stat(crop.filter(laplacian).crop((1, 1, 63, 63))).var[0]  # the rim is left unfiltered
    sharp = edges / (edges + _SHARP)
    size = min(1.0, min(width, height) / ENOUGH_FACE_PX)
    return face.score * size * sharp * _frontal(face)


def _frontal(face: Face) -> float:
    """Return 1 if the nose is in the middle between the eyes, 0 if it is over one of them."""
    (left, _), (right, _), (nose, _) = face.landmarks[:3]
    apart = right - left
    return max(0.0, 1.0 - 2 * abs((nose - left) / apart - 0.5)) if apart > 0 else 0.0


def _level(outputs: Mapping[str, Any], width: int, stride: int, score: float) -> NDArray[np.float32]:
    """Return the cells of one stride that reach `score`: x, y, width, height, five landmarks, score."""
    import numpy as np

    cls, obj = (np.clip(outputs[f"{name}_{stride}"][0, :, 0], 0, 1) for name in ("cls", "obj"))
    scores = np.sqrt(cls * obj)
    cells = np.flatnonzero(scores >= score)
    at = np.stack([cells % (width // stride), cells // (width // stride)], axis=1).astype(np.float32)
    box = outputs[f"bbox_{stride}"][0, cells]
    size = np.exp(np.minimum(box[:, 2:4], _LARGEST_LOG_SIDE)) * stride
    landmarks = (np.tile(at, 5) + outputs[f"kps_{stride}"][0, cells]) * stride
    return np.concatenate([(at + box[:, :2]) * stride - size / 2, size, landmarks, scores[cells, None]], axis=1)


def _suppressed(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Greedy non-maximum suppression, surest first."""
    import numpy as np

    rest = rows[np.argsort(-rows[:, 14], kind="stable")]
    kept = []
    while len(rest):
        kept.append(rest[0])
        others = [overlap(tuple(rest[0][:4]), tuple(row[:4])) <= _NMS_IOU for row in rest[1:]]
        rest = rest[1:][np.array(others, bool)]
    return np.stack(kept) if kept else rows[:0]


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection over union of two x, y, width, height boxes."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def _face(row: NDArray[np.float32]) -> Face:
    values = [float(value) for value in row]
    x, y, width, height = values[:4]
    return Face((x, y, width, height), tuple(zip(values[4:14:2], values[5:14:2], strict=True)), min(values[14], 1.0))


STILL_PX = (160, 120)
STILL_CHANGED = 16
"""Grey levels of a pixel. Measured: noise changes it by 11 at most, a face of 40 pixels in 4K by 59 at least."""


class Still:
    """Asks a detector only if a thumbnail has changed since it was asked last: rooms are mostly empty."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._seen: Image | None = None
        self._faces: list[Face] = []

    def faces(self, image: Image) -> list[Face]:
        seen = image.resize(STILL_PX, Resampling.BOX, reducing_gap=2.0).convert("L")
        if self._seen is None or ImageChops.difference(seen, self._seen).getextrema()[1] >= STILL_CHANGED:  # type: ignore[operator]
            self._seen, self._faces = seen, self._detector.faces(image)
        return self._faces
