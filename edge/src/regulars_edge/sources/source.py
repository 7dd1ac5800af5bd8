"""What a source is, and what it gives."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from regulars_edge.picture import Content, content_of
from regulars_edge.spool.model import FileMark, Stamp

if TYPE_CHECKING:
    from PIL.Image import Image

JPEG_QUALITY = 92


class Frame(Protocol):
    """One picture, with the time when it was taken."""

    stamp: Stamp
    mark: FileMark | None
    """The file that the picture came from, if it came from one."""

    def encoded(self) -> bytes:
        """As JPEG or PNG."""
        ...

    def image(self) -> Image:
        """RGB. Raises OSError for what is no picture."""
        ...

    def grey(self, size_px: tuple[int, int]) -> Image:
        """Small and grey, made as cheaply as the format allows. Raises OSError for what is no picture."""
        ...

    def kept(self) -> None:
        """To be called when the picture is durably in the spool: its owner may let go of it."""
        ...


class Source(Protocol):
    def frames(self, stop: threading.Event) -> Iterator[Frame | None]:
        """Frames as they come, None as a sign of life in between, until `stop`, or until there are no more.

        Raises SourceFailed if the camera does not answer; the caller may begin again.
        """
        ...


class EncodedFrame:
    """Bytes that a camera made."""

    mark: FileMark | None = None

    def __init__(self, data: bytes, stamp: Stamp) -> None:
        self._data = data
        self.stamp = stamp

    def encoded(self) -> bytes:
        return self._data

    def content(self) -> Content | None:
        return content_of(self._data)

    def image(self) -> Image:
        from PIL import Image

        return Image.open(io.BytesIO(self._data), formats=("JPEG", "PNG")).convert("RGB")

    def grey(self, size_px: tuple[int, int]) -> Image:
        from PIL import Image

        picture = Image.open(io.BytesIO(self._data), formats=("JPEG", "PNG"))
        picture.draft("L", size_px)  # a JPEG is decoded at an eighth of its size
        return picture.convert("L").resize(size_px, Image.Resampling.BOX)

    def kept(self) -> None:
        pass


class DecodedFrame:
    """Pixels that a decoder made."""

    mark: FileMark | None = None

    def __init__(self, picture: Image, stamp: Stamp) -> None:
        self._picture = picture
        self.stamp = stamp

    def encoded(self) -> bytes:
        out = io.BytesIO()
        self._picture.save(out, "JPEG", quality=JPEG_QUALITY)
        return out.getvalue()

    def image(self) -> Image:
        return self._picture

    def grey(self, size_px: tuple[int, int]) -> Image:
        from PIL import Image

        return self._picture.resize(size_px, Image.Resampling.BILINEAR, reducing_gap=2.0).convert("L")

    def kept(self) -> None:
        pass
