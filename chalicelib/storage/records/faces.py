"""Tenants, groups, faces and entries of the journal of their changes to stored items and back.

Floats are stored as Decimal with their significant digits; times as whole milliseconds since 1970,
UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.consent import Consent
from chalicelib.domain.effects import Effect
from chalicelib.domain.grounds import require_ground
from chalicelib.domain.model import (
    PROMOTION_SETTINGS,
    Decision,
    Face,
    Group,
    Hold,
    JournalEntry,
    Labels,
    Learnt,
    ListedFace,
    Picture,
    PromotionSettings,
    Renewal,
    Tenant,
)
from chalicelib.domain.names import make_terms
from chalicelib.domain.person_texts import TEXTS
from chalicelib.domain.pictures import ATTRIBUTES, FOUND_DIGITS, BoundingBox, Estimates, Found, Pose
from chalicelib.domain.rules.templates import FaceSet
from chalicelib.domain.tenant_settings import SETTINGS, StoredSettings
from chalicelib.storage import keys
from chalicelib.storage.formats import require_format
from chalicelib.storage.ports import NOTHING, Action, Condition, Item, Put, Update, absent
from chalicelib.storage.values import (
    HEX,
    Codec,
    Form,
    form_of,
    milliseconds,
    moment,
    number,
    numbers,
    parse_optional,
)

_RARE = " ".join(
    (
        "attributes labels name external_id face_set negatives merges moving number revision "
        "absorbed hidden",
        *TEXTS,
    )
)
"""Fields of a face that its item has only if they say something."""


_SETTINGS = Codec(StoredSettings, nulls=" ".join(SETTINGS))
tenant_setting_fields = _SETTINGS.write
"""Makes the attributes of a tenant's settings, by the names of their fields."""

USED_AT = "_used_at"
"""End of the name of a tenant's attribute with the hour at which a dialect was used last, whose
name is before it."""


def _parse_dialects_used_at(item: Item) -> Mapping[str, datetime]:
    used = {
        name.removesuffix(USED_AT): value for name, value in item.items() if name.endswith(USED_AT)
    }
    return {dialect: moment(value) for dialect, value in used.items() if value is not None}


RENEWED = "_renewed"
"""End of the name of a tenant's attribute with the last renewal of a dialect's key: [until when the
old one holds, for what]."""


def _parse_renewals(item: Item) -> Mapping[str, Renewal]:
    stored = {
        name.removesuffix(RENEWED): value for name, value in item.items() if name.endswith(RENEWED)
    }
    return {
        dialect: Renewal(moment(value[0]), value[1])
        for dialect, value in stored.items()
        if value is not None
    }


_TENANT = Codec(
    Tenant,
    {"name": "id"},
    nulls=" ".join(SETTINGS),
    dialects_used_at=Form(
        lambda used: {f"{dialect}{USED_AT}": milliseconds(at) for dialect, at in used.items()},
        _parse_dialects_used_at,
        whole=True,
    ),
    renewals=Form(
        lambda made: {
            f"{dialect}{RENEWED}": [milliseconds(renewal.old_until), renewal.name]
            for dialect, renewal in made.items()
        },
        _parse_renewals,
        whole=True,
    ),
    attributes_off=Form(
        sorted,
        lambda stored: frozenset(attribute for attribute in stored if attribute in ATTRIBUTES),
    ),
)


def tenant_from(item: Item) -> Tenant:
    """Read a tenant. Raises StorageUnavailable if its data are of another format."""
    require_format(item)
    return _TENANT.read(item)


def promotion_settings_from(directory: Item) -> PromotionSettings:
    """Read when a stranger becomes a regular; a setting that is newer than the directory has its
    default."""
    stored = {
        name: row.kind(directory[name])
        for name, row in PROMOTION_SETTINGS.items()
        if name in directory
    }
    return PromotionSettings(**stored)


# --- groups
# --------------------------------------------------------------------------------------------------


_GROUP = Codec(Group, apart="capacity", rare="learns staff tags face_sets")


def group_item(tenant: str, group: Group, created_at: datetime) -> Item:
    """Make the item by which a group of faces is stored.

    If the group has a capacity, `free` is how many faces still fit. An enrolment counts it down, on
    condition that there is room.
    """
    item = {
        "tenant": tenant,
        "item": keys.group_item(group.id),
        **_GROUP.write(group),
        "created_at": milliseconds(created_at),
    }
    if group.capacity is not None:
        item["free"] = group.capacity - group.count
    return item


def attribute_items(group: Group) -> list[Item]:
    items: list[Item] = _GROUP.write(group, "attributes")["attributes"]
    return items


