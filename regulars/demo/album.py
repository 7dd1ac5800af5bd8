"""Which pictures show whom: read from a folder, then divided into who is enrolled, searched, a stranger."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from regulars.errors import NoPictures

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
LABELS = "labels.csv"

MAX_ENROLLED, MAX_STRANGERS, MAX_PROBES, MAX_NOBODY, MAX_SEVERAL = 24, 8, 40, 6, 4
STRANGERS_SHARE = 4
"""One person in four is held back, to be a stranger."""


@dataclass(frozen=True)
class Photo:
    """A picture by name; its bytes lie in a file or were made here."""

    name: str
    source: Path | bytes

    def read(self) -> bytes:
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


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
    """`nobody`: pictures without a face. `labelled`: somebody said who is who, so that a wrong answer is a fault."""

    about: str
    people: tuple[Person, ...]
    nobody: tuple[Photo, ...] = ()
    several: tuple[Several, ...] = ()
    labelled: bool = True


@dataclass(frozen=True)
class Probe:
    """A picture to search with. `person` None: it shows no face."""

    photo: Photo
    person: str | None


@dataclass(frozen=True)
class Plan:
    """Who is enrolled by which picture, and what is searched then; `removed` is deleted last and searched again."""

    enrolments: tuple[Probe, ...]
    known: tuple[Probe, ...]
    strangers: tuple[Probe, ...]
    nobody: tuple[Probe, ...]
    several: tuple[Several, ...]
    removed: Probe | None


def read(folder: Path) -> Album:
    """The pictures of a folder: by its labels.csv, else one folder a person, else by file name up to the last `_`.

    Raises NoPictures.
    """
    if not folder.is_dir():
        raise NoPictures(f"there is no folder {folder}: name one with pictures, PHOTOS=folder or --photos folder")
    if (folder / LABELS).is_file():
        album = _labelled(folder)
    elif any(_pictures(path) for path in folder.iterdir() if path.is_dir()):
        folders = sorted(path for path in folder.iterdir() if path.is_dir() and _pictures(path))
        people = {path.name: [Photo(f"{path.name}/{file.name}", file) for file in _pictures(path)] for path in folders}
        album = Album(f"{folder}, one folder a person", _people(people))
    else:
        album = Album(f"{folder}, by file name", _people(_by_prefix(_pictures(folder))), labelled=False)
    if not album.people:
        raise NoPictures(f"{folder} has no pictures of people ({', '.join(sorted(SUFFIXES))}): choose another folder")
    return album


def plan(album: Album) -> Plan:
    """Divide the people: some are held back as strangers, of the others the first picture is enrolled.

    Those with a single picture are held back first, for there is nothing left to search them with.
    """
    single = [person for person in album.people if len(person.photos) == 1]
    others = [person for person in album.people if len(person.photos) > 1]
    share = max(len(single), len(album.people) // STRANGERS_SHARE, 1)
    wanted = min(MAX_STRANGERS, len(album.people) - 1, share)
    held_back = single[:wanted]
    held_back += _spread(others, wanted - len(held_back))
    enrolled = [person for person in album.people if person not in held_back][:MAX_ENROLLED]
    known = _in_turn([[Probe(photo, person.name) for photo in person.photos[1:]] for person in enrolled])[:MAX_PROBES]
    strangers = _in_turn([[Probe(photo, person.name) for photo in person.photos] for person in held_back])
    return Plan(
        enrolments=tuple(Probe(person.photos[0], person.name) for person in enrolled),
        known=tuple(known),
        strangers=tuple(strangers[:MAX_STRANGERS]),
        nobody=tuple(Probe(photo, None) for photo in album.nobody[:MAX_NOBODY]),
        several=album.several[:MAX_SEVERAL],
        removed=known[0] if known else None,
    )


def _labelled(folder: Path) -> Album:
    people: dict[str, list[Photo]] = {}
    nobody: list[Photo] = []
    several: list[Several] = []
    with (folder / LABELS).open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            file = folder / (row.get("file") or "")
            if file.suffix.lower() not in SUFFIXES or not file.is_file():
                continue
            photo = Photo(file.name, file)
            names = frozenset(name for name in (row.get("identity") or "").split("|") if name)
            if len(names) > 1:
                several.append(Several(photo, names))
            elif names:
                people.setdefault(min(names), []).append(photo)
            elif row.get("faces") == "0":
                nobody.append(photo)
    few = sorted((one for one in several if len(one.names) <= 8), key=lambda one: one.photo.name)
    return Album(f"{folder}, by its {LABELS}", _people(people), tuple(nobody), tuple(few))


def _people(photos: Mapping[str, Iterable[Photo]]) -> tuple[Person, ...]:
    """By name. Of names where one continues another (`lisa`, `lisa_zoom`) only the shorter: they may be one person."""
    names = sorted(photos)
    alone = [name for name in names if not any(name.startswith(f"{other}_") for other in names)]
    return tuple(Person(name, tuple(photos[name])) for name in alone)


def _by_prefix(files: Iterable[Path]) -> dict[str, list[Photo]]:
    people: dict[str, list[Photo]] = {}
    for file in files:
        name = file.stem.rpartition("_")[0] or file.stem
        people.setdefault(name, []).append(Photo(file.name, file))
    return people


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def _spread(people: list[Person], count: int) -> list[Person]:
    """`count` of the people, evenly from the whole row."""
    return [people[(2 * n + 1) * len(people) // (2 * count)] for n in range(count)]


def _in_turn(lists: list[list[Probe]]) -> list[Probe]:
    """Everybody's first, then everybody's second, and so on."""
    return [probe for turn in zip_longest(*lists) for probe in turn if probe is not None]
