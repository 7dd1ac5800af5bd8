"""Faces in a frame, by the YuNet of the service's model pack: the [detector] extra.

It looks at the scale at which the smallest face that counts is still found: here it is only decided
what is worth sending. The decoding is libfacedetection.train's (the same as OpenCV's
FaceDetectorYN).

Only the part of a picture that has changed is looked at; the rest shows the same faces
(`FaceFinder`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from PIL import Image, ImageChops

from regulars_edge.errors import ExtraMissing
from regulars_edge.frames import Frame, Pixels

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else it writes to the home folder and to its makers
try:
    import numpy as np
    import onnxruntime
except ImportError as error:
    raise ExtraMissing("choosing faces and counting people", "detector") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from regulars_edge.choose.chooser import Areas


MODEL = Path(__file__).with_name("yunet_s_dynamic.onnx")
"""In a checkout it is a link to the file of the service's pack; the wheel has the file."""

USELESS_FACE_PX, ENOUGH_FACE_PX = 17, 112
"""Shorter side at which nobody is recognised, and beyond which more pixels do not help: what
embeddings look at."""

_LEAST_SIZE = 0.02
"""The share of a large face's worth that the smallest one has. It is above 0, so that a tiny
face is sent if there is no other."""

_DETAIL_PX = 36
"""Width to which a face is brought before its sharpness is measured: embeddings tell people apart
by what is then four to eight pixels long."""
_FAINT, _BLURRED = 60.0, 0.2
"""Detail of a face that is half as sharp as one can be: in squared grey levels, which dim light
makes fewer; and, besides, in shares of the face's contrast, by which one face has more than
another."""

SMALLEST_FACE_PX = 26
"""Shorter side of a box, which is about 12 pixels between the eyes: of faces with 13, three of four
are recognised."""

CANVAS_PX = 640
"""Longest side of what the detector looks at, in pixels: twice as long takes four times as long."""
_FOUND_PX = 14
"""Shorter side on the canvas from which on faces are found, in noise, too."""
_TILE_PX, _LAP_PX = 512, 48
"""Sides of the canvases that a finer look takes: one large one would take 100 MB. A face in two of
them is whole in one if it is too small for the usual canvas."""
_STRIDES = (8, 16, 32)
"""Pixels between two places that the detector looks at, by level."""
_NMS_IOU = 0.3
"""Overlap, 0..1, from which two boxes are one face."""
_LARGEST_LOG_SIDE = 10.0
"""Bound of a box's side before it is raised to a power, so that damaged weights overflow
nothing."""


@dataclass(frozen=True)
class Face:
    """Box and landmarks in the frame's pixels; eyes, nose tip, mouth corners, the image's left
    before its right."""

    box_xywh: tuple[float, float, float, float]
    landmarks: tuple[tuple[float, float], ...]
    score: float


Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""
Area = tuple[int, int, int, int]
"""Left, top, right, bottom in the frame's pixels."""