def group_from(item: Item) -> Group:
    free = item.get("free")
    return _GROUP.read(item, capacity=None if free is None else int(free) + int(item["count"]))


# --- faces
# --------------------------------------------------------------------------------------------------


_ESTIMATES = Codec(
    Estimates,
    apart="emotions genders",
    age=number(".1f"),
    gender_score=number(".3f"),
    emotion_score=number(".3f"),
    pose=numbers(Pose),
    quality=number(".1f"),
    beauty=number(".1f"),
    liveness=number(".3f"),
)
ESTIMATES, estimates_by_name = _ESTIMATES.make_list_form(), _ESTIMATES.name_values
"""A list without names, so that most faces stay below 1 KB (`face_item`)."""


def round_estimates(estimates: Estimates) -> Estimates:
    """Round to the stored digits, so that answers are the same before and after storing."""
    return _ESTIMATES.read(_ESTIMATES.write(estimates))


_COMPARED = Codec(
    Decision,
    {"false_match_probability": "chance"},
    nulls="score",
    score=number(".6f"),
    threshold=number(".6f"),
    false_match_probability=number(".3g"),
    fpir=number("g"),
)


def _decision_fields(decision: Decision | None) -> Item:
    if decision is None:
        return {}
    compared = _COMPARED.write(decision)
    score = compared.pop("score")
    return {"decision": compared} if score is None else {"decision": compared, "score": score}


def _decision_from(item: Item) -> Decision | None:
    if (stored := item.get("decision")) is None:
        return None
    return _COMPARED.read({"score": item.get("score"), **stored})


DECISION = Form(_decision_fields, _decision_from, whole=True)
"""Of the decision of a sighting, an observation or two faces: its score is an attribute of
theirs."""


def _learnt_from(item: Iterable[str]) -> Learnt:
    # not at the cold starts of what reads no face
    from chalicelib.domain.captures import captured_ms

    sighting_id, camera, *_ = item
    return Learnt(sighting_id, camera, moment(captured_ms(sighting_id)))


_HOLD = form_of(Hold)
CONSENT = Codec(Consent, nulls="expires_at")

_FACE_NAMES = {"group_id": "group", "picture_count": "pictures"}
SHOWN: dict[str, Any] = {
    "attributes": Form(
        lambda values: {str(id_): value for id_, value in values.items()},
        lambda stored: {int(id_): value for id_, value in stored.items()},
    ),
    "labels": Form(Labels._asdict, lambda stored: Labels(**stored)),
}
"""Forms of what somebody wrote of a face that has several values."""
_LISTED = Codec(ListedFace, _FACE_NAMES, apart="portrait estimates", **SHOWN)
_FACE = Codec(Face, _FACE_NAMES, rare=_RARE, apart="pictures portrait_id", consent=CONSENT, **SHOWN)


def face_update(
    tenant: str, faceid: str, *when: Condition, add: Mapping[str, int] = NOTHING, **change: Any
) -> Update:
    """Return the update of some attributes of a face, which raises its version by one.

    `when` are its conditions, `add` what to add by attribute, `change` other arguments of Update.
    The audit's entry gets from it that the face was edited.
    """
    added = {"version": 1, **add}
    edits_face = ((Effect.EDITS, faceid),)  # for the audit's entry
    return Update(keys.FACES, (tenant, faceid), when, add=added, does=edits_face, **change)


def face_item(tenant: str, face: Face) -> Item:
    """Make the item by which a face is stored, with the keys by which it is listed.

    What lists show stands apart from the templates (embeddings), so that an index can carry it
    alone. Fields without a value are left out, so that most items stay below 1 KB. Each arrival
    (visit) writes one, and DynamoDB charges by the KB.
    """
    group_id, faceid = face.group_id, face.faceid
    last_at = face.last_arrival_at or face.enrolled_at
    item = {
        "tenant": tenant,
        "enrolment_key": keys.enrolment_key(group_id, face.enrolled_at, faceid),
        "arrival_key": keys.arrival_key(group_id, last_at, faceid),
        **picture_fields(face),
        **_FACE.write(face),
    }
    # This key lists consents by their end; one that has ended is not listed any more.
    has_ended = face.restriction and face.restriction.ended
    if face.consent and not has_ended:
        item["consent_key"] = keys.consent_key(face.consent.expires_at, faceid)
    return item


def name_item(tenant: str, faceid: str, term: str) -> Item:
    """Make the item of one term of a face's name."""
    return {"tenant": tenant, "term": keys.name_term(term, faceid), "faceid": faceid}


FACE_FREE = "face-free"
"""Name of the condition that no face has the id of a new one."""


