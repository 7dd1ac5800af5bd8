"""The records of erasures, and of what follows other deletions: made, listed, read.

The transaction that deletes the faces stores the record (`make_put_actions`); the steps that follow
are in steps.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.errors import ErasureNotFound
from chalicelib.domain.model import NOBODY, Face, Tenant
from chalicelib.privacy import erasure_progress
from chalicelib.privacy.erasure_progress import Erasure, erasure_from, erasure_item, names_of
from chalicelib.privacy.refusals import list_backups
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import ListPage, PageTokens, walk_items
from chalicelib.storage.ports import Action, Put, absent
from chalicelib.storage.records.observations import visits_from
from chalicelib.storage.values import time_ordered_id

if TYPE_CHECKING:
    from chalicelib.services import Services

_ID = re.compile(r"[0-9]{1,20}")
_AT_ONCE = 20
"""Records that are read at once, newest first: few erasures are running."""


def _add_pseudonym(erasure: Erasure) -> Erasure:
    """Give an erasure the secret of which its faces' observations get their names."""
    return replace(erasure, pseudonym=NOBODY + secrets.token_hex(16))


class Erasures(Service["Services"]):
    """The records of erasures, and of the steps after other deletions."""

    def make_erasure(
        self,
        tenant: Tenant,
        faces: Sequence[Face],
        by: str,
        *,
        erases: bool,
        refuses: bool = False,
        strips: bool = False,
        asked_at: datetime | None = None,
    ) -> Erasure:
        """Make the record of faces that are about to be deleted, with everything that cannot be
        found by them later.

        `refuses`: these people are refused from then on. `strips`: the faces stay, with their
        templates alone. `asked_at`: when it was asked for first, if a backup brought them back;
        the first receipt says whom it refuses.
        """
        now = self.services.clock.now()
        absorbed_merges = self.services.refusals.list_absorbed(tenant, faces)
        faceids = (
            *(face.faceid for face in faces),
            *(merge.other for merge in absorbed_merges if merge.is_same_person),
            *(faceid for face in faces for faceid in face.absorbed),
        )
        # What is erased again has a receipt that is kept outside already.
        new_erasure = Erasure(
            time_ordered_id(now),
            asked_at or now,
            by,
            erases,
            is_told=asked_at is not None,
            strips=strips,
        )
        erasure = replace(new_erasure, faceids=tuple(dict.fromkeys(faceids)), number=len(faces))
        if not erasure.is_whole:
            return erasure
        absorbed_faces = list_backups(absorbed_merges)
        names = {name for face in (*faces, *absorbed_faces) for name in names_of(face)}
        last_groups = self.services.statistics.visitors.find_last_groups(tenant, faces)
        hashes = self.hash_contents([*faces, *absorbed_faces])
        if refuses and asked_at is None:
            erasure = self.services.refusals.add_refused(
                tenant.name, erasure, faceids, [*faces, *absorbed_faces], hashes["pictures"]
            )
        return replace(
            _add_pseudonym(erasure),
            hashes=hashes,
            names=tuple(sorted(names)),
            groups={
                face.faceid: last_groups[face.faceid][0]
                for face in faces
                if face.name and face.faceid in last_groups
            },
            staff=tuple(faceid for faceid, (_, is_staff) in last_groups.items() if is_staff),
            firsts=self._find_firsts(tenant, faces),
        )

    def _find_firsts(self, tenant: Tenant, faces: Sequence[Face]) -> dict[str, int]:
        """Return when each face came for the first time, if what is kept of its visits may not say
        it."""
        if tenant.observation_days is None:
            return {}
        visit_keys = [(tenant.name, face.faceid) for face in faces]
        items = self.services.items.get_many(keys.ARRIVALS, visit_keys)
        arrivals_of_face = {
            str(item["faceid"]): visits_from(item).arrivals for item in items if item
        }
        return {
            faceid: 0 if arrivals.folded else arrivals.recent[0].first_ms
            for faceid, arrivals in arrivals_of_face.items()
            if arrivals.folded or arrivals.recent
        }

    def make_erasure_of_gone(
        self, tenant: Tenant, faceid: str, by: str, asked_at: datetime | None = None
    ) -> Erasure:
        """Make the record of a face that was deleted before.

        `asked_at`: as `make_erasure` has it.
        """
        now, is_told = self.services.clock.now(), asked_at is not None
        id_ = time_ordered_id(now)
        erasure = Erasure(id_, asked_at or now, by, True, (faceid,), 1, is_told=is_told)
        if not is_told:
            erasure = self.services.refusals.add_refused(tenant.name, erasure, [faceid])
        return _add_pseudonym(erasure)

    def make_put_actions(self, tenant: Tenant, *erasure_progress: Erasure) -> list[Action]:
        """Return the actions that store new records, in one transaction.

        By whom nobody is enrolled any more is written before that (`Refusals.write`). Raises Busy.
        """
        if_new = (absent("erasure-new"),)
        for erasure in erasure_progress:
            self.services.refusals.write(tenant.name, erasure.refused)
        return [
            Put(keys.ERASURES, erasure_item(tenant.name, erasure), if_new)
            for erasure in erasure_progress
        ]

    def send_message(self, tenant: str, erasure: Erasure, delay_s: int = 0) -> None:
        """Send the message for the next step. If it is lost, the sweep goes on."""
        self.services.wake(tenant, delay_s, erasure=erasure.id)

    def get(self, tenant: str, id_: str) -> Erasure:
        """Read an erasure. Raises ErasureNotFound."""
        item = self.services.items.get(keys.ERASURES, (tenant, id_)) if _ID.fullmatch(id_) else None
        if item is None or not item["erases"]:
            raise ErasureNotFound(f"there is no erasure {id_[:40]!r}: see the list of erasures")
        return erasure_from(item)

    def get_with_further(self, tenant: str, id_: str) -> list[Erasure]:
        """Read an erasure, and the further records in which it goes on. Raises ErasureNotFound."""
        found_erasures = [self.get(tenant, id_)]
        with suppress(ErasureNotFound):
            while not (further := self.get(tenant, str(int(found_erasures[-1].id) + 1))).number:
                found_erasures.append(further)
        return found_erasures

    def list_of_face(self, tenant: str, faceid: str) -> list[Erasure]:
        """List the erasures of a face, oldest first, of all people who ever had its id."""
        erasures = [one for one in self.list_all(tenant) if one.erases and one.number]
        if not erasures:
            return []  # to read the key makes one, if there is none
        key = self.services.audit.signing.read_face_key(tenant)
        return [one for one in erasures if erasure_progress.is_of_face(one, key, faceid)]

    def read_page(self, tenant: str, limit: int, token: str | None = None) -> ListPage[Erasure]:
        """Return a page of erasures, newest first.

        Raises InvalidInput if the token is damaged.
        """
        pages = PageTokens(f"erasures of {tenant}")
        behind = pages.parse_position(token, str)
        stored_items = walk_items(
            self.services.items,
            keys.ERASURES,
            tenant,
            behind=behind,
            reverse=True,
            page_size=limit + 1,
        )
        return pages.make_first_page(
            (erasure_from(item) for item in stored_items if item["erases"]),
            limit,
            lambda erasure: erasure.id,
        )

    def list_all(self, tenant: str) -> Iterator[Erasure]:
        """Yield all records, oldest first."""
        return map(erasure_from, walk_items(self.services.items, keys.ERASURES, tenant))

    def list_running(self, tenant: str, since: datetime) -> Iterator[Erasure]:
        """Yield the erasures, and strips, that were asked for since then and are not done, newest
        first."""
        stored_items = walk_items(
            self.services.items, keys.ERASURES, tenant, reverse=True, page_size=_AT_ONCE
        )
        recent = takewhile(lambda erasure: erasure.at >= since, map(erasure_from, stored_items))
        return (erasure for erasure in recent if erasure.is_whole and erasure.done_at is None)

    def list_unfinished(self, tenant: str) -> Iterator[Erasure]:
        """Yield the records that have steps left, oldest first."""
        return (erasure for erasure in self.list_all(tenant) if erasure.done_at is None)

    def hash_contents(self, faces: Iterable[Face]) -> Mapping[str, tuple[str, ...]]:
        """Return the SHA-256 of the contents of faces: their templates, and their pictures with the
        thumbnails."""
        templates = {
            template.vector
            for face in faces
            for picture in face.pictures
            for template in picture.templates
        }
        stored = {key for face in faces for key in face.picture_keys}
        pictures = [
            self.services.storage.blobs.get(blob_key)
            for key in sorted(stored)
            for blob_key in (key, keys.thumbnail(key))
        ]
        return {
            "templates": tuple(
                sorted(hashlib.sha256(template).hexdigest() for template in templates)
            ),
            "pictures": tuple(
                hashlib.sha256(picture).hexdigest() for picture in pictures if picture is not None
            ),
        }
