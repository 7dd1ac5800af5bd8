"""Subjects: the names of a group, each with its photos, and the search for those most like a face.

A subject is a user (records) with a name, and one face has all its photos;
domain/rules/choice chooses the ones by which it is compared. An example is a photo that was added;
its id holds the face's id and the beginning of the photo's, so that nothing else has to be stored
of it. A subject has two faces only if one was restricted while it was created again, until a
nightly job joins them.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from chalicelib.book.commit import Change, GalleryMoved, retry_if_gallery_moved
from chalicelib.book.faces import make_enrolment_change, rename_actions
from chalicelib.book.groups import raise_if_full
from chalicelib.book.portraits import Portrait, photo_id_of
from chalicelib.book.visits import face_put
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import decision_said
from chalicelib.domain.errors import (
    Busy,
    ConditionFailed,
    ConsentMissing,
    FaceHeld,
    FaceMerged,
    FaceNotFound,
    InvalidInput,
    LastPicture,
    LimitReached,
    PictureNotFound,
    StorageUnavailable,
)
from chalicelib.domain.grounds import require_record
from chalicelib.domain.jobs import Job, make_unfinished
from chalicelib.domain.model import STRANGER, Candidate, Decision, Face, Group, Picture, Tenant
from chalicelib.domain.names import (
    FACE_NAME_LENGTH,
    LONGEST_NAME,
    face_name,
    is_same_name,
    normalise_name,
)
from chalicelib.domain.pictures import PictureRules
from chalicelib.domain.rules.decision import (
    SMALLEST_GALLERY,
    OperatingPoint,
    SearchRequest,
    Verdict,
    count_judged,
    is_match,
    rate_closeness,
    subtract_demand,
)
from chalicelib.domain.rules.hold import require_free
from chalicelib.domain.rules.recognised import DescribedFace, Probes, SeenPicture
from chalicelib.domain.rules.templates import (
    entry_of,
    face_set_of,
    list_given_pictures,
    of_model,
    parse_vector,
)
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import count_attempts, cut_in_parts, retry_if_changed, walk_items
from chalicelib.storage.ports import Action, Delete, Put, absent
from chalicelib.storage.values import first_version, time_ordered_id
from regulars_dialects.records import User, UserExists, UserNotFound, user_from, user_item
from regulars_dialects.users import Users, user_count_update

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.services import Services

    Templates = NDArray[np.float32]

_AT_ONCE = 100
"""Faces that are read at once."""
_LEAST_CANDIDATES = 16
"""Candidates whose faces are read at first: several may be of one subject, or unfit."""
_PHOTO_BITS, _FACE_BITS = 59, 63
"""Bits of an example's id (`_example_id`), which a UUID leaves: 122 of 128."""

STOPS_AT_S = 20.0
"""Time that must be left to unite one more subject."""

_USER_FREE = "user-free"
_BUSY = "this subject is changed by others all the time: send the request again in a moment"


class Example(NamedTuple):
    """A photo of a subject.

    `subject`: its name; `like`: of a new subject's, who in the group it surely is, too;
    `is_unlike`: whether it was just added, and looks unlike all other examples.
    """

    id: str
    subject: str
    face: Face
    picture: Picture
    like: str = ""
    is_unlike: bool = False


class Nearest(NamedTuple):
    """The subjects that a probe is closest to, closest first, and the decision on its best
    candidate."""

    near: list[Near]
    decision: Decision


class Near(NamedTuple):
    """A subject, or a face that is no subject's, and how close it is, 0..1
    (domain/rules/decision)."""

    name: str
    closeness: float
    faceids: tuple[str, ...] = ()
    """Its faces that were compared."""


