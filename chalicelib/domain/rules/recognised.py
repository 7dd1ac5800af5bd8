"""Results about the faces of a picture: described, identified, ranked by likeness, or compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.model import Candidate, Decision, Face, Group
from chalicelib.domain.pictures import BoundingBox, DetectedFace, Estimates, FaceJpeg, Quality
from chalicelib.domain.rules.decision import MIN_QUALITY, Verdict, is_comparable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.domain.rules.visits import DefaultGroups, FaceVisits

MOST_BYTES = 15 * 1024 * 1024
"""Bytes of a picture that is looked at and not stored: 15 MB, as the services take them that read
pictures from S3."""
MOST_FACES = 100
"""Faces of one picture that are looked at: the largest ones."""


MAX_FACES = 80
"""Faces of one picture at most: the largest ones. Their observations fit one transaction."""


class PictureOptions(Struct, frozen=True):
    """The description that a caller wants of the `max_faces` largest faces of a picture.

    `attributes`: those of ATTRIBUTES to compute, None for all. Quality is always there, and pose,
    unless nothing else is wanted and `poses` is False. `embeds`: with embeddings;
    `checks_liveness`: with the tenant's checks of liveness and age; `is_cropped`: the picture is
    one face, found or not.
    """

    attributes: Collection[str] | None = ()
    max_faces: int = MAX_FACES
    embeds: bool = False
    poses: bool = True
    checks_liveness: bool = False
    is_cropped: bool = False


class DescribedFace(Struct, frozen=True):
    """A face with its quality, pose included, and its estimates.

    Its places are in pixels of the picture as sent.

    `spoof`: why the face is refused; None: it is not, or that was not asked. `young`: whether its
    age is why.
    """

    detected: DetectedFace
    quality: Quality
    estimates: Estimates
    spoof: str | None
    young: bool


class DescribedPicture(Struct, frozen=True):
    """A picture's faces, largest first. `width`, `height`: its pixels as sent, upright."""

    width: int
    height: int
    faces: tuple[DescribedFace, ...]


class SeenPicture(Struct, frozen=True, eq=False):
    """A picture's faces and, if they were asked for, their embeddings by `model`: (n, dimensions)
    float32 unit rows."""

    described: DescribedPicture
    model: str
    embeddings: NDArray[np.float32]
    crop: Callable[[int], FaceJpeg]
    """Cuts out a face by its number."""

    def leave_out(self, unfit: Callable[[DescribedFace], object]) -> SeenPicture:
        """Return the picture without the faces for which `unfit` gives a true value.

        The faces left are numbered anew, and so is what `crop`, which cuts out a face, takes.
        """
        kept = [number for number, face in enumerate(self.described.faces) if not unfit(face)]
        kept_faces = tuple(self.described.faces[number] for number in kept)
        embeddings = self.embeddings
        if len(embeddings):  # else they were not asked for
            embeddings = embeddings[kept]

        def crop_kept(number: int) -> FaceJpeg:
            return self.crop(kept[number])

        described = replace(self.described, faces=kept_faces)
        return SeenPicture(described, self.model, embeddings, crop_kept)


class Probe(Struct, frozen=True, eq=False):
    """A face that is compared.

    `vector`: (dimensions,) float32, unit. `box`: in pixels of the picture as sent.

    `spoof`: why the face is refused; "": it is not.
    """

    box: BoundingBox
    quality: Quality
    vector: NDArray[np.float32]
    spoof: str

    @property
    def estimates(self) -> Estimates:
        return Estimates(quality=self.quality.total)

    @property
    def reason(self) -> str:
        """Return why the probe may have no match; "" if its picture is good."""
        if self.spoof or is_comparable(self.quality.total):
            return self.spoof
        return f"too poor to tell who it is, {self.quality.short_of(MIN_QUALITY)}"


class ProbePicture(Struct, frozen=True, eq=False):
    """A picture's faces as probes of `model`, largest first.

    `width`, `height`: its pixels as sent, upright.
    """

    width: int
    height: int
    model: str
    probes: tuple[Probe, ...]


class RatedFace(Struct, frozen=True):
    """An enrolled face and a probe's score with it, at most 1.

    `match`: whether the probe is this face.

    `alike`: whether people are offered it as the same person.
    """

    face: Face
    score: float
    match: bool
    alike: bool


