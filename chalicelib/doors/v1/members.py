"""Members of the tenant over v1: who may sign in to the console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from msgspec import UNSET, Meta, UnsetType

from chalicelib.book.words import acts
from chalicelib.doors.v1.endpoint import Call, Operations, answer_nothing, refuse_secret_again
from chalicelib.doors.v1.keys import KeyRole, list_changes
from chalicelib.doors.v1.shapes import Name, QrPath, ScreenPage, ShownPage, draw_qr_code
from chalicelib.doors.v1.wire import Answer, Changes, Sent, Time
from chalicelib.doors.words.roles import Member as Stored
from chalicelib.doors.words.roles import Role

operations = Operations()

Pictures = Annotated[
    bool, Meta(description="Whether pictures of people are shown: false for the pages `traffic` and `report`.")
]
Screen = Annotated[
    bool, Meta(description="A screen on the wall: the link alone signs it in, as a viewer, until it is removed.")
]


class NewMember(Sent, kw_only=True):
    name: Name
    role: KeyRole = "viewer"
    pictures: Pictures = True
    screen: Screen = False
    page: Annotated[
        ScreenPage | None,
        Meta(
            description="That a screen shows, and no other; null: visits. `traffic` and `report` show figures alone: "
            "what they do not call is answered 403 NotAllowed."
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
    url: Annotated[str, Meta(description="The link. It is good once, for seven days, and shown nowhere else.")]
    qr_path: QrPath
    qr_size: int


Shown = TypeVar("Shown", bound=Member)


class Members(Answer):
    members: Annotated[list[Member], Meta(max_length=100)]


@operations("GET", "/v1/members", Role.ADMIN)
def list_members(call: Call) -> Members:
    """List who may sign in, by age. Keys, which programs sign in by, are at `GET /v1/keys`."""
    return Members(
        members=[_describe_member(Member, member) for member in call.services.access.members.list_all(call.tenant)]
    )


@operations("POST", "/v1/members", Role.ADMIN, status=201, again=refuse_secret_again("member", "invite this one again"))
def add_member(call: Call, body: NewMember) -> MemberInvited:
    """Invite somebody, or a screen on the wall. The person who opens the link makes a passkey or password, and is in.

    The link cannot change the role.
    """
    call.caller.require_may_give(pictures=body.pictures)
    member, invitation = call.services.access.members.add(
        call.tenant,
        body.name,
        Role(body.role),
        pictures=body.pictures,
        screen=body.screen,
        page=body.page,
        request=call.request,
    )
    return _describe_invitation(call, member, invitation)


def _read_member(call: Call) -> Stored:
    return call.services.access.members.get(call.tenant, call.path["id"])


def _answer_change_again(call: Call, _body: Mapping[str, Any]) -> Member:
    return _describe_member(Member, _read_member(call))


@operations("PATCH", "/v1/members/{id}", Role.ADMIN, again=_answer_change_again)
def change_member(call: Call, body: MemberChanges) -> Member:
    """Change what is sent; it holds from the person's next request on."""
    changes = list_changes(body)
    if changes.get("pictures"):
        call.caller.require_may_give(pictures=not _read_member(call).pictures)
    return _describe_member(
        Member, call.services.access.members.change_member(call.tenant, call.path["id"], changes, call.request)
    )


@operations("DELETE", "/v1/members/{id}", Role.ADMIN, again=answer_nothing)
def delete_member(call: Call) -> None:
    """Remove somebody, whose sessions and link end at once."""
    call.services.access.members.delete(call.tenant, call.path["id"], call.request)


@operations(
    "POST",
    "/v1/members/{id}/invitation",
    Role.ADMIN,
    status=201,
    again=refuse_secret_again("a link for member", "ask for one more"),
)
def invite_member(call: Call) -> MemberInvited:
    """Make another link, to sign in on another device or to set a password anew; the one before is good no more."""
    call.caller.require_may_give(pictures=_read_member(call).pictures)
    return _describe_invitation(call, *call.services.access.members.invite(call.tenant, call.path["id"], call.request))


@operations("DELETE", "/v1/members/{id}/passkeys/{passkey}", Role.ADMIN, again=answer_nothing)
def remove_passkey(call: Call) -> None:
    """Remove a passkey, of a lost phone say; the person is signed out everywhere."""
    call.services.access.members.remove_passkey(call.tenant, call.path["id"], call.path["passkey"], call.request)


def _describe_invitation(call: Call, member: Stored, invitation: str) -> MemberInvited:
    url = call.route(f"/console#invitation={invitation}")
    return _describe_member(MemberInvited, member, url=url, **draw_qr_code(url))


def _describe_member(kind: type[Shown], member: Stored, **others: Any) -> Shown:
    acts.report_people([f"member {member.id}"])
    passkeys = [MemberPasskey.made_of(passkey) for passkey in member.passkeys]
    return kind.made_of(
        member, page=member.shown_page, has_password=member.password is not None, passkeys=passkeys, **others
    )
