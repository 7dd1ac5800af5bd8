"""`regulars restore --new-secrets`: replaces all secrets in a restored book whose old ones are
lost, or known to others.

On a stage with another KMS key nobody can read what the old one had sealed, nor on a box with
another vault_key_file. On a box, too, people who should not may have the backup, or accesses that
ended since are not known. So a box renews all keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from msgspec.structs import asdict

from chalicelib.api.service_keys import add_service_key
from chalicelib.domain.api_keys import FIRST
from chalicelib.domain.errors import InvalidInput, StorageUnavailable
from chalicelib.domain.model import Credentials, Tenant
from chalicelib.services import Services
from regulars.backup.after import begin_restore_act
from regulars.tenants.credentials import CredentialsFile


def renew_secrets(services: Services) -> Iterator[dict[str, object]]:
    """Replace secrets of all tenants; yield those of each."""
    for tenant in services.tenants.list_all():
        with begin_restore_act(tenant):
            secrets = renew_tenant_secrets(services, tenant)
        yield secrets


def renew_tenant_secrets(services: Services, tenant: Tenant) -> dict[str, object]:
    """Replace secrets of a tenant; return its credentials, and by id the secrets of the rest.

    Hooks that send messages to people are disabled until somebody sends their channel again, if
    nobody can read it.
    """
    hooks, is_box = services.webhooks.hooks, isinstance(services.settings.storage, Path)
    credentials = asdict(_rotate_keys(services, tenant))
    hook_ids = [hook.id for hook in hooks.list_all(tenant.name) if hook.url]
    for people_hook in (hook for hook in hooks.list_all(tenant.name) if hook.way):
        try:
            hooks.read_secrets(tenant.name, people_hook)
        except StorageUnavailable:
            hooks.change_hook(tenant.name, people_hook.id, {"enabled": False})
    services.webhooks.messages.forget_push_key(tenant.name)
    with suppress(InvalidInput):  # it has signed nothing yet
        services.audit.signing.renew_key(tenant.name, is_lost=True)
    # the old ones may be another stage's, which nobody can read here
    secrets = {
        "hooks": {
            id_: hooks.replace_secret(tenant.name, id_, old_holds=timedelta()) for id_ in hook_ids
        }
    }
    return {**credentials, **secrets, **(_renew_other_keys(services, tenant) if is_box else {})}


def _rotate_keys(services: Services, tenant: Tenant) -> Credentials:
    storage = services.settings.storage
    book = (
        CredentialsFile(storage, services.tenants)
        if isinstance(storage, Path)
        else services.tenants
    )
    return book.rotate_keys(tenant.name)


def _renew_other_keys(services: Services, tenant: Tenant) -> dict[str, object]:
    """Replace the secrets of a tenant's further keys and of its cameras; return them by id.

    The key of a dialect's service stays as it is for good: another one is made in its place.
    """
    ring = services.access.keys
    secrets: dict[str, str] = {}
    for key in [key for key in ring.list_all(tenant) if key.id != FIRST]:
        if key.service:
            secrets[key.id] = add_service_key(services, tenant, key.name, key.service, key.group)
            ring.delete(tenant, key.id)
        else:
            secrets[key.id] = ring.renew(tenant, key.id)
    cameras = services.cameras
    camera_keys = {
        camera.id: cameras.replace_key(tenant, camera.id) for camera in cameras.list_all(tenant)
    }
    return {"keys": secrets, "cameras": camera_keys}