class IdentifiedFace(Struct, frozen=True):
    """A face of a picture, and the enrolled faces nearest to it, best first; none if it cannot be
    compared.

    Those that are not alike are left out.

    `decision`: on the face that matches, else on the best candidate.
    """

    probe: Probe
    decision: Decision
    candidates: tuple[RatedFace, ...]

    @property
    def match(self) -> RatedFace | None:
        return next((face for face in self.candidates if face.match), None)

    @property
    def reason(self) -> str:
        """Return why it was not compared; "" if it was.

        A poor picture may still be the very one that is enrolled.
        """
        return "" if self.match else self.probe.reason


class IdentifiedPicture(Struct, frozen=True):
    """A picture's faces, largest first. `width`, `height`: its pixels as sent, upright."""

    width: int
    height: int
    faces: tuple[IdentifiedFace, ...]


class SimilarFaces(Struct, frozen=True):
    """The faces that are like one face, best first, and the score from which on two pictures are
    one person's."""

    threshold: float
    gallery_size: int
    faces: tuple[RatedFace, ...]


class Similar(Struct, frozen=True):
    """A face and its similarity to the probe, 0..100."""

    face: Face
    similarity: float


class RankingRequest(Struct, frozen=True, eq=False):
    """A probe, and the size of its ranking: the `max_entries` with a similarity of
    `least_similarity` or more.

    `probe`: (dimensions,) float32, a unit vector of the tenant's model; `quality`: that of its
    picture, None if it was not measured; `excluded_id`: a face, or a face set's entry, that is left
    out.
    """

    probe: NDArray[np.float32]
    quality: float | None
    least_similarity: float
    max_entries: int
    excluded_id: str | None = None


class Comparison(Struct, frozen=True):
    """The judgement of one pair. `score` is at most 1.

    `threshold`: as of a search in a small gallery, so that both say the same.
    `false_match_probability`: the chance that two strangers score as high. `probes`: the faces that
    were compared, of the picture and of the other one.
    """

    score: float
    threshold: float
    match: bool
    false_match_probability: float
    probes: tuple[Probe, ...]

    @property
    def reason(self) -> str:
        """Return why the pair cannot be compared; "" if it can. The same picture twice always
        can."""
        if self.match:
            return ""
        return next((probe.reason for probe in self.probes if probe.reason), "")


class Match(Struct, frozen=True):
    """The enrolled face that a probe was identified as.

    `box`, `estimates`: those of the probe; the box is None if the probe was a stored face.
    `decision` has a score.
    """

    face: Face
    group: Group
    box: BoundingBox | None
    estimates: Estimates
    decision: Decision


class Search(Struct, frozen=True):
    """The answer for one probe.

    `decision` has no score if no face reached the threshold, or if nothing matched a picture too
    poor to be compared.
    """

    match: Match | None
    decision: Decision


class PictureSearch(Struct, frozen=True):
    """The matches of a picture's faces, largest face first. `faces_found` counts the others too."""

    matches: list[Match]
    faces_found: int


class Probes(Struct, frozen=True):
    """Embedded faces to search for.

    `vectors`: (n, dimensions) float32 unit rows of `model`; `qualities`: those of their pictures,
    0..100, None if not measured.
    """

    model: str
    vectors: NDArray[np.float32]
    qualities: Sequence[float | None]


class SightingTime(NamedTuple):
    """A sighting's time, and the tenant's groups, read just before: by these a face comes with its
    visits."""

    at_ms: int
    groups: DefaultGroups


class Recognised(Struct, frozen=True):
    """The face that a probe is, as of the gallery's `seq`.

    `face`: None if no face matches. `verdict`: on that face; without one, on the best candidate
    that was not turned down, if any. `face_visits`: the face with its visits, if they were read
    with it. `near`: the nearest faces, if they were asked for. `shortfall`: the least of all
    candidates' (`Verdict.shortfall`).
    """

    face: Face | None
    verdict: Verdict
    seq: int
    face_visits: FaceVisits | None = None
    near: tuple[Candidate, ...] = ()
    shortfall: float = math.inf

    @property
    def decision(self) -> Decision:
        """The verdict's decision, without a score if no face matches."""
        decision = replace(self.verdict.decision, seq=self.seq)
        return decision.without_score() if self.face is None else decision
