"""Tenants, groups, faces and journal entries to items and back.

Floats are stored as Decimal with their significant digits; times as whole milliseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.core import keys
from chalicelib.core.consent import Basis, Consent
from chalicelib.core.formats import Due, require_format
from chalicelib.core.model import (
    Attribute,
    Decision,
    Edit,
    Face,
    Group,
    Hold,
    JournalEntry,
    Labels,
    Learnt,
    ListedFace,
    Picture,
    Profile,
    Restriction,
    Template,
    Tenant,
)
from chalicelib.core.pictures import ATTRIBUTES, FOUND_DIGITS, Box, Estimates, Found, Gender, Pose, Sides
from chalicelib.core.ports import Item
from chalicelib.core.tenant_settings import SETTINGS, StoredSettings
from chalicelib.core.users import User
from chalicelib.core.values import decimal, decimals, known, milliseconds, moment, optional

_RARE = ("name", "note", "external_id", "user", "negatives", "merges", "moving", "number")
"""Fields of a face that its item has only if they say something."""


def tenant_from(item: Item) -> Tenant:
    """Read a tenant. Raises StorageUnavailable if its data are of another format."""
    require_format(item)
    return Tenant(
        name=item["id"],
        profile=Profile(item["profile"]),
        app_id=item["app_id"],
        created_at=moment(item["created_at"]),
        model=item["model"],
        disabled=item["disabled"],
        format=int(item["format"]),
        format_due=optional(_due, item.get("format_due")),
        gone=frozenset(item.get("gone", ())),
        **{name: _setting_from(name, item[name]) for name in SETTINGS if name in item},
    )


def _due(stored: Sequence[Any]) -> Due:
    number, at_ms = map(int, stored)
    return number, at_ms


def tenant_setting_fields(settings: StoredSettings) -> dict[str, Any]:
    """Make the attributes of a tenant's settings, by the names of their fields."""
    return {name: _setting_item(getattr(settings, name)) for name in SETTINGS}


def _setting_item(setting: Any) -> Any:
    if isinstance(setting, Set):
        return sorted(setting)
    return Decimal(str(setting)) if isinstance(setting, float) else setting


def _setting_from(name: str, stored: Any) -> Any:
    kind = SETTINGS[name].kind
    if kind is frozenset:
        return frozenset(one for one in stored if name != "attributes_off" or one in ATTRIBUTES)
    return optional(kind, stored) if kind in (int, float) else stored


# --- groups -----------------------------------------------------------------------------------------------------------


def group_item(tenant: str, group: Group, created_at: datetime) -> Item:
    """Make a group's item. It has `free`, the room that is left, only if the group has a capacity."""
    fields = {
        "tenant": tenant,
        "item": keys.group_item(group.id),
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "count": group.count,
        "attributes": attribute_items(group.attributes),
        "next_attribute_id": group.next_attribute_id,
        "learns": None if group.learns else False,
        "staff": group.staff or None,
        "unseen_days": group.unseen_days,
        "tags": dict(group.tags) or None,
        "users": group.users or None,
        "created_at": milliseconds(created_at),
        "version": group.version,
        "free": None if group.capacity is None else group.capacity - group.count,
    }
    return known(fields)


def attribute_items(attributes: Iterable[Attribute]) -> list[dict[str, Any]]:
    return [{"id": a.id, "name": a.name} for a in attributes]


def group_from(item: Item) -> Group:
    count, free = int(item["count"]), item.get("free")
    return Group(
        id=item["id"],
        name=item["name"],
        description=item["description"],
        count=count,
        capacity=None if free is None else int(free) + count,
        attributes=tuple(Attribute(int(a["id"]), a["name"]) for a in item["attributes"]),
        next_attribute_id=int(item["next_attribute_id"]),
        learns=item.get("learns", True),
        staff=item.get("staff", False),
        unseen_days=optional(int, item.get("unseen_days")),
        tags=item.get("tags") or {},
        users=int(item.get("users", 0)),
        created_at=optional(moment, item.get("created_at")),
        version=int(item["version"]),
    )


