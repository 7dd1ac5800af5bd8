"""`regulars doctor`: all checks, and those of the models and the visitor book, such as silent
cameras and hooks that do not receive their events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from chalicelib.api.dialects import describe_feelings
from chalicelib.api.readiness import DAMAGED
from chalicelib.book.cameras import find_trouble
from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.packs import MissingModel, Pack, State
from chalicelib.domain.captures import Camera
from chalicelib.domain.errors import InvalidInput, RegularsError, StorageUnavailable
from chalicelib.domain.model import Tenant
from chalicelib.domain.pictures import FEELINGS
from chalicelib.domain.rules.camera_states import Trouble
from chalicelib.domain.texts import DEFAULT_LANGUAGE, Texts
from chalicelib.domain.webhooks import Hook
from chalicelib.privacy.retention import find_outlook, find_unseen_days, say_outlook
from chalicelib.services import Services
from chalicelib.settings import SettingError, Settings
from chalicelib.storage.values import time_text
from regulars import folder
from regulars.configuration import FILE, Configuration, parse_lines
from regulars.doctor.machine import (
    check_at_rest,
    check_certificate,
    check_clock,
    check_disk,
    check_folder,
    check_keyless,
    check_machine,
    check_ports,
    check_python,
    check_service,
)
from regulars.findings import Finding, Level, failed, warning, well
from regulars.options import open_services
from regulars.place import describe_doubt
from regulars.privacy import write_set_command
from regulars.shops import describe_failure

MOST = 1000
"""Most deliveries that are counted per hook."""
_ENDED_LISTED = 20
"""Most people with ended consent that are listed."""
_GROUPS_LISTED = 10
"""Most groups that a line names."""


def check_models(settings: Settings, tenants: list[Tenant]) -> Iterator[Finding]:
    """Check the SHA-256 of each file of the packs that tenants use and that new tenants get."""
    try:
        of_new = packs.find(settings.models, settings.pack)
        used_packs = [
            of_new,
            *(packs.find_by_model(tenant.model, settings.models) for tenant in tenants),
        ]
        for pack in {pack.manifest.name: pack for pack in used_packs}.values():
            yield from check_files(pack)
    except MissingModel as error:
        yield failed("models", str(error))


def check_files(pack: Pack) -> Iterator[Finding]:
    """Check the SHA-256 of each file of the pack."""
    wrong = {file: state for file, state in packs.verify(pack).items() if state is not State.OK}
    for file, state in wrong.items():
        yield failed(
            "models",
            f"{pack.folder / file.name} is {state} (SHA-256). {packs.describe_remedy(pack)}",
        )
    if not wrong:
        yield well("models", f"face models: {pack.about}")


def check_place(data: Path) -> Iterator[Finding]:
    """Check that the folder was neither moved nor copied since it was served."""
    if doubt := describe_doubt(data):
        yield failed("folder", doubt)


def check_book(settings: Settings) -> Iterator[Finding]:
    """Open the book and check its database pages, models, cameras, hooks, retention and notices."""
    try:
        with closing(open_services(settings)) as services:
            if (damage := services.ports.storage.damage()) is not None:
                yield failed("book", f"{DAMAGED} ({damage})")
            tenants = services.tenants.list_all()
            yield from check_models(settings, tenants)
            yield from check_tenants(services, tenants)
    except SettingError as error:
        yield failed("settings", str(error))
    except RegularsError as error:
        yield _fail_book(str(error))


def check_tenants(services: Services, tenants: Sequence[Tenant]) -> Iterator[Finding]:
    """Check cameras, hooks, retention and notices of the tenants that are enabled."""
    active = [tenant for tenant in tenants if not tenant.disabled]
    of_books = (check_retention, check_ends, check_notices, check_left, check_ended)
    checks = (
        partial(check_cameras, now=services.clock.now()),
        check_secrets,
        check_hooks,
        *of_books,
    )
    findings = [
        finding for check in checks for finding in _check_each(partial(check, services), active)
    ]
    yield from dict.fromkeys(findings)
    yield from check_feelings(active)


def _fail_book(reason: str, whose: str = "") -> Finding:
    return failed("book", f"{whose}{reason}: restore a backup with `regulars restore`")


def _check_each(
    check: Callable[[list[Tenant]], Iterator[Finding]], tenants: list[Tenant]
) -> Iterator[Finding]:
    """Check all tenants at once; if one book cannot be read, check each tenant alone, so that one
    failure does not hide the other findings."""
    try:
        findings = [*check(tenants)]
    except Exception as error:
        if len(tenants) == 1:
            failure = describe_failure(error, f"{tenants[0].name}: not checked")
            findings = [_fail_book(failure, f"{tenants[0].name}: ")]
        else:
            findings = [one for tenant in tenants for one in _check_each(check, [tenant])]
    yield from findings


def check_cameras(services: Services, tenants: list[Tenant], now: datetime) -> Iterator[Finding]:
    """Check that no camera has a problem, muted or not."""
    cameras = [
        (tenant, camera) for tenant in tenants for camera in services.cameras.list_all(tenant)
    ]
    troubles = [
        (tenant, camera, trouble)
        for tenant, camera in cameras
        if (trouble := find_trouble(camera, tenant, now))
    ]
    for tenant, camera, trouble in troubles:
        yield warning(
            "cameras",
            f"{camera.id} of tenant {tenant.name} {_say_trouble(camera, trouble)}: run "
            "`regulars-edge status` on its uploader",
        )
    if not troubles:
        yield well("cameras", f"{len(cameras)} cameras, none needs attention")


def _say_trouble(camera: Camera, trouble: Trouble) -> str:
    if trouble.name in ("silent", "quiet"):
        seen_at = camera.last_seen_at
        return f"is silent since {time_text(seen_at)}" if seen_at else "has never sent anything"
    return f"needs attention, {Texts(DEFAULT_LANGUAGE).write(f'camera.{trouble.name}')}"


def check_hooks(services: Services, tenants: list[Tenant]) -> Iterator[Finding]:
    """Check that the settings permit each hook's URL and that its events are delivered."""
    hooks = [
        (tenant, hook)
        for tenant in tenants
        for hook in services.webhooks.hooks.list_all(tenant.name)
        if hook.enabled
    ]
    findings = [
        finding for tenant, hook in hooks for finding in _check_hook(services, tenant, hook)
    ]
    yield from findings
    if not findings:
        yield well("hooks", f"{len(hooks)} hooks, no deliveries wait for a retry")


