"""Members of the tenant over v1: who may sign in to the console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from msgspec import UNSET, Meta, UnsetType

from chalicelib.api.v1.endpoint import (
    Operations,
    V1Context,
    answer_nothing,
    refuse_secret_again,
)
from chalicelib.api.v1.keys import KeyRole, list_changes
from chalicelib.api.v1.shapes import Name, QrPath, ScreenPage, ShownPage, draw_qr_code
from chalicelib.api.v1.wire import Answer, Changes, Sent, Time
from chalicelib.auth.roles import Member as Stored
from chalicelib.auth.roles import Role
from chalicelib.domain import audit_events
from chalicelib.domain.effects import name_access

operations = Operations()

Pictures = Annotated[
    bool,
    Meta(
        description="Whether pictures of people are shown: false for the pages `traffic` and "
        "`report`."
    ),
]
Screen = Annotated[
    bool,
    Meta(
        description="A screen on the wall: the link alone signs it in, as a viewer, until it is "
        "removed."
    ),
]


class NewMember(Sent, kw_only=True):
    name: Name
    role: KeyRole = "viewer"
    pictures: Pictures = True
    screen: Screen = False
    page: Annotated[
        ScreenPage | None,
        Meta(
            description="That a screen shows, and no other; null: visits. What the page does not "
            "call is answered 403 NotAllowed, as are visits before today. `traffic` and `report` "
            "show figures alone."
        ),
    ] = None


class MemberChanges(Changes):
    name: Name | UnsetType = UNSET
    role: KeyRole | UnsetType = UNSET
    pictures: Pictures | UnsetType = UNSET


class MemberPasskey(Answer):
    id: str
    host: Annotated[str, Meta(description="The host name on which it signs in.")]
    created_at: Time


class Member(Answer):
    id: str
    name: Name
    role: KeyRole
    pictures: Pictures
    screen: Screen
    page: ShownPage
    has_password: bool
    passkeys: Annotated[list[MemberPasskey], Meta(max_length=10)]
    created_at: Time
    invited_until: Annotated[Time | None, Meta(description="Null: no link waits to be opened.")]
    signed_in_at: Annotated[Time | None, Meta(description="The last time; null: never yet.")]


class MemberInvited(Member):
    url: Annotated[
        str, Meta(description="The link. It is good once, for seven days, and shown nowhere else.")
    ]
    qr_path: QrPath
    qr_size: int


Shown = TypeVar("Shown", bound=Member)


class RemovalWanted(Sent):
    end: Annotated[
        str,
        Meta(
            max_length=8000,
            pattern="^[!-~ ]*$",
            description="What ends besides: `all`, or accesses of `GET /v1/members/{id}/made` with "
            "commas between them. `all` leaves members who have signed in, keys that many "
            "clients share, and the last admin's key.",
        ),
    ] = ""


class MadeAccess(Answer):
    access: Annotated[
        str, Meta(description="Its name, as the audit has it: `key 12`, `hook 9`, `camera door`.")
    ]
    kind: Annotated[str, Meta(description="key, member, hook, camera, code, session or another.")]
    name: Annotated[str, Meta(description="What people call it, and whom a hook tells.")]
    ends: Annotated[
        Literal["always", "asked", "renewed", "own"],
        Meta(
            description="always: with the member. asked: if somebody asks for it. renewed: if "
            "another takes its place. own: it is a person who has signed in."
        ),
    ]
    via: Annotated[
        str, Meta(description="The key of the member's by which it was made; empty: by none.")
    ]
    made_at: Annotated[Time | None, Meta(description="Null: nobody knows.")]


class MadeAccesses(Answer):
    made: list[MadeAccess]


class Members(Answer):
    members: Annotated[list[Member], Meta(max_length=100)]


@operations("GET", "/v1/members", Role.ADMIN)
def list_members(context: V1Context) -> Members:
    """List who may sign in, by age. Keys, which programs sign in by, are at `GET /v1/keys`."""
    return Members(
        members=[
            _describe_member(Member, member)
            for member in context.services.access.members.list_all(context.tenant)
        ]
    )


@operations(
    "POST",
    "/v1/members",
    Role.ADMIN,
    status=201,
    again=refuse_secret_again("member", "invite this one again"),
)
def add_member(context: V1Context, body: NewMember) -> MemberInvited:
    """Invite somebody, or a screen on the wall.

    The person who opens the link makes a passkey or password, and is in.

    The link cannot change the role.
    """
    context.caller.require_may_give(pictures=body.pictures)
    member, invitation = context.services.access.members.add(
        context.tenant,
        body.name,
        Role(body.role),
        pictures=body.pictures,
        screen=body.screen,
        page=body.page,
        request=context.request_id,
    )
    return _describe_invitation(context, member, invitation)


def _read_member(context: V1Context) -> Stored:
    return context.services.access.members.get(context.tenant, context.path_values["id"])


def _answer_change_again(context: V1Context, _body: Mapping[str, Any]) -> Member:
    return _describe_member(Member, _read_member(context))


@operations("PATCH", "/v1/members/{id}", Role.ADMIN, again=_answer_change_again)
def change_member(context: V1Context, body: MemberChanges) -> Member:
    """Change what is sent; it holds from the person's next request on."""
    changes = list_changes(body)
    if changes.get("pictures"):
        context.caller.require_may_give(pictures=not _read_member(context).pictures)
    return _describe_member(
        Member,
        context.services.access.members.change_member(
            context.tenant, context.path_values["id"], changes, context.request_id
        ),
    )


