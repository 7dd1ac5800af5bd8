"""The canonical form of a template: what is stored is what is compared.

Little-endian float16 of the unit embedding: half the bytes of float32, and rounding moves a cosine by less than 5e-4
(2^-11 a component, Cauchy-Schwarz), far below the spread of scores. Scores are computed over this form everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.model import Template

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FLOAT16 = "<f2"


def canonical(model: str, embedding: NDArray[np.float32]) -> Template:
    """The template of a unit embedding, shape (dimensions,)."""
    return Template(model, embedding.astype(_FLOAT16).tobytes())


def vector(template: Template) -> NDArray[np.float32]:
    """(dimensions,) float32 of a canonical template."""
    import numpy as np  # not for those who only import a use case that compares

    return np.frombuffer(template.vector, dtype=_FLOAT16).astype(np.float32)
