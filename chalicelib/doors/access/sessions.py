"""Sessions of browsers, which begin with a sign-in.

A browser signs in and gets a token for its cookie: by a key, a code that is good once, an invitation, a password or a
passkey. Storage holds hashes of tokens, codes and challenges. A session ends with the secret of its key or the mark of
its member, so a renewed key or a removed person ends it at once.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.words import acts, api_keys, keys
from chalicelib.book.words.errors import Busy, ConditionFailed, InvalidInput, TenantDisabled, WrongCredentials
from chalicelib.book.words.items import delete_in_parts, every, write, write_unless_changed
from chalicelib.book.words.model import Tenant
from chalicelib.book.words.ports import Action, Delete, Item, Put, absent, exists
from chalicelib.book.words.values import milliseconds, moment, optional
from chalicelib.doors.access.members import handle_of, member_put, plain
from chalicelib.doors.words import passwords
from chalicelib.doors.words.records import sign_in_item
from chalicelib.doors.words.roles import ApiKey, Member, Session
from chalicelib.rights.outside import Outside

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
        from chalicelib.doors.access import passkeys  # a second of a cold start

        site, invited = passkeys.site_of(origin), optional(self.book.access.members.find_invited, invitation)
        until = int((self.book.clock.now() + CHALLENGE_GOOD_FOR).timestamp())
        whose = (invited[0].name, invited[1].id) if invited else ("", "")
        text = self._challenge_of(until.to_bytes(_TIME_BYTES) + secrets.token_bytes(_HALF_BYTES), *whose)
        return Challenge(text, site.host, passkeys.algorithms, invited)

    def of_key(self, api_key: str, *, keep: bool = False) -> tuple[str, Session]:
        """Begin a session with a key; return its token. Raises WrongCredentials, TenantDisabled."""
        known = self.book.access.keys.by_api_key(api_key)
        if known is None:
            raise WrongCredentials(_UNKNOWN_KEY)
        return self._begin_session(known, [], keep=keep)

    def of_code(self, code: str, *, keep: bool = False) -> tuple[str, Session]:
        """Begin a session with a code, which is used up then; return its token. Raises as `of_key`."""
        if not _SECRET.fullmatch(code):
            raise _unknown_code()
        place = keys.code_item(api_keys.digest(code))
        known = self._standing(place)
        if known is None:
            raise _unknown_code()
        try:
            return self._begin_session(known[0], [Delete(keys.TENANTS, place, (exists("code-unused"),))], keep=keep)
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
        tenant, before = self.book.access.members.find_invited(invitation)
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
                member = replace(member, password=passwords.hash_password(password), digest=api_keys.new_secret())
        if passkey is not None:
            from chalicelib.doors.access import passkeys

            site, (challenge, used_up) = passkeys.site_of(origin), self._challenge(passkey, tenant.name, member.id)
            made = passkeys.check_registration(site, challenge, passkey, self.book.clock.now())
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
        with passwords.place(), self.book.access.rates.count_guess(address, f"{shop}#{plain(name)}"):
            is_right = len(password) <= passwords.LENGTHS[-1] and passwords.fits(
                password, known[1].password if known else None
            )
            if known is None or not is_right:
                raise WrongCredentials("name and password do not fit: check both, or ask for a new link")
        return self._again(*known, [], keep=keep)

    def of_passkey(self, passkey: Mapping[str, Any], origin: str, *, keep: bool = False) -> tuple[str, Session]:
        """Begin a session with a passkey's signature. Raises WrongCredentials, TenantDisabled, InvalidInput."""
        from chalicelib.doors.access import passkeys

        site, (challenge, used_up) = passkeys.site_of(origin), self._challenge(passkey)
        known = self.book.access.members.of_handle(passkeys.handle(passkey))
        used = passkeys.check_sign_in(site, challenge, known[1].passkeys if known else (), passkey)
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
        from chalicelib.doors.access import passkeys

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
        return self._begin_session((tenant, member), [*actions, member_put(tenant.name, member, before)], keep=keep)

    def _begin_session(
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
