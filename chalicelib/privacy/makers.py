"""The giver of each access, in an item beside the access, written in the same transaction, by the
effects that the transaction lists.

So every kind of access has such an item, by whatever route it is given, and no access stores it
itself. The item is deleted with its access.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime

from msgspec import Struct

from chalicelib.domain.api_keys import FIRST
from chalicelib.domain.effects import SHARED_KEYS, Effect, name_access, name_code
from chalicelib.storage import keys
from chalicelib.storage.ports import Action, Check, Condition, Delete, Item, Put
from chalicelib.storage.values import milliseconds, moment

_KEY = re.compile(r"(key \S+?)(?:, signed in)?")
_MEMBER = re.compile(r"(?:.*, )?(member \d+)", re.DOTALL)
_CAMERA = re.compile(r"(camera \S+)")
_OPERATOR = "operator"
_SIGN_IN = "sign-in"
_KEYLESS = frozenset({"", _SIGN_IN, "regulars"})
"""Those in the audit who are nobody: who only begins to sign in, and the service itself."""
OF_MAKERS = frozenset({Effect.GIVES_ACCESS, Effect.TAKES_ACCESS})
"""Effects that change who has given an access."""


class Maker(Struct, frozen=True):
    """Giver of an access.

    `by`: as the audit names them; "": nobody knows. `of`: the access by which they come. `at`: when
    it was given. `via`: the key of theirs by which they gave it; "": there was none between.
    """

    by: str
    of: str
    at: datetime | None = None
    via: str = ""

    @property
    def name(self) -> str:
        """The name of the maker when the access was made; "": it had none of its own."""
        named = self.by.rpartition(", member ")[0]
        return named.rpartition(" (")[0]


UNKNOWN = Maker("", "")

Find = Callable[[str], Maker | None]
"""Finds the maker of an access."""


def parse_caller(by: str) -> str:
    """Return the access that a caller of the audit used; "" if nobody gave it."""
    if by in _KEYLESS:
        return ""
    for pattern in (_MEMBER, _KEY, _CAMERA):
        if parts := pattern.fullmatch(by):
            return parts[1]
    return by if by == _OPERATOR else SHARED_KEYS


def choose_maker(by: str, access: str, at: datetime, find: Find) -> Maker | None:
    """Return the maker of an access that a caller gives; None: it stays the one before.

    `a key that renews itself, a member who sets a password`: they have it from the one before. `a
    box that uses a code up`: it has its key from the maker of the code.
    """
    caller = parse_caller(by)
    if not caller:
        return find(name_code(access)) if by == _SIGN_IN else None
    if caller == access:
        return None
    giver = find(caller) if _is_given(caller) else None
    if giver is None or not giver.of:
        return Maker(by, caller, at)
    return Maker(giver.by, giver.of, at, via=caller)


def _is_given(caller: str) -> bool:
    """Tell whether a caller has what it came by from somebody: a person acts for themselves, and
    the first key is there from a tenant's first day."""
    is_person = caller.startswith(name_access("member", ""))
    return not is_person and caller not in (name_access("key", FIRST), SHARED_KEYS, _OPERATOR)


def list_maker_writes(
    tenant: str, by: str, at: datetime, actions: Iterable[Action], find: Find
) -> list[Action]:
    """Return the writes that store the givers of the accesses that a transaction gives, and delete
    those of accesses that it ends."""
    words = [word for action in actions if not isinstance(action, Check) for word in action.does]
    given = dict.fromkeys(access for effect, access in words if effect == Effect.GIVES_ACCESS)
    taken = dict.fromkeys(access for effect, access in words if effect == Effect.TAKES_ACCESS)
    taken.pop(SHARED_KEYS, None)  # an old one of them is over, and others stand
    makers = [(access, choose_maker(by, access, at, find)) for access in given]
    return [
        *(make_maker_put(tenant, access, maker) for access, maker in makers if maker is not None),
        *(
            Delete(keys.TENANTS, keys.maker_item(tenant, access))
            for access in taken
            if access not in given
        ),
    ]


def make_maker_put(tenant: str, access: str, maker: Maker, when: tuple[Condition, ...] = ()) -> Put:
    """Return the write of an access's maker."""
    kind, id_ = keys.maker_item(tenant, access)
    at = 0 if maker.at is None else milliseconds(maker.at)
    said = {"by": maker.by, "of": maker.of, "at": at, "via": maker.via}
    return Put(keys.TENANTS, {"kind": kind, "id": id_, "tenant": tenant, **said}, when)


def maker_from(item: Item) -> Maker:
    at = int(item["at"])
    return Maker(str(item["by"]), str(item["of"]), moment(at) if at else None, str(item["via"]))


def get_access(item: Item) -> str:
    """Return the access that a maker's item is of."""
    return str(item["id"]).partition("#")[2]
