"""List of what people did in the last 30 days, with former values; and taking it back.

An act is taken back by the operation that makes such changes, which is given the former values. So
people who may not do it may not take it back, and the operation asks and refuses the same here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, NamedTuple, NoReturn

from msgspec import Meta, field
from msgspec.structs import replace

from chalicelib.api.v1 import account, cameras, counts, faces, groups, hooks, merges
from chalicelib.api.v1.endpoint import Operations, V1Context, V1Operation
from chalicelib.api.v1.faces import FaceId
from chalicelib.api.v1.filters import require_named
from chalicelib.api.v1.shapes import Number, Portrait, describe_portrait, parse_number
from chalicelib.api.v1.wire import Answer, Instant, NextToken, Paged, Text, Time, parse_as
from chalicelib.auth.roles import Role
from chalicelib.domain import audit_events, model
from chalicelib.domain.captures import (
    SETTINGS_OF_CAMERA,
    Resolution,
    Sighting,
    parts_of_sighting,
)
from chalicelib.domain.done import (
    LISTED_ALONE,
    MOST_IN_THE_WAY,
    ActKind,
    Done,
    Stays,
    Values,
    list_values,
)
from chalicelib.domain.errors import (
    Changed,
    Conflict,
    FaceMerged,
    GroupNotFound,
    InTheWay,
    InvalidInput,
    TakenBack,
)
from chalicelib.domain.webhooks import SETTINGS_OF_HOOK
from chalicelib.storage import keys
from chalicelib.storage.values import time_text

operations = Operations()

_TRIES = 3
"""How often an act is looked at anew that somebody else changes meanwhile."""


class ActsWanted(Paged):
    since: Annotated[Instant | None, Meta(description="From this time on.")] = field(
        default=None, name="from"
    )
    until: Annotated[Instant | None, Meta(description="Before this time.")] = field(
        default=None, name="to"
    )
    by: Annotated[
        Text | None, Meta(description="Who did it: a person's or a key's name, or its id.")
    ] = None
    name: Annotated[
        Text | None,
        Meta(description="Changes of a name: the beginning of words of the former or the new one."),
    ] = None
    face: Annotated[FaceId | None, Meta(description="Acts on this face.")] = None


class Concerned(Answer):
    """Somebody whom an act concerns, as the face is now."""

    id: str
    name: str
    number: Number
    portrait: Annotated[Portrait | None, Meta(description="Null if it was merged into another.")]


class Act(Answer):
    """An act of somebody, with the values that it changed."""

    id: Annotated[str, Meta(description="That of its entry in the audit.")]
    at: Time
    what: Annotated[str, Meta(description="The operation, as the audit calls it.")]
    by: Annotated[str, Meta(description="Who did it, as the audit has it.")]
    kind: Annotated[
        ActKind,
        Meta(
            description="What it changed. deletion: people went. Of another kind `after.deleted` "
            "says that the thing itself went. Neither can be taken back."
        ),
    ]
    of: Annotated[str, Meta(description="Id of what it changed; empty if that is gone for good.")]
    faces: list[Concerned]
    before: Annotated[
        dict[str, Any],
        Meta(
            description="Former values, by the members that set them; a part as `labels.a`. Of a "
            "hook's URL the host alone, since more of it may be secret."
        ),
    ]
    after: Annotated[dict[str, Any], Meta(description="The values that it set.")]
    takes_back: Annotated[str | None, Meta(description="Id of the act that it took back.")]
    taken_back_at: Time | None
    taken_back_by: str | None
    until: Annotated[
        Time | None,
        Meta(description="How long it can be taken back; null: it cannot, or was."),
    ]
    stays: Annotated[
        Stays | None,
        Meta(
            description="Why it cannot be taken back: something was deleted, two were made two "
            "again (merge them by hand), the sighting is nobody's now or its picture gone, or the "
            "values are kept nowhere else."
        ),
    ]


class ActsPage(Answer):
    acts: list[Act]
    next_token: NextToken


class _State(NamedTuple):
    """Present values of the thing that an act changed.

    `sent`: what the operation is given beside the values; `path`: the values in its path, if they
    are others than the id of what was changed.
    """

    values: Values
    sent: Mapping[str, Any] = {}
    path: Mapping[str, str] | None = None


def _say_as_stored(_context: V1Context, values: Values) -> Values:
    return values


class _WayBack(NamedTuple):
    """The way to take back acts of a kind.

    `door`: the operation that makes such changes. `read`: reads what an act changed, as it is now.
    `name_values`: says values as that operation takes them. `make_body`: makes its body, if that is
    not what was before.
    """

    door: V1Operation
    read: Callable[[V1Context, Done], _State]
    name_values: Callable[[V1Context, Values], Values] = _say_as_stored
    make_body: Callable[[Done], dict[str, Any]] | None = None


def _read_face(context: V1Context, act: Done) -> _State:
    # not at the other routes' cold starts
    from chalicelib.book.enrolment.fields import list_face_values

    face = context.services.faces.get(context.tenant, act.of)
    group = context.services.groups.find_by_id(context.tenant, face.group_id)
    if group is None:
        raise GroupNotFound("the group of this person is just being deleted")
    return _State(list_face_values(face, group), {"revision": face.revision})


def _name_face_values(context: V1Context, values: Values) -> Values:
    """Return a face's values with the id of the portrait, the present name of its group, and those
    attributes of it that the group has still. A group that is gone is called "", and so is a
    picture, unless other values go back without it."""
    if key := values.get("portrait"):
        face = context.services.faces.find(
            context.tenant, keys.faceid_of_picture(context.tenant.name, key)
        )
        ids = (picture.id for picture in (face.pictures if face else ()) if picture.key == key)
        picture_id = next(ids, "")
        others = {name: value for name, value in values.items() if name != "portrait"}
        values = others if others and not picture_id else {**others, "portrait": picture_id}
    if "group" not in values:
        return values
    group = context.services.groups.find_by_id(context.tenant, values["group"])
    if group is None:
        return {**values, "group": ""}
    known = {f"attributes.{attribute.name}" for attribute in group.attributes}
    kept = {
        name: value
        for name, value in values.items()
        if name in known or not name.startswith("attributes.")
    }
    return {**kept, "group": group.name}


def _read_merge(context: V1Context, act: Done) -> _State:
    merge = context.services.merges.records.get(context.tenant.name, act.of)
    if merge.is_active:
        context.services.faces.get(context.tenant, merge.survivor)  # raises FaceMerged
    return _State({"merged": merge.is_active})


def _read_rejection(context: V1Context, act: Done) -> _State:
    """Read whose the sighting is now.

    Raises InTheWay also for later acts on the visit's other sightings, and on a face that was made
    of it, which would go.
    """
    sighting = _find_sighting(context, act)
    if sighting is None or sighting.faceid is None:
        raise Conflict(
            "the sighting is nobody's now, or its picture is not kept any more, so it cannot be "
            "given back"
        )
    present = sighting.faceid
    if sighting.resolution is Resolution.STRANGER:
        act = replace(act, faces=(*act.faces, present))
    if context.services.done.list_in_the_way(context.tenant, act):
        _refuse(context, act)
    owner = present if act.after["face"] else None
    return _State({**act.after, "face": owner}, path={"id": present, "sighting": act.of})


def _find_sighting(context: V1Context, act: Done) -> Sighting | None:
    """Return the sighting of a rejection as it is now; None: it is not kept."""
    capture_id, number = parts_of_sighting(act.of)
    capture = context.services.captures.find(context.tenant, act.after["camera"], capture_id)
    return capture.sightings[number] if capture else None


def _make_return(act: Done) -> dict[str, Any]:
    """Return the body that gives sightings back to the face that had them."""
    return {"other": act.before["face"], "visit": True, "only": act.after["sightings"]}


def _read_settings(context: V1Context, act: Done) -> _State:
    tenant, promotion = context.services.account.read_settings(context.tenant)
    of_promotion = [name for name in act.after if name in model.PROMOTION_SETTINGS]
    of_tenant = [name for name in act.after if name not in model.PROMOTION_SETTINGS]
    return _State({**list_values(tenant, of_tenant), **list_values(promotion, of_promotion)})


def _name_settings(context: V1Context, values: Values) -> Values:
    return _name_groups(context, values, "no_pictures_of", "no_pictures_of")


def _read_group(context: V1Context, act: Done) -> _State:
    group = context.services.groups.get(context.tenant, act.of)
    return _State(list_values(group, model.SETTINGS_OF_GROUP), {"revision": group.version})


def _read_camera(context: V1Context, act: Done) -> _State:
    camera = context.services.cameras.get(context.tenant, act.of)
    return _State(list_values(camera, SETTINGS_OF_CAMERA), {"revision": camera.version})


def _name_camera_values(context: V1Context, values: Values) -> Values:
    return _name_groups(context, values, "group_ids", "groups")


def _read_hook(context: V1Context, act: Done) -> _State:
    hook = context.services.webhooks.hooks.get(context.tenant.name, act.of)
    listed_alone = {name: act.after[name] for name in LISTED_ALONE & act.after.keys()}
    return _State({**list_values(hook, SETTINGS_OF_HOOK), **listed_alone})


def _name_hook_values(_context: V1Context, values: Values) -> Values:
    return _rename_kinds(values)


def _rename_kinds(values: Values) -> dict[str, Any]:
    return {"events" if name == "kinds" else name: value for name, value in values.items()}


def _make_hook_body(act: Done) -> dict[str, Any]:
    """Return the body that changes a hook back, as far as that is known."""
    values = {name: value for name, value in act.before.items() if name not in LISTED_ALONE}
    return _rename_kinds(values)


def _name_groups(context: V1Context, values: Values, stored: str, said: str) -> Values:
    """Return the values with groups by their names in place of their ids, under another name.

    Groups that are gone are left out.
    """
    if stored not in values:
        return values
    names = {group.id: group.name for group in context.services.groups.list_all(context.tenant)}
    ids = values[stored]
    named = None if ids is None else [names[id_] for id_ in ids if id_ in names]
    return {name: value for name, value in values.items() if name != stored} | {said: named}


_WAYS_BACK: Mapping[ActKind, _WayBack] = {
    ActKind.FACE: _WayBack(
        faces.operations.find("PATCH", "/v1/faces/{id}"), _read_face, _name_face_values
    ),
    ActKind.MERGE: _WayBack(merges.operations.find("POST", "/v1/merges/{id}/undo"), _read_merge),
    ActKind.REJECTION: _WayBack(
        faces.operations.find("POST", "/v1/faces/{id}/sightings/{sighting}/reject"),
        _read_rejection,
        make_body=_make_return,
    ),
    ActKind.SETTINGS: _WayBack(
        account.operations.find("PATCH", "/v1/settings"), _read_settings, _name_settings
    ),
    ActKind.GROUP: _WayBack(groups.operations.find("PATCH", "/v1/groups/{id}"), _read_group),
    ActKind.CAMERA: _WayBack(
        cameras.operations.find("PATCH", "/v1/cameras/{id}"), _read_camera, _name_camera_values
    ),
    ActKind.HOOK: _WayBack(
        hooks.operations.find("PATCH", "/v1/hooks/{id}"),
        _read_hook,
        _name_hook_values,
        _make_hook_body,
    ),
}
"""How acts are taken back, by their kinds; those of other kinds cannot be."""

_DOORS: Mapping[ActKind, V1Operation] = {
    **{kind: way_back.door for kind, way_back in _WAYS_BACK.items()},
    ActKind.PLACE: counts.operations.find("DELETE", "/v1/places/{id}"),
}
"""The operations whose role may see acts of a kind; those of other kinds all editors see."""


_WHY: Mapping[Stays, str] = {
    Stays.DELETED: "what was deleted cannot be taken back",
    Stays.PARTED: "who was made two again is merged by hand",
    Stays.UNKEPT: "the former values of attributes, and a former channel, are kept nowhere: set "
    "them anew",
}


@operations("GET", "/v1/done", Role.OPERATOR)
def list_acts(context: V1Context, query: ActsWanted) -> ActsPage:
    """List what people did in the last 30 days, newest first: of all, somebody, a time or a name.

    Only acts that the caller's role may do. Nothing of people who were deleted, erased or
    restricted: of a deletion only that there was one. A page may be short, or empty, and still
    have a `next_token`.
    """
    from chalicelib.privacy.done import ActFilter  # not at the other routes' cold starts

    by = query.by
    if by is not None:
        by = context.services.access.callers.find_caller(context.tenant, by)
    if query.since and query.until and query.until <= query.since:
        raise InvalidInput(
            f"to ({time_text(query.until)}) is not behind from ({time_text(query.since)})"
        )
    wanted = ActFilter(query.since, query.until, by, query.name, query.face)
    kinds = _list_own_kinds(context)
    page = context.services.done.read_page(context.tenant, wanted, kinds, query.limit, query.token)
    if not page.rows and page.next_token is None:
        require_named(context.services, context.tenant, face=query.face)
        # the error names everybody who has access, which managers alone may read
        if query.by is not None and context.caller.role.includes(Role.ADMIN):
            context.services.access.callers.require_caller(context.tenant, query.by)
    return ActsPage(acts=_describe_acts(context, page.rows), next_token=page.next_token)


def _answer_again(context: V1Context, _body: Mapping[str, Any]) -> Act:
    act = _get_act(context)
    if act.taken_back_at is not None:
        _finish(context, act)
    return _describe_act(context, _get_act(context))


@operations("POST", "/v1/done/{id}/undo", Role.OPERATOR, again=_answer_again)
def take_back(context: V1Context) -> Act:
    """Take an act back: what it changed is as it was before, by the operation that makes such
    changes.

    Within 30 days. 409 InTheWay if one of the values was set anew since: `acts` are the later acts
    to take back first, the newest 20 at most, and nothing is changed. Other values stay as they
    are, and so does the URL of a hook. Taken back before, it is answered the same. It is an act
    itself, and can be taken back.
    """
    for is_last in (*[False] * (_TRIES - 1), True):
        act = _get_act(context)
        if act.taken_back_at is not None:
            _finish(context, act)
            break
        try:
            _take_back(context, act)
        except TakenBack:  # by this very call, sent twice
            break
        except Changed:  # between the look and the change
            if is_last:
                raise
        else:
            break
    return _describe_act(context, _get_act(context))


def _get_act(context: V1Context) -> Done:
    return context.services.done.get(
        context.tenant, context.path_values["id"], _list_own_kinds(context)
    )


def _take_back(context: V1Context, act: Done) -> None:
    """Give what was before to the operation that makes such changes.

    Raises InTheWay, and what the operation raises.
    """
    way_back = _WAYS_BACK.get(act.kind)
    if way_back is None or act.stays is not None:
        raise InTheWay(_WHY[act.stays or Stays.DELETED], acts=[])
    door = way_back.door
    context.caller.require_role(door.role or Role.ADMIN, of_cameras=False)
    try:
        state = way_back.read(context, act)
        is_as_left = all(state.values.get(name, "") == value for name, value in act.after.items())
    except FaceMerged:  # the merge is one of the later acts
        is_as_left = False
    if not is_as_left:
        _refuse(context, act)
    audit_events.report_taking_back(act.id, {} if act.kind is ActKind.REJECTION else act.after)
    arguments = {}
    if door.body is not None:
        values = way_back.name_values(context, act.before)
        if values.get("group") == "":
            raise GroupNotFound(
                f"the group {act.before['group']!r}, which this act moved the person out of, is "
                "deleted: move the person to another group"
            )
        body = way_back.make_body(act) if way_back.make_body else _make_body(values)
        arguments["body"] = parse_as(door.body, {**body, **state.sent})
    door.view(replace(context, path_values=state.path or {"id": act.of}), **arguments)


def _refuse(context: V1Context, act: Done) -> NoReturn:
    """Raise InTheWay with the later acts; TakenBack if this one was taken back between two
    looks."""
    if _get_act(context).taken_back_at is not None:
        raise TakenBack
    later_acts = context.services.done.list_in_the_way(context.tenant, act)
    raise InTheWay(
        "what this act set was set anew since: take the later acts back first, of which these "
        f"are the newest {MOST_IN_THE_WAY} at most",
        acts=[later.id for later in later_acts],
    )


def _finish(context: V1Context, act: Done) -> None:
    """Do what is left of taking an act back, if that was cut off behind its first write; nothing if
    somebody changed since what it did."""
    from chalicelib.privacy.done import ActFilter  # not at the other routes' cold starts

    acts = context.services.done
    later_acts = acts.list_all(context.tenant, ActFilter(since=act.taken_back_at))
    undoing = next((later for later in later_acts if later.takes_back == act.id), None)
    if undoing is None or undoing.taken_back_at or acts.list_in_the_way(context.tenant, undoing):
        return
    audit_events.report_listed()
    if undoing.kind is ActKind.MERGE:  # so also goes back who was made by a rejection
        context.services.merges.mover.finish_merge(context.tenant, undoing.of)
    if undoing.kind is ActKind.REJECTION:
        faceid, other = undoing.before["face"], undoing.after["face"]
        context.services.sightings.rejection.finish_return(
            context.tenant, faceid, other, act.after["sightings"], act.after["camera"]
        )


def _make_body(values: Values) -> dict[str, Any]:
    """Return the values as a body has them: `labels.a` as a member of `labels`."""
    body: dict[str, Any] = {}
    for name, value in values.items():
        member, _, part = name.partition(".")
        if part:
            body.setdefault(member, {})[part] = value
        else:
            body[member] = value
    return body


def _name_values(context: V1Context, act: Done, values: Values) -> dict[str, Any]:
    way_back = _WAYS_BACK.get(act.kind)
    return dict(values if way_back is None else way_back.name_values(context, values))


def _list_own_kinds(context: V1Context) -> list[ActKind]:
    """Return the kinds of acts that the caller may do."""
    role = context.caller.role
    return [
        kind
        for kind in ActKind
        if kind not in _DOORS or role.includes(_DOORS[kind].role or Role.ADMIN)
    ]


def _describe_act(context: V1Context, act: Done) -> Act:
    [described] = _describe_acts(context, [act])
    return described


def _describe_acts(context: V1Context, acts: Iterable[Done]) -> list[Act]:
    acts = list(acts)
    faceids = {faceid for act in acts for faceid in act.faces}
    found = context.services.faces.by_id(context.tenant, faceids)
    absorbed = _find_absorbed(context, acts)
    audit_events.report_people(faceids)
    return [
        Act.made_of(
            act,
            faces=[
                _describe_concerned(context, id_, found.get(id_) or absorbed.get(act.of))
                for id_ in act.faces
            ],
            before=_name_values(context, act, act.before),
            after=_name_values(context, act, act.after),
            takes_back=act.takes_back or None,
            taken_back_by=act.taken_back_by or None,
            until=None if reason or act.taken_back_at else time_text(act.expires_at),
            stays=reason,
        )
        for act, reason in ((act, _find_reason(context, act)) for act in acts)
    ]


def _find_absorbed(context: V1Context, acts: Iterable[Done]) -> dict[str, model.Face]:
    """Return the faces that merges made a part of another, as they were, by the merges' ids."""
    merge_ids = [act.of for act in acts if act.kind is ActKind.MERGE]
    merges = context.services.merges.records.by_id(context.tenant.name, merge_ids)
    return {id_: merge.backup.face for id_, merge in merges.items() if merge.backup}


def _describe_concerned(context: V1Context, faceid: str, face: model.Face | None) -> Concerned:
    return Concerned(
        id=faceid,
        name=face.name if face else "",
        number=parse_number(face),
        portrait=describe_portrait(context, face) if face else None,
    )


def _find_reason(context: V1Context, act: Done) -> Stays | None:
    """Return why an act cannot be taken back; None: it can be, unless it was."""
    if act.kind is ActKind.REJECTION and act.taken_back_at is None:
        is_gone = context.services.faces.list_gone(context.tenant, [str(act.before["face"])])
        return Stays.NOBODYS if is_gone or not _can_be_given_back(context, act) else None
    return act.stays


def _can_be_given_back(context: V1Context, act: Done) -> bool:
    """Tell whether the sighting of a rejection is somebody's, and its picture there."""
    sighting = _find_sighting(context, act)
    if sighting is None or sighting.faceid is None:
        return False
    try:
        capture_id, _ = parts_of_sighting(act.of)
        context.services.captures.require_picture(context.tenant, act.after["camera"], capture_id)
    except Conflict:
        return False
    return True