def check_secrets(services: Services, tenants: list[Tenant]) -> Iterator[Finding]:
    """Check that all encrypted secrets can be read.

    A version without a vault key writes plain text even into a folder that has one.
    """
    hooks = services.webhooks.hooks
    for tenant in tenants:
        try:
            services.tenants.find_by_app_id(tenant.app_id)
            for hook in hooks.list_all(tenant.name):
                if hook.enabled and hook.sealed_secret:
                    hooks.read_secrets(tenant.name, hook)
        except StorageUnavailable as error:
            yield failed(
                "secrets",
                f"{tenant.name}: {error}. If a version without a vault key wrote it, replace all "
                "secrets with `regulars restore --finish --new-secrets`",
            )


def check_retention(services: Services, tenants: list[Tenant]) -> Iterator[Finding]:
    """Check that no sweep withholds expired data."""
    for tenant in tenants:
        for kind, withheld in services.erasure.retention.read_withheld(tenant).items():
            yield warning(
                "retention",
                f"{withheld.number} expired {kind} of tenant {tenant.name} are more than one sweep "
                f"may delete; they are deleted on {withheld.goes_at:%Y-%m-%d}. If clock and "
                f"retention days are right, delete them now with `regulars retention --tenant "
                f"{tenant.name} --all`; if not, correct them",
            )


def check_notices(services: Services, tenants: list[Tenant]) -> Iterator[Finding]:
    """Check that the tenant chose whether unknown visitors are remembered and the minimum age, and
    that the notice beside the cameras is complete."""
    yield from (
        warning("privacy", f"{tenant.name}: {question}")
        for tenant in tenants
        for question in tenant.asked
    )
    facts_of_tenants = [services.notices.read_facts(tenant) for tenant in tenants]
    for facts in facts_of_tenants:
        if facts.missing:
            yield warning(
                "notice",
                f"the notice of tenant {facts.tenant.name} lacks {', '.join(facts.missing)}: run "
                f"`{write_set_command(facts, facts.missing)}` (docs/tasks/notice.md)",
            )
    if not any(facts.missing for facts in facts_of_tenants):
        yield well("notice", "all notices are complete")


def check_feelings(tenants: list[Tenant]) -> Iterator[Finding]:
    """Warn if emotion and beauty are estimated."""
    for tenant in tenants:
        level = warning if FEELINGS - tenant.unestimated else well
        yield level("privacy", f"{tenant.name}: {describe_feelings(tenant)}")


def check_ended(services: Services, tenants: list[Tenant]) -> Iterator[Finding]:
    """Check which people are kept after the end of consent, and until when."""
    for tenant in tenants:
        ended_faces = services.faces.list_withdrawn(tenant)
        for face in ended_faces[:_ENDED_LISTED]:
            outlook = find_outlook(tenant, face)
            says = say_outlook(outlook) if outlook else "It is kept: under hold, or restricted."
            ground = f" ({face.remembered.basis})" if face.remembered else ""
            yield well(
                "consent", f"{tenant.name}: the consent of {face.faceid}{ground} ended. {says}"
            )
        if len(ended_faces) > _ENDED_LISTED:
            more = len(ended_faces) - _ENDED_LISTED
            yield well(
                "consent", f"{tenant.name}: {more} more, in `regulars call list-restrictions`"
            )


