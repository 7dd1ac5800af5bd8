"""The demo's pictures and the people on them, read from a folder and divided into enrolled people and strangers.

Beside them the pictures that it makes of one: a smaller one, several side by side, one as wide as a camera's.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from PIL import Image, ImageOps

from regulars.errors import NoPictures
from regulars.transfer.sources import Person, Photo

LABELS = "labels.csv"


class Probe(Struct, frozen=True):
    """A picture to enrol or to search with. `names`: of the people on it; none if it shows no face."""

    photo: Photo
    names: frozenset[str] = frozenset()


class Album(Struct, frozen=True):
    """All pictures of a folder. `nobody`: pictures without a face; `several`: of several people."""

    people: tuple[Person, ...]
    nobody: tuple[Probe, ...] = ()
    several: tuple[Probe, ...] = ()


class Plan(Struct, frozen=True):
    """The pictures to enrol, and those to search with afterwards.

    `removed`: the person on it is deleted last, and searched again by this picture.
    """

    enrolments: tuple[Probe, ...]
    known: tuple[Probe, ...]
    strangers: tuple[Probe, ...]
    nobody: tuple[Probe, ...]
    several: tuple[Probe, ...]

    @property
    def removed(self) -> Probe:
        return self.known[0]


def read(folder: Path) -> Album:
    """Read a folder of pictures, whose labels.csv names the people on each. Raises NoPictures if it has none."""
    people: dict[str, list[Photo]] = {}
    nobody: list[Probe] = []
    several: list[Probe] = []
    if not (folder / LABELS).is_file():
        raise NoPictures(f"{folder} has no {LABELS}, which names the people on each picture: choose another folder")
    for row in csv.DictReader((folder / LABELS).read_text("utf-8").splitlines()):
        file, names = folder / row["file"], frozenset(filter(None, row["identity"].split("|")))
        probe = Probe(Photo(file.name, file.read_bytes), names)
        if len(names) == 1:
            people.setdefault(min(names), []).append(probe.photo)
        elif names or row["faces"] == "0":
            (several if names else nobody).append(probe)
    several.sort(key=lambda one: one.photo.name)
    named = tuple(Person(name, name, tuple(people[name])) for name in sorted(people))
    return Album(named, tuple(nobody), tuple(several))


def plan(album: Album) -> Plan:
    """Enrol all but one by their first picture. The last of those with the fewest plays a stranger."""
    stranger = sorted(album.people, key=lambda person: -len(person.photos))[-1]
    enrolled = [_probes(person) for person in album.people if person is not stranger]
    return Plan(
        enrolments=tuple(probes[0] for probes in enrolled),
        known=tuple(probe for probes in enrolled for probe in probes[1:]),
        strangers=tuple(_probes(stranger)),
        nobody=album.nobody,
        several=album.several,
    )


def _probes(person: Person) -> list[Probe]:
    return [Probe(photo, frozenset({person.name})) for photo in person.photos]


_WIDE_PX = (1920, 1080)
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
    return jpeg(strip, side_px=_WIDE_PX[0])


def wide(data: bytes) -> bytes:
    """Make a JPEG of the picture as wide as a camera's, with grey at its sides."""
    return jpeg(ImageOps.pad(upright(opened(data)), _WIDE_PX, color="#777"), side_px=_WIDE_PX[0])
