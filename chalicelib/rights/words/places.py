"""All places that may hold something of a person, and what each right and each clock does with it.

A new table, item, blob path or topic that is in none of these fails a test (tests/rights/words/test_places.py). What
reads or changes a person's data walks them: erasures and retention (rights/erasure), restrictions
(rights/restrictions), archives (rights/subject_access), the consistency check (chalicelib/consistency). docs/privacy.md
and the record of processing are printed from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from msgspec import Struct

from chalicelib.book.words.items import held_faces, restricted_faces
from chalicelib.book.words.ports import ItemStore
from chalicelib.rights.words.retention import Kind


class Whose(StrEnum):
    """By what somebody is found in a place."""

    FACE = "the face"
    USER = "the user or subject"
    CAPTURE = "the capture"
    CAMERA = "the camera"
    OTHERS = "outside of its storage"


class Step(StrEnum):
    """The steps of an erasure, in this order."""

    TRACES = "traces"
    """Pictures, rejected pictures, merges, reviews, duplicates, events."""
    SIGHTINGS = "sightings"
    """Observations, and the captures that show the face."""
    DAYS = "days"
    """Sealed days, which hold earlier observations."""
    LATE = "late"
    """Writes of requests that were under way, and their stored answers. It begins when these have ended."""
    GALLERY = "gallery"
    """Snapshots and the journal; then entries of the audit."""
    RECEIPT = "receipt"


class Fate(NamedTuple):
    """The end of a place by a deletion or an erasure. `step`: that which does it; None: the deleting transaction, or
    nothing."""

    says: str
    step: Step | None = None


class Mark(StrEnum):
    """The effect of a restriction or a legal hold on a place."""

    AS_EVER = "as ever"
    KEPT = "kept"
    HIDDEN = "kept, and shown to nobody"
    AWAY = "as after a deletion"
    UNNAMED = "without the name"


class Agrees(StrEnum):
    """With what the consistency check compares a place."""

    INDEX = "faces and index"
    USERS = "users"
    NAMES = "names"
    PICTURES = "pictures"
    VISITS = "visits"
    CAPTURES = "captures"
    STATISTICS = "statistics"


class Place(Struct, frozen=True):
    """A place. `name`: of a table, or what the objects are called in an archive and in docs/privacy.md.

    `holds`: about a person, as an archive says it; `kept`: how long, and by `clocks` of retention, if it has some.
    `archive`: how an archive has it; "": not at all. `keys`: what makes the keys of what lies there, in
    book/words/keys; `topics`: those of regulars/mqtt/discovery.
    """

    name: str
    holds: str
    kept: str
    erasure: Fate
    deletion: Fate
    restriction: Mark = Mark.AS_EVER
    hold: Mark = Mark.AS_EVER
    whose: Whose = Whose.FACE
    clocks: tuple[Kind, ...] = ()
    agrees: Agrees | None = None
    archive: str = "as it is stored"
    keys: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        """Tell if the service itself stores it."""
        return self.whose is not Whose.OTHERS


def _outside(
    name: str, holds: str, kept: str, end: Fate, restriction: Mark = Mark.AS_EVER, archive: str = "", **more: Any
) -> Place:
    """Make a place outside of the service's storage. `end`: by a deletion and by an erasure."""
    return Place(name, holds, kept, end, end, restriction, whose=Whose.OTHERS, archive=archive, **more)


_STAYS = Fate("stays")
_GONE = Fate("gone in minutes", Step.TRACES)
_SNAPPED = (Fate("gone in minutes", Step.GALLERY), Fate("gone within three hours"), Mark.AWAY)
_AT_ONCE = (Fate("gone at once"), Fate("gone at once"), Mark.HIDDEN, Mark.KEPT)
_TRACES = (_GONE, _GONE, Mark.HIDDEN, Mark.KEPT)
_SEEN = Fate("gone in minutes", Step.SIGHTINGS)
_TAKEN_OUT = Fate("the face is taken out at once; gone with the last")
_REFUSED = Fate("refused while it is held")
_WITH_PICTURES = Fate("gone with face pictures")

