"""People in a picture, by Open Model Zoo's person-detection-retail-0013: the [detector] extra.

The network looks at the whole picture, stretched to its canvas. Its file ends before the boxes are
decoded, which is done here in numpy as the maker's does it (SSD: Liu et al., 2016).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

# before numpy: it says what is missing if that cannot be imported
from regulars_edge.choose.faces import load_session, suppress_overlaps  # isort: skip
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL = Path(__file__).with_name("person_retail_0013.onnx")
"""From Open Model Zoo at 7ef5b91f (Apache-2.0), made ONNX (docs/decisions/0109)."""

CANVAS_PX, SMALL_CANVAS_PX = (544, 320), (416, 240)
"""Sizes of the picture that the network gets; the smaller one takes 0.6 of the time and misses
some people."""
SLOW_LOOK_S = 0.12
"""Of a processor's time, from which on the smaller canvas is taken: five looks a second leave room
for faces and for the decoder then."""

SURE, WEAK = 0.5, 0.3
"""Scores, 0..1: who is found by the one begins a track, by the other only goes on with one."""
_MOST_OVERLAP = 0.45
"""Intersection over union of two boxes beyond which they are one."""
_PART = 0.75
"""A box that lies by so much of its area in another one is a part of the same person: a head, an
arm. A child before a parent has its feet lower, and less of it lies inside."""

_STRIDE_PX = 16
_SIZES_PX = np.array(
    [
        [11.33, 17, 20.68, 23.52, 28.05, 37.4, 30.03, 35.7, 44.2, 55.25, 78.12, 135.15],
        [34.07, 47.11, 54.22, 65.78, 75.56, 80.89, 89.78, 99.26, 115.56, 163.26, 194.07, 197.33],
    ],
    np.float32,
).T
"""Width and height of the boxes that the network begins with in each cell: its maker's clusters."""
_OF_CENTRE, _OF_SIZE = 0.1, 0.2
"""Factors of its outputs (SSD's variances)."""
_LARGEST_LOG_SIZE = 5.0
"""Bound of what is raised to a power, so that damaged weights overflow nothing."""


@dataclass(frozen=True)
class Body:
    """A person's box in pixels of the picture, and how sure it is that this is one."""

    box_xywh: tuple[float, float, float, float]
    score: float

    @property
    def centre(self) -> tuple[float, float]:
        x, y, width, height = self.box_xywh
        return x + width / 2, y + height / 2

    @property
    def area(self) -> float:
        return self.box_xywh[2] * self.box_xywh[3]


class PersonDetector:
    """`canvas_px`: what it looks at, in multiples of 16."""

    def __init__(self, canvas_px: tuple[int, int] = CANVAS_PX) -> None:
        self.canvas_px = canvas_px
        self._session = load_session(MODEL)

    @classmethod
    @cache
    def of_machine(cls) -> PersonDetector:
        """Return the one for this machine: with the smaller canvas if a look takes long here."""
        usual = cls()
        canvas_px = choose_canvas(usual.measure_look_s())
        return usual if canvas_px == usual.canvas_px else cls(canvas_px)

    def find_bodies(self, canvas: Image.Image, size_px: tuple[int, int]) -> list[Body]:
        """Find people from the score `WEAK` on in a picture that was stretched to the canvas;
        return them in pixels of the picture, whose size is `size_px`."""
        blue_first = np.asarray(canvas)[:, :, ::-1].transpose(2, 0, 1)[None]
        moves, scores = self._session.run(
            None, {"data": np.ascontiguousarray(blue_first, np.float32)}
        )
        found = np.flatnonzero(scores[:, 1] >= WEAK)
        moves, scores = moves[found], scores[found, 1]
        cells, sizes = found // len(_SIZES_PX), _SIZES_PX[found % len(_SIZES_PX)]
        centres = self._centres[cells] + moves[:, :2] * _OF_CENTRE * sizes
        sides = sizes * np.exp(np.minimum(moves[:, 2:] * _OF_SIZE, _LARGEST_LOG_SIZE))
        scale = np.array(size_px, np.float32) / np.array(self.canvas_px, np.float32)
        boxes = np.concatenate([(centres - sides / 2) * scale, sides * scale], axis=1).tolist()
        bodies = [
            Body((x, y, width, height), score)
            for (x, y, width, height), score in zip(boxes, scores.tolist(), strict=True)
        ]
        return join_parts(list(suppress_overlaps(bodies, _MOST_OVERLAP)))

    @cached_property
    def _centres(self) -> NDArray[np.float32]:
        """Return the middle of each cell, row by row."""
        columns, rows = (side // _STRIDE_PX for side in self.canvas_px)
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        cells = np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32)
        return (cells + np.float32(0.5)) * _STRIDE_PX

    def measure_look_s(self) -> float:
        """Return the processor's time that a look takes here, in s: the shorter of two, since the
        first one also prepares."""
        blank, taken_s = Image.new("RGB", self.canvas_px), []
        for _ in range(2):
            began_s = time.thread_time()
            self.find_bodies(blank, self.canvas_px)
            taken_s.append(time.thread_time() - began_s)
        return min(taken_s)


def measure_looks_per_s(detector: PersonDetector, cameras: int, seconds: float = 1.0) -> float:
    """Return how often a second this machine can look at each of so many cameras at once now."""
    blank, looks, ends_at = Image.new("RGB", detector.canvas_px), [0] * cameras, time.monotonic()
    ends_at += seconds

    def look(camera: int) -> None:
        while time.monotonic() < ends_at:
            detector.find_bodies(blank, detector.canvas_px)
            looks[camera] += 1

    threads = [threading.Thread(target=look, args=(camera,)) for camera in range(cameras)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return min(looks) / seconds


def choose_canvas(look_s: float) -> tuple[int, int]:
    """Choose what is looked at on a box where a look at the usual canvas takes so long."""
    return SMALL_CANVAS_PX if look_s > SLOW_LOOK_S else CANVAS_PX


def join_parts(bodies: list[Body]) -> list[Body]:
    """Join each part of a person with the whole one, which then is as sure as the surer of them."""
    whole: list[Body] = []
    for body in sorted(bodies, key=lambda body: -body.area):
        at = next((at for at, other in enumerate(whole) if _is_part(body, other)), None)
        if at is None:
            whole.append(body)
        elif body.score > whole[at].score:
            whole[at] = Body(whole[at].box_xywh, body.score)
    return whole


def _is_part(body: Body, other: Body) -> bool:
    (x, y, width, height), (left, top, across, down) = body.box_xywh, other.box_xywh
    common_x = min(x + width, left + across) - max(x, left)
    common_y = min(y + height, top + down) - max(y, top)
    return common_x > 0 and common_y > 0 and common_x * common_y >= _PART * body.area
