"""Captures against their pictures, and sightings against the observations that were written with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial
from itertools import islice

from chalicelib.core import keys
from chalicelib.core.captures import Capture, CaptureState, parts_of_sighting, sighting_id
from chalicelib.core.erasures import is_erased
from chalicelib.core.items import camera_ids, every, write
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.model import Tenant
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.ports import Item, Update, equals
from chalicelib.core.records.captures import AGAIN, capture_from, capture_key
from chalicelib.core.retention import sightings_kept
from chalicelib.core.values import milliseconds
from chalicelib.core.visits import KEPT_MS
from chalicelib.services.consistency.consistency import Disagreement
from chalicelib.services.consistency.statistics import every_observation
from chalicelib.services.rooms import UseCase

_AT_ONCE = 100


class CaptureRecords(UseCase):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        for camera_id in camera_ids(self.book.items, tenant.name):
            captures = every(self.book.items, keys.CAPTURES, keys.captures(tenant.name, camera_id))
            while some := list(islice(captures, _AT_ONCE)):
                for item in some:
                    yield from self._picture(tenant, item)
                yield from self._observations(tenant, some)
        since_ms = milliseconds(self.book.clock.now()) - min(KEPT_MS, sightings_kept(tenant) * DAY_MS)
        for _, observations in every_observation(self.book.statistics, self.book.items, self.book.clock, tenant):
            yield from self._captures(tenant, (one for one in observations if milliseconds(one.at) > since_ms))

    def _picture(self, tenant: Tenant, item: Item) -> Iterator[Disagreement]:
        """Compare a capture that waits with its picture, which it needs unless only a rejected sighting waits."""
        capture = capture_from(item)
        if capture.state is not CaptureState.STORED or AGAIN in item:
            return
        if self.book.storage.uploads.size(keys.capture_picture(tenant.name, capture.camera_id, capture.id)) is None:
            key = capture_key(tenant.name, capture.camera_id, capture.id)
            fields = {"state": CaptureState.PARKED, "reason": "its picture is gone"}
            update = Update(keys.CAPTURES, key, (equals("state", CaptureState.STORED, "still-stored"),), set=fields)
            text = f"capture {capture.id} of camera {capture.camera_id} waits to be resolved, and its picture is gone"
            yield Disagreement(text, (), partial(write, self.book.items, [update]))

    def _observations(self, tenant: Tenant, items: list[Item]) -> Iterator[Disagreement]:
        expected = [
            (capture, sighting, item.get("corrections"))
            for item in items
            for capture in (capture_from(item),)
            if self._is_observed(tenant, capture)
            for sighting in capture.sightings
            if sighting.faceid is not None
        ]
        places = [
            keys.observation(tenant.name, milliseconds(capture.captured_at), sighting_id(capture.id, sighting.number))
            for capture, sighting, _ in expected
        ]
        for (capture, sighting, corrections), held in zip(
            expected, self.book.items.get_many(keys.OBSERVATIONS, places), strict=True
        ):
            if held is None:
                yield Disagreement(
                    f"capture {capture.id} of camera {capture.camera_id} shows face {sighting.faceid}, and no "
                    "observation of that is stored",
                    (capture.state, corrections),
                )

    def _is_observed(self, tenant: Tenant, capture: Capture) -> bool:
        """Tell whether the observations of a capture, which may have come late, are still kept."""
        days = tenant.observation_days
        return days is None or capture.captured_at > self.book.clock.now() - timedelta(days=days)

    def _captures(self, tenant: Tenant, observations: Iterable[Observation]) -> Iterator[Disagreement]:
        sightings = (one for one in observations if one.kind is ObservationKind.SIGHTING and not is_erased(one.faceid))
        while some := list(islice(sightings, _AT_ONCE)):
            places = [capture_key(tenant.name, one.camera, one.id.rpartition("-")[0] or one.id) for one in some]
            found = self.book.items.get_many(keys.CAPTURES, places)
            for place, one, item in zip(places, some, found, strict=True):
                if item is None or parts_of_sighting(one.id)[1] >= len(capture_from(item).sightings):
                    yield Disagreement(
                        f"face {one.faceid} was sighted in capture {place[1]} of camera {one.camera}, and no such "
                        "capture says so"
                    )
