"""Active accesses by their givers, and the end of these accesses when the giver leaves.

Who gave an access lies beside it (privacy/makers). So a kind of access that is new is listed by
itself; to end by a press it needs a `_Kind` here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from chalicelib.auth.roles import Member, Role
from chalicelib.auth.sessions import name_session
from chalicelib.book.idempotency import RequestId
from chalicelib.domain.effects import SHARED_KEYS, Effect, name_access, name_code
from chalicelib.domain.errors import AccessNotFound, InvalidInput, LastAdminKey, NotFound
from chalicelib.domain.jobs import Job, JobContext
from chalicelib.domain.model import Tenant
from chalicelib.domain.webhooks import Hook
from chalicelib.privacy.makers import (
    UNKNOWN,
    Maker,
    get_access,
    maker_from,
)
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items, write_in_parts, write_unless_changed
from chalicelib.storage.ports import Delete, Item, equals
from chalicelib.storage.values import moment

if TYPE_CHECKING:
    from chalicelib.services import Services

ALL = "all"
_CODE, _SESSION = "code", "session"


class Ends(StrEnum):
    """Condition on which an access ends when its maker is removed."""

    ALWAYS = "always"
    """With the maker: what comes to a phone, a browser or a mailbox, and the maker's sessions."""
    ASKED = "asked"
    """If somebody asks for it: it may be what the shop works by."""
    RENEWED = "renewed"
    """If others take its place, which all who come by it need: it is nobody's own."""
    OWN = "own"
    """It is a person who has signed in: remove that member."""


class Described(Struct, frozen=True):
    """An access as people know it.

    `name`: what they call it; `ends`: when it ends if its maker goes; `role`: what it may.
    """

    access: str
    name: str
    ends: Ends = Ends.ASKED
    role: Role | None = None


class Made(Struct, frozen=True):
    """An active access and its maker. `via`: the access that the maker used."""

    access: str
    kind: str
    name: str
    ends: Ends
    maker: Maker
    via: str = ""
    role: Role | None = None


class _Kind(NamedTuple):
    """A kind of access: how its accesses are listed, and how one ends, by its id."""

    describe: Callable[[Tenant], Iterable[Described]]
    end: Callable[[Tenant, str, RequestId | None], object]


