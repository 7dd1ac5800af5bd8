"""What cameras do to faces: ways to degrade a picture, each with a few levels."""

import io
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from chalicelib.domain.pictures import DetectedFace

Picture = NDArray[np.uint8]
Way = Callable[[Picture, DetectedFace], Picture]


def blurred(picture: Picture, radius_px: float) -> Picture:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius_px)))


def moved(picture: Picture, length_px: int, axis: int) -> Picture:
    """The mean of `length_px` pixels along the axis: motion while the shutter was open."""
    before, after = length_px // 2, length_px - 1 - length_px // 2
    edges = [(0, 0)] * 3
    edges[axis] = (before + 1, after)
    sums = np.pad(picture.astype(np.float64), edges, mode="edge").cumsum(axis=axis)
    ends = np.arange(length_px, length_px + picture.shape[axis])
    means = (sums.take(ends, axis) - sums.take(ends - length_px, axis)) / length_px
    return np.asarray(means + 0.5).astype(np.uint8)


def shrunk(picture: Picture, factor: float) -> Picture:
    height, width = picture.shape[:2]
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def enlarged_again(picture: Picture, factor: float) -> Picture:
    small = Image.fromarray(shrunk(picture, factor))
    return np.asarray(small.resize((picture.shape[1], picture.shape[0]), Image.Resampling.BICUBIC))


def compressed(picture: Picture, quality: int) -> Picture:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


def lit(picture: Picture, factor: float) -> Picture:
    return np.clip(picture.astype(np.float32) * factor, 0, 255).astype(np.uint8)


def noisy(picture: Picture, spread: float) -> Picture:
    noise = np.random.default_rng(picture.shape[0]).normal(0, spread, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def covered(
    picture: Picture, face: DetectedFace, x0: float, y0: float, x1: float, y1: float
) -> Picture:
    """With one colour over a part of the face's box, in shares of it."""
    box, result = face.box, picture.copy()
    rows = slice(max(round(box.y + y0 * box.height), 0), round(box.y + y1 * box.height))
    columns = slice(max(round(box.x + x0 * box.width), 0), round(box.x + x1 * box.width))
    result[rows, columns] = (150, 110, 90)
    return result


def masked(
    picture: Picture, face: DetectedFace, cloth: tuple[int, int, int] = (176, 204, 214)
) -> Picture:
    """With a mask of one colour from the bridge of the nose to below the chin."""
    left, right, _, *mouth = (np.array(point) for point in face.landmarks)
    eyes = (left + right) / 2
    across, down = right - left, sum(mouth) / 2 - eyes
    outline = (
        (-1.0, 0.4),
        (0.0, 0.3),
        (1.0, 0.4),
        (0.9, 1.2),
        (0.5, 1.8),
        (-0.5, 1.8),
        (-0.9, 1.2),
    )
    drawn = Image.fromarray(picture)
    ImageDraw.Draw(drawn).polygon(
        [tuple(eyes + x * across + y * down) for x, y in outline], fill=cloth
    )
    return np.asarray(drawn)


WAYS: Mapping[str, Mapping[str, Way]] = {
    "blur": {f"{r}": lambda p, _, r=r: blurred(p, r) for r in (4, 6, 10, 14, 18)},  # type: ignore[misc]
    "motion": {
        f"{name}{n}": lambda p, _, n=n, axis=axis: moved(p, n, axis)  # type: ignore[misc]
        for name, axis in (("x", 1), ("y", 0))
        for n in (15, 41)
    },
    "enlarged": {f"{f}": lambda p, _, f=f: enlarged_again(p, f) for f in (8, 16, 24)},  # type: ignore[misc]
    "small": {f"{f}": lambda p, _, f=f: shrunk(p, f) for f in (8,)},  # type: ignore[misc]
    "JPEG": {f"{q}": lambda p, _, q=q: compressed(p, q) for q in (10, 5)},  # type: ignore[misc]
    "small JPEG": {f"{q}": lambda p, _, q=q: compressed(shrunk(p, 6), q) for q in (5,)},  # type: ignore[misc]
    "dark": {f"{f}": lambda p, _, f=f: lit(p, f) for f in (0.08,)},  # type: ignore[misc]
    "bleached": {f"{f}": lambda p, _, f=f: lit(p, f) for f in (3,)},  # type: ignore[misc]
    "noise": {f"{s}": lambda p, _, s=s: noisy(p, s) for s in (40,)},  # type: ignore[misc]
    "covered": {
        "mouth": lambda p, face: covered(p, face, 0, 0.6, 1, 1),
        "eyes": lambda p, face: covered(p, face, 0, 0.2, 1, 0.6),
    },
}
