"""What did an entry do to people and accesses? Entries of now say it; of earlier ones it is known
by the act's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chalicelib.domain.effects import SHARED_KEYS, SHOP, Effect, name_access
from chalicelib.privacy.audit_entries import Entry

_MARKS = {
    "PUT /v1/faces/{id}/hold": (Effect.HOLDS, Effect.RELEASES),
    "regulars hold set": (Effect.HOLDS, Effect.RELEASES),
    "regulars hold lift": (Effect.HOLDS, Effect.RELEASES),
    "PUT /v1/faces/{id}/restriction": (Effect.RESTRICTS, Effect.FREES),
    "regulars restriction set": (Effect.RESTRICTS, Effect.FREES),
    "regulars restriction lift": (Effect.RESTRICTS, Effect.FREES),
}
_CONSENTS = {
    "PUT /v1/faces/{id}/consent": Effect.CONSENTS,
    "DELETE /v1/faces/{id}/consent": Effect.WITHDRAWS,
    "regulars consent withdraw": Effect.WITHDRAWS,
}
_OF_KEYS = {"DELETE": (Effect.TAKES_ACCESS,), "PATCH": (Effect.CHANGES_ACCESS,)}
_RENEWED = (Effect.TAKES_ACCESS, Effect.GIVES_ACCESS)
_ACCESSES: Mapping[str, tuple[str, Sequence[Effect]]] = {
    **{
        f"{method} /v1/{plural}/{{id}}": (kind, effects)
        for plural, kind in (("keys", "key"), ("members", "member"), ("hooks", "hook"))
        for method, effects in _OF_KEYS.items()
    },
    "DELETE /v1/cameras/{id}": ("camera", (Effect.TAKES_ACCESS,)),
    "POST /v1/cameras/{id}/key": ("camera", _RENEWED),
    "POST /v1/claims": ("camera", _RENEWED),
    "POST /v1/keys/{id}/renew": ("key", _RENEWED),
    "POST /v1/hooks/{id}/secret": ("hook", _RENEWED),
    "DELETE /v1/members/{id}/passkeys/{passkey}": ("member", (Effect.TAKES_SIGN_IN,)),
}
_OF_SHOP = {
    "PATCH /v1/settings": ("settings", (Effect.SETS,)),
    "POST /v1/dialects/{id}/key": (SHARED_KEYS, _RENEWED),
    "regulars tenants set": ("settings", (Effect.SETS,)),
    "regulars tenants rotate": (SHARED_KEYS, _RENEWED),
    "regulars tenants disable": (SHOP, (Effect.TAKES_ACCESS,)),
    "regulars tenants enable": (SHOP, (Effect.GIVES_ACCESS,)),
}


def list_effects(entry: Entry) -> Mapping[str, Sequence[str]]:
    """Return the subjects of each effect of an entry."""
    does: Mapping[str, Sequence[str]] | None = entry.get("does")
    return _list_earlier_effects(entry) if does is None else does


def _list_earlier_effects(entry: Entry) -> Mapping[str, Sequence[str]]:
    """Return the effects of an entry of a version that did not write them down."""
    act, faceids = str(entry["what"]), list(entry.get("faces", ()))
    effects: dict[str, Sequence[str]] = {}
    if act in _MARKS:
        effects[_MARKS[act][0 if entry.get("is_set") else 1]] = faceids
    elif act in _CONSENTS:
        effects[_CONSENTS[act]] = faceids
    elif act in _ACCESSES and "of" in entry:
        kind, named = _ACCESSES[act]
        effects = {effect: [name_access(kind, str(entry["of"]))] for effect in named}
    elif act in _OF_SHOP:
        access, named = _OF_SHOP[act]
        effects = {effect: [access] for effect in named}
    deleted = list(entry.get("deleted", ()))
    # A sighting may push a stranger out. A merge deletes a face, too, and names others that stay.
    if deleted and (act == "sighting" or {*faceids} <= {*deleted}):
        effects[Effect.DELETES] = deleted
    return effects
