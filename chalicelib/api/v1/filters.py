"""Filters that name something: one that names what there is not is an error. An empty answer would
read as a result.

They are asked only if nothing was found. So what is gone is found by its name as long as something
of it is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chalicelib.api.dialects import DIALECTS, READS
from chalicelib.domain.audit_events import ACTS
from chalicelib.domain.errors import CameraNotFound, GroupNotFound, InvalidInput
from chalicelib.storage.items import camera_ids

if TYPE_CHECKING:
    from chalicelib.domain.model import Tenant
    from chalicelib.services import Services

MOST_LISTED = 20
"""Names that an error lists."""


def require_named(
    services: Services,
    tenant: Tenant,
    *,
    camera: str | None = None,
    group: str | None = None,
    face: str | None = None,
) -> None:
    """Raise CameraNotFound, GroupNotFound or FaceNotFound if a filter names what there is not.

    None: no filter.
    """
    if camera is not None and services.cameras.id_of(tenant, camera) not in camera_ids(
        services.items, tenant.name
    ):
        known_cameras = [one.id for one in services.cameras.list_all(tenant)]
        raise CameraNotFound(f"there is no camera {camera[:70]!r}, {say_known(known_cameras)}")
    if group is not None and services.groups.find(tenant, group) is None:
        known_groups = [one.name for one in services.groups.list_all(tenant)]
        raise GroupNotFound(f"there is no group {group[:70]!r}, {say_known(known_groups)}")
    if face is not None:
        services.faces.get(tenant, face)


def require_named_in_audit(
    services: Services, tenant: Tenant, *, face: str | None, act: str | None, by: str | None
) -> None:
    """Raise FaceNotFound or InvalidInput if a filter of the audit names what there is not.

    None: no filter.
    """
    if face is not None:
        services.faces.get(tenant, face, restricted=True)
    if act is not None and not is_act(act):
        raise InvalidInput(
            f"what is an act, as 'PATCH /v1/settings' or 'sighting', not {act[:70]!r}"
        )
    if by is not None:
        services.access.callers.require_caller(tenant, by)


def is_act(act: str) -> bool:
    """Tell whether the audit may have entries of an act of that name."""
    from chalicelib.api.v1.routes import OPERATIONS  # which import this module

    of_v1 = {f"{operation.method} {operation.path}" for operation in OPERATIONS}
    of_dialects = {f"{dialect.name} {name}" for dialect in DIALECTS for name in dialect.acts}
    return act in ACTS or act in READS or act in of_v1 or act in of_dialects


def say_known(names: Iterable[str]) -> str:
    """Say which there are; beyond MOST_LISTED, how many more."""
    all_names = sorted(names)
    more = f" and {len(all_names) - MOST_LISTED} more" if len(all_names) > MOST_LISTED else ""
    return f"there are {', '.join(all_names[:MOST_LISTED])}{more}" if all_names else "there is none"
