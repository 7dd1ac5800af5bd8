"""The drill on a box in a folder of its own, which is backed up and restored by the commands."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stdout
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.book.vision.packs import packs
from chalicelib.domain.model import Profile, Tenant
from chalicelib.domain.tenant_settings import SETTINGS, TenantSettings
from chalicelib.open_storage import open_storage
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.ports import Clock, Storage
from regulars import folder
from regulars.backup import command as backup
from regulars.backup.owed import Questions
from regulars.backup.receipts import write_beside
from regulars.demo.drawn_vision import DrawnVision
from regulars.demo.shop import PastClock
from regulars.drill.drill import Backups, Line, run_drill

_LIMITS = ("faces", "groups", "requests_a_day", "capture_mb_a_day")
"""Settings that the drill does not take over: what it does is much in a short time."""


def copy_settings(tenant: Tenant) -> TenantSettings:
    """Return a tenant's settings, without its limits and what a restore asks."""
    names = SETTINGS.keys() - _LIMITS - {"restore_gap"}
    return TenantSettings(**{name: getattr(tenant, name) for name in names})


@contextmanager
def hush_log() -> Iterator[None]:
    """Log nothing of the drill's requests, most of which are refused on purpose."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


class _RunningClock(PastClock):
    """Clock that goes on by a minute whenever it is read, so that nobody waits for it."""

    def now(self) -> datetime:
        self.at += timedelta(minutes=1)
        return self.at


def play(
    settings: TenantSettings,
    profile: Profile,
    service: Settings,
    scratch: Path,
    open_storage: Callable[[Settings, Clock], Storage] = open_storage,
) -> list[Line]:
    """Play the drill on a box in the folder `scratch`; return the lines of its page.

    `service`: the settings of the service, of which the face model is taken. `open_storage`: opens
    the box's storage.
    """
    pack = packs.read_pack(service.models, service.pack)

    def build(own: Settings, clock: Clock) -> Services:
        storage = open_storage(own, clock)
        return bootstrap.build(own, clock=clock, vision=lambda: DrawnVision(pack), storage=storage)

    own = Settings(
        storage=folder.prepare_folder(scratch / "data"),
        models=service.models,
        pack=service.pack,
        requests_a_second=1e6,
        searches_a_second=1e6,
    )
    clock = PastClock(datetime.now(UTC))
    with closing(build(own, clock)) as services:
        credentials = services.tenants.add("drill", profile, settings)
        services.audit.signing.read_public_keys("drill")  # before the backup, as each tenant has it
        file, again = scratch / "backups" / "box.tar", replace(own, storage=scratch / "again")

        def write_quietly() -> None:
            with redirect_stdout(io.StringIO()):
                backup.write_backup(own, file)

        def restore() -> Services:
            write_beside(services, file.parent)  # as a box does every five minutes
            running = _RunningClock(clock.at)
            told, ended = backup.Told((), (), new_secrets=False), partial(build, clock=running)
            list(backup.restore_box(again, scratch / "again", file, told, Questions(), ended))
            clock.at = running.at
            return build(again, clock)

        file.parent.mkdir()
        return run_drill(services, clock, credentials, Backups(write_quietly, restore))
