"""Checks of captures against their pictures, and of sightings against the observations written with
them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from chalicelib.domain.captures import (
    Capture,
    CaptureState,
    Sighting,
    parts_of_sighting,
    sighting_id,
)
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import Tenant
from chalicelib.domain.observations import Observation, ObservationKind
from chalicelib.domain.rules.visits import KEPT_MS
from chalicelib.domain.tenant_settings import count_sighting_days
from chalicelib.privacy.erasure_progress import is_erased
from chalicelib.storage import keys
from chalicelib.storage.items import captures_of, cut_in_parts
from chalicelib.storage.ports import Item
from chalicelib.storage.records.captures import AGAIN, capture_from
from chalicelib.storage.values import milliseconds
from tests.support.consistency.findings import Subject
from tests.support.consistency.observations import read_observations_by_day

_BATCH = 100
"""Records that are read at once."""


class CaptureRecords(Subject):
    def find_disagreements(self, tenant: Tenant) -> Iterator[str]:
        for items in cut_in_parts(captures_of(self.services.items, tenant.name, None), _BATCH):
            for item in items:
                yield from self._compare_picture(tenant, item)
            yield from self._find_observations(tenant, items)
        since_ms = milliseconds(self.services.clock.now()) - min(
            KEPT_MS, count_sighting_days(tenant) * DAY_MS
        )
        for _, observations in read_observations_by_day(self.services, tenant):
            recent = [observation for observation in observations if observation.at_ms > since_ms]
            yield from self._find_captures(tenant, recent)

    def _compare_picture(self, tenant: Tenant, item: Item) -> Iterator[str]:
        """Compare a capture that waits with its picture, which it needs unless only a rejected
        sighting waits."""
        capture = capture_from(item)
        if capture.state is not CaptureState.STORED or AGAIN in item:
            return
        if (
            self.services.storage.uploads.size(
                keys.capture_picture(tenant.name, capture.camera_id, capture.id)
            )
            is None
        ):
            keys.capture(tenant.name, capture.camera_id, capture.id)
            yield (
                f"capture {capture.id} of camera {capture.camera_id} waits to be resolved, and "
                "its picture is gone"
            )

    def _find_observations(self, tenant: Tenant, items: list[Item]) -> Iterator[str]:
        """Look for the observation of each sighting that captures have of a face."""
        sightings: list[tuple[Capture, Sighting, Any]] = []
        for item in items:
            capture = capture_from(item)
            if self._keeps_observations(tenant, capture):
                of_faces = (
                    sighting for sighting in capture.sightings if sighting.faceid is not None
                )
                sightings += ((capture, sighting, item.get("corrections")) for sighting in of_faces)
        observation_keys = [
            keys.observation(
                tenant.name,
                milliseconds(capture.captured_at),
                sighting_id(capture.id, sighting.number),
            )
            for capture, sighting, _ in sightings
        ]
        observations = self.services.items.get_many(keys.OBSERVATIONS, observation_keys)
        for (capture, sighting, _corrections), observation in zip(
            sightings, observations, strict=True
        ):
            if observation is None:
                yield (
                    f"capture {capture.id} of camera {capture.camera_id} shows face "
                    f"{sighting.faceid}, and no "
                    "observation of that is stored"
                )

    def _keeps_observations(self, tenant: Tenant, capture: Capture) -> bool:
        """Tell whether the observations of a capture, which may have come late, are still kept."""
        days = tenant.observation_days
        return days is None or capture.captured_at > self.services.clock.now() - timedelta(
            days=days
        )

    def _find_captures(self, tenant: Tenant, observations: Iterable[Observation]) -> Iterator[str]:
        """Look for the capture of each observation that is a sighting."""
        sightings = (
            observation
            for observation in observations
            if observation.kind is ObservationKind.SIGHTING and not is_erased(observation.faceid)
        )
        for batch in cut_in_parts(sightings, _BATCH):
            capture_keys = [
                keys.capture(
                    tenant.name,
                    observation.camera,
                    observation.id.rpartition("-")[0] or observation.id,
                )
                for observation in batch
            ]
            items = self.services.items.get_many(keys.CAPTURES, capture_keys)
            for sighting, (_, capture_id), item in zip(batch, capture_keys, items, strict=True):
                if item is None or parts_of_sighting(sighting.id)[1] >= len(
                    capture_from(item).sightings
                ):
                    yield (
                        f"face {sighting.faceid} was sighted in capture {capture_id} of camera "
                        f"{sighting.camera}, and "
                        "no such capture says so"
                    )