# --- faces ------------------------------------------------------------------------------------------------------------


def face_item(tenant: str, face: Face) -> Item:
    """Make a face's item. What a list shows of it is apart from its templates, so that an index can carry it.

    What says nothing is left out: an arrival writes the item, and most stay below 1 KB, a unit of writing.
    """
    said = {
        "age": face.age,
        "gender": face.gender,
        "attributes": {str(id_): value for id_, value in face.attributes.items()} or None,
        "labels": face.labels._asdict() if any(face.labels) else None,
        "last_arrival_at": optional(milliseconds, face.last_arrival_at),
        **{name: getattr(face, name) or None for name in _RARE},
        "changed_at": optional(milliseconds, face.changed_at),
        "revision": None if face.revision == 1 else face.revision,
    }
    return {
        "tenant": tenant,
        "faceid": face.faceid,
        "group": face.group_id,
        "enrolled_at": milliseconds(face.enrolled_at),
        "enrolment_key": keys.enrolment_key(face.group_id, face.enrolled_at, face.faceid),
        "arrival_key": keys.arrival_key(face.group_id, face.last_arrival_at or face.enrolled_at, face.faceid),
        **picture_fields(face),
        "arrive_count": face.arrive_count,
        **known(said),
        **hold_fields(face.hold),
        **_restriction_fields(face.restriction),
        **_consent_fields(face),
        "version": face.version,
    }


def face_from(item: Item) -> Face:
    portrait = replace(_picture_from(item, item["portrait"]), templates=templates_from(item["templates"]))
    return Face(
        pictures=(portrait, *(_picture_from(item, one) for one in item["others"])),
        merges=int(item.get("merges", 0)),
        moving=item.get("moving", ""),
        external_id=item.get("external_id", ""),
        user=item.get("user", ""),
        hold=hold_from(item),
        restriction=optional(_restriction_from, item.get("restriction")),
        consent=optional(consent_from, item.get("consent")),
        changed_at=optional(moment, item.get("changed_at")),
        version=int(item["version"]),
        **_shown(item),
    )


def consent_item(consent: Consent) -> Item:
    return {
        "basis": consent.basis,
        "given_at": milliseconds(consent.given_at),
        "evidence": consent.evidence,
        "expires_at": optional(milliseconds, consent.expires_at),
    }


def consent_from(item: Item) -> Consent:
    return Consent(
        Basis(item["basis"]), moment(item["given_at"]), item["evidence"], optional(moment, item["expires_at"])
    )


def _consent_fields(face: Face) -> Item:
    """Make the record of consent, and the key by which an index finds it."""
    if face.consent is None:
        return {}
    key = keys.consent_key(face.consent.expires_at, face.faceid)
    return {"consent": consent_item(face.consent), "consent_key": key}


def listed_face_from(item: Item) -> ListedFace:
    """Read what a list shows of a face, from its item or from what the index by arrival carries of it."""
    portrait = _picture_from(item, item["portrait"])
    return ListedFace(portrait=portrait, picture_count=int(item["pictures"]), **_shown(item))


def _shown(item: Item) -> dict[str, Any]:
    return {
        "faceid": item["faceid"],
        "group_id": item["group"],
        "enrolled_at": moment(item["enrolled_at"]),
        "age": optional(int, item.get("age")),
        "gender": optional(Gender, item.get("gender")),
        "attributes": {int(id_): value for id_, value in item.get("attributes", {}).items()},
        "labels": Labels(**item.get("labels", {})),
        "name": item.get("name", ""),
        "note": item.get("note", ""),
        "arrive_count": int(item["arrive_count"]),
        "last_arrival_at": optional(moment, item.get("last_arrival_at")),
        "negatives": int(item.get("negatives", 0)),
        "revision": int(item.get("revision", 1)),
        "number": int(item.get("number", 0)),
    }


