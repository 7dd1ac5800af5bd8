"""Acts of people, with former values: each is listed for 30 days, and can be taken back.

Who writes says with the write itself (`was` of an action in storage/ports) what it changes. The
store makes an item of it, in the same transaction as the audit's entry (privacy/audit).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from msgspec import Struct, json
from msgspec.structs import replace

KEPT_FOR = timedelta(days=30)
"""How long what was before is kept, and an act can be taken back; so long a merge can be undone."""


MOST_IN_THE_WAY = 20
"""Later acts that an answer names at once: who takes them back asks again for the rest."""

LISTED_ALONE = frozenset({"url"})
"""Values that are listed and not given back: of a hook's URL the host alone is known."""


class ActKind(StrEnum):
    """The kind of thing that an act changed."""

    FACE = "face"
    MERGE = "merge"
    """Two faces became one; who became a part of the other is named first. Or two again."""
    REJECTION = "rejection"
    """Sightings were taken from a face: `before` has it, `after` who they are of, if somebody said
    it."""
    SETTINGS = "settings"
    GROUP = "group"
    CAMERA = "camera"
    HOOK = "hook"
    PLACE = "place"
    """It went: what else is set of places is shown and taken back on their own page."""
    DELETION = "deletion"
    """People who were deleted: their number. It cannot be taken back."""


OF_PEOPLE = frozenset({ActKind.FACE, ActKind.MERGE, ActKind.REJECTION})
"""Kinds of acts whose `faces` are those that they change."""


class Stays(StrEnum):
    """Why an act cannot be taken back."""

    DELETED = "deleted"
    PARTED = "parted"
    """Two were made two again: they are merged anew by hand."""
    NOBODYS = "nobodys"
    """The sighting that was taken from somebody is nobody's now, or its picture is gone."""
    UNKEPT = "unkept"
    """The former values are kept nowhere: those of a group's attributes, or a secret channel."""


UNKEPT = frozenset({"attributes", "channel"})
"""Values that are listed and cannot be taken back: a group's attributes, since the values of one
that went are forgotten, and the channel of an alert, which is a secret."""


Values = Mapping[str, Any]
"""Values by the members of v1 that set them. A part of a member is named like `labels.a`."""


class Was(Struct, frozen=True):
    """Change that a write makes. `of`: the id of the thing; `faces`: the people concerned.

    `before` and `after` have the values that differ.
    """

    kind: ActKind
    of: str
    faces: tuple[str, ...]
    before: Values
    after: Values


class Done(Struct, frozen=True):
    """An act. `id`: that of its entry in the audit, which starts with the time.

    `takes_back`: the id of the act that it took back; `taken_back_at`: when it was taken back
    itself.
    """

    id: str
    at: datetime
    what: str
    by: str
    kind: ActKind
    of: str
    faces: tuple[str, ...]
    before: Values
    after: Values
    takes_back: str = ""
    taken_back_at: datetime | None = None
    taken_back_by: str = ""

    @property
    def expires_at(self) -> datetime:
        return self.at + KEPT_FOR

    def gave_name(self, names: Collection[str]) -> bool:
        """Tell whether a face had one of these names before the act, or has it by the act."""
        is_of_face = self.kind is ActKind.FACE
        return is_of_face and any(
            values.get("name") in names for values in (self.before, self.after)
        )

    @property
    def stays(self) -> Stays | None:
        """Why it cannot be taken back, by the act alone; None if it can be."""
        if self.is_deletion:
            return Stays.DELETED
        if self.is_parting:
            return Stays.PARTED
        if self.after.keys() <= LISTED_ALONE:
            return Stays.UNKEPT
        return None if UNKEPT.isdisjoint(self.after) else Stays.UNKEPT

    @property
    def is_deletion(self) -> bool:
        """Tell whether people or the thing itself were deleted."""
        return self.kind is ActKind.DELETION or "deleted" in self.after

    @property
    def is_parting(self) -> bool:
        """Tell whether a manual merge of two people was undone."""
        return self.kind is ActKind.MERGE and not self.after["merged"]

    def is_merge(self, id_: str) -> bool:
        return (self.kind, self.of) == (ActKind.MERGE, id_) and not self.is_parting

    def starts_from(self, values: Values) -> bool:
        """Tell whether the thing had these values before this act; other values do not matter."""
        return all(values.get(name, value) == value for name, value in self.before.items())

    def concerns_what(self, earlier: Done) -> bool:
        """Tell whether this later act changed what the other one had set, or merged away a person
        whom that concerns."""
        if self.id <= earlier.id:
            return False
        if self.kind is ActKind.MERGE and earlier.kind in OF_PEOPLE:
            is_merged_away = self.after["merged"] and self.faces[0] in earlier.faces
            return is_merged_away or self.of == earlier.of
        if earlier.kind is ActKind.REJECTION:
            return self._concerns_sightings(earlier)
        is_of_same = (self.kind, self.of) == (earlier.kind, earlier.of)
        return is_of_same and not (earlier.after.keys() - LISTED_ALONE).isdisjoint(self.after)

    def _concerns_sightings(self, earlier: Done) -> bool:
        """Tell whether this act gave sightings of the earlier one on, or noted something of whom
        that made of them.

        The name that came with them is a part of the earlier one.
        """
        if self.kind is ActKind.REJECTION:
            return not set(self.after["sightings"]).isdisjoint(earlier.after["sightings"])
        made = () if earlier.after["face"] else earlier.faces[1:]
        return self.kind is ActKind.FACE and self.of in made and self.what != earlier.what


