"""Members of a tenant, the people who sign in to its console and screens on the wall; and sessions of browsers.

A member is invited by a link. It holds tenant, member and a secret of 256 bits, of which storage holds a hash. It is
good once, for seven days.

A browser signs in and gets a token for its cookie: by a key, a code that is good once, an invitation, a password or a
passkey. Storage holds hashes of tokens, codes and challenges. A session ends with the secret of its key or the mark of
its member, so a renewed key or a removed person ends it at once.
"""

from __future__ import annotations

import hmac
import re
import secrets
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.core import acts, api_keys, keys, passwords
from chalicelib.core.errors import (
    Busy,
    ConditionFailed,
    InvalidInput,
    MemberExists,
    MemberNotFound,
    PasskeyNotFound,
    TenantDisabled,
    TooManyMembers,
    WrongCredentials,
)
from chalicelib.core.items import CountedList, delete_in_parts, every, retried, write, write_unless_changed
from chalicelib.core.model import Tenant
from chalicelib.core.names import printable_name
from chalicelib.core.ports import Action, Delete, Item, Put, absent, equals, exists
from chalicelib.core.records.access import member_from, member_item, sign_in_item
from chalicelib.core.records.faces import tenant_from
from chalicelib.core.roles import ApiKey, Member, Role, Session
from chalicelib.core.values import milliseconds, moment, optional, time_ordered_id
from chalicelib.services.idempotency import RequestId
from chalicelib.services.outside import Outside

MAX_MEMBERS = 100
"""People and screens that sign in to a tenant's console."""
NAME_LENGTH = 100
INVITED_FOR = timedelta(days=7)

SECRET_BYTES = 32
_INVITATION = re.compile(r"([a-z0-9-]{1,40})\.([0-9]{1,40})\.([A-Za-z0-9_-]{43})")
_HANDLE = re.compile(rb"([a-z0-9-]{1,40})#([0-9]{1,40})")
_SAME = "not-changed-meanwhile"

_BUSY = "those who sign in are changed by others all the time: send the request again in a moment"


