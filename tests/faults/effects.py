"""What a use case did to people and accesses: its entries say it, and a restore from before gives
none of it back.

The use cases are those of all routes, dialects, functions and jobs (`everything`), and what is
looked for is found by their entries: no list of acts decides. So a new one that says nothing, or
that a restore undoes, fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chalicelib.api.dialects import DIALECTS
from chalicelib.auth.roles import Role
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import Kind
from chalicelib.domain.effects import Effect
from chalicelib.domain.model import Tenant
from chalicelib.privacy.signing import canonical_json
from chalicelib.privacy.standing import Access, Restored, Standing, hash_with, parse_document
from chalicelib.storage import keys
from regulars.backup.after import begin_restore_act, redo_settings
from tests.support.faults.shop import Box, Shop

_OF_DIALECTS = {f"{one.name} {act}": kind for one in DIALECTS for act, kind in one.acts.items()}
_SAY = {Kind.CHANGE, Kind.JOB}
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
UNDONE = {
    *(Effect.HOLDS, Effect.RESTRICTS, Effect.WITHDRAWS),
    *(Effect.TAKES_ACCESS, Effect.TAKES_SIGN_IN, Effect.CHANGES_ACCESS, Effect.SETS),
}
"""Effects that a restore would undo: of the others receipts know erasures."""


def entries(box: Box) -> dict[str, Mapping[str, Any]]:
    """The entries that wait to be closed, by id."""
    items = box.storage.items.scan(keys.AUDIT)
    return {item["id"]: json.loads(item["entry"]) for item in items if "entry" in item}


def without_effect(written: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The acts that changed something and did not say what."""
    return [
        f"{entry['what']} wrote and declares no effect: give the write its `does` (domain/effects)"
        for entry in written.values()
        if _says(entry) and not entry.get("does")
    ]


def _says(entry: Mapping[str, Any]) -> bool:
    """Whether an entry has to say what it does.

    A sighting's entry is a decision, unless it pushed somebody out.
    """
    what = entry["what"]
    return (_OF_DIALECTS.get(what) or audit_events.kind_of(what)) in _SAY or (
        what == "sighting" and "deleted" in entry
    )


def given_back(
    box: Box, shop: Shop, folder: Path, written: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """What comes back by a restore of the shop as it was before, by the document of now."""
    if UNDONE.isdisjoint(
        {effect for entry in written.values() for effect in entry.get("does", ())}
    ):
        return
    tenant = box.services.tenants.find("shop")
    if tenant is None:
        return  # it is erased, which its receipt says
    last = box.services.access.standing.read(tenant)
    _, signed = box.services.access.standing.make_document(tenant)
    document = parse_document(canonical_json(signed))
    assert document
    later = [document.standing]
    with shop.copied(folder / "restored") as again:
        before = again.services.access.standing.read(again.tenant)
        rotate = again.services.tenants.rotate_keys
        restored = Restored(again.tenant, _LONG_AGO, before.point, before, rotate)
        with begin_restore_act(again.tenant):
            for _ in again.services.access.standing.end_by_documents(restored, later):
                pass
            for _ in redo_settings(again.services, restored, later, lambda _: True):
                pass
        yield from _compare(again, before, last)


def _list_excess(name: str, now: Access, before: Access, last: Access | None) -> Iterator[str]:
    """What an access opens or may that it did not last."""
    if last is None:
        yield f"{name} is there again"
        return
    if "form" in last.rights:  # of a hook, which is off if it is not as it was last
        if last != before and now.rights == before.rights:
            yield f"{name} is told as before"
        return
    if now.secrets & before.secrets - last.secrets:
        yield f"{name} opens again by a secret that was over"
    if not Role(last.rights.get("role", Role.VIEWER)).includes(
        Role(now.rights.get("role", Role.VIEWER))
    ):
        yield f"{name} has the role {now.rights['role']}"
    yield from (
        f"{name} has {right} again"
        for right in ("pictures", "enabled")
        if is_more(right, now, last)
    )


def is_more(right: str, now: Access, last: Access) -> bool:
    return bool(now.rights.get(right)) and not last.rights.get(right)


def _compare(again: Box, before: Standing, last: Standing) -> Iterator[str]:
    tenant: Tenant = again.services.tenants.read_stored("shop")
    now = again.services.access.standing.read(tenant)
    if last.is_disabled and not now.is_disabled:
        yield "the shop is enabled again"
    for name, access in now.accesses.items():
        if name in before.accesses:
            yield from _list_excess(name, access, before.accesses[name], last.accesses.get(name))
    key = again.services.audit.signing.read_face_key("shop")
    for faceid in again.services.erasure.again.read_people("shop").faceids:
        hashed = hash_with(key, "face", faceid)
        if lost := {*last.faces.get(hashed, ())} - {*now.faces.get(hashed, ())}:
            yield f"{faceid} is {', '.join(sorted(lost))} no more"
    for name, value in last.settings.items():
        if now.settings[name] != value and not str(value).startswith("#"):
            yield f"{name} is {now.settings[name]} again, not {value}"
