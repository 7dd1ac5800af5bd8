"""Browser sessions: how they start, how long they last (SESSION_LASTS), and when they end.

A browser signs in and gets a token for its cookie: by a key, a code that is good once, an
invitation, a password or a passkey. Storage holds hashes of tokens, codes and challenges. A session
ends with the secret of its key or the mark of its member, so a renewed key or a removed person ends
it at once.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.auth import passwords
from chalicelib.auth.members import make_handle, make_member_put, make_shared_put, normalize_name
from chalicelib.auth.records import make_sign_in_item
from chalicelib.auth.roles import ApiKey, Member, Passkey, Session
from chalicelib.book.idempotency import RequestId
from chalicelib.domain import api_keys, audit_events
from chalicelib.domain.effects import Effect, name_access, name_code
from chalicelib.domain.errors import (
    Busy,
    ConditionFailed,
    InvalidInput,
    StorageUnavailable,
    TenantDisabled,
    WrongCredentials,
)
from chalicelib.domain.model import Tenant
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import delete_in_parts, walk_items, write, write_unless_changed
from chalicelib.storage.ports import Action, Delete, Item, Put, absent, exists
from chalicelib.storage.values import milliseconds, moment, parse_optional
from chalicelib.telemetry import log_failure

if TYPE_CHECKING:
    from chalicelib.auth.passkeys import Site
    from chalicelib.services import Services

SESSION_LASTS, KEPT_SESSION_LASTS = timedelta(hours=12), timedelta(days=30)
"""How long a session lasts, and one on a person's own device (`keep`)."""

CODE_LASTS = timedelta(minutes=10)
"""How long a code is good that signs somebody in on another device."""
CHALLENGE_LASTS = timedelta(minutes=5)
"""How long a browser may take to answer with a passkey."""
MAX_SHOPS = 30
"""Shops to which one passkey signs in: each has a cookie, and proxies bound the length of all."""
MAX_PASSKEYS = 10
"""Passkeys of one member: all stand in the member's item."""
_TOKEN_BYTES = 32
"""Random bytes of a session's token or a code: 256 bits, which nobody guesses."""
_HALF_BYTES = 16
"""Bytes of each half of a challenge: random ones, and the signature's first ones. 128 bits each are
enough."""
_TIME_BYTES = 5
"""Bytes of a challenge's end, in seconds since 1970: enough until the year 36812."""

_ID_DIGITS = 16
"""Hexadecimal digits of a session's hash by which it is named."""

_NEVER = 2**40
"""Seconds since 1970 of a time that does not come."""

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_CHANGED = "this person was changed meanwhile: try again"
_UNKNOWN_KEY = "this key is unknown: it was mistyped, or another has taken its place"


Holder = tuple[Tenant, Member, Passkey]
"""A person in one shop, with the passkey that has signed and its counter of now."""


class Challenge(Struct, frozen=True):
    """Text that a passkey has to sign.

    `invited`: the maker of one by an invitation; None: somebody signs in.
    """

    text: str
    host: str
    algorithms: Sequence[int]
    invited: tuple[Tenant, Member] | None = None

    @property
    def handle(self) -> str | None:
        """User id, in base64url, for which the passkey is made."""
        return (
            write_base64url(make_handle(self.invited[0].name, self.invited[1]))
            if self.invited
            else None
        )


