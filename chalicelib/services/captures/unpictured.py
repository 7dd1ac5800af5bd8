"""Captures whose pictures are not kept, since their tenant or the group of somebody in them keeps none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.core import keys
from chalicelib.core.captures import Capture, CaptureState, captured_ms
from chalicelib.core.items import every
from chalicelib.core.model import Tenant
from chalicelib.core.ports import BlobStore, ItemStore


def shown_faces(items: ItemStore, tenant: str, capture_id: str) -> set[str]:
    """Return the ids of the faces that a capture shows. Its observations say, since they move with a merge."""
    partition, low = keys.observation(tenant, captured_ms(capture_id), capture_id)
    seen = every(items, keys.OBSERVATIONS, partition, low=low, high=f"{low}.")  # "." is the byte after "-"
    return {one["faceid"] for one in seen}


@dataclass
class Unpictured:
    items: ItemStore
    uploads: BlobStore

    def among(self, tenant: Tenant, captures: Sequence[Capture]) -> list[Capture]:
        """Return those that need their picture no longer and may not keep it.

        A parked capture keeps it, so that it can be sent again.
        """
        resolved = [one for one in captures if one.state is CaptureState.RESOLVED]
        if not tenant.keeps_pictures:
            return resolved
        if not tenant.no_pictures_of:
            return []
        seen = {one.id: shown_faces(self.items, tenant.name, one.id) for one in resolved}
        ids = sorted(set[str]().union(*seen.values()))
        found = self.items.get_many(keys.FACES, [(tenant.name, faceid) for faceid in ids]) if ids else []
        hidden = {face["faceid"] for face in found if face and face["group"] in tenant.no_pictures_of}
        return [one for one in resolved if seen[one.id] & hidden]

    def forget(self, tenant: Tenant, capture: Capture) -> None:
        """Delete the picture of a capture that has just been resolved, if it may not be kept.

        One that showed erased people only may have been put once more, by a URL of before.
        """
        if capture.is_erased or self.among(tenant, [capture]):
            self.uploads.delete(keys.capture_picture(tenant.name, capture.camera_id, capture.id))
