"""Descriptions of dialects: name, paths, keys, acts and settings. All code outside a dialect's
package loops over them.

A description stands in the `__init__` of a dialect's package, which an entry point names, and
imports nothing that answers requests: `routes`, `probe` and `canary` lie beside it, and are loaded
when they are needed. So a cold start pays for one dialect.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from chalicelib.auth.roles import Role
from chalicelib.domain.audit_events import AuditEvent, Kind
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import SharedKey, Tenant
from chalicelib.privacy.reading import Data
from chalicelib.settings import SettingError, list_rows

if TYPE_CHECKING:
    from chalice.app import Blueprint

    from chalicelib.api.http import Provide, Views
    from chalicelib.api.probes import Keys, Probe
    from chalicelib.services import Services

ROOT = "/"


class Keyless(Struct, frozen=True):
    """Settings of a dialect that allows clients without a key: their tenant, and their networks."""

    tenant: str | None = None
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def __post_init__(self) -> None:
        if (self.tenant is None) != (not self.networks):
            raise SettingError(
                f"{' and '.join(setting.name for setting in list_rows(type(self)))} are given "
                "together"
            )


class Dialect(Struct, frozen=True):
    """A dialect, as all that is not in its package knows it.

    `package`: its `__name__`; `name`: its acts begin with it. `title`: what people call it.
    `prefixes`: beginnings of its paths; (ROOT,) is the root alone. `acts`: what becomes an entry of
    the audit, by the names of its acts; of others nothing does. `reads`: what their answers tell of
    people. `services`: those that have keys of their own, with the role of these; the key of the
    first one reaches a group. `shared_key`: the secret that all clients of a tenant share, which an
    admin may renew. `settings`: those that it alone needs. `has_feelings`: whether its answers have
    emotion or beauty. `has_canary`: whether a stage's own search (api/canary) speaks it.
    `face_sets`: the class that keeps its face sets (domain/face_sets), as `module:name`; "":
    it has none.
    """

    package: str
    name: str
    title: str
    prefixes: tuple[str, ...]
    acts: Mapping[str, Kind]
    reads: Mapping[str, tuple[Data, ...]] = field(default_factory=lambda: MappingProxyType({}))
    services: Mapping[str, Role] = field(default_factory=lambda: MappingProxyType({}))
    shared_key: SharedKey | None = None
    settings: type[Struct] | None = None
    has_feelings: bool = False
    has_canary: bool = False
    face_sets: str = ""

    @property
    def is_at_root(self) -> bool:
        """Tell whether the dialect's only path is the root, where it answers POST and the console
        GET."""
        return self.prefixes == (ROOT,)

    def owns(self, path: str) -> bool:
        """Tell whether a path belongs to the dialect."""
        return path == ROOT if self.is_at_root else path.startswith(self.prefixes)

    @property
    def views(self) -> Views:
        """Load the views that answer the dialect's requests."""
        views: Views = self._load_part("routes").VIEWS
        return views

    def make_blueprint(self, provide: Provide) -> Blueprint:
        """Load and make its routes. `provide` returns the services; the first request calls it."""
        return self.views.make_blueprint(self.name, provide)

    def make_act(self, name: str, by: str, tenant: Tenant) -> AuditEvent:
        """Make the act of a call. `by`: the credential that was used."""
        return AuditEvent(
            f"{self.name} {name}",
            by,
            self.acts.get(name, Kind.NOTHING),
            tenant.name,
            tells=self.reads.get(name, ()),
        )

    def make_probes(self, keys: Keys) -> list[Probe]:
        """Make the calls with which the doctor checks that clients get the expected answers.

        Raises InvalidInput, also if it has none.
        """
        if find_spec(f"{self.package}.probe") is None:
            raise InvalidInput(f"{self.title} has no module `probe`, whose calls could be sent")
        probes: list[Probe] = self._load_part("probe").make_probes(keys)
        return probes

    @property
    def limits(self) -> str:
        """Return the doctor's note on the thresholds that clients of the dialect use."""
        limits: str = self._load_part("probe").LIMITS
        return limits

    def make_canary(self, services: Services, tenant: str, picture: bytes) -> Probe:
        """Make the search of a stage's own tenant. Raises TenantNotFound."""
        probe: Probe = self._load_part("canary").search(services, tenant, picture)
        return probe

    def read_canary_path(self) -> str:
        """Return the path of that search.

        It answers everybody with HTTP 200, whatever is posted.
        """
        path: str = self._load_part("canary").PATH
        return path

    def _load_part(self, name: str) -> Any:
        return import_module(f"{self.package}.{name}")
