"""Enrolment of all faces of a picture, or of a stored face, in a group: all or none, each person
once.

Indexing makes each face of a photo a face of its own, with an id that follows from the photo.
Nobody is looked for and nobody is merged: a person has as many faces as photos were indexed. The
same photo with the same external id in the same group gives the same ids: to index it again adds
nothing. Without an external id, so does the same call, sent again; another call makes another face.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from uuid import NAMESPACE_OID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.commit import Change
from chalicelib.book.enrolment.fields import EnrolledFace
from chalicelib.book.face_pictures import NO_JPEG, PictureReplacement
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
from chalicelib.domain.model import NO_LABELS, Face, Group, JournalEntry, Labels, Tenant
from chalicelib.domain.names import legal_group_name
from chalicelib.domain.pictures import FaceJpeg, Found, PictureRules, Sides
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
"""A new picture replaces a known face's if its quality is higher by more than this, the noise."""

A_TRANSACTION = 40
"""Faces that are indexed all or none; more take several transactions."""

SAME_FACE_OVERLAP = 0.5
"""A stored face is not the photo's of that id if their boxes overlap by less than this share."""

Judge = Callable[[DescribedFace], str]
"""Says why a face is not fit to be indexed; "" if it is."""


class _FaceFields(Struct, frozen=True):
    """Fields that all new faces of one enrolment get.

    `labels`: those of the call; `old_labels`: those where the call gives none.
    """

    labels: Labels
    old_labels: Labels = NO_LABELS
    consent: Consent | None = None


class _SearchedGroup(NamedTuple):
    """A group in which portraits were searched for.

    `is_new`: it is still to be made; `known_faces`: for each portrait the group's face of the same
    person, or None; `seq`: the version of the gallery (all stored faces) that was searched.
    """

    group: Group
    is_new: bool
    known_faces: Sequence[Face | None]
    seq: int


class _ChosenId(NamedTuple):
    """The id of a photo's face, and the face if it is stored under that by an earlier attempt."""

    faceid: str
    stored_face: Face | None


