"""The quality of a face's picture for recognition, 0..100.

There are seven factors of 0..1. Each is 1 if the picture could not be better for the embedding, and
about 0.2 if half of the faces are no longer matched with a sharp photo of the same person. The
quality is 100 times their product. So no factor makes up for another, one that is bad enough
rejects the picture by itself, and several middling ones add up, as they do in recognition. ISO/IEC
29794-5 measures the same things. Each limit's docstring gives its source; they were measured on
portraits that were blurred, moved, shrunk, compressed, darkened, bleached, made noisy and covered
(tests/accuracy).

Noise and darkness need no limit of their own: the detector fails before recognition does. A covered
forehead has none either, because the pixels do not tell it from a cap or a fringe.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.book.vision.describe.attributes import estimate_pose
from chalicelib.domain.pictures import DetectedFace, Pose, Quality

EYES_USELESS_PX = 7.0
EYES_BEST_PX = 47.0
"""Pixels between the eyes of a face from the front, judged in octaves. The aligned crop has 47
there, so from 47 on none of its pixels is interpolated. Of shrunk portraits, all are matched at 15
pixels, nine of ten at 11, two of three at 9, one of five at 7.5."""

DETAIL_CYCLES = (5.0, 10.0)
CONTRAST_CYCLES = (5.0 / 3, 40.0)
"""Cycles over the face's part of the crop, 5/8 of its side. DETAIL_CYCLES is the octave from which
the embedding takes identity: if it is blurred away nobody is recognised, while everything finer may
go."""

DIRECTIONS = (0.0, math.pi / 4, math.pi / 2, -math.pi / 4)
SHARP_DETAIL = (0.342, 0.188, 0.392, 0.188)
"""Share of contrast (standard deviations) that a sharp face has in that octave, by direction.
Median of 63 photos of 27 persons; 10 % of them are below 0.8 times this, none below 0.62."""

SHARP_UPPER_DETAIL = (0.199, 0.186, 0.263, 0.184)
"""The same of the part that a mask leaves uncovered."""

DETAIL_USELESS = 0.475
DETAIL_BEST = 0.75
"""Harmonic mean, over the directions, of the share divided by a sharp face's. Motion blurs one
direction, and the others cannot make up for it. Of blurred faces the embedding recognises half
between 0.50 and 0.54, which is a quality of 20, 70 % up to 0.6, then 92 %."""

RANGE_USELESS = 4.0
RANGE_BEST = 20.0
"""Grey levels from the darkest to the brightest twentieth, judged in octaves; every skin tone
reaches the best. At 6.5 levels 20 of 21 faces are recognised, at 5 one of three."""

WHITE_USELESS = 0.8
WHITE_BEST = 0.4
WHITE = 251
"""Grey level from which a pixel is overexposed, and limits for the share of such pixels. With a
share of 0.5 to 0.7, 14 of 15 faces are recognised, with more 23 of 52. Black pixels do not count:
dark skin has many, and is recognised."""

BLOCK_PX = 8
BLOCKING_NONE = 0.15
BLOCKING_USELESS = 0.09
BLOCKING_BEST = 0.02
"""Share of all gradients that lies on JPEG's grid of 8 pixels: 1/8 without compression, 0.15 in
good photos. The excess counts if the blocks are so large on the face that they fall into the octave
of DETAIL_CYCLES."""

SAMPLE_PX = 192
"""Longest side of the part that is measured for blocking: enough, and quickly done."""

EYES_HIDDEN = 0.03
EYES_OPEN = 0.25
"""Contrast about the eye that has less of it, over the face's. Under a hand or a bar it is next to
none. No good photo has less than 0.46; with one side of the face covered up to the eye it is
0.37."""

ANGLE_USELESS_DEG = 80.0
ANGLE_BEST_DEG = 30.0
"""Turn of the head away from the camera. Roll does not count, because alignment undoes it."""

DETECTOR_USELESS = 0.72
DETECTOR_BEST = 0.88
"""The detector reports nothing below 0.75 (book/vision/detect/detect.py)."""

FLAWS = {
    "size": "too small",
    "sharpness": "too blurred",
    "compression": "too strongly compressed",
    "exposure": "too dark, pale or bleached by light",
    "eyes": "covered about the eyes",
    "detector": "hardly recognisable as a face",
}

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def measure_quality(
    image: NDArray[np.uint8], face: DetectedFace, aligned: NDArray[np.uint8]
) -> Quality:
    """Return how well a face of a (height, width, 3) RGB picture can be recognised.

    `aligned` is its crop, (size, size, 3), in which eyes, nose and mouth lie where they should. It
    takes half a millisecond. How far the head turns away, a factor more, takes a model, and is not
    in it (`rate_frontality`).
    """
    grey = _make_grey(aligned)
    sharpness = rate_sharpness(grey)
    return _join_factors(image, face, grey, sharpness, skin=_cut_inner_part(grey))


def measure_masked_quality(
    image: NDArray[np.uint8], face: DetectedFace, aligned: NDArray[np.uint8]
) -> Quality:
    """Return how well a face in a mask can be recognised, by the part that the mask leaves visible.

    It is as `measure_quality`, but for two factors that cloth would spoil. Cloth has no fine
    detail, so it would seem blurred. It may be white, so it would seem overexposed. Both are
    measured above the bridge of the nose alone.
    """
    grey = _make_grey(aligned)
    sharpness = rate_uncovered_sharpness(grey)
    return _join_factors(image, face, grey, sharpness, skin=_cut_uncovered_part(grey))


def _join_factors(
    image: NDArray[np.uint8],
    face: DetectedFace,
    grey: NDArray[np.float32],
    sharpness: float,
    skin: NDArray[np.float32],
) -> Quality:
    """Return the quality of a face: 100 times the product of all its factors of 0 to 1.

    `grey` is its aligned crop, `skin` the part of that by which the light is rated. `sharpness` is
    the factor of that name, rated before.
    """
    factors = {
        "size": rate_size(face),
        "sharpness": sharpness,
        "compression": rate_compression(image, face),
        "exposure": rate_exposure(skin),
        "eyes": rate_eyes(grey),
        "detector": interpolate(face.score, DETECTOR_USELESS, DETECTOR_BEST),
    }
    brightness = float(skin.mean()) / 255
    return replace(combine_factors(factors), sharpness=sharpness, brightness=brightness)


def _make_grey(aligned: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(aligned.astype(np.float32) @ LUMA)


def combine_factors(factors: Mapping[str, float]) -> Quality:
    """Return the quality that factors of 0..1 give together, and which is the worst."""
    worst = min(factors, key=lambda name: factors[name])
    return Quality(
        total=100 * math.prod(factors.values()),
        flaw=FLAWS[worst],
        flaw_score=100 * factors[worst],
        aspect=worst,
    )


def rate_size(face: DetectedFace) -> float:
    """Return how good the face's size is: 1 if its eyes are as far apart as in the aligned crop.

    A head turned to the side shows its eyes nearer together. It loses for that elsewhere, so the
    distance is reckoned as from the front.
    """
    pose = estimate_pose(face.landmarks)
    shortening = 1.0
    if pose is not None:
        shortening = math.cos(math.radians(min(abs(pose.yaw), ANGLE_USELESS_DEG)))
    distance_px = measure_eye_distance(face) / shortening
    return interpolate_octaves(distance_px, EYES_USELESS_PX, EYES_BEST_PX)


def measure_eye_distance(face: DetectedFace) -> float:
    return math.dist(face.landmarks[0], face.landmarks[1])


def rate_sharpness(grey: NDArray[np.float32]) -> float:
    """Return how sharp the aligned face is for its contrast: 1 for most, 0 for a blank crop."""
    # The face is the crop's middle from left to right, and its lower part, 5/8 of the side each.
    side = len(grey)
    top, left, size_px = side * 5 // 16, side * 3 // 16, side * 5 // 8
    part = grey[top : top + size_px, left : left + size_px]
    return _rate_detail(part, SHARP_DETAIL)


def rate_uncovered_sharpness(grey: NDArray[np.float32]) -> float:
    """Return how sharp the aligned crop is from the forehead to the bridge of the nose, as
    `rate_sharpness` does of the whole face."""
    side = len(grey)
    top, bottom = side // 4, side * 9 // 16  # the forehead, the bridge of the nose
    left, width_px = side * 3 // 16, side * 5 // 8  # as wide as the face
    part = grey[top:bottom, left : left + width_px]
    return _rate_detail(part, SHARP_UPPER_DETAIL)


def _rate_detail(part: NDArray[np.float32], sharp_detail: Sequence[float]) -> float:
    """Return how sharp a part of a face is, from 0 to 1, for the contrast that it has.

    Blur takes away fine detail first. So its share of all contrast is compared with that of a sharp
    face, `sharp_detail`, in each of the DIRECTIONS. Motion blurs one of them only, for which the
    others must not make up. Therefore their harmonic mean counts. `part` is as wide as the face.
    """
    # The window lets the part's edges fade out: a spectrum takes them for contrast.
    window, masks = _make_spectrum_masks(*part.shape)
    about_mean = part - np.average(part, weights=window)
    power = np.abs(np.fft.rfft2(about_mean * window)) ** 2
    # Each mask sums up a band of the power: that of all contrast, then of each direction's detail.
    contrast, *detail = (float(energy) for energy in masks @ power.ravel())
    if contrast <= 0 or min(detail) <= 0:
        return 0.0
    shares = [
        math.sqrt(energy / contrast) / sharp
        for energy, sharp in zip(detail, sharp_detail, strict=True)
    ]
    harmonic_mean = len(shares) / sum(1 / share for share in shares)
    return interpolate(harmonic_mean, DETAIL_USELESS, DETAIL_BEST)


@cache
def _make_spectrum_masks(
    height_px: int, width_px: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a window that fades out a part's edges, and five masks that sum up its spectrum.

    The window (Hann's) is (height, width), the masks are (5, values of numpy's rfft2). The first
    mask sums all contrast, the others the fine detail in each of the DIRECTIONS.
    """
    windows = [np.hanning(side_px + 2)[1:-1] for side_px in (height_px, width_px)]
    # Each value of the spectrum: how many cycles over the part's width, and in which direction.
    y = np.fft.fftfreq(height_px)[:, None] * width_px
    x = np.fft.rfftfreq(width_px)[None, :] * width_px
    cycles, angle = np.hypot(y, x), np.arctan2(y, x)
    # rfft2 leaves out half of the spectrum, the mirror image of all but these two columns.
    weight = np.where((x == 0) | (x == width_px / 2), 1.0, 2.0)

    def make_ring(bounds: tuple[float, float]) -> NDArray[np.float64]:
        least_cycles, most_cycles = bounds
        return np.asarray(weight * ((cycles >= least_cycles) & (cycles < most_cycles)))

    masks = [make_ring(CONTRAST_CYCLES)]
    for direction in DIRECTIONS:
        # The turn from one to the other, at most a quarter: opposite directions are the same.
        turn = np.abs((angle - direction + math.pi / 2) % math.pi - math.pi / 2)
        masks.append(make_ring(DETAIL_CYCLES) * (turn <= math.pi / 8 + 1e-6))
    return np.outer(*windows), np.stack([mask.ravel() for mask in masks])