class MadeAccesses(Service["Services"]):
    """The accesses of a tenant by their makers."""

    def read_makers(self, tenant: Tenant) -> Mapping[str, Maker]:
        """Return the maker of each active access."""
        return {get_access(item): maker_from(item) for item in self._walk_items(tenant)}

    def name_makers(self, tenant: Tenant) -> Mapping[str, str]:
        """Return the name of each active access's maker: `Ann`, `key 12`, `Ann, who is no member
        any more`."""
        members = self._name_members(tenant)
        makers = self.read_makers(tenant)
        return {access: name_maker(maker, members) for access, maker in makers.items() if maker.by}

    def find_names(self, tenant: Tenant) -> Callable[[str], tuple[str, bool]]:
        """Return a function that gives an access's maker by name ("" if unknown), and whether that
        is a former member."""
        members, makers = self._name_members(tenant), self.read_makers(tenant)

        def find_name(access: str) -> tuple[str, bool]:
            maker = makers.get(access, UNKNOWN)
            return get_maker_name(maker, members), is_gone(maker, members)

        return find_name

    def list_made(self, tenant: Tenant, maker: str) -> list[Made]:
        """Return the active accesses that a maker made, oldest first, and the maker's sessions.

        `maker`: the access by which they come, such as `member 7`. What a key of theirs made is
        theirs, too.
        """
        return [*self._list_given(tenant, maker), *self._list_sessions(tenant, maker)]

    def _list_given(self, tenant: Tenant, maker: str) -> list[Made]:
        makers = self.read_makers(tenant)
        theirs = [access for access, each in makers.items() if each.of == maker]
        return self._describe_all(tenant, theirs, makers)

    def list_left(self, tenant: Tenant) -> list[Made]:
        """Return the active accesses of makers who are former members, or who have fewer rights
        now."""
        makers, members = self.read_makers(tenant), self.services.access.members.list_all(tenant)
        names = {name_access("member", member.id): member.name for member in members}
        roles = {name_access("member", member.id): member.role for member in members}
        known = self._describe_all(tenant, makers, makers)
        return [
            made
            for made in known
            if made.ends is not Ends.OWN
            and (is_gone(made.maker, names) or _is_above(made, roles.get(made.maker.of)))
        ]

    def end(self, tenant: Tenant, access: str, request: RequestId | None = None) -> None:
        """End an access.

        Raises NotFound, LastAdminKey, AnsweredAlready, and InvalidInput if it does not end so.
        """
        kind = self._kinds().get(get_kind(access))
        if kind is None:
            raise InvalidInput(
                f"{access[:60]!r} does not end like this: renew it, and give the new one to those "
                "who come by it"
            )
        kind.end(tenant, access.rpartition(" ")[2], request)

    def end_made(self, tenant: Tenant, maker: str, wanted: Collection[str]) -> list[Made]:
        """End accesses that a maker made; return those that are still active.

        `wanted`: names of accesses, or ALL, which is all but people who have signed in and keys
        that many share. The last admin's key stays. Raises AccessNotFound if a name is none of
        theirs.
        """
        made = self.list_made(tenant, maker)
        _require_made(made, maker, wanted)
        ending = [each for each in made if ALL in wanted or each.access in wanted]
        for each in ending:
            if each.ends in (Ends.ALWAYS, Ends.ASKED):
                self._end_if_there(tenant, each.access)
        return self.list_made(tenant, maker)

    def remove_member(
        self, tenant: Tenant, id_: str, wanted: Collection[str], request: RequestId | None = None
    ) -> None:
        """Remove a member, and end the requested accesses that the member made, as `end_made` does.

        Until the removal they may sign in and make something more, so ALL ends once more behind it.
        Raises as `end_made`, MemberNotFound, Busy, AnsweredAlready.
        """
        maker = name_access("member", id_)
        if wanted:
            self.end_made(tenant, maker, wanted)
        self.services.access.members.delete(tenant, id_, request)
        if ALL in wanted:
            self.end_made(tenant, maker, [ALL])

    def end_one(
        self, tenant: Tenant, maker: str, access: str, request: RequestId | None = None
    ) -> None:
        """End one of the accesses that a maker made.

        Raises AccessNotFound if it is none of theirs, and as `end`.
        """
        _require_made(self.list_made(tenant, maker), maker, [access])
        self.end(tenant, access, request)

    def end_personal(self, tenant: Tenant, maker: str) -> None:
        """End the messages to the phone, browser or mailbox of a member who leaves."""
        for made in self._list_given(tenant, maker):
            if made.ends is Ends.ALWAYS:
                self._end_if_there(tenant, made.access)

    def _end_if_there(self, tenant: Tenant, access: str) -> None:
        try:
            self.end(tenant, access)
        except (NotFound, LastAdminKey):
            return  # ended meanwhile, or it has to stay: the list says so

    def _walk_items(self, tenant: Tenant) -> Iterator[Item]:
        kind, _ = keys.maker_item("", "")
        between = keys.makers_range(tenant.name)
        return walk_items(self.services.items, keys.TENANTS, kind, between=between)

    def _name_members(self, tenant: Tenant) -> Mapping[str, str]:
        return {
            name_access("member", member.id): member.name
            for member in self.services.access.members.list_all(tenant)
        }

    def _kinds(self) -> Mapping[str, _Kind]:
        access = self.services.access
        hooks, cameras = self.services.webhooks.hooks, self.services.cameras
        return {
            "key": _Kind(self._describe_keys, access.keys.delete),
            "member": _Kind(self._describe_members, self._end_member),
            "hook": _Kind(self._describe_hooks, lambda of, *more: hooks.delete(of.name, *more)),
            "camera": _Kind(self._describe_cameras, cameras.replace_key),
            _CODE: _Kind(self._describe_codes, self._end_codes),
            _SESSION: _Kind(lambda _: (), self._end_session),
        }

    def _describe_all(
        self, tenant: Tenant, accesses: Iterable[str], makers: Mapping[str, Maker]
    ) -> list[Made]:
        """Return the accesses that stand, as people know them, the oldest first.

        One of a kind that is not known here is named as it is.
        """
        kinds = self._kinds()
        wanted = list(accesses)
        known = {
            described.access: described
            for kind in dict.fromkeys(map(get_kind, wanted))
            if kind in kinds
            for described in kinds[kind].describe(tenant)
        }
        standing = [access for access in wanted if access in known or get_kind(access) not in kinds]
        listed = [
            _make_made(known.get(access) or Described(access, "", Ends.RENEWED), makers[access])
            for access in standing
        ]
        return sorted(listed, key=lambda made: (made.maker.at is not None, made.maker.at))

    def _describe_keys(self, tenant: Tenant) -> Iterator[Described]:
        for key in self.services.access.keys.list_all(tenant):
            yield Described(name_access("key", key.id), key.name, role=key.role)

    def _describe_members(self, tenant: Tenant) -> Iterator[Described]:
        for member in self.services.access.members.list_all(tenant):
            is_own = _is_somebody(member) and member.invitation is None
            ends = Ends.OWN if is_own else Ends.ASKED
            yield Described(name_access("member", member.id), member.name, ends, member.role)

    def _describe_hooks(self, tenant: Tenant) -> Iterator[Described]:
        for hook in self.services.webhooks.hooks.list_all(tenant.name):
            ends = Ends.ALWAYS if hook.is_of_a_person else Ends.ASKED
            yield Described(name_access("hook", hook.id), _name_hook(hook), ends)

    def _describe_cameras(self, tenant: Tenant) -> Iterator[Described]:
        for camera in self.services.cameras.list_all(tenant):
            yield Described(name_access("camera", camera.id), camera.name)

    def _describe_codes(self, tenant: Tenant) -> Iterator[Described]:
        for item in self._walk_codes(tenant):
            yield Described(_name_code_item(item), "")

    def _walk_codes(self, tenant: Tenant) -> Iterator[Item]:
        """Yield the codes of a tenant that wait."""
        now = self.services.clock.now().timestamp()
        kind, _ = keys.code_item("")
        for item in walk_items(self.services.items, keys.TENANTS, kind):
            if item["tenant"] == tenant.name and item["expires_at"] > now:
                yield item

    def _end_codes(self, tenant: Tenant, id_: str, request: RequestId | None) -> None:
        of_holder = {name_code(name_access(kind, id_)) for kind in ("key", "camera")}
        codes = [item for item in self._walk_codes(tenant) if _name_code_item(item) in of_holder]
        write_in_parts(self.services.items, map(_make_code_delete, codes))
        self.services.requests.write_with_answer(tenant.name, [], request)

    def _end_member(self, tenant: Tenant, id_: str, request: RequestId | None) -> None:
        """End a screen or an invitation; of a member who is somebody, the invitation that waits."""
        members = self.services.access.members
        if _is_somebody(members.get(tenant, id_)):
            members.end_invitation(tenant, id_, request)
        else:
            members.delete(tenant, id_, request)

    def _list_sessions(self, tenant: Tenant, maker: str) -> Iterator[Made]:
        """Yield the browsers that are signed in as somebody."""
        for item in self.services.access.sessions.list_of(tenant.name, maker):
            begun = Maker(maker, maker, moment(int(item.get("begun_at", 0))))
            yield Made(name_session(item["id"]), _SESSION, "", Ends.ALWAYS, begun)

    def _end_session(self, tenant: Tenant, id_: str, request: RequestId | None) -> None:
        self.services.access.sessions.end_by_hash(tenant.name, id_, request)

    def forget_over(self, tenant: Tenant) -> None:
        """Delete the makers of accesses that are no longer active, such as an expired code, which
        no transaction of ours ends."""
        items = [*self._walk_items(tenant)]  # first: what is given from here on stands
        kinds, standing = self._kinds(), {*self._list_standing(tenant)}
        for item in items:
            access = get_access(item)
            if get_kind(access) in kinds and access not in standing:
                maker_key = keys.maker_item(tenant.name, access)
                if_same = (equals("at", item["at"], "not-given-again"),)
                write_unless_changed(
                    self.services.items, [Delete(keys.TENANTS, maker_key, if_same)]
                )

    def end_left(self, tenant: Tenant) -> None:
        """End the messages to phones, browsers or mailboxes of former members whose removal was
        interrupted."""
        members = self._name_members(tenant)
        for made in self.list_left(tenant):
            if made.ends is Ends.ALWAYS and is_gone(made.maker, members):
                self._end_if_there(tenant, made.access)

    def _list_standing(self, tenant: Tenant) -> Iterator[str]:
        for kind in self._kinds().values():
            yield from (each.access for each in kind.describe(tenant))

    def make_job(self) -> Job:
        """Return the nightly job that ends what former members have left, and deletes the makers of
        ended accesses."""
        return Job("makers", self._tidy, nightly=True)

    def _tidy(self, context: JobContext) -> None:
        self.end_left(context.tenant)
        self.forget_over(context.tenant)


