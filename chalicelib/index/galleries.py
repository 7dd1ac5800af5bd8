"""What a warm search function holds: galleries of the tenants that it served, brought up to date at each search."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from chalicelib.core import keys
from chalicelib.core.errors import StorageUnavailable, TenantNotFound
from chalicelib.core.ports import BlobStore, ItemStore, SearchAnswer
from chalicelib.index.gallery import Gallery, View
from chalicelib.index.journal import tail
from chalicelib.index.scan import require_probes
from chalicelib.index.segment import DamagedSnapshot, Segment, decode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

_LOADS = 3


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
        """The gallery with everything that was committed before this call. Raises TenantNotFound."""
        wanted = self._seq(tenant)
        gallery = self._gallery(tenant, model)
        for _ in range(_LOADS):
            with gallery.changing:
                if self._follow(gallery, tenant, wanted):
                    return gallery
            gallery = self._reload(tenant, model, gallery)
        raise StorageUnavailable("the journal has a gap that no snapshot covers: restore the tenant from a backup")

    def _follow(self, gallery: Gallery, tenant: str, wanted: int) -> bool:
        """Apply the journal up to `wanted`; False if a part of it was trimmed."""
        view: View = gallery.view
        if view.seq >= wanted:
            return True
        entries = tail(self._items, tenant, view.seq, wanted)
        if entries is None:
            return False
        gallery.apply(entries, wanted)
        return True

    def _seq(self, tenant: str) -> int:
        item = self._items.get(keys.DIRECTORY, (tenant, keys.TENANT_ITEM))
        if item is None:
            raise TenantNotFound(f"there is no tenant {tenant!r}")
        return int(item["seq"])

    def _gallery(self, tenant: str, model: str) -> Gallery:
        with self._lock:
            gallery = self._galleries.get((tenant, model))
            if gallery is not None:
                self._galleries.move_to_end((tenant, model))
                return gallery
        return self._keep(tenant, model, self._load(tenant, model), instead_of=None)

    def _reload(self, tenant: str, model: str, behind: Gallery) -> Gallery:
        return self._keep(tenant, model, self._load(tenant, model), instead_of=behind)

    def _keep(self, tenant: str, model: str, loaded: Gallery, instead_of: Gallery | None) -> Gallery:
        """Whoever loaded first wins, so that all threads follow one gallery."""
        with self._lock:
            present = self._galleries.get((tenant, model))
            if present is not None and present is not instead_of:
                return present
            self._galleries[(tenant, model)] = loaded
            self._galleries.move_to_end((tenant, model))
            while len(self._galleries) > self._held:
                self._galleries.popitem(last=False)
            return loaded

    def _load(self, tenant: str, model: str) -> Gallery:
        return Gallery(model, self._newest_snapshot(tenant, model))

    def _newest_snapshot(self, tenant: str, model: str) -> Segment | None:
        """The newest whole snapshot; a damaged one is passed over for the one before it, with the journal behind."""
        pointer = self._items.get(keys.DIRECTORY, (tenant, keys.index_item(model)))
        for key in reversed(pointer["snapshots"] if pointer else []):
            data = self._blobs.get(key)
            try:
                if data is not None:
                    return decode(data)
            except DamagedSnapshot as error:
                _log.error("snapshot %s of tenant %s is damaged: %s", key, tenant, error)
        return None
