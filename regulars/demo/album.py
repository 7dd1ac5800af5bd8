"""The demo's pictures and the people on them, read from a folder and divided into enrolled people and a stranger.

And what is made of a picture: reduced for the page, side by side.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from PIL import Image, ImageOps

from regulars.errors import NoPictures
from regulars.transfer.sources import Photo

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
LABELS = "labels.csv"


@dataclass(frozen=True)
class Person:
    name: str
    photos: tuple[Photo, ...]


@dataclass(frozen=True)
class Several:
    """A picture of several people, all of them named."""

    photo: Photo
    names: frozenset[str]


@dataclass(frozen=True)
class Album:
    """All pictures of a folder. `nobody`: pictures without a face."""

    people: tuple[Person, ...]
    nobody: tuple[Photo, ...]
    several: tuple[Several, ...]


@dataclass(frozen=True)
class Probe:
    """A picture to enrol or to search with. `person` None: it shows no face."""

    photo: Photo
    person: str | None


@dataclass(frozen=True)
class Plan:
    """The pictures to enrol, and those to search with. The person on the first of `known` is deleted at the end."""

    enrolments: tuple[Probe, ...]
    known: tuple[Probe, ...]
    strangers: tuple[Probe, ...]
    nobody: tuple[Probe, ...]
    several: tuple[Several, ...]


def read(folder: Path) -> Album:
    """Read a folder of pictures, of which its labels.csv says who is on each. Raises NoPictures if it has none.

    If one name continues another (`lisa`, `lisa_zoom`), leave the longer one out: the two may be one person.
    """
    if not (folder / LABELS).is_file():
        raise NoPictures(
            f"{folder} has no {LABELS}: name a folder that has one, with the columns file, identity, faces"
        )
    people: dict[str, list[Photo]] = {}
    nobody: list[Photo] = []
    several: list[Several] = []
    with (folder / LABELS).open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            file, names = folder / row["file"], [name for name in row["identity"].split("|") if name]
            photo = Photo(file.name, file.read_bytes)
            if len(names) > 1:
                several.append(Several(photo, frozenset(names)))
            elif names:
                people.setdefault(names[0], []).append(photo)
            elif row["faces"] == "0":
                nobody.append(photo)
    alone = [one for one in sorted(people) if not any(one.startswith(f"{other}_") for other in people)]
    few = sorted(several, key=lambda one: one.photo.name)
    return Album(tuple(Person(name, tuple(people[name])) for name in alone), tuple(nobody), tuple(few))


def plan(album: Album) -> Plan:
    """Divide the people: the one in the middle plays a stranger, the others are enrolled by their first picture."""
    stranger = album.people[len(album.people) // 2]
    enrolled = [person for person in album.people if person is not stranger]
    return Plan(
        enrolments=tuple(Probe(person.photos[0], person.name) for person in enrolled),
        known=tuple(_in_turn([[Probe(photo, person.name) for photo in person.photos[1:]] for person in enrolled])),
        strangers=tuple(Probe(photo, stranger.name) for photo in stranger.photos),
        nobody=tuple(Probe(photo, None) for photo in album.nobody),
        several=album.several,
    )


def _in_turn(lists: list[list[Probe]]) -> list[Probe]:
    """Flatten the lists: the first of each, then the second of each, and so on."""
    return [probe for turn in zip_longest(*lists) for probe in turn if probe is not None]


MAX_LONG_PX, MAX_SHORT_PX = 1920, 1080
"""Limits of the camera's API."""

_STRIP_HEIGHT_PX = 480


def opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except OSError as error:
        raise NoPictures(f"a file among the pictures is none: {error}") from error


def upright(picture: Image.Image) -> Image.Image:
    turned: Image.Image = ImageOps.exif_transpose(picture)
    return turned.convert("RGB")


def jpeg(picture: Image.Image, *, side_px: int, quality: int = 88) -> bytes:
    """Encode a JPEG of at most `side_px` in width and height."""
    small = picture.copy()
    small.thumbnail((side_px, side_px))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def side_by_side(photos: Sequence[bytes]) -> bytes:
    """Make one JPEG of the pictures in a row, cropped to portraits of equal size. The crop keeps the top: the heads."""
    tiles = [
        ImageOps.fit(upright(opened(data)), (_STRIP_HEIGHT_PX * 4 // 5, _STRIP_HEIGHT_PX), centering=(0.5, 0.0))
        for data in photos
    ]
    strip = Image.new("RGB", (sum(tile.width for tile in tiles), _STRIP_HEIGHT_PX))
    for index, tile in enumerate(tiles):
        strip.paste(tile, (index * tile.width, 0))
    return jpeg(strip, side_px=MAX_LONG_PX)


def wide(data: bytes) -> bytes:
    """Make a JPEG of the picture as wide as a camera's, with grey at its sides."""
    width, height = MAX_LONG_PX, MAX_SHORT_PX
    return jpeg(ImageOps.pad(upright(opened(data)), (width, height), color="#777"), side_px=width)
