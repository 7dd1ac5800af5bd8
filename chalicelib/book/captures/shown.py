"""Captures as they are shown when a person on them is restricted.

As much as an erasure leaves: the place of the face, and in the picture of others a few grey cells.
What is stored stays, so all is as before once the restriction is lifted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.captures import Capture, Sighting, captured_ms, leave_place, sighting_id
from chalicelib.domain.model import Tenant
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import list_restricted_faceids
from chalicelib.storage.records.captures import capture_from

if TYPE_CHECKING:
    from chalicelib.book.book import Book


class ShownCaptures(Service["Book"]):
    def hide_restricted(self, tenant: Tenant, captures: Sequence[Capture]) -> list[Capture]:
        """Return captures as they are shown: without the identity of restricted people.

        A face is the restricted one's that its observation names, since merges move these.
        """
        known = [
            sighting_id(capture.id, sighting.number)
            for capture in captures
            for sighting in capture.sightings
            if sighting.faceid is not None
        ]
        restricted_faceids = self._list_restricted(tenant) if known else set[str]()
        if not restricted_faceids:
            return [*captures]
        observation_keys = [keys.observation(tenant.name, captured_ms(id_), id_) for id_ in known]
        observations = self.services.items.get_many(keys.OBSERVATIONS, observation_keys)
        hidden_ids = {
            id_
            for id_, item in zip(known, observations, strict=True)
            if item and item["faceid"] in restricted_faceids
        }

        def show(capture: Capture, sighting: Sighting) -> Sighting:
            is_named_so = sighting_id(capture.id, sighting.number) in hidden_ids
            is_hidden = is_named_so or sighting.faceid in restricted_faceids
            return leave_place(sighting) if is_hidden else sighting

        return [
            replace(
                capture, sightings=tuple(show(capture, sighting) for sighting in capture.sightings)
            )
            for capture in captures
        ]

    def list_partly_shown(
        self, tenant: Tenant, captures: Iterable[tuple[str, str]]
    ) -> Collection[str]:
        """Return the ids of the captures on which a restricted person is hidden.

        One whose record is not kept any more is among them: somebody on it may be restricted.
        `captures`: camera and id of each.
        """
        capture_keys = {id_: keys.capture(tenant.name, camera, id_) for camera, id_ in captures}
        if not (capture_keys and self._list_restricted(tenant)):
            return ()
        items = self.services.items.get_many(keys.CAPTURES, [*capture_keys.values()])
        stored_captures = [capture_from(item) for item in items if item]
        wholly_shown = {
            capture.id
            for capture in self.hide_restricted(tenant, stored_captures)
            if not capture.is_partly_shown
        }
        return capture_keys.keys() - wholly_shown

    def _list_restricted(self, tenant: Tenant) -> set[str]:
        return {*list_restricted_faceids(self.services.items, tenant.name)}