def _require_made(made: Sequence[Made], maker: str, wanted: Collection[str]) -> None:
    """Raise AccessNotFound if somebody made no access of a name that is wanted.

    Raises InvalidInput if it does not end with its maker.
    """
    if unknown := {*wanted} - {ALL} - {each.access for each in made}:
        raise AccessNotFound(
            f"{maker} made no {min(unknown)[:60]!r} that stands: see the list of what they made"
        )
    for each in made:
        if each.access in wanted and each.ends is Ends.OWN:
            raise InvalidInput(f"{each.access} is a person who has signed in: remove that member")
        if each.access in wanted and each.ends is Ends.RENEWED:
            raise InvalidInput(
                f"{each.access} are of several devices: renew them, and give each the new ones"
            )


def get_kind(access: str) -> str:
    """Return the kind of an access: `key`, `hook`, `code of`."""
    if access.startswith(name_code("")):
        return _CODE
    return access if access == SHARED_KEYS else access.partition(" ")[0]


def is_gone(maker: Maker, members: Collection[str]) -> bool:
    """Tell whether an access was made by a former member. `members`: the current ones."""
    return maker.of.startswith(name_access("member", "")) and maker.of not in members


def get_maker_name(maker: Maker, members: Mapping[str, str]) -> str:
    """Return the maker's current or last display name."""
    if maker.of in members:
        return members[maker.of]
    return maker.name or maker.of


