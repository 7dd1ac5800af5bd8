"""Which model a tenant's gallery is searched with, and the vision that has it.

The directory says it, in the item that each search and each change of the gallery reads anyway. Whoever embeds goes by
what it knew last; where that is no longer so, nothing is searched or changed, WrongModel is raised, and the picture is
embedded again (`again_with_current_model`). What a model refuses never comes as far as a search, so before anybody is
told of a refusal, the directory is read for it (`require_current`, `judging`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from chalicelib.core.errors import TenantNotFound, Unusable, WrongModel
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Vision
from chalicelib.services.models.tenant_models import TenantModels

_TRIES = 3


class Visions:
    """The vision of each tenant. `default`: of new tenants; `of_model`: of those that go by another model."""

    def __init__(self, models: TenantModels, default: Callable[[], Vision], of_model: Callable[[str], Vision]) -> None:
        self._models = models
        self._default = default
        self._of_model = of_model
        self._known: dict[str, str] = {}
        self._made: dict[str, Vision] = {}
        self._making = threading.Lock()

    def __call__(self, tenant: str | None = None) -> Vision:
        """The vision of this tenant's model, as far as is known; None: that of new tenants."""
        if tenant is None:
            return self._default()
        model = self._known.get(tenant)
        if model is None:
            try:
                model = self._known[tenant] = self._models.settled(tenant)
            except TenantNotFound:
                return self._default()  # whatever is done for it then says so
        return self.of_model(model)

    def of_model(self, model: str) -> Vision:
        """The vision that makes embeddings of this id, the default one where it does."""
        with self._making:
            if model not in self._made:
                default = self._default()
                self._made[model] = default if default.model == model else self._of_model(model)
            return self._made[model]

    def forget(self, tenant: str) -> None:
        """What is known of the tenant's model is no longer so."""
        self._known.pop(tenant, None)

    def require_current(self, tenant: str, model: str) -> None:
        """Before what this model says is the last word. Raises WrongModel: the tenant's is another by now."""
        try:
            current = self._models.of(tenant)
        except TenantNotFound:
            return  # whatever is done for it then says so
        if current != model:
            raise WrongModel(f"tenant {tenant!r} goes by the model {current!r} by now, not by {model!r}")

    @contextmanager
    def judging(self, tenant: str) -> Iterator[Vision]:
        """The tenant's vision. What is raised inside as Unusable stands only if it is the tenant's still; else
        WrongModel."""
        vision = self(tenant)
        try:
            yield vision
        except Unusable:
            self.require_current(tenant, vision.model)
            raise


class Embeds(Protocol):
    """Use cases that embed pictures for a tenant."""

    def forget_model(self, tenant: str) -> None:
        """What is known of the tenant's model is no longer so (Visions.forget)."""


_S = TypeVar("_S", bound=Embeds)
_P = ParamSpec("_P")
_T = TypeVar("_T")


def again_with_current_model(
    use_case: Callable[Concatenate[_S, Tenant, _P], _T],
) -> Callable[Concatenate[_S, Tenant, _P], _T]:
    """Do it once more when the tenant's model was changed meanwhile."""

    @wraps(use_case)
    def again(self: _S, tenant: Tenant, /, *arguments: _P.args, **options: _P.kwargs) -> _T:
        for _ in range(_TRIES - 1):
            try:
                return use_case(self, tenant, *arguments, **options)
            except WrongModel:
                self.forget_model(tenant.name)
        return use_case(self, tenant, *arguments, **options)

    return again
