"""The model that a tenant's gallery is searched with, and the vision of that model.

The tenant's directory item names the model; each search and each change of the gallery reads that item anyway. A use
case embeds with the model that it knew last. If the tenant has another one by now, nothing is searched or changed,
WrongModel is raised, and the picture is embedded again (`again_with_current_model`). A picture that the model refuses
never reaches a search. So the directory is read before the refusal is final (`require_current`, `judging`).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import islice
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from chalicelib.core import keys
from chalicelib.core.errors import Busy, ConditionFailed, TenantNotFound, Unusable, WrongModel
from chalicelib.core.items import directory_of, every
from chalicelib.core.model import Face, Tenant
from chalicelib.core.ports import Item, ItemStore, Update, Vision, equals
from chalicelib.core.records.faces import face_from
from chalicelib.services.commit.transaction import attempts, write

_TRIES = 3


class Visions:
    """The vision of each tenant. `default`: returns that of new tenants; `of_model`: makes that of another model."""

    def __init__(self, models: TenantModels, default: Callable[[], Vision], of_model: Callable[[str], Vision]) -> None:
        self._models = models
        self._default = default
        self._of_model = of_model
        self._known: dict[str, str] = {}
        self._made: dict[str, Vision] = {}
        self._making = threading.Lock()

    def __call__(self, tenant: str | None = None) -> Vision:
        """Return the vision of the model that the tenant had when it was last read. None: that of new tenants."""
        if tenant is None:
            return self._default()
        model = self._known.get(tenant)
        if model is None:
            try:
                model = self._known[tenant] = self._models.settled(tenant)
            except TenantNotFound:
                return self._default()  # the use case raises the same error later
        return self.of_model(model)

    def of_model(self, model: str) -> Vision:
        """Return the vision that makes this model's embeddings; the default vision if it does."""
        with self._making:
            if model not in self._made:
                default = self._default()
                self._made[model] = default if default.model == model else self._of_model(model)
            return self._made[model]

    def forget(self, tenant: str) -> None:
        """Forget the tenant's model, so that it is read again."""
        self._known.pop(tenant, None)

    def require_current(self, tenant: str, model: str) -> None:
        """Raise WrongModel if the tenant has another model by now. Call it before a refusal by `model` is final."""
        try:
            current = self._models.of(tenant)
        except TenantNotFound:
            return  # the use case raises the same error later
        if current != model:
            raise WrongModel(f"tenant {tenant!r} goes by the model {current!r} by now, not by {model!r}")

    @contextmanager
    def judging(self, tenant: str) -> Iterator[Vision]:
        """Yield the tenant's vision.

        If the block raises Unusable and the tenant has another model by now, WrongModel is raised instead.
        """
        vision = self(tenant)
        try:
            yield vision
        except Unusable:
            self.require_current(tenant, vision.model)
            raise


class Embeds(Protocol):
    """Use cases that embed pictures for a tenant."""

    def forget_model(self, tenant: str) -> None:
        """Forget the tenant's model, so that it is read again (Visions.forget)."""


_S = TypeVar("_S", bound=Embeds)
_P = ParamSpec("_P")
_T = TypeVar("_T")


def again_with_current_model(
    use_case: Callable[Concatenate[_S, Tenant, _P], _T],
) -> Callable[Concatenate[_S, Tenant, _P], _T]:
    """Make a use case try again, three times in all, if it raises WrongModel."""

    @wraps(use_case)
    def again(self: _S, tenant: Tenant, /, *arguments: _P.args, **options: _P.kwargs) -> _T:
        for _ in range(_TRIES - 1):
            try:
                return use_case(self, tenant, *arguments, **options)
            except WrongModel:
                self.forget_model(tenant.name)
        return use_case(self, tenant, *arguments, **options)

    return again


LOOKED_AT = 1_000
"""Faces that are read at most to find the model of a tenant that names none.

They come in the order of their ids, which has nothing to do with their models. The first face is enough, except in a
gallery that two versions wrote in turns.
"""

_PAGE = 100


class TenantModels:
    """The models of tenants. `default`: the model of a tenant that names none and has no faces, as of a new one."""

    def __init__(self, items: ItemStore, default: Callable[[], str]) -> None:
        self._items = items
        self._default = default

    def of(self, tenant: str) -> str:
        """Return the id of the tenant's model. Raises TenantNotFound."""
        return self._named_or_held(tenant, directory_of(self._items, tenant))

    def settled(self, tenant: str) -> str:
        """Return the same id, and write it into the directory if it is not there. Raises TenantNotFound, Busy."""
        for _ in attempts():
            directory = directory_of(self._items, tenant)
            model = self._named_or_held(tenant, directory)
            if directory.get("model"):
                return model
            unchanged = (equals("model", None, "names-no-model"), equals("seq", directory["seq"], "gallery-same"))
            key = (tenant, keys.TENANT_ITEM)
            try:
                write(self._items, [Update(keys.DIRECTORY, key, unchanged, set={"model": model})])
            except ConditionFailed:
                continue
            return model
        raise Busy("the gallery changes faster than its model can be told: send the request again in a moment")

    def _named_or_held(self, tenant: str, directory: Item) -> str:
        """Return the model that the directory names, else the one that the faces have.

        If they have several, it is the most common one among the faces that the default model would not find. A model
        that the tenant is being changed to does not count, since not all faces have it yet.
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
        faces = every(self._items, keys.FACES, tenant, page_size=_PAGE)
        return map(face_from, islice(faces, LOOKED_AT))
