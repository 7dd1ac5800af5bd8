"""Retention over v1: what will be deleted is told before it goes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chalicelib.api.v1.endpoint import Call, Operation
from chalicelib.api.v1.wire import Answer, Time
from chalicelib.core.access import Role
from chalicelib.core.retention import Kind


class Kept(Answer):
    """One kind of data, and of faces one group."""

    kind: Kind
    group: Annotated[str | None, Meta(description="The name of a group of faces; null for the other kinds.")]
    days: Annotated[int | None, Meta(description="For how long it is kept; null: for ever.")]
    now: Annotated[int, Meta(ge=0, description="How many go with the next sweep.")]
    within_7_days: Annotated[int, Meta(ge=0, description="How many are gone within seven days, those of `now` too.")]
    more: Annotated[bool, Meta(description="There are more: each is read, so no more than 10,000 are counted.")]
    oldest: Annotated[Time | None, Meta(description="Since when the oldest of them is kept; null: nothing goes.")]


class Retention(Answer):
    kinds: list[Kept]
    held: Annotated[int, Meta(ge=0, description="How many faces are under legal hold, and so not among those that go.")]


def get_retention(call: Call) -> Retention:
    """Say what the sweep deletes next and within seven days, by the settings as they are. Nothing is deleted.

    Faces under legal hold, and what shows them, are not counted.
    """
    planned = call.services.erasure.retention.plan(call.tenant)
    kinds = [Kept.made_of(one, within_7_days=one.soon) for one in planned]
    return Retention(kinds=kinds, held=len(call.services.faces.holds.all(call.tenant.name)))


OPERATIONS = (Operation("GET", "/v1/retention", get_retention, Role.OPERATOR),)