def list_in_the_way(act: Done, later_acts: Sequence[Done]) -> list[Done]:
    """Return those of the later acts that have to be taken back before this one, the newest
    MOST_IN_THE_WAY at most.

    `later_acts`: newest first.

    An act that took another one back stands in nobody's way, but one that took that back does.
    """
    by_id = {later.id: later for later in later_acts}

    def is_undoing(later: Done) -> bool:
        target = by_id.get(later.takes_back)
        return bool(later.takes_back) and not (target and is_undoing(target))

    in_the_way = (
        later
        for later in later_acts
        if later.taken_back_at is None and not is_undoing(later) and later.concerns_what(act)
    )
    return list(islice(in_the_way, MOST_IN_THE_WAY))


def make_deletion(kind: ActKind, of: str, name: str) -> Was:
    """Return the deletion of a thing that a person had set up, such as a camera. `name`: of the
    thing."""
    return Was(kind, of, (), {"name": name}, {"deleted": True})


def compare(
    kind: ActKind, of: str, before: Values, after: Values, faces: tuple[str, ...] = ()
) -> Was | None:
    """Return the differences between two states of a thing; None if there are none."""
    names = [
        name
        for name in dict.fromkeys((*before, *after))
        if before.get(name, "") != after.get(name, "")
    ]
    if not names:
        return None
    former, now = ({name: values.get(name, "") for name in names} for values in (before, after))
    return Was(kind, of, faces, former, now)


def list_values(thing: Struct, names: Iterable[str]) -> dict[str, Any]:
    """Return these fields of a thing, as JSON has them; those of a named tuple as `labels.a`."""
    values: dict[str, Any] = {}
    for name in names:
        value = getattr(thing, name)
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            values |= {f"{name}.{part}": each for part, each in value._asdict().items()}
        else:
            said = sorted(value) if isinstance(value, frozenset) else value
            values[name] = json.decode(json.encode(said))
    return values


def compare_things(
    kind: ActKind,
    of: str,
    before: Struct,
    after: Struct,
    names: Iterable[str],
    faces: tuple[str, ...] = (),
) -> Was | None:
    """Return which of these fields differ between two states of a thing; None: none does."""
    names = tuple(names)
    return compare(kind, of, list_values(before, names), list_values(after, names), faces)


def join_changes(changes: Iterable[Was | None]) -> Was | None:
    """Return the changes that the writes of one transaction make to the first thing that one of
    them names; None if none does."""
    said = [was for was in changes if was is not None]
    if not said:
        return None
    first = said[0]
    of_same = [was for was in said if (was.kind, was.of) == (first.kind, first.of)]
    return replace(
        first,
        before={name: value for was in of_same for name, value in was.before.items()},
        after={name: value for was in of_same for name, value in was.after.items()},
    )