def write_base64url(data: bytes) -> str:
    """Write base64url without padding, as browsers do."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Sessions(Service["Services"]):
    def make_code(self, tenant: Tenant, key: ApiKey) -> str:
        """Make a code that signs in once, within ten minutes, with the rights of the key."""
        code, now = secrets.token_urlsafe(_TOKEN_BYTES), self.services.clock.now()
        item_key = keys.code_item(api_keys.digest(code))
        item = make_sign_in_item(item_key, tenant.name, key, now, now + CODE_LASTS)
        does = ((Effect.GIVES_ACCESS, name_code(name_access("key", key.id))),)
        audit_events.add_details(key=key.id)
        write(self.services.items, [Put(keys.TENANTS, item, (absent("code-free"),), does)])
        return code

    def make_challenge(self, origin: str, invitation: str | None = None) -> Challenge:
        """Make a challenge for passkeys of the page's origin; with an invitation, to make one.

        Raises InvalidInput if there are no passkeys on this origin, WrongCredentials for the
        invitation.
        """
        from chalicelib.auth import passkeys  # a second of a cold start

        site = passkeys.parse_site(origin)
        invited = parse_optional(self.services.access.members.find_invited, invitation)
        until = int((self.services.clock.now() + CHALLENGE_LASTS).timestamp())
        tenant_and_member_names = (invited[0].name, invited[1].id) if invited else ("", "")
        text = self._sign_challenge(
            until.to_bytes(_TIME_BYTES) + secrets.token_bytes(_HALF_BYTES), *tenant_and_member_names
        )
        return Challenge(text, site.host, passkeys.algorithms, invited)

    def begin_by_key(self, api_key: str, *, keep: bool = False) -> tuple[str, Session]:
        """Start a session with a key; return its token. Raises WrongCredentials, TenantDisabled."""
        tenant_and_key = self.services.access.keys.find_by_api_key(api_key)
        if tenant_and_key is None:
            raise WrongCredentials(_UNKNOWN_KEY)
        return self._begin_session(tenant_and_key, [], keep=keep)

    def begin_by_code(self, code: str, *, keep: bool = False) -> tuple[str, Session]:
        """Start a session with a one-time code; return its token.

        Raises as `begin_by_key`.
        """
        if not _SECRET.fullmatch(code):
            raise _make_unknown_code()
        item_key = keys.code_item(api_keys.digest(code))
        sign_in = self._read_sign_in(item_key)
        if sign_in is None:
            raise _make_unknown_code()
        try:
            return self._begin_session(
                sign_in[0], [Delete(keys.TENANTS, item_key, (exists("code-unused"),))], keep=keep
            )
        except ConditionFailed as error:
            raise _make_unknown_code() from error

    def begin_by_invitation(
        self,
        invitation: str,
        *,
        password: str | None = None,
        passkey: Mapping[str, Any] | None = None,
        origin: str = "",
        keep: bool = False,
    ) -> tuple[str, Session]:
        """Accept a one-time invitation: set a password or add a passkey, and start a session.

        The member of a screen on the wall has neither. A passkey of another shop will do: it has
        signed then, and signs in to both from now on. A new password ends the member's other
        sessions; a passkey does not. Raises InvalidInput, WrongCredentials if the invitation is not
        good any more, Busy, TenantDisabled.
        """
        tenant, former_member = self.services.access.members.find_invited(invitation)
        if ((password is None) == (passkey is None)) is not former_member.screen:
            raise InvalidInput(
                "a screen on the wall signs in by its link alone"
                if former_member.screen
                else "send the password or the passkey that you sign in by from now on: one of the "
                "two"
            )
        invited_member = replace(former_member, invitation=None, invited_until=None)
        actions: list[Action] = []
        if password is not None:
            member = _set_password(tenant, invited_member, password)
        elif passkey is not None:
            member, passkey_actions = self._add_passkey(tenant, invited_member, passkey, origin)
            actions += passkey_actions
        else:
            member = invited_member
        try:
            return self._begin_member_session(tenant, former_member, member, actions, keep=keep)
        except ConditionFailed as error:
            raise WrongCredentials(
                "this link was used meanwhile: it is good once; ask for a new one"
            ) from error

    def begin_by_password(
        self, tenant: str | None, name: str, password: str, address: str, *, keep: bool = False
    ) -> tuple[str, Session]:
        """Start a session with a name and a password.

        An unknown name is refused no sooner than a wrong password.

        `tenant`: the name of the tenant; None: the only one. `address`: the sender's, whose wrong
        passwords are counted. `keep`: whether it lasts as on a person's own device. Raises
        WrongCredentials, TooManyRequests, Busy, TenantDisabled, InvalidInput if there are several
        tenants.
        """
        tenant_name, tenant_and_member = self.services.access.members.find_by_name(tenant, name)
        person = f"{tenant_name}#{normalize_name(name)}"
        with (
            passwords.hold_hashing_place(),
            self.services.access.rates.count_guess(address, person),
        ):
            stored_hash = tenant_and_member[1].password if tenant_and_member else None
            is_right = len(password) <= passwords.LENGTHS[-1] and passwords.matches_hash(
                password, stored_hash
            )
            if tenant_and_member is None or not is_right:
                raise WrongCredentials(
                    "name and password do not fit: check both, or ask for a new link"
                )
        return self._sign_in_again(*tenant_and_member, [], keep=keep)

    def begin_by_passkey(
        self, passkey: Mapping[str, Any], origin: str, *, keep: bool = False
    ) -> list[tuple[str, Session]]:
        """Start a session with a passkey's signature in each shop that it signs in to; return their
        tokens, too.

        The first is that of the shop that it was made for. Left out is a disabled shop, and one in
        which each of three tries is refused, unless there is no other. Raises WrongCredentials,
        TenantDisabled, InvalidInput, Busy, StorageUnavailable.
        """
        from chalicelib.auth import passkeys

        site, (challenge, use_up) = passkeys.parse_site(origin), self._check_challenge(passkey)
        holders = self._find_holders(site, challenge, passkey)
        open_holders = [holder for holder in holders if not holder[0].disabled] or holders
        begun_sessions: list[tuple[str, Session]] = []
        failures: list[Exception] = []
        for holder in open_holders:
            actions = [] if begun_sessions else [use_up]
            begun = self._begin_in_shop(holder, actions, keep=keep)
            if isinstance(begun, Exception):
                log_failure(begun, f"a sign-in leaves out tenant {holder[0].name}")
                failures.append(begun)
            else:
                begun_sessions.append(begun)
        if not begun_sessions:
            raise failures[-1]
        return begun_sessions

    def _begin_in_shop(
        self, holder: Holder, actions: Sequence[Action], *, keep: bool
    ) -> tuple[str, Session] | Exception:
        """Begin a session in one of the shops of a passkey, or return why it was refused at each
        try: its member is changed all the time, or its storage takes nothing.

        So neither who manages one shop nor its trouble keeps anybody out of the others.
        """
        failures: list[Exception] = []
        for tenant, member, used_passkey in self._list_tries(holder):
            # The counter of the one that was used is higher now.
            passkeys_now = tuple(
                used_passkey if each.id == used_passkey.id else each for each in member.passkeys
            )
            member_now = replace(member, passkeys=passkeys_now)
            try:
                return self._sign_in_again(tenant, member_now, actions, keep=keep)
            except (Busy, StorageUnavailable) as error:
                failures.append(error)
        return failures[-1]

    def _list_tries(self, holder: Holder) -> Iterator[Holder]:
        """Yield a holder as read, and twice more as it is then, while the passkey is good there."""
        yield holder
        tenant, member, used_passkey = holder
        for _ in range(2):
            found = self.services.access.members.find_stored(tenant.name, member.id)
            if found is None or found[0].disabled:
                return
            if not any(_is_used(used_passkey, each) for each in found[1].passkeys):
                return
            yield *found, used_passkey

    def _find_holders(self, site: Site, challenge: str, passkey: Mapping[str, Any]) -> list[Holder]:
        """Return those who sign in by a passkey that has signed, each with it and its new counter.

        Members who have the same key come together or not at all: a counter that does not rise at
        one shop tells of a copy. Others, who gave a key of theirs this one's id, change nothing.
        Raises WrongCredentials.
        """
        from chalicelib.auth import passkeys

        passkey_id, handle = passkeys.parse_signer(passkey)
        holders_by_key: dict[bytes, list[tuple[Tenant, Member]]] = {}
        for tenant, member in self.services.access.members.list_by_passkey(passkey_id, handle):
            own_passkey = next(each for each in member.passkeys if each.id == passkey_id)
            holders_by_key.setdefault(own_passkey.data, []).append((tenant, member))
        refusal = WrongCredentials(_UNKNOWN_KEY)
        for holders in holders_by_key.values():
            try:
                return [
                    (
                        tenant,
                        member,
                        passkeys.check_sign_in(site, challenge, member.passkeys, passkey),
                    )
                    for tenant, member in holders
                ]
            except WrongCredentials as error:
                refusal = error
        raise refusal

    def find(self, token: str) -> Session | None:
        """Return the session of a token, its tenant ready for work on its faces, as
        `Tenants.open_tenant` has it.

        None: there is none, or it has ended. Raises as `find_stored`, and Busy, StorageUnavailable.
        """
        session = self.find_stored(token)
        if session is not None:
            self.services.tenants.restrict_expired(session.tenant)
        return session

    def find_stored(self, token: str) -> Session | None:
        """Return the session of a token as it is stored now, even of a disabled tenant; None: there
        is none, or it has ended.

        A tenant that is busy with its faces keeps nobody out of the others. Raises WrongCredentials
        if the end of its key has come.
        """
        sign_in = (
            self._read_sign_in(keys.session_item(api_keys.digest(token)))
            if _SECRET.fullmatch(token)
            else None
        )
        if sign_in is None:
            return None
        (tenant, key), item = sign_in
        expires_at_s = item.get("expires_at")
        return Session(
            tenant,
            key,
            moment(item.get("begun_at", 0)),
            None if expires_at_s is None else moment(expires_at_s * 1000),
        )

    def end(self, token: str) -> None:
        """End the session of a token; one that has ended is no error."""
        if _SECRET.fullmatch(token):
            session_key = keys.session_item(api_keys.digest(token))
            write(self.services.items, [_make_session_delete(session_key)])

    def list_of(self, tenant: str, holder: str) -> list[Item]:
        """Return the items of the sessions of a key or a member that are not over.

        `holder`: such as `member 7`.
        """
        kind, _, id_ = holder.partition(" ")
        now = self.services.clock.now().timestamp()
        session_kind, _ = keys.session_item("")
        items = walk_items(self.services.items, keys.TENANTS, session_kind)
        own = [item for item in items if item["tenant"] == tenant and item.get(kind) == id_]
        valid = [item for item in own if item.get("expires_at", _NEVER) > now]
        return [item for item in valid if self._find_holder(item) is not None]

    def end_by_hash(self, tenant: str, beginning: str, request: RequestId | None = None) -> None:
        """End the tenant's sessions whose token hashes start with this prefix.

        Raises AnsweredAlready.
        """
        kind, _ = keys.session_item("")
        between = keys.session_item(beginning)[1], keys.session_item(f"{beginning}g")[1]
        items = walk_items(self.services.items, keys.TENANTS, kind, between=between)
        deletes = [
            _make_session_delete((kind, item["id"])) for item in items if item["tenant"] == tenant
        ]
        self.services.requests.write_with_answer(tenant, deletes, request)

    def end_all(self, tenant: str) -> int:
        """End all sessions of a tenant, and all codes that wait, those of cameras, too; return how
        many there were."""
        kinds = keys.session_item("")[0], keys.code_item("")[0]
        items = (
            item for kind in kinds for item in walk_items(self.services.items, keys.TENANTS, kind)
        )
        return delete_in_parts(
            self.services.items, keys.TENANTS, (item for item in items if item["tenant"] == tenant)
        )

    def forget_expired(self, tenant: str) -> int:
        """Delete expired records, on storage that does not do so itself, and the sessions of people
        who were removed.

        Return how many.
        """
        return delete_in_parts(self.services.items, keys.TENANTS, self._list_expired(tenant))

    def _list_expired(self, tenant: str) -> Iterator[Item]:
        """Yield what has expired: sessions, codes and challenges.

        A session without an end is over with its holder.
        """
        now = self.services.clock.now().timestamp()

        def is_over(item: Item) -> bool:
            expires_at_s = item.get("expires_at")
            return self._find_holder(item) is None if expires_at_s is None else expires_at_s <= now

        expiring = (
            keys.session_item(""),
            keys.code_item(""),
            keys.challenge_item(""),
            keys.still_item("", ""),
        )
        for kind, _ in expiring:
            for item in walk_items(self.services.items, keys.TENANTS, kind):
                if item["tenant"] in (tenant, "") and is_over(item):
                    yield item

    def _read_sign_in(
        self, item_key: tuple[str, str]
    ) -> tuple[tuple[Tenant, ApiKey | Member], Item] | None:
        """Read a session or a code, and its key or member; None if it is over."""
        item = self.services.items.get(keys.TENANTS, item_key)
        if item is None or (
            "expires_at" in item and item["expires_at"] <= self.services.clock.now().timestamp()
        ):
            return None
        holder = self._find_holder(item)
        return None if holder is None else (holder, item)

    def _find_holder(self, item: Item) -> tuple[Tenant, ApiKey | Member] | None:
        if "member" in item:
            return self.services.access.members.find_current(
                item["tenant"], item["member"], item["digest"]
            )
        return self.services.access.keys.find_current(item["tenant"], item["key"], item["digest"])

    def _add_passkey(
        self, tenant: Tenant, member: Member, passkey: Mapping[str, Any], origin: str
    ) -> tuple[Member, list[Action]]:
        """Return the member with one more passkey, and the actions that are written beside.

        They use up the challenge that it signed and, of a passkey of another shop, have it find the
        member. Raises InvalidInput, WrongCredentials.
        """
        from chalicelib.auth import passkeys

        site = passkeys.parse_site(origin)
        challenge, use_up = self._check_challenge(passkey, tenant.name, member.id)
        actions: list[Action] = [use_up]
        if "signature" in passkey["response"]:
            holders = self._find_holders(site, challenge, passkey)
            if len(holders) >= MAX_SHOPS:
                raise InvalidInput(
                    f"this passkey signs in to {MAX_SHOPS} shops already: make one for this shop"
                )
            new_passkey = holders[0][2]
            actions.append(make_shared_put(tenant.name, member, new_passkey.id))
        else:
            new_passkey = passkeys.check_registration(
                site, challenge, passkey, self.services.clock.now()
            )
        other_passkeys = tuple(each for each in member.passkeys if each.id != new_passkey.id)
        if len(other_passkeys) >= MAX_PASSKEYS:
            raise InvalidInput(
                f"you have {MAX_PASSKEYS} passkeys already: ask for one to be removed first"
            )
        return replace(member, passkeys=(*other_passkeys, new_passkey)), actions

    def _check_challenge(
        self, passkey: Mapping[str, Any], tenant: str = "", member: str = ""
    ) -> tuple[str, Action]:
        """Return the challenge that a passkey signed, and the action that uses it up.

        Raises WrongCredentials.

        `tenant`, `member`: the names for which it was made; "": for a sign-in, before which nobody
        is known.
        """
        from chalicelib.auth import passkeys

        text = passkeys.parse_challenge(passkey)
        unsigned = urlsafe_b64decode(text + "==")[:-_HALF_BYTES]
        expires_at_s = int.from_bytes(unsigned[:_TIME_BYTES])
        is_ours = hmac.compare_digest(text, self._sign_challenge(unsigned, tenant, member))
        if not is_ours or expires_at_s <= self.services.clock.now().timestamp():
            minutes = CHALLENGE_LASTS // timedelta(minutes=1)
            raise WrongCredentials(
                f"this took longer than {minutes} minutes, or was made for something else: try "
                "once more"
            )
        kind, id_ = keys.challenge_item(api_keys.digest(text))
        used_up = {"kind": kind, "id": id_, "tenant": tenant, "expires_at": expires_at_s}
        return text, Put(keys.TENANTS, used_up, (absent("challenge-unused"),))

    def _sign_challenge(self, unsigned: bytes, tenant: str, member: str) -> str:
        """Complete a challenge by a signature of ours.

        So none has to be stored before it was answered rightly.

        `unsigned`: its end in UNIX seconds, 5 bytes, and 16 random bytes; 16 bytes of the signature
        follow them.
        """
        signed = unsigned + f"{tenant}#{member}".encode()
        return write_base64url(
            unsigned + hmac.digest(self._challenge_key, signed, "sha256")[:_HALF_BYTES]
        )

    @cached_property
    def _challenge_key(self) -> bytes:
        key_members = dict(zip(("kind", "id"), keys.CHALLENGE_KEY, strict=True))
        key_item: Item = {
            **key_members,
            "tenant": "",
            "key": secrets.token_bytes(_TOKEN_BYTES),
            "expires_at": _NEVER,
        }
        # it was made before
        write_unless_changed(
            self.services.items, [Put(keys.TENANTS, key_item, (absent("challenge-key-free"),))]
        )
        item = self.services.items.get(keys.TENANTS, keys.CHALLENGE_KEY)
        return bytes((item or key_item)["key"])

    def _sign_in_again(
        self, tenant: Tenant, member: Member, actions: Sequence[Action], *, keep: bool
    ) -> tuple[str, Session]:
        try:
            return self._begin_member_session(tenant, member, member, actions, keep=keep)
        except ConditionFailed as error:
            if "challenge-unused" in error.names:
                raise WrongCredentials("this was sent twice: try once more") from error
            raise Busy(_CHANGED) from error

    def _begin_member_session(
        self,
        tenant: Tenant,
        former_member: Member,
        member: Member,
        actions: Sequence[Action],
        *,
        keep: bool,
    ) -> tuple[str, Session]:
        """Begin a session of a member, and note when."""
        member = replace(
            member, version=former_member.version + 1, signed_in_at=self.services.clock.now()
        )
        audit_events.add_details(member=member.audit_name)
        return self._begin_session(
            (tenant, member),
            [*actions, make_member_put(tenant.name, member, former_member)],
            keep=keep,
        )

    def _begin_session(
        self, holder: tuple[Tenant, ApiKey | Member], actions: Sequence[Action], *, keep: bool
    ) -> tuple[str, Session]:
        """Store a session together with what the `actions` write; return its token and the
        session."""
        tenant, key = holder
        audit_events.report_tenant(tenant.name)
        if tenant.disabled:
            raise TenantDisabled("this tenant is not activated: ask its operator to enable it")
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        now = moment(milliseconds(self.services.clock.now()))
        ends_at = _compute_end(key, now, keep=keep)
        item = make_sign_in_item(
            keys.session_item(api_keys.digest(token)), tenant.name, key, now, ends_at
        )
        does = (
            (Effect.SIGNS_IN, name_access("member" if isinstance(key, Member) else "key", key.id)),
        )
        if isinstance(key, ApiKey):
            audit_events.add_details(key=key.id)
        write(
            self.services.items, [*actions, Put(keys.TENANTS, item, (absent("token-free"),), does)]
        )
        return token, Session(tenant, key, now, ends_at)


def name_session(hash_: str) -> str:
    """Return the name under which a session is listed and ended: `session` and 64 bits of its
    token's hash."""
    return name_access("session", hash_[:_ID_DIGITS])


