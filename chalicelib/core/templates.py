"""The canonical form of a template, in which it is both stored and compared.

Little-endian float16 of the unit embedding: half the bytes of float32, and rounding moves a cosine by less than 5e-4
(2^-11 a component, Cauchy-Schwarz), far below the spread of scores. Scores are computed over this form everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib.core.model import Template

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FLOAT16 = "<f2"


def canonical(model: str, embedding: NDArray[np.float32]) -> Template:
    """Make the template of a unit embedding, shape (dimensions,)."""
    return Template(model, embedding.astype(_FLOAT16).tobytes())


def vector(template: Template) -> NDArray[np.float32]:
    """Read the (dimensions,) float32 of a canonical template."""
    read: NDArray[np.float32] = rows([template.vector])[0]
    return read


def rows(vectors: Sequence[bytes]) -> NDArray[np.float32]:
    """Read the (n, dimensions) float32 of canonical templates' bytes, one or more."""
    import numpy as np  # here, so that importing a use case that compares does not load it

    return np.frombuffer(b"".join(vectors), dtype=_FLOAT16).astype(np.float32).reshape(len(vectors), -1)


def compared(templates: Sequence[Template]) -> tuple[Template, ...]:
    """Reduce a face's templates to the ones that a gallery compares: for each model the mean over the photos."""
    import numpy as np

    by_model: dict[str, list[Template]] = {}
    for template in templates:
        by_model.setdefault(template.model, []).append(template)
    return tuple(
        own[0] if len(own) == 1 else canonical(model, fused(np.stack([vector(one) for one in own])))
        for model, own in by_model.items()
    )


def of_model(templates: Sequence[Template], model: str) -> Template | None:
    """Return the one of the `compared` ones that is of this model; None if there is none."""
    own = [one for one in templates if one.model == model]
    return compared(own)[0] if own else None


def fused(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the unit mean, (dimensions,) float32, of one person's unit embeddings (n, dimensions).

    The pictures share the person, and their differences cancel out: a search finds the mean of three photos more often
    than the best of the three.
    """
    import numpy as np

    mean = embeddings.mean(axis=0)
    norm = max(float(np.linalg.norm(mean)), float(np.finfo(np.float32).tiny))
    return np.asarray(mean / norm, dtype=np.float32)
