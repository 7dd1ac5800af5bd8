"""All places that may hold something of a person, and what each right and each clock does with it.

A new table, item, blob path or topic that is in none of these fails a test (tests/core/test_places.py). An erasure
walks them (services/erasure), an archive reads them (services/subject_access), and docs/privacy.md and the record of
processing are printed from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from chalicelib.core.erasures import Step


class Whose(StrEnum):
    """By what somebody is found in a place."""

    FACE = "the face"
    USER = "the user or subject"
    CAPTURE = "the capture"
    CAMERA = "the camera"
    OTHERS = "outside of its storage"


class Fate(NamedTuple):
    """The end of a place by a deletion or an erasure. `step`: that which does it; None: the deleting transaction, or
    nothing."""

    says: str
    step: Step | None = None


_AT_ONCE, _STAYS = Fate("gone at once"), Fate("stays")
_TRACES = Fate("gone in minutes", Step.TRACES)
_KEPT, _AS_EVER, _HIDDEN = "kept", "as ever", "kept, and shown to nobody"


@dataclass(frozen=True)
class Place:
    """A place. `name`: of a table, or what the objects are called in an archive and in docs/privacy.md.

    `keys`: what makes the keys of what lies there, in core/keys; `topics`: those of regulars/mqtt/discovery. `holds`:
    about a person, as an archive says it; `archive`: how an archive has it; "": not at all.
    """

    name: str
    holds: str
    whose: Whose
    kept: str
    erasure: Fate
    deletion: Fate
    restriction: str = _AS_EVER
    hold: str = _AS_EVER
    archive: str = "as it is stored"
    backup: str = "in it"
    keys: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        """Tell if the service itself stores it."""
        return self.whose is not Whose.OTHERS


_FACE, _CAPTURE = Whose.FACE, Whose.CAPTURE
_SEEN = Fate("gone in minutes", Step.SIGHTINGS)

PLACES = (
    Place(
        "faces",
        "the face's record: group, name, note, attributes, labels, consent, legal hold, estimates (age, gender ...), "
        "templates",
        _FACE,
        "until it is deleted or erased: a stranger who is not seen again after `stranger_days` (90), a regular, or a "
        "stranger who has a name, after `regular_days`, a face of an own group after its `unseen_days` (none "
        "unless you set them)",
        _AT_ONCE,
        _AT_ONCE,
        _HIDDEN,
        _KEPT,
        keys=("enrolment_key", "arrival_key", "consent_key"),
    ),
    Place(
        "names",
        "the words of the name, by which the face is found",
        _FACE,
        "as the face",
        _AT_ONCE,
        _AT_ONCE,
        _HIDDEN,
        _KEPT,
        keys=("name_term",),
    ),
    Place(
        "holds",
        "that the face is under legal hold, since when and why",
        _FACE,
        "until the hold is lifted",
        Fate("refused while it is held"),
        Fate("refused while it is held"),
        hold=_KEPT,
        keys=("hold_item",),
    ),
    Place(
        "users",
        "the user or subject that the face belongs to: its id, the mean of its templates, a subject's name",
        Whose.USER,
        "until its last face is deleted, erased, restricted, moved or merged into another. If CompreFace deletes "
        "a subject's last example and nobody is erased, the name stays until the subject is deleted",
        Fate("the face is taken out at once; gone with the last"),
        Fate("the face is taken out at once; gone with the last"),
        "as if the last face were deleted; it comes back with the first that is lifted",
        _KEPT,
        keys=("user_item",),
    ),
    Place(
        "arrivals",
        "visits: when each began and ended",
        _FACE,
        "the last hundred days, with the face",
        _AT_ONCE,
        _AT_ONCE,
        _HIDDEN,
        _KEPT,
        keys=("visits_page",),
    ),
    Place(
        "observations",
        "when the person was enrolled, searched for or seen: time, camera, group, labels, box, score, estimates",
        _FACE,
        "`observation_days` (400); they outlive a deleted face, for statistics; if somebody else gets its id, they are "
        "not that person's",
        Fate(
            "in minutes under a random name, with time, camera, group, and labels other than the name", Step.SIGHTINGS
        ),
        Fate("in minutes without age and gender", Step.SIGHTINGS),
        _AS_EVER,
        _KEPT,
        keys=("observation", "observations"),
    ),
    Place(
        "captures",
        "the captures that show the person, where in them, and how sure that is",
        _CAPTURE,
        "`sighting_days` (120)",
        Fate("in minutes without the person", Step.SIGHTINGS),
        _STAYS,
        _AS_EVER,
        _KEPT,
        keys=("captures",),
    ),
    Place(
        "journal",
        "recent changes of the gallery, with templates",
        _FACE,
        "until a snapshot has them: minutes; three hours at most after a deletion",
        Fate("gone in minutes", Step.GALLERY),
        Fate("gone within three hours"),
        "as after a deletion",
        keys=("seq_key",),
    ),
    Place(
        "negatives",
        "pictures that somebody said are not this person, or are not another: their templates",
        _FACE,
        "as the face; 20 at most",
        _TRACES,
        _TRACES,
        _HIDDEN,
        _KEPT,
        keys=("negative",),
    ),
    Place(
        "merges",
        "faces that turned out to be this person, with templates, pictures and name, while that can be undone",
        _FACE,
        "30 days",
        _TRACES,
        _TRACES,
        _HIDDEN,
        keys=("merge", "merged_item"),
    ),
    Place(
        "reviews",
        "sightings of the person that somebody should look at, and the nearest faces",
        _FACE,
        "as captures' pictures, or until done",
        _TRACES,
        _STAYS,
    ),
    Place(
        "duplicates",
        "that another face may be this person, too",
        _FACE,
        "as the faces",
        _TRACES,
        _STAYS,
        keys=("duplicate",),
    ),
    Place(
        "outbox",
        "events about the person that wait for a hook, or that somebody has not fetched: id, name, group, camera, "
        "score",
        _FACE,
        "until delivered; in a mailbox or given up, 30 days; the name as the face",
        _TRACES,
        Fate("in minutes without the name", Step.TRACES),
        "without the name",
        keys=("delivery",),
    ),
    Place(
        "requests",
        "answers to recent requests, so that a repeat is recognised",
        _FACE,
        "an hour or two",
        Fate("gone in minutes", Step.LATE),
        _STAYS,
    ),
    Place(
        "stills",
        "what a camera saw when an operator asked, to aim it; nobody is searched in it",
        Whose.CAMERA,
        "an hour; until the next erasure of anybody, or until pictures are off",
        _TRACES,
        _STAYS,
        archive="",
        keys=("still_item",),
    ),
    Place(
        "audit",
        "who did what with the person's data, when, and how the person was told from others: ids, scores, keys, the "
        "reason of a legal hold; no names, no pictures",
        _FACE,
        "`audit_days` (400)",
        Fate("in minutes without the person", Step.GALLERY),
        _STAYS,
        keys=("audit_heads", "audit_number", "audit_entries", "audit_anchor"),
    ),
    Place(
        "face pictures",
        "the pictures of the face, up to eight, small ones too, and those that it learnt",
        _FACE,
        "as the face; learnt ones `learnt_days`",
        _TRACES,
        _TRACES,
        _HIDDEN,
        _KEPT,
        "as files",
        keys=("face_picture", "thumbnail"),
    ),
    Place(
        "capture pictures",
        "the pictures that cameras sent, with everybody on them",
        _CAPTURE,
        "`capture_days` of the tenant, at most `REGULARS_CAPTURE_DAYS`: 30 days; on AWS the parameter `CaptureDays`",
        Fate("in minutes gone, or the person is made unrecognisable", Step.SIGHTINGS),
        _STAYS,
        _AS_EVER,
        _KEPT,
        "as files, with others hidden",
        keys=("capture_picture",),
    ),
    Place(
        "crops",
        "faces that somebody looked at, cut out of captures, and captures made small",
        _CAPTURE,
        "as the capture's picture",
        _SEEN,
        _SEEN,
        _AS_EVER,
        _KEPT,
        "as files",
        keys=("crop",),
    ),
    Place(
        "snapshots",
        "the templates of all faces, for searches: the same as in the face's record",
        _FACE,
        "until a newer one: within three hours of a deletion",
        Fate("gone in minutes", Step.GALLERY),
        Fate("gone within three hours"),
        "as after a deletion",
        archive="the same is in `faces`",
        keys=("snapshot",),
    ),
    Place(
        "sealed days",
        "the observations of a day, for statistics: time, face, group, camera, labels, gender, decade of age",
        _FACE,
        "as observations",
        Fate("in minutes as observations", Step.DAYS),
        _STAYS,
        archive="the same is in `observations`",
        keys=("day_columns",),
    ),
    Place(
        "archives",
        "all of this about one person, after somebody asked for it",
        _FACE,
        "up to 12 hours",
        Fate("gone with face pictures"),
        Fate("gone with face pictures"),
        archive="",
        keys=("archive",),
    ),
    Place(
        "log",
        "requests, with the ids of keys and cameras; no face, no name, no picture",
        Whose.OTHERS,
        "as your system keeps logs",
        _STAYS,
        _STAYS,
        archive="",
        backup="not in it",
    ),
    Place(
        "memory",
        "templates, and what requests under way hold, also in unlinked files",
        Whose.OTHERS,
        "while the process runs, or until the next change",
        Fate("gone when the gallery is read again"),
        Fate("gone when the gallery is read again"),
        "as after a deletion",
        archive="",
        backup="not in it",
    ),
    Place(
        "edge spool",
        "pictures that the [edge uploader](edge.md) has not sent, that the service refused, or that cannot be read",
        Whose.OTHERS,
        "until the service has them; refused ones `kept_days` (30); those that cannot be read until somebody deletes "
        "its `damaged-` folders",
        _STAYS,
        _STAYS,
        archive="",
        backup="not in it",
    ),
    Place(
        "browsers",
        "pictures that wait to be added, and those that a page showed",
        Whose.OTHERS,
        "what waits until it is added; what was shown an hour, from CompreFace a day",
        _STAYS,
        _STAYS,
        archive="",
        backup="not in it",
    ),
    Place(
        "MQTT",
        "retained messages of `regulars mqtt`: the last arrival at a camera; with `--names` also a person's id and "
        "name",
        Whose.OTHERS,
        "a person's until the bridge sees that the face is gone; what others have read stays with them",
        Fate("a person's go when the bridge looks again"),
        Fate("a person's go when the bridge looks again"),
        "as after a deletion",
        archive="",
        backup="not in it",
        topics=("camera", "camera_config", "person", "person_config"),
    ),
    Place(
        "receivers",
        "what hooks, MQTT and Frigate (names as sub-labels) were told",
        Whose.OTHERS,
        "as they keep it: erase there, too",
        _STAYS,
        _STAYS,
        archive="it lists who they are",
        backup="not in it",
    ),
    Place(
        "backups",
        "everything of the service; on AWS, point-in-time recovery of tables for 35 days, too",
        Whose.OTHERS,
        "as long as you keep them, erased people too: [after a restore](tasks/forget.md#after-a-restore)",
        _STAYS,
        _STAYS,
        archive="",
        backup="it is one",
    ),
)

NOBODYS = {
    "tenants": (
        "customers, their keys' digests, who may sign in (name, role, public halves of passkeys, slow hash of the "
        "password), sessions, signing keys, the public halves of earlier ones",
        "tenant_item app_id_item appcode_item access_key_item api_key_item key_record key_changes signing_key "
        "session_item code_item challenge_item member_item member_changes",
    ),
    "directory": (
        "groups, counts, settings, and how far chores are; holds and users of it are above",
        "TENANT_ITEM QUOTA_ITEM SWEPT_ITEM CALLED_ITEM WITHHELD_ITEM KEPT_ITEM UNPICTURED_ITEM JOINED_ITEM "
        "camera_quota_item group_item gone_item full_item name_item index_item",
    ),
    "summaries": (
        "counts of days, without persons",
        "calendar calendar_month calendar_field totals label_counts label_chunk",
    ),
    "cameras": ("cameras, their settings and status", "camera_name past_camera"),
    "hooks": ("where events are sent to", ""),
    "erasures": ("receipts of erasures, with faces as keyed hashes; while one runs, their ids, for minutes", ""),
}
"""Tables that hold nothing about the people in the pictures: what they hold, and what makes their keys."""


def done_in(step: Step, *, erases: bool) -> Iterator[str]:
    """Yield the names of the places of which a step of an erasure, or else of a deletion, takes something."""
    return (one.name for one in PLACES if (one.erasure if erases else one.deletion).step is step)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def what_is_stored() -> str:
    """Return, in Markdown, what is where, and how long."""
    head = ("place", "what is in it about a person", "found by", "how long")
    return table(head, ((f"`{one.name}`", one.holds, one.whose, one.kept) for one in PLACES))


def what_happens() -> str:
    """Return, in Markdown, what becomes of each place."""
    head = ("place", "deletion", "erasure", "restriction", "legal hold", "archive", "backup")
    return table(
        head,
        (
            (
                f"`{one.name}`",
                one.deletion.says,
                one.erasure.says,
                one.restriction,
                one.hold,
                one.archive or "no",
                one.backup,
            )
            for one in PLACES
        ),
    )


def of_nobody() -> str:
    """Return, in Markdown, what holds nothing about the people in the pictures."""
    head = ("holds nothing about the people in the pictures", "what then")
    return table(head, ((f"`{name}`", holds) for name, (holds, _) in NOBODYS.items()))
