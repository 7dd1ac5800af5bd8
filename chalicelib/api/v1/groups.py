"""Groups over v1: list, make, read, change, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType, field

from chalicelib.api.v1.endpoint import Operations, V1Context, answer_as, answer_nothing
from chalicelib.api.v1.wire import (
    Answer,
    Changes,
    NextToken,
    Revision,
    Sent,
    Text,
    list_sent_members,
)
from chalicelib.auth.roles import Role
from chalicelib.domain import model

operations = Operations()

GroupName = Annotated[
    Text,
    Meta(
        description="One line of 1 to 96 characters; it does not begin with a space.",
        extra_json_schema={"minLength": 1},
    ),
]
Capacity = Annotated[
    Annotated[int, Meta(ge=1, le=1_000_000)] | None,
    Meta(
        description="How many faces it may hold; null, as many as the tenant may. A camera profile "
        "needs a number."
    ),
]
Description = Annotated[str, Meta(max_length=150)]
Attributes = Annotated[
    list[Annotated[str, Meta(max_length=50)]],
    Meta(max_length=5, description="Names of what is noted of each face of the group."),
]
Learns = Annotated[
    bool,
    Meta(
        description="Whether its faces learn from their sure sightings, if the tenant's do. At "
        "first true."
    ),
]
Staff = Annotated[
    bool,
    Meta(description="Whether its faces are staff, and no visitors: arrivals and statistics leave "
"them out unless "
         "`staff=true` asks for them. At first false."),
]  # fmt: skip
UnseenDays = Annotated[
    Annotated[int, Meta(ge=1, le=3_650)] | None,
    Meta(
        description="Days after which a face of the group is deleted that was not seen again; "
        "null: never. A new "
        "group has the tenant's `regular_days`. For `stranger` and `regular` the settings say it."
    ),
]


class NewGroup(Sent):
    name: GroupName
    capacity: Capacity = None
    description: Description = ""
    attributes: Attributes = field(default_factory=list)


class GroupChanges(Changes):
    name: GroupName | UnsetType = UNSET
    capacity: Capacity | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    attributes: Attributes | UnsetType = UNSET
    learns: Learns | UnsetType = UNSET
    staff: Staff | UnsetType = UNSET
    unseen_days: UnseenDays | UnsetType = UNSET
    revision: Revision | UnsetType = UNSET


class Group(Answer):
    id: str
    name: str
    capacity: Capacity
    description: str
    attributes: Attributes
    learns: Learns
    staff: Staff
    unseen_days: UnseenDays
    count: Annotated[int, Meta(ge=0, description="How many faces it holds.")]
    hidden: Annotated[
        int, Meta(ge=0, description="How many of these are hidden from lists of people.")
    ]
    revision: Annotated[
        int, Meta(ge=1, description="Grows with each change by a caller; faces that come are none.")
    ]


class Groups(Answer):
    groups: Annotated[list[Group], Meta(max_length=1000)]
    next_token: Annotated[NextToken, Meta(description="Null: all groups are in one answer.")]


@operations("GET", "/v1/groups", Role.VIEWER)
def list_groups(context: V1Context) -> Groups:
    """List all groups: `stranger` and `regular` first, then as they were made."""
    groups = context.services.groups.list_all(context.tenant)
    return Groups(groups=_describe_groups(context, groups), next_token=None)


def _answer_group_again(context: V1Context, body: Mapping[str, Any]) -> Group:
    return describe_group(context, context.services.groups.get(context.tenant, body["id"]))


@operations("POST", "/v1/groups", Role.OPERATOR, status=201, again=_answer_group_again)
def add_group(context: V1Context, body: NewGroup) -> Group:
    """Make an empty group.

    409 TooManyGroups if the tenant may have no more; 400 IllegalCapacity if the capacities of all
    groups would sum to more faces than the tenant may have.
    """
    group = context.services.groups.create(
        context.tenant,
        body.name,
        body.capacity,
        body.description,
        context.request_id,
        attributes=body.attributes,
        tells_id=True,
    )
    return describe_group(context, group)


@operations("GET", "/v1/groups/{id}", Role.VIEWER)
def get_group(context: V1Context) -> Group:
    """Read one group, by its id."""
    return describe_group(
        context, context.services.groups.get(context.tenant, context.path_values["id"])
    )


@operations("PATCH", "/v1/groups/{id}", Role.OPERATOR, again=answer_as(get_group))
def change_group(context: V1Context, body: GroupChanges) -> Group:
    """Change what is sent; the rest stays.

    `attributes` takes the place of all. One that stays keeps its values, wherever it stands; the
    values of one that goes are forgotten, also if the name comes again. The names of `stranger` and
    `regular` stay, and they have no attributes (400 DefaultGroup).
    """
    changes = list_sent_members(body)
    revision = changes.pop("revision", None)
    return describe_group(
        context,
        context.services.groups.change_fields(
            context.tenant, context.path_values["id"], changes, revision, context.request_id
        ),
    )


@operations("DELETE", "/v1/groups/{id}", Role.OPERATOR, again=answer_nothing)
def delete_group(context: V1Context) -> None:
    """Delete an empty group. 409 GroupNotEmpty if it holds faces: delete or move them first."""
    context.services.groups.delete_id(context.tenant, context.path_values["id"], context.request_id)


def describe_group(context: V1Context, group: model.Group) -> Group:
    [described] = _describe_groups(context, [group])
    return described


def _describe_groups(context: V1Context, groups: Sequence[model.Group]) -> list[Group]:
    """Describe groups, reading once who is hidden from lists."""
    hidden_counts = context.services.groups.count_hidden(context.tenant)
    return [
        Group.made_of(
            group,
            attributes=[attribute.name for attribute in group.attributes],
            hidden=hidden_counts.get(group.id, 0),
            revision=group.version,
        )
        for group in groups
    ]
