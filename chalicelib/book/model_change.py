"""A tenant's change to another embedding model while the service runs.

All faces are embedded again from their pictures, then searches switch to the new model.

Templates of the new model are stored beside the old ones and written to the journal, from which the
new model's gallery is built. Searches use the old model until the tenant's directory item names the
new one. That switch requires that all changes up to its seq are covered. The faces themselves hold
the progress, so a run that was killed is simply started again.

Negatives are embedded from the pictures of their captures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from statistics import fmean
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.book.commit import Change, GalleryMoved
from chalicelib.book.faces import has_ended_record
from chalicelib.book.models import Embedder, list_known_templates
from chalicelib.domain.captures import RULES, parts_of_sighting
from chalicelib.domain.errors import Busy, ConditionFailed, Conflict, InvalidInput, Unusable
from chalicelib.domain.model import (
    RESTRICTED,
    Edit,
    Face,
    JournalEntry,
    Negative,
    Picture,
    Template,
)
from chalicelib.domain.rules.templates import face_set_of, is_face_set, reduce_templates
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    ENDED_CHANGES,
    cut_in_parts,
    directory_of,
    gone_of,
    walk_items,
    write,
)
from chalicelib.storage.ports import ItemStore, Update, Vision, equals, exists
from chalicelib.storage.records.faces import face_from, face_update, picture_fields, tenant_from

if TYPE_CHECKING:
    from chalicelib.book.book import Book

CHUNK_FACES = 16
"""Faces in one transaction, and so the most work that a kill loses."""

GONE = "its picture is gone"

PictureTemplates = Mapping[tuple[str, str], Template]
"""New templates of one face, by the id and key of their pictures."""

_FACES_A_PAGE = 100
"""Faces that are read at once."""
_MOST_ROUNDS = 1_000
"""Rounds in which a run catches up with faces that change meanwhile, before it gives up."""


class ReembeddedNegatives(Struct, frozen=True):
    """Counts of negatives that got a template of the new model now, and that cannot get one: their
    capture is gone."""

    embedded: int = 0
    without_capture: int = 0


class Remaining(Struct, frozen=True):
    """The work left: kept pictures that have no template of the new model, and the faces that have
    such pictures."""

    faces: int
    pictures: int


class ReembeddingOutcome(Struct, frozen=True):
    """The outcome of a run.

    `failures`: why a picture could not be embedded, by faceid; these faces are kept as they are.
    `lost`: those of them without any template of the new model, which searches no longer find.
    `rejected`: the same for negatives.
    """

    model: str
    switched: bool = False
    embedded: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    rejected: ReembeddedNegatives = field(default_factory=ReembeddedNegatives)


class Reembedding(Service["Book"]):
    """Runs that change a tenant's model."""

    def read_model(self, tenant: str) -> str:
        """Return the model that searches use now. Raises TenantNotFound."""
        return str(directory_of(self.services.items, tenant)["model"])

    def count_faces(self, tenant: str) -> int:
        """Return how many faces the tenant has, by the counts of its groups."""
        return sum(
            int(group["count"])
            for group in walk_items(
                self.services.items, keys.DIRECTORY, tenant, between=keys.GROUPS
            )
        )

    def count_remaining(self, tenant: str, model: str) -> Remaining:
        """Count the pictures that a change to this model still has to embed. Reads all faces."""
        picture_counts = [
            len(lacking_pictures) for _, lacking_pictures in self._list_lacking_faces(tenant, model)
        ]
        return Remaining(len(picture_counts), sum(picture_counts))

    def measure_embedding(
        self, tenant: str, old: Vision, new: Vision, max_faces: int = 8
    ) -> float | None:
        """Return the mean seconds that embedding the first few faces takes that need it; None: none
        can be measured."""
        embedder = Embedder(old, new)
        seconds: list[float] = []  # of each face
        for face, pictures in self._list_lacking_faces(tenant, new.model):
            begin_s, embedded_count = time.perf_counter(), 0
            for picture in pictures:
                if (jpeg := self.services.storage.blobs.get(picture.key)) is not None:
                    with suppress(Unusable):
                        embedder.make_template(list_known_templates(face, picture), jpeg)
                        embedded_count += 1
            if embedded_count:
                seconds.append(time.perf_counter() - begin_s)
            if len(seconds) == max_faces:
                break
        return fmean(seconds) if seconds else None

    def _list_lacking_faces(self, tenant: str, model: str) -> Iterator[tuple[Face, list[Picture]]]:
        """Yield each face that has kept pictures without a template of the model, with those
        pictures."""
        for face in _list_faces(self.services.items, tenant):
            lacking_pictures = [
                picture for picture in face.pictures if picture.key and not picture.has(model)
            ]
            if lacking_pictures:
                yield face, lacking_pictures

    def change_model(
        self,
        tenant: str,
        old: Vision,
        new: Vision,
        on_progress: Callable[[int, int], None] = lambda _seen, _faces: None,
        *,
        threads: int = 1,
    ) -> ReembeddingOutcome:
        """Embed all pictures that need it, then switch.

        Resume a run that was cut off; do nothing if all is done.

        `old`: the vision of the present model, which finds the right face if a picture shows
        several; `on_progress`: told of how many of the faces were checked. Faces that cannot be
        embedded are left as they are and named in the outcome. Raises TenantNotFound, Busy, also if
        another run changes the tenant to a different model, StorageUnavailable; the work done until
        then is kept.
        """
        self._require_pictures(tenant, new.model)
        run = _Run(
            self,
            tenant,
            Embedder(old, new),
            on_progress,
            faces=self.count_faces(tenant),
            threads=threads,
        )
        self._announce_model(tenant, new.model)
        seq = self.services.writer.read_seq(tenant)
        run.embed_all_faces()
        negatives = self._embed_negatives(tenant, Embedder(old, new))
        if self.read_model(tenant) == new.model:
            return replace(run.make_outcome(switched=False), rejected=negatives)
        self.services.index.build(tenant)
        for _ in range(_MOST_ROUNDS):
            seq = self._catch_up(run, seq)
            try:
                self.services.writer.commit(
                    tenant, Change((), (), based_on=seq, switch_to=new.model)
                )
            except GalleryMoved:
                continue
            except ConditionFailed as error:
                # else a second run to the same model was first
                if self.read_model(tenant) != new.model:
                    raise Busy(
                        f"tenant {tenant!r} is being changed to another model: let one run end"
                    ) from error
            # Pictures that were rejected since, until the switch.
            later_negatives = self._embed_negatives(tenant, Embedder(old, new))
            negatives = ReembeddedNegatives(
                negatives.embedded + later_negatives.embedded, later_negatives.without_capture
            )
            return replace(run.make_outcome(switched=True), rejected=negatives)
        raise Busy(
            f"faces of tenant {tenant!r} change faster than they are embedded: run this again in a "
            "quieter hour"
        )

    def _require_pictures(self, tenant: str, model: str) -> None:
        """Raise Conflict if the tenant keeps no pictures, and faces would be lost, since nothing
        can be embedded."""
        item = self.services.items.get(keys.TENANTS, keys.tenant_item(tenant))
        if item is None or tenant_from(item).keeps_pictures:
            return
        faces = _list_faces(self.services.items, tenant)
        lost_count = sum(not any(picture.has(model) for picture in face.compared) for face in faces)
        if lost_count:
            raise Conflict(
                f"tenant {tenant!r} keeps no pictures, and only from pictures templates of another "
                "model are made: "
                f"{lost_count} faces would be found no more. Stay with its model; or enrol its "
                "people anew in a new "
                "tenant, which begins with the new model"
            )

    def _announce_model(self, tenant: str, model: str) -> None:
        """Name the next model in the tenant's directory item, so that its gallery is kept too from
        now on."""
        if self.read_model(tenant) == model:
            return
        if_there = (exists("tenant-exists"),)
        write(
            self.services.items,
            [
                Update(
                    keys.DIRECTORY, (tenant, keys.TENANT_ITEM), if_there, set={"next_model": model}
                )
            ],
        )

    def _catch_up(self, run: _Run, covered_seq: int) -> int:
        """Embed the faces that came or changed since seq `covered_seq`.

        Return the seq that is covered then.
        """
        until_seq = self.services.writer.read_seq(run.tenant)
        entries = self.services.ports.journal(run.tenant, covered_seq, until_seq)
        if entries is None:
            run.embed_all_faces()
        else:
            changed_faceids = [
                e.faceid
                for e in entries
                if e.edit in (Edit.PUT, Edit.REPLACE) and not is_face_set(e.faceid)
            ]
            run.embed_some_faces(list(dict.fromkeys(changed_faceids)))
        return until_seq

    def _embed_negatives(self, tenant: str, embedder: Embedder) -> ReembeddedNegatives:
        """Embed all negatives that have no template of the embedder's model yet.

        Called again, continue.
        """
        embedded_count = gone_count = 0
        for faceid, negative in self.services.recognition.negatives.list_all(tenant):
            if any(template.model == embedder.model for template in negative.templates):
                continue
            template = self._embed_negative(tenant, negative, embedder)
            if template is None:
                gone_count += 1
            elif self.services.recognition.negatives.add_template(
                tenant, faceid, negative, template
            ):
                embedded_count += 1
        return ReembeddedNegatives(embedded_count, gone_count)

    def _embed_negative(
        self, tenant: str, negative: Negative, embedder: Embedder
    ) -> Template | None:
        """Return a negative's template of the new model, made from the capture's picture.

        A negative is a sighting that somebody said is not of this face. None: its picture is gone,
        or the face is not found in it again.
        """
        try:
            capture_id, _ = parts_of_sighting(negative.sighting_id)
        except ValueError:
            return None
        picture = self.services.storage.uploads.get(
            keys.capture_picture(tenant, negative.camera, capture_id)
        )
        if picture is None:
            return None
        try:
            return embedder.make_template(negative.templates, picture, RULES)
        except (Unusable, InvalidInput):
            return None


