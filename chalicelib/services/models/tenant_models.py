"""The model that a tenant's gallery is searched with, which its directory item names.

Tenants from before the directory named models name none. Theirs is the one that their faces have templates of; it is
written down when it is first asked for, so that everybody goes by it from then on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from chalicelib.core import keys
from chalicelib.core.errors import Busy, ConditionFailed, TenantNotFound
from chalicelib.core.model import Face
from chalicelib.core.ports import Item, ItemStore, Update, equals
from chalicelib.core.records import faces as records

LOOKED_AT = 1_000
"""Faces that are looked at, at most, of a tenant that names no model. They lie in the order of their ids, which is by
chance, and in all but a mixed gallery, where two versions took turns, the first tells."""

_PAGE = 100
_TRIES = 10


class TenantModels:
    """`default`: the model of tenants that name none and have no faces, as it is that of new ones."""

    def __init__(self, items: ItemStore, default: Callable[[], str]) -> None:
        self._items = items
        self._default = default

    def of(self, tenant: str) -> str:
        """The model's id. Raises TenantNotFound."""
        return self._named_or_held(tenant, self._directory(tenant))

    def settled(self, tenant: str) -> str:
        """The same, which the directory names from now on. Raises TenantNotFound, Busy."""
        for _ in range(_TRIES):
            directory = self._directory(tenant)
            model = self._named_or_held(tenant, directory)
            if directory.get("model"):
                return model
            unchanged = (equals("model", None, "names-no-model"), equals("seq", directory["seq"], "gallery-same"))
            key = (tenant, keys.TENANT_ITEM)
            try:
                self._items.transact([Update(keys.DIRECTORY, key, unchanged, set={"model": model})])
            except ConditionFailed:
                continue
            return model
        raise Busy("the gallery changes faster than its model can be told: send the request again in a moment")

    def _named_or_held(self, tenant: str, directory: Item) -> str:
        """Of a gallery that holds several: of the faces that the default model would not find, the most common one.

        Where it was being changed to another model, that one does not count: not all faces have it yet.
        """
        named: str | None = directory.get("model")
        if named:
            return named
        default, following = self._default(), directory.get("next_model")
        held = Counter[str]()
        for face in self._faces(tenant):
            models = {template.model for template in face.templates} - {following}
            if default not in models:
                held.update(models)
        return held.most_common(1)[0][0] if held else default

    def _faces(self, tenant: str) -> Iterator[Face]:
        token: str | None = None
        for _ in range(LOOKED_AT // _PAGE):
            page = self._items.query(keys.FACES, tenant, limit=_PAGE, token=token)
            yield from map(records.face_from, page.items)
            token = page.token
            if token is None:
                return

    def _directory(self, tenant: str) -> Item:
        item = self._items.get(keys.DIRECTORY, (tenant, keys.TENANT_ITEM))
        if item is None:
            raise TenantNotFound(f"there is no tenant {tenant!r}")
        return item
