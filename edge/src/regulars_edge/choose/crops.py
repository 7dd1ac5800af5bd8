"""Faces with some room around them, in place of the whole frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from regulars_edge.choose.faces import Face, overlap
from regulars_edge.sources.source import EncodedFrame, Frame, jpeg

if TYPE_CHECKING:
    from PIL.Image import Image

Box = tuple[float, float, float, float]
"""x, y, width, height in the frame's pixels."""


class Part:
    """The part of a frame that one or more faces are sent in; None: all of it. It is encoded at most once."""

    def __init__(self, frame: Frame, image: Image, box: Box | None) -> None:
        self._frame = frame
        self._image = image
        self._box = box

    @cached_property
    def packed(self) -> EncodedFrame:
        """The part as a JPEG, which takes a tenth of the pixels' memory."""
        if self._box is None:
            return EncodedFrame(self._frame.encoded(), self._frame.stamp)
        x, y, width, height = self._box
        corners = math.floor(x), math.floor(y), math.ceil(x + width), math.ceil(y + height)
        return EncodedFrame(jpeg(self._image.crop(corners)), self._frame.stamp)


def parts(frame: Frame, image: Image, faces: Sequence[Face], room: float | None) -> list[Part]:
    """Return the part that each face is sent in, with `room` on each side in sides of the face; None: the whole frame.

    Faces that would be in each other's part share one, since half a face beside the one that is meant misleads.
    """
    if room is None:
        return [Part(frame, image, None)] * len(faces)
    boxes: list[tuple[Box, list[int]]] = []
    for at, face in enumerate(faces):
        box, members = _widened(face.box_xywh, room, image.size), [at]
        while touched := [one for one in boxes if overlap(one[0], box) > 0]:
            boxes = [one for one in boxes if one not in touched]
            box, members = _around([box, *(one[0] for one in touched)]), sum((one[1] for one in touched), members)
        boxes.append((box, members))
    found = {at: part for box, members in boxes for part in [Part(frame, image, box)] for at in members}
    return [found[at] for at in range(len(faces))]


def _widened(box: Box, room: float, size_px: tuple[int, int]) -> Box:
    x, y, width, height = box
    more = room * max(width, height)
    left, top = max(0.0, x - more), max(0.0, y - more)
    return left, top, min(size_px[0], x + width + more) - left, min(size_px[1], y + height + more) - top


def _around(boxes: Sequence[Box]) -> Box:
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    return left, top, max(box[0] + box[2] for box in boxes) - left, max(box[1] + box[3] for box in boxes) - top
