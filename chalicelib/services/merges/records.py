"""The merges that can be undone, as they are stored: found by survivor, listed, forgotten with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from chalicelib.core import keys
from chalicelib.core.errors import InvalidInput, MergeNotFound
from chalicelib.core.items import every
from chalicelib.core.merges import Merge
from chalicelib.core.model import Face, Tenant
from chalicelib.core.page_tokens import PageTokens
from chalicelib.core.ports import Action, Delete, ItemStore
from chalicelib.core.records.merges import merge_from
from chalicelib.services.commit.transaction import write_in_parts

PAGE_SIZES = range(1, 101)

MAX_MERGES = 20
"""Faces that one was merged from and that can come back, those that they were merged from included."""


@dataclass(frozen=True)
class MergePage:
    """By survivor, oldest first. `next_token`: for the rest; None: no more."""

    merges: list[Merge]
    next_token: str | None


class Merges:
    def __init__(self, items: ItemStore) -> None:
        self._items = items

    def get(self, tenant: str, merge_id: str) -> Merge:
        """Raises MergeNotFound."""
        item = self._items.get(keys.MERGES, (tenant, merge_id)) if merge_id else None
        if item is None:
            raise MergeNotFound(f"there is no merge {merge_id[:130]!r}: it was forgotten, or there never was one")
        return merge_from(item)

    def page(self, tenant: Tenant, limit: int, token: str | None = None) -> MergePage:
        """Raises InvalidInput: a limit of none or over 100, a token that is damaged."""
        if limit not in PAGE_SIZES:
            raise InvalidInput(f"limit is {PAGE_SIZES[0]} to {PAGE_SIZES[-1]}, not {limit}")
        pages = PageTokens(f"merges of {tenant.name}")
        behind = None if token is None else pages.place(token)
        found: list[Merge] = []
        for merge in self.all(tenant.name, behind):
            if merge.id != behind:
                found.append(merge)
            if len(found) > limit:
                return MergePage(found[:limit], pages.token(found[limit - 1].id))
        return MergePage(found, None)

    def all(self, tenant: str, low: str | None = None, high: str | None = None) -> Iterator[Merge]:
        return map(merge_from, every(self._items, keys.MERGES, tenant, low=low, high=high))

    def of_survivor(self, tenant: str, faceid: str) -> list[Merge]:
        """Oldest first, those that are undone too."""
        return list(self.all(tenant, *keys.merges_range(faceid)))

    def into(self, tenant: str, faceid: str) -> Merge | None:
        """The merge by which this face was absorbed."""
        return next((merge for merge in self.all(tenant) if merge.other == faceid and merge.is_active), None)

    def below(self, tenant: str, faceid: str) -> list[Merge]:
        """All merges of a face, and of those that were merged into it: what goes with its person."""
        found: list[Merge] = []
        for merge in self.of_survivor(tenant, faceid):
            found.append(merge)
            if merge.is_active:
                found += self.below(tenant, merge.other)
        return found

    def deletes(self, tenant: str, face: Face) -> tuple[list[Action], list[str]]:
        """What forgets them, for the transaction that deletes the face; and the pictures that nobody names then."""
        if not face.merges:
            return [], []
        merges = self.below(tenant, face.faceid)
        pictures = [key for merge in merges for key in merge.picture_keys]
        return [Delete(keys.MERGES, (tenant, merge.id)) for merge in merges], pictures

    def forget(self, tenant: str, faces: Iterable[Face]) -> Sequence[str]:
        """Delete those of faces that are about to be deleted; the pictures that nobody names then."""
        pictures: list[str] = []
        for face in faces:
            actions, named = self.deletes(tenant, face)
            write_in_parts(self._items, actions)
            pictures += named
        return pictures
