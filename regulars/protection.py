"""The protection of data in transit and at rest: what is really on, for the record of processing
(Article 32).

Of a box it is asked of the service that runs, or else of the settings here, and of the kernel. A
stage is as its template makes it (infra/storage.py, infra/functions.yaml).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from regulars import folder
from regulars.configuration import parse_lines
from regulars.options import read_configuration
from regulars.serve.settings import ServeSettings

LOOPBACK = ("127.0.0.1", "::1", "localhost")

_SYSTEM = Path("/sys/dev/block")
_MOUNTS = Path("/proc/self/mountinfo")
_ENCRYPTS = "CRYPT-"
"""Beginning of the kernel's id of a device that dm-crypt makes, LUKS among them."""


def list_protection_measures(services: Services, tenant: Tenant) -> list[str]:
    """List what protects a tenant's data, as lines of a record; a person fills in the lines in
    [brackets]."""
    storage = services.settings.storage
    place_measures = (
        list(_list_box_measures(storage))
        if isinstance(storage, Path)
        else list(_list_stage_measures())
    )
    hook_urls = [
        hook.url or hook.address
        for hook in services.webhooks.hooks.list_all(tenant.name)
        if hook.enabled
    ]
    plain_hosts = sorted(
        {urlsplit(url).hostname or "" for url in hook_urls if urlsplit(url).scheme == "http"}
    )
    hook_measures = (
        [f"NOT ENCRYPTED: hooks speak plain http to {', '.join(plain_hosts)}"]
        if plain_hosts
        else []
    )
    witness = services.settings.witness
    witness_measure = (
        "heads of the audit go to a witness" if witness else "no witness keeps heads of the audit"
    )
    return [
        "roles and keys; pictures by signed URLs for an hour; an audit that is a signed chain",
        *place_measures,
        *hook_measures,
        witness_measure,
        "[who may enter the room]",
        "[backups: where, encrypted how, for how many days]",
    ]


def _list_box_measures(data: Path) -> Iterator[str]:
    """Yield the measures of one box: by the settings with which it is served, else by those
    here."""
    running = folder.find_server(data)
    configuration_in_use = read_configuration(data=data)
    if running and running.settings:
        configuration_in_use = parse_lines(running.settings, data / folder.LOCK)
    yield say_transport(configuration_in_use.serving, configuration_in_use.settings.public_url)
    yield say_disk(data)
    yield (
        "only the folder's owner may look into it"
        if not data.stat().st_mode & 0o077
        else ("NOT CLOSED: others of the machine may look into the folder")
    )


def say_transport(serving: ServeSettings, public_url: str | None) -> str:
    """Say whether others can overhear what clients and the service say."""
    if serving.tls_cert is not None:
        return "TLS, by the service itself"
    if (public_url or "").startswith("https:"):
        local_part = (
            "on this machine" if serving.host in LOOPBACK else f"NOT ENCRYPTED, at {serving.host}"
        )
        return (
            "TLS, by a proxy, as `public_url` says; from the proxy to the service plain http, "
            f"{local_part}"
        )
    if serving.host in LOOPBACK:
        return "no TLS: plain http, which only this machine reaches"
    return f"NOT ENCRYPTED: plain http at {serving.host}, which others may overhear"


def say_disk(data: Path) -> str:
    """Say whether the folder's disk is encrypted, as far as the kernel tells."""
    encrypted = is_encrypted(data)
    if encrypted is None:
        return "encryption of the disk: not known [is it on?]"
    if encrypted:
        return "the disk is encrypted (dm-crypt)"
    return (
        "NOT ENCRYPTED: the kernel knows of no encryption of the disk [unless the drive does "
        "it itself]"
    )


def is_encrypted(data: Path, system: Path = _SYSTEM, mounts: Path = _MOUNTS) -> bool | None:
    """Return whether a folder lies on a device that dm-crypt makes, at whatever depth; None: the
    kernel does not say.

    `system`, `mounts`: where the kernel lists devices and mounts.
    """
    device = data.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    device_entry = system / number
    if not device_entry.exists():  # such as of btrfs, whose number is no device's
        with suppress(OSError, StopIteration):
            lines = (
                line.partition(" - ") for line in mounts.read_text("utf-8", "replace").splitlines()
            )
            source = next(
                source_fields.split()[1]
                for mount_fields, _, source_fields in lines
                if mount_fields.split()[2] == number
            )
            block = Path(source).stat().st_rdev
            device_entry = system / f"{os.major(block)}:{os.minor(block)}"
    return _is_crypt(device_entry.resolve()) if device_entry.exists() else None


def _is_crypt(device: Path) -> bool:
    with suppress(OSError):
        if (device / "dm" / "uuid").read_text().startswith(_ENCRYPTS):
            return True
    lower_devices = device / "slaves"
    return lower_devices.is_dir() and any(
        _is_crypt(path.resolve()) for path in lower_devices.iterdir()
    )


def _list_stage_measures() -> Iterator[str]:
    yield "TLS: API Gateway and the buckets take nothing else"
    yield (
        "tables, buckets and queues are encrypted by AWS's keys, or by the stack's parameter "
        "`CustomerKey`"
    )
    yield "secrets of tenants and hooks are sealed by a key of KMS"
