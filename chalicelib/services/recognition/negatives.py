"""Negatives: pictures a user rejected for a face. A probe closer to a negative than to the face does not match it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from chalicelib.core import keys
from chalicelib.core.items import every, write, write_in_parts
from chalicelib.core.model import Face, Negative, Template
from chalicelib.core.ports import Action, Delete, Item, ItemStore, Put, Update, exists
from chalicelib.core.records.faces import template_items, templates_from
from chalicelib.core.templates import vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


CANDIDATES = 5
"""Candidates that a search asks for, so that another one is left if a negative turns the best down."""

MAX_NEGATIVES = 20
"""The most negatives of one face. A face that is mistaken more often needs a better picture."""


class Negatives:
    def __init__(self, items: ItemStore) -> None:
        self._items = items

    def turn_down(self, tenant: str, face: Face, probe: NDArray[np.float32], model: str, score: float) -> bool:
        """Return whether the probe is closer to one of the face's negatives than to the face.

        `probe`: a unit vector of `model`; `score`: its score with the face.
        """
        if not face.negatives:
            return False
        return any(
            float(vector(template) @ probe) > score
            for one in self.of_face(tenant, face.faceid)
            for template in one.templates
            if template.model == model
        )

    def of_face(self, tenant: str, faceid: str) -> list[Negative]:
        """Read the face's negatives in the order of their sightings, oldest first."""
        return [_negative_from(item) for item in self._stored(tenant, *keys.negatives_range(faceid))]

    def every(self, tenant: str) -> Iterator[tuple[str, Negative]]:
        """Yield (faceid, negative) for all negatives of the tenant."""
        for item in self._stored(tenant):
            yield keys.parts_of_negative(item["id"])[0], _negative_from(item)

    def add_template(self, tenant: str, faceid: str, negative: Negative, template: Template) -> None:
        """Add a template of one more model. Raises ConditionFailed if the negative was deleted meanwhile."""
        key = (tenant, keys.negative(faceid, negative.sighting_id))
        templates = template_items((*negative.templates, template))
        write(self._items, [Update(keys.NEGATIVES, key, (exists("negative-there"),), set={"templates": templates})])

    def of_sighting(self, tenant: str, faceid: str, sighting_id: str) -> Negative | None:
        return next((one for one in self.of_face(tenant, faceid) if one.sighting_id == sighting_id), None)

    def deletes(self, tenant: str, face: Face) -> list[Action]:
        """Return the actions that delete the face's negatives, for the transaction that deletes the face."""
        if not face.negatives:
            return []
        return [self.forgotten(tenant, face.faceid, one.sighting_id) for one in self.of_face(tenant, face.faceid)]

    def forget(self, tenant: str, faces: Iterable[Face]) -> None:
        """Delete the negatives of faces that are about to be deleted."""
        for face in faces:
            write_in_parts(self._items, self.deletes(tenant, face))

    def remembered(self, tenant: str, faceid: str, negative: Negative) -> Action:
        """Return the action that stores a negative. The same transaction must raise the face's `negatives` by 1."""
        item: Item = {
            "tenant": tenant,
            "id": keys.negative(faceid, negative.sighting_id),
            "templates": template_items(negative.templates),
            "camera": negative.camera,
        }
        return Put(keys.NEGATIVES, item)

    def forgotten(self, tenant: str, faceid: str, sighting_id: str) -> Action:
        """Return the action that deletes a negative. The same transaction must lower the face's `negatives` by 1."""
        return Delete(keys.NEGATIVES, (tenant, keys.negative(faceid, sighting_id)))

    def _stored(self, tenant: str, low: str | None = None, high: str | None = None) -> Iterator[Item]:
        return every(self._items, keys.NEGATIVES, tenant, low=low, high=high)


def _negative_from(item: Item) -> Negative:
    sighting_id = keys.parts_of_negative(item["id"])[1]
    return Negative(sighting_id, templates_from(item["templates"]), item["camera"])
