"""What a tenant is told of the faces of a picture: the one place where its attribute and liveness settings hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.model import Tenant
from chalicelib.core.pictures import DetectedFace, Estimates, Quality
from chalicelib.core.ports import Vision
from chalicelib.core.records.faces import as_stored

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Estimated:
    """What is estimated of a face, without what the tenant switched off.

    `spoof`: why the face is refused as a picture of a face; None: it is not, or nobody asks.
    """

    estimates: Estimates
    spoof: str | None


def estimated(
    vision: Vision, tenant: Tenant, image: NDArray[np.uint8], faces: Sequence[DetectedFace]
) -> list[Estimated]:
    """One a face, in order, with the digits that are kept."""
    described = [as_stored(one) for one in vision.describe(image, faces)]
    return [Estimated(tenant.told(one), spoof(tenant, one.liveness)) for one in described]


def whole(quality: Quality, estimates: Estimates) -> Quality:
    """A face's quality with its pose, which the estimates alone know: their quality is the product of all factors."""
    if estimates.quality is None:
        return quality
    frontality = 100 * estimates.quality / quality.total if quality.total > 0 else 100.0
    if frontality < quality.flaw_score:
        return Quality(estimates.quality, "turned too far away", frontality)
    return Quality(estimates.quality, quality.flaw, quality.flaw_score)


def spoof(tenant: Tenant, liveness: float | None) -> str | None:
    """Why a face of this liveness is refused, if it is. Where liveness is asked for and not known, nobody is let in."""
    least = tenant.least_liveness
    if least is None:
        return None
    if liveness is None:
        return (
            "liveness is required and the model pack has no model for it: get the pack's optional file, or "
            "require none (`regulars tenants set NAME --least-liveness none`)"
        )
    if liveness < least:
        return (
            f"the face looks like a picture of a face: liveness {liveness:.2f} of {least:.2f}; "
            "photograph the person, with some room about the head, and no screen or print"
        )
    return None
