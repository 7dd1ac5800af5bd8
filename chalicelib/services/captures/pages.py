"""Lists of captures, newest first, page by page, and which of them have their picture.

An upload writes no record; only resolving the capture does. So the store of uploads is asked which pictures are there.
"""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from chalicelib.core import keys
from chalicelib.core.captures import Capture, CaptureState, is_camera_id
from chalicelib.core.errors import CameraNotFound, InvalidInput
from chalicelib.core.items import every, every_blob
from chalicelib.core.model import Tenant
from chalicelib.core.page_tokens import ListPage, PageTokens, require_page_size
from chalicelib.core.ports import Item, ItemStore, UploadStore
from chalicelib.core.records.captures import capture_from
from chalicelib.core.values import milliseconds
from chalicelib.services.captures.cameras import Cameras

PAGE_SIZES = range(1, 1001)

_READ_AT_ONCE = 100
"""Records that are read at once at least: their pictures are looked for together."""

_MOST_READ = 1_001
"""Records that a page reads at most, enough for the largest one. Thousands may have been offered and never sent."""


STATES = (CaptureState.STORED, CaptureState.RESOLVED, CaptureState.PARKED)


@dataclass(frozen=True)
class CaptureFilter:
    """The captures that a page lists: those taken from `since` on and before `until`, in this state; None: all."""

    since: datetime | None = None
    until: datetime | None = None
    state: CaptureState | None = None

    def __post_init__(self) -> None:
        """Raise InvalidInput if the time ends before it begins, or no page lists this state."""
        if self.since is not None and self.until is not None and self.until < self.since:
            raise InvalidInput("the time ends before it begins: swap `from` and `to`")
        if self.state not in (None, *STATES):
            raise InvalidInput(f"state is {', '.join(STATES)}, not {self.state}")

    @property
    def ids(self) -> tuple[str, str]:
        """The bounds around the ids of captures taken in this time."""
        first_ms = 0 if self.since is None else milliseconds(self.since)
        last_ms = keys.LAST_MS if self.until is None else milliseconds(self.until) - 1
        return keys.capture_range(max(first_ms, 0), min(max(last_ms, 0), keys.LAST_MS))

    def passes(self, capture: Capture) -> bool:
        """Return whether a page lists the capture: its picture is there, and its state is wanted."""
        return capture.state in STATES if self.state is None else capture.state is self.state


ALL = CaptureFilter()


class CapturePages:
    def __init__(self, items: ItemStore, cameras: Cameras, uploads: UploadStore) -> None:
        self._items = items
        self._cameras = cameras
        self._uploads = uploads

    def page(
        self, tenant: Tenant, camera: str | None, limit: int, token: str | None, only: CaptureFilter = ALL
    ) -> ListPage[Capture]:
        """Return a page of a camera's captures whose picture is there, or of all present cameras', newest first.

        It ends early if a thousand captures were read and most do not pass the filter. A token marks a place
        between two captures, and new captures do not shift it. Raises CameraNotFound, InvalidInput.
        """
        require_page_size(limit, PAGE_SIZES)
        camera_id = None if camera is None else self._camera_id(tenant, camera)
        tokens = PageTokens(json.dumps(["captures", tenant.name, camera_id, *only.ids, only.state]))
        below = None if token is None else tokens.place(token, str)
        at_once = max(limit + 1, _READ_AT_ONCE)
        items = islice(self._newest_first(tenant, camera_id, only, below, at_once), _MOST_READ)
        found: list[Capture] = []
        read: list[Capture] = []
        while len(found) <= limit and (batch := [capture_from(item) for item in islice(items, at_once)]):
            read += batch
            marked = marked_if_stored(self._uploads, tenant, batch)
            found += [capture for capture in marked if only.passes(capture)]
        end = found[limit - 1].id if len(found) > limit else read[-1].id if len(read) == _MOST_READ else None
        return tokens.page(found[:limit], end)

    def _camera_id(self, tenant: Tenant, camera: str) -> str:
        """Return the id of a camera given by id or name, or of a deleted one with captures. Raises CameraNotFound."""
        try:
            return self._cameras.named(tenant, camera).id
        except CameraNotFound:
            if is_camera_id(camera) and next(self._of_camera(tenant, camera, ALL, None, 1), None) is not None:
                return camera
            raise

    def _newest_first(
        self, tenant: Tenant, camera_id: str | None, only: CaptureFilter, below: str | None, at_once: int
    ) -> Iterator[Item]:
        if camera_id is not None:
            return self._of_camera(tenant, camera_id, only, below, at_once)
        streams = [self._of_camera(tenant, camera.id, only, below, at_once) for camera in self._cameras.all(tenant)]
        return heapq.merge(*streams, key=lambda item: str(item["capture"]), reverse=True)

    def _of_camera(
        self, tenant: Tenant, camera_id: str, only: CaptureFilter, below: str | None, at_once: int
    ) -> Iterator[Item]:
        partition = keys.captures(tenant.name, camera_id)
        low, high = only.ids
        if below is not None:
            high = min(high, below)
        found = every(self._items, keys.CAPTURES, partition, low=low, high=high, reverse=True, page_size=at_once)
        return (item for item in found if item["capture"] != below)


_ASKED_ONE_BY_ONE = 16
"""Pictures that are looked up one by one. If there are more, the camera's are listed, a thousand at a time."""


def marked_if_stored(uploads: UploadStore, tenant: Tenant, captures: Collection[Capture]) -> list[Capture]:
    """Return the captures; those that were WANTED are STORED if their picture is there."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for one in captures:
        if one.state is CaptureState.WANTED:
            wanted[one.camera_id].append(one.id)
    there = {(camera, id_) for camera, ids in wanted.items() for id_ in _there(uploads, tenant, camera, ids)}
    return [replace(one, state=CaptureState.STORED) if (one.camera_id, one.id) in there else one for one in captures]


def _there(uploads: UploadStore, tenant: Tenant, camera_id: str, ids: list[str]) -> Iterable[str]:
    """Return those of the ids whose picture is there."""
    by_key = {keys.capture_picture(tenant.name, camera_id, id_): id_ for id_ in ids}
    if len(by_key) > _ASKED_ONE_BY_ONE:
        return [by_key[key] for key in _listed(uploads, tenant, camera_id, min(by_key), max(by_key)) if key in by_key]
    with ThreadPoolExecutor(len(by_key)) as askers:
        sizes = askers.map(uploads.size, by_key)
        return [id_ for id_, size in zip(by_key.values(), sizes, strict=True) if size is not None]


def _listed(uploads: UploadStore, tenant: Tenant, camera_id: str, first: str, last: str) -> Iterator[str]:
    """Yield the keys of the camera's pictures from `first` to `last`, both included."""
    prefix = keys.capture_picture(tenant.name, camera_id, "")
    if uploads.size(first) is not None:
        yield first
    for blob in every_blob(uploads, prefix, after=first):
        if blob.key <= last:
            yield blob.key
        if blob.key >= last:
            return
