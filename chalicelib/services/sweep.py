"""What time leaves behind: pictures that no face names, answers that nobody asks for any more."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.core import keys
from chalicelib.core.model import Tenant
from chalicelib.core.ports import BlobStore, Clock, ItemStore
from chalicelib.core.records.faces import face_from
from chalicelib.services.captures.redrive import Redrive
from chalicelib.services.commit.idempotency import Requests
from chalicelib.services.erasure.captures import CaptureExpiry
from chalicelib.services.merges.chores import MergeChores
from chalicelib.services.webhooks.outbox import Outbox

PICTURE_GRACE = timedelta(hours=6)
"""A picture is written before the transaction that names it; after this long, none is on its way any more."""

LOST_CAPTURES_HOUR = 3
"""UTC. Once a day all captures are looked through for one whose event was lost; `watch` looks at the newest."""

_PAGE = 1_000


class Sweep:
    """`expires_items`: storage deletes items behind their `expires_at` by itself (DynamoDB does)."""

    def __init__(
        self,
        items: ItemStore,
        blobs: BlobStore,
        requests: Requests,
        redrive: Redrive,
        outbox: Outbox,
        capture_expiry: CaptureExpiry,
        merges: MergeChores,
        clock: Clock,
        *,
        expires_items: bool,
    ) -> None:
        self._items = items
        self._blobs = blobs
        self._requests = requests
        self._redrive = redrive
        self._outbox = outbox
        self._capture_expiry = capture_expiry
        self._merges = merges
        self._clock = clock
        self._expires_items = expires_items

    def tenant(self, tenant: Tenant) -> None:
        """All chores of one tenant; each may be cut off anywhere and done again."""
        self._merges.tenant(tenant)
        self.orphaned_pictures(tenant.name)
        if self._clock.now().hour == LOST_CAPTURES_HOUR:
            self._redrive.lost(tenant)
        if not self._expires_items:
            self._requests.forget_expired(tenant.name)
            self._outbox.forget_expired(tenant.name)
            self._capture_expiry.tenant(tenant)

    def orphaned_pictures(self, tenant: str) -> list[str]:
        """Delete the pictures, older than 6 hours, that no face names; returns their keys."""
        limit = self._clock.now() - PICTURE_GRACE
        deleted: list[str] = []
        after: str | None = None
        while True:
            blobs = self._blobs.list(keys.face_pictures(tenant), after=after, limit=_PAGE)
            if not blobs:
                return deleted
            after = blobs[-1].key
            old = [blob.key for blob in blobs if blob.stored_at < limit]
            for key in self._unnamed(tenant, old):
                self._blobs.delete(key)
                deleted.append(key)

    def _unnamed(self, tenant: str, picture_keys: list[str]) -> list[str]:
        """Those that neither a face names nor a merge that can be undone."""
        left = self._without_named(tenant, picture_keys)
        if left:
            kept = self._merges.pictures(tenant)
            left = [key for key in left if key not in kept]
        # Once more: a face whose merge was undone in between is back.
        return self._without_named(tenant, left)

    def _without_named(self, tenant: str, picture_keys: list[str]) -> list[str]:
        faceids = [keys.faceid_of_picture(tenant, key) for key in picture_keys]
        if not faceids:
            return []
        faces = self._items.get_many(keys.FACES, [(tenant, faceid) for faceid in dict.fromkeys(faceids)])
        named = {key for face in faces if face for key in face_from(face).picture_keys}
        return [key for key in picture_keys if key not in named]
