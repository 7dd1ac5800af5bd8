"""Re-embedding of negatives for a new model, from the pictures of their captures."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core import keys
from chalicelib.core.captures import parts_of_sighting
from chalicelib.core.errors import ConditionFailed, InvalidInput, Unusable
from chalicelib.core.model import Negative, Template
from chalicelib.core.ports import BlobStore, ItemStore
from chalicelib.services.captures.reading import RULES
from chalicelib.services.models.embedder import Embedder
from chalicelib.services.recognition.recognition import Negatives


@dataclass(frozen=True)
class ReembeddedNegatives:
    """Counts of negatives that got a template of the new model now, and that cannot get one: their capture is gone."""

    embedded: int = 0
    left: int = 0


class RejectedPictures:
    def __init__(self, items: ItemStore, uploads: BlobStore) -> None:
        self._negatives = Negatives(items)
        self._uploads = uploads

    def embed(self, tenant: str, embedder: Embedder) -> ReembeddedNegatives:
        """Embed all negatives that have no template of the embedder's model yet. Called again, continue."""
        embedded = left = 0
        for faceid, negative in self._negatives.every(tenant):
            if any(template.model == embedder.model for template in negative.templates):
                continue
            template = self._template(tenant, negative, embedder)
            if template is None:
                left += 1
            elif self._kept(tenant, faceid, negative, template):
                embedded += 1
        return ReembeddedNegatives(embedded, left)

    def _template(self, tenant: str, negative: Negative, embedder: Embedder) -> Template | None:
        try:
            capture_id, _ = parts_of_sighting(negative.sighting_id)
        except ValueError:
            return None
        picture = self._uploads.get(keys.capture_picture(tenant, negative.camera, capture_id))
        if picture is None:
            return None
        try:
            return embedder.template(negative.templates, picture, RULES)
        except (Unusable, InvalidInput):
            return None

    def _kept(self, tenant: str, faceid: str, negative: Negative, template: Template) -> bool:
        """Store the template. Return False if the negative was deleted meanwhile."""
        try:
            self._negatives.add_template(tenant, faceid, negative, template)
        except ConditionFailed:
            return False
        return True
