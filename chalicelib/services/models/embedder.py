"""Templates by another model, made from the kept pictures of faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib.core.errors import Unusable
from chalicelib.core.model import Template
from chalicelib.core.pictures import DetectedFace, PictureRules
from chalicelib.core.ports import Vision
from chalicelib.core.templates import canonical, vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT_PICTURE = PictureRules(frozenset({"JPEG"}), 1 << 24, 8192, 8192)

SAME_FACE_FMR = 1e-3
"""FMR of the score at which a face in a kept picture is taken for the enrolled one.

A face embedded again from its kept picture scores 0.85 or more, so this only has to rule out others in the picture.
"""


class Embedder:
    """The step from one model to the next. `old`: the vision of the present model; `new`: that of the next one."""

    def __init__(self, old: Vision, new: Vision) -> None:
        self._old = old
        self._new = new

    @property
    def model(self) -> str:
        return self._new.model

    def template(self, known: Sequence[Template], picture: bytes, rules: PictureRules = KEPT_PICTURE) -> Template:
        """Return the new model's template of the face whose templates are `known`.

        The present model decides which face of the picture it is. If the new model's detector finds no face, the
        present one's looks for it. Raises Unusable if none is the face, or it is not clear which one is.
        """
        image = self._new.read(picture, rules)
        found = self._new.detect(image) or self._old.detect(image)
        if not found:
            raise Unusable("no face is found in its picture any more")
        same = self._whose(known, image, found)
        return canonical(self.model, self._new.embed(image, [same])[0])

    def _whose(
        self, templates: Sequence[Template], image: NDArray[np.uint8], found: Sequence[DetectedFace]
    ) -> DetectedFace:
        import numpy as np

        known = [vector(template) for template in templates if template.model == self._old.model]
        if not known:
            if len(found) > 1:
                raise Unusable("its picture shows several faces, and it has no template that tells which it is")
            return found[0]
        likeness = (self._old.embed(image, found) @ np.stack(known).T).max(axis=1)
        best = int(np.argmax(likeness))
        if likeness[best] < self._old.impostor_curve.threshold_at(SAME_FACE_FMR):
            raise Unusable("the face in its picture is not the one that was enrolled")
        return found[best]
