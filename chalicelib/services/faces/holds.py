"""Legal holds: faces that are neither deleted nor erased, and that retention leaves as they are, until it is lifted.

The face itself says so, so that each transaction that would delete it sees it. Beside it stands an item in the
directory, so that the list of holds reads the held faces only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from chalicelib.core import acts, keys
from chalicelib.core.errors import Busy, ConditionFailed, FaceHeld, InvalidInput, TooMany
from chalicelib.core.items import attempts, every
from chalicelib.core.model import Face, Hold, Tenant
from chalicelib.core.names import composed
from chalicelib.core.ports import Action, Clock, Delete, ItemStore, Put
from chalicelib.core.records.faces import hold_fields, hold_from
from chalicelib.services.commit.gallery import Change, GalleryWriter
from chalicelib.services.commit.idempotency import RequestId, Requests
from chalicelib.services.faces.faces import Faces
from chalicelib.services.faces.visits import face_put

MAX_HOLDS = 1_000
"""Most held faces of a tenant. The list is one answer, and each retention reads all of them."""

REASON_LENGTH = 500


class HeldFace(NamedTuple):
    faceid: str
    hold: Hold


def require_free(faces: Iterable[Face]) -> None:
    """Raise FaceHeld if one of these faces, which are about to be deleted, is held."""
    for face in faces:
        if face.hold is not None:
            since = f"{face.hold.at:%Y-%m-%d}"
            raise FaceHeld(f"face {face.faceid!r} is under legal hold since {since}: lift the hold first, if you may")


def held_again(tenant: str, before: Face | None, after: Face | None) -> list[Action]:
    """Return the actions that a face's hold needs beside it, for the transaction that changes the face.

    None: the face was not there before, or is not there any more.
    """
    old, new = (None if face is None else face.hold for face in (before, after))
    if old == new:
        return []
    if after is not None and new is not None:
        return [hold_put(tenant, after)]
    return [] if before is None else [hold_delete(tenant, before.faceid)]


def hold_put(tenant: str, face: Face) -> Put:
    """Return the action that lists a held face."""
    item = {"tenant": tenant, "item": keys.hold_item(face.faceid), "faceid": face.faceid, **hold_fields(face.hold)}
    return Put(keys.DIRECTORY, item)


def hold_delete(tenant: str, faceid: str) -> Delete:
    return Delete(keys.DIRECTORY, (tenant, keys.hold_item(faceid)))


@dataclass
class Holds:
    items: ItemStore
    faces: Faces
    requests: Requests
    writer: GalleryWriter
    clock: Clock

    def all(self, tenant: str) -> list[HeldFace]:
        """Return all held faces, by id. Reads these only."""
        low, high = keys.HOLDS
        stored = every(self.items, keys.DIRECTORY, tenant, low=low, high=high)
        return [HeldFace(item["faceid"], hold) for item in stored if (hold := hold_from(item))]

    def set(self, tenant: Tenant, faceid: str, reason: str, request: RequestId | None = None) -> Face:
        """Hold a face; of one that is held, change the reason only. Return the face.

        Raises InvalidInput, FaceNotFound, TooMany, Busy, AnsweredAlready.
        """
        reason = _said(reason)
        if len(self.all(tenant.name)) >= MAX_HOLDS and self.faces.get(tenant, faceid).hold is None:
            raise TooMany(f"{MAX_HOLDS} faces are held, the most of a tenant: lift the holds that are over")
        return self._change(tenant, faceid, reason, request)

    def lift(self, tenant: Tenant, faceid: str, reason: str, request: RequestId | None = None) -> Face:
        """End a face's hold, if it has one, for this reason, which the audit has. Return the face.

        Raises InvalidInput, FaceNotFound, Busy, AnsweredAlready.
        """
        _said(reason)
        return self._change(tenant, faceid, None, request)

    def _change(self, tenant: Tenant, faceid: str, reason: str | None, request: RequestId | None) -> Face:
        for _ in attempts():
            face = self.faces.get(tenant, faceid)
            since = face.hold.at if face.hold else self.clock.now()
            after = replace(face, hold=None if reason is None else Hold(reason, since))
            actions: list[Action] = []
            if after != face:
                after = replace(after, changed_at=self.clock.now())
                actions = [face_put(tenant.name, face, after), *held_again(tenant.name, face, after)]
            # As a change of the gallery: a group is deleted at a seq at which none of its faces is held.
            actions += self.requests.recorded(tenant.name, request)
            change = Change(tuple(actions), (), within=frozenset({face.group_id}))
            try:
                with self.requests.answering(tenant.name, request):
                    if actions:
                        self.writer.commit(tenant.name, change)
            except ConditionFailed:
                continue
            return after
        raise Busy("this face is changed by others all the time: send the request again in a moment")


def _said(reason: str) -> str:
    """Return the reason as it is stored, and tell the audit. Raises InvalidInput."""
    reason = composed(reason, REASON_LENGTH).strip()
    if not 1 <= len(reason) <= REASON_LENGTH:
        raise InvalidInput(f"the reason of a hold has 1 to {REASON_LENGTH} characters, not {len(reason)}")
    acts.says(reason=reason)
    return reason
