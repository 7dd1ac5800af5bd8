"""The labelled pictures: whoever is enrolled is found from any other picture, and nobody else is.

Rather than enrol and search, the scores themselves are held against the thresholds, for every
choice of the one photo that each person might have been enrolled from. `lisa` and `lisa_zoom` are
probably one woman, and never a pair of two.
"""

import numpy as np
import pytest
from msgspec import Struct
from numpy.typing import NDArray

from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.pictures import Gender
from chalicelib.domain.rules.decision import ImpostorCurve
from tests.support.pictures.album import Album, reading_order

MARGIN = 0.15
"""How far strangers stay behind."""


class Gallery(Struct, frozen=True, eq=False):
    """Every labelled face: whose it is, from which picture, and all scores, as they are and less
    their demands."""

    names: list[str]
    files: list[str]
    scores: NDArray[np.float32]
    judged: NDArray[np.float32]

    @property
    def enrollable(self) -> list[int]:
        """Faces that a person could be enrolled from: those of the pictures of one person."""
        return [index for index, file in enumerate(self.files) if file.startswith("people/")]

    @property
    def persons(self) -> set[str]:
        return {self.names[index] for index in self.enrollable}


@pytest.fixture(scope="module")
def gallery(album: Album, vision: FacePipeline) -> Gallery:
    names, files, rows = [], [], []
    for label in album.of("people") + album.of("multi"):
        seen = album.seen(label.file)
        for name, index in zip(label.identities, reading_order(seen.faces), strict=False):
            names.append(name)
            files.append(label.file)
            rows.append(seen.embeddings[index])
    matrix = np.stack(rows)
    scores = matrix.astype(np.float64) @ matrix.T
    judged = scores - vision.population.compute_demands(matrix, matrix)
    return Gallery(names, files, scores.astype(np.float32), judged.astype(np.float32))


def different(one: str, other: str) -> bool:
    """Surely two persons."""
    return one != other and {one.removesuffix("_zoom"), other.removesuffix("_zoom")} != {"lisa"}


def mated(gallery: Gallery) -> list[tuple[int, int]]:
    """(enrolled, probe) for every photo that a person can be enrolled from and every other picture
    of theirs."""
    return [
        (enrolled, probe)
        for enrolled in gallery.enrollable
        for probe in range(len(gallery.names))
        if gallery.names[probe] == gallery.names[enrolled]
        and gallery.files[probe] != gallery.files[enrolled]
    ]


def non_mated(gallery: Gallery) -> list[tuple[int, int]]:
    """(enrolled, probe) of two persons."""
    return [
        (enrolled, probe)
        for enrolled in gallery.enrollable
        for probe in range(len(gallery.names))
        if different(gallery.names[probe], gallery.names[enrolled])
    ]


@pytest.fixture(scope="module")
def curve(vision: FacePipeline) -> ImpostorCurve:
    return vision.impostor_curve


class TestDetection:
    def test_no_face_is_reported_where_there_is_none(self, album: Album) -> None:
        assert {label.file: len(album.seen(label.file).faces) for label in album.of("noface")} == {
            label.file: 0 for label in album.of("noface")
        }

    @pytest.mark.parametrize("kind", ["people", "multi"])
    def test_every_face_is_counted(self, kind: str, album: Album) -> None:
        assert {label.file: len(album.seen(label.file).faces) for label in album.of(kind)} == {
            label.file: label.faces for label in album.of(kind)
        }

    def test_no_count_hangs_by_a_thread(self, album: Album) -> None:
        """The least sure face of all pictures is well above the threshold, 0.75."""
        scores = [face.score for label in album.labels for face in album.seen(label.file).faces]
        assert min(scores) > 0.80


class TestIdentification:
    def test_whoever_is_enrolled_is_found_from_every_other_picture(
        self, gallery: Gallery, curve: ImpostorCurve
    ) -> None:
        threshold = curve.operating_threshold(len(gallery.persons))
        missed = [
            (gallery.files[enrolled], gallery.files[probe], float(gallery.scores[enrolled, probe]))
            for enrolled, probe in mated(gallery)
            if gallery.scores[enrolled, probe] < threshold
        ]
        assert missed == []

    def test_whoever_is_enrolled_is_found_in_a_full_camera(
        self, gallery: Gallery, curve: ImpostorCurve
    ) -> None:
        """The threshold of 30,000 faces, as many as a camera holds."""
        threshold = curve.identify_threshold(30_000)
        assert min(gallery.scores[pair] for pair in mated(gallery)) >= threshold

    def test_nobody_else_is_ever_nearer(self, gallery: Gallery) -> None:
        for enrolled, probe in mated(gallery):
            others = [
                index
                for index in gallery.enrollable
                if different(gallery.names[index], gallery.names[probe])
                and gallery.files[index] != gallery.files[probe]
            ]
            assert gallery.scores[enrolled, probe] > gallery.scores[others, probe].max() + MARGIN

    def test_a_stranger_is_found_nowhere(self, gallery: Gallery, curve: ImpostorCurve) -> None:
        """Each person in turn is left out, and all others are enrolled, from whichever of their
        photos is nearest."""
        assert (
            found_strangers(gallery, curve.operating_threshold(len(gallery.persons) - 1)) == set()
        )

    def test_strangers_score_as_the_curve_says(
        self, gallery: Gallery, curve: ImpostorCurve
    ) -> None:
        """The calibration, made on other pictures, holds here to a factor of ten, few as these
        persons are."""
        scores = np.array([gallery.scores[pair] for pair in non_mated(gallery)])
        assert np.mean(scores >= curve.threshold_at(1e-2)) < 4e-2
        assert np.mean(scores >= curve.threshold_at(1e-3)) < 1e-2


def found_strangers(gallery: Gallery, threshold: float) -> set[tuple[str, str]]:
    """(found, stranger) of all searches that find another person."""
    return {
        (gallery.names[enrolled], gallery.names[probe])
        for enrolled, probe in non_mated(gallery)
        if gallery.judged[enrolled, probe] >= threshold
    }


def test_the_figures(
    album: Album, gallery: Gallery, curve: ImpostorCurve, figures: list[str]
) -> None:
    same = np.sort([gallery.scores[pair] for pair in mated(gallery)])
    other = np.sort([gallery.scores[pair] for pair in non_mated(gallery)])
    sizes = (1, len(gallery.persons), 1_000, 30_000)
    thresholds = ", ".join(f"{curve.identify_threshold(size):.3f} ({size})" for size in sizes)
    told = [(label.notes, album.seen(label.file).estimates[0]) for label in album.of("people")]
    years = [
        abs((estimates.age or 0) - int(notes["age"])) for notes, estimates in told if "age" in notes
    ]
    genders = [
        each.gender == Gender(notes["gender"])
        for notes, each in told
        if "gender" in notes and each.gender
    ]
    surest = [face.score for label in album.labels for face in album.seen(label.file).faces]
    figures += [
        f"same person   {len(same):5} pairs, min {same[0]:.3f}, 5 % {np.quantile(same, 0.05):.3f}, "
        f"mean {same.mean():.3f}",
        f"other persons {len(other):5} pairs, max {other[-1]:.3f}, 99 % "
        f"{np.quantile(other, 0.99):.3f}, "
        f"mean {other.mean():.3f}",
        f"threshold (faces enrolled): {thresholds}",
        f"detector: {len(surest)} faces, least sure {min(surest):.3f}",
        f"gender: {np.mean(genders):.0%} of {len(genders)} told are right",
        *([f"age: mean error {np.mean(years):.1f} years"] if years else []),
    ]
    assert same[0] > other[-1]
