"""The galleries (the faces among which a tenant's searches look) in the memory of a process that
searches, brought up to date at each search."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.book.search.gallery import Gallery
from chalicelib.book.search.journal import read_changes
from chalicelib.book.search.scan.scan import require_probes
from chalicelib.book.search.snapshots.loading import (
    load_from_snapshot,
    read_seq,
    rebuild_from_faces,
)
from chalicelib.book.search.snapshots.scratch import Scratch
from chalicelib.domain.errors import Busy
from chalicelib.domain.rules.decision import SearchAnswer, SearchRequest
from chalicelib.storage.ports import BlobStore, ItemStore
from chalicelib.telemetry import count_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_MEMORY_BYTES = 1024 * 1024 * 1024
"""Memory for galleries of one process, 1 GiB: those that were not searched for longest go first."""

_Key = tuple[str, str]


class Galleries:
    """The FaceSearch port in this process: a gallery for each tenant and face model that was
    searched lately.

    A gallery's seq is the number of its latest change. The journal lists the changes; a snapshot is
    a gallery as it is stored at one seq. Kept are as many galleries as fit into `memory_bytes` and,
    with the templates of large ones, into `disk_bytes` of the folder `scratch`
    (book/search/snapshots/scratch.py). Others go before one is loaded; the last one stays, however
    large it is.
    """

    def __init__(
        self,
        items: ItemStore,
        blobs: BlobStore,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        scratch: Path | None = None,
        disk_bytes: int | None = None,
    ) -> None:
        """Keep the stores and the limits of memory and disk; no gallery is loaded yet."""
        self._items = items
        self._blobs = blobs
        self._memory_bytes = memory_bytes
        self._scratch = Scratch(scratch, disk_bytes)
        self._galleries: OrderedDict[_Key, Gallery] = OrderedDict()
        self._loading: dict[_Key, threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def loaded_bytes(self) -> int:
        """Bytes of memory that the galleries take."""
        with self._lock:
            return sum(gallery.hot_bytes for gallery in self._galleries.values())

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        """Return the faces most similar to each of the request's probes, among all stored before
        this call."""
        require_probes(request.probes, request.limit)
        view = self.read_current(tenant, request.model, searched=True, seq=request.seq).view
        with count_stage("scan"):
            return view.search(request)

    def read_current(
        self, tenant: str, model: str, *, searched: bool = False, seq: int | None = None
    ) -> Gallery:
        """Return a tenant's gallery for a face model, with all that was stored before this call.

        `seq` numbers its latest change, if the caller has read that; None: it is read here. If
        `searched`, this read raises WrongModel for a model by which the tenant is not searched. It
        raises TenantNotFound, and loading raises Busy.
        """
        key = (tenant, model)
        wanted_seq = seq  # the change up to which it has to be
        if wanted_seq is None:
            wanted_seq = read_seq(self._items, tenant, model if searched else None)
        gallery = self._find_gallery(key, wanted_seq)
        if gallery is not None:
            return gallery
        with self._load_once(key):
            # Another thread may have loaded it while this one waited.
            return self._find_gallery(key, wanted_seq) or self._load_gallery(key, wanted_seq)

    def let_go(self, tenant: str) -> None:
        """Release a tenant's galleries, and with them the data of erased faces."""
        with self._lock:
            for key in [key for key in self._galleries if key[0] == tenant]:
                del self._galleries[key]

    def _find_gallery(self, key: _Key, wanted_seq: int) -> Gallery | None:
        """Return the gallery in memory, brought up to change `wanted_seq`; None: load it anew.

        It is let go, so that a fresh copy finds room even on a small disk, in two cases. The
        journal lacks changes on the way, or so many were applied that a fresh copy is faster.
        """
        tenant, _ = key
        with self._lock:
            gallery = self._galleries.get(key)
            if gallery is None:
                return None
            self._galleries.move_to_end(key)  # as the one that was searched last
        is_slow = gallery.is_slow_at(wanted_seq)
        if not is_slow and self._follow_journal(gallery, tenant, wanted_seq):
            return gallery
        with self._lock:
            if self._galleries.get(key) is gallery:
                del self._galleries[key]
        return None

    def _load_gallery(self, key: _Key, wanted_seq: int) -> Gallery:
        """Load and keep the gallery, brought up to change number `wanted_seq`.

        A snapshot is the gallery as it is stored; the journal has the changes after it. If the
        journal is trimmed between the two reads, a newer snapshot is there, so both are tried
        twice. At last it is rebuilt from the faces themselves, and Busy is raised if the journal
        lacks changes even then.
        """
        tenant, model = key
        for load in (
            self._load_from_snapshot,
            self._load_from_snapshot,
            partial(rebuild_from_faces, self._items),
        ):
            gallery = load(tenant, model)
            if self._follow_journal(gallery, tenant, wanted_seq):
                gallery.loaded_at = wanted_seq
                with self._lock:
                    self._galleries[key] = gallery
                    self._galleries.move_to_end(key)
                self._make_room()
                return gallery
            del gallery  # before its successor is loaded
        raise Busy(
            "the gallery changes faster than it can be loaded: send the request again in a moment"
        )

    def _load_from_snapshot(self, tenant: str, model: str) -> Gallery:
        """Load the gallery from its newest snapshot, and let others go that are in its way."""
        open_file = partial(self._scratch.open_file, make_room=self._make_room)
        with count_stage("load"):
            return load_from_snapshot(self._items, self._blobs, tenant, model, open_file)

    def _follow_journal(self, gallery: Gallery, tenant: str, wanted_seq: int) -> bool:
        """Apply the journal's changes up to number `wanted_seq`; return whether that was possible.

        It is not if the journal, the list of changes, was trimmed and lacks one of them.
        """
        if gallery.view.seq >= wanted_seq:
            return True
        with gallery.changing:
            if gallery.view.seq >= wanted_seq:
                return True
            entries = read_changes(self._items, tenant, gallery.view.seq, wanted_seq)
            if entries is None:
                return False
            gallery.apply_entries(entries, wanted_seq)
        self._make_room()
        return True

    def _make_room(self, memory_bytes: int = 0, disk_bytes: int = 0) -> None:
        """Let galleries go, those searched longest ago first, until so many more bytes fit.

        `disk_bytes` are those of a file for a large gallery's templates. If no bytes are asked for,
        the last gallery stays, however large it is.
        """
        min_galleries = 0 if memory_bytes or disk_bytes else 1
        with self._lock:
            used_bytes = sum(gallery.hot_bytes for gallery in self._galleries.values())
            while len(self._galleries) > min_galleries:
                fits_memory = used_bytes + memory_bytes <= self._memory_bytes
                # A gallery's file goes with it, unless a search still reads it.
                fits_disk = self._scratch.used_bytes + disk_bytes <= self._scratch.limit_bytes
                if fits_memory and fits_disk:
                    return
                _, gallery = self._galleries.popitem(last=False)
                used_bytes -= gallery.hot_bytes
                del gallery

    @contextmanager
    def _load_once(self, key: _Key) -> Iterator[None]:
        """Let one of the threads that miss a gallery load it while the others wait."""
        with self._lock:
            lock = self._loading.setdefault(key, threading.Lock())
        try:
            with lock:
                yield
        finally:
            with self._lock:
                self._loading.pop(key, None)
