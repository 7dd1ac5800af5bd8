"""Words for what a write does to people and accesses, for the audit log and for a restore.

Who writes says the effect with the write itself (`does` of an action in storage/ports), once, where
it happens. So an entry has it by whatever door, command or job the write came, and no list of those
is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Set
from enum import StrEnum
from typing import Any

from chalicelib.domain.consent import Ending
from chalicelib.domain.model import Face
from chalicelib.domain.tenant_settings import SETTINGS
from chalicelib.storage.ports import Does


class Effect(StrEnum):
    """Effect of a write.

    Its subject is a face's id, an access (`key 12`), or a setting (`strangers=keep`).
    """

    ADDS = "adds"
    EDITS = "edits"
    """Something of a face that has no word of its own here: its group, pictures, note, visits."""
    NAMES = "names"
    """Another name, or none."""
    JOINS = "joins"
    """The face became a part of another one."""
    DELETES = "deletes"
    HOLDS = "holds"
    RELEASES = "releases"
    """From a legal hold."""
    RESTRICTS = "restricts"
    FREES = "frees"
    """From a restriction."""
    CONSENTS = "consents"
    """A record of consent is written down."""
    WITHDRAWS = "withdraws"
    GIVES_ACCESS = "gives access"
    TAKES_ACCESS = "takes access"
    """The secret of the access is over. If its entry gives none to the same one, the access itself
    is gone."""
    TAKES_SIGN_IN = "takes sign-in"
    """A way by which a member signs in is over: a passkey, or a password for another one."""
    CHANGES_ACCESS = "changes access"
    """It may do more or less than before."""
    SIGNS_IN = "signs in"
    SIGNS_OUT = "signs out"
    SETS = "sets"
    """A setting of the tenant."""
    ARRANGES = "arranges"
    """Groups, cameras, hooks and the like, and nobody's data or access."""


_OF_FACES = "adds edits names joins deletes holds releases restricts frees consents withdraws"
OF_FACES = frozenset(map(Effect, _OF_FACES.split()))
DELETING = frozenset({Effect.DELETES, Effect.JOINS})
"""Effects whose subjects are faces, and those after which the face is gone."""

ENDING = frozenset(
    {
        Effect.WITHDRAWS,
        Effect.RESTRICTS,
        Effect.HOLDS,
        Effect.TAKES_ACCESS,
        Effect.TAKES_SIGN_IN,
        Effect.CHANGES_ACCESS,
        Effect.SETS,
    }
)
"""Effects that a restore of an earlier backup has to repeat. They are written outside of the book
before the caller gets an answer."""

SHARED_KEYS = "shared keys"
"""The access by which all clients of a tenant come that have no key of their own: app_key, appcode
and access key."""
SHOP = "shop"
"""The access of everybody: a disabled tenant has none."""


def name_access(kind: str, id_: str) -> str:
    """Return the subject that an access is: `key 12`, `camera door`, `member 7`, `hook 9`."""
    return f"{kind} {id_}"


def name_code(access: str) -> str:
    """Return the name of a code as an access: a person gets another access by it."""
    return f"code of {access}"


def describe_face_change(before: Face, after: Face) -> Does:
    """Return the effects of the write of a changed face."""
    effects = [*_list_face_effects(before, after)] or [Effect.EDITS]
    return tuple((effect, after.faceid) for effect in effects)


def _list_face_effects(before: Face, after: Face) -> Iterator[Effect]:
    """Yield a word (Effect) for each thing that a change does to a face, for the audit's entry.

    The audit logs who changed what. A legal hold that is lifted is `releases`. Some changes, such
    as of a note, have no word.
    """
    if after.hold != before.hold:
        yield Effect.HOLDS if after.hold else Effect.RELEASES
    if after.stripped_at and not before.stripped_at:  # all but the template was deleted
        return
    had, has = before.restriction, after.restriction  # a restricted face is used for nothing
    was_withdrawn = had is not None and had.ended is Ending.WITHDRAWN
    is_withdrawn = has is not None and has.ended is Ending.WITHDRAWN
    reason, former_reason = has.reason if has else "", had.reason if had else ""
    if reason != former_reason:
        yield Effect.RESTRICTS if reason else Effect.FREES
    if is_withdrawn and not was_withdrawn:
        yield Effect.WITHDRAWS
    is_other_record = after.consent != before.consent or _is_freed_by_record(before, after)
    if after.consent is not None and is_other_record:
        yield Effect.CONSENTS
    if after.name != before.name:
        yield Effect.NAMES


def _is_freed_by_record(before: Face, after: Face) -> bool:
    """Return whether a record that had ended is written down once more, as it was."""
    had, has = before.restriction, after.restriction
    return bool(had and had.ended and not (has and has.ended))


def name_setting(name: str, value: Any) -> str:
    """Return a setting as a subject: with its value, unless that is free text, which may name a
    person."""
    if isinstance(value, str) and not SETTINGS[name].choices:
        return name
    if isinstance(value, Set):
        return name
    return f"{name}={json.dumps(value)}"


def read_effects(effects: Iterable[Does]) -> Mapping[str, list[str]]:
    """Return the subjects of effects, as an entry has them: each once, in order."""
    subjects: dict[str, dict[str, None]] = {}
    for does in effects:
        for effect, subject in does:
            subjects.setdefault(str(effect), {})[subject] = None
    return {effect: [*names] for effect, names in subjects.items()}
