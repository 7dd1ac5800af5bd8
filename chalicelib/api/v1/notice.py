"""The notice to post where cameras look, over v1."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from chalicelib.api.v1.endpoint import Call, Operation
from chalicelib.api.v1.wire import Answer, Sent
from chalicelib.core.access import Role


class NoticeWanted(Sent):
    language: Literal["en", "zh"] = "en"


class NoticeSection(Answer):
    heading: str
    lines: list[str]


class Notice(Answer):
    """The same three times: in parts, as plain text, and as a page of its own to print on A4."""

    language: Literal["en", "zh"]
    title: str
    sections: list[NoticeSection]
    text: str
    html: str
    missing: Annotated[
        list[Literal["controller", "contact"]],
        Meta(description="Settings that are empty: the notice has a blank to fill in by hand for each."),
    ]


def get_notice(call: Call, query: NoticeWanted) -> Notice:
    """Write the notice to post where the cameras look, with the tenant's own name, contact, purposes and retention."""
    from chalicelib.services.account import (
        Language,
        notice,  # not at the other routes' cold starts
    )

    tenant = call.services.tenants.named(call.tenant.name)
    made = notice(tenant, Language(query.language), call.services.settings.capture_days)
    return Notice(
        language=query.language,
        title=made.title,
        sections=[NoticeSection(heading=one.heading, lines=one.lines) for one in made.sections],
        text=made.text(),
        html=made.html(),
        missing=[name for name in ("controller", "contact") if name in made.missing],
    )


OPERATIONS = (Operation("GET", "/v1/notice", get_notice, Role.VIEWER),)
