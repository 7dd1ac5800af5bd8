"""All places that may hold something of a person, and what each right and each clock does with it.

A new table, item, class, blob path or topic that is in none of these fails a test
(tests/privacy/test_places.py). What reads or changes a person's data walks them: erasures and
retention (privacy/erasure), restrictions (privacy/restrictions), archives (privacy/subject_access).
docs/stored.md and the record of processing are
printed from them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from chalicelib.book.idempotency import PARTIAL
from chalicelib.domain.done import ActKind
from chalicelib.domain.model import MEMORY
from chalicelib.domain.person_texts import WORDS
from chalicelib.privacy.retention import Kind
from chalicelib.storage import keys
from chalicelib.storage.items import list_faceids_on_hold, list_restricted_faceids, walk_items
from chalicelib.storage.ports import Action, Delete, Item, ItemStore, Put, Update, exists
from chalicelib.storage.values import make_ids_pattern, moment, texts_of

if TYPE_CHECKING:
    from chalicelib.privacy.subject_access import Subject


class Whose(StrEnum):
    """How the data of a person are found in a place."""

    FACE = "the face"
    FACE_SET = "the face set"
    CAPTURE = "the capture"
    CAMERA = "the camera"
    OTHERS = "not stored by the service"


class Step(StrEnum):
    """The steps of an erasure, in this order."""

    TRACES = "traces"
    """Pictures, rejected pictures, merges, reviews, duplicates, events."""
    SIGHTINGS = "sightings"
    """Observations, and the captures that show the face."""
    DAYS = "days"
    """Sealed days, which hold earlier observations."""
    LATE = "late"
    """Writes of requests that were under way, and their stored answers. It begins when these have
    ended."""
    GALLERY = "gallery"
    """Snapshots and the journal; then entries of the audit."""
    RECEIPT = "receipt"


TakeOut = Callable[[Item, frozenset[str]], Action | None]
"""Returns what takes people, by their ids, out of an item; None: the item names none of them."""


class Fate(NamedTuple):
    """The end of a place by a deletion or an erasure.

    `step`: that which does it; None: the deleting transaction, or nothing. `take_out`: how, item by
    item of a table; None: the step has code of its own for the place.
    """

    says: str
    step: Step | None = None
    take_out: TakeOut | None = None


class Mark(StrEnum):
    """The effect of a restriction or a legal hold on a place."""

    AS_EVER = "no change"
    KEPT = "kept"
    HIDDEN = "kept, and shown to nobody"
    SOMEBODYS = "kept, and shown as somebody's: time, camera and group"
    AWAY = "as after a deletion"
    UNNAMED = "without the name"
    ERASED = "gone at once"

    @property
    def is_kept(self) -> bool:
        """Return whether no clock or setting takes anything of the person out of the place."""
        return self in (Mark.KEPT, Mark.HIDDEN, Mark.SOMEBODYS)


AS_STORED = "as it is stored"
_TABLES = {table.name: table for table in keys.TABLES}


class DataCategory(Struct, frozen=True):
    """A place. `name`: of a table, or the objects' name in an archive and in docs/stored.md.

    `holds`: about a person, as an archive says it; `kept`: how long, and by `clocks` of retention,
    if it has some. `archive`: how an archive has it; "": not at all. `keys`: what makes the keys of
    what lies there, in storage/keys; `topics`: those of regulars_mqtt.discovery; `classes`: those
    that have a Codec.

    `take_own`, of a table with items about several people: it makes of an item what it holds of one
    person; None: nothing. `others`: attributes that no archive has, since they are about other
    people, too. `time`: the attribute that says, in ms, when an item was made. `left`: the
    attributes of a person that are there after an erasure, each of which a receipt has words for.
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
    archive: str = AS_STORED
    keys: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    take_own: Callable[[Item, Subject], Item | None] | None = None
    others: tuple[str, ...] = ()
    time: str = "at"
    left: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        """Tell whether the service itself stores it."""
        return self.whose is not Whose.OTHERS

    def walk_items(self, items: ItemStore, tenant: str) -> Iterator[Item]:
        """Yield all items of the place, which is a table of the tenant's items."""
        return walk_items(items, _TABLES[self.name], tenant)


def _take_own_changes(item: Item, subject: Subject) -> Item | None:
    changes = subject.keep_own(item["changes"], moment(item["at"]))
    return {**item, "changes": changes} if changes else None


