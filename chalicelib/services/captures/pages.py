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
from itertools import islice

from chalicelib.core import keys
from chalicelib.core.captures import Capture, CaptureState, is_camera_id
from chalicelib.core.errors import CameraNotFound, InvalidInput
from chalicelib.core.items import every, every_blob
from chalicelib.core.model import Tenant
from chalicelib.core.page_tokens import PageTokens
from chalicelib.core.ports import Item, ItemStore, UploadStore
from chalicelib.core.records.captures import capture_from
from chalicelib.services.captures.cameras import Cameras

PAGE_SIZES = range(1, 1001)

_READ_AT_ONCE = 1_000


@dataclass(frozen=True)
class CapturePage:
    """A page of captures whose picture is there, newest first. `total`: of all pages, as of the first.

    `next_token`: for the next page; None: it is the last.
    """

    captures: list[Capture]
    total: int
    next_token: str | None


class CapturePages:
    def __init__(self, items: ItemStore, cameras: Cameras, pictures: StoredPictures) -> None:
        self._items = items
        self._cameras = cameras
        self._pictures = pictures

    def page(self, tenant: Tenant, camera: str | None, limit: int, token: str | None) -> CapturePage:
        """Return a page of a camera's captures, or of those of all present cameras.

        The first page reads every capture of the list, to count them; the others read only their own. A token marks a
        place between two captures, and new captures do not shift it. Raises CameraNotFound, InvalidInput.
        """
        if limit not in PAGE_SIZES:
            raise InvalidInput(f"limit is {PAGE_SIZES[0]} to {PAGE_SIZES[-1]}, not {limit}")
        camera_id = None if camera is None else self._camera_id(tenant, camera)
        tokens = PageTokens(json.dumps(["captures", tenant.name, camera_id]))
        total, below = (0, None) if token is None else _total_and_place(tokens.place(token))
        at_once = _READ_AT_ONCE if below is None else limit + 1
        found = self._there(tenant, self._newest_first(tenant, camera_id, below, at_once), at_once)
        captures = list(islice(found, limit + 1))
        if below is None:
            total = len(captures) + sum(1 for _ in found)
        page = captures[:limit]
        more = len(captures) > limit
        return CapturePage(page, total, tokens.token(f"{total}#{page[-1].id}") if more else None)

    def _camera_id(self, tenant: Tenant, camera: str) -> str:
        """Return the id of a camera given by id or name, or of a deleted one with captures. Raises CameraNotFound."""
        try:
            return self._cameras.named(tenant, camera).id
        except CameraNotFound:
            if is_camera_id(camera) and next(self._of_camera(tenant, camera, None, 1), None) is not None:
                return camera
            raise

    def _there(self, tenant: Tenant, items: Iterator[Item], at_once: int) -> Iterator[Capture]:
        while batch := [capture_from(item) for item in islice(items, at_once)]:
            for capture in self._pictures.marked(tenant, batch):
                if capture.state is not CaptureState.WANTED:
                    yield capture

    def _newest_first(self, tenant: Tenant, camera_id: str | None, below: str | None, at_once: int) -> Iterator[Item]:
        if camera_id is not None:
            return self._of_camera(tenant, camera_id, below, at_once)
        streams = [self._of_camera(tenant, camera.id, below, at_once) for camera in self._cameras.all(tenant)]
        return heapq.merge(*streams, key=lambda item: str(item["capture"]), reverse=True)

    def _of_camera(self, tenant: Tenant, camera_id: str, below: str | None, at_once: int) -> Iterator[Item]:
        """Return the items whose capture id is less than `below`, newest first."""
        partition = keys.captures(tenant.name, camera_id)
        found = every(self._items, keys.CAPTURES, partition, high=below, reverse=True, page_size=at_once)
        return (item for item in found if item["capture"] != below)


def _total_and_place(text: str) -> tuple[int, str]:
    total, _, place = text.partition("#")
    return int(total), place


_ASKED_ONE_BY_ONE = 16
"""Pictures that are looked up one by one. If there are more, the camera's are listed, a thousand at a time."""


class StoredPictures:
    def __init__(self, uploads: UploadStore) -> None:
        self._uploads = uploads

    def marked(self, tenant: Tenant, captures: Collection[Capture]) -> list[Capture]:
        """Return the captures; those that were WANTED are STORED if their picture is there."""
        wanted: dict[str, list[str]] = defaultdict(list)
        for one in captures:
            if one.state is CaptureState.WANTED:
                wanted[one.camera_id].append(one.id)
        there = {(camera, id_) for camera, ids in wanted.items() for id_ in self._there(tenant, camera, ids)}
        return [
            replace(one, state=CaptureState.STORED) if (one.camera_id, one.id) in there else one for one in captures
        ]

    def _there(self, tenant: Tenant, camera_id: str, ids: list[str]) -> Iterable[str]:
        """Return those of the ids whose picture is there."""
        by_key = {keys.capture_picture(tenant.name, camera_id, id_): id_ for id_ in ids}
        if len(by_key) > _ASKED_ONE_BY_ONE:
            return [by_key[key] for key in self._listed(tenant, camera_id, min(by_key), max(by_key)) if key in by_key]
        with ThreadPoolExecutor(len(by_key)) as askers:
            sizes = askers.map(self._uploads.size, by_key)
            return [id_ for id_, size in zip(by_key.values(), sizes, strict=True) if size is not None]

    def _listed(self, tenant: Tenant, camera_id: str, first: str, last: str) -> Iterator[str]:
        """Yield the keys of the camera's pictures from `first` to `last`, both included."""
        prefix = keys.capture_picture(tenant.name, camera_id, "")
        if self._uploads.size(first) is not None:
            yield first
        for blob in every_blob(self._uploads, prefix, after=first):
            if blob.key <= last:
                yield blob.key
            if blob.key >= last:
                return
