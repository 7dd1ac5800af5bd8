"""What a warm search function holds: galleries of the tenants that it served, brought up to date at each search."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from chalicelib.core.errors import Busy
from chalicelib.core.ports import BlobStore, ItemStore, SearchAnswer
from chalicelib.index.gallery import Gallery
from chalicelib.index.journal import tail
from chalicelib.index.loading import from_faces, from_snapshot, seq_of
from chalicelib.index.scan import require_probes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Galleries:
    """Implements core.ports.FaceSearch in this process. Holds the `held` galleries that were searched last."""

    def __init__(self, items: ItemStore, blobs: BlobStore, held: int = 64) -> None:
        self._items = items
        self._blobs = blobs
        self._held = held
        self._galleries: OrderedDict[tuple[str, str], Gallery] = OrderedDict()
        self._lock = threading.Lock()

    def search(
        self,
        tenant: str,
        model: str,
        probes: NDArray[np.float32],
        *,
        group_ids: Iterable[str] | None = None,
        limit: int = 1,
    ) -> SearchAnswer:
        require_probes(probes, limit)
        view = self.current(tenant, model).view
        gallery_size, candidates = view.search(probes, None if group_ids is None else list(group_ids), limit)
        return SearchAnswer(view.seq, gallery_size, candidates)

    def current(self, tenant: str, model: str) -> Gallery:
        """The gallery with everything that was committed before this call. Raises TenantNotFound, Busy."""
        wanted = seq_of(self._items, tenant)
        key = (tenant, model)
        gallery = self._held_gallery(key) or self._keep(key, self._at_snapshot(tenant, model), instead_of=None)
        beginnings: tuple[Callable[[], Gallery], ...] = (
            lambda: self._at_snapshot(tenant, model),
            lambda: from_faces(self._items, tenant, model),
        )
        for begin_anew in beginnings:
            if self._follow(gallery, tenant, wanted):
                return gallery
            gallery = self._keep(key, begin_anew(), instead_of=gallery)
        if self._follow(gallery, tenant, wanted):
            return gallery
        raise Busy("the gallery changes faster than it can be loaded: send the request again in a moment")

    def _at_snapshot(self, tenant: str, model: str) -> Gallery:
        return from_snapshot(self._items, self._blobs, tenant, model)

    def _follow(self, gallery: Gallery, tenant: str, wanted: int) -> bool:
        """Apply the journal up to `wanted`; False if a part of it was trimmed."""
        with gallery.changing:
            if gallery.view.seq >= wanted:
                return True
            entries = tail(self._items, tenant, gallery.view.seq, wanted)
            if entries is None:
                return False
            gallery.apply(entries, wanted)
            return True

    def _held_gallery(self, key: tuple[str, str]) -> Gallery | None:
        with self._lock:
            gallery = self._galleries.get(key)
            if gallery is not None:
                self._galleries.move_to_end(key)
            return gallery

    def _keep(self, key: tuple[str, str], loaded: Gallery, instead_of: Gallery | None) -> Gallery:
        """Whoever loaded first wins, so that all threads follow one gallery."""
        with self._lock:
            present = self._galleries.get(key)
            if present is not None and present is not instead_of:
                return present
            self._galleries[key] = loaded
            self._galleries.move_to_end(key)
            while len(self._galleries) > self._held:
                self._galleries.popitem(last=False)
            return loaded
