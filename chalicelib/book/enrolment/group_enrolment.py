"""Enrolment of all faces of a picture, or of a stored face, in a group: all or none, and nobody
twice.

Indexing makes each face of a photo a face of its own, with an id that follows from the photo.
Nobody is looked for and nobody is merged: a person has as many faces as photos were indexed. The
same photo with the same external id in the same group gives the same ids, so that it can be indexed
again as often as one likes. Without an external id, so does the same call, so that one that is sent
again adds nothing; another call makes another face.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import NAMESPACE_OID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.commit import Change
from chalicelib.book.enrolment.fields import EnrolledFace
from chalicelib.book.face_pictures import NO_JPEG
from chalicelib.book.faces import drop_feelings
from chalicelib.book.models import without_min_age
from chalicelib.book.portraits import Portrait
from chalicelib.book.tenants import CAPACITY_LEFT, GROUPS_LEFT, NAME_FREE, name_put
from chalicelib.book.visits import face_put
from chalicelib.domain.consent import Consent
from chalicelib.domain.errors import (
    ConditionFailed,
    FaceNotFound,
    GroupFull,
    TooManyGroups,
    Unusable,
)
from chalicelib.domain.grounds import require_record
from chalicelib.domain.model import NO_LABELS, Face, Group, Labels, Tenant
from chalicelib.domain.names import legal_group_name
from chalicelib.domain.pictures import Found, PictureRules, Sides
from chalicelib.domain.rules.decision import DUPLICATE_FPIR, OperatingPoint, is_match
from chalicelib.domain.rules.recognised import (
    MOST_FACES,
    DescribedFace,
    PictureOptions,
    Probes,
    SeenPicture,
)
from chalicelib.domain.rules.templates import (
    make_change_entries,
    make_template,
    of_model,
    parse_vector,
)
from chalicelib.service import Service
from chalicelib.storage.items import cut_in_parts, retry_if_changed
from chalicelib.storage.records.faces import group_item, round_estimates
from chalicelib.storage.values import first_version, photo_id, time_ordered_id

if TYPE_CHECKING:
    from chalicelib.book.book import Book

BETTER_PICTURE = 5.0
"""A new picture replaces that of a known face if its quality is higher by more than this, the noise
of the score."""


A_TRANSACTION = 40
"""Faces that are indexed all or none; more take several transactions."""

SAME_FACE_OVERLAP = 0.5
"""A stored face is another one than the photo's of the same id if their boxes overlap by less than
this share."""


Judge = Callable[[DescribedFace], str]
"""Says why a face is not fit to be indexed; "" if it is."""


class _FaceFields(Struct, frozen=True):
    """Fields of the new faces.

    `labels`: those of the call; `old_labels`: those where the call gives none.
    """

    labels: Labels
    old_labels: Labels = NO_LABELS
    consent: Consent | None = None


class GroupEnrolment(Service["Book"]):
    def enrol_all_in_picture(
        self, tenant: Tenant, group_name: str, picture: bytes, rules: PictureRules, labels: Labels
    ) -> list[EnrolledFace]:
        """Enrol every face of the picture in the group, largest first.

        Create the group if there is none of that name.

        A face that is in the group already keeps its id. It gets the labels that are given, and the
        new picture if that is better and nobody holds the face. Raises IllegalGroupName, Unusable,
        GroupFull, TenantFull, TooManyGroups, ConsentMissing, FaceHeld (a held face would lose a
        label), Busy; then nothing is enrolled.
        """
        name = legal_group_name(group_name)
        portraits = self.services.portraits.portray_all(tenant, picture, rules)
        return self._enrol_portraits(tenant, name, portraits, _FaceFields(labels))

    def enrol_stored_face(
        self, tenant: Tenant, group_name: str, faceid: str, labels: Labels
    ) -> EnrolledFace:
        """Enrol a stored face in a group as a new face, from its first picture and its templates.

        Labels that are not given are kept, and so is its record of consent.

        Return the face of the group that shows the same person, if there is one. Raises
        FaceNotFound, and the errors of `enrol_all_in_picture`.
        """
        name = legal_group_name(group_name)
        face = self.services.faces.get(tenant, faceid)
        template = of_model(face.templates, tenant.model)
        if template is None:
            raise Unusable(f"face {faceid!r} has no template of the model {tenant.model!r} yet")
        jpeg = (
            self.services.face_pictures.load_picture(face.portrait) if face.picture_key else NO_JPEG
        )
        if jpeg is None:
            raise FaceNotFound(f"there is no face {faceid!r} any more: it was deleted just now")
        portrait = Portrait(
            None, parse_vector(template), template, face.estimates, jpeg, face.portrait.id
        )
        return self._enrol_portraits(
            tenant, name, [portrait], _FaceFields(labels, face.labels, face.consent)
        )[0]

    def index_faces(
        self,
        tenant: Tenant,
        group: Group,
        picture: bytes,
        rules: PictureRules,
        judge_face: Judge,
        *,
        max_faces: int = MOST_FACES,
        external_id: str = "",
        call_id: str = "",
    ) -> Indexed:
        """Index the `max_faces` largest faces that are fit, in transactions of 40: each whole or
        not at all.

        `judge_face`: says why a face is not fit, "" if it is. `call_id`: the same in all attempts
        of one call, so one that was cut off is completed by the next. A face that is too poor for
        the tenant's `enrol_quality`, or not alive, is left out, too. Raises ConsentMissing,
        Unusable, GroupNotFound, GroupFull, TenantFull, Busy.
        """
        require_record(tenant, None)
        seen_picture = self.services.recognition.face_analysis.describe_picture(
            without_min_age(tenant),
            picture,
            rules,
            PictureOptions(None, max_faces=MOST_FACES, embeds=True, checks_liveness=True),
        )
        reasons = {
            number: _explain_unfit(tenant, face, judge_face)
            for number, face in enumerate(seen_picture.described.faces)
        }
        fit_numbers = [number for number, reason in reasons.items() if not reason]
        unindexed = {number: reason for number, reason in reasons.items() if reason}
        unindexed |= dict.fromkeys(fit_numbers[max_faces:], "EXCEEDS_MAX_FACES")
        purpose = external_id or (f"call {call_id}" if call_id else "")
        photo = _Photo(group, sha256(picture).hexdigest(), external_id, purpose, seen_picture)
        indexed: dict[int, Face] = {}
        for batch in cut_in_parts(fit_numbers[:max_faces], A_TRANSACTION):
            indexed |= self._index_some(tenant, photo, batch)
        return Indexed(seen_picture, indexed, unindexed)

    def _enrol_portraits(
        self, tenant: Tenant, name: str, portraits: Sequence[Portrait], fields: _FaceFields
    ) -> list[EnrolledFace]:
        """Search, then commit on condition that the gallery has not moved since.

        If it has, search again.

        New faces then absorb strangers.
        """
        enrolled_faces = self._commit_enrolment(tenant, name, portraits, fields)
        for new_face in (
            enrolled_face.face for enrolled_face in enrolled_faces if not enrolled_face.known
        ):
            self.services.enrolment.absorb_strangers(tenant, new_face)
        return enrolled_faces

    @retry_if_changed(
        "many enrolments of this tenant arrive at once: send the request again in a moment"
    )
    def _commit_enrolment(
        self, tenant: Tenant, name: str, portraits: Sequence[Portrait], fields: _FaceFields
    ) -> list[EnrolledFace]:
        """Commit the enrolment, and delete pictures that no face names after it.

        Raises TooManyGroups, GroupFull.
        """
        new_keys: list[str] = []
        replaced_keys: list[str] = []
        try:
            with (
                self.services.face_pictures.replace_pictures(replaced_keys, new_keys),
                self.services.writer.hold_up_commits(tenant.name),
            ):
                return self._try_enrolment(
                    tenant, name, portraits, fields, (replaced_keys, new_keys)
                )
        except ConditionFailed as error:
            if GROUPS_LEFT in error.names and NAME_FREE not in error.names:
                max_groups = tenant.limits.groups
                raise TooManyGroups(
                    f"there are {max_groups} groups already, the most that this tenant may have"
                ) from error
            group = self.services.groups.find(tenant, name)
            self.services.enrolment.raise_refused(
                tenant, group.id if group else "", error, len(portraits)
            )
            raise

    def _try_enrolment(
        self,
        tenant: Tenant,
        name: str,
        portraits: Sequence[Portrait],
        fields: _FaceFields,
        pictures: tuple[list[str], list[str]],
    ) -> list[EnrolledFace]:
        """Enrol without a retry.

        `pictures`: two lists that get the keys of the pictures that faces had, and of those that
        are written.
        """
        old_pictures, new_pictures = pictures
        seq = self.services.writer.read_seq(tenant.name)
        group = self.services.groups.find(tenant, name)
        known_faces: Sequence[Face | None] = [None] * len(portraits)
        if group is not None:
            known_faces, seq = self._find_known_faces(tenant, group, portraits)
        makes_group = group is None
        if group is None:
            capacity = self.services.groups.choose_implicit_capacity(tenant)
            group = Group(time_ordered_id(self.services.clock.now()), name, "", 0, capacity)
        enrolled_faces: list[EnrolledFace] = []
        enrolled_by_id: dict[str, Face] = {}
        faces_before: dict[str, Face] = {}
        for portrait, known_face in zip(portraits, known_faces, strict=True):
            face = known_face or self._find_among_new(portrait, enrolled_faces)
            if face is None:
                face_after = self._make_face(tenant, group, portrait, fields)
            elif face.faceid in enrolled_by_id:  # the picture shows the person twice
                face_after = enrolled_by_id[face.faceid]
            else:
                faces_before[face.faceid], face_after = (
                    face,
                    self._refresh_face(tenant, face, portrait, fields.labels),
                )
                old_pictures.extend(face.picture_keys)
            enrolled_by_id[face_after.faceid] = face_after
            new_pictures.extend(face_after.picture_keys)
            enrolled_faces.append(
                EnrolledFace(
                    face_after,
                    group,
                    portrait.box,
                    known=face is not None,
                    estimates=portrait.estimates,
                )
            )
        change = self._make_change(
            tenant, group, enrolled_faces, faces_before, fields.labels, makes_group=makes_group
        )
        self.services.writer.commit(tenant.name, replace(change, based_on=seq))
        return enrolled_faces

    def _make_change(
        self,
        tenant: Tenant,
        group: Group,
        enrolled_faces: Sequence[EnrolledFace],
        faces_before: Mapping[str, Face],
        labels: Labels,
        *,
        makes_group: bool,
    ) -> Change:
        """Return the change to commit.

        `faces_before`: the faces of the group that change, as they were.

        Raises GroupFull if the new group would be too small.
        """
        now = self.services.clock.now()
        faces_after = {
            enrolled_face.face.faceid: drop_feelings(group, enrolled_face.face)
            for enrolled_face in enrolled_faces
        }
        before_and_after = [(face, faces_after[faceid]) for faceid, face in faces_before.items()]
        puts = [face_put(tenant, *versions) for versions in before_and_after]
        change = self.services.enrolment.make_change(
            tenant, group, enrolled_faces, now, labels, puts
        )
        if not makes_group:
            entries = [
                entry for versions in before_and_after for entry in make_change_entries(*versions)
            ]
            return replace(change, journal=(*change.journal, *entries))
        count = change.counts[group.id]
        if group.capacity is not None and count > group.capacity:
            raise GroupFull(
                f"{count} faces do not fit: a new group would have room for {group.capacity}"
            )
        return Change(
            (*change.actions, name_put(tenant.name, group)),
            change.journal,
            new_group=group_item(tenant.name, replace(group, count=count), now),
            tenant={GROUPS_LEFT: -1, CAPACITY_LEFT: -(group.capacity or 0)},
        )

    def _find_known_faces(
        self, tenant: Tenant, group: Group, portraits: Sequence[Portrait]
    ) -> tuple[list[Face | None], int]:
        """Find for each portrait the face of the group that it already is; return the seq at which
        that holds, too."""
        import numpy as np

        vectors = np.stack([portrait.embedding for portrait in portraits])
        probes = Probes(
            portraits[0].template.model,
            vectors,
            [portrait.estimates.quality for portrait in portraits],
        )
        recognised = self.services.recognition.find_duplicates(tenant, probes, group_ids=[group.id])
        return [of_probe.face for of_probe in recognised], recognised[0].seq

    def _find_among_new(
        self, portrait: Portrait, enrolled_faces: Sequence[EnrolledFace]
    ) -> Face | None:
        """Find a new face of the same picture that shows the same person (a mirror, a collage)."""
        vision = self.services.tenant_vision.choose_vision(portrait.template.model)
        point = OperatingPoint(vision.impostor_curve, DUPLICATE_FPIR)
        for new_face in (other.face for other in enrolled_faces if not other.known):
            template = parse_vector(new_face.templates[0])
            # Two faces that resemble many others must be more alike than two that look like nobody
            # else.
            demand = vision.population.compute_demand(portrait.embedding, template)
            threshold = point.find_threshold(len(enrolled_faces), demand)
            score = float(template @ portrait.embedding)
            if is_match(score, threshold, portrait.estimates.quality, new_face.estimates.quality):
                return new_face
        return None

    def _make_face(
        self, tenant: Tenant, group: Group, portrait: Portrait, fields: _FaceFields
    ) -> Face:
        """Make a new face of a group from a portrait, whose picture is written to storage.

        The face itself is not stored yet. Labels that it is given win over those that it had
        elsewhere before.
        """
        now = self.services.clock.now()
        faceid = time_ordered_id(now)
        face = Face(
            faceid,
            group.id,
            now,
            (),
            labels=_merge_labels(fields.old_labels, fields.labels),
            consent=fields.consent,
        )
        return replace(
            face, pictures=(self.services.enrolment.write_portrait(tenant, face, portrait, now),)
        )

    def _refresh_face(self, tenant: Tenant, face: Face, portrait: Portrait, labels: Labels) -> Face:
        face = replace(face, labels=_merge_labels(face.labels, labels))
        if (
            face.hold is not None
            or (portrait.estimates.quality or 0) <= (face.estimates.quality or 0) + BETTER_PICTURE
        ):
            return face
        picture = self.services.enrolment.write_portrait(
            tenant, face, portrait, self.services.clock.now()
        )
        other_pictures = tuple(
            known_picture for known_picture in face.pictures[1:] if known_picture.id != picture.id
        )
        return replace(face, pictures=(picture, *other_pictures))

    @retry_if_changed(
        "many enrolments of this tenant arrive at once: send the request again in a moment"
    )
    def _index_some(self, tenant: Tenant, photo: _Photo, numbers: Sequence[int]) -> dict[int, Face]:
        """Index these faces in one transaction, but those that are indexed already."""
        ids = self._choose_ids(tenant, photo, numbers)
        known_faces = {number: face for number, (_, face) in ids.items() if face is not None}
        new_faceids = {number: faceid for number, (faceid, face) in ids.items() if face is None}
        if not new_faceids:
            return known_faces
        try:
            return known_faces | self._write_faces(tenant, photo, new_faceids)
        except ConditionFailed as error:
            self.services.enrolment.raise_refused(tenant, photo.group.id, error, len(new_faceids))
            raise

    def _choose_ids(
        self, tenant: Tenant, photo: _Photo, numbers: Sequence[int]
    ) -> dict[int, tuple[str, Face | None]]:
        """Return the id of each face of the photo, by its number, and the face if it is indexed
        already.

        An id that a face at another place of the photo has is passed over: the next one is derived.
        So is that of a restricted face, which no answer names.
        """
        chosen: dict[int, tuple[str, Face | None]] = {}
        remaining_numbers, tries = list(numbers), 0
        while remaining_numbers:
            ids = {
                number: _derive_faceid(tenant, photo, number, tries) for number in remaining_numbers
            }
            stored_faces_by_id = self.services.faces.by_id(tenant, ids.values(), restricted=True)
            remaining_numbers = []
            for number, faceid in ids.items():
                face = stored_faces_by_id.get(faceid)
                if face is not None and not _is_answered(face, photo, number):
                    remaining_numbers.append(number)
                else:
                    chosen[number] = faceid, face
            tries += 1
        return chosen

    def _write_faces(
        self, tenant: Tenant, photo: _Photo, new_faceids: dict[int, str]
    ) -> dict[int, Face]:
        """Store the pictures, then commit. The pictures are deleted if the commit is refused."""
        now = self.services.clock.now()
        enrolled = dict[int, EnrolledFace]()
        stored_keys = list[str]()
        with self.services.face_pictures.replace_pictures((), stored_keys):
            for number, faceid in new_faceids.items():
                face = Face(
                    faceid,
                    photo.group.id,
                    now,
                    (),
                    external_id=photo.external_id,
                    version=first_version(),
                )
                portrait = _make_portrait(photo, number)
                face = replace(
                    face,
                    pictures=(self.services.enrolment.write_portrait(tenant, face, portrait, now),),
                )
                stored_keys += face.picture_keys
                enrolled[number] = EnrolledFace(
                    face, photo.group, portrait.box, False, face.estimates
                )
            change = self.services.enrolment.make_change(
                tenant, photo.group, [*enrolled.values()], now
            )
            self.services.writer.commit(tenant.name, change)
        return {number: enrolled_face.face for number, enrolled_face in enrolled.items()}


def _merge_labels(old_labels: Labels, new_labels: Labels) -> Labels:
    return Labels(
        new_labels.a or old_labels.a,
        new_labels.b or old_labels.b,
        new_labels.c or old_labels.c,
        new_labels.d or old_labels.d,
    )


class Indexed(Struct, frozen=True):
    """The outcome: what was seen, the faces that are indexed by their numbers in it, and of the
    others the reason."""

    seen: SeenPicture
    faces: dict[int, Face]
    unindexed: dict[int, str]


class _Photo(Struct, frozen=True):
    """A photo that is being indexed.

    `purpose`: what sets it apart from the same photo, indexed for something else.
    """

    group: Group
    sha256: str
    external_id: str
    purpose: str
    seen: SeenPicture


def _derive_faceid(tenant: Tenant, photo: _Photo, number: int, tries: int) -> str:
    """Derive a face's id (RFC 9562, version 5).

    `tries`: how many ids before it belong to faces at other places.
    """
    name = [
        photo.group.id,
        photo.sha256,
        photo.purpose,
        str(number),
        *([str(tries)] if tries else []),
    ]
    uuid = uuid5(NAMESPACE_OID, "\n".join(name))
    return str(uuid.int >> 65) if tenant.numeric_faceids_only else str(uuid)


def _is_answered(face: Face, photo: _Photo, number: int) -> bool:
    """Tell whether a stored face is this one of the photo, and not another one that an earlier
    detector found, nor restricted."""
    if face.restriction is not None:
        return False
    stored_box = face.portrait.found
    return (
        stored_box is None
        or stored_box.measure_overlap(_make_found(photo.seen, number)) >= SAME_FACE_OVERLAP
    )


def _make_found(seen_picture: SeenPicture, number: int) -> Found:
    described_picture = seen_picture.described
    return Found.convert_face(
        described_picture.faces[number].detected,
        Sides(described_picture.width, described_picture.height),
    )


def _make_portrait(photo: _Photo, number: int) -> Portrait:
    picture = photo.seen
    face, embedding = picture.described.faces[number], picture.embeddings[number]
    return Portrait(
        face.detected.box,
        embedding,
        make_template(picture.model, embedding),
        round_estimates(face.estimates),
        picture.crop(number),
        photo_id(photo.sha256),
        _make_found(picture, number),
    )


def _explain_unfit(tenant: Tenant, face: DescribedFace, judge: Judge) -> str:
    """Return why a face is left out; "" if it is not."""
    too_poor = tenant.enrol_quality is not None and face.quality.total < tenant.enrol_quality
    if too_poor or face.spoof:
        return "LOW_FACE_QUALITY"
    return judge(face)