class Detector:
    """One thread; faces of up to the whole picture, from `min_face_px` on."""

    def __init__(self, score: float = 0.7, min_face_px: int = SMALLEST_FACE_PX) -> None:
        self._session = load_session(MODEL)
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._score = score
        self._finest = min(1.0, _FOUND_PX / min_face_px)

    def find_faces(self, pixels: Pixels) -> list[Face]:
        """Largest first."""
        return self.find_faces_in(pixels, (0, 0, *pixels.size))

    def find_faces_in(self, pixels: Pixels, area: Area) -> list[Face]:
        """Return the faces within an area, in pixels of the picture, the largest first.

        What the usual canvas is too coarse for is looked at again in tiles.
        """
        longest = max(area[2] - area[0], area[3] - area[1])
        fine = max(CANVAS_PX / max(pixels.size), self._finest)
        looks = [self._look(pixels, area, min(fine, CANVAS_PX / longest))]
        if longest * fine > CANVAS_PX:
            side, lap = _TILE_PX / fine, _LAP_PX / fine
            columns, rows = (_cut_line(area[at], area[at + 2], side, lap) for at in (0, 1))
            looks += [
                self._look(pixels, (x0, y0, x1, y1), fine) for x0, x1 in columns for y0, y1 in rows
            ]
        return sorted(
            suppress_overlaps(map(_make_face, np.concatenate(looks)), _NMS_IOU),
            key=_count_pixels,
            reverse=True,
        )

    def _look(self, picture: Pixels, area: Area, scale: float) -> NDArray[np.float32]:
        """Find faces in an area at a scale: return a row each, as `_decode_level` does, in the
        picture's pixels."""
        sides = area[2] - area[0], area[3] - area[1]
        size = max(1, round(sides[0] * scale)), max(1, round(sides[1] * scale))
        small = picture.crop(area).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
        pixels = np.asarray(small, np.float32)[:, :, ::-1].transpose(2, 0, 1)
        height, width = (-(-side // 32) * 32 for side in pixels.shape[1:])
        canvas = np.zeros((1, 3, height, width), np.float32)
        canvas[0, :, : pixels.shape[1], : pixels.shape[2]] = pixels
        outputs = dict(
            zip(self._outputs, self._session.run(None, {self._input: canvas}), strict=True)
        )
        rows = np.concatenate(
            [_decode_level(outputs, width, stride, self._score) for stride in _STRIDES]
        )
        rows[:, 0:14:2] *= sides[0] / small.width
        rows[:, 1:14:2] *= sides[1] / small.height
        rows[:, [0, *range(4, 14, 2)]] += area[0]
        rows[:, [1, *range(5, 14, 2)]] += area[1]
        return rows


def _cut_line(start: int, end: int, most: float, lap: float) -> list[tuple[int, int]]:
    """Cut a line into the fewest equal parts of at most such a length that overlap by `lap`."""
    count = max(1, math.ceil((end - start - lap) / (most - lap)))
    long = (end - start + (count - 1) * lap) / count
    return [
        (round(start + at * (long - lap)), round(start + at * (long - lap) + long))
        for at in range(count)
    ]


@cache
def load_session(model: Path) -> Any:
    """Load a model, once for all cameras (twice, if two begin at the same moment)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep what the largest picture took
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def detect_faces(
    detector: FaceFinder, frames: Iterable[Frame]
) -> Iterator[tuple[Frame, list[Face]]]:
    """Give each frame that is a whole picture, with its faces."""
    for frame in frames:
        try:
            faces = detector.find_faces(frame)
        except OSError:
            continue
        yield frame, faces
        del frame  # before the next one comes: in 4K it has 25 MB


def judge_worth(pixels: Pixels, face: Face) -> float:
    """Judge how well a face can be recognised here: surely a face, large, sharp, and turned to the
    camera; 0 to 1."""
    grey = crop_face(pixels, face)
    grey = grey.resize((_DETAIL_PX, max(3, round(_DETAIL_PX * grey.height / grey.width))))
    sharp = _measure_sharpness(np.asarray(grey, np.float32))
    octaves = math.log(min(face.box_xywh[2:]) / USELESS_FACE_PX)
    size = min(1.0, max(_LEAST_SIZE, octaves / math.log(ENOUGH_FACE_PX / USELESS_FACE_PX)))
    return face.score * size * sharp * _judge_pose(face)


def crop_face(pixels: Pixels, face: Face) -> Image.Image:
    """Cut a face's box out of a picture, as far as that goes, in grey."""
    x, y, width, height = face.box_xywh
    left, top = max(0, round(x)), max(0, round(y))
    right, bottom = min(pixels.size[0], round(x + width)), min(pixels.size[1], round(y + height))
    return pixels.crop((left, top, right, bottom)).convert("L")


def _measure_sharpness(grey: NDArray[np.float32]) -> float:
    """Measure the detail of a face, 0 to 1.

    The weaker of across and down counts, since motion blurs one direction, and embeddings need
    both. Noise is what there is in both at once; each direction alone has as much.
    """
    weaker = min(float(np.square(np.diff(grey, 2, axis)).mean()) for axis in (0, 1))
    noise = float(np.square(np.diff(np.diff(grey, 2, 0), 2, 1)).mean()) / 6
    detail = max(1.0, weaker - noise)  # never 0: it may be the only frame
    return detail / (weaker + _FAINT + _BLURRED * float(grey.var()))


def _judge_pose(face: Face) -> float:
    """Return 1 if the nose is in the middle between the eyes, 0 if it is over one of them."""
    (left, _), (right, _), (nose, _) = face.landmarks[:3]
    apart = right - left
    return max(0.0, 1.0 - 2 * abs((nose - left) / apart - 0.5)) if apart > 0 else 0.0


def _decode_level(
    outputs: Mapping[str, Any], width: int, stride: int, score: float
) -> NDArray[np.float32]:
    """Return the cells of one stride that reach `score`: x, y, width, height, five landmarks,
    score."""
    cls, obj = (np.clip(outputs[f"{name}_{stride}"][0, :, 0], 0, 1) for name in ("cls", "obj"))
    scores = np.sqrt(cls * obj)
    cells = np.flatnonzero(scores >= score)
    at = np.stack([cells % (width // stride), cells // (width // stride)], axis=1).astype(
        np.float32
    )
    box = outputs[f"bbox_{stride}"][0, cells]
    size = np.exp(np.minimum(box[:, 2:4], _LARGEST_LOG_SIDE)) * stride
    landmarks = (np.tile(at, 5) + outputs[f"kps_{stride}"][0, cells]) * stride
    return np.concatenate(
        [(at + box[:, :2]) * stride - size / 2, size, landmarks, scores[cells, None]], axis=1
    )


class Found(Protocol):
    """Something that a detector has found: its box, and how sure that is."""

    @property
    def box_xywh(self) -> tuple[float, float, float, float]: ...

    @property
    def score(self) -> float: ...


_Found = TypeVar("_Found", bound=Found)


def suppress_overlaps(found: Iterable[_Found], most: float) -> Iterator[_Found]:
    """Greedy non-maximum suppression, surest first: of boxes that overlap by more than `most`, one
    stays."""
    kept: list[_Found] = []
    for each in sorted(found, key=lambda each: -each.score):
        if all(measure_overlap(each.box_xywh, other.box_xywh) <= most for other in kept):
            kept.append(each)
            yield each


def have_common_part(box: Box, other: Box) -> bool:
    """Tell whether two boxes have a part in common."""
    return box[0] < other[2] and box[1] < other[3] and box[2] > other[0] and box[3] > other[1]


def enclose_boxes(boxes: Iterable[Box]) -> Box:
    """Return the smallest box that holds them."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)


def measure_overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection over union of two x, y, width, height boxes."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def _make_face(row: NDArray[np.float32]) -> Face:
    values = [float(value) for value in row]
    x, y, width, height = values[:4]
    return Face(
        (x, y, width, height),
        tuple(zip(values[4:14:2], values[5:14:2], strict=True)),
        min(values[14], 1.0),
    )


STILL_PX = (160, 120)
"""Size of the grey picture by which is seen that nothing moves, in pixels."""
STILL_CHANGED = 12
"""Grey levels of a pixel. Measured: noise changes it by 11 at most, a face of 40 pixels in 4K by 59
at least, and in a quarter of the light by 15."""


_MARGIN = 8
"""Pixels of the thumbnail around what has changed: a twentieth of the picture's width."""


@dataclass(eq=False)
class FaceFinder:
    """The faces that count: of `min_face_px` or more on the shorter side, with their middle in one
    of the zones.

    A detector is asked only about the part of a picture that a thumbnail shows changed: rooms are
    mostly empty.
    """

    detector: Detector
    min_face_px: int = 0
    zones: Areas | None = None
    _seen: Image.Image | None = field(default=None, init=False)
    _faces: list[Face] = field(default_factory=list, init=False)
    _size: tuple[int, int] = field(default=(0, 0), init=False)

    def find_faces(self, frame: Frame) -> list[Face]:
        """Find them. Raises OSError for what is no picture."""
        self._look(frame)
        return [face for face in self._faces if self._counts(face, frame)]

    def _counts(self, face: Face, frame: Frame) -> bool:
        x, y, width, height = face.box_xywh
        if min(width, height) < self.min_face_px:
            return False
        if self.zones is None:
            return True
        across, down = frame.pixels.size
        return self.zones.contain((x + width / 2) / across, (y + height / 2) / down)

    def _look(self, frame: Frame) -> None:
        """Find faces where the frame has changed since the last one; all over the first one."""
        thumbnail = frame.grey(STILL_PX)
        if self._seen is None or frame.size != self._size:
            pixels = frame.pixels
            self._seen, self._size = thumbnail, frame.size
            self._faces = self.detector.find_faces_in(pixels, (0, 0, *pixels.size))
            return
        changed = (
            ImageChops.difference(thumbnail, self._seen)
            .point(lambda grey: 255 * (grey >= STILL_CHANGED))
            .getbbox()
        )
        if changed:
            area, other_faces = _widen_change(changed, frame.pixels.size, self._faces)
            self._seen.paste(thumbnail.crop(changed), changed)
            self._faces = sorted(
                [*other_faces, *self.detector.find_faces_in(frame.pixels, area)],
                key=_count_pixels,
                reverse=True,
            )


def _widen_change(
    changed: Area, size_px: tuple[int, int], faces: list[Face]
) -> tuple[Area, list[Face]]:
    """Return what of the image has changed, with the faces that it touches whole; and the other
    faces."""
    across, down = size_px[0] / STILL_PX[0], size_px[1] / STILL_PX[1]
    left, top, right, bottom = changed
    area = (
        (left - _MARGIN) * across,
        (top - _MARGIN) * down,
        (right + _MARGIN) * across,
        (bottom + _MARGIN) * down,
    )
    other_faces = faces
    while touched := [face for face in other_faces if have_common_part(_widen_box(face, 0), area)]:
        other_faces = [face for face in other_faces if face not in touched]
        area = enclose_boxes([area, *(_widen_box(face, 0.5) for face in touched)])
    corner = max(0, int(area[0])), max(0, int(area[1]))
    return (
        *corner,
        min(size_px[0], int(area[2]) + 1),
        min(size_px[1], int(area[3]) + 1),
    ), other_faces


def _widen_box(face: Face, room: float) -> Box:
    """Return a face's box with so much room on each side, in shares of that side."""
    x, y, width, height = face.box_xywh
    return x - room * width, y - room * height, x + (1 + room) * width, y + (1 + room) * height


def _count_pixels(face: Face) -> float:
    return face.box_xywh[2] * face.box_xywh[3]