def rate_compression(image: NDArray[np.uint8], face: DetectedFace) -> float:
    """Return how little JPEG's blocks harm the face: 1 if they do not show, or are small on it.

    JPEG compresses blocks of 8 x 8 pixels one by one, so strong compression leaves steps where they
    meet. Steps there are compared with all others, in the middle of the face.
    """
    box = face.box
    half = min(max(box.width, box.height), SAMPLE_PX) / 2
    left = max(int(box.x + box.width / 2 - half), 0)
    top = max(int(box.y + box.height / 2 - half), 0)
    side = int(2 * half)
    green = image[top : top + side, left : left + side, 1].astype(np.int16)
    # The mean step from a pixel to the next, down and across, where a block ends and elsewhere.
    grid_step, other_step = 0.0, 0.0
    for axis, start in ((0, top), (1, left)):
        steps = np.abs(np.diff(green, axis=axis)).mean(axis=1 - axis)
        on_grid = (np.arange(len(steps)) + start + 1) % BLOCK_PX == 0
        if on_grid.any() and not on_grid.all():
            grid_step += float(steps[on_grid].mean())
            other_step += float(steps[~on_grid].mean())
    if grid_step == 0:
        return 1.0
    # One step in BLOCK_PX is on the grid. What share of all steps' sum do these have?
    share = grid_step / (grid_step + (BLOCK_PX - 1) * other_step)
    blocking = max(share - BLOCKING_NONE, 0) / (1 - BLOCKING_NONE)
    # 1: a block is a third of the distance of the eyes.
    block_on_face = BLOCK_PX / max(measure_eye_distance(face), 1.0) * 3
    return interpolate(blocking * min(block_on_face, 1) ** 1.5, BLOCKING_USELESS, BLOCKING_BEST)