class Subjects(Service["Services"]):
    def list_all(self, tenant: Tenant, group: Group) -> list[User]:
        """Return the subjects, oldest first."""
        users = map(
            user_from,
            walk_items(
                self.services.items,
                keys.DIRECTORY,
                tenant.name,
                between=keys.face_sets_range(group.id),
            ),
        )
        return sorted(
            (user for user in users if user.created_at),
            key=lambda user: (user.created_at, user.name),
        )

    def get(self, tenant: Tenant, group: Group, name: str) -> User:
        """Return the subject of a name, in whatever case. Raises UserNotFound."""
        if (subject := self.find(tenant, group, name)) is None:
            raise UserNotFound(f"there is no subject {name[:LONGEST_NAME]!r}: see the list of them")
        return subject

    def find(
        self, tenant: Tenant, group: Group, name: str, *, matches_case: bool = False
    ) -> User | None:
        """Return the subject that a name means: the one that is spelled so, else the oldest."""
        subjects = [
            subject
            for subject in self._list_alike(tenant, group, name)
            if subject.created_at and is_same_name(subject.name, name, matches_case=matches_case)
        ]
        return min(
            subjects,
            key=lambda subject: (
                not is_same_name(subject.name, name, matches_case=True),
                subject.created_at,
            ),
            default=None,
        )

    def add(self, tenant: Tenant, group: Group, name: str) -> User:
        """Make a subject without examples. Raises InvalidInput, UserExists, GroupNotFound, Busy."""
        for _ in count_attempts():
            if self.find(tenant, group, name) is not None:
                break
            with suppress(UserExists):  # somebody has made one of a like name meanwhile
                subject = self._make_subject(tenant, group, name)
                Users(self.services).add(tenant, group, subject)
                return subject
        raise UserExists(f"there is a subject {name!r} already: choose another name")

    def rename(self, tenant: Tenant, group: Group, name: str, new_name: str) -> None:
        """Give a subject another name.

        One that has it already is united with it. Ids of examples stay good.

        A call that was cut off is completed by the same call. Raises UserNotFound, InvalidInput,
        TooManyPictures, LimitReached (storage/records/merges), FaceHeld, Busy.
        """
        for _ in count_attempts():
            with suppress(UserExists):
                return self._rename_once(tenant, group, name, new_name)
        raise Busy(_BUSY)

    def _rename_once(self, tenant: Tenant, group: Group, name: str, new_name: str) -> None:
        """Rename without a retry.

        Raises UserExists if the subject of the new name is another than was read.
        """
        source, subject_of_name = self.get(tenant, group, name), self.find(tenant, group, new_name)
        target = (
            replace(subject_of_name, name=_normalise_name(new_name))
            if subject_of_name
            else self._make_subject(tenant, group, new_name)
        )
        if source.id == target.id:
            return self._respell(tenant, group, target)
        if subject_of_name is not None and subject_of_name.faceids:
            for faceid in source.faceids:
                self._merge_faces(tenant, subject_of_name.faceids[0], faceid)
        while (source_now := self._read_again(tenant, group, source)) is not None:
            target = self._move_face(tenant, group, source_now, target)
        return None

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job(
                "subjects",
                lambda context: make_unfinished(
                    self.unite_all(context.tenant, context.remaining_s)
                ),
                nightly=True,
            ),
        )

    def unite_all(
        self, tenant: Tenant, remaining_s: Callable[[], float] = lambda: float("inf")
    ) -> bool:
        """Make the faces of each subject one. Return False if the time ran out first.

        May be cut off anywhere and repeated. Raises Busy, StorageUnavailable.
        """
        for group in self.services.groups.list_all(tenant):
            for subject in self.list_all(tenant, group) if group.face_sets else ():
                if remaining_s() < STOPS_AT_S:
                    return False
                self._unite_faces(tenant, group, subject)
        return True

    def delete(self, tenant: Tenant, group: Group, subjects: Sequence[User], by: str) -> int:
        """Delete subjects with their examples, and return how many these were.

        `by`: the asker, for the receipt.

        Raises FaceHeld before it deletes anything, StorageUnavailable.
        """
        examples = list(self.list_examples(tenant, group, subjects))
        require_free(example.face for example in examples)
        for subject in subjects:
            self._delete_faces(tenant, subject.faceids, by)
            with suppress(UserNotFound):
                Users(self.services).delete(tenant, group, subject.id)
        return len(examples)

    def list_examples(
        self, tenant: Tenant, group: Group, subjects: Iterable[User]
    ) -> Iterator[Example]:
        """Yield the examples of these subjects, of each in the order in which the photos were
        given."""
        names = {faceid: subject.name for subject in subjects for faceid in subject.faceids}
        for batch in cut_in_parts(names, _AT_ONCE):
            for face in self.services.faces.read_faces_in_group(tenant, group, batch).values():
                for picture in list_given_pictures(face.pictures):
                    if (id_ := _example_id(face, picture)) is not None:
                        yield Example(id_, names[face.faceid], face, picture)

    def get_example(self, tenant: Tenant, group: Group, id_: str) -> Example:
        """Return an example, also by the id that it had before its face was merged into another.

        Raises PictureNotFound.
        """
        faceid, photo = _parts_of_example_id(id_)
        with suppress(FaceNotFound):
            face = self._read_face_now(tenant, faceid)
            name = (
                self._read_names(tenant, [face]).get(face_set_of(face), "")
                if face.group_id == group.id
                else ""
            )
            for picture in list_given_pictures(face.pictures):
                if name and _photo_bits(picture) == photo:
                    return Example(_example_id(face, picture) or id_, name, face, picture)
        raise PictureNotFound(f"there is no example {id_[:40]!r}")

    def _read_face_now(self, tenant: Tenant, faceid: str) -> Face:
        """Return the face, or that which it was merged into. Raises FaceNotFound."""
        try:
            return self.services.faces.get(tenant, faceid)
        except FaceMerged as merged:
            return self.services.faces.get(tenant, str(merged.details["into"]))

    def remove_example(self, tenant: Tenant, example: Example, by: str) -> None:
        """Delete an example; a face without examples goes.

        Raises PictureNotFound, FaceHeld, Busy, StorageUnavailable.
        """
        faceid = example.face.faceid

        def keep_others(face: Face) -> tuple[Picture, ...]:
            other_pictures = tuple(
                picture for picture in face.pictures if picture.id != example.picture.id
            )
            if other_pictures == face.pictures:
                raise PictureNotFound(f"there is no example {example.id[:40]!r}")
            # What the face learnt by itself goes with the last given picture.
            return other_pictures if list_given_pictures(other_pictures) else ()

        for _ in count_attempts():
            try:
                return self.services.enrolment.pictures.keep_pictures(tenant, faceid, keep_others)
            except LastPicture:
                deletion = self.services.deletion
                if deletion.delete_faces(
                    tenant,
                    [faceid],
                    by=by,
                    only=lambda face: not keep_others(face),
                    keeps_face_sets=True,
                ).success:
                    return None
            except FaceNotFound as error:
                raise PictureNotFound(f"there is no example {example.id[:40]!r}") from error
        raise Busy(_BUSY)

    def enrol_photo(
        self,
        tenant: Tenant,
        group: Group,
        name: str,
        photo: bytes,
        rules: PictureRules,
        least_score: float,
        *,
        matches_case: bool = False,
    ) -> Example:
        """Make a photo an example of a subject, which is made if there is none.

        The same photo again adds nothing.

        A face of a lower detector score than `least_score` does not count. Raises InvalidInput,
        ConsentMissing, Unusable, GroupFull, TenantFull, GroupNotFound, TooManyPictures, FaceHeld,
        Busy.
        """
        photo_id, portrait, like_name = photo_id_of(photo), None, ""
        for _ in count_attempts():
            seq = self.services.writer.read_seq(tenant.name) if portrait else 0
            subject = self.find(tenant, group, _normalise_name(name), matches_case=matches_case)
            faces = (
                [*self.services.faces.read_faces_in_group(tenant, group, subject.faceids).values()]
                if subject
                else []
            )
            if subject and (example := _find_example(subject, faces, photo_id)):
                return example
            require_record(tenant, faces[0].consent if faces else None)
            if portrait is None:
                portrait = self.services.portraits.portray_only(tenant, photo, rules, least_score)
                raise_if_full(group)
                like_name = "" if subject else self._name_like_person(tenant, group, portrait)
                continue  # embedding took a while: read all again
            with suppress(ConditionFailed, GalleryMoved, UserExists):
                is_new = subject is None
                if subject is None:
                    subject = self._make_subject(tenant, group, name, matches_case=matches_case)
                face, picture = self._add_photo(
                    tenant, group, subject, faces, portrait, seq, is_new=is_new
                )
                chooser = self.services.tenant_vision.make_chooser(tenant)
                return Example(
                    _example_id(face, picture) or "",
                    subject.name,
                    face,
                    picture,
                    like_name,
                    bool(faces) and chooser.is_unlike_others(picture, faces[0].pictures),
                )
        raise Busy(_BUSY)

    @retry_if_gallery_moved
    def _name_like_person(self, tenant: Tenant, group: Group, portrait: Portrait) -> str:
        """Return who in the group a portrait surely shows: the subject, else the face's name or id;
        "" if nobody.

        Strangers whom a camera saw count as nobody: the sweep joins them with the subject.
        """
        probes = Probes(
            portrait.template.model, portrait.embedding[None], [portrait.estimates.quality]
        )
        (recognised,) = self.services.recognition.find_duplicates(
            tenant, probes, group_ids=[group.id]
        )
        if recognised.face is None or recognised.face.group_id == STRANGER:
            return ""
        audit_events.report_people([recognised.face.faceid])
        return (
            self._read_names(tenant, [recognised.face]).get(face_set_of(recognised.face))
            or recognised.face.name
            or recognised.face.faceid
        )

    @retry_if_gallery_moved
    def find_nearest(
        self,
        tenant: Tenant,
        group: Group,
        probes: Templates,
        described_faces: Sequence[DescribedFace | None],
        max_subjects: int,
    ) -> list[Nearest]:
        """Return the `max_subjects` subjects that each probe is closest to, closest first; none in
        an empty group.

        `probes`: (n, dimensions) float32 unit rows of the tenant's model; `described_faces`: their
        faces, None for a vector that was sent. A face that is refused is close to nobody, and if
        that is for its age, none are named.

        Raises Busy.
        """
        point = self.services.tenant_vision.make_operating_point(tenant)
        request = SearchRequest(tenant.model, probes, [group.id], count_judged(max_subjects))
        answer, judgements = self.services.recognition.search_and_judge(tenant, request, point)
        nearest: list[Nearest] = []
        for described, probe, verdicts in zip(described_faces, probes, judgements, strict=True):
            ranked = self._rank_candidates(tenant, probe, described, verdicts, max_subjects)
            near = _name_unless_refused(described, ranked)
            nearest.append(Nearest(near, _decide_nearest(described, verdicts[0], answer.seq)))
        audit_events.report_decisions(
            [{"model": tenant.model, **decision_said(one.decision)} for one in nearest]
        )
        return nearest

    def _rank_candidates(
        self,
        tenant: Tenant,
        probe: Templates,
        described: DescribedFace | None,
        verdicts: Sequence[Verdict],
        max_subjects: int,
    ) -> list[Near]:
        """Return the `max_subjects` subjects of the candidates that a probe is closest to.

        A candidate may turn out less close once its face is read, never closer: so no more are
        read once the wanted subjects are closer than all others may be.
        """
        point = self.services.tenant_vision.make_operating_point(tenant)
        likely = sorted(
            (
                (-_rate_verdict(verdict, point, is_fit=True), -verdict.candidate.score, verdict)
                for verdict in verdicts
                if verdict.candidate is not None
            ),
            key=lambda entry: entry[:2],
        )
        rated: list[tuple[Candidate, float]] = []
        names: dict[str, str] = {}
        ranked: list[Near] = []
        for part in cut_in_parts(likely, max(_LEAST_CANDIDATES, max_subjects)):
            if len(ranked) >= max_subjects and -part[0][0] < ranked[max_subjects - 1].closeness:
                break
            part_verdicts = [verdict for *_, verdict in part]
            faces = self.services.faces.read_candidate_faces(
                tenant, (verdict.candidate for verdict in part_verdicts if verdict.candidate)
            )
            subject_names = self._read_names(tenant, faces.values())
            names |= {id_: subject_names.get(face_set_of(face), id_) for id_, face in faces.items()}
            rated += self._rate_candidates(tenant, faces, probe, described, part_verdicts)
            ranked = _rank_subjects(rated, names)
        return ranked[:max_subjects]

    def _rate_candidates(
        self,
        tenant: Tenant,
        faces: Mapping[str, Face],
        probe: Templates,
        described: DescribedFace | None,
        verdicts: Iterable[Verdict],
    ) -> list[tuple[Candidate, float]]:
        """Return each candidate with its closeness to a probe, the candidates in the verdicts'
        order.

        The closeness is low if the two cannot be compared, or a negative is nearer. `described`:
        the probe's face; None: unknown.
        """
        point = self.services.tenant_vision.make_operating_point(tenant)
        negatives = self.services.recognition.negatives
        quality = None if described is None else described.quality.total
        rated: list[tuple[Candidate, float]] = []
        for verdict in verdicts:
            candidate = verdict.candidate
            if candidate is None:  # the search found nobody
                continue
            face, score = faces[candidate.faceid], candidate.score
            is_fit = is_match(
                score, score, quality, face.estimates.quality
            ) and not negatives.turns_down(tenant.name, face, probe, tenant.model, score)
            rated.append((candidate, _rate_verdict(verdict, point, is_fit=is_fit)))
        return rated

    def compare_pictures(
        self, tenant: Tenant, seen_picture: SeenPicture, other: SeenPicture
    ) -> list[float]:
        """Return how close a picture's only face is to each of another one's."""
        (only_face,) = seen_picture.described.faces
        faces = [
            replace(face, spoof=face.spoof or only_face.spoof) for face in other.described.faces
        ]
        return self.rate_closeness_to_each(
            tenant, seen_picture.embeddings[0], other.embeddings, faces, only_face.quality.total
        )

    def rate_closeness_to_each(
        self,
        tenant: Tenant,
        template: Templates,
        other_templates: Templates,
        described_faces: Sequence[DescribedFace | None],
        quality: float | None = None,
    ) -> list[float]:
        """Return the closeness of a template and each of the others, (n, dimensions), as in a
        comparison of two faces.

        `described_faces`: the others' faces; None for a vector that was sent. `quality`: the
        quality of the template's picture. A face that is refused is not close. The audit notes each
        closeness.
        """
        import numpy as np

        curve = self.services.tenant_vision.make_operating_point(tenant).curve
        scores = (other_templates.astype(np.float64) @ template.astype(np.float64)).tolist()
        closenesses: list[float] = []
        for score, described in zip(scores, described_faces, strict=True):
            # The score is its own threshold: whether their qualities allow any comparison.
            is_fit = is_match(score, score, described.quality.total if described else None, quality)
            is_refused = described is not None and bool(described.spoof)
            closenesses.append(0.0 if is_refused else rate_closeness(score, curve, is_fit=is_fit))
        audit_events.report_decisions(
            [{"model": tenant.model, "closeness": value} for value in closenesses]
        )
        return closenesses

    def template_of(self, tenant: Tenant, picture: Picture) -> Templates:
        """Return the unit vector of an example.

        Raises PictureNotFound if it has none of the tenant's model yet.
        """
        template = of_model(picture.templates, tenant.model)
        if template is None:
            raise PictureNotFound(
                "the example has no template of the tenant's model yet: try again in a while"
            )
        return parse_vector(template)

    def _make_subject(
        self, tenant: Tenant, group: Group, name: str, *, matches_case: bool = False
    ) -> User:
        """Make a subject of a name that none has, with an id that none has.

        Raises UserExists if somebody was first.

        A restricted face comes back to its subject by the subject's id, even if the subject is gone
        meanwhile. So that id is kept for a subject of the same name.
        """
        normal_name = _normalise_name(name)
        first_id = subject_id(name)
        subjects_alike = list(self._list_alike(tenant, group, name))
        if any(
            subject.created_at and is_same_name(subject.name, name, matches_case=matches_case)
            for subject in subjects_alike
        ):
            raise UserExists(f"there is a subject {name!r} already: choose another name")
        restrictions = [
            face.restriction
            for face in self.services.faces.list_restricted(tenant)
            if face.restriction
        ]
        restricted_names = {
            restriction.face_set: restriction.set_name
            for restriction in restrictions
            if restriction.group_id == group.id and restriction.face_set.startswith(first_id)
        }
        used_ids = {subject.id for subject in subjects_alike}
        ids_of_same_name = (
            id_
            for id_, restricted_name in restricted_names.items()
            if id_ not in used_ids
            and is_same_name(restricted_name, name, matches_case=matches_case)
        )
        id_ = next(ids_of_same_name, None) or free_subject_id(
            name, used_ids | restricted_names.keys()
        )
        return User(group.id, id_, name=normal_name, created_at=self.services.clock.now())

    def _list_alike(self, tenant: Tenant, group: Group, name: str) -> Iterator[User]:
        """Yield the subjects whose names fold to the same as this one."""
        between = _numbered_range(entry_of(group.id, subject_id(name)))
        return map(
            user_from, walk_items(self.services.items, keys.DIRECTORY, tenant.name, between=between)
        )

    def _read_again(self, tenant: Tenant, group: Group, subject: User) -> User | None:
        """Return the subject as it is now; None if it is gone, also if one whose name folds alike
        has its id now."""
        with suppress(UserNotFound):
            now = Users(self.services).get(tenant, group, subject.id)
            return now if is_same_name(now.name, subject.name, matches_case=False) else None
        return None

    def _add_photo(
        self,
        tenant: Tenant,
        group: Group,
        subject: User,
        faces: Sequence[Face],
        portrait: Portrait,
        seq: int,
        *,
        is_new: bool,
    ) -> tuple[Face, Picture]:
        """Add a photo to the subject's face, as it was read, or make it.

        `is_new`: the subject is made in the same transaction, so a photo that is refused leaves no
        name.
        """
        if faces:
            return faces[0], self.services.enrolment.pictures.add_portrait(
                tenant, faces[0], portrait, is_judged=False
            )
        now = self.services.clock.now()
        new_face = _assign_to_subject(
            subject, Face(time_ordered_id(now), group.id, now, (), version=first_version())
        )
        picture = self.services.enrolment.write_portrait(tenant, new_face, portrait, now)
        face = replace(new_face, pictures=(picture,))
        put = Put(
            keys.DIRECTORY,
            user_item(tenant.name, replace(subject, faceids=(*subject.faceids, face.faceid))),
            (absent(_USER_FREE),) if is_new else (),
        )
        change = make_enrolment_change(tenant, group, [face], [put])
        change = replace(change, based_on=seq, face_sets={group.id: 1} if is_new else {})
        with self.services.face_pictures.replace_pictures((), [picture.key]):
            try:
                self.services.writer.commit(tenant.name, change)
            except ConditionFailed as error:
                self.services.enrolment.raise_lasting_refusal(tenant, group.id, error)
                raise
        return face, picture

    def _unite_faces(self, tenant: Tenant, group: Group, subject: User) -> None:
        """Merge the subject's faces into that which was seen most; one that cannot be merged stays.

        Raises Busy.
        """
        if len(subject.faceids) < 2:
            return
        faces = self.services.faces.read_faces_in_group(tenant, group, subject.faceids).values()
        by_visits = sorted(faces, key=lambda face: -face.arrive_count)
        for other in by_visits[1:]:
            with suppress(FaceHeld, LimitReached, ConsentMissing):
                self._merge_faces(tenant, by_visits[0].faceid, other.faceid)

    def _merge_faces(self, tenant: Tenant, survivor: str, other: str) -> None:
        """Merge two faces, if both are there: photos that look unlike the survivor's are spare
        then."""
        with suppress(FaceNotFound):
            self.services.merges.merging.merge(tenant, survivor, other, is_sure=False)

    @retry_if_changed(_BUSY)
    def _move_face(self, tenant: Tenant, group: Group, source: User, target: User) -> User:
        """Move one face of `source` to `target`, and delete the source if it has none left, in one
        transaction.

        `target`: a stored subject, or a new one, which is then made. Return the target as it is
        then. Raises UserExists if the target has other faces than were read, or its id is another
        one's.
        """
        refusal = f"others have changed or made the subject {target.name!r}: send the request again"
        seq = self.services.writer.read_seq(tenant.name)
        source_now = self._read_again(tenant, group, source)
        if source_now is None:
            return target  # somebody has deleted it
        target_now = self._read_again(tenant, group, target)
        if (target_now.faceids if target_now else ()) != target.faceids:
            raise UserExists(refusal)
        target_before = target_now or replace(target, created_at=source_now.created_at)
        faces = list(
            self.services.faces.read_faces_in_group(tenant, group, source_now.faceids).values()
        )
        moving_faces, staying_faces = faces[:1], faces[1:]
        target_after = replace(
            target_before, faceids=(*target_before.faceids, *(face.faceid for face in moving_faces))
        )
        source_after = replace(source_now, faceids=tuple(face.faceid for face in staying_faces))
        actions = [
            *self._make_naming_actions(tenant, moving_faces, target_after),
            Put(
                keys.DIRECTORY,
                user_item(tenant.name, target_after),
                () if target_now else (absent(_USER_FREE),),
            ),
            Put(keys.DIRECTORY, user_item(tenant.name, source_after))
            if staying_faces
            else Delete(keys.DIRECTORY, (tenant.name, keys.face_set_item(source_after.entry))),
        ]
        if users_gained := (target_now is None) - (not staying_faces):
            actions.append(user_count_update(tenant, group, users_gained))
        try:
            self._commit_actions(tenant, actions, seq)
        except ConditionFailed as error:
            if _USER_FREE in error.names:
                raise UserExists(refusal) from error
            raise
        return target_after

    @retry_if_changed(_BUSY)
    def _respell(self, tenant: Tenant, group: Group, target: User) -> None:
        """Write the same name another way: first in the face, then of the subject."""
        seq = self.services.writer.read_seq(tenant.name)
        subject = self._read_again(tenant, group, target)
        if subject is None:
            return  # somebody has deleted it
        for face in self.services.faces.read_faces_in_group(
            tenant, group, subject.faceids
        ).values():
            if _assign_to_subject(target, face) != face:
                seq = self._commit_actions(
                    tenant, self._make_naming_actions(tenant, [face], target), seq
                )
        self._commit_actions(
            tenant,
            [Put(keys.DIRECTORY, user_item(tenant.name, replace(subject, name=target.name)))],
            seq,
        )

    def _make_naming_actions(
        self, tenant: Tenant, faces: Iterable[Face], subject: User
    ) -> list[Action]:
        """Return the actions that make these faces the subject's."""
        actions: list[Action] = []
        for face in faces:
            after = _assign_to_subject(subject, face)
            actions += [face_put(tenant, face, after), *rename_actions(tenant.name, face, after)]
        return actions

    def _commit_actions(self, tenant: Tenant, actions: Sequence[Action], seq: int) -> int:
        """Commit these actions; return the seq after it.

        Raises GalleryMoved if the gallery has left `seq`.
        """
        return self.services.writer.commit(
            tenant.name, Change(tuple(actions), (), based_on=seq, skips_model_check=True)
        )

    def _delete_faces(self, tenant: Tenant, faceids: Sequence[str], by: str) -> None:
        deleted = self.services.deletion.delete_faces(tenant, faceids, by=by, keeps_face_sets=True)
        if deleted.failed:
            raise StorageUnavailable(
                f"{len(deleted.failed)} faces are left: send the request again"
            )

    def _read_names(self, tenant: Tenant, faces: Iterable[Face]) -> dict[str, str]:
        """Return the names of the faces' subjects, by the subject's entry in the gallery."""
        entries = list(dict.fromkeys(filter(None, map(face_set_of, faces))))
        user_keys = [(tenant.name, keys.face_set_item(entry)) for entry in entries]
        stored_items = self.services.items.get_many(keys.DIRECTORY, user_keys)
        return {
            user.entry: user.name
            for user in map(user_from, filter(None, stored_items))
            if user.name
        }


