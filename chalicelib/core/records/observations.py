"""Observations to items and back, and the row of an observation for counting."""

from __future__ import annotations

from chalicelib.core import keys
from chalicelib.core.local_time import Span
from chalicelib.core.model import NO_LABELS, Labels
from chalicelib.core.observations import Dimensions, Observation, ObservationKind, Passage
from chalicelib.core.pictures import NO_ESTIMATES, Gender
from chalicelib.core.ports import Item
from chalicelib.core.records.columns import Row, decade_of
from chalicelib.core.records.faces import box_from, decision_fields, decision_from, estimates_from, estimates_item
from chalicelib.core.values import decimals, known, milliseconds, moment, optional

STORABLE = Span(0, keys.LAST_MS)
"""The times that an observation may have."""


def observation_item(tenant: str, observation: Observation) -> Item:
    """Make an observation's item. Time and id are the key; values that are not known take no room."""
    day, time_id = keys.observation(tenant, milliseconds(observation.at), observation.id)
    fields = {
        "tenant_day": day,
        "time_id": time_id,
        "faceid": observation.faceid,
        "group": observation.group_name,
        "kind": observation.kind,
        "labels": list(observation.labels) if observation.labels != NO_LABELS else None,
        "camera": observation.camera or None,
        "box": optional(decimals, observation.box),
        "estimates": estimates_item(observation.estimates) if observation.estimates != NO_ESTIMATES else None,
        "gap_s": observation.gap_s,
        "passages": [[passage.merge, passage.group_name] for passage in observation.passages] or None,
    }
    return {**known(fields), **decision_fields(observation.decision)}


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
        box=optional(box_from, item.get("box")),
        estimates=estimates_from(item["estimates"]) if "estimates" in item else NO_ESTIMATES,
        decision=decision_from(item),
        gap_s=optional(int, item.get("gap_s")),
        passages=tuple(Passage(*passage) for passage in item.get("passages", ())),
    )


def row_from(item: Item) -> Row:
    """Read the counted values of an observation."""
    at_ms, id_ = keys.parts_of_observation(item["time_id"])
    labels = Labels(*item.get("labels", ()))
    seen = item.get("estimates", {})
    age = seen.get("age")
    return Row(
        at_ms,
        id_,
        item["faceid"],
        Dimensions(*labels, item["group"], item.get("camera", ""), item["kind"]),
        Gender(seen.get("gender") or Gender.UNKNOWN),
        None if age is None else decade_of(float(age)),
        int(item.get("gap_s", 0)),
    )
