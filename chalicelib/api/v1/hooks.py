"""Hooks and their deliveries over v1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.api.v1 import times
from chalicelib.api.v1.endpoint import Body, Call, Operation
from chalicelib.api.v1.fields import Fields
from chalicelib.core.errors import InvalidInput

if TYPE_CHECKING:
    from chalicelib.core.webhooks import Delivery, Hook

_LISTS = {"events": "kinds", "groups": "groups", "cameras": "cameras"}
"""Names of the filters here, and their names in the use cases."""
_FIELDS = frozenset({"url", "enabled", *_LISTS})
_STATES = ("parked", "pending")
_LIMITS = range(1, 101)
_LONGEST_URL = 4096


def add(call: Call) -> Body:
    """Add a hook; the answer has its secret, which is not shown again."""
    settings = _settings(call.fields)
    settings["url"] = call.fields.text("url", _LONGEST_URL)
    hook, secret = call.services.hooks.add(call.tenant.name, **settings)
    return {**_body(hook), "secret": secret}


def every(call: Call) -> Body:
    """List all hooks, by age."""
    return {"hooks": [_body(hook) for hook in call.services.hooks.all(call.tenant.name)]}


def get(call: Call) -> Body:
    return _body(call.services.hooks.get(call.tenant.name, call.path["id"]))


def change(call: Call) -> Body:
    """Change the settings that are sent; others stay as they are."""
    changes = _settings(call.fields)
    if not changes:
        raise InvalidInput(f"send what to change: {', '.join(sorted(_FIELDS))}")
    return _body(call.services.hooks.change(call.tenant.name, call.path["id"], changes))


def delete(call: Call) -> None:
    call.services.hooks.delete(call.tenant.name, call.path["id"])


def new_secret(call: Call) -> Body:
    return {"id": call.path["id"], "secret": call.services.hooks.new_secret(call.tenant.name, call.path["id"])}


def deliveries(call: Call) -> Body:
    """List a page of the parked deliveries, or of those still to be sent."""
    state = call.query.text("state") or _STATES[0]
    if state not in _STATES:
        raise InvalidInput(f"state is {' or '.join(_STATES)}, not {state[:40]!r}")
    page = call.services.deliveries.page(
        call.tenant.name,
        call.path["id"],
        parked=state == "parked",
        limit=call.query.whole("limit", _LIMITS, 100),
        token=call.query.text("token"),
    )
    return {"deliveries": [_delivery(one) for one in page.deliveries], "next_token": page.next_token}


def redeliver(call: Call) -> Body:
    return {"redelivered": call.services.deliveries.redeliver(call.tenant.name, call.path["id"])}


OPERATIONS = (
    Operation("GET", "/v1/hooks", every),
    Operation("POST", "/v1/hooks", add, fields=_FIELDS, status=201),
    Operation("GET", "/v1/hooks/{id}", get),
    Operation("PATCH", "/v1/hooks/{id}", change, fields=_FIELDS),
    Operation("DELETE", "/v1/hooks/{id}", delete),
    Operation("POST", "/v1/hooks/{id}/secret", new_secret),
    Operation("GET", "/v1/hooks/{id}/deliveries", deliveries, query=frozenset({"state", "limit", "token"})),
    Operation("POST", "/v1/hooks/{id}/redeliver", redeliver),
)


def _settings(fields: Fields) -> dict[str, Any]:
    """Read the settings that were sent, by their names in the use cases."""
    from chalicelib.services.webhooks.hooks import MAX_NAMES  # not at the other routes' cold starts

    sent: dict[str, Any] = {}
    if "url" in fields:
        sent["url"] = fields.text("url", _LONGEST_URL)
    if "enabled" in fields:
        sent["enabled"] = fields.flag("enabled")
    for name, called in _LISTS.items():
        if name in fields:
            sent[called] = None if fields.is_null(name) else fields.texts(name, MAX_NAMES)
    return sent


def _body(hook: Hook) -> Body:
    lists: Mapping[str, Any] = {name: getattr(hook, called) for name, called in _LISTS.items()}
    return {
        "id": hook.id,
        "url": hook.url,
        **{name: None if values is None else list(values) for name, values in lists.items()},
        "enabled": hook.enabled,
        "created_at": times.text(hook.created_at),
        "health": {
            "state": _state(hook),
            "failures": hook.failures,
            "paused_until": None if hook.paused_until is None else times.text(hook.paused_until),
        },
    }


def _state(hook: Hook) -> str:
    if not hook.enabled:
        return "disabled"
    return "failing" if hook.is_failing else "ok"


def _delivery(one: Delivery) -> Body:
    """Render a delivery. `event` is the body that is posted."""
    return {
        "event": json.loads(one.payload),
        "state": "parked" if one.parked else "pending",
        "attempts": one.attempts,
        "created_at": times.text(one.created_at),
        "next_at": None if one.parked else times.text(one.next_at),
        "parked_at": times.text(one.next_at) if one.parked else None,
        "last_error": one.last_error,
    }