def _take_own_negative(item: Item, subject: Subject) -> Item | None:
    """Return a rejection for the person, without the templates of whom it shows, or of the
    person."""
    faceid, sighting = keys.parts_of_negative(item["id"])
    if faceid == subject.faceid:
        return {name: value for name, value in item.items() if name != "templates"}
    return (
        {**item, "id": keys.negative("another", sighting)}
        if sighting in subject.sightings
        else None
    )


def _take_own_merge(item: Item, subject: Subject) -> Item | None:
    if any(item["id"] == merge.id for merge in subject.merges):
        return {name: value for name, value in item.items() if name != "other" or "kept" in item}
    is_part = item["other"] in subject.list_ids(moment(item["at"]))
    return {name: item[name] for name in ("at", "state", "other")} if is_part else None


def _take_own_review(item: Item, subject: Subject) -> Item | None:
    ids = subject.list_ids(None if item["sighting"] in subject.sightings else moment(item["at"]))
    near = [near for near in item.get("near", ()) if near[0] in ids]
    if item["faceid"] in ids:
        return {**item, "near": near}
    return {"kind": item["kind"], "at": item["at"], "near": near} if near else None


def _take_out_of_review(item: Item, faceids: frozenset[str]) -> Action | None:
    """Delete a review of one of the faces; take them out of what another one is compared with."""
    if item["faceid"] in faceids:
        return Delete(keys.REVIEWS, (item["tenant"], item["id"]))
    near = item.get("near", [])
    others = [scored for scored in near if scored[0] not in faceids]  # face and score
    if len(others) == len(near):
        return None
    return Put(keys.REVIEWS, {**item, "near": others}, (exists("still-there"),))


def _take_own_pair(item: Item, subject: Subject) -> Item | None:
    ids = subject.list_ids(moment(item["at"]))
    return None if ids.isdisjoint(keys.parts_of_duplicate(item["id"])) else item


def _delete_pair(item: Item, faceids: frozenset[str]) -> Action | None:
    is_of_them = not faceids.isdisjoint(keys.parts_of_duplicate(item["id"]))
    return Delete(keys.DUPLICATES, (item["tenant"], item["id"])) if is_of_them else None


def _take_own_event(item: Item, subject: Subject) -> Item | None:
    payload = json.loads(item["payload"])
    return (
        {**item, "payload": payload}
        if subject.is_named_in(payload, moment(item["created_at"]))
        else None
    )


def _delete_event(item: Item, faceids: frozenset[str]) -> Action | None:
    from chalicelib.domain.webhooks import take_back  # not at the cold starts of searches

    is_of_them = _is_one_named([item["id"], json.loads(item["payload"])], faceids)
    delete = Delete(keys.OUTBOX, (item["tenant"], item["id"]))
    return (take_back(item, faceids) or delete) if is_of_them else None


def _take_names_out_of_event(item: Item, faceids: frozenset[str]) -> Action | None:
    from chalicelib.domain.webhooks import take_back, without_names

    return take_back(item, faceids) or without_names(item, faceids)


def _take_out_of_hook(item: Item, faceids: frozenset[str]) -> Action | None:
    from chalicelib.domain.webhooks import without_people

    return without_people(item, faceids)


def _take_own_answer(item: Item, subject: Subject) -> Item | None:
    body, at = json.loads(item["body"]), moment(item["at"]) if "at" in item else None
    if not subject.is_named_in(body, at):
        return None
    own = {
        name: subject.keep_own(value, at) if isinstance(value, list) else value
        for name, value in body.items()
    }
    return {**item, "body": own}


def _take_out_of_answer(item: Item, faceids: frozenset[str]) -> Action | None:
    """Delete a stored answer that names one of the faces. That of an erasure stays, without them.

    A deletion that was cut off stays as it is for its repeat, which goes on from there.
    """
    answer_key, body = (item["tenant"], item["request"]), json.loads(item["body"])
    if (item["code"] == PARTIAL and "erasures" in body) or not _is_one_named(body, faceids):
        return None
    if not body.get("erasures"):
        return Delete(keys.REQUESTS, answer_key)
    nameless_body = json.dumps({**body, "success": [], "not_exist": []})
    return Update(keys.REQUESTS, answer_key, (exists("still-there"),), set={"body": nameless_body})


