"""Members of a tenant: the people who sign in to its console, and screens on the wall.

A member is invited by a link. It holds tenant, member and a secret of 256 bits, of which storage
holds a hash. It is good once, for seven days.
"""

from __future__ import annotations

import hmac
import re
import secrets
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chalicelib.auth.records import make_member_item, member_from
from chalicelib.auth.roles import Member, Passkey, Role
from chalicelib.book.idempotency import RequestId
from chalicelib.domain import api_keys, audit_events
from chalicelib.domain.effects import Effect, name_access
from chalicelib.domain.errors import (
    InvalidInput,
    MemberExists,
    MemberNotFound,
    PasskeyNotFound,
    TooManyMembers,
    WrongCredentials,
)
from chalicelib.domain.model import Tenant
from chalicelib.domain.names import printable_name
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import CountedList, retry_if_changed, walk_items
from chalicelib.storage.ports import Action, Delete, Item, Put, absent, equals
from chalicelib.storage.records.faces import tenant_from
from chalicelib.storage.values import time_ordered_id

if TYPE_CHECKING:
    from chalicelib.services import Services

MAX_MEMBERS = 100
"""People and screens that sign in to a tenant's console."""
NAME_LENGTH = 100
"""Characters of a member's name."""
INVITATION_LASTS = timedelta(days=7)
"""How long the link of an invitation is good."""

SECRET_BYTES = 32
"""Random bytes of a link's secret."""
_INVITATION = re.compile(r"([a-z0-9-]{1,40})\.([0-9]{1,40})\.([A-Za-z0-9_-]{43})")
_HANDLE = re.compile(rb"([a-z0-9-]{1,40})#([0-9]{1,40})")
_SAME = "not-changed-meanwhile"

_BUSY = "those who sign in are changed by others all the time: send the request again in a moment"