def subject_id(name: str) -> str:
    """Return the id of the first subject of a group whose name folds to the same as this one.

    So the subjects of one name are found by one read, whatever the case. Whether a name is theirs:
    domain/names.
    """
    folded = normalise_name(normalise_name(name, LONGEST_NAME).casefold(), LONGEST_NAME)
    return str(uuid.uuid5(uuid.NAMESPACE_OID, folded))


def free_subject_id(name: str, used_ids: Container[str]) -> str:
    """Return the id of a new subject of this name: of those that fold to the same, all but the
    first are numbered."""
    first_id = subject_id(name)
    if first_id not in used_ids:
        return first_id
    numbered_ids = (f"{first_id}-{number}" for number in count(1))
    return next(id_ for id_ in numbered_ids if id_ not in used_ids)


def _numbered_range(entry: str) -> tuple[str, str]:
    """Make the bounds around a user's item and those whose ids are this one and a number (":"
    follows the digits)."""
    first = keys.face_set_item(entry)
    return first, f"{first}-:"


def _find_example(subject: User, faces: Iterable[Face], photo_id: str) -> Example | None:
    """Find the example of a subject, of these faces, that is this very photo."""
    for face in faces:
        for picture in list_given_pictures(face.pictures):
            if picture.id == photo_id:
                return Example(_example_id(face, picture) or "", subject.name, face, picture)
    return None