def _take_own_act(item: Item, subject: Subject) -> Item | None:
    """Return what somebody changed of the person; of another act that names the person, its
    kind: its values are the shop's, or name others."""
    ids = subject.list_ids(moment(item["at"]))
    if ids.isdisjoint(item["faces"]):
        return None
    is_of_person = item["kind"] == ActKind.FACE and item["of"] in ids
    names = ("at", "kind", "before", "after") if is_of_person else ("at", "kind")
    return {name: item[name] for name in names}


def _delete_act(item: Item, faceids: frozenset[str]) -> Action | None:
    former_face = json.loads(item["before"]).get("face")  # which a rejection may not list
    is_of_them = not faceids.isdisjoint([*item["faces"], former_face])
    return Delete(keys.DONE, (item["tenant"], item["id"])) if is_of_them else None


def _is_one_named(value: Any, faceids: frozenset[str]) -> bool:
    """Tell whether the texts in a JSON value name one of the faces, also as `absent-FACE-3`."""
    pattern = make_ids_pattern(faceids)
    return bool(faceids) and any(pattern.search(text) for text in texts_of(value))


def _outside(
    name: str,
    holds: str,
    kept: str,
    end: Fate,
    restriction: Mark = Mark.AS_EVER,
    archive: str = "",
    **more: Any,
) -> DataCategory:
    """Make a place outside of the service's storage. `end`: by a deletion and by an erasure."""
    return DataCategory(
        name, holds, kept, end, end, restriction, whose=Whose.OTHERS, archive=archive, **more
    )


_STAYS = Fate("stays")
_GONE = Fate("gone in minutes", Step.TRACES)
_SNAPPED = (Fate("gone in minutes", Step.GALLERY), Fate("gone within three hours"), Mark.AWAY)
_AT_ONCE = (Fate("gone at once"), Fate("gone at once"), Mark.HIDDEN, Mark.KEPT)
_TRACES = (_GONE, _GONE, Mark.HIDDEN, Mark.KEPT)
_SEEN = Fate("gone in minutes", Step.SIGHTINGS)
_TAKEN_OUT = Fate("the face is taken out at once. The set goes with its last face")
_REFUSED = Fate("refused while it is held")
_NUMBERS = Fate("numbers stay: they name nobody")
_LEFT_OBSERVED = "time_id kind camera group labels estimates gap_s mark faceid"
_WITH_PICTURES = Fate("gone with face pictures")

