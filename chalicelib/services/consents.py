"""On what basis is somebody in the book, and until when? A record a face (core/consent).

It is a part of the face's record: deleted, merged and restored with it. An index has the faces by the record's end.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from chalicelib.core import keys
from chalicelib.core.consent import Consent, require_legal
from chalicelib.core.errors import ConsentNotFound
from chalicelib.core.items import ListPage, PageTokens, every, parts
from chalicelib.core.merges import kept_update
from chalicelib.core.model import Face, Tenant
from chalicelib.core.ports import Action, Item
from chalicelib.services.commit import Change
from chalicelib.services.idempotency import RequestId
from chalicelib.services.outside import Outside

_AT_ONCE = 100


class Consents(Outside):
    def of_face(self, tenant: Tenant, faceid: str) -> tuple[Face, Consent]:
        """Return the face and its record. Raises FaceNotFound, ConsentNotFound."""
        face = self.book.faces.get(tenant, faceid)
        if face.consent is None:
            raise ConsentNotFound(f"face {faceid!r} has no record of consent")
        return face, face.consent

    def set(self, tenant: Tenant, faceid: str, consent: Consent, request: RequestId | None = None) -> None:
        """Give the face this record in place of the one that it has.

        Raises InvalidInput, FaceNotFound, FaceHeld, Busy, AnsweredAlready.
        """
        require_legal(consent, self.book.clock.now())
        self._write(tenant, faceid, consent, request)

    def withdraw(self, tenant: Tenant, faceid: str, request: RequestId | None = None) -> None:
        """Take the record away, also from the faces that were merged into this one: no undo brings it back.

        Raises FaceNotFound, ConsentNotFound, FaceHeld, Busy, AnsweredAlready.
        """
        self._write(tenant, faceid, None, request)

    def page(self, tenant: Tenant, before: datetime | None, limit: int, token: str | None = None) -> ListPage[Face]:
        """Return a page of the faces with a record, the one that expires first at the beginning.

        `before`: only those that expire before then; None: all, last those that do not expire. Raises InvalidInput if
        the token is damaged or another query's.
        """
        pages = PageTokens(f"consents of {tenant.name} before {before}")
        stored = self._stored(tenant, before, behind=pages.place(token, str), page_size=limit + 2)
        page = pages.first(stored, limit, lambda item: str(item["consent_key"]))
        faces = self.book.faces.by_id(tenant, [item["faceid"] for item in page.rows])
        return ListPage([face for face in faces.values() if face.consent is not None], page.next_token)

    def until(self, tenant: Tenant, before: datetime) -> Iterator[Face]:
        """Yield the faces with a record that expires before then, the first to expire at the beginning."""
        for some in parts(self._stored(tenant, before), _AT_ONCE):
            yield from self.book.faces.by_id(tenant, [item["faceid"] for item in some]).values()

    def _stored(self, tenant: Tenant, before: datetime | None, **how: Any) -> Iterator[Item]:
        between = None, None if before is None else keys.consents_until(before)
        return every(self.book.items, keys.FACES, tenant.name, index="by_consent", between=between, **how)

    def _write(self, tenant: Tenant, faceid: str, consent: Consent | None, request: RequestId | None) -> None:
        def changed(face: Face) -> tuple[Face, Change]:
            if consent is None and face.consent is None:
                raise ConsentNotFound(f"face {faceid!r} has no record of consent")
            forgotten = () if consent else self._forgotten_by_merges(tenant.name, face)
            return replace(face, consent=consent), Change(tuple(forgotten), ())

        self.book.faces.changed(tenant, faceid, changed, request)

    def _forgotten_by_merges(self, tenant: str, face: Face) -> list[Action]:
        """Return the actions that take the records out of what an undo would restore."""
        return [
            kept_update(tenant, merge, without)
            for merge in (self.book.merges.records.below(tenant, face.faceid) if face.merges else [])
            if merge.kept is not None
            and (without := replace(merge.kept, face=replace(merge.kept.face, consent=None), consent=None))
            != merge.kept
        ]
