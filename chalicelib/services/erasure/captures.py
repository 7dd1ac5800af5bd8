"""Expiry of captures: their pictures, the crops cut out of them, and the records that say who was seen in them.

On AWS, S3 deletes pictures after the deployment's days and DynamoDB records after 120, whatever is said here: a tenant
may want it sooner. On one box nothing else deletes them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.core import keys
from chalicelib.core.captures import capture_of, captured_ms
from chalicelib.core.items import camera_ids, every, every_blob, write_in_parts
from chalicelib.core.model import Tenant
from chalicelib.core.ports import BlobInfo, Delete, ItemStore, UploadStore
from chalicelib.core.retention import Due, captures_kept, sightings_kept
from chalicelib.core.values import milliseconds, moment
from chalicelib.services.captures.unpictured import shown_faces


@dataclass
class CaptureExpiry:
    """`capture_days`: the deployment's. `held`: faces; what shows one of them is not due."""

    items: ItemStore
    uploads: UploadStore
    capture_days: int

    def pictures(self, tenant: Tenant, at: datetime, held: Collection[str]) -> Iterator[Due[str]]:
        """Yield the keys of pictures and crops that are over by then.

        They lie by camera and time, so that of each camera only those are listed that are old enough.
        """
        kept = timedelta(days=captures_kept(tenant, self.capture_days))
        for blob in self._taken_until(tenant.name, at - kept):
            is_crop = blob.key.startswith(keys.crops(tenant.name))  # stored later than its capture
            since = _taken_at(blob) if is_crop else blob.stored_at
            if since + kept > at:  # or written anew since, by a restore or by an erasure that hid somebody
                since = min(since, self._offered_at(tenant.name, blob.key) or since)
            if since + kept <= at and not self._shows(tenant, blob.key, held):
                yield Due(since, since + kept, blob.key)

    def delete_pictures(self, picture_keys: Iterable[str]) -> None:
        for key in picture_keys:
            self.uploads.delete(key)

    def records(self, tenant: Tenant, at: datetime, held: Collection[str]) -> Iterator[Due[Delete]]:
        """Yield the deletions of the records of captures that were offered too long ago by then."""
        kept = timedelta(days=sightings_kept(tenant))
        low, high = keys.capture_range(0, max(milliseconds(at - kept), 0))
        for camera_id in camera_ids(self.items, tenant.name):
            partition = keys.captures(tenant.name, camera_id)
            for item in every(self.items, keys.CAPTURES, partition, low=low, high=high):
                since = moment(item["offered_at"])
                if since + kept <= at and not self._shows(tenant, item["capture"], held):
                    yield Due(since, since + kept, Delete(keys.CAPTURES, (partition, item["capture"])))

    def delete_records(self, records: Iterable[Delete]) -> None:
        write_in_parts(self.items, records)

    def _taken_until(self, tenant: str, limit: datetime) -> Iterator[BlobInfo]:
        """Yield the pictures and crops of captures that were taken until then. Two reads find that a camera has none.

        Of a camera whose clock is ahead, those that were stored before may come later.
        """
        after: str | None = None
        while found := self.uploads.list(keys.capture_pictures(tenant), after=after, limit=1):
            folder = found[0].key.rpartition("/")[0] + "/"
            after = folder + keys.BEHIND_CAPTURES
            for blob in every_blob(self.uploads, folder):
                if _taken_at(blob) > limit:
                    break
                yield blob

    def _offered_at(self, tenant: str, key: str) -> datetime | None:
        """Return when the capture of a picture was offered; None if that is not known any more."""
        _, camera_id, capture_id = key.split("/")
        item = self.items.get(keys.CAPTURES, (keys.captures(tenant, camera_id), capture_id))
        return None if item is None else moment(item["offered_at"])

    def _shows(self, tenant: Tenant, key: str, held: Collection[str]) -> bool:
        """Tell whether a capture shows one of these faces."""
        capture_id = capture_of(key.rpartition("/")[2])
        return bool(held) and not shown_faces(self.items, tenant.name, capture_id).isdisjoint(held)


def _taken_at(blob: BlobInfo) -> datetime:
    return moment(captured_ms(blob.key.rpartition("/")[2]))
