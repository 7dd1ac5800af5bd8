"""Joins of faces that are one person: strangers who surely are one are merged, less sure pairs are
suggested.

A join is a merge that nobody asked for, and is undone like any other. A face with few pictures is
often not found by its next picture, which then becomes a face of its own. When either has more
pictures, their means show that they are one; the score for that is in domain/rules/decision
(`is_one_person`). A search compares a picture with faces; this compares faces with each other. So
neither is the probe, and a pair has the same decision from either side.

A poor picture that a camera took before the better one of the same visit is a stranger, too. After
the better one, Ingest would have taken it for the face that the visit surely shows (recognition).
So it is compared now.

The job compares each face that changed since the last time with all others. How far it has come is
a seq of the gallery, which is stored after the faces that changed up to it were looked at. If it is
cut off, it looks at some faces again, which changes nothing. A join changes the gallery, too, so
the job goes on until nothing is left to join.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice, permutations
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.captures import SeenFace, parts_of_sighting
from chalicelib.domain.errors import Busy, ConsentMissing, LimitReached
from chalicelib.domain.jobs import JOINS, Job, make_unfinished
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import REGULAR, STRANGER, Candidate, Decision, Edit, Face, Tenant
from chalicelib.domain.observations import ObservationKind
from chalicelib.domain.pictures import BoundingBox, DetectedFace
from chalicelib.domain.rules.decision import (
    DEFAULT_FPIR,
    JOIN_FPIR,
    JOIN_PICTURES,
    SUGGEST_FPIR,
    OperatingPoint,
    SearchRequest,
    Verdict,
    is_comparable,
)
from chalicelib.domain.rules.recognised import Recognised
from chalicelib.domain.rules.templates import of_model, parse_vector, reduce_templates
from chalicelib.domain.rules.visits import FaceVisits
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    Changed,
    cut_in_parts,
    observed_on,
    retry_if_changed,
    walk_items,
    write,
)
from chalicelib.storage.ports import Put
from chalicelib.storage.records.captures import camera_of
from chalicelib.storage.records.faces import face_from
from chalicelib.storage.records.merges import MAX_MERGES, Merge, are_surely_one, put_survivor_first
from chalicelib.storage.records.observations import observation_from
from chalicelib.storage.values import Codec, milliseconds
from chalicelib.telemetry import report_failure

if TYPE_CHECKING:
    from chalicelib.book.book import Book

_CANDIDATES = 10
"""Faces that are looked at as candidates for each face: more would hardly all be one person."""


class Pair(Struct, frozen=True):
    """Two faces that may be one person, as they were compared.

    `decision`: on the score of their means, by an operating point of JOIN_FPIR. `has_lead`: they
    are one also because no third face is nearly as like either.
    """

    face: Face
    other: Face
    decision: Decision
    has_lead: bool = False


_Nearest = Mapping[str, Sequence[tuple[Candidate, Verdict]]]
"""The nearest faces of each face, by its faceid."""


def _best_quality(face: Face) -> float:
    """Return the quality of the face's best picture; one that was not measured counts as
    perfect."""
    return max(
        100.0 if picture.estimates.quality is None else picture.estimates.quality
        for picture in face.pictures
    )


_FREE = frozenset({STRANGER, REGULAR})
"""Groups of faces that may be there without a person's word. Of two faces in others, none absorbs
the other."""


class Joining(Service["Book"]):
    """The search for faces that are one person.

    `batches_on_a_box`: how many times 256 changes of a gallery one run looks at on a box, where the
    watch goes on five minutes later. With 30,000 faces these four take 13 s. On AWS a run has its
    time, and a message goes on.
    """

    batches_on_a_box: int = 4

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job(
                JOINS,
                lambda context: make_unfinished(
                    self.join_tenant(context.tenant, context.remaining_s)
                ),
            ),
        )

    def join_face(self, tenant: Tenant, faceid: str) -> tuple[Merge, ...]:
        """Join the face with those that are surely the same person, and return these merges in
        order.

        Nothing is suggested: that is left to the job, which looks at each face that changed. The
        face may be one that another one absorbs: the last merge names the survivor. A face that is
        gone is joined with nobody. Raises Busy, WrongModel if the tenant's model was changed,
        StorageUnavailable.
        """
        merges: list[Merge] = []
        while len(merges) < MAX_MERGES and (merge := self._join_once(tenant, faceid)) is not None:
            merges.append(merge)
            faceid = merge.survivor
        return tuple(merges)

    def _join_once(self, tenant: Tenant, faceid: str) -> Merge | None:
        """Join the face with the first one that it can be joined with; None: there is none."""
        face = self.services.faces.find(tenant, faceid)
        pairs = self.find_pairs(tenant, [face]) if face else []
        joinable_pairs = [
            pair
            for pair in pairs
            if not _FREE.isdisjoint((pair.face.group_id, pair.other.group_id))
        ]
        return next(
            (
                merge
                for pair in joinable_pairs
                if (merge := self.decide_pair(tenant, pair, suggests=False))
            ),
            None,
        )

    @retry_if_changed(
        "these faces are changed by others all the time: send the request again in a moment"
    )
    def decide_pair(self, tenant: Tenant, pair: Pair, *, suggests: bool = True) -> Merge | None:
        """Join a pair that is surely one person, and suggest a pair that may be.

        Return the merge; None: no join.

        Nothing is done if a face is gone, has other templates than the pair (the journal then has
        it looked at again), was said to be two people, or was seen together with the other.
        `suggests`: False: only sure pairs are joined. Raises Changed, Busy.
        """
        first, second = (
            self.services.face_visits.read_face(tenant, face.faceid)
            for face in (pair.face, pair.other)
        )
        if first is None or second is None:
            return None
        if self.services.merges.mover.settle_faces(
            tenant, first.face, second.face
        ):  # an earlier merge has changed them
            raise Changed
        if (first.face.templates, second.face.templates) != (
            pair.face.templates,
            pair.other.templates,
        ):
            return None
        # None: a person has to say which one survives
        survivor_and_other = put_survivor_first(first, second)
        is_sure = survivor_and_other is not None and are_surely_one(
            pair.decision, survivor_and_other, has_lead=pair.has_lead
        )
        if not (is_sure or suggests):
            return None
        suggestions = self.services.merges.duplicates.read_between(tenant, first.face, second.face)
        if any(suggestion.are_two for suggestion in suggestions):
            return None
        # What is suggested already was looked at; to look at all captures again would find nothing
        # new.
        if (is_sure or not suggestions) and self._are_two(tenant, (first, second)):
            return None
        if survivor_and_other is not None and is_sure:
            try:
                end_suggestions = self.services.merges.duplicates.make_end_action(
                    tenant.name, first.face, second.face, suggestions
                )
                return self.services.merges.merging.merge_read_faces(
                    tenant, *survivor_and_other, more_actions=[end_suggestions]
                )
            except (LimitReached, ConsentMissing):
                # it comes from too many faces already, or has no record: somebody has to look
                if (
                    len(self.services.faces.by_id(tenant, (pair.face.faceid, pair.other.faceid)))
                    < 2
                ):
                    return None  # one was somebody who withdrew, and is erased
        if suggests:
            self.services.merges.duplicates.suggest_pair(
                tenant, first.face, second.face, pair.decision
            )
        return None

    def find_pairs(self, tenant: Tenant, faces: Sequence[Face]) -> list[Pair]:
        """Return the pairs of each face with the others that reach the threshold of SUGGEST_FPIR,
        the likeliest first.

        Raises WrongModel if the tenant's model was changed, and the errors of a search.
        """
        nearest_of_faces = self._find_nearest(tenant, faces)
        given_faces_by_id = {face.faceid: face for face in faces}
        matches = [
            (given_faces_by_id[faceid], candidate, verdict)
            for faceid, neighbours in nearest_of_faces.items()
            for candidate, verdict in neighbours
            if verdict.match
        ]
        other_faces_by_id = self.services.faces.by_id(
            tenant, {candidate.faceid for _, candidate, _ in matches} - given_faces_by_id.keys()
        )
        nearest = {
            **self._find_nearest(tenant, list(other_faces_by_id.values())),
            **nearest_of_faces,
        }
        faces_by_id = given_faces_by_id | other_faces_by_id
        pairs = [
            self._judge_pair(
                tenant, (face, faces_by_id[candidate.faceid]), candidate, verdict, nearest
            )
            for face, candidate, verdict in matches
            if candidate.faceid in faces_by_id
        ]
        return sorted(
            filter(None, pairs),
            key=lambda pair: pair.decision.threshold - (pair.decision.score or 0.0),
        )

    def join_tenant(
        self, tenant: Tenant, remaining_s: Callable[[], float] = lambda: float("inf")
    ) -> bool:
        """Join all faces of the tenant that changed and are surely one person.

        Return False if the time ran out first. On one box the next run does what is more than
        `batches_on_a_box`.

        `remaining_s`: how long this may still take. May be cut off anywhere and repeated. If others
        change a face all the time, that is reported, and the next run looks at it again. Raises
        Busy if a search fails, StorageUnavailable.
        """
        if not tenant.learns:
            return True
        progress = _PROGRESS.read(
            self.services.items.get(keys.DIRECTORY, (tenant.name, keys.JOINED_ITEM)) or {}
        )
        if progress.again and remaining_s() >= STOPS_AT_S:
            faces = list(self.services.faces.by_id(tenant, progress.again).values())
            progress = replace(progress, again=self._decide_faces(tenant, faces))
            self._store_progress(tenant, progress)
        most_batches = sys.maxsize if self.services.storage.expires_items else self.batches_on_a_box
        for _ in range(most_batches):
            seq = self.services.writer.read_seq(tenant.name)
            if progress.until is None and progress.seq >= seq:
                break
            if remaining_s() < STOPS_AT_S:
                return False
            progress = self._decide_next_faces(tenant, progress)
            self._store_progress(tenant, progress)
        return True

    def _are_two(self, tenant: Tenant, two_faces: Sequence[FaceVisits]) -> bool:
        """Return whether the faces were seen in one picture, or a rejection speaks against their
        being one."""
        if any(
            self._is_turned_down(tenant, first.face, second.face)
            for first, second in permutations(two_faces)
        ):
            return True
        captures, other_captures = (
            self.services.merges.mover.list_capture_ids(tenant, face_visits.face.faceid)
            for face_visits in two_faces
        )
        return not captures.isdisjoint(other_captures)

    def _is_turned_down(self, tenant: Tenant, face: Face, other: Face) -> bool:
        """Return whether the other's mean, or one of its pictures, is nearer to a negative of the
        face than to it."""
        template_of_face = of_model(face.templates, tenant.model)
        if not face.negatives or template_of_face is None:
            return False
        templates = (*reduce_templates(other.templates), *other.templates)
        probes = [
            parse_vector(template) for template in templates if template.model == tenant.model
        ]
        scores = [float(parse_vector(template_of_face) @ probe) for probe in probes]
        return any(
            self.services.recognition.negatives.turns_down(
                tenant.name, face, probe, tenant.model, score
            )
            for probe, score in zip(probes, scores, strict=True)
        )

    def _judge_pair(
        self,
        tenant: Tenant,
        faces: tuple[Face, Face],
        second_candidate: Candidate,
        verdict: Verdict,
        nearest: _Nearest,
    ) -> Pair | None:
        """Judge two faces as a pair; None if they are too poor to be compared.

        `second_candidate`, `verdict`: the candidate that a search with the first face found, and
        how it was judged; `nearest`: what is nearest to each of the two.
        """
        curve = self.services.tenant_vision.choose_vision(tenant.model).impostor_curve
        quality = min(map(_best_quality, faces))
        if not is_comparable(quality):
            return None
        join_point, search_point = (
            OperatingPoint(curve, fpir) for fpir in (JOIN_FPIR, DEFAULT_FPIR)
        )
        gallery_size, faceids = verdict.decision.gallery_size, [face.faceid for face in faces]
        decision = join_point.judge_candidate(
            second_candidate, gallery_size, verdict.demand
        ).decision
        neighbours = [neighbour for faceid in faceids for neighbour in nearest.get(faceid, ())]
        third_scores = [
            candidate.score - judged.demand
            for candidate, judged in neighbours
            if candidate.faceid not in faceids
        ]
        has_lead = search_point.has_lead(
            second_candidate.score - verdict.demand, third_scores, gallery_size
        )
        return Pair(*faces, decision, has_lead=has_lead)

    def _find_nearest(self, tenant: Tenant, faces: Sequence[Face]) -> _Nearest:
        """Return for each face the faces that are most like it, without itself, and their verdicts
        by SUGGEST_FPIR."""
        import numpy as np

        templates = {face.faceid: of_model(face.templates, tenant.model) for face in faces}
        means = {
            faceid: parse_vector(template)
            for faceid, template in templates.items()
            if template is not None
        }
        if not means:
            return {}
        suggest_point = OperatingPoint(
            self.services.tenant_vision.choose_vision(tenant.model).impostor_curve, SUGGEST_FPIR
        )
        request = SearchRequest(tenant.model, np.stack(list(means.values())), limit=_CANDIDATES + 1)
        _, verdicts_by_face = self.services.recognition.search_and_judge(
            tenant, request, suggest_point
        )
        return {
            faceid: [
                (candidate, verdict)
                for verdict in verdicts
                if (candidate := verdict.candidate) and candidate.faceid != faceid
            ]
            for faceid, verdicts in zip(means, verdicts_by_face, strict=True)
        }

    def _decide_next_faces(self, tenant: Tenant, progress: _Progress) -> _Progress:
        """Decide on some more faces, and return the job's progress after them.

        These are the faces that changed since the last progress, by the journal. If the journal
        does not reach back so far, they are the next ones of all faces, in the order of their ids.
        """
        seq = self.services.writer.read_seq(tenant.name)
        if progress.until is None:
            until_seq = min(progress.seq + _CHANGES, seq)
            entries = self.services.ports.journal(tenant.name, progress.seq, until_seq)
            if entries is not None:
                edits_by_faceid = {
                    entry.faceid: entry.edit
                    for entry in entries
                    if entry.edit in (Edit.PUT, Edit.REPLACE)
                }
                undecided_faceids = self._decide_faces(
                    tenant, list(self.services.faces.by_id(tenant, edits_by_faceid).values())
                )
                return _Progress(until_seq, again=_append_failed(progress.again, undecided_faceids))
            progress = replace(progress, until=seq, after="")
        faces = list(islice(self._list_faces(tenant, progress.after), _CHANGES))
        if not faces:
            return _Progress(progress.until or seq, again=progress.again)
        undecided_faceids = self._decide_faces(
            tenant, [face for face in faces if len(face.pictures) >= JOIN_PICTURES]
        )
        return replace(
            progress,
            after=faces[-1].faceid,
            again=_append_failed(progress.again, undecided_faceids),
        )

    def _decide_faces(self, tenant: Tenant, faces: Sequence[Face]) -> tuple[str, ...]:
        """Join or suggest these faces and others like them.

        Return the ids of the faces that could not be decided on.

        First, a face that was seen once is joined with the face that its visit surely shows. Then
        each pair that a search finds is decided on once.
        """
        undecided_faceids: list[str] = []
        for face in faces:
            with _collect_busy(face, undecided_faceids):
                self._join_by_visit(tenant, face)
        decided_pairs: set[str] = set()
        for batch in cut_in_parts(faces, _AT_ONCE):
            for pair in self.find_pairs(tenant, batch):
                id_ = keys.duplicate(pair.face.faceid, pair.other.faceid)
                if id_ not in decided_pairs:
                    decided_pairs.add(id_)
                    with _collect_busy(pair.face, undecided_faceids):
                        self.decide_pair(tenant, pair)
        return tuple(undecided_faceids)

    def _join_by_visit(self, tenant: Tenant, face: Face) -> Merge | None:
        """Join a face that was seen only once with the face that the same visit surely shows.

        Raises Busy.
        """
        if face.arrive_count != 1 or len(face.pictures) != 1 or face.last_arrival_at is None:
            return None
        at_ms = milliseconds(face.last_arrival_at)
        observed = map(
            observation_from,
            observed_on(self.services.items, tenant.name, at_ms // DAY_MS, at_ms, at_ms),
        )
        of_face = (observation for observation in observed if observation.faceid == face.faceid)
        sightings = [
            observation for observation in of_face if observation.kind is ObservationKind.SIGHTING
        ]
        if len(sightings) != 1:
            return None
        capture_id, _ = parts_of_sighting(sightings[0].id)
        capture = self.services.captures.find(tenant, sightings[0].camera, capture_id)
        template = next(
            (template for template in face.templates if template.model == tenant.model), None
        )
        if capture is None or template is None:
            return None
        # the search by visit compares the template alone
        no_box = DetectedFace(BoundingBox(0, 0, 0, 0), (), 0.0)
        seen_face = SeenFace(no_box, template, face.estimates, "")
        camera = camera_of(
            capture, self.services.items.get(keys.CAMERAS, (tenant.name, capture.camera_id))
        )
        recognised = self.services.recognition.recognise_by_visit(
            tenant, camera, capture, seen_face, other_faces=(), searched=_NOBODY
        )
        if recognised.face is None:
            return None
        return self.decide_pair(tenant, Pair(face, recognised.face, recognised.decision))

    def _list_faces(self, tenant: Tenant, after: str) -> Iterator[Face]:
        items = walk_items(
            self.services.items, keys.FACES, tenant.name, behind=after or None, page_size=_CHANGES
        )
        return (face_from(item) for item in items if item["group"] not in tenant.hidden)

    def _store_progress(self, tenant: Tenant, progress: _Progress) -> None:
        item = {"tenant": tenant.name, "item": keys.JOINED_ITEM, **_PROGRESS.write(progress)}
        write(self.services.items, [Put(keys.DIRECTORY, item)])


_NOBODY = Recognised(None, Verdict(None, False, Decision(None, 1.0, 0)), 0)


STOPS_AT_S = 20.0
"""Time that must be left to look at some more faces."""

_AT_ONCE = 64
"""Faces that one search compares with all others."""
_CHANGES = 256
"""Changes of the gallery between two notes of how far it has come."""


class _Progress(Struct, frozen=True):
    """The job's progress: to the change `seq`.

    `again`: faces that are looked at again, since a pair failed.

    If all faces are looked at since the journal did not reach back so far: `until` is the seq when
    that began, and `after` the last face that was looked at.
    """

    seq: int = 0
    until: int | None = None
    after: str = ""
    again: tuple[str, ...] = ()


_PROGRESS = Codec(_Progress, rare="after again")


@contextmanager
def _collect_busy(face: Face, undecided_faceids: list[str]) -> Iterator[None]:
    """Report a Busy of the block, which others cause who change the face all the time, and collect
    the face's id."""
    try:
        yield
    except Busy as error:
        report_failure(error, f"face {face.faceid} is looked at again by the next sweep")
        undecided_faceids.append(face.faceid)


def _append_failed(again: Sequence[str], failed: Sequence[str]) -> tuple[str, ...]:
    """Return both; of more than the job keeps, the last ones."""
    return tuple(dict.fromkeys([*again, *failed]))[-_CHANGES:]
