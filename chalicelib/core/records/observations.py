"""Observations to items and back, and the row of an observation for counting."""

from __future__ import annotations

from typing import Any

from chalicelib.core import keys
from chalicelib.core.model import (
    NO_LABELS,
    Labels,
)
from chalicelib.core.observations import Observation, ObservationKind, Passage
from chalicelib.core.pictures import NO_ESTIMATES, Box
from chalicelib.core.ports import Item
from chalicelib.core.records.columns import Row
from chalicelib.core.records.faces import decision_fields, decision_from, estimates_from, estimates_item
from chalicelib.core.records.values import decimal, milliseconds, moment

# --- observations -----------------------------------------------------------------------------------------------------


def observation_item(tenant: str, observation: Observation) -> Item:
    """Make an observation's item. Time and id are the key; values that are not known take no room."""
    day, time_id = keys.observation(tenant, milliseconds(observation.at), observation.id)
    labels, box = observation.labels, observation.box
    item: dict[str, Any] = {
        "tenant_day": day,
        "time_id": time_id,
        "faceid": observation.faceid,
        "group": observation.group_name,
        "kind": observation.kind,
    }
    if labels != NO_LABELS:
        item["labels"] = [labels.a, labels.b, labels.c, labels.d]
    if observation.camera:
        item["camera"] = observation.camera
    if box is not None:
        item["box"] = [decimal(side, 1) for side in (box.x, box.y, box.width, box.height)]
    if observation.estimates != NO_ESTIMATES:
        item["estimates"] = estimates_item(observation.estimates)
    item |= decision_fields(observation.decision)
    if observation.gap_s is not None:
        item["gap_s"] = observation.gap_s
    if observation.passages:
        item["passages"] = [[passage.merge, passage.group_name] for passage in observation.passages]
    return item


def observation_from(item: Item) -> Observation:
    at_ms, id_ = keys.parts_of_observation(item["time_id"])
    return Observation(
        at=moment(at_ms),
        id=id_,
        faceid=item["faceid"],
        group_name=item["group"],
        labels=Labels(*item.get("labels", ())),
        kind=ObservationKind(item["kind"]),
        camera=item.get("camera", ""),
        box=Box(*(float(side) for side in item["box"])) if "box" in item else None,
        estimates=estimates_from(item["estimates"]) if "estimates" in item else NO_ESTIMATES,
        decision=decision_from(item),
        gap_s=None if item.get("gap_s") is None else int(item["gap_s"]),
        passages=tuple(Passage(*passage) for passage in item.get("passages", ())),
    )


def row_from(item: Item) -> Row:
    """Read the counted values of an observation."""
    at_ms, id_ = keys.parts_of_observation(item["time_id"])
    a, b, c, d = item.get("labels", ("", "", "", ""))
    return Row(at_ms, id_, item["faceid"], (a, b, c, d, item["group"]))