DATA_MAP = (
    DataCategory(
        "faces",
        f"the face's record: group, name, {WORDS}, attributes, labels, consent, legal hold, "
        "whether it is hidden from lists, which picture is the portrait, estimates (age, gender "
        "...), templates",
        "until it is deleted or erased. A face that is not seen any more is deleted: a stranger "
        "after "
        "`stranger_days` (90); a regular, or a stranger with a name, after `regular_days` (1,095); "
        "a face in a group "
        "of yours after that group's `unseen_days` (at first the `regular_days`). After the end of "
        "a consent: `ended_days` (14). Of somebody who is remembered, id, template and the wish "
        "with its ground: `remembered_days` (365)",
        *_AT_ONCE,
        clocks=(Kind.CONSENTS, Kind.REMEMBERED, Kind.FACES),
        keys=("enrolment_key", "arrival_key", "consent_key"),
        classes=("Face", "ListedFace", "Picture", "Estimates", "Decision", "Consent"),
    ),
    DataCategory(
        "names",
        "the words of the name, by which a search finds the face; that it is hidden from lists",
        "as long as the face",
        *_AT_ONCE,
        keys=("name_term",),
    ),
    DataCategory(
        "holds",
        "that the face is under legal hold, since when and why",
        "until the hold is lifted",
        _REFUSED,
        _REFUSED,
        hold=Mark.KEPT,
        keys=("hold_item",),
    ),
    DataCategory(
        "refused",
        "keyed hashes of the ids, the record of consent and the given pictures of a person whose "
        "consent ended, or who was erased on request; how and when, and from when on a record of "
        "consent counts again",
        "for good, so that nobody enrols the person again without a new consent (GDPR, Articles "
        "7(3) and 17; legal basis: Article 6(1)(c)). They hold no template, cannot be "
        "reversed, and differ from those of any other shop",
        Fate("written: the person is refused from then on"),
        Fate("no change"),
        archive="",
        keys=("refused_item",),
        left=("item", "ended", "at", "counts_from"),
    ),
    DataCategory(
        "face_sets",
        "the face set that the face belongs to, several faces that a dialect keeps together as one "
        "person: its id, the mean of its templates, its name",
        "until its last face is deleted, erased, restricted, moved or merged into another. If a "
        "program deletes the last picture (example) of a named set without an erasure, the name "
        "stays until the set is deleted",
        _TAKEN_OUT,
        _TAKEN_OUT,
        Mark.AWAY,
        Mark.KEPT,
        Whose.FACE_SET,
        keys=("face_set_item",),
        classes=("FaceSet",),
        others=("templates",),
    ),
    DataCategory(
        "arrivals",
        "visits: when each began and ended",
        "the last hundred days, but no longer than the face",
        *_AT_ONCE,
        keys=("visits_page",),
        classes=("PromotionRule",),
    ),
    DataCategory(
        "observations",
        "when the person was enrolled, searched for or seen: time, camera, group, labels, the "
        "face's place "
        "in the picture, score, estimates",
        "`observation_days` (400). After a face is deleted, its observations stay, for statistics. "
        "If another person "
        "later gets the same id, the old observations do not belong to that person",
        Fate(
            "changed in minutes: the face's id becomes a random one, another one for each "
            "visit. Time, camera, group, labels, gender and the tens of years stay, and a mark of "
            "how often the person counts",
            Step.SIGHTINGS,
        ),
        Fate("age and gender are removed in minutes", Step.SIGHTINGS),
        Mark.SOMEBODYS,
        Mark.KEPT,
        clocks=(Kind.OBSERVATIONS,),
        keys=("observation", "observations"),
        classes=("Observation",),
        left=tuple(_LEFT_OBSERVED.split()),
    ),
    DataCategory(
        "counts",
        "how many people a camera counted as they came in and went out, without a face, a name "
        "or a picture. Say the camera counts one person in a minute, and one known person "
        "arrives in that minute. Then one can guess whom it counted. If an operator asks for it, "
        "also a minute of film without people, in squares and boxes. And how many people somebody "
        "saw on it, and who said so",
        "minutes: 30 days. Then they become hours, which are kept for `observation_days` (400). A "
        "film: until somebody answers it, a week at most. Answers: a year",
        _NUMBERS,
        _NUMBERS,
        whose=Whose.CAMERA,
        clocks=(Kind.COUNTED_MINUTES, Kind.COUNTED_HOURS),
        archive="",
        keys=("counted_minutes", "counted_hours", "counted_day", "checks_item", "film_item"),
    ),
    DataCategory(
        "captures",
        "the captures that show the person, where in the picture the face is, and how sure the "
        "match is",
        "`sighting_days` (120)",
        Fate("the person is removed from it in minutes", Step.SIGHTINGS),
        _STAYS,
        Mark.KEPT,
        Mark.KEPT,
        Whose.CAPTURE,
        (Kind.SIGHTINGS,),
        keys=("captures", "capture"),
        classes=("Capture", "Sighting", "DetectedFace", "SeenFace", "Template"),
        others=("detection", "again"),
        left=("sightings",),
    ),
    DataCategory(
        "journal",
        "recent changes of the gallery, with templates",
        "until the service writes the next snapshot: normally minutes, after a deletion at most "
        "three hours",
        *_SNAPPED,
        keys=("seq_key",),
        classes=("JournalEntry",),
        take_own=_take_own_changes,
    ),
    DataCategory(
        "negatives",
        "templates of rejected pictures. Say Ann was taken for Ben, and somebody rejected that: "
        "Ben's face then has a template of Ann, so that it does not happen again. Also a note of "
        "whose sighting it was before, so that the rejection can be undone",
        "as long as the face, 20 at most. The note: a hundred days",
        *_TRACES,
        keys=("negative",),
        classes=("Negative",),
        take_own=_take_own_negative,
        others=MEMORY,
    ),
    DataCategory(
        "merges",
        "faces that were merged into this person's, with templates, pictures and name, as long "
        "as the merge can be undone. If a correction made a new face of this person's sighting, "
        "and was undone, the id of that face stays here, too",
        "30 days",
        *_TRACES,
        keys=("merge", "merged_item"),
        classes=("Merge", "MergeBackup"),
        take_own=_take_own_merge,
    ),
    DataCategory(
        "reviews",
        "sightings of the person that somebody should check, and the faces that look most like "
        "them",
        "as long as the pictures of captures, or until somebody answers the review",
        _GONE._replace(take_out=_take_out_of_review),
        Fate("gone within a day"),
        Mark.AWAY,
        classes=("Review",),
        take_own=_take_own_review,
    ),
    DataCategory(
        "duplicates",
        "the note that another face may be the same person",
        "as long as both faces",
        _GONE._replace(take_out=_delete_pair),
        Fate("gone within a day"),
        Mark.AWAY,
        keys=("duplicate",),
        classes=("Duplicate",),
        take_own=_take_own_pair,
        others=("id",),
    ),
    DataCategory(
        "outbox",
        "events about the person that wait for a hook, or that no program has fetched yet: id, "
        "name, group, camera, "
        "score. And the id, if a browser was told of the person: it may show that still",
        "until the event is delivered. In a mailbox, or if delivery was given up: 30 days. If "
        "the face is deleted, the event loses the names. If the face's consent ends, the event is "
        "deleted. Of what a browser shows: 7 days. If the person goes before, another push takes "
        "its place, which names nobody",
        _GONE._replace(take_out=_delete_event),
        Fate("the names are removed in minutes", Step.TRACES, _take_names_out_of_event),
        Mark.UNNAMED,
        keys=("delivery",),
        classes=("Delivery",),
        take_own=_take_own_event,
        time="created_at",
    ),
    DataCategory(
        "hooks",
        "the ids of the faces about which a hook sends messages (its filter `people`). Hooks have "
        "nothing "
        "else about people in the book",
        "until the hook is changed or deleted",
        _GONE._replace(take_out=_take_out_of_hook),
        _GONE._replace(take_out=_take_out_of_hook),
        Mark.KEPT,
        Mark.KEPT,
        archive="",
        keys=("push_key", "hook_secret"),
        classes=("Hook",),
        time="created_at",
    ),
    DataCategory(
        "requests",
        "answers to recent requests, so that the service recognises a repeated request",
        "an hour or two. For `v1` requests with an Idempotency-Key: a day",
        Fate("gone in minutes", Step.LATE, _take_out_of_answer),
        _STAYS,
        take_own=_take_own_answer,
    ),
    DataCategory(
        "stills",
        "the picture that a camera sent when an operator asked for it, to aim the camera. Also "
        "what it showed when the shop opened: a small grey picture a day, without people who pass. "
        "The service does not search for anybody in them",
        "an hour; of an opening, two days. Deleted earlier if anybody is erased, or if pictures "
        "are switched off",
        _GONE,
        _STAYS,
        whose=Whose.CAMERA,
        archive="",
        keys=("still_item", "view_item"),
    ),
    DataCategory(
        "audit",
        "who did what with the person's data, when, and how the service recognised the person: "
        "ids, scores, keys, "
        "the reason of a legal hold. It has no names and no pictures",
        "`audit_days` (400)",
        Fate("the person is removed from it in minutes", Step.GALLERY),
        _STAYS,
        keys=("audit_heads", "audit_number", "audit_entries", "audit_anchor"),
        classes=("ChainEnd",),
    ),
    DataCategory(
        "done",
        "what somebody who works with the book changed of the person: the values before and after, "
        "who did it and when, so that it can be taken back",
        "30 days",
        Fate(
            "gone in minutes, and acts that gave somebody else the person's name",
            Step.TRACES,
            _delete_act,
        ),
        Fate(
            "gone in minutes. Acts that gave somebody else the person's name stay",
            Step.TRACES,
            _delete_act,
        ),
        Mark.ERASED,
        keys=("act_time",),
        classes=("Done",),
        take_own=_take_own_act,
        others=("id", "what", "by", "of", "faces", "takes_back", "taken_back_at", "taken_back_by"),
    ),
    DataCategory(
        "face pictures",
        "the pictures of the face, up to a hundred, with the learnt pictures and small copies",
        "as long as the face. Learnt pictures: `learnt_days`",
        *_TRACES,
        clocks=(Kind.LEARNT,),
        archive="as files",
        keys=("face_picture", "thumbnail"),
    ),
    DataCategory(
        "capture pictures",
        "the pictures that cameras sent, with everybody whom they show",
        "`capture_days` of the tenant, but at most `REGULARS_CAPTURE_DAYS`: 30 days. On AWS the "
        "maximum is the "
        "parameter `CaptureDays`",
        Fate("gone in minutes, or the person is made unrecognisable in it", Step.SIGHTINGS),
        _STAYS,
        Mark.KEPT,
        Mark.KEPT,
        Whose.CAPTURE,
        (Kind.CAPTURES,),
        archive="as files, with others hidden",
        keys=("capture_picture",),
    ),
    DataCategory(
        "crops",
        "faces that were cut out of captures when somebody looked at them, and small copies of "
        "captures",
        "as long as the capture's picture",
        _SEEN,
        _SEEN,
        Mark.KEPT,
        Mark.KEPT,
        Whose.CAPTURE,
        archive="as files",
        keys=("crop", "shown_part", "shown_parts"),
    ),
    DataCategory(
        "snapshots",
        "the templates of all faces, for searches. They are the same as in the face's record",
        "until the next snapshot. After a deletion it is written within three hours",
        *_SNAPPED,
        archive="the same is in `faces`",
        keys=("snapshot", "delta"),
    ),
    DataCategory(
        "sealed days",
        "the observations of a day, for statistics: time, face, group, camera, labels, gender, "
        "decade of age",
        "as long as observations",
        Fate("changed in minutes, as observations are", Step.DAYS),
        _STAYS,
        archive="the same is in `observations`",
        keys=("day_columns", "presences"),
    ),
    DataCategory(
        "archives",
        "all data about one person, collected after somebody asked for them",
        "up to 12 hours",
        _WITH_PICTURES,
        _WITH_PICTURES,
        archive="",
        keys=("archive",),
    ),
    _outside(
        "log",
        "requests, with the ids of keys, members and cameras, and the senders' addresses. It has "
        "no face, no name "
        "and no picture",
        "as your system keeps logs",
        _STAYS,
    ),
    _outside(
        "memory",
        "templates, and the data of requests that are being answered, also in unlinked files",
        "until the next change of the gallery, or until the process ends",
        Fate("gone when the gallery is read again"),
        Mark.AWAY,
    ),
    _outside(
        "edge spool",
        "pictures that the [edge uploader](edge.md) has not sent yet, that the service refused, "
        "or that cannot be read. Also outlines, 64 x 48 points, of what each camera usually "
        "shows. Also posters: 16 x 16 grey points of each face that has not moved for ten "
        "minutes. They go once that face has been away for a day",
        "until the service has them. Refused pictures: `kept_days` (30). Pictures that cannot be "
        "read: until "
        "somebody deletes them in the folder `pictures`",
        _STAYS,
    ),
    _outside(
        "your files",
        "the files that `regulars export`, `regulars about` and downloads of archives wrote, with "
        "everything about "
        "the people in them; the source of an import. The import keeps no file but "
        "`NAME.refused.csv`, if pictures "
        "were refused",
        "as long as you keep them. If you import such a file later, the service refuses erased "
        "people: it recognises "
        "them by id and by picture. You can tell it to enrol them all the same",
        _STAYS,
    ),
    _outside(
        "browsers",
        "pictures that wait to be added, those that a page showed, and names, notes and other "
        "changes that wait until "
        "the service has answered",
        "waiting pictures: until they are added. Waiting changes: until the service has them, a "
        "day at most. "
        "Shown pictures: an hour. Examples of a face set: a day",
        _STAYS,
    ),
    _outside(
        "MQTT",
        "messages of `regulars mqtt` that the broker retains: the last arrival at a camera; with "
        "`--names` also a "
        "person's id and name",
        "messages about a person: until `regulars mqtt` sees that the face is gone. Messages of an "
        "erased tenant: "
        "until you run `regulars mqtt --forget`. Programs that have read a message keep it",
        Fate("messages about the person go when `regulars mqtt` looks again"),
        Mark.AWAY,
        topics=(
            "name_camera",
            "name_camera_config",
            "name_person",
            "name_person_config",
            "name_tracker_config",
            "name_place",
            "name_place_config",
        ),
    ),
    _outside(
        "receivers",
        "the events that the service sent by hooks, MQTT and Frigate (names as sub-labels)",
        "as long as the receivers keep them. Erase the person there, too",
        _STAYS,
        archive="it lists who they are",
    ),
    _outside(
        "backups",
        "everything that the service stores. On AWS also the point-in-time recovery of tables, "
        "35 days. Beside a backup, and at the witness, lie receipts of erasures, and a list of "
        "who is under hold, restricted or withdrawn. The list has keyed hashes of these faces' "
        "ids",
        "as long as you keep them, with people who were erased later: [after a "
        "restore](tasks/forget.md#after-a-restore)",
        _STAYS,
    ),
)