class Members(Outside):
    def all(self, tenant: Tenant) -> list[Member]:
        """Return all members, by age."""
        return [*self._listed(tenant.name).rows]

    def get(self, tenant: Tenant, id_: str) -> Member:
        """Return the member of that id. Raises MemberNotFound."""
        return _of_id(self._listed(tenant.name).rows, id_)

    @retried(_BUSY)
    def add(
        self,
        tenant: Tenant,
        name: str,
        role: Role,
        *,
        pictures: bool = True,
        screen: bool = False,
        request: RequestId | None = None,
    ) -> tuple[Member, str]:
        """Invite somebody; return the member and the invitation, which is shown nowhere else.

        Raises InvalidInput, MemberExists, TooManyMembers, Busy, AnsweredAlready with the `id` of the member.
        """
        now = self.book.clock.now()
        new = Member(time_ordered_id(now), name, role, now, api_keys.new_secret(), pictures=pictures, screen=screen)
        invitation, fields = self._invitation(tenant, new.id)
        member = _checked(replace(new, **fields))
        listed = self._listed(tenant.name)
        _require_free(listed.rows, member)
        if len(listed.rows) >= MAX_MEMBERS:
            raise TooManyMembers(f"{MAX_MEMBERS} people may sign in already, the most of a tenant: remove one")
        put = Put(keys.TENANTS, member_item(tenant.name, member), (absent("id-free"),))
        self.book.requests.write(tenant.name, [put, listed.changed], request, {"id": member.id})
        return member, invitation

    def change(self, tenant: Tenant, id_: str, changes: Mapping[str, Any], request: RequestId | None = None) -> Member:
        """Set `name`, `role` or `pictures`. They hold from the member's next request on.

        Raises MemberNotFound, MemberExists, InvalidInput, Busy, AnsweredAlready.
        """
        return self._changed(tenant.name, id_, lambda before: _checked(replace(before, **changes)), request)

    def invite(self, tenant: Tenant, id_: str, request: RequestId | None = None) -> tuple[Member, str]:
        """Make another invitation for somebody; the one before is good no more. Raises as `change`."""
        invitation, fields = self._invitation(tenant, id_)
        return self._changed(tenant.name, id_, lambda before: replace(before, **fields), request), invitation

    def remove_passkey(self, tenant: Tenant, id_: str, passkey: str, request: RequestId | None = None) -> None:
        """Remove one of a member's passkeys, and end the member's sessions. Raises PasskeyNotFound, and as `change`."""

        def changed(before: Member) -> Member:
            left = tuple(one for one in before.passkeys if one.id != passkey)
            if len(left) == len(before.passkeys):
                raise PasskeyNotFound(f"{before.name} has no passkey {passkey[:40]!r}: see the list")
            return replace(before, passkeys=left, digest=api_keys.new_secret())

        self._changed(tenant.name, id_, changed, request)

    @retried(_BUSY)
    def delete(self, tenant: Tenant, id_: str, request: RequestId | None = None) -> None:
        """Remove a member, whose sessions and invitation end at once. Raises MemberNotFound, Busy, AnsweredAlready."""
        listed = self._listed(tenant.name)
        member = _of_id(listed.rows, id_)
        gone = Delete(keys.TENANTS, keys.member_item(tenant.name, id_), same(member))
        self.book.requests.write(tenant.name, [gone, listed.changed], request, {"id": id_})

    def standing(self, tenant: str, id_: str, digest: str) -> tuple[Tenant, Member] | None:
        """Return the tenant and its member of this id, as they are now; None if the member's sessions have ended."""
        found = self._of_id(tenant, id_)
        return found if found is not None and hmac.compare_digest(found[1].digest, digest) else None

    def invited(self, invitation: str) -> tuple[Tenant, Member]:
        """Return an invitation's tenant and member. Raises WrongCredentials if it is used up, too old or not ours."""
        parts = _INVITATION.fullmatch(invitation)
        found = self._of_id(parts[1], parts[2]) if parts else None
        if parts and found:
            kept, until = found[1].invitation or "", found[1].invited_until
            fits = hmac.compare_digest(kept, api_keys.digest(parts[3]))
            if fits and until is not None and until > self.book.clock.now():
                return found
        raise WrongCredentials("this link is not good any more: it signs in once, within seven days; ask for a new one")

    def of_handle(self, handle: bytes) -> tuple[Tenant, Member] | None:
        """Return the tenant and the member that a passkey names (`handle_of`)."""
        parts = _HANDLE.fullmatch(handle)
        return self._of_id(parts[1].decode(), parts[2].decode()) if parts else None

    def of_name(self, tenant: str | None, name: str) -> tuple[str, tuple[Tenant, Member] | None]:
        """Return the tenant's name and, if somebody has this name there, the two.

        `tenant`: None means the only one, or of two the only one that has people. Raises InvalidInput if there are
        several.
        """
        if tenant is None:
            stored = self.book.items.query(keys.TENANTS, keys.tenant_item("")[0], limit=3).items
            found = [str(one["id"]) for one in stored]
            if len(found) == 2:  # as on a box that began with two
                found = [one for one in found if self._listed(one).rows]
            if len(found) > 1:
                raise InvalidInput("several shops are on this service: send the name of yours as `tenant`, too")
            tenant = found[0] if found else ""
        record = self.book.items.get(keys.TENANTS, keys.tenant_item(tenant)) if tenant else None
        listed = self._listed(tenant).rows if record else ()
        member = next((one for one in listed if plain(one.name) == plain(name)), None)
        return tenant, (tenant_from(record), member) if record and member else None

    def _of_id(self, tenant: str, id_: str) -> tuple[Tenant, Member] | None:
        places = [keys.tenant_item(tenant), keys.member_item(tenant, id_)]
        record, own = self.book.items.get_many(keys.TENANTS, places)
        return None if record is None or own is None else (tenant_from(record), member_from(own))

    def _invitation(self, tenant: Tenant, id_: str) -> tuple[str, dict[str, Any]]:
        """Make an invitation, and the fields that a member has of it."""
        secret, until = secrets.token_urlsafe(SECRET_BYTES), self.book.clock.now() + INVITED_FOR
        return f"{tenant.name}.{id_}.{secret}", {"invitation": api_keys.digest(secret), "invited_until": until}

    def _listed(self, tenant: str) -> CountedList[Member]:
        kind, place = keys.member_item(tenant, keys.CHANGES)
        changes = self.book.items.get(keys.TENANTS, (kind, place))  # first: it vouches for the list
        found = map(member_from, every(self.book.items, keys.TENANTS, kind, between=keys.ids_range(tenant)))
        by_age = sorted(found, key=lambda one: (one.created_at, one.id))
        return CountedList(by_age, keys.TENANTS, {"kind": kind, "id": place, "tenant": tenant}, changes)

    @retried(_BUSY)
    def _changed(self, tenant: str, id_: str, changed: Callable[[Member], Member], request: RequestId | None) -> Member:
        listed = self._listed(tenant)
        before = _of_id(listed.rows, id_)
        member = replace(changed(before), version=before.version + 1)
        _require_free(listed.rows, member)
        self.book.requests.write(tenant, [member_put(tenant, member, before), listed.changed], request, {"id": id_})
        return member