class _Run(Struct):
    """One run: a tenant's faces get templates of the new model."""

    change: Reembedding
    tenant: str
    embedder: Embedder
    on_progress: Callable[[int, int], None]
    faces: int
    threads: int
    done_faces: int = 0
    embedded: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def embed_all_faces(self) -> None:
        """Embed the pictures of all faces that have no template of the new model yet."""
        self.done_faces = 0
        for chunk in cut_in_parts(
            _list_faces(self.change.services.items, self.tenant), CHUNK_FACES
        ):
            self._commit_templates(chunk)
            self.done_faces += len(chunk)
            self.on_progress(self.done_faces, max(self.faces, self.done_faces))

    def embed_some_faces(self, faceids: Sequence[str]) -> None:
        """Embed likewise the pictures of those of the faces that still exist."""
        for chunk in cut_in_parts(faceids, CHUNK_FACES):
            self._commit_templates([face for faceid in chunk if (face := self._read_face(faceid))])

    def _commit_templates(
        self, faces: Sequence[Face], picture_templates: PictureTemplates = MappingProxyType({})
    ) -> None:
        """Commit the templates that the faces lack, in one transaction.

        `picture_templates`: those made before.

        If one face was changed meanwhile, each is read and committed by itself.
        """
        lacking_faces = [face for face in faces if self._lacks_templates(face)]
        with ThreadPoolExecutor(self.threads) as threads:
            templates_of_faces = list(
                threads.map(
                    lambda face: self._make_templates(face, picture_templates), lacking_faces
                )
            )
        embedded_faces = [
            (face, templates)
            for face, templates in zip(lacking_faces, templates_of_faces, strict=True)
            if templates
        ]
        if not embedded_faces:
            return
        try:
            self.change.services.writer.commit(
                self.tenant, _make_change(self.tenant, embedded_faces)
            )
        except ConditionFailed:
            for old_face, templates in embedded_faces:
                if face := self._read_face(old_face.faceid):
                    self._commit_templates([face], templates)
        else:
            self.embedded += len(embedded_faces)

    def _make_templates(self, face: Face, picture_templates: PictureTemplates) -> PictureTemplates:
        """Make the templates that the face's pictures lack. If one cannot be made, note why."""
        templates: dict[tuple[str, str], Template] = {}
        for picture in face.pictures:
            if picture.has(self.embedder.model):
                continue
            id_and_key = (picture.id, picture.key)
            try:
                template = picture_templates.get(id_and_key) or self._make_template(face, picture)
            except Unusable as error:
                self.failures[face.faceid] = str(error)
            else:
                if template is not None:
                    templates[id_and_key] = template
        return templates

    def _make_template(self, face: Face, picture: Picture) -> Template | None:
        jpeg = self.change.services.storage.blobs.get(picture.key) if picture.key else None
        if jpeg is not None:
            return self.embedder.make_template(list_known_templates(face, picture), jpeg)
        now = self._read_face(face.faceid)
        if now is None or picture not in now.pictures:
            return None  # deleted, or given other pictures: the journal has an entry of it
        raise Unusable(GONE)

    def _read_face(self, faceid: str) -> Face | None:
        item = self.change.services.items.get(keys.FACES, (self.tenant, faceid))
        face = face_from(item) if item else None
        return (
            face
            if face
            and _is_compared(face, gone_of(directory_of(self.change.services.items, self.tenant)))
            else None
        )

    def make_outcome(self, *, switched: bool) -> ReembeddingOutcome:
        """Return the outcome.

        Of the faces that could not be embedded it names those for which that still holds.
        """
        model, reasons, lost_faceids = self.embedder.model, {}, set()
        for faceid, reason in sorted(self.failures.items()):
            face = self._read_face(faceid)
            if face is None or not self._lacks_templates(face):
                continue
            reasons[faceid] = reason
            if not any(picture.has(model) for picture in face.compared):
                lost_faceids.add(faceid)
        return ReembeddingOutcome(model, switched, self.embedded, reasons, frozenset(lost_faceids))

    def _lacks_templates(self, face: Face) -> bool:
        return not all(picture.has(self.embedder.model) for picture in face.pictures)