class GroupEnrolment(Service["Book"]):
    """Enrolment of several faces at once: of a picture, or of a stored face in one more group."""

    def enrol_all_in_picture(
        self, tenant: Tenant, group_name: str, picture: bytes, rules: PictureRules, labels: Labels
    ) -> list[EnrolledFace]:
        """Enrol every face of a picture in a group, largest first; create the group if needed.

        A face that is in the group already keeps its id. It gets the labels that are given, and the
        new picture if that is better and the face is under no legal hold. On an error nothing is
        enrolled. Raises IllegalGroupName, Unusable, GroupFull, TenantFull, TooManyGroups,
        ConsentMissing, FaceHeld (a face under legal hold would lose a label), Busy.
        """
        name = legal_group_name(group_name)
        portraits = self.services.portraits.portray_all(tenant, picture, rules)
        return self._enrol_portraits(tenant, name, portraits, _FaceFields(labels))

    def enrol_stored_face(
        self, tenant: Tenant, group_name: str, faceid: str, labels: Labels
    ) -> EnrolledFace:
        """Enrol a stored face of any group in a group, too; return the new face.

        If a face of that group shows the same person, return that one. The new face gets the old
        one's first picture, templates (vectors) and record of consent, and those of its labels that
        are not given. Raises FaceNotFound, and the errors of `enrol_all_in_picture`.
        """
        name = legal_group_name(group_name)
        face = self.services.faces.get(tenant, faceid)
        template = of_model(face.templates, tenant.model)
        if template is None:
            raise Unusable(f"face {faceid!r} has no template of the model {tenant.model!r} yet")
        # A tenant may keep no pictures: then the new face has none, but the same template.
        jpeg: FaceJpeg | None = NO_JPEG
        if face.picture_key:
            jpeg = self.services.face_pictures.load_picture(face.first_picture)
        if jpeg is None:
            raise FaceNotFound(f"there is no face {faceid!r} any more: it was deleted just now")
        portrait = Portrait(
            box=None,  # there is no picture that it would be a place in
            embedding=parse_vector(template),
            template=template,
            estimates=face.estimates,
            jpeg=jpeg,
            photo_id=face.first_picture.id,
        )
        fields = _FaceFields(labels, old_labels=face.labels, consent=face.consent)
        [enrolled] = self._enrol_portraits(tenant, name, [portrait], fields)
        return enrolled

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
        """Store the `max_faces` largest fit faces of a photo, each a new face of the group.

        `judge_face` says why a face is not fit, or "". One that is too poor or not alive never is.
        Of each 40, all are stored or none. A face's id follows from the photo and `external_id`,
        the caller's name for the photo. Without that it follows from `call_id`, the same in all
        attempts of a call. So an attempt completes one that was cut off, and stores no face twice.
        Raises ConsentMissing, Unusable, GroupNotFound, GroupFull, TenantFull, Busy.
        """
        require_record(tenant, None)  # raises if the tenant needs a record of consent
        options = PictureOptions(None, max_faces=MOST_FACES, embeds=True, checks_liveness=True)
        seen_picture = self.services.recognition.face_analysis.describe_picture(
            without_min_age(tenant), picture, rules, options
        )
        fit_numbers: list[int] = []  # places in the photo's list of faces: 0 is the largest
        unindexed: dict[int, str] = {}
        for number, face in enumerate(seen_picture.described.faces):
            reason = _explain_unfit(tenant, face, judge_face)
            if reason:
                unindexed[number] = reason
            else:
                fit_numbers.append(number)
        unindexed |= dict.fromkeys(fit_numbers[max_faces:], "EXCEEDS_MAX_FACES")

        id_source = external_id or (f"call {call_id}" if call_id else "")
        photo = _Photo(group, sha256(picture).hexdigest(), external_id, id_source, seen_picture)
        indexed: dict[int, Face] = {}
        for batch in cut_in_parts(fit_numbers[:max_faces], A_TRANSACTION):
            indexed |= self._index_some(tenant, photo, batch)
        return Indexed(seen_picture, indexed, unindexed)

    def _enrol_portraits(
        self, tenant: Tenant, name: str, portraits: Sequence[Portrait], fields: _FaceFields
    ) -> list[EnrolledFace]:
        """Enrol the faces that these portraits show in the group of that name; return them.

        Strangers (faces that cameras saw and nobody named) who surely are one of the new faces
        become part of it, once those are stored. Raises as `enrol_all_in_picture`.
        """
        enrolled_faces = self._commit_enrolment(tenant, name, portraits, fields)
        for enrolled in enrolled_faces:
            if not enrolled.known:
                self.services.enrolment.absorb_strangers(tenant, enrolled.face)
        return enrolled_faces

    @retry_if_changed(
        "many enrolments of this tenant arrive at once: send the request again in a moment"
    )
    def _commit_enrolment(
        self, tenant: Tenant, name: str, portraits: Sequence[Portrait], fields: _FaceFields
    ) -> list[EnrolledFace]:
        """Search for these faces in the group, then store them; return them.

        If the gallery (all stored faces) changes in between, the decorator does both again.
        """
        try:
            with (
                # It deletes the pictures that were replaced, or the new ones after an error.
                self.services.face_pictures.replace_pictures() as replaced,
                # This process's other changes wait, so that the gallery is as it was searched.
                self.services.writer.hold_up_commits(tenant.name),
            ):
                return self._try_enrolment(tenant, name, portraits, fields, replaced)
        except ConditionFailed as error:
            self._raise_lasting_refusal(tenant, name, error, len(portraits))
            raise  # the decorator tries again

    def _raise_lasting_refusal(
        self, tenant: Tenant, name: str, error: ConditionFailed, number: int
    ) -> None:
        """Raise what users get when storage refused so many faces; return to try again.

        `error` names the conditions that failed. The tenant may have no further group
        (GROUPS_LEFT). If somebody else has made a group of this name meanwhile (NAME_FREE), that
        does not matter: the next try finds that group, and makes none.
        """
        is_group_made_by_others = NAME_FREE in error.names
        if GROUPS_LEFT in error.names and not is_group_made_by_others:
            max_groups = tenant.limits.groups
            raise TooManyGroups(
                f"there are {max_groups} groups already, the most that this tenant may have"
            ) from error
        group = self.services.groups.find(tenant, name)
        group_id = group.id if group else ""
        self.services.enrolment.raise_lasting_refusal(tenant, group_id, error, number)

    def _try_enrolment(
        self,
        tenant: Tenant,
        name: str,
        portraits: Sequence[Portrait],
        fields: _FaceFields,
        replaced: PictureReplacement,
    ) -> list[EnrolledFace]:
        """Search for these faces and store them, in one try; return them.

        `replaced` is told the keys of the pictures that the faces had, and of those that they get.
        Raises GalleryMoved if the gallery's version (seq) is not that of the search any more.
        """
        searched = self._search_group(tenant, name, portraits)
        enrolled_faces: list[EnrolledFace] = []
        enrolled_by_id: dict[str, Face] = {}  # as they are to be stored
        faces_before: dict[str, Face] = {}  # the known ones, as they are stored
        for portrait, known_face in zip(portraits, searched.known_faces, strict=True):
            face = known_face or self._find_among_new(portrait, enrolled_faces)
            if face is None:
                face_after = self._make_face(tenant, searched.group, portrait, fields)
            elif face.faceid in enrolled_by_id:  # the picture shows the person twice
                face_after = enrolled_by_id[face.faceid]
            else:
                face_after = self._refresh_face(tenant, face, portrait, fields.labels)
                faces_before[face.faceid] = face
                replaced.before.extend(face.picture_keys)
            enrolled_by_id[face_after.faceid] = face_after
            replaced.after.extend(face_after.picture_keys)
            is_known = face is not None
            enrolled = EnrolledFace(
                face_after, searched.group, portrait.box, is_known, portrait.estimates
            )
            enrolled_faces.append(enrolled)

        now = self.services.clock.now()
        change = self._make_change(
            tenant, searched.group, enrolled_faces, faces_before, fields.labels, now
        )
        if searched.is_new:
            change = _add_new_group(tenant, searched.group, change, now)
        self.services.writer.commit(tenant.name, replace(change, based_on=searched.seq))
        return enrolled_faces

    def _search_group(
        self, tenant: Tenant, name: str, portraits: Sequence[Portrait]
    ) -> _SearchedGroup:
        """Return the group of that name, with its faces that show the portraits' persons.

        A group that is not there is returned as it is to be made: it has nobody yet. Raises
        TenantFull if there is no capacity left for it.
        """
        seq = self.services.writer.read_seq(tenant.name)
        group = self.services.groups.find(tenant, name)
        if group is None:
            capacity = self.services.groups.choose_implicit_capacity(tenant)
            group = Group(time_ordered_id(self.services.clock.now()), name, "", 0, capacity)
            nobody = [None] * len(portraits)
            return _SearchedGroup(group, is_new=True, known_faces=nobody, seq=seq)

        import numpy as np

        vectors = np.stack([portrait.embedding for portrait in portraits])
        qualities = [portrait.estimates.quality for portrait in portraits]
        probes = Probes(portraits[0].template.model, vectors, qualities)
        recognised = self.services.recognition.find_duplicates(tenant, probes, group_ids=[group.id])
        known_faces = [of_probe.face for of_probe in recognised]
        return _SearchedGroup(group, is_new=False, known_faces=known_faces, seq=recognised[0].seq)

    def _make_change(
        self,
        tenant: Tenant,
        group: Group,
        enrolled_faces: Sequence[EnrolledFace],
        faces_before: Mapping[str, Face],
        labels: Labels,
        now: datetime,
    ) -> Change:
        """Return the change of the gallery that stores these faces, new and changed.

        `faces_before` has, by id, the group's faces that change, as they were. `labels` are those
        of the observations, which statistics count.
        """
        faces_after = {
            enrolled.face.faceid: drop_feelings(group, enrolled.face) for enrolled in enrolled_faces
        }
        puts = []
        entries: list[JournalEntry] = []  # what searches learn of the changed faces
        for faceid, before in faces_before.items():
            puts.append(face_put(tenant, before, faces_after[faceid]))
            entries += make_change_entries(before, faces_after[faceid])
        change = self.services.enrolment.make_change(
            tenant, group, enrolled_faces, now, labels, puts
        )
        return replace(change, journal=(*change.journal, *entries))

    def _find_among_new(
        self, portrait: Portrait, enrolled_faces: Sequence[EnrolledFace]
    ) -> Face | None:
        """Return a new face of the same picture that shows the same person, or None.

        A mirror or a collage may show somebody twice. New faces are not stored yet, so no search
        finds them. They are compared as by a search for duplicates: few false matches are allowed.
        """
        vision = self.services.tenant_vision.choose_vision(portrait.template.model)
        # The operating point turns a share of false matches into the least score of a match.
        point = OperatingPoint(vision.impostor_curve, DUPLICATE_FPIR)
        for enrolled in enrolled_faces:
            if enrolled.known:  # it is stored: the search has compared it already
                continue
            new_face = enrolled.face
            template = parse_vector(new_face.templates[0])
            # A demand is added to the threshold of these two, more if they resemble many others.
            demand = vision.population.compute_demand(portrait.embedding, template)
            threshold = point.find_threshold(len(enrolled_faces), demand)
            score = float(template @ portrait.embedding)
            if is_match(score, threshold, portrait.estimates.quality, new_face.estimates.quality):
                return new_face
        return None

    def _make_face(
        self, tenant: Tenant, group: Group, portrait: Portrait, fields: _FaceFields
    ) -> Face:
        """Return a new face of a group from a portrait; its picture is stored, itself not yet.

        Labels that the call gives go before those that the person's other face has (`old_labels`).
        """
        now = self.services.clock.now()
        face = Face(
            faceid=time_ordered_id(now),
            group_id=group.id,
            enrolled_at=now,
            pictures=(),
            labels=_merge_labels(fields.old_labels, fields.labels),
            consent=fields.consent,
        )
        picture = self.services.enrolment.write_portrait(tenant, face, portrait, now)
        return replace(face, pictures=(picture,))

    def _refresh_face(self, tenant: Tenant, face: Face, portrait: Portrait, labels: Labels) -> Face:
        """Return a known face with the labels that are given, and a better first picture.

        The picture stays if the portrait's quality is hardly higher, or the face is under legal
        hold, since the old one would go. A new picture is stored here; the face itself is not.
        """
        face = replace(face, labels=_merge_labels(face.labels, labels))
        stored_quality, quality = face.estimates.quality or 0, portrait.estimates.quality or 0
        if face.hold is not None or quality <= stored_quality + BETTER_PICTURE:
            return face
        now = self.services.clock.now()
        picture = self.services.enrolment.write_portrait(tenant, face, portrait, now)
        # Its first picture goes. So does another one of this very photo: none is there twice.
        others = [each for each in face.pictures[1:] if each.id != picture.id]
        return replace(face, pictures=(picture, *others))

    @retry_if_changed(
        "many enrolments of this tenant arrive at once: send the request again in a moment"
    )
    def _index_some(self, tenant: Tenant, photo: _Photo, numbers: Sequence[int]) -> dict[int, Face]:
        """Store these faces of a photo, all or none; return them by number.

        A face's id follows from the photo and its number (0 is the largest face). So an earlier
        attempt's faces are found by it. They stay as they are, and are returned, too.
        """
        known_faces: dict[int, Face] = {}
        new_faceids: dict[int, str] = {}
        for number, (faceid, stored_face) in self._choose_ids(tenant, photo, numbers).items():
            if stored_face is None:
                new_faceids[number] = faceid
            else:
                known_faces[number] = stored_face
        if not new_faceids:
            return known_faces
        try:
            return known_faces | self._write_faces(tenant, photo, new_faceids)
        except ConditionFailed as error:
            self.services.enrolment.raise_lasting_refusal(
                tenant, photo.group.id, error, len(new_faceids)
            )
            raise  # the decorator tries again

    def _choose_ids(
        self, tenant: Tenant, photo: _Photo, numbers: Sequence[int]
    ) -> dict[int, _ChosenId]:
        """Return the id of each of these faces of a photo, by number, and the face if it is stored.

        The first id to try is a hash of the photo and the face's number. An earlier attempt may
        have stored this face under it. If another face is there, the next id is tried, a hash of
        these and 1, and so on. Another one is at another place of the photo, or is restricted
        (kept, but shown to nobody). Each round looks up the faces that are still without id.
        """
        chosen: dict[int, _ChosenId] = {}
        remaining_numbers, tries = list(numbers), 0
        while remaining_numbers:
            ids = {
                number: _derive_faceid(tenant, photo, number, tries) for number in remaining_numbers
            }
            stored_faces = self.services.faces.by_id(tenant, ids.values(), restricted=True)
            for number, faceid in ids.items():
                stored_face = stored_faces.get(faceid)
                if stored_face is None or _is_face_of_photo(stored_face, photo, number):
                    chosen[number] = _ChosenId(faceid, stored_face)
            remaining_numbers = [number for number in ids if number not in chosen]
            tries += 1
        return chosen

    def _write_faces(
        self, tenant: Tenant, photo: _Photo, new_faceids: dict[int, str]
    ) -> dict[int, Face]:
        """Store faces of a photo with their pictures, in one transaction; return them by number.

        `new_faceids` has their ids, by number. The pictures are stored first; `replace_pictures`
        deletes them again if the transaction is refused.
        """
        now = self.services.clock.now()
        enrolled_faces: dict[int, EnrolledFace] = {}
        with self.services.face_pictures.replace_pictures() as replaced:
            for number, faceid in new_faceids.items():
                enrolled = self._write_picture_of(tenant, photo, number, faceid, now)
                replaced.after.extend(enrolled.face.picture_keys)
                enrolled_faces[number] = enrolled
            change = self.services.enrolment.make_change(
                tenant, photo.group, [*enrolled_faces.values()], now
            )
            self.services.writer.commit(tenant.name, change)
        return {number: enrolled.face for number, enrolled in enrolled_faces.items()}

    def _write_picture_of(
        self, tenant: Tenant, photo: _Photo, number: int, faceid: str, now: datetime
    ) -> EnrolledFace:
        """Return a face of a photo as it is to be stored under this id; its picture is stored."""
        portrait = _make_portrait(photo, number)
        face = Face(
            faceid=faceid,
            group_id=photo.group.id,
            enrolled_at=now,
            pictures=(),
            external_id=photo.external_id,
            version=first_version(),
        )
        picture = self.services.enrolment.write_portrait(tenant, face, portrait, now)
        face = replace(face, pictures=(picture,))
        return EnrolledFace(
            face, photo.group, portrait.box, known=False, estimates=portrait.estimates
        )