PLACES = (
    Place(
        "faces",
        "the face's record: group, name, note, attributes, labels, consent, legal hold, estimates (age, gender ...), "
        "templates",
        "until it is deleted or erased: a stranger who is not seen again after `stranger_days` (90), a regular, or a "
        "stranger who has a name, after `regular_days` (1,095), a face of an own group after its `unseen_days` "
        "(none unless you set them)",
        *_AT_ONCE,
        clocks=(Kind.CONSENTS, Kind.FACES),
        agrees=Agrees.INDEX,
        keys=("enrolment_key", "arrival_key", "consent_key"),
    ),
    Place(
        "names",
        "the words of the name, by which the face is found",
        "as the face",
        *_AT_ONCE,
        agrees=Agrees.NAMES,
        keys=("name_term",),
    ),
    Place(
        "holds",
        "that the face is under legal hold, since when and why",
        "until the hold is lifted",
        _REFUSED,
        _REFUSED,
        hold=Mark.KEPT,
        agrees=Agrees.NAMES,
        keys=("hold_item",),
    ),
    Place(
        "users",
        "the user or subject that the face belongs to: its id, the mean of its templates, a subject's name",
        "until its last face is deleted, erased, restricted, moved or merged into another. If a program deletes "
        "a subject's last example and nobody is erased, the name stays until the subject is deleted",
        _TAKEN_OUT,
        _TAKEN_OUT,
        Mark.AWAY,
        Mark.KEPT,
        Whose.USER,
        agrees=Agrees.USERS,
        keys=("user_item",),
    ),
    Place(
        "arrivals",
        "visits: when each began and ended",
        "the last hundred days, with the face",
        *_AT_ONCE,
        agrees=Agrees.VISITS,
        keys=("visits_page",),
    ),
    Place(
        "observations",
        "when the person was enrolled, searched for or seen: time, camera, group, labels, box, score, estimates",
        "`observation_days` (400); they outlive a deleted face, for statistics; if somebody else gets its id, they are "
        "not that person's",
        Fate(
            "in minutes under a random name, another one each day, with time, camera, group, and labels other than "
            "the name",
            Step.SIGHTINGS,
        ),
        Fate("in minutes without age and gender", Step.SIGHTINGS),
        Mark.HIDDEN,
        Mark.KEPT,
        clocks=(Kind.OBSERVATIONS,),
        agrees=Agrees.STATISTICS,
        keys=("observation", "observations"),
    ),
    Place(
        "captures",
        "the captures that show the person, where in them, and how sure that is",
        "`sighting_days` (120)",
        Fate("in minutes without the person", Step.SIGHTINGS),
        _STAYS,
        Mark.KEPT,
        Mark.KEPT,
        Whose.CAPTURE,
        (Kind.SIGHTINGS,),
        Agrees.CAPTURES,
        keys=("captures", "capture"),
    ),
    Place(
        "journal",
        "recent changes of the gallery, with templates",
        "until a snapshot has them: minutes; three hours at most after a deletion",
        *_SNAPPED,
        agrees=Agrees.INDEX,
        keys=("seq_key",),
    ),
    Place(
        "negatives",
        "pictures that somebody said are not this person, or are not another: their templates, and what the sighting "
        "was, to take that back",
        "as the face; 20 at most; what the sighting was a hundred days",
        *_TRACES,
        agrees=Agrees.VISITS,
        keys=("negative",),
    ),
    Place(
        "merges",
        "faces that turned out to be this person, with templates, pictures and name, while that can be undone; ids of "
        "faces that a correction had made of the person, until it was undone",
        "30 days",
        *_TRACES,
        agrees=Agrees.VISITS,
        keys=("merge", "merged_item"),
    ),
    Place(
        "reviews",
        "sightings of the person that somebody should look at, and the nearest faces",
        "as captures' pictures, or until done",
        _GONE,
        Fate("gone within a day"),
        Mark.AWAY,
    ),
    Place(
        "duplicates",
        "that another face may be this person, too",
        "as the faces",
        _GONE,
        Fate("gone within a day"),
        Mark.AWAY,
        keys=("duplicate",),
    ),
    Place(
        "outbox",
        "events about the person that wait for a hook, or that somebody has not fetched: id, name, group, camera, "
        "score",
        "until delivered; in a mailbox or given up, 30 days; the name as the face",
        _GONE,
        Fate("in minutes without the name", Step.TRACES),
        Mark.UNNAMED,
        keys=("delivery",),
    ),
    Place(
        "hooks",
        "whom a shop's phones are told of: the ids of faces that a hook waits for; else nothing of anybody",
        "until the hook is changed or deleted",
        _GONE,
        _GONE,
        Mark.KEPT,
        Mark.KEPT,
        archive="",
        keys=("push_key", "hook_secret"),
    ),
    Place(
        "requests",
        "answers to recent requests, so that a repeat is recognised",
        "an hour or two; in `v1` with an Idempotency-Key a day",
        Fate("gone in minutes", Step.LATE),
        _STAYS,
    ),
    Place(
        "stills",
        "what a camera saw when an operator asked, to aim it; nobody is searched in it",
        "an hour; until the next erasure of anybody, or until pictures are off",
        _GONE,
        _STAYS,
        whose=Whose.CAMERA,
        archive="",
        keys=("still_item",),
    ),
    Place(
        "audit",
        "who did what with the person's data, when, and how the person was told from others: ids, scores, keys, the "
        "reason of a legal hold; no names, no pictures",
        "`audit_days` (400)",
        Fate("in minutes without the person", Step.GALLERY),
        _STAYS,
        keys=("audit_heads", "audit_number", "audit_entries", "audit_anchor"),
    ),
    Place(
        "face pictures",
        "the pictures of the face, up to a hundred, small ones too, and those that it learnt",
        "as the face; learnt ones `learnt_days`",
        *_TRACES,
        clocks=(Kind.LEARNT,),
        agrees=Agrees.PICTURES,
        archive="as files",
        keys=("face_picture", "thumbnail"),
    ),
    Place(
        "capture pictures",
        "the pictures that cameras sent, with everybody on them",
        "`capture_days` of the tenant, at most `REGULARS_CAPTURE_DAYS`: 30 days; on AWS the parameter `CaptureDays`",
        Fate("in minutes gone, or the person is made unrecognisable", Step.SIGHTINGS),
        _STAYS,
        Mark.KEPT,
        Mark.KEPT,
        Whose.CAPTURE,
        (Kind.CAPTURES,),
        Agrees.CAPTURES,
        "as files, with others hidden",
        keys=("capture_picture",),
    ),
    Place(
        "crops",
        "faces that somebody looked at, cut out of captures, and captures made small",
        "as the capture's picture",
        _SEEN,
        _SEEN,
        Mark.KEPT,
        Mark.KEPT,
        Whose.CAPTURE,
        archive="as files",
        keys=("crop",),
    ),
    Place(
        "snapshots",
        "the templates of all faces, for searches: the same as in the face's record",
        "until a newer one: within three hours of a deletion",
        *_SNAPPED,
        agrees=Agrees.INDEX,
        archive="the same is in `faces`",
        keys=("snapshot", "delta"),
    ),
    Place(
        "sealed days",
        "the observations of a day, for statistics: time, face, group, camera, labels, gender, decade of age",
        "as observations",
        Fate("in minutes as observations", Step.DAYS),
        _STAYS,
        agrees=Agrees.STATISTICS,
        archive="the same is in `observations`",
        keys=("day_columns",),
    ),
    Place(
        "archives",
        "all of this about one person, after somebody asked for it",
        "up to 12 hours",
        _WITH_PICTURES,
        _WITH_PICTURES,
        archive="",
        keys=("archive",),
    ),
    _outside(
        "log",
        "requests, with the ids of keys, members and cameras, and the addresses that they came from; no face, no name, "
        "no picture",
        "as your system keeps logs",
        _STAYS,
    ),
    _outside(
        "memory",
        "templates, and what requests under way hold, also in unlinked files",
        "while the process runs, or until the next change",
        Fate("gone when the gallery is read again"),
        Mark.AWAY,
    ),
    _outside(
        "edge spool",
        "pictures that the [edge uploader](edge.md) has not sent, that the service refused, or that cannot be read",
        "until the service has them; refused ones `kept_days` (30); those that cannot be read until somebody deletes "
        "them in `pictures`",
        _STAYS,
    ),
    _outside(
        "your files",
        "what `regulars export`, `regulars about` and downloads of archives wrote, everything of the people in it; an "
        "import's source. The import's journal beside it (`NAME.import`) names nobody: it has keyed hashes, and is "
        "sealed with what the source calls each person",
        "as long as you keep them; an import of such a file refuses erased people by their ids and pictures, until "
        "told to enrol them",
        _STAYS,
    ),
    _outside(
        "browsers",
        "pictures that wait to be added, and those that a page showed",
        "what waits until it is added; what was shown an hour, a subject's example a day",
        _STAYS,
    ),
    _outside(
        "MQTT",
        "retained messages of `regulars mqtt`: the last arrival at a camera; with `--names` also a person's id and "
        "name",
        "a person's until the bridge sees that the face is gone; an erased tenant's until `regulars mqtt --forget`; "
        "what others have read stays with them",
        Fate("a person's go when the bridge looks again"),
        Mark.AWAY,
        topics=("camera", "camera_config", "person", "person_config"),
    ),
    _outside(
        "receivers",
        "what hooks, MQTT and Frigate (names as sub-labels) were told",
        "as they keep it: erase there, too",
        _STAYS,
        archive="it lists who they are",
    ),
    _outside(
        "backups",
        "everything of the service; on AWS, point-in-time recovery of tables for 35 days, too",
        "as long as you keep them, erased people too: [after a restore](tasks/forget.md#after-a-restore)",
        _STAYS,
    ),
)

