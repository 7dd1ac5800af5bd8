"""Events of a capture: a face came, a stranger was created, a stranger was promoted, a group is full."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from chalicelib.core import keys
from chalicelib.core.captures import Sighting
from chalicelib.core.model import Face, Group
from chalicelib.core.ports import Action, ItemStore, Put
from chalicelib.core.records.values import milliseconds, moment
from chalicelib.core.webhooks import Event, EventKind, time_text
from chalicelib.services.sightings.sighting import OpenSighting

TOLD_AGAIN_AFTER = timedelta(hours=1)


class GroupFullEvents:
    def __init__(self, items: ItemStore) -> None:
        self._items = items

    def once_an_hour(
        self, tenant: str, group: Group, camera: str, now: datetime
    ) -> tuple[Sequence[Event], Sequence[Action]]:
        """Return the event that a group is full, and the action that notes it; neither if one was sent within the hour.

        Both belong into one transaction.
        """
        item = self._items.get(keys.DIRECTORY, (tenant, keys.full_item(group.id)))
        if item is not None and now - moment(item["at"]) < TOLD_AGAIN_AFTER:
            return [], []
        at_ms = milliseconds(now)
        event = Event(
            id=f"{EventKind.GROUP_FULL}-{group.id}-{at_ms}",
            kind=EventKind.GROUP_FULL,
            at=now,
            group=group.name,
            camera=camera,
            data={"capacity": group.capacity},
        )
        remembered = {"tenant": tenant, "item": keys.full_item(group.id), "at": at_ms}
        return [event], [Put(keys.DIRECTORY, remembered)]


def sighted(kind: EventKind, open_sighting: OpenSighting, face: Face, group: str, sighting: Sighting) -> Event:
    at = open_sighting.capture.captured_at
    return Event(
        id=f"{kind}-{open_sighting.event_id}",
        kind=kind,
        at=at,
        group=group,
        camera=open_sighting.camera.id,
        data={
            "faceid": face.faceid,
            "arrive_count": face.arrive_count,
            "capture": open_sighting.capture.id,
            "sighting": open_sighting.id,
            "captured_at": time_text(at),
            **_by_what(sighting),
        },
    )


def _by_what(sighting: Sighting) -> dict[str, float]:
    """Return the score and the threshold of the sighting's decision; {} if it has no score."""
    decision = sighting.decision
    if decision is None or decision.score is None:
        return {}
    chance = decision.false_match_probability
    return {
        "score": round(decision.score, 6),
        "threshold": round(decision.threshold, 6),
        "gallery_size": decision.gallery_size,
        **({} if chance is None else {"false_match_probability": float(f"{chance:.3g}")}),
    }