def _add_new_group(tenant: Tenant, group: Group, change: Change, now: datetime) -> Change:
    """Return a change that enrols faces in a group, so that it makes the group, too.

    The group is stored with the number of its faces, so nothing is left to count. It takes a
    group and its capacity of the tenant's limits. Raises GroupFull if the faces are too many.
    """
    count = change.counts[group.id]
    if group.capacity is not None and count > group.capacity:
        raise GroupFull(
            f"{count} faces do not fit: a new group would have room for {group.capacity}"
        )
    item = group_item(tenant.name, replace(group, count=count), now)
    return replace(
        change,
        actions=(*change.actions, name_put(tenant.name, group)),
        counts={},
        limited_groups=frozenset(),
        new_group=item,
        directory_counts={GROUPS_LEFT: -1, CAPACITY_LEFT: -(group.capacity or 0)},
    )


def _merge_labels(old_labels: Labels, new_labels: Labels) -> Labels:
    return Labels(*(new or old for new, old in zip(new_labels, old_labels, strict=True)))


class Indexed(Struct, frozen=True):
    """The outcome of indexing a photo: the faces found on it, and those that were stored.

    `faces`: those stored, by their numbers in `seen`; `unindexed`: of the others the reason.
    """

    seen: SeenPicture
    faces: dict[int, Face]
    unindexed: dict[int, str]