NOBODYS = {
    "tenants": (
        "customers, their keys' digests, who may sign in (name, role, public halves of passkeys, slow hash of the "
        "password), sessions, signing keys, the public halves of earlier ones; receipts of erased tenants",
        "tenant_item erased_item app_id_item appcode_item access_key_item api_key_item key_record signing_key "
        "session_item code_item challenge_item member_item",
    ),
    "directory": (
        "groups, counts, settings, and how far chores are; holds and users of it are above",
        "TENANT_ITEM QUOTA_ITEM SWEPT_ITEM CALLED_ITEM WITHHELD_ITEM KEPT_ITEM UNPICTURED_ITEM JOINED_ITEM "
        "ERASURES_ITEM camera_quota_item group_item gone_item full_item name_item index_item nobodies_item",
    ),
    "summaries": (
        "counts of days, and two bytes of a hash of each face seen then, which go as `sealed days` do",
        "calendar calendar_place totals label_counts label_chunk",
    ),
    "cameras": ("cameras, their settings and status", "camera_name past_camera"),
    "erasures": (
        "receipts of erasures: faces as keyed hashes, SHA-256 of the templates and pictures that were removed, without "
        "an end; while one runs, the faces' ids, two hours at most",
        "",
    ),
}
"""Tables that hold nothing about the people in the pictures: what they hold, and what makes their keys."""