def _normalise_name(name: str) -> str:
    """Return a subject's name as it is stored: in NFC. Raises InvalidInput."""
    normal = normalise_name(name, LONGEST_NAME)
    if not 1 <= len(normal) <= LONGEST_NAME:
        raise InvalidInput(
            f"a subject's name has 1 to {LONGEST_NAME} characters, not {len(normal)}"
        )
    return normal


def _assign_to_subject(subject: User, face: Face) -> Face:
    """Return the face as it is as the subject's: with its name, as far as a face's name can be
    that."""
    name = ""
    with suppress(InvalidInput):
        name = face_name(subject.name[:FACE_NAME_LENGTH])
    return replace(face, face_set=subject.id, name=name)


def _name_unless_refused(described: DescribedFace | None, near: list[Near]) -> list[Near]:
    """Return whom a face is close to: nobody, if it is refused; if that is for its age, none is
    named.

    `described`: the face; None: a vector was sent, which nothing refuses.
    """
    if described is None:
        return near
    if described.young:
        return []
    return [subject._replace(closeness=0.0) for subject in near] if described.spoof else near


def _decide_nearest(described: DescribedFace | None, nearest: Verdict, seq: int) -> Decision:
    """Return the decision on a probe's nearest candidate; of a fake face it says no score."""
    decision = replace(nearest.decision, seq=seq)
    return decision.without_score() if described and described.spoof else decision