NOBODYS = {
    "tenants": (
        "customers and the digests of their keys; people who may sign in (name, role, public "
        "halves of passkeys, "
        "slow hash of the password; hashed ids of passkeys that were made in another shop); who "
        "gave each access; sessions; on AWS, hashes of the addresses of sign-ins, for a month; "
        "signing keys, and the public halves of earlier signing keys; receipts of erased tenants; "
        "a check of the key that seals a box's secrets",
        "tenant_item erased_item app_id_item appcode_item access_key_item api_key_item key_record "
        "signing_key "
        "session_item code_item sign_in_item challenge_item member_item shared_passkey_item "
        "maker_item "
        "VAULT_ITEM",
        "Tenant StoredSettings ApiKey Member TenantErasure",
    ),
    "directory": (
        "groups, counts, settings, places with the changes of their doors, who corrected the "
        "number of people inside, the times whose counts of a camera are void, and the progress of "
        "background jobs. Its `holds`, `refused` and `face_sets` have their own rows above",
        "TENANT_ITEM QUOTA_ITEM SWEPT_ITEM CALLED_ITEM WITHHELD_ITEM EXPIRED_ITEM KEPT_ITEM "
        "UNPICTURED_ITEM JOINED_ITEM SEALS_ITEM "
        "camera_quota_item group_item gone_item full_item name_item index_item "
        "nobodies_item PLACES_ITEM VOIDS_ITEM",
        "Group Place Arrangement Void Called PictureCount _Progress",
    ),
    "summaries": (
        "counts for each day, and two bytes of a hash for each face that was seen that day. They "
        "are deleted "
        "together with `sealed days`, which say who was there on that day. The signed figures of "
        "[closed days, weeks and months](visits.md#closed), which are numbers and name nobody, "
        "stay as long as the tenant",
        "calendar calendar_field totals label_counts label_chunk closed_periods",
        "Seal Piece",
    ),
    "cameras": ("cameras, their settings and status", "camera_name past_camera", "Camera Wave"),
    "erasures": (
        "receipts of erasures, kept for ever: keyed hashes of the faces, and SHA-256 of the "
        "removed templates and "
        "pictures. While an erasure runs, also the ids of the faces, for two hours at most",
        "",
        "Erasure",
    ),
}
"""Tables that hold nothing about the people in the pictures: what they hold, what makes their keys,
and their classes."""