class Members(Service["Services"]):
    def list_all(self, tenant: Tenant) -> list[Member]:
        """Return all members, by age."""
        return [*self._list_members(tenant.name).rows]

    def get(self, tenant: Tenant, id_: str) -> Member:
        """Return the member of that id. Raises MemberNotFound."""
        return _find_member(self._list_members(tenant.name).rows, id_)

    @retry_if_changed(_BUSY)
    def add(
        self,
        tenant: Tenant,
        name: str,
        role: Role,
        *,
        pictures: bool = True,
        screen: bool = False,
        page: str | None = None,
        request: RequestId | None = None,
    ) -> tuple[Member, str]:
        """Invite a person; return the member and the invitation, which is shown only once.

        Raises InvalidInput, MemberExists, TooManyMembers, Busy, AnsweredAlready with the `id` of
        the member.
        """
        now = self.services.clock.now()
        new_member = Member(
            time_ordered_id(now),
            name,
            role,
            now,
            api_keys.new_secret(),
            pictures=pictures,
            screen=screen,
            page=page,
        )
        invitation, fields = self._make_invitation(tenant, new_member.id)
        member = _check_member(replace(new_member, **fields))
        members = self._list_members(tenant.name)
        _require_free(members.rows, member)
        if len(members.rows) >= MAX_MEMBERS:
            raise TooManyMembers(
                f"{MAX_MEMBERS} people may sign in already, the most of a tenant: remove one"
            )
        does = ((Effect.GIVES_ACCESS, name_access("member", member.id)),)
        put = Put(keys.TENANTS, make_member_item(tenant.name, member), (absent("id-free"),), does)
        self.services.requests.write_with_answer(
            tenant.name, [put, members.changed], request, {"id": member.id}
        )
        return member, invitation

    def change_member(
        self, tenant: Tenant, id_: str, changes: Mapping[str, Any], request: RequestId | None = None
    ) -> Member:
        """Set `name`, `role` or `pictures`. They hold from the member's next request on.

        Raises MemberNotFound, MemberExists, InvalidInput, Busy, AnsweredAlready.
        """
        return self._change_member(
            tenant.name, id_, lambda member: _check_member(replace(member, **changes)), request
        )

    def invite(
        self, tenant: Tenant, id_: str, request: RequestId | None = None
    ) -> tuple[Member, str]:
        """Make another invitation for a member; the one before is no longer valid.

        Raises as `change`.
        """
        invitation, fields = self._make_invitation(tenant, id_)
        return self._change_member(
            tenant.name, id_, lambda member: replace(member, **fields), request
        ), invitation

    def remove_passkey(
        self, tenant: Tenant, id_: str, passkey: str, request: RequestId | None = None
    ) -> None:
        """Remove one of a member's passkeys, and end the member's sessions.

        Raises PasskeyNotFound, and as `change`.
        """

        def drop_passkey(member: Member) -> Member:
            other_passkeys = tuple(each for each in member.passkeys if each.id != passkey)
            if len(other_passkeys) == len(member.passkeys):
                raise PasskeyNotFound(
                    f"{member.name} has no passkey {passkey[:40]!r}: see the list"
                )
            return replace(member, passkeys=other_passkeys, digest=api_keys.new_secret())

        self._change_member(tenant.name, id_, drop_passkey, request)

    def end_sign_ins(self, tenant: Tenant, id_: str, is_over: Callable[[str], bool]) -> None:
        """Take a member's ways to sign in that are over, and end the member's sessions.

        Raises as `change`.

        `is_over`: tells it of one of `Member.sign_ins`.
        """

        def drop_ways(member: Member) -> Member:
            password = (
                None if member.password is None or is_over(member.password) else member.password
            )
            passkeys_left = tuple(passkey for passkey in member.passkeys if not is_over(passkey.id))
            return replace(
                member, password=password, passkeys=passkeys_left, digest=api_keys.new_secret()
            )

        self._change_member(tenant.name, id_, drop_ways, None)

    def end_invitations(self, tenant: Tenant) -> int:
        """End all invitations that wait; return how many there were. Raises Busy."""
        invited_members = [
            member for member in self.list_all(tenant) if member.invitation is not None
        ]
        for member in invited_members:
            self.end_invitation(tenant, member.id)
        return len(invited_members)

    def end_invitation(self, tenant: Tenant, id_: str, request: RequestId | None = None) -> None:
        """End the invitation that waits for a member. Raises as `change`."""
        self._change_member(
            tenant.name,
            id_,
            lambda member: replace(member, invitation=None, invited_until=None),
            request,
        )

    def delete(self, tenant: Tenant, id_: str, request: RequestId | None = None) -> None:
        """Remove a member, and end the member's sessions and invitation at once.

        What comes to a phone, a browser or a mailbox by this member ends, too: before, and what was
        made meanwhile. Raises MemberNotFound, Busy, AnsweredAlready.
        """
        access, made = name_access("member", id_), self.services.access.made
        made.end_personal(tenant, access)
        self._delete(tenant, id_, request)
        made.end_personal(tenant, access)

    @retry_if_changed(_BUSY)
    def _delete(self, tenant: Tenant, id_: str, request: RequestId | None) -> None:
        members = self._list_members(tenant.name)
        member = _find_member(members.rows, id_)
        does = ((Effect.TAKES_ACCESS, name_access("member", id_)),)
        member_delete = Delete(
            keys.TENANTS, keys.member_item(tenant.name, id_), expect_version(member), does
        )
        actions: list[Action] = [
            member_delete,
            members.changed,
            *_make_shared_deletes(tenant.name, member, kept=()),
        ]
        self.services.requests.write_with_answer(tenant.name, actions, request, {"id": id_})

    def find_current(self, tenant: str, id_: str, digest: str) -> tuple[Tenant, Member] | None:
        """Return the tenant and its member of this id, as they are stored now; None if the member's
        sessions have ended."""
        tenant_and_member = self.find_stored(tenant, id_)
        return (
            tenant_and_member
            if tenant_and_member is not None
            and hmac.compare_digest(tenant_and_member[1].digest, digest)
            else None
        )

    def find_invited(self, invitation: str) -> tuple[Tenant, Member]:
        """Return an invitation's tenant and member.

        Raises WrongCredentials if it is used up, too old or not ours.
        """
        parts = _INVITATION.fullmatch(invitation)
        tenant_and_member = self.find_stored(parts[1], parts[2]) if parts else None
        if parts and tenant_and_member:
            _, member = tenant_and_member
            until = member.invited_until
            is_newest = hmac.compare_digest(member.invitation or "", api_keys.digest(parts[3]))
            if is_newest and until is not None and until > self.services.clock.now():
                return tenant_and_member
        raise WrongCredentials(
            "this link is not good any more: it signs in once, within seven days; ask for a new one"
        )

    def list_by_passkey(self, passkey: str, handle: bytes) -> list[tuple[Tenant, Member]]:
        """Return the members who sign in with a passkey, each with the tenant as it is stored; the
        member that it was made for comes first.

        No tenant is opened for work on its faces, so that one that is busy with them keeps nobody
        out of the others. `passkey`: its id; `handle`: what `make_handle` gave it.
        """
        parts = _HANDLE.fullmatch(handle)
        maker = [(parts[1].decode(), parts[2].decode())] if parts else []
        others = [(item["tenant"], item["member"]) for item in self._walk_shared(passkey)]
        found = [self.find_stored(*names) for names in dict.fromkeys([*maker, *others])]
        return [
            each for each in found if each and any(passkey == own.id for own in each[1].passkeys)
        ]

    def _walk_shared(self, passkey: str) -> Iterator[Item]:
        digest = api_keys.digest(passkey)
        kind, _ = keys.shared_passkey_item(digest, "", "")
        return walk_items(
            self.services.items, keys.TENANTS, kind, between=keys.shared_passkeys_range(digest)
        )

    def find_by_name(
        self, tenant: str | None, name: str
    ) -> tuple[str, tuple[Tenant, Member] | None]:
        """Return the tenant's name and, if a member has this name there, the tenant and the member.

        `tenant`: None means the only one, or of two the only one that has people. Raises
        InvalidInput if there are several.
        """
        tenant = self._find_only_tenant() if tenant is None else tenant
        record = self.services.items.get(keys.TENANTS, keys.tenant_item(tenant)) if tenant else None
        members = self._list_members(tenant).rows if record else ()
        member = next(
            (member for member in members if normalize_name(member.name) == normalize_name(name)),
            None,
        )
        return tenant, (
            self.services.tenants.open_tenant(record),
            member,
        ) if record and member else None

    def _find_only_tenant(self) -> str:
        """Return the name of the only tenant; "" if there is none.

        If there are two, and only one of them has members, it is that one. Raises InvalidInput if
        there are several.
        """
        stored_items = self.services.items.query(
            keys.TENANTS, keys.tenant_item("")[0], limit=3
        ).items
        names = [str(item["id"]) for item in stored_items]
        if len(names) == 2:  # as on a box that began with two
            names = [name for name in names if self._list_members(name).rows]
        if len(names) > 1:
            raise InvalidInput(
                "several shops are on this service: send the name of yours as `tenant`, too"
            )
        return names[0] if names else ""

    def find_stored(self, tenant: str, id_: str) -> tuple[Tenant, Member] | None:
        """Return a tenant and its member as they are stored now; None: one is not there.

        The tenant is not opened for work on its faces: who signs in looks at none.
        """
        item_keys = [keys.tenant_item(tenant), keys.member_item(tenant, id_)]
        tenant_item, item = self.services.items.get_many(keys.TENANTS, item_keys)
        if tenant_item is None or item is None:
            return None
        return tenant_from(tenant_item), member_from(item)

    def _make_invitation(self, tenant: Tenant, id_: str) -> tuple[str, dict[str, Any]]:
        """Make an invitation, and the fields that a member has of it."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        until = self.services.clock.now() + INVITATION_LASTS
        return f"{tenant.name}.{id_}.{secret}", {
            "invitation": api_keys.digest(secret),
            "invited_until": until,
        }

    def _list_members(self, tenant: str) -> CountedList[Member]:
        kind, changes_id = keys.member_item(tenant, keys.CHANGES)
        # first: it vouches for the list
        changes = self.services.items.get(keys.TENANTS, (kind, changes_id))
        members = map(
            member_from,
            walk_items(self.services.items, keys.TENANTS, kind, between=keys.ids_range(tenant)),
        )
        by_age = sorted(members, key=lambda member: (member.created_at, member.id))
        return CountedList(
            by_age, keys.TENANTS, {"kind": kind, "id": changes_id, "tenant": tenant}, changes
        )

    @retry_if_changed(_BUSY)
    def _change_member(
        self, tenant: str, id_: str, change: Callable[[Member], Member], request: RequestId | None
    ) -> Member:
        """Store the member that `change` makes of the present one, and return it."""
        members = self._list_members(tenant)
        former_member = _find_member(members.rows, id_)
        member = replace(change(former_member), version=former_member.version + 1)
        _require_free(members.rows, member)
        shared_deletes = _make_shared_deletes(tenant, former_member, kept=member.passkeys)
        actions: list[Action] = [
            make_member_put(tenant, member, former_member),
            members.changed,
            *shared_deletes,
        ]
        self.services.requests.write_with_answer(tenant, actions, request, {"id": id_})
        return member


def _find_member(members: Sequence[Member], id_: str) -> Member:
    """Return the member of that id. Raises MemberNotFound."""
    if (member := next((member for member in members if member.id == id_), None)) is None:
        raise MemberNotFound(f"nobody who signs in has the id {id_[:40]!r}: see the list")
    return member


def _require_free(members: Sequence[Member], member: Member) -> None:
    """Raise MemberExists if somebody else has this name, however it is written."""
    if any(
        other.id != member.id and normalize_name(other.name) == normalize_name(member.name)
        for other in members
    ):
        raise MemberExists(
            f"there is a {member.name!r} already: take a name that tells the two apart",
            field="name",
        )


def make_shared_put(tenant: str, member: Member, passkey: str) -> Put:
    """Return the write by which a member with a passkey of another shop is found.

    `passkey`: its id.
    """
    kind, id_ = keys.shared_passkey_item(api_keys.digest(passkey), tenant, member.id)
    return Put(keys.TENANTS, {"kind": kind, "id": id_, "tenant": tenant, "member": member.id})


def _make_shared_deletes(tenant: str, member: Member, *, kept: Collection[Passkey]) -> list[Delete]:
    """Return the writes by which a member is not found any more by passkeys that go.

    `kept`: those that stay.
    """
    kept_ids = {passkey.id for passkey in kept}
    return [
        Delete(
            keys.TENANTS, keys.shared_passkey_item(api_keys.digest(passkey.id), tenant, member.id)
        )
        for passkey in member.passkeys
        if passkey.id not in kept_ids
    ]


def make_handle(tenant: str, member: Member) -> bytes:
    """Return a passkey's handle for its owner: 64 bytes at most, and no name of a person (WebAuthn,
    14.6.1)."""
    return f"{tenant}#{member.id}".encode()


def make_member_put(tenant: str, member: Member, former_member: Member) -> Put:
    """Return the write of a member, on condition that it is unchanged since it was read."""
    does = ((member.describe_change(former_member), name_access("member", member.id)),)
    return Put(keys.TENANTS, make_member_item(tenant, member), expect_version(former_member), does)


def expect_version(member: Member) -> tuple[Any, ...]:
    """Return the condition that the member is unchanged since it was read."""
    return (equals("version", member.version, _SAME),)


def normalize_name(name: str) -> str:
    """Return a name as it is compared: Maria and MARIA are one."""
    return unicodedata.normalize("NFKC", name[: 4 * NAME_LENGTH]).casefold().strip()


def _check_member(member: Member) -> Member:
    """Return the member in the form that is stored: who reads figures sees no pictures.

    Raises InvalidInput.
    """
    if member.screen and member.role is not Role.VIEWER:
        raise InvalidInput(
            "a screen on the wall is a viewer: else anybody before it could change the book"
        )
    if member.page and not member.screen:
        raise InvalidInput("a page is of a screen: send screen as true, or leave page out")
    if member.screen:
        audit_events.add_details(page=member.shown_page)
    name = printable_name(member.name, NAME_LENGTH, "a person's")
    return replace(member, name=name, pictures=member.pictures and not member.is_of_figures)
