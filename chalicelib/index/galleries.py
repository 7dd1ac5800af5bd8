"""The galleries in a warm search function's memory, brought up to date at each search."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.core.errors import Busy, RegularsError
from chalicelib.core.ports import BlobStore, ItemStore
from chalicelib.core.search import SearchAnswer, SearchRequest
from chalicelib.core.shards import WHOLE, Shard
from chalicelib.core.telemetry import stage
from chalicelib.index.gallery import Gallery
from chalicelib.index.journal import tail
from chalicelib.index.scan.scan import require_probes
from chalicelib.index.snapshots.loading import from_faces, from_snapshot, pointer_of, seq_of

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_MEMORY_BYTES = 1024 * 1024 * 1024

_Key = tuple[str, str, Shard]
_log = logging.getLogger(__name__)


class Galleries:
    """The FaceSearch port in this process.

    It keeps the galleries that were searched last, as many as fit into `memory_bytes`, but always the last one.
    `scratch`: folder for the templates of large galleries (index/snapshots/fetch.py).
    """

    def __init__(
        self,
        items: ItemStore,
        blobs: BlobStore,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        scratch: Path | None = None,
    ) -> None:
        self._items = items
        self._blobs = blobs
        self._memory_bytes = memory_bytes
        self._scratch = scratch
        self._galleries: OrderedDict[_Key, Gallery] = OrderedDict()
        self._loading: dict[_Key, threading.Lock] = {}
        self._renewing: set[_Key] = set()
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        with self._lock:
            return sum(gallery.hot_bytes for gallery in self._galleries.values())

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        require_probes(request.probes, request.limit)
        view = self.current(tenant, request.model, request.shard, searched=True).view
        with stage("scan"):
            return view.search(request)

    def current(self, tenant: str, model: str, shard: Shard = WHOLE, *, searched: bool = False) -> Gallery:
        """Return the gallery with everything that was committed before this call. Raises TenantNotFound, Busy.

        `searched`: raises WrongModel unless searches use this model.
        """
        key = (tenant, model, shard)
        wanted = seq_of(self._items, tenant, model if searched else None)
        gallery = self._held(key)
        if gallery is None:
            with self._one_loads(key):
                gallery = self._held(key) or self._keep(key, self._at_snapshot(key), instead_of=None)
        beginnings: tuple[Callable[[], Gallery], ...] = (
            lambda: self._at_snapshot(key),
            lambda: from_faces(self._items, tenant, model, shard),
        )
        for begin_anew in beginnings:
            if self._follow(gallery, tenant, wanted):
                self._renew_if_long(key, gallery)
                return gallery
            gallery = self._keep(key, begin_anew(), instead_of=gallery)
        if self._follow(gallery, tenant, wanted):
            return gallery
        raise Busy("the gallery changes faster than it can be loaded: send the request again in a moment")

    def _at_snapshot(self, key: _Key) -> Gallery:
        tenant, model, shard = key
        with stage("load"):
            return from_snapshot(self._items, self._blobs, tenant, model, shard, self._scratch)

    def _follow(self, gallery: Gallery, tenant: str, wanted: int) -> bool:
        """Apply the journal up to `wanted`; False if a part of it was trimmed."""
        if gallery.view.seq >= wanted:
            return True
        with gallery.changing:
            if gallery.view.seq >= wanted:
                return True
            entries = tail(self._items, tenant, gallery.view.seq, wanted)
            if entries is None:
                return False
            gallery.apply(entries, wanted)
        self._make_room()
        return True

    def _held(self, key: _Key) -> Gallery | None:
        with self._lock:
            gallery = self._galleries.get(key)
            if gallery is not None:
                self._galleries.move_to_end(key)
            return gallery

    def _keep(self, key: _Key, loaded: Gallery, instead_of: Gallery | None) -> Gallery:
        """Keep a loaded gallery, or the one that another thread kept first, so that all threads follow one gallery."""
        with self._lock:
            present = self._galleries.get(key)
            if present is not None and present is not instead_of:
                return present
            self._galleries[key] = loaded
            self._galleries.move_to_end(key)
        self._make_room()
        return loaded

    def _make_room(self) -> None:
        with self._lock:
            held = sum(gallery.hot_bytes for gallery in self._galleries.values())
            while held > self._memory_bytes and len(self._galleries) > 1:
                held -= self._galleries.popitem(last=False)[1].hot_bytes

    @contextmanager
    def _one_loads(self, key: _Key) -> Iterator[None]:
        """Let one of the threads that find a gallery missing load it, and the others wait."""
        with self._lock:
            lock = self._loading.setdefault(key, threading.Lock())
        try:
            with lock:
                yield
        finally:
            with self._lock:
                self._loading.pop(key, None)

    def _renew_if_long(self, key: _Key, gallery: Gallery) -> None:
        """Replace a gallery with a long tail, which slows searches, by one that a thread makes in the background."""
        if not gallery.is_long:
            return
        with self._lock:
            if key in self._renewing:
                return
            self._renewing.add(key)
        threading.Thread(target=self._renew, args=(key, gallery), name="renew gallery", daemon=True).start()

    def _renew(self, key: _Key, gallery: Gallery) -> None:
        tenant, model, shard = key
        try:
            pointer = pointer_of(self._items, tenant, model, shard)
            if pointer is not None and int(pointer["seq"]) > gallery.view.base.seq:
                fresh = self._at_snapshot(key)
            else:
                fresh = Gallery(model, gallery.segment(), shard)
            if self._follow(fresh, tenant, gallery.view.seq):
                self._keep(key, fresh, instead_of=gallery)
        except RegularsError as error:
            _log.warning("the gallery of tenant %s goes on with a long tail: %s", tenant, error)
        finally:
            with self._lock:
                self._renewing.discard(key)