def _rate_verdict(verdict: Verdict, point: OperatingPoint, *, is_fit: bool) -> float:
    """Rate how close a candidate is. `is_fit`: whether the two can be compared, and no negative is
    nearer."""
    score = 0.0 if verdict.candidate is None else verdict.candidate.score
    return rate_closeness(
        subtract_demand(score, verdict.demand),
        point.curve,
        max(verdict.decision.gallery_size, SMALLEST_GALLERY),
        point.fpir_target,
        match=verdict.match and is_fit,
        is_fit=is_fit,
    )


def _rank_subjects(
    rated: Iterable[tuple[Candidate, float]], names: Mapping[str, str]
) -> list[Near]:
    """Return the subjects of candidates, closest first: each is as close as the closest of its
    faces.

    `rated`: each candidate and its closeness; `names`: of the subjects, by face. Of two that are as
    close, the one with the higher score comes first, else the one whose name does.
    """
    best_by_name: dict[str, tuple[float, float]] = {}  # closeness and score
    faceids = defaultdict[str, list[str]](list)
    for candidate, close in rated:
        name = names[candidate.faceid]
        best_by_name[name] = max(best_by_name.get(name, (0.0, -1.0)), (close, candidate.score))
        faceids[name].append(candidate.faceid)
    ranked = sorted(best_by_name.items(), key=lambda entry: (-entry[1][0], -entry[1][1], entry[0]))
    return [Near(name, close, tuple(faceids[name])) for name, (close, _) in ranked]


def _example_id(face: Face, picture: Picture) -> str | None:
    """Return the id of a photo of a face: a UUID of version 8 (RFC 9562).

    None: somebody else chose the face's id.

    Its bits, less those of version and variant: 63 of the face's id, which is a number, then 59 of
    the photo's hash.
    """
    if not (
        face.faceid.isdecimal()
        and int(face.faceid) < 1 << _FACE_BITS
        and str(int(face.faceid)) == face.faceid
    ):
        return None
    number = int(face.faceid) << _PHOTO_BITS | _photo_bits(picture)
    high, middle, low = number >> 74, number >> 62 & 0xFFF, number & (1 << 62) - 1
    return str(uuid.UUID(int=high << 80 | 8 << 76 | middle << 64 | 2 << 62 | low))


def _photo_bits(picture: Picture) -> int:
    return int(picture.id, 16) >> (len(picture.id) * 4 - _PHOTO_BITS)


def _parts_of_example_id(id_: str) -> tuple[str, int]:
    """Return the id of the face of an example, and the bits of its photo."""
    number = uuid.UUID(id_).int
    packed = (number >> 80) << 74 | (number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1
    return str(packed >> _PHOTO_BITS), packed & (1 << _PHOTO_BITS) - 1
