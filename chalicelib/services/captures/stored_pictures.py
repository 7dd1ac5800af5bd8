"""Which captures have their picture: when it comes nothing is written of it, only when it is resolved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from chalicelib.core import keys
from chalicelib.core.captures import Capture, CaptureState
from chalicelib.core.model import Tenant
from chalicelib.core.ports import UploadStore

_ASKED_ONE_BY_ONE = 16
"""More are looked up in the list of the camera's pictures, which names a thousand at a time."""

_LISTED_AT_ONCE = 1_000


class StoredPictures:
    def __init__(self, uploads: UploadStore) -> None:
        self._uploads = uploads

    def marked(self, tenant: Tenant, captures: Collection[Capture]) -> list[Capture]:
        """The captures, those that were wanted and whose picture is there as STORED."""
        wanted: dict[str, list[str]] = defaultdict(list)
        for one in captures:
            if one.state is CaptureState.WANTED:
                wanted[one.camera_id].append(one.id)
        there = {(camera, id_) for camera, ids in wanted.items() for id_ in self._there(tenant, camera, ids)}
        return [
            replace(one, state=CaptureState.STORED) if (one.camera_id, one.id) in there else one for one in captures
        ]

    def _there(self, tenant: Tenant, camera_id: str, ids: list[str]) -> Iterable[str]:
        """Those of the ids whose picture is there."""
        by_key = {keys.capture_picture(tenant.name, camera_id, id_): id_ for id_ in ids}
        if len(by_key) > _ASKED_ONE_BY_ONE:
            return [by_key[key] for key in self._listed(tenant, camera_id, min(by_key), max(by_key)) if key in by_key]
        with ThreadPoolExecutor(len(by_key)) as askers:
            sizes = askers.map(self._uploads.size, by_key)
            return [id_ for id_, size in zip(by_key.values(), sizes, strict=True) if size is not None]

    def _listed(self, tenant: Tenant, camera_id: str, first: str, last: str) -> Iterator[str]:
        """Keys of the camera's pictures from `first` to `last`, both included."""
        prefix = keys.capture_picture(tenant.name, camera_id, "")
        if self._uploads.size(first) is not None:
            yield first
        after = first
        while after < last:
            listed = self._uploads.list(prefix, after=after, limit=_LISTED_AT_ONCE)
            if not listed:
                return
            yield from (blob.key for blob in listed if blob.key <= last)
            after = listed[-1].key