def done_in(step: Step, *, erases: bool) -> Iterator[str]:
    """Yield the names of the places of which a step of an erasure, or else of a deletion, takes something."""
    return (one.name for one in PLACES if (one.erasure if erases else one.deletion).step is step)


class Marked:
    """The faces of a tenant under legal hold, and the restricted ones. It reads the lists of these only, and once."""

    def __init__(self, items: ItemStore, tenant: str) -> None:
        self._items, self._tenant = items, tenant

    @cached_property
    def _faces(self) -> tuple[list[str], list[str]]:
        return held_faces(self._items, self._tenant), restricted_faces(self._items, self._tenant)

    def list_spared_faces(self, name: str) -> frozenset[str]:
        """Return the faces of which no clock or setting takes anything out of a place."""
        [place] = (one for one in PLACES if one.name == name)
        marks = zip((place.hold, place.restriction), self._faces, strict=True)
        return frozenset(one for mark, faces in marks if mark in (Mark.KEPT, Mark.HIDDEN) for one in faces)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def what_is_stored() -> str:
    """Return, in Markdown, the places with their contents, and how long these are kept."""
    head = ("place", "what is in it about a person", "found by", "how long")
    return table(head, ((f"`{one.name}`", one.holds, one.whose, one.kept) for one in PLACES))


def what_happens() -> str:
    """Return, in Markdown, what becomes of each place."""
    head = ("place", "deletion", "erasure", "restriction", "legal hold", "archive")
    rows = ((one.name, one.deletion.says, one.erasure.says, one.restriction, one.hold, one.archive) for one in PLACES)
    return table(head, ((f"`{name}`", *others, archive or "no") for name, *others, archive in rows))


def of_nobody() -> str:
    """Return, in Markdown, what holds nothing about the people in the pictures."""
    head = ("holds nothing about the people in the pictures", "what then")
    return table(head, ((f"`{name}`", holds) for name, (holds, _) in NOBODYS.items()))
