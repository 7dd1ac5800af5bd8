"""Keys of a tenant, the people who sign in, their roles, and their sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, NamedTuple

from msgspec import Struct

from chalicelib.domain.effects import Effect
from chalicelib.domain.model import Tenant


class ApiKey(Struct, frozen=True):
    """A tenant's key. Its secret is stored as a hash only."""

    id: str
    name: str
    role: Role
    created_at: datetime
    digest: str
    """Hash of the secret: another one after the key was renewed."""
    pictures: bool = True
    """Whether it sees pictures of people."""
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    """To the hour."""
    version: int = 1
    service: str = ""
    """The one service of a dialect for which it is good: it is then a UUID; "": it is for v1."""
    group: str = ""
    """Id of the only group that it reaches, if its service is "recognition"."""

    @property
    def is_permanent_admin(self) -> bool:
        """True if it is an admin's key that never ends.

        A tenant always has one, so that it is never locked out.
        """
        return self.role is Role.ADMIN and self.expires_at is None

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def describe_change(self, former: ApiKey) -> Effect:
        """Return the effect of a change that made this key of the former one."""
        rights = [(key.role, key.pictures, key.expires_at) for key in (former, self)]
        return Effect.ARRANGES if rights[0] == rights[1] else Effect.CHANGES_ACCESS


class Passkey(Struct, frozen=True):
    """A public key. Its private half is on a person's device, which uses it after it was
    unlocked."""

    id: str
    """Base64url, as browsers write it."""
    host: str
    """The host name that it was made on: it is good there only (the RP ID of WebAuthn)."""
    data: bytes
    """Attested credential data, as the device sent them: they hold the public key."""
    counter: int
    """Signatures that the device counted; 0 for ever if it counts none."""
    created_at: datetime


Queries = Mapping[str, frozenset[str] | None]
"""Values that may be asked, by the name of the query; None: any."""

_FIGURES: Queries = {
    **dict.fromkeys(("from", "to", "by", "format", "entries")),
    "measure": frozenset({"arrivals", "persons"}),
    "split": frozenset({"visit", "stay", "again", "camera"}),
}
"""Questions to the statistics that tell nobody from another. One by face, group, age or staff
would."""
_BY_ALL: Mapping[str, Queries] = {
    "GET /v1/session": {},
    "DELETE /v1/session": {},
    "GET /v1/statistics": _FIGURES,
}
_ARRIVALS: Queries = dict.fromkeys(
    ("from", "to", "limit", "token", "staff", "camera", "group", "only", "totals")
)
"""Questions about who came. None is about one person, whose days a screen is not to tell."""
_SEEN: Queries = dict.fromkeys(("from", "kind", "limit", "token"))
_OF_PEOPLE: Mapping[str, Queries] = {
    "GET /v1/arrivals": _ARRIVALS,
    "GET /v1/captures/{id}/crops/{n}": {"camera": None, "book": None},
    "GET /v1/groups": {},
}
PAGES: Mapping[str, Mapping[str, Queries]] = {
    "report": _BY_ALL,
    "traffic": {**_BY_ALL, "GET /v1/cameras": {}},
    "counter": {**_BY_ALL, **_OF_PEOPLE},
    "visits": {
        **_BY_ALL,
        **_OF_PEOPLE,
        "GET /v1/observations": _SEEN,
        "GET /v1/statistics": {**_FIGURES, "camera": None},
        "GET /v1/cameras": {},
        "GET /v1/places": {},
        "GET /v1/usual": {},
    },
}
"""Pages of screens, each with the operations that it calls, and what it asks them: who is invited
to one may ask nothing else."""


def is_among(values: Sequence[str], allowed: frozenset[str] | None) -> bool:
    """Tell whether all values are allowed; None allows any value."""
    return allowed is None or allowed.issuperset(values)


class Member(Struct, frozen=True):
    """A person who signs in to the console, or a wall screen that shows it."""

    id: str
    name: str
    role: Role
    created_at: datetime
    digest: str
    """Mark of the member's sessions: they end when it changes."""
    pictures: bool = True
    screen: bool = False
    page: str | None = None
    """Page of the console that a screen shows; None: the visits."""
    password: str | None = None
    """Slow hash (auth/passwords)."""
    passkeys: tuple[Passkey, ...] = ()
    invitation: str | None = None
    """Hash of the secret in the link that waits; None: there is none."""
    invited_until: datetime | None = None
    signed_in_at: datetime | None = None
    version: int = 1

    expires_at: ClassVar[None] = None
    """As a key without an end."""

    @property
    def shown_page(self) -> str | None:
        """The page that it shows; None: it is no screen."""
        return (self.page or "visits") if self.screen else None

    @property
    def is_of_figures(self) -> bool:
        """True if it shows a page without people."""
        page = self.shown_page
        return page is not None and PAGES[page].keys().isdisjoint(_OF_PEOPLE)

    def may_ask(self, operation: str, query: Mapping[str, Sequence[str]]) -> bool:
        """Tell whether the member may send this request: a screen only those of its page, a person
        all that the role allows."""
        page = self.shown_page
        if page is None:
            return True
        allowed = PAGES[page].get(operation)
        return allowed is not None and all(
            name in allowed and is_among(values, allowed[name]) for name, values in query.items()
        )

    @property
    def sign_ins(self) -> tuple[str, ...]:
        """The member's sign-in methods: ids of passkeys, and the hash of the password."""
        return (
            *(passkey.id for passkey in self.passkeys),
            *([self.password] if self.password else []),
        )

    def describe_change(self, former: Member) -> Effect:
        """Return the effect of a change that made this member of the former one."""
        if not {*former.sign_ins} <= {*self.sign_ins}:
            return Effect.TAKES_SIGN_IN
        if {*former.sign_ins} != {*self.sign_ins} or self.invitation not in (
            None,
            former.invitation,
        ):
            return Effect.GIVES_ACCESS
        rights = [(member.role, member.pictures) for member in (former, self)]
        return Effect.ARRANGES if rights[0] == rights[1] else Effect.CHANGES_ACCESS

    @property
    def audit_name(self) -> str:
        """The member's name in the audit, with a suffix that nobody can choose."""
        return f"{self.name} ({_CONSOLE_NAMES[self.role]}), member {self.id}"


class Session(NamedTuple):
    """A sign-in: the cookie represents the key or the member until `expires_at` (None: never), or
    until the key is renewed or deleted, or the member deleted."""

    tenant: Tenant
    key: ApiKey | Member
    begun_at: datetime
    expires_at: datetime | None


class Role(StrEnum):
    VIEWER = "viewer"
    """Reads the book."""
    OPERATOR = "operator"
    """Also enrols, edits, moves, merges, rejects, deletes, searches and reviews."""
    ADMIN = "admin"
    """Also has cameras, hooks, settings, keys and the export."""
    CAMERA = "camera"
    """Uploads one camera's captures; it includes no other role, and none includes it."""

    def includes(self, needed: Role) -> bool:
        """Tell whether a key of this role has all rights of `needed`."""
        if Role.CAMERA in (self, needed):
            return self is needed
        return _RANKS[self] >= _RANKS[needed]


ROLES = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)
"""Roles of a tenant's own keys and of people."""

_CONSOLE_NAMES = {Role.VIEWER: "viewer", Role.OPERATOR: "editor", Role.ADMIN: "manager"}
"""Names that the console gives the roles."""
_RANKS = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}
"""A role may do all that those of a lower rank may."""