def done_in(step: Step, *, erases: bool) -> Iterator[tuple[DataCategory, Fate]]:
    """Yield the places from which a step of an erasure, or else of a deletion, removes
    something."""
    fates = ((place, place.erasure if erases else place.deletion) for place in DATA_MAP)
    return ((place, fate) for place, fate in fates if fate.step is step)


class Marked:
    """The faces of a tenant under legal hold, and the restricted ones.

    It reads the lists of these only, and once.
    """

    def __init__(self, items: ItemStore, tenant: str) -> None:
        self._items, self._tenant = items, tenant

    @cached_property
    def _faces(self) -> tuple[list[str], list[str]]:
        return list_faceids_on_hold(self._items, self._tenant), list_restricted_faceids(
            self._items, self._tenant
        )

    def list_spared_faces(self, name: str) -> frozenset[str]:
        """Return the faces whose data no schedule or setting removes from a place."""
        [place] = (place for place in DATA_MAP if place.name == name)
        marks = zip((place.hold, place.restriction), self._faces, strict=True)
        return frozenset(face for mark, faces in marks if mark.is_kept for face in faces)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def what_is_stored() -> str:
    """Return, in Markdown, the places with their contents, and how long these are kept."""
    head = ("place", "what is in it about a person", "found by", "how long")
    return table(
        head, ((f"`{place.name}`", place.holds, place.whose, place.kept) for place in DATA_MAP)
    )


def what_happens() -> str:
    """Return, in Markdown, what happens to the data of each place."""
    head = ("place", "deletion", "erasure", "restriction", "legal hold", "archive")
    rows = (
        (
            place.name,
            place.deletion.says,
            place.erasure.says,
            place.restriction,
            place.hold,
            place.archive,
        )
        for place in DATA_MAP
    )
    return table(head, ((f"`{name}`", *others, archive or "no") for name, *others, archive in rows))
