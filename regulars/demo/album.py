"""The demo's pictures and the people on them, read from a folder and divided into enrolled people
and strangers.

Beside them the pictures that it makes of one: a smaller one, several side by side, one as wide as a
camera's.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from msgspec import Struct
from PIL import Image, ImageOps
from regulars_client.clutter import name_clutter

from regulars.errors import NoPictures

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
LABELS = "labels.csv"

MAX_ENROLLED, MAX_STRANGERS, MAX_PROBES, MAX_NOBODY, MAX_SEVERAL = 24, 8, 40, 6, 4
"""How many people are enrolled, strangers and enrolled people are searched for, and pictures of
nobody and of several are tried at most: the story stays short."""
STRANGERS_SHARE = 4
"""One person in so many is not enrolled and plays a stranger."""


class Photo(Struct, frozen=True):
    """One picture. `name`: what reports call it."""

    name: str
    read: Callable[[], bytes]


class Person(Struct, frozen=True):
    name: str
    photos: tuple[Photo, ...]


class Probe(Struct, frozen=True):
    """A picture to enrol or to search with.

    `names`: of the people on it; none if it shows no face.
    """

    photo: Photo
    names: frozenset[str] = frozenset()


class Album(Struct, frozen=True):
    """All pictures of a folder.

    `about`: where they come from; `nobody`: pictures without a face; `several`: of several people.

    `labelled`: the folder states who is on each picture, so that a wrong answer of the service is a
    fault. If False, the names are guessed from the files'.
    """

    about: str
    people: tuple[Person, ...]
    nobody: tuple[Probe, ...] = ()
    several: tuple[Probe, ...] = ()
    labelled: bool = True


class Plan(Struct, frozen=True):
    """The pictures to enrol, and those to search with afterwards.

    `removed`: the person on it is deleted last, and searched again by this picture.
    """

    enrolments: tuple[Probe, ...]
    known: tuple[Probe, ...]
    strangers: tuple[Probe, ...]
    nobody: tuple[Probe, ...]
    several: tuple[Probe, ...]
    removed: Probe | None


def read_album(folder: Path) -> Album:
    """Read a folder of pictures. Names come from labels.csv, else from folders or files.

    Raises NoPictures if the folder has no pictures of people.
    """
    if not folder.is_dir():
        raise NoPictures(
            f"there is no folder {folder}: name one with pictures, PHOTOS=folder or --photos folder"
        )
    read = _read_labelled_folder if (folder / LABELS).is_file() else _read_by_name
    album = read(folder)
    if not album.people:
        raise NoPictures(
            f"{folder} has no pictures of people ({', '.join(sorted(SUFFIXES))}): name a folder "
            "that has one for each person, or files NAME_1.jpg"
        )
    return album


def plan_story(album: Album) -> Plan:
    """Divide the people: one in STRANGERS_SHARE plays a stranger, the others are enrolled by their
    first picture.

    The people with the fewest pictures are the strangers. A person with a single picture always is
    one, as far as MAX_STRANGERS goes: no picture would be left to search with.
    """
    single_count = sum(len(person.photos) == 1 for person in album.people)
    stranger_count = min(
        MAX_STRANGERS,
        len(album.people) - 1,
        max(single_count, len(album.people) // STRANGERS_SHARE, 1),
    )
    strangers = sorted(album.people, key=lambda person: -len(person.photos))[
        len(album.people) - stranger_count :
    ]
    enrolled = [person for person in album.people if person not in strangers][:MAX_ENROLLED]
    known_probes = _take_turns([_list_probes(person)[1:] for person in enrolled])[:MAX_PROBES]
    return Plan(
        enrolments=tuple(_list_probes(person)[0] for person in enrolled),
        known=tuple(known_probes),
        strangers=tuple(
            _take_turns([_list_probes(person) for person in strangers])[:MAX_STRANGERS]
        ),
        nobody=album.nobody[:MAX_NOBODY],
        several=album.several[:MAX_SEVERAL],
        removed=known_probes[0] if known_probes else None,
    )


def _read_labelled_folder(folder: Path) -> Album:
    """Read the pictures that labels.csv names: `people/ann_1.jpg,ann,1,` or
    `multi/2.jpg,ann|bob,2,`."""
    people: dict[str, list[Photo]] = {}
    nobody: list[Probe] = []
    several: list[Probe] = []
    with (folder / LABELS).open(encoding="utf-8", newline="") as stream:
        for line in csv.DictReader(stream):
            file = folder / (line.get("file") or "")
            if not _has_picture_suffix(file.name) or not file.is_file():
                continue
            names = frozenset(filter(None, (line.get("identity") or "").split("|")))
            probe = Probe(Photo(file.name, file.read_bytes), names)
            if len(names) == 1:
                people.setdefault(min(names), []).append(probe.photo)
            elif names or line.get("faces") == "0":
                (several if names else nobody).append(probe)
    small_groups = sorted(
        (probe for probe in several if len(probe.names) <= 8), key=lambda probe: probe.photo.name
    )
    return Album(
        f"{folder}, by its {LABELS}", _list_people(people), tuple(nobody), tuple(small_groups)
    )


def _read_by_name(folder: Path) -> Album:
    """Read a folder with one folder a person or, if it has none, with files NAME_1.jpg."""
    people: dict[str, list[Photo]] = {}
    for inner in sorted(
        path for path in folder.iterdir() if path.is_dir() and not name_clutter(path.name)
    ):
        if photos := _list_photos(inner, folder):
            people[Path(photos[0].name).parts[0]] = photos
    if people:
        return Album(f"{folder}, a folder a person", _list_people(people))
    for photo in _list_photos(folder, folder):
        stem = Path(photo.name).stem
        people.setdefault(stem.rpartition("_")[0] or stem, []).append(photo)
    return Album(f"{folder}, by file name", _list_people(people), labelled=False)


def _list_photos(folder: Path, root: Path) -> list[Photo]:
    """List the pictures of a folder, named below `root`, without those that a system hides."""
    return [
        Photo(str(file.relative_to(root)).encode(errors="replace").decode(), file.read_bytes)
        for file in sorted(folder.iterdir())
        if _has_picture_suffix(file.name) and not name_clutter(file.name) and file.is_file()
    ]


def _list_probes(person: Person) -> list[Probe]:
    return [Probe(photo, frozenset({person.name})) for photo in person.photos]


def _list_people(photos: Mapping[str, Sequence[Photo]]) -> tuple[Person, ...]:
    """List the people by name.

    If one name continues another (`lisa`, `lisa_zoom`), leave the longer one out.

    The two may be one person.
    """
    names = sorted(photos)
    alone = [
        name
        for name in names
        if photos[name] and not any(name.startswith(f"{other}_") for other in names)
    ]
    return tuple(Person(name, tuple(photos[name])) for name in alone)


def _has_picture_suffix(name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES


def _take_turns(lists: list[list[Probe]]) -> list[Probe]:
    """Flatten the lists: the first of each, then the second of each, and so on."""
    return [probe for probes in zip_longest(*lists) for probe in probes if probe is not None]


_WIDE_PX = (1920, 1080)
"""Width and height of a camera's picture, full HD."""
_STRIP_HEIGHT_PX = 480
"""Height of each portrait in a row of several people."""


