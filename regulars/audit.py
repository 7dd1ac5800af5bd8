"""`regulars audit`: verify, list and export the audit trail."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import asdict

from chalicelib.api.dialects import READS
from chalicelib.auth.roles import Member
from chalicelib.domain.effects import name_access
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import Tenant
from chalicelib.privacy.audit.audit import verified_export
from chalicelib.privacy.audit_entries import (
    HOUR_MS,
    Document,
    Verified,
    head_of,
)
from chalicelib.privacy.reading import MEANS, MOST_NAMED, WHOLE, Tally
from chalicelib.privacy.signing import fingerprint
from chalicelib.services import Services
from chalicelib.storage.box.durable import write_new
from chalicelib.storage.values import format_count, milliseconds, moment, time_text
from regulars import lost
from regulars.errors import OperatorError
from regulars.options import (
    MOMENT,
    PATH,
    of_tenant,
    open_services_of,
    print_lines,
    storage_options,
)
from regulars.tenants.command import describe_earlier_key

if TYPE_CHECKING:
    from chalicelib.privacy.audit.breach import Breach

_SUBJECTS = 10
"""Faces, accesses or settings that a line names."""
_A_PAGE = 500
"""Entries that are read at once."""


@click.group(no_args_is_help=False, short_help="Verify and export the audit trail.")
def audit() -> None:
    """Verify and export the audit trail: who did what, tamper-evident (docs/audit.md).

    \b
    Examples:
      regulars audit head --tenant shop-12 > head.json     store it elsewhere
      regulars audit verify --tenant shop-12 --head head.json
      regulars audit export --tenant shop-12 audit.jsonl
      regulars audit verify --file audit.jsonl --key 3f0c...
      regulars audit breach --tenant shop-12 --key first --since 2026-11-20
    """


@audit.command()
@click.option("--head", type=PATH, help="Head that you stored elsewhere.")
@click.option("--file", type=PATH, help="Export to verify offline.")
@click.option(
    "--key", metavar="FINGERPRINT", help="With --file: fingerprint of the tenant's public key."
)
@click.option("--tenant", metavar="NAME", help="Without --file: tenant to verify.")
@storage_options
def verify(
    head: Path | None,
    file: Path | None,
    key: str | None,
    tenant: str | None,
    *,
    data: Path | None,
    stage: str | None,
) -> int:
    """Verify the chain of closed hours, and list erased, expired and still open entries.

    Anyone with the tenant's key (--key) can verify an export (--file) without the service. Exits
    with 1 if anything was changed, removed or reordered; with 2 if --head is not a head of this
    tenant.
    """
    if (file is None, key is None) != (tenant is not None, tenant is not None):
        raise click.UsageError("pass either --tenant, or both --file and --key")
    if file is not None and key is not None:
        with file.open(encoding="utf-8", errors="replace") as lines:
            verified, _ = verified_export(lines, lambda _: str(key))
        exit_code = _print_verification(head_of(verified.last).tenant, verified)
        _print_newest_hour(head_of(verified.last).tenant, verified)
        return exit_code
    with open_services_of(data, stage) as services:
        name = services.tenants.get_by_name(str(tenant)).name
        verified = services.audit.verifying.verify_tenant(
            name, None if head is None else _read_head(head)
        )
    exit_code = _print_verification(name, verified)
    if head is None:
        _print_newest_hour(name, verified)
    return exit_code


def _print_verification(tenant: str, verification: Verified) -> int:
    """Print the findings of a verification; return the exit code, 1 if there is one.

    After the findings come renewals of the key, entries that were erased, hours that `audit_days`
    let go, and entries that are not closed yet.
    """
    for finding in verification.findings:
        print(f"{tenant}: {finding}")
    for renewal in verification.renewals:
        former = describe_earlier_key(renewal)
        print(
            f"{tenant}: after hour {renewal.heads} key {fingerprint(renewal.new)} signs; before "
            f"{former}"
        )
    for erasure, count in sorted(verification.erased.items()):
        print(
            f"{tenant}: {format_count(count, 'entry was', 'entries were')} erased by erasure "
            f"{erasure}"
        )
    for days, hours in sorted(verification.trimmed.items()):
        print(f"{tenant}: {format_count(hours, 'hour', 'hours')} expired by audit_days {days}")
    if verification.closes_at is not None:
        closes = time_text(verification.closes_at)[:16]
        first = "the first " if verification.waiting > 1 else ""
        wait = format_count(verification.waiting, "entry waits", "entries wait")
        prove = "proves" if verification.waiting == 1 else "prove"
        print(f"{tenant}: {wait} to be closed, {first}from {closes} on, and {prove} nothing yet")
    unchanged = "what is there is unchanged" if verification.hours else "nothing is closed yet"
    result = (
        format_count(len(verification.findings), "finding", "findings")
        if verification.findings
        else unchanged
    )
    extent = (
        f"{format_count(verification.hours, 'hour', 'hours')}, "
        f"{format_count(verification.entries, 'entry', 'entries')}"
    )
    print(f"{tenant}: {result} ({extent})")
    return 1 if verification.findings else 0


def _print_newest_hour(tenant: str, verification: Verified) -> None:
    if verification.last is not None:
        last = head_of(verification.last)
        print(
            f"{tenant}: the newest is hour {last.number}, {time_text(moment(last.hour))[:13]}, "
            f"{last.hash}"
        )


@audit.command()
@of_tenant
def head(services: Services, tenant: Tenant) -> None:
    """Print the newest head, signed.

    Store it elsewhere: `verify --head` then detects a chain that was truncated or recreated.
    """
    newest = next(services.audit.chain.list_elements(tenant.name, newest_first=True), None)
    if newest is None:
        raise InvalidInput(
            f"no hour of tenant {tenant.name!r} is closed yet: the next sweep closes past hours"
        )
    print(json.dumps(dict(newest.document), ensure_ascii=False))


@audit.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@of_tenant
def export(services: Services, tenant: Tenant, file: Path) -> None:
    """Write all closed hours to a new FILE: for each hour the signed head and its entries with
    salts and hashes, followed by entries of open hours that erased others.
    """
    with write_new(file) as out:
        services.audit.reads.write_export_entry(tenant.name)
        hours = 0
        for element in services.audit.chain.list_elements(tenant.name):
            lines = [
                dict(element.document),
                *(asdict(leaf) for leaf in services.audit.chain.read_leaves(element)),
            ]
            out.writelines(map(_write_line, lines))
            hours += 1
        signed = (
            entry.leaf
            for entry in services.audit.chain.list_waiting(tenant.name)
            if "signed" in (entry.leaf.content or {})
        )
        out.writelines(_write_line({"open": asdict(leaf)}) for leaf in signed)
    print(f"{format_count(hours, 'hour', 'hours')} written to {file}")


def _write_line(value: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(value, ensure_ascii=False)}\n".encode()


@audit.command()
@click.option(
    "--key",
    metavar="ID",
    help="Leaked credential: ID or name of a key, `camera ID`, `member ID`, app_id, appcode, "
    "`access key` or operator.",
)
@click.option("--camera", metavar="ID", help="Stolen box: ID or name of one of its cameras.")
@click.option("--browser", metavar="MEMBER", help="Lost phone or laptop: ID or name of its owner.")
@click.option("--backup", type=PATH, metavar="FILE", help="Leaked backup: a copy of it.")
@click.option(
    "--since",
    type=MOMENT,
    help="Start of the breach, in UTC.  [default with --browser: the invitation]",
)
@of_tenant
def breach(
    services: Services,
    tenant: Tenant,
    *,
    key: str | None,
    camera: str | None,
    browser: str | None,
    backup: Path | None,
    since: datetime | None,
) -> None:
    """Report the extent of a breach for an authority (GDPR, Article 33): what a leaked key has
    read, or what a stolen box, a lost phone or a leaked backup contained at most.

    Prints the number of people and records concerned, other acts of the key such as granting
    access, what is unknown, and the IDs of the people.

    \b
    Examples:
      regulars audit breach --tenant shop-12 --key first --since 2026-11-20
      regulars audit breach --tenant shop-12 --key "camera door" --since 2026-11-20T09:00:00
      regulars audit breach --tenant shop-12 --camera door
      regulars audit breach --tenant shop-12 --browser Ann
      regulars audit breach --tenant shop-12 --backup regulars-20261120T033000Z.tar
    """
    if [key, camera, browser, backup].count(None) != 3:
        raise click.UsageError("pass one of --key, --camera, --browser or --backup")
    if camera is not None:
        print_lines(lost.list_box(services, tenant, camera), "")
    elif backup is not None:
        from regulars.backup.contents import list_backup  # with all that opens a backup

        print_lines(list_backup(services, tenant, backup), "")
    elif browser is not None:
        _print_browser(services, tenant, browser, since)
    elif key is None or since is None:
        raise click.UsageError("--key requires --since, the start of the breach")
    else:
        caller = services.access.callers.find_caller(tenant, key)
        _print_reads(services, tenant, caller, key, since)


def _print_browser(services: Services, tenant: Tenant, named: str, since: datetime | None) -> None:
    """Print by which browsers a member is signed in, and what was read since the invitation.

    Sessions that have ended are among it: the lost one may be. Raises OperatorError if there is no
    such member.
    """
    member = _find_member(services, tenant, named)
    caller = name_access("member", member.id)
    found = services.access.made.list_made(tenant, caller)
    for line in lost.list_browser(tenant, member, found):
        print(line)
    times = [each.maker.at for each in found if each.maker.at]  # a clock may have been ahead
    _print_reads(services, tenant, caller, caller, since or min([member.created_at, *times]))


def _find_member(services: Services, tenant: Tenant, named: str) -> Member:
    """Return the member of an id or a name. Raises OperatorError if there is none."""
    found = services.access.members.list_all(tenant)
    member = next((each for each in found if named in (each.id, each.name)), None)
    if member is None:
        raise OperatorError(
            f"there is no member {named[:60]!r}: `regulars call list-members --tenant "
            f"{tenant.name}` lists all"
        )
    return member


def _print_reads(
    services: Services, tenant: Tenant, caller: str, named: str, since: datetime
) -> None:
    """Print what a caller was told since a time. `named`: the caller, as somebody typed it."""
    since_ms = milliseconds(since.replace(tzinfo=UTC))
    if since_ms > milliseconds(services.clock.now()):
        raise InvalidInput("--since must not be in the future; it is a time in UTC")
    services.audit.reads.write_export_entry(tenant.name)
    found_breach = services.audit.breaches.find_reads(tenant.name, caller, since_ms, READS)
    if not found_breach.entries:
        services.access.callers.require_caller(tenant, named)
    services.audit.reads.enter_printing(tenant.name, found_breach.tally.kinds)
    now = time_text(services.clock.now())[:16]
    print(f"{tenant.name}: what {caller} read from {_format_minute(since_ms)} to {now}, in UTC")
    lines = (
        *_list_categories(found_breach.tally),
        *_list_effects(found_breach),
        *_list_unknown(found_breach, since_ms),
    )
    for line in lines:
        print(line)
    for person, kinds in sorted(found_breach.tally.kinds.items()):
        print(f"person   {person}: {' '.join(sorted(kinds))}")


def _list_categories(tally: Tally) -> Iterator[str]:
    """Yield the lines about people, records and kinds of data (Article 33(3)(a))."""
    for time_said, whole_kind in tally.whole:
        yield f"all      {whole_kind} at {time_said[:16]}: {WHOLE[whole_kind]}"
    yield f"people   {_format_range(tally.people)}"
    ranges = [*tally.by_kind.values(), (len(tally.captures), len(tally.captures))]
    all_records = sum(lowest for lowest, _ in ranges), sum(highest for _, highest in ranges)
    yield f"records  {_format_range(all_records)}, of these kinds:"
    for kind, count_range in tally.by_kind.items():
        yield f"         {_format_range(count_range)} of {MEANS[kind]} ({kind})"
    if tally.captures:
        yield (
            f"         {format_count(len(tally.captures), 'camera picture', 'camera pictures')},"
            " whoever they show"
        )
    if tally.acts:
        yield f"by       {', '.join(sorted(tally.acts))}"


def _list_effects(breach: Breach) -> Iterator[str]:
    """Yield a line for each effect of what the caller did, with its first subjects."""
    for effect, subjects in sorted(breach.did.items()):
        names = ", ".join([*subjects][:_SUBJECTS]) + (
            " and others" if len(subjects) > _SUBJECTS else ""
        )
        yield f"did      {effect}: {names}" if names else f"did      {effect}"


def _format_range(number: tuple[int, int]) -> str:
    low, high = number
    return f"{low}" if low == high else f"{low} to {high}"


def _list_unknown(reads: Breach, since_ms: int) -> Iterator[str]:
    """Yield a line for each reason why the key may have read more than the counts say."""
    if reads.tally.people[0] != reads.tally.people[1]:
        yield (
            f"unknown  who is counted only: beyond {MOST_NAMED:,} people an hour, without a "
            "face, or erased since"
        )
    if reads.erased:
        yield (
            f"unknown  what {format_count(reads.erased, 'entry', 'entries')} said that erasures "
            "took, of whatever key"
        )
    if reads.let_go:
        yield f"unknown  {format_count(reads.let_go, 'hour', 'hours')} that `audit_days` let go"
    if reads.unreadable:
        damaged = format_count(reads.unreadable, "hour", "hours")
        yield f"unknown  {damaged} that are damaged: see `regulars audit verify`"
    if reads.begins_ms is None or reads.begins_ms > since_ms + HOUR_MS:
        begins = (
            "has no entry of this time"
            if reads.begins_ms is None
            else f"begins at {_format_minute(reads.begins_ms)}"
        )
        yield f"unknown  what was before: the audit {begins}"
    yield "unknown  who opened a link to a picture: it is good for two hours without a key"


def _format_minute(ms: int) -> str:
    return time_text(moment(ms))[:16]


def _read_head(file: Path) -> Document:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(
            f"{file} is no head of an audit: `regulars audit head` prints one"
        ) from error
    head_of(document)
    return dict(document)
