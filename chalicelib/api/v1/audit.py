"""The audit over v1: who did what, when, by which request."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, field

from chalicelib.api.v1 import times
from chalicelib.api.v1.endpoint import Call, Operation
from chalicelib.api.v1.wire import Answer, Instant, NextToken, Sent, Time, Token
from chalicelib.core.access import Role
from chalicelib.core.values import milliseconds, moment_of_text

Name = Annotated[str, Meta(max_length=200)]


class EntriesWanted(Sent):
    """Of a time, a face, an act or somebody; all that is given must fit."""

    since: Annotated[Instant | None, Meta(description="From this time on.")] = field(default=None, name="from")
    until: Annotated[Instant | None, Meta(description="Before this time.")] = field(default=None, name="to")
    face: Annotated[Name | None, Meta(description="Only entries that name this face.")] = None
    what: Annotated[Name | None, Meta(description="Only this act, such as `PATCH /v1/settings` or `sighting`.")] = None
    by: Annotated[Name | None, Meta(description="Only who acted so: `key first`, `camera door`, `operator`.")] = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    token: Token | None = None


class Entry(Answer):
    """One act, decision, export or read of pictures."""

    id: str
    at: Time
    what: Annotated[str, Meta(description="A route, a command, a chore of the service, or `sighting`.")]
    by: Annotated[
        str, Meta(description="A key's or a camera's id, a dialect's credential, the operator or `regulars`.")
    ]
    hour: Annotated[
        int | None, Meta(description="Number of the closed hour that holds it; null: it is not closed yet.")
    ]
    details: Annotated[
        dict[str, Any],
        Meta(
            description="What else it says: `faces`, `deleted`, `shown`, the gallery's `seq`, the `request`, and of a "
            "decision the model, score and threshold."
        ),
    ]


class EntriesPage(Answer):
    entries: list[Entry]
    next_token: NextToken


def list_entries(call: Call, query: EntriesWanted) -> EntriesPage:
    """List the audit's entries, newest first. A page may be short, or empty, and still have a `next_token`."""
    from chalicelib.services.audit.audit import Wanted

    first, last = (None if one is None else milliseconds(one) for one in (query.since, query.until))
    wanted = Wanted(first, last, query.face, query.what, query.by)
    page = call.services.audit.reading.page(call.tenant.name, wanted, query.limit, query.token)
    return EntriesPage(entries=[_entry(hour, dict(entry)) for hour, entry in page.rows], next_token=page.next_token)


OPERATIONS = (Operation("GET", "/v1/audit", list_entries, Role.ADMIN),)


def _entry(hour: int | None, said: dict[str, Any]) -> Entry:
    id_, at, what, by = (said.pop(name) for name in ("id", "at", "what", "by"))
    return Entry(id=id_, at=times.text(moment_of_text(at)), what=what, by=by, hour=hour, details=said)
