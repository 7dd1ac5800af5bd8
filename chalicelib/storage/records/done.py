"""Records of acts: what people did, by the id of the act's entry in the audit."""

from __future__ import annotations

import json

from chalicelib.domain.done import Done
from chalicelib.storage import keys
from chalicelib.storage.ports import Action, Item, Put, Update, absent, equals
from chalicelib.storage.values import Codec, Form

_JSON = Form(json.dumps, json.loads)
_DONE = Codec(Done, rare="takes_back taken_back_by", before=_JSON, after=_JSON)

TAKEN_BACK = "taken-back"
"""Name of the condition that nobody has taken the act back yet."""


def done_from(item: Item) -> Done:
    return _DONE.read(item)


def done_actions(tenant: str, done: Done) -> list[Action]:
    """Return the write of an act, and that which marks the one that it takes back."""
    item = {
        "tenant": tenant,
        "expires_at": int(done.expires_at.timestamp()),
        **_DONE.write(done),
    }
    put = Put(keys.DONE, item, (absent("act-new"),))
    if not done.takes_back:
        return [put]
    mark = _DONE.write(done, "at", "by")
    return [
        put,
        Update(
            keys.DONE,
            (tenant, done.takes_back),
            (equals("taken_back_at", None, TAKEN_BACK),),
            set={"taken_back_at": mark["at"], "taken_back_by": mark["by"]},
        ),
    ]