def face_puts(tenant: Tenant, face: Face) -> list[Action]:
    """Return the writes that store a new face, and the terms by which people find it.

    A term is a word of its name, or its number. The transaction fails by the condition FACE_FREE if
    there is a face of this id. Raises ConsentMissing, before any write, if the tenant asks for
    consent, and the face has no record of it.
    """
    require_ground(tenant, None, face)
    if_free = (absent(FACE_FREE),)
    adds_face = ((Effect.ADDS, face.faceid),)  # for the audit's entry
    terms = terms_of(face)
    return [
        Put(keys.FACES, face_item(tenant.name, face), when=if_free, does=adds_face),
        *(Put(keys.NAMES, name_item(tenant.name, face.faceid, term)) for term in terms),
    ]


def terms_of(face: Face) -> tuple[str, ...]:
    """Return the terms by which the face is found, and the one that says that it is hidden."""
    terms = make_terms(face.name, face.number)
    return (*terms, keys.HIDDEN_TERM) if face.hidden else terms


def face_from(item: Item) -> Face:
    pictures = ({**item["portrait"], "templates": item["templates"]}, *item["others"])
    chosen = item["portrait"].get("chosen")
    return _FACE.read(
        item,
        pictures=tuple(_picture_from(item, picture) for picture in pictures),
        portrait_id=HEX.read(chosen["id"]) if chosen else "",
    )


def listed_face_from(item: Item) -> ListedFace:
    """Read what a list shows of a face, from its item or from what the index by arrival carries of
    it."""
    first = item["portrait"]
    return _LISTED.read(
        item,
        portrait=_picture_from(item, first.get("chosen", first)),
        estimates=_picture_from(item, first).estimates,
    )


def hold_fields(face: Face) -> Item:
    """Make the attribute of a face's legal hold; none if it has none."""
    return _FACE.write(face, "hold")


def hold_from(item: Item) -> Hold | None:
    """Invert `hold_fields`."""
    return parse_optional(_HOLD.read, item.get("hold"))


def picture_fields(face: Face) -> dict[str, Any]:
    """Make the attributes of a face's pictures, of which there is one at least.

    The first is the `portrait`, which lists show. Its `templates` (embeddings) are an attribute of
    their own, so that lists do not read them. `others` has the other pictures whole, `pictures` how
    many there are in all. If lists show one of the others, the first has it as `chosen`, too.
    """
    first, *others = (_picture_item(face, picture) for picture in face.pictures)
    templates = first.pop("templates")
    if place := face.pictures.index(face.portrait):
        first["chosen"] = {**others[place - 1], "templates": []}
    return {
        "templates": templates,
        "portrait": first,
        "others": others,
        "pictures": len(face.pictures),
    }


_PICTURE = Codec(
    Picture,
    apart="key",
    rare="spare",
    id=HEX,
    estimates=ESTIMATES,
    learnt=Form(lambda learnt: [learnt.sighting_id, learnt.camera], _learnt_from),
    found=numbers(Found, FOUND_DIGITS),
    meant=numbers(BoundingBox, 1),
)


def _picture_item(face: Face, picture: Picture) -> dict[str, Any]:
    """Make the item of a picture, which is a part of its face's.

    To be small, it leaves out what the face's item tells. That is all of the key but its random
    part (nonce), and the time if it is the enrolment's.
    """
    item = {"nonce": keys.nonce_of_picture(picture.key), **_PICTURE.write(picture)}
    if picture.added_at == face.enrolled_at:
        del item["added_at"]
    return item


def _picture_from(face: Item, item: Item) -> Picture:
    """Invert `_picture_item`; `face`: the face's item."""
    key = keys.face_picture(face["tenant"], face["faceid"], item["nonce"]) if item["nonce"] else ""
    return _PICTURE.read({"added_at": face["enrolled_at"], "templates": (), **item}, key=key)


# --- journal
# --------------------------------------------------------------------------------------------------

_ENTRY = Codec(JournalEntry, {"group_id": "group"}, rare="learnt", apart="face_set")
face_set_from = Codec(FaceSet, {"group_id": "group", "faceids": "faces"}, rare="name").read


def journal_item(tenant: str, seq: int, at: datetime, entries: Iterable[JournalEntry]) -> Item:
    """Make the item of one commit's changes in a tenant's journal."""
    key = {"tenant": tenant, "seq_key": keys.seq_key(seq), "seq": seq, "at": milliseconds(at)}
    return {**key, "changes": list(map(_ENTRY.write, entries))}


def journal_entries(item: Item) -> tuple[JournalEntry, ...]:
    return tuple(map(_ENTRY.read, item["changes"]))