def hold_fields(hold: Hold | None) -> dict[str, Any]:
    """Make the attribute of a face's legal hold; none if it has none."""
    return {} if hold is None else {"hold": [hold.reason, milliseconds(hold.at)]}


def hold_from(item: Item) -> Hold | None:
    """Invert `hold_fields`."""
    stored = item.get("hold")
    return None if stored is None else Hold(stored[0], moment(stored[1]))


def _restriction_fields(restriction: Restriction | None) -> dict[str, Any]:
    if restriction is None:
        return {}
    return {"restriction": [restriction.reason, milliseconds(restriction.at), *restriction[2:]]}


def _restriction_from(stored: list[Any]) -> Restriction:
    reason, at, *place = stored
    return Restriction(reason, moment(at), *place)


def picture_fields(face: Face) -> dict[str, Any]:
    """Make the attributes of a face's pictures: the portrait without its templates, these, the rest, and how many."""
    first, *others = face.pictures
    return {
        "portrait": _picture_item(face, first),
        "templates": template_items(first.templates),
        "others": [{**_picture_item(face, one), "templates": template_items(one.templates)} for one in others],
        "pictures": len(face.pictures),
    }


def _picture_item(face: Face, picture: Picture) -> Item:
    """Make the item of a picture. It leaves out values that the face's item has, to keep each write small."""
    return {
        "id": bytes.fromhex(picture.id),
        "nonce": keys.nonce_of_picture(picture.key),
        "estimates": estimates_item(picture.estimates),
        **({} if picture.sides is None else {"sides": [*picture.sides]}),
        **({} if picture.added_at == face.enrolled_at else {"added_at": milliseconds(picture.added_at)}),
        **({} if picture.learnt is None else {"learnt": [picture.learnt.sighting_id, picture.learnt.camera]}),
        **({} if picture.founded_at is None else {"founded_at": milliseconds(picture.founded_at)}),
        **({} if picture.found is None else {"found": decimals(picture.found, FOUND_DIGITS)}),
    }


def _picture_from(face: Item, item: Item) -> Picture:
    return Picture(
        bytes(item["id"]).hex(),
        keys.face_picture(face["tenant"], face["faceid"], item["nonce"]) if item["nonce"] else "",
        moment(item.get("added_at", face["enrolled_at"])),
        templates_from(item.get("templates", ())),
        estimates_from(item["estimates"]),
        optional(sides_from, item.get("sides")),
        optional(_learnt_from, item.get("learnt")),
        optional(moment, item.get("founded_at")),
        optional(_found_from, item.get("found")),
    )


def _learnt_from(item: Iterable[str]) -> Learnt:
    from chalicelib.core.captures import captured_ms  # not at the cold starts of what reads no face

    sighting_id, camera = item
    return Learnt(sighting_id, camera, moment(captured_ms(sighting_id)))


def sides_from(item: Iterable[Decimal]) -> Sides:
    return Sides(*map(int, item))


def template_items(templates: Iterable[Template]) -> list[dict[str, Any]]:
    return [{"model": t.model, "vector": t.vector} for t in templates]


def templates_from(items: Iterable[Item]) -> tuple[Template, ...]:
    return tuple(Template(i["model"], bytes(i["vector"])) for i in items)


def as_stored(estimates: Estimates) -> Estimates:
    """Round to the stored digits, so that answers are the same before and after storing."""
    return estimates_from(estimates_item(estimates))


_ESTIMATES = (
    "age",
    "gender",
    "gender_score",
    "emotion",
    "emotion_score",
    "pose",
    "quality",
    "beauty",
    "liveness",
    "heuristics",
)
"""The places of a stored list of estimates; a further one comes behind them. Earlier versions stored a map."""


def estimates_item(estimates: Estimates) -> list[Any]:
    """Make the list of estimates, without their names, so that most faces stay below 1 KB (`face_item`)."""
    return [
        decimal(estimates.age, 1),
        estimates.gender,
        decimal(estimates.gender_score, 3),
        estimates.emotion,
        decimal(estimates.emotion_score, 3),
        optional(decimals, estimates.pose),
        decimal(estimates.quality, 1),
        decimal(estimates.beauty, 1),
        decimal(estimates.liveness, 3),
        sorted(estimates.heuristics),
    ]