@operations(
    "DELETE", "/v1/members/{id}", Role.ADMIN, again=lambda context, _: _describe_made(context)
)
def delete_member(context: V1Context, query: RemovalWanted) -> MadeAccesses:
    """Remove somebody, whose sessions and link end at once, and list what this member made that
    stands still.

    What this member had sent to a phone, a browser or a mailbox ends, too. Keys, other hooks,
    screens, links and cameras' keys stay unless `end` names them.
    """
    member = _read_member(context)
    wanted = [name.strip() for name in query.end.split(",") if name.strip()]
    context.services.access.made.remove_member(
        context.tenant, member.id, wanted, context.request_id
    )
    return _describe_made(context)


@operations("GET", "/v1/members/{id}/made", Role.ADMIN)
def list_made(context: V1Context) -> MadeAccesses:
    """List what somebody made that stands, and the browsers that are signed in as them.

    It is there for members who were removed, too.
    """
    answer = _describe_made(context)
    if not answer.made:
        _read_member(context)
    return answer


def _describe_made(context: V1Context) -> MadeAccesses:
    maker = name_access("member", context.path_values["id"])
    made = context.services.access.made.list_made(context.tenant, maker)
    audit_events.report_people(each.access for each in made if each.kind == "member")
    return MadeAccesses(made=[MadeAccess.made_of(each, made_at=each.maker.at) for each in made])


@operations("DELETE", "/v1/members/{id}/made/{access}", Role.ADMIN, again=answer_nothing)
def end_made(context: V1Context) -> None:
    """End one of them, such as `key 12`: a key, hook, screen or link, the key of a camera, which
    gets another one, or a browser that is signed in."""
    maker = name_access("member", context.path_values["id"])
    context.services.access.made.end_one(
        context.tenant, maker, context.path_values["access"], context.request_id
    )


@operations(
    "POST",
    "/v1/members/{id}/invitation",
    Role.ADMIN,
    status=201,
    again=refuse_secret_again("a link for member", "ask for one more"),
)
def invite_member(context: V1Context) -> MemberInvited:
    """Make another link, to sign in on another device or to set a password anew; the one before is
    good no more."""
    context.caller.require_may_give(pictures=_read_member(context).pictures)
    return _describe_invitation(
        context,
        *context.services.access.members.invite(
            context.tenant, context.path_values["id"], context.request_id
        ),
    )


@operations("DELETE", "/v1/members/{id}/passkeys/{passkey}", Role.ADMIN, again=answer_nothing)
def remove_passkey(context: V1Context) -> None:
    """Remove a passkey, of a lost phone say; the person is signed out everywhere."""
    context.services.access.members.remove_passkey(
        context.tenant,
        context.path_values["id"],
        context.path_values["passkey"],
        context.request_id,
    )


def _describe_invitation(context: V1Context, member: Stored, invitation: str) -> MemberInvited:
    url = context.route(f"/console#invitation={invitation}")
    return _describe_member(MemberInvited, member, url=url, **draw_qr_code(url))


def _describe_member(kind: type[Shown], member: Stored, **others: Any) -> Shown:
    audit_events.report_people([f"member {member.id}"])
    passkeys = [MemberPasskey.made_of(passkey) for passkey in member.passkeys]
    return kind.made_of(
        member,
        page=member.shown_page,
        has_password=member.password is not None,
        passkeys=passkeys,
        **others,
    )
