"""Records of the merges that can be undone: found by survivor, listed, and deleted with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from chalicelib.core import keys
from chalicelib.core.errors import MergeNotFound
from chalicelib.core.items import every, write_in_parts
from chalicelib.core.merges import Merge
from chalicelib.core.model import Face, Tenant
from chalicelib.core.page_tokens import ListPage, PageTokens, require_page_size
from chalicelib.core.ports import Action, Delete, ItemStore
from chalicelib.core.records.merges import merge_from

MAX_MERGES = 20
"""The most merges that a face may come from and that can be undone, including those of the faces merged into it."""


class Merges:
    def __init__(self, items: ItemStore) -> None:
        self._items = items

    def get(self, tenant: str, merge_id: str) -> Merge:
        """Read a merge. Raises MergeNotFound."""
        item = self._items.get(keys.MERGES, (tenant, merge_id)) if merge_id else None
        if item is None:
            raise MergeNotFound(f"there is no merge {merge_id[:130]!r}: it was forgotten, or there never was one")
        return merge_from(item)

    def page(
        self, tenant: Tenant, limit: int, token: str | None = None, survivor: str | None = None
    ) -> ListPage[Merge]:
        """Read a page of merges, by survivor and oldest first: of all, or of those into one face.

        Raises InvalidInput if the limit is not 1 to 100, or the token is damaged or another query's.
        """
        require_page_size(limit)
        pages = PageTokens(
            f"merges of {tenant.name}" if survivor is None else f"merges into {survivor} of {tenant.name}"
        )
        behind = None if token is None else pages.place(token, str)
        low, high = (None, None) if survivor is None else keys.merges_range(survivor)
        found: list[Merge] = []
        for merge in self.all(tenant.name, behind or low, high):
            if merge.id != behind:
                found.append(merge)
            if len(found) > limit:
                return pages.page(found[:limit], found[limit - 1].id)
        return pages.page(found, None)

    def all(self, tenant: str, low: str | None = None, high: str | None = None) -> Iterator[Merge]:
        return map(merge_from, every(self._items, keys.MERGES, tenant, low=low, high=high))

    def of_survivor(self, tenant: str, faceid: str) -> list[Merge]:
        """Read all merges into this face, oldest first, including those that were undone."""
        return list(self.all(tenant, *keys.merges_range(faceid)))

    def into(self, tenant: str, faceid: str) -> Merge | None:
        """Find the merge that absorbed this face. Reads all merges."""
        return next((merge for merge in self.all(tenant) if merge.other == faceid and merge.is_active), None)

    def below(self, tenant: str, faceid: str) -> list[Merge]:
        """Read all merges into a face, and into the faces that were merged into it."""
        found: list[Merge] = []
        for merge in self.of_survivor(tenant, faceid):
            found.append(merge)
            if merge.is_active:
                found += self.below(tenant, merge.other)
        return found

    def deletes(self, tenant: str, face: Face) -> tuple[list[Action], list[str]]:
        """Return the actions that delete a face's merges, for the transaction that deletes it.

        Return also the keys of the pictures that only those merges name.
        """
        if not face.merges:
            return [], []
        merges = self.below(tenant, face.faceid)
        pictures = [key for merge in merges for key in merge.picture_keys]
        return [Delete(keys.MERGES, (tenant, merge.id)) for merge in merges], pictures

    def forget(self, tenant: str, faces: Iterable[Face]) -> Sequence[str]:
        """Delete the merges of faces that are about to be deleted.

        Return the keys of the pictures that only those merges named.
        """
        pictures: list[str] = []
        for face in faces:
            actions, named = self.deletes(tenant, face)
            write_in_parts(self._items, actions)
            pictures += named
        return pictures