class _Photo(Struct, frozen=True):
    """A photo that is being indexed.

    `id_source`: what the faces' ids follow from, beside the photo. It is the caller's name of the
    photo, or the call's id, so that the same photo, indexed for something else, gives other faces.
    """

    group: Group
    sha256: str
    external_id: str
    id_source: str
    seen: SeenPicture


def _derive_faceid(tenant: Tenant, photo: _Photo, number: int, tries: int) -> str:
    """Return the id of a photo's face, a UUID (RFC 9562, version 5) that follows from both.

    `tries` is how many ids before it belong to other faces. Some tenants take only numbers, of 19
    digits at most; theirs is the UUID's first 63 bits.
    """
    parts = [photo.group.id, photo.sha256, photo.id_source, str(number)]
    if tries:  # the first id is without, as it always was
        parts.append(str(tries))
    uuid = uuid5(NAMESPACE_OID, "\n".join(parts))
    return str(uuid.int >> 65) if tenant.numeric_faceids_only else str(uuid)


def _is_face_of_photo(face: Face, photo: _Photo, number: int) -> bool:
    """Tell whether a stored face is this one of the photo, so that an answer may name it.

    It is not if its place is another one, since an earlier detector gave this number to another
    face. Nor is it if the face is restricted, which is kept but shown no more.
    """
    if face.restriction is not None:
        return False
    stored_place = face.first_picture.found
    if stored_place is None:  # its first picture is of no photo
        return True
    return stored_place.measure_overlap(_make_found(photo.seen, number)) >= SAME_FACE_OVERLAP


def _make_found(seen_picture: SeenPicture, number: int) -> Found:
    """Return the place of one of a picture's faces, as it is stored."""
    described = seen_picture.described
    sides = Sides(described.width, described.height)
    return Found.convert_face(described.faces[number].detected, sides)


def _make_portrait(photo: _Photo, number: int) -> Portrait:
    """Return one of a photo's faces as it is enrolled: cut out, with its template and estimates."""
    picture = photo.seen
    face, embedding = picture.described.faces[number], picture.embeddings[number]
    return Portrait(
        box=face.detected.box,
        embedding=embedding,
        template=make_template(picture.model, embedding),
        estimates=round_estimates(face.estimates),
        jpeg=picture.crop(number),
        photo_id=photo_id(photo.sha256),
        found=_make_found(picture, number),
    )


def _explain_unfit(tenant: Tenant, face: DescribedFace, judge: Judge) -> str:
    """Return why a face is left out of an index, as its API says it; "" if it is not.

    Its quality is below the tenant's least, it is not alive, or `judge`, the caller's, says why.
    """
    too_poor = tenant.enrol_quality is not None and face.quality.total < tenant.enrol_quality
    if too_poor or face.spoof:
        return "LOW_FACE_QUALITY"
    return judge(face)