def _of_id(listed: Sequence[Member], id_: str) -> Member:
    """Return the member of that id. Raises MemberNotFound."""
    if (member := next((one for one in listed if one.id == id_), None)) is None:
        raise MemberNotFound(f"nobody who signs in has the id {id_[:40]!r}: see the list")
    return member


def _require_free(listed: Sequence[Member], member: Member) -> None:
    """Raise MemberExists if somebody else has this name, however it is written."""
    if any(one.id != member.id and plain(one.name) == plain(member.name) for one in listed):
        raise MemberExists(f"there is a {member.name!r} already: take a name that tells the two apart")


def handle_of(tenant: str, member: Member) -> bytes:
    """Return a passkey's handle for its owner: 64 bytes at most, and no name of a person (WebAuthn, 14.6.1)."""
    return f"{tenant}#{member.id}".encode()


def member_put(tenant: str, member: Member, before: Member) -> Put:
    """Return the write of a member, unless somebody changed it since it was read."""
    return Put(keys.TENANTS, member_item(tenant, member), same(before))


def same(member: Member) -> tuple[Any, ...]:
    return (equals("version", member.version, _SAME),)


def plain(name: str) -> str:
    """Return a name as it is compared: Maria and MARIA are one."""
    return unicodedata.normalize("NFKC", name[: 4 * NAME_LENGTH]).casefold().strip()


def _checked(member: Member) -> Member:
    """Return the member in the form that is stored. Raises InvalidInput."""
    if member.screen and member.role is not Role.VIEWER:
        raise InvalidInput("a screen on the wall is a viewer: else anybody before it could change the book")
    return replace(member, name=printable_name(member.name, NAME_LENGTH, "a person's"))


GOOD_FOR, KEPT_FOR = timedelta(hours=12), timedelta(days=30)
"""How long a session lasts, and one on a person's own device."""
CODE_GOOD_FOR = timedelta(minutes=10)
CHALLENGE_GOOD_FOR = timedelta(minutes=5)
MOST_PASSKEYS = 10

_TOKEN_BYTES, _HALF_BYTES, _TIME_BYTES = 32, 16, 5
_NEVER = 2**40
"""Seconds since 1970 of a time that does not come."""
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_UNKNOWN_KEY = "this key is unknown: it was mistyped, or another has taken its place"


class Challenge(Struct, frozen=True):
    """Text that a passkey has to sign. `invited`: the maker of one by an invitation; None: somebody signs in."""

    text: str
    host: str
    algorithms: Sequence[int]
    invited: tuple[Tenant, Member] | None = None

    @property
    def handle(self) -> str | None:
        """Id of the user, in base64url, whose passkey is made."""
        return plain_base64(handle_of(self.invited[0].name, self.invited[1])) if self.invited else None


