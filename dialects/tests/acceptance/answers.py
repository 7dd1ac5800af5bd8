"""What operations answer by default, and of what there is not."""

import io

from PIL import Image

ABSENT = "11111111-1111-1111-1111-111111111111"
DEFAULT = {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}


def page(side: int = 400, *, width: int | None = None, form: str = "PNG") -> dict[str, bytes]:
    """A white page."""
    data = io.BytesIO()
    Image.new("RGB", (width or side, side), "white").save(data, form)
    return {"Bytes": data.getvalue()}


def missing(collection: str) -> tuple[str, str]:
    return "ResourceNotFoundException", f"The collection id: {collection} does not exist"
