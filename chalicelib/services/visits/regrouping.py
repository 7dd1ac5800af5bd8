"""The group that a sighting's observation names: the one that the face was in when it was sighted.

A face is a stranger until its promotion and a regular from then on, by the times of the sightings and not by the order
in which they were processed. So if a late sighting moves the promotion, the observations between are renamed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from chalicelib.core import keys
from chalicelib.core.items import every
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.ports import ItemStore
from chalicelib.core.records.observations import observation_from
from chalicelib.core.records.values import milliseconds
from chalicelib.core.visits import Arrival, Visits
from chalicelib.services.groups.groups import DefaultGroups
from chalicelib.services.statistics.recorder import ChangedObservation


class FaceSightings:
    """A face's observations of kind sighting, as far back as its arrivals are kept."""

    def __init__(self, items: ItemStore) -> None:
        self._items = items

    def newest_first(self, tenant: str, faceid: str, visits: Visits, below: str | None = None) -> Iterator[Observation]:
        """Yield the sightings, newest first; with `below`, those whose `time_id` is less."""
        for arrival in reversed(visits.arrivals.recent):
            yield from self.of_arrival(tenant, faceid, arrival, below)

    def of_arrival(self, tenant: str, faceid: str, arrival: Arrival, below: str | None = None) -> Iterator[Observation]:
        """Yield the sightings of one arrival, newest first. All faces' observations of that time are read: few."""
        low, high = keys.observation_range(arrival.first_ms, arrival.last_ms)
        if below is not None:
            high = min(high, below)
        for day in range(arrival.last_ms // DAY_MS, arrival.first_ms // DAY_MS - 1, -1):
            partition = keys.observations(tenant, day)
            for item in every(self._items, keys.OBSERVATIONS, partition, low=low, high=high, reverse=True):
                sighted = item["faceid"] == faceid and item["kind"] == ObservationKind.SIGHTING
                if sighted and (below is None or item["time_id"] < below):
                    yield observation_from(item)

    def misnamed(
        self, tenant: str, faceid: str, before: Visits, after: Visits, groups: DefaultGroups
    ) -> list[ChangedObservation]:
        """Return the sightings that do not have the group's name by `after`, each with the right name.

        They lie between the two promotions, unless a change was cut off before. Sightings from a time when the face was
        in a group of the user's own keep that group's name.
        """
        old, new = (None if v.promotion is None else v.promotion.at_ms for v in (before, after))
        if old == new and not before.regrouping:
            return []
        first = 0 if before.regrouping else min(at for at in (old, new) if at is not None)
        behind = None if before.regrouping or old is None or new is None else max(old, new)
        found = []
        for arrival in before.arrivals.recent:
            if arrival.last_ms < first or (behind is not None and arrival.first_ms >= behind):
                continue
            for sighting in self.of_arrival(tenant, faceid, arrival):
                renamed = named_by(groups, new, sighting)
                if renamed != sighting:
                    found.append(ChangedObservation(sighting, renamed))
        return found


def named_by(groups: DefaultGroups, promotion_ms: int | None, observation: Observation) -> Observation:
    """Return a sighting with the name of the default group that the face was in by this promotion.

    Other observations, and sightings with the name of a user's own group, stay as they are.
    """
    if observation.kind is not ObservationKind.SIGHTING:
        return observation
    if observation.group_name not in (groups.stranger.name, groups.regular.name):
        return observation
    return replace(observation, group_name=groups.name_at(promotion_ms, milliseconds(observation.at)))
