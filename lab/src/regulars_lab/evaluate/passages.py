"""Figures of how well people are told apart if both sides were seen in passages: several frames of
somebody who comes past a camera.

The mean of several frames cancels noise and keeps what a blur gives everybody. So two strangers may
be alike by it who are not alike in photos. Each person's first passage that could be remembered is
searched for by all other passages, at the threshold of the service's smallest gallery.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict
from numpy.typing import NDArray

from chalicelib.domain.rules.decision import MIN_QUALITY, SAME_PASSAGE, SMALLEST_GALLERY
from chalicelib.domain.rules.templates import fuse_embeddings
from regulars.errors import NoPictures
from regulars_lab.measuring.labelled import LabelledFolder, make_readable, read_folder
from regulars_lab.measuring.memory import PictureResult
from regulars_lab.measuring.open_set import Rule

_BLOCK = 512
"""Passages that are compared at a time, to bound memory."""


class Passage(Struct, frozen=True):
    """Somebody comes past a camera once. `embeddings` (n, d) of the frames that show a face, those
    of the best quality first, and their `qualities` (n,)."""

    person: str
    day: str
    embeddings: NDArray[np.float32]
    qualities: NDArray[np.float64]

    @property
    def is_fit(self) -> bool:
        """Tell whether a stranger would be remembered by the best frame."""
        return bool(len(self.qualities)) and float(self.qualities[0]) >= MIN_QUALITY


class Choice(Struct, frozen=True):
    """The frames that make a template: the best one, and others that are like it, of this quality
    or more. `raised`: what is added to the threshold when it is searched for."""

    frames: int
    least_quality: float = 0.0
    raised: float = 0.0

    def fuse_frames(self, passage: Passage) -> NDArray[np.float32]:
        best = passage.embeddings[0]
        others = [
            embedding
            for embedding, quality in zip(
                passage.embeddings[1 : self.frames],
                passage.qualities[1 : self.frames].tolist(),
                strict=True,
            )
            if embedding @ best >= SAME_PASSAGE and quality >= self.least_quality
        ]
        return fuse_embeddings(np.stack([best, *others])) if others else best


class Way(Struct, frozen=True):
    """Frames by which somebody is founded, and searched for: one of `searched` has to match."""

    name: str
    founded: Choice
    searched: tuple[Choice, ...]


BEST, MEAN, SURER_MEAN = Choice(1), Choice(3), Choice(3, raised=0.04)
GOOD_MEAN = Choice(3, least_quality=35, raised=0.02)
WAYS = (
    Way("1 / 1", BEST, (BEST,)),
    Way("1 / 1, else 3", BEST, (BEST, MEAN)),
    Way("1 / 1, else 3 at a threshold 0.04 higher", BEST, (BEST, SURER_MEAN)),
    Way("1 / 3", BEST, (MEAN,)),
    Way("3 / 3", MEAN, (MEAN,)),
    Way("3 / 3, of quality 35 at a threshold 0.02 higher", GOOD_MEAN, (GOOD_MEAN,)),
)


class Pairs(Struct, frozen=True):
    """Pairs of a founded face and a passage that was searched for.

    `taken`: strangers' pairs that match; `missed`: those of one person on another day that do not.
    """

    way: str
    strangers: int
    taken: int
    own: int
    missed: int


class PassageFigures(Struct, frozen=True):
    """`without_face`, `too_poor`: passages in which nobody was found, and by whose best frame a
    stranger would not be remembered. `promised`: the share of strangers' pairs that the threshold
    is for."""

    people: int
    passages: int
    without_face: int
    too_poor: int
    promised: float
    pairs: tuple[Pairs, ...]


def list_figures(found: PassageFigures) -> dict[str, object]:
    """Return the figures for the JSON file."""
    return {**asdict(found), "pairs": [asdict(pairs) for pairs in found.pairs]}


def read_passages(folder: Path) -> tuple[LabelledFolder, list[tuple[str, str]]]:
    """Read a folder of `person/day/passage/frame.jpg`.

    Return the frames, labelled by their passage, and each passage's person and day. Raises
    NoPictures if there are none.
    """
    if not folder.is_dir():
        raise NoPictures(
            f"there is no folder {folder}: name one with frames as person/day/passage/frame.jpg"
        )
    files: list[Path] = []
    passage_of: list[int] = []
    owners: list[tuple[str, str]] = []
    for day in sorted(path for path in folder.glob("*/*") if path.is_dir()):
        with_frames = read_folder(day) if any(day.glob("*/*")) else None
        if with_frames is None:
            continue
        files += with_frames.files
        passage_of += [len(owners) + passage for passage in with_frames.person_of]
        owner = (make_readable(day.parent.name), make_readable(day.name))
        owners += [owner] * len(with_frames.persons)
    if not owners:
        raise NoPictures(
            f"{folder} holds no frames: put those of each passage into person/day/passage/, such "
            "as p01/day1/0900/03.jpg"
        )
    names = tuple(f"{person}/{day}/{number}" for number, (person, day) in enumerate(owners))
    return LabelledFolder(folder, names, tuple(files), tuple(passage_of)), owners


def group_frames(
    frames: LabelledFolder, owners: Sequence[tuple[str, str]], seen: Sequence[PictureResult]
) -> list[Passage]:
    """Group the frames of `read_passages` by their passages."""
    by_passage: list[list[PictureResult]] = [[] for _ in owners]
    for passage, result in zip(frames.person_of, seen, strict=True):
        by_passage[passage].append(result)
    return [
        make_passage(*owner, results) for owner, results in zip(owners, by_passage, strict=True)
    ]


def make_passage(person: str, day: str, frames: Iterable[PictureResult]) -> Passage:
    found = sorted(
        (frame for frame in frames if frame.embedding is not None),
        key=lambda frame: -frame.quality,
    )
    embeddings = [frame.embedding for frame in found if frame.embedding is not None]
    rows = np.stack(embeddings) if embeddings else np.zeros((0, 1), np.float32)
    return Passage(person, day, rows, np.array([frame.quality for frame in found]))


def measure_passages(passages: Sequence[Passage], rule: Rule) -> PassageFigures:
    return PassageFigures(
        people=len({passage.person for passage in passages}),
        passages=len(passages),
        without_face=sum(not len(passage.qualities) for passage in passages),
        too_poor=sum(bool(len(one.qualities)) and not one.is_fit for one in passages),
        promised=1 - (1 - rule.point.fpir_target) ** (1 / SMALLEST_GALLERY),
        pairs=tuple(_measure_pairs(passages, rule)),
    )


def _measure_pairs(passages: Sequence[Passage], rule: Rule) -> list[Pairs]:
    """Count for each of WAYS who is taken for whom, and who is missed.

    A passage without a face misses its person, and is no stranger's.
    """
    founders = list(_choose_founders(passages))
    if not founders:
        return []
    owns, others = _relate(founders, passages)
    has_face = np.array([bool(len(passage.qualities)) for passage in passages])
    others &= has_face
    found = []
    for way in WAYS:
        matches = _match(founders, passages, way, rule)
        found.append(
            Pairs(
                way=way.name,
                strangers=int(others.sum()),
                taken=int((matches & others).sum()),
                own=int(owns.sum()),
                missed=int((owns & ~matches).sum()),
            )
        )
    return found


def _choose_founders(passages: Sequence[Passage]) -> Iterator[Passage]:
    """Yield each person's first passage by which a stranger would be remembered."""
    persons = set[str]()
    for passage in passages:
        if passage.is_fit and passage.person not in persons:
            persons.add(passage.person)
            yield passage


def _relate(
    founders: Sequence[Passage], passages: Sequence[Passage]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return of each founder and passage whether they are one person's on different days, and
    whether they are two people's."""
    same = np.array([[a.person == b.person for b in passages] for a in founders])
    other_day = np.array([[a.day != b.day for b in passages] for a in founders])
    return same & other_day, ~same


def _match(
    founders: Sequence[Passage], passages: Sequence[Passage], way: Way, rule: Rule
) -> NDArray[np.bool_]:
    """Return of each founder and passage whether they match."""
    templates = np.stack([way.founded.fuse_frames(passage) for passage in founders])
    threshold = rule.point.find_threshold(SMALLEST_GALLERY)
    matches = np.zeros((len(founders), len(passages)), bool)
    with_face = np.array([number for number, one in enumerate(passages) if len(one.qualities)])
    for choice in way.searched:
        for begin in range(0, len(with_face), _BLOCK):
            block = with_face[begin : begin + _BLOCK]
            probes = np.stack([choice.fuse_frames(passages[number]) for number in block.tolist()])
            demands = rule.population.compute_demands(templates, probes)
            matches[:, block] |= templates @ probes.T - demands >= threshold + choice.raised
    return matches