def rate_exposure(part: NDArray[np.float32]) -> float:
    """Return how well the face is lit, 0 to 1: 1 if its greys range far enough and few are white.

    `part` has the grey levels, 0 to 255, of the face without hair and background. Their range goes
    from the darkest twentieth to the brightest, so that single pixels do not count. A white patch
    has lost what it showed.
    """
    last = part.size - 1
    greys = np.sort(part, axis=None)
    # Percentiles 5 and 95, by hand: np.percentile imports more, which takes the first call 9 ms.
    low, high = np.interp([0.05 * last, 0.95 * last], np.arange(part.size), greys)
    white_share = float(np.mean(part >= WHITE))
    range_factor = interpolate_octaves(float(high - low), RANGE_USELESS, RANGE_BEST)
    return range_factor * interpolate(white_share, WHITE_USELESS, WHITE_BEST)


def _cut_inner_part(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the part of the crop that shows neither hair nor background."""
    side = len(grey)
    return grey[side * 3 // 8 : side * 15 // 16, side // 4 : side * 3 // 4]


def _cut_uncovered_part(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a mask leaves of the inner part: its rows down to the bridge of the nose."""
    return _cut_inner_part(grey)[: len(grey) * 9 // 16 - len(grey) * 3 // 8]


def rate_eyes(grey: NDArray[np.float32]) -> float:
    """Return how far both eyes are uncovered: 1 if each shows detail, 0 if a hand hides one.

    Detail is contrast, beside that of the whole face; the eye with less counts. `grey` is an
    aligned crop, in which the eyes always have the same places.
    """
    # First the crop is averaged to half its side.
    side = len(grey) // 2
    upper, lower = (grey[row : 2 * side : 2] for row in (0, 1))
    rows = upper + lower
    half = (rows[:, 0 : 2 * side : 2] + rows[:, 1 : 2 * side : 2]) / 4
    # Contrast is the standard deviation of greys. Of the face:
    face_rows = slice(side * 5 // 16, side * 15 // 16)
    face_columns = slice(side * 7 // 32, side * 25 // 32)
    contrast = float(half[face_rows, face_columns].std())
    # And of each eye, by where its middle is from the left.
    eye_rows, reach = slice(side * 3 // 8, side * 9 // 16), side * 15 // 128
    left_eye, right_eye = (
        float(half[eye_rows, middle - reach : middle + reach + 1].std())
        for middle in (side * 5 // 16, side * 43 // 64)
    )
    if contrast <= 0:
        return 0.0
    return interpolate(min(left_eye, right_eye) / contrast, EYES_HIDDEN, EYES_OPEN)


def rate_frontality(pose: Pose) -> float:
    """Return how far the head looks into the camera: 1 for a face from the front."""
    return interpolate(math.hypot(pose.yaw, pose.pitch), ANGLE_USELESS_DEG, ANGLE_BEST_DEG)


def interpolate(value: float, worst: float, best: float) -> float:
    """Return where `value` lies between `worst` (0) and `best` (1), linearly; 0 or 1 beyond them.

    `best` may be the smaller one.
    """
    return min(max((value - worst) / (best - worst), 0.0), 1.0)


def interpolate_octaves(value: float, worst: float, best: float) -> float:
    """Return where `value` lies, as `interpolate` does, but by logarithms."""
    return interpolate(math.log(max(value, 1e-6)), math.log(worst), math.log(best))