def plain_base64(data: bytes) -> str:
    """Write base64url without padding, as browsers do."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Sessions(Outside):
    def code(self, tenant: Tenant, key: ApiKey) -> str:
        """Make a code that signs in once, within ten minutes, with the rights of the key."""
        code, now = secrets.token_urlsafe(_TOKEN_BYTES), self.book.clock.now()
        place = keys.code_item(api_keys.digest(code))
        item = sign_in_item(place, tenant.name, key, now, now + CODE_GOOD_FOR)
        write(self.book.items, [Put(keys.TENANTS, item, (absent("code-free"),))])
        return code

    def challenge(self, origin: str, invitation: str | None = None) -> Challenge:
        """Make a challenge for passkeys of the page's origin; with an invitation, to make one.

        Raises InvalidInput if there are no passkeys on this origin, WrongCredentials for the invitation.
        """
        from chalicelib.services.access import passkeys  # a second of a cold start

        site, invited = passkeys.site_of(origin), optional(self.book.access.members.invited, invitation)
        until = int((self.book.clock.now() + CHALLENGE_GOOD_FOR).timestamp())
        whose = (invited[0].name, invited[1].id) if invited else ("", "")
        text = self._challenge_of(until.to_bytes(_TIME_BYTES) + secrets.token_bytes(_HALF_BYTES), *whose)
        return Challenge(text, site.host, passkeys.algorithms, invited)

    def of_key(self, api_key: str, *, keep: bool = False) -> tuple[str, Session]:
        """Begin a session with a key; return its token. Raises WrongCredentials, TenantDisabled."""
        known = self.book.access.keys.by_api_key(api_key)
        if known is None:
            raise WrongCredentials(_UNKNOWN_KEY)
        return self._begun(known, [], keep=keep)

    def of_code(self, code: str, *, keep: bool = False) -> tuple[str, Session]:
        """Begin a session with a code, which is used up then; return its token. Raises as `of_key`."""
        if not _SECRET.fullmatch(code):
            raise _unknown_code()
        place = keys.code_item(api_keys.digest(code))
        known = self._standing(place)
        if known is None:
            raise _unknown_code()
        try:
            return self._begun(known[0], [Delete(keys.TENANTS, place, (exists("code-unused"),))], keep=keep)
        except ConditionFailed as error:
            raise _unknown_code() from error

    def of_invitation(
        self,
        invitation: str,
        *,
        password: str | None = None,
        passkey: Mapping[str, Any] | None = None,
        origin: str = "",
        keep: bool = False,
    ) -> tuple[str, Session]:
        """Accept an invitation, which is used up then: set a password or add a passkey, and begin a session.

        A screen on the wall needs neither. A new password ends the member's other sessions. Raises InvalidInput,
        WrongCredentials, Busy, TenantDisabled.
        """
        tenant, before = self.book.access.members.invited(invitation)
        if ((password is None) == (passkey is None)) is not before.screen:
            raise InvalidInput(
                "a screen on the wall signs in by its link alone"
                if before.screen
                else "send the password or the passkey that you sign in by from now on: one of the two"
            )
        member = replace(before, invitation=None, invited_until=None)
        actions: list[Action] = []
        if password is not None:
            passwords.require_password(password, member.name, tenant.name)
            with passwords.place():
                member = replace(member, password=passwords.hashed(password), digest=api_keys.new_secret())
        if passkey is not None:
            from chalicelib.services.access import passkeys

            site, (challenge, used_up) = passkeys.site_of(origin), self._challenge(passkey, tenant.name, member.id)
            made = passkeys.made(site, challenge, passkey, self.book.clock.now())
            others = tuple(one for one in member.passkeys if one.id != made.id)
            if len(others) >= MOST_PASSKEYS:
                raise InvalidInput(f"you have {MOST_PASSKEYS} passkeys already: ask for one to be removed first")
            member = replace(member, passkeys=(*others, made))
            actions.append(used_up)
        try:
            return self._begun_by(tenant, before, member, actions, keep=keep)
        except ConditionFailed as error:
            raise WrongCredentials("this link was used meanwhile: it is good once; ask for a new one") from error

    def of_password(
        self, tenant: str | None, name: str, password: str, address: str, *, keep: bool = False
    ) -> tuple[str, Session]:
        """Begin a session with a name and a password; it takes as long if nobody has that name.

        `tenant`: None means the only one; `address`: the sender's, since guesses are counted. Raises
        WrongCredentials, TooManyRequests, Busy, TenantDisabled, InvalidInput if there are several tenants.
        """
        shop, known = self.book.access.members.of_name(tenant, name)
        with passwords.place(), self.book.access.rates.guessed(address, f"{shop}#{plain(name)}"):
            is_right = len(password) <= passwords.LENGTHS[-1] and passwords.fits(
                password, known[1].password if known else None
            )
            if known is None or not is_right:
                raise WrongCredentials("name and password do not fit: check both, or ask for a new link")
        return self._again(*known, [], keep=keep)

    def of_passkey(self, passkey: Mapping[str, Any], origin: str, *, keep: bool = False) -> tuple[str, Session]:
        """Begin a session with a passkey's signature. Raises WrongCredentials, TenantDisabled, InvalidInput."""
        from chalicelib.services.access import passkeys

        site, (challenge, used_up) = passkeys.site_of(origin), self._challenge(passkey)
        known = self.book.access.members.of_handle(passkeys.handle(passkey))
        used = passkeys.used(site, challenge, known[1].passkeys if known else (), passkey)
        if known is None:
            raise WrongCredentials(_UNKNOWN_KEY)
        tenant, member = known
        counted = tuple(used if one.id == used.id else one for one in member.passkeys)
        return self._again(tenant, replace(member, passkeys=counted), [used_up], keep=keep)

    def find(self, token: str) -> Session | None:
        """Return the session of a token, even of a disabled tenant; None: there is none, or it has ended.

        Raises WrongCredentials if the end of its key has come.
        """
        found = self._standing(keys.session_item(api_keys.digest(token))) if _SECRET.fullmatch(token) else None
        if found is None:
            return None
        (tenant, key), item = found
        until = item.get("expires_at")
        return Session(tenant, key, moment(item.get("begun_at", 0)), None if until is None else moment(until * 1000))

    def end(self, token: str) -> None:
        """End the session of a token; one that has ended is no error."""
        if _SECRET.fullmatch(token):
            write(self.book.items, [Delete(keys.TENANTS, keys.session_item(api_keys.digest(token)))])

    def forget_expired(self, tenant: str) -> int:
        """Delete what has expired, on storage that does not do so itself, and sessions of people who are gone.

        Return how many.
        """
        return delete_in_parts(self.book.items, keys.TENANTS, self._old(tenant))

    def _old(self, tenant: str) -> Iterator[Item]:
        now = self.book.clock.now().timestamp()
        expiring = keys.session_item(""), keys.code_item(""), keys.challenge_item(""), keys.still_item("", "")
        for kind, _ in expiring:
            for item in every(self.book.items, keys.TENANTS, kind):
                until = item.get("expires_at")
                if item["tenant"] in (tenant, "") and (
                    self._standing_for(item) is None if until is None else until <= now
                ):
                    yield item

    def _standing(self, place: tuple[str, str]) -> tuple[tuple[Tenant, ApiKey | Member], Item] | None:
        """Read a session or a code, and its key or member; None if it is over."""
        item = self.book.items.get(keys.TENANTS, place)
        if item is None or ("expires_at" in item and item["expires_at"] <= self.book.clock.now().timestamp()):
            return None
        known = self._standing_for(item)
        return None if known is None else (known, item)

    def _standing_for(self, item: Item) -> tuple[Tenant, ApiKey | Member] | None:
        if "member" in item:
            return self.book.access.members.standing(item["tenant"], item["member"], item["digest"])
        return self.book.access.keys.standing(item["tenant"], item["key"], item["digest"])

    def _challenge(self, passkey: Mapping[str, Any], tenant: str = "", member: str = "") -> tuple[str, Action]:
        """Return the challenge that a passkey signed, and the action that uses it up. Raises WrongCredentials."""
        from chalicelib.services.access import passkeys

        text = passkeys.challenge_of(passkey)
        begun = urlsafe_b64decode(text + "==")[:-_HALF_BYTES]
        until = int.from_bytes(begun[:_TIME_BYTES])
        is_ours = hmac.compare_digest(text, self._challenge_of(begun, tenant, member))
        if not is_ours or until <= self.book.clock.now().timestamp():
            raise WrongCredentials("this took longer than five minutes, or was made for something else: try once more")
        kind, id_ = keys.challenge_item(api_keys.digest(text))
        used = {"kind": kind, "id": id_, "tenant": tenant, "expires_at": until}
        return text, Put(keys.TENANTS, used, (absent("challenge-unused"),))

    def _challenge_of(self, begun: bytes, tenant: str, member: str) -> str:
        """Complete a challenge by a signature of ours. So none has to be stored before it was answered rightly."""
        whose = f"{tenant}#{member}".encode()
        return plain_base64(begun + hmac.digest(self._challenge_key, begun + whose, "sha256")[:_HALF_BYTES])

    @cached_property
    def _challenge_key(self) -> bytes:
        place = dict(zip(("kind", "id"), keys.CHALLENGE_KEY, strict=True))
        made: Item = {**place, "tenant": "", "key": secrets.token_bytes(_TOKEN_BYTES), "expires_at": _NEVER}
        # it was made before
        write_unless_changed(self.book.items, [Put(keys.TENANTS, made, (absent("challenge-key-free"),))])
        item = self.book.items.get(keys.TENANTS, keys.CHALLENGE_KEY)
        return bytes((item or made)["key"])

    def _again(self, tenant: Tenant, member: Member, actions: Sequence[Action], *, keep: bool) -> tuple[str, Session]:
        try:
            return self._begun_by(tenant, member, member, actions, keep=keep)
        except ConditionFailed as error:
            if "challenge-unused" in error.names:
                raise WrongCredentials("this was sent twice: try once more") from error
            raise Busy("this person was changed meanwhile: try again") from error

    def _begun_by(
        self, tenant: Tenant, before: Member, member: Member, actions: Sequence[Action], *, keep: bool
    ) -> tuple[str, Session]:
        """Begin a session of a member, and note when."""
        member = replace(member, version=before.version + 1, signed_in_at=self.book.clock.now())
        acts.says(member=member.said)
        return self._begun((tenant, member), [*actions, member_put(tenant.name, member, before)], keep=keep)

    def _begun(
        self, known: tuple[Tenant, ApiKey | Member], actions: Sequence[Action], *, keep: bool
    ) -> tuple[str, Session]:
        tenant, key = known
        if tenant.disabled:
            raise TenantDisabled("this tenant is not activated: ask its operator to enable it")
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), moment(milliseconds(self.book.clock.now()))
        until = _until(key, now, keep=keep)
        item = sign_in_item(keys.session_item(api_keys.digest(token)), tenant.name, key, now, until)
        write(self.book.items, [*actions, Put(keys.TENANTS, item, (absent("token-free"),))])
        return token, Session(tenant, key, now, until)


def _until(key: ApiKey | Member, now: datetime, *, keep: bool) -> datetime | None:
    """Return when a session that begins now ends; None: that of a screen on the wall has no end."""
    if isinstance(key, Member) and key.screen:
        return None
    until = now + (KEPT_FOR if keep else GOOD_FOR)
    return min(until, key.expires_at or until).replace(microsecond=0)


def _unknown_code() -> WrongCredentials:
    return WrongCredentials("this code is not good any more: it signs in once, within ten minutes; make another")