def name_maker(maker: Maker, members: Mapping[str, str]) -> str:
    """Name a maker in a line of text."""
    name = get_maker_name(maker, members)
    return f"{name}, who is no member any more" if is_gone(maker, members) else name


def _make_made(described: Described, maker: Maker) -> Made:
    return Made(
        described.access,
        get_kind(described.access),
        described.name,
        described.ends,
        maker,
        via=maker.via,
        role=described.role,
    )


def _is_above(made: Made, role: Role | None) -> bool:
    """Tell whether a key may do more than its maker may now."""
    return (
        made.kind == "key"
        and role is not None
        and made.role is not None
        and not role.includes(made.role)
    )


def _is_somebody(member: Member) -> bool:
    """Tell whether a member is a person who has signed in: one whose passkey was lost stays."""
    has_signed_in = bool(member.sign_ins) or member.signed_in_at is not None
    return has_signed_in and not member.screen


def _name_hook(hook: Hook) -> str:
    """Return what people call a hook, and whom it tells: it may be somebody else than its maker."""
    receiver = hook.address or hook.recipient
    if not hook.name or not receiver:
        return hook.name or receiver
    return f"{hook.name} ({receiver})"


def _make_code_delete(item: Item) -> Delete:
    does = ((Effect.TAKES_ACCESS, _name_code_item(item)),)
    return Delete(keys.TENANTS, (item["kind"], item["id"]), does=does)


def _name_code_item(item: Item) -> str:
    kind = "camera" if "camera" in item else "key"
    return name_code(name_access(kind, str(item[kind])))
