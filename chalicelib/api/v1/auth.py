"""Authentication by a bearer key: a tenant's, which may do everything, or one of its cameras', which may do little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.api.http import HttpRequest
from chalicelib.core.captures import Camera
from chalicelib.core.errors import NotAllowed, TenantDisabled, WrongCredentials
from chalicelib.core.model import Tenant
from chalicelib.core.roles import Role

if TYPE_CHECKING:
    from chalicelib.services import Services

_SCHEME = "bearer"


@dataclass(frozen=True)
class Caller:
    """The authenticated caller. `camera`: the camera whose key was sent; None if it was the tenant's own."""

    tenant: Tenant
    camera: Camera | None = None

    @property
    def role(self) -> Role:
        return Role.ADMIN if self.camera is None else Role.CAMERA

    def require_role(self, needed: Role, *, of_cameras: bool) -> None:
        """Raise NotAllowed if the key's role does not include `needed`. `of_cameras`: a camera's key will do, too."""
        if self.role.includes(needed) or (of_cameras and self.role is Role.CAMERA):
            return
        if self.role is Role.CAMERA:
            raise NotAllowed("a camera's key can upload its captures and nothing else: use the tenant's api_key")
        raise NotAllowed(f"this key's role is {self.role}, and this needs {needed}: use a key that may do it")

    def require_camera(self, *names: str | None) -> None:
        """Raise NotAllowed if the caller is a camera and any of these ids or names is another's; None: not given."""
        if self.camera is None:
            return
        for name in names:
            if name is not None and name not in (self.camera.id, self.camera.name):
                raise NotAllowed(
                    f"this is the key of camera {self.camera.id!r}, which is good for that camera only: "
                    "use the tenant's api_key"
                )


def caller(request: HttpRequest, services: Services) -> Caller:
    """Authenticate the request. Raises WrongCredentials, TenantDisabled."""
    scheme, _, key = request.headers.get("authorization", "").strip().partition(" ")
    key = key.strip()
    if scheme.lower() != _SCHEME or not key:
        raise WrongCredentials(
            "send `Authorization: Bearer <api_key>`: the key stands in the tenant's credentials, a camera's own in the "
            "answer that made the camera"
        )
    found = _of_tenant(key, services) or _of_camera(key, services)
    if found is None:
        raise WrongCredentials("this key is unknown: it was mistyped, or another has taken its place")
    if found.tenant.disabled:
        raise TenantDisabled("this tenant is not activated: ask its operator to enable it")
    return found


def _of_tenant(key: str, services: Services) -> Caller | None:
    tenant = services.tenants.by_api_key(key)
    return Caller(tenant) if tenant else None


def _of_camera(key: str, services: Services) -> Caller | None:
    known = services.cameras.by_api_key(key)
    return Caller(*known) if known else None