def _list_faces(items: ItemStore, tenant: str) -> Iterator[Face]:
    """Yield the faces with which anything is compared. Raises TenantNotFound."""
    gone = gone_of(directory_of(items, tenant))
    faces = map(face_from, walk_items(items, keys.FACES, tenant, page_size=_FACES_A_PAGE))
    return (face for face in faces if _is_compared(face, gone))


def _is_compared(face: Face, gone: Collection[str]) -> bool:
    """Return whether a search finds the face, or sightings are compared with it since its record
    has ended.

    `gone`: the deleted groups.
    """
    return face.group_id not in gone and (face.group_id != RESTRICTED or has_ended_record(face))


def _make_change(tenant: str, embedded_faces: Sequence[tuple[Face, PictureTemplates]]) -> Change:
    """Return the change that stores the new templates of these faces, each if nobody changed it
    since it was read."""
    actions, journal = [], []
    for face, templates in embedded_faces:
        pictures = []
        for picture in face.pictures:
            new_template = templates.get((picture.id, picture.key))
            added_templates = () if new_template is None else (new_template,)
            pictures.append(replace(picture, templates=(*picture.templates, *added_templates)))
        face_after = replace(face, pictures=tuple(pictures))
        new_models = {template.model for template in templates.values()}
        compared_templates = reduce_templates(
            [template for template in face_after.templates if template.model in new_models]
        )
        if_unchanged = equals("version", face.version, f"face-same:{face.faceid}")
        actions.append(
            face_update(tenant, face.faceid, if_unchanged, set=picture_fields(face_after))
        )
        if face.group_id != RESTRICTED:
            entry = JournalEntry(Edit.EMBED, face.faceid, face.group_id, compared_templates)
            journal.append(replace(entry, face_set=face_set_of(face)))
    changes_ended = any(face.group_id == RESTRICTED for face, _ in embedded_faces)
    return Change(
        tuple(actions), tuple(journal), directory_counts={ENDED_CHANGES: 1} if changes_ended else {}
    )