def _make_session_delete(item_key: tuple[str, str]) -> Delete:
    does = ((Effect.SIGNS_OUT, name_session(item_key[1])),)
    return Delete(keys.TENANTS, item_key, does=does)


def _is_used(used_passkey: Passkey, stored_passkey: Passkey) -> bool:
    """Tell whether it is this one that was used, and by nobody since."""
    if (stored_passkey.id, stored_passkey.data) != (used_passkey.id, used_passkey.data):
        return False
    return not used_passkey.counter or stored_passkey.counter < used_passkey.counter


def _compute_end(key: ApiKey | Member, now: datetime, *, keep: bool) -> datetime | None:
    """Return when a session that begins now ends; None: that of a screen on the wall has no end."""
    if isinstance(key, Member) and key.screen:
        return None
    ends_at = now + (KEPT_SESSION_LASTS if keep else SESSION_LASTS)
    return min(ends_at, key.expires_at or ends_at).replace(microsecond=0)


def _make_unknown_code() -> WrongCredentials:
    minutes = CODE_LASTS // timedelta(minutes=1)
    return WrongCredentials(
        f"this code is not good any more: it signs in once, within {minutes} minutes; make another"
    )


def _set_password(tenant: Tenant, member: Member, password: str) -> Member:
    """Return the member with another password, which ends the sessions so far.

    Raises InvalidInput.
    """
    passwords.require_password(password, member.name, tenant.name)
    with passwords.hold_hashing_place():
        return replace(
            member, password=passwords.hash_password(password), digest=api_keys.new_secret()
        )