def open_picture(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except OSError as error:
        raise NoPictures(f"a file among the pictures is none: {error}") from error


def turn_upright(picture: Image.Image) -> Image.Image:
    image: Image.Image = ImageOps.exif_transpose(picture)
    return image.convert("RGB")


def encode_jpeg(picture: Image.Image, *, side_px: int, quality: int = 88) -> bytes:
    """Encode a JPEG of at most `side_px` in width and height."""
    small = picture.copy()
    small.thumbnail((side_px, side_px))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def join_side_by_side(photos: Sequence[bytes]) -> bytes:
    """Make one JPEG of the pictures in a row, cropped to portraits of equal size.

    The crop keeps the top: the heads.
    """
    tiles = [
        ImageOps.fit(
            turn_upright(open_picture(data)),
            (_STRIP_HEIGHT_PX * 4 // 5, _STRIP_HEIGHT_PX),
            centering=(0.5, 0.0),
        )
        for data in photos
    ]
    strip = Image.new("RGB", (sum(tile.width for tile in tiles), _STRIP_HEIGHT_PX))
    for index, tile in enumerate(tiles):
        strip.paste(tile, (index * tile.width, 0))
    return encode_jpeg(strip, side_px=_WIDE_PX[0])


def widen(data: bytes) -> bytes:
    """Make a JPEG of the picture as wide as a camera's, with grey at its sides."""
    return encode_jpeg(
        ImageOps.pad(turn_upright(open_picture(data)), _WIDE_PX, color="#777"), side_px=_WIDE_PX[0]
    )