def estimates_by_name(stored: Item | Sequence[Any]) -> Item:
    return stored if isinstance(stored, Mapping) else dict(zip(_ESTIMATES, stored, strict=False))


def estimates_from(stored: Item | Sequence[Any]) -> Estimates:
    item = estimates_by_name(stored)
    return Estimates(
        age=optional(float, item["age"]),
        gender=optional(Gender, item["gender"]),
        gender_score=optional(float, item["gender_score"]),
        emotion=item["emotion"],
        emotion_score=optional(float, item["emotion_score"]),
        pose=optional(_pose_from, item["pose"]),
        quality=optional(float, item["quality"]),
        beauty=optional(float, item.get("beauty")),
        liveness=optional(float, item.get("liveness")),
        heuristics=frozenset(item.get("heuristics", ())),
    )


def box_from(item: Iterable[Decimal]) -> Box:
    return Box(*map(float, item))


def _found_from(item: Iterable[Decimal]) -> Found:
    return Found(*map(float, item))


def _pose_from(item: Iterable[Decimal]) -> Pose:
    return Pose(*map(float, item))


def decision_fields(decision: Decision | None) -> Item:
    """Make the attributes of a sighting's or an observation's decision; none if there is no decision."""
    if decision is None:
        return {}
    score, chance = decision.score, decision.false_match_probability
    held_against = {
        "threshold": decimal(decision.threshold, 6),
        "gallery_size": decision.gallery_size,
        "chance": None if chance is None else Decimal(f"{chance:.3g}"),
        "by": decision.by,
        "seq": decision.seq,
        "fpir": None if decision.fpir is None else Decimal(f"{decision.fpir:g}"),
    }
    return known({"decision": known(held_against), "score": decimal(score, 6)})


def decision_from(item: Item) -> Decision | None:
    """Invert `decision_fields`."""
    stored = item.get("decision")
    if stored is None:
        return None
    score, chance = optional(float, item.get("score")), optional(float, stored.get("chance"))
    score = None if score is None else min(score, 1.0)  # earlier versions stored more
    seq, fpir = optional(int, stored.get("seq")), optional(float, stored.get("fpir"))
    held_against = float(stored["threshold"]), int(stored["gallery_size"])
    return Decision(score, *held_against, chance, stored.get("by"), seq, fpir)


# --- journal ----------------------------------------------------------------------------------------------------------


def journal_item(tenant: str, seq: int, at: datetime, entries: Iterable[JournalEntry]) -> Item:
    return {
        "tenant": tenant,
        "seq_key": keys.seq_key(seq),
        "seq": seq,
        "at": milliseconds(at),
        "changes": [
            {
                "edit": entry.edit,
                "faceid": entry.faceid,
                "group": entry.group_id,
                "templates": template_items(entry.templates),
                **({"learnt": True} if entry.learnt else {}),
            }
            for entry in entries
        ],
    }


def journal_entries(item: Item) -> tuple[JournalEntry, ...]:
    return tuple(
        JournalEntry(
            Edit(c["edit"]), c["faceid"], c["group"], templates_from(c["templates"]), learnt=c.get("learnt", False)
        )
        for c in item["changes"]
    )


def user_item(tenant: str, user: User) -> Item:
    return {
        "tenant": tenant,
        "item": keys.user_item(user.entry),
        "group": user.group_id,
        "id": user.id,
        "faces": list(user.faceids),
        "templates": template_items(user.templates),
        **({"name": user.name, "created_at": optional(milliseconds, user.created_at)} if user.name else {}),
    }


def user_from(item: Item) -> User:
    return User(
        item["group"],
        item["id"],
        tuple(item["faces"]),
        templates_from(item["templates"]),
        item.get("name", ""),
        optional(moment, item.get("created_at")),
    )
