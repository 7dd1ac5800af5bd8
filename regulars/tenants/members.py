"""The command line of `regulars tenants members`: who signs in, what they made, and their end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from chalicelib.auth.roles import Member
from chalicelib.domain.effects import name_access
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from regulars.errors import OperatorError
from regulars.options import ask_before_deed, join_options, named_tenant, print_lines
from regulars.tenants.command import align_rows

if TYPE_CHECKING:
    from chalicelib.auth.made import Made

_ENDS = {
    "always": "with the member",
    "asked": "by --end",
    "renewed": "if renewed: regulars tenants rotate",
    "own": "if that member is removed",
}
_of_member = join_options(named_tenant, click.argument("member", metavar="MEMBER"))
_end = click.option(
    "--end",
    "ending",
    multiple=True,
    metavar="ACCESS",
    help="What ends besides: `all`, or a name of the list, such as `key 12`. Repeat it.",
)


@click.group(no_args_is_help=False, short_help="List who signs in, show what they made, remove.")
def members() -> None:
    """Manage the people and screens that sign in to a tenant's console.

    MEMBER is an id or a name. People are invited in the console.

    \b
    Examples:
      regulars tenants members list shop-12
      regulars tenants members made shop-12 Ann
      regulars tenants members end shop-12 Ann "key 2305843009213693952"
      regulars tenants members remove shop-12 Ann --end all
    """


@members.command("list", short_help="List who signs in.")
@named_tenant
def list_members(services: Services, tenant: Tenant) -> None:
    """List who signs in: id, role, last sign-in, name."""
    found = services.access.members.list_all(tenant)
    accesses = [name_access("member", member.id) for member in found]
    services.audit.reads.enter_printing(tenant.name, accesses)
    for line in format_members(found):
        print(line)


@members.command(short_help="List what somebody made that stands.")
@_of_member
def made(services: Services, tenant: Tenant, member: str) -> None:
    """List what somebody made that stands, and by which browsers they are signed in.

    MEMBER may be the id of somebody who was removed.
    """
    access = find_access(services, tenant, member)
    services.audit.reads.enter_printing(tenant.name, [access])
    print_lines(format_made(services.access.made.list_made(tenant, access)), "nothing stands")


@members.command(short_help="End something that somebody made.")
@_of_member
@click.argument("access")
@ask_before_deed
def end(
    services: Services, tenant: Tenant, member: str, access: str, confirm: Callable[[str], bool]
) -> None:
    """End something that somebody made, as after a lost phone: a key, hook, link or browser."""
    maker = find_access(services, tenant, member)
    services.access.made.require_made(tenant, maker, access)
    if confirm(f"{access} stops at once. Go on?"):
        services.access.made.end_one(tenant, maker, access)
        print(f"{access} has ended")


@members.command(short_help="Remove somebody, and what they made.")
@_of_member
@_end
@ask_before_deed
def remove(
    services: Services,
    tenant: Tenant,
    member: str,
    ending: tuple[str, ...],
    confirm: Callable[[str], bool],
) -> None:
    """Remove somebody who signs in, and list what they made that stands.

    Sessions, and what comes to a phone, a browser or a mailbox, end in any case. By `--end all`
    keys, other hooks, screens, links and cameras' keys end, too.

    \b
    Examples:
      regulars tenants members remove shop-12 Ann
      regulars tenants members remove shop-12 Ann --end all --yes
      regulars tenants members remove shop-12 Ann --end "key 2305843009213693952"
    """
    leaving = find_member(services, tenant, member)
    maker = name_access("member", leaving.id)
    for line in format_made(services.access.made.list_made(tenant, maker)):
        print(line)
    question = f"{leaving.name} signs in no more, and what ends with the member stops. Go on?"
    if not confirm(question):
        return
    services.access.made.remove_member(tenant, leaving.id, ending)
    print(f"{leaving.name} is removed")
    left = services.access.made.list_made(tenant, maker)
    for each in left:
        print(f"{each.access} stands still ({each.name or each.kind})")


def find_member(services: Services, tenant: Tenant, named: str) -> Member:
    """Return the member of an id or a name. Raises OperatorError if there is none."""
    found = services.access.members.list_all(tenant)
    member = next((each for each in found if named in (each.id, each.name)), None)
    if member is None:
        raise OperatorError(
            f"nobody who signs in is {named[:60]!r}: `regulars tenants members list {tenant.name}` "
            "shows all"
        )
    return member


def find_access(services: Services, tenant: Tenant, named: str) -> str:
    """Return the access of a member by an id or a name; an id may be of somebody who is gone."""
    if named.isdecimal():
        return name_access("member", named)
    return name_access("member", find_member(services, tenant, named).id)


def format_members(found: Iterable[Member]) -> list[str]:
    """Format a heading and a line for each member, in aligned columns."""
    rows = [("ID", "ROLE", "PICTURES", "LAST SIGN-IN", "NAME")]
    for member in found:
        last = member.signed_in_at
        signed_in = "never" if last is None else f"{last:%Y-%m-%d %H:%M}"
        pictures = "yes" if member.pictures else "no"
        rows.append((member.id, member.role.value, pictures, signed_in, member.name))
    return align_rows(rows)


def format_made(found: Iterable[Made]) -> list[str]:
    """Format a heading and a line for each access that somebody made; nothing if there is none."""
    rows = [("ACCESS", "MADE", "ENDS", "NAME")]
    for each in found:
        at = each.maker.at
        made_at = "nobody knows" if at is None else f"{at:%Y-%m-%d %H:%M}"
        ends = _ENDS[each.ends]
        rows.append((each.access, made_at, ends, each.name))
    return align_rows(rows) if len(rows) > 1 else []