def check_left(services: Services, tenants: list[Tenant]) -> Iterator[Finding]:
    """Check that no access is left of members who are gone, or who have fewer rights now."""
    for tenant in tenants:
        left = services.access.made.list_left(tenant)
        maker_by_access = services.access.made.name_makers(tenant) if left else {}
        for made in left:
            named = f"{made.access} ({made.name})" if made.name else made.access
            member = made.maker.of.rpartition(" ")[2]
            end = f'regulars call end-made {member} "{made.access}" --tenant {tenant.name}'
            mend = f"regulars tenants rotate {tenant.name}" if made.ends == "renewed" else end
            yield warning(
                "access",
                f"{named} of tenant {tenant.name} was made by {maker_by_access[made.access]} and "
                f"is still valid: end it with `{mend}`, or keep it on purpose",
            )


def check_ends(services: Services, tenants: list[Tenant]) -> Iterator[Finding]:
    """Check that each group has an end of retention after the last visit (docs/privacy.md)."""
    for tenant in tenants:
        groups = [group for group in services.groups.list_all(tenant) if group.count]
        endless_groups = [group.name for group in groups if find_unseen_days(tenant, group) is None]
        if endless_groups:
            more = " and others" if len(endless_groups) > _GROUPS_LISTED else ""
            yield warning(
                "retention",
                f"{tenant.name} keeps people forever in "
                f"{', '.join(endless_groups[:_GROUPS_LISTED])}{more}: set `stranger_days` or "
                "`regular_days` of the tenant, or `unseen_days` of your own groups "
                "(docs/privacy.md)",
            )


def _check_hook(services: Services, tenant: Tenant, hook: Hook) -> Iterator[Finding]:
    """Check a hook's URL, and warn if events could not be delivered. Mailboxes are not checked.

    The finding names only the host, since the rest of a URL is often secret.
    """
    if hook.is_mailbox:
        return
    label = f"hook {hook.id} of tenant {tenant.name} (to {hook.recipient})"
    try:
        if hook.url is not None:
            services.ports.postman.require_url(hook.url)
    except InvalidInput as error:
        yield failed("hooks", f"{label}: {error}")
    count_by_state, last_error = {}, ""
    for state, parked in (("wait for a retry", False), ("failed for good", True)):
        page = services.webhooks.outbox.read_page(tenant.name, hook.id, parked=parked, limit=MOST)
        failed_deliveries = [delivery for delivery in page.rows if delivery.attempts]
        count_by_state[state] = len(failed_deliveries)
        last_error = max(
            ((delivery.next_at, delivery.last_error) for delivery in failed_deliveries),
            default=(None, last_error),
        )[1]
    if any(count_by_state.values()):
        summary = ", ".join(f"{count} {state}" for state, count in count_by_state.items() if count)
        mend = (
            f"fix the receiver, then POST /v1/hooks/{hook.id}/redeliver or redeliver under Hooks "
            "in the console"
        )
        yield warning("hooks", f"{label}: events {summary} (last error: {last_error}): {mend}")


def check_all(read: Callable[[], Configuration]) -> Iterator[Finding]:
    """Check settings, folder, machine, service and book, in this order.

    `read`: reads the settings of this command. If a service is running, it is checked with the
    settings that it was started with. The book is checked if it exists and the folder is usable;
    otherwise only the models are.
    """
    began = datetime.now(UTC)
    try:
        in_use = configured = read()
        data = configured.settings.storage
        assert isinstance(data, Path)  # noqa: S101 -- the configuration is of one box
        running = folder.find_server(data)
        if running and running.settings:
            in_use = parse_lines(running.settings, data / folder.LOCK)
        settings, serving = replace(in_use.settings, storage=data), in_use.serving
    except SettingError as error:
        yield failed("settings", f"{error}; nothing else was checked")
        return
    if in_use is configured or not running:
        source = configured.file or f"environment and options (no {FILE} here)"
        yield well("settings", f"from {source}; `regulars config` prints them")
    else:
        yield well("settings", f"from process {running.process}, which serves the folder")
    for name in configured.list_differences(in_use):
        yield warning(
            "settings",
            f"{name} differs from the value that the running service uses: restart it to apply",
        )
    yield check_python()
    folder_findings = list(check_folder(data))
    yield from folder_findings
    yield from check_place(data)
    yield check_disk(data)
    yield check_at_rest(data)
    yield from check_machine(settings, running)
    yield check_clock(data, began)
    yield check_service(running)
    yield from check_ports(serving, running)
    yield from check_certificate(serving, settings.public_url, began)
    yield from check_keyless(settings, serving)
    if folder.has_database(data) and all(
        finding.level is not Level.FAILED for finding in folder_findings
    ):
        yield from check_book(settings)
    else:
        yield from check_models(settings, [])
