"""Frames: the pictures that sources give, with the time when each was taken; and how many wait in
memory."""

from __future__ import annotations

import io
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol
from weakref import WeakKeyDictionary

from regulars_edge.picture import (
    DECODING,
    WHOLE_PX,
    end_picture,
    join_pictures,
    open_picture,
    turn_upright,
)
from regulars_edge.spool.model import FileMark, Stamp

if TYPE_CHECKING:
    from PIL.Image import Image


JPEG_QUALITY = 92
"""JPEG quality of what is sent: at 92 embeddings are as good as of the frame itself."""
LARGEST_BYTES = 20 * 2**20
"""Of a picture; the service takes no larger one."""


class Pixels(Protocol):
    """A picture of which parts can be had: Pillow's, or a decoder's frame, of which only they
    become RGB."""

    @property
    def size(self) -> tuple[int, int]: ...

    def crop(self, box: tuple[int, int, int, int]) -> Image:
        """`box`: left, top, right, bottom, within the picture."""
        ...


Mode = Literal["L", "RGB"]
"""Grey, or in colour; by Pillow's names."""


class Owner(Protocol):
    """A source whose files wait until the spool has them."""

    def let_go(self, mark: FileMark) -> None:
        """Remove or move a file that is durably in the spool."""

    def leave_alone(self, mark: FileMark, why: str) -> None:
        """Pass over a file of which nothing can be made, ever."""


class Frame(Protocol):
    """One picture, with the time when it was taken."""

    stamp: Stamp
    mark: FileMark | None = None
    """The file that the picture came from, if it came from one."""
    owner: Owner | None = None
    """The folder that has this file."""
    lag_s: float | None = None
    """How far it is behind the camera; None from a source that cannot fall behind."""
    worth: float = 0.0
    """How much is lost if it is not sent, as far as the chooser can tell."""
    track: str = ""
    """The way of a face through the picture that it is of; "": none is known."""
    size: tuple[int, int] = (0, 0)
    """In pixels, as the camera gives it; (0, 0) before somebody has looked at it."""

    def encode_picture(self) -> bytes:
        """As JPEG or PNG. Raises OSError for what is no picture and cannot be sent as it is."""

    def image(self) -> Image:
        """RGB, upright. Raises OSError for what is no picture."""

    @cached_property
    def pixels(self) -> Pixels:
        """Decode the frame as `image` does, once, by parts if the source can.

        Raises OSError for what is no picture.
        """
        return self.image()

    def grey(self, size_px: tuple[int, int]) -> Image:
        """Shrink it to a small grey picture. Raises OSError for what is no picture."""
        return self.shrink(size_px, "L")

    def shrink(self, size_px: tuple[int, int], mode: Mode) -> Image:
        """Small and upright, stretched to the size, made as cheaply as the format allows.

        Raises OSError for what is no picture.
        """

    def release_file(self) -> None:
        """To be called when the picture is durably in the spool: its owner may let go of it."""
        if self.owner is not None and self.mark is not None:
            self.owner.let_go(self.mark)

    def give_up_file(self, why: str) -> None:
        """To be called when nothing can be made of the picture, ever."""
        if self.owner is not None and self.mark is not None:
            self.owner.leave_alone(self.mark, why)


class EncodedFrame(Frame):
    """Bytes of a whole picture, as a camera made them.

    `views`: further pictures of a face in it, as JPEGs, which go out in its file.
    """

    views: tuple[bytes, ...] = ()

    def __init__(self, data: bytes, stamp: Stamp, track: str = "") -> None:
        self._data = data
        self.stamp = stamp
        self.track = track

    def encode_picture(self) -> bytes:
        """Return its bytes, with the views behind them unless the file would be too large; none if
        they were dropped for want of memory."""
        joined = join_pictures(self._data, self.views)
        return joined if len(joined) <= LARGEST_BYTES else self._data

    def drop_bytes(self) -> None:
        self._data, self.views = b"", ()

    def image(self) -> Image:
        large = self._open_picture()
        with DECODING:
            if large.width * large.height > WHOLE_PX:
                large.draft("RGB", (large.width // 2, large.height // 2))
            picture = turn_upright(large)
            picture.load()
        return picture if picture.mode == "RGB" else picture.convert("RGB")

    def shrink(self, size_px: tuple[int, int], mode: Mode) -> Image:
        from PIL import Image

        picture = self._open_picture()
        picture.draft(mode, size_px)  # a JPEG is decoded at an eighth of its size
        with DECODING:
            return turn_upright(picture).convert(mode).resize(size_px, Image.Resampling.BOX)

    def _open_picture(self) -> Image:
        picture = open_picture(end_picture(self._data))
        self.size = picture.size
        return picture


HELD_BYTES = 32 * 2**20
"""Memory for frames that wait for a better one, of one camera."""


class WaitingFrames:
    """The frames of all cameras that wait in memory, as JPEGs, for a better one or for their
    turn."""

    def __init__(self, most_bytes: int = HELD_BYTES) -> None:
        self._most_bytes = most_bytes
        self._frames: WeakKeyDictionary[EncodedFrame, None] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def hold(self, frame: EncodedFrame) -> None:
        """Hold one more; beyond the bound those that are worth least lose their bytes, of equal
        ones the newest."""
        with self._lock:
            self._frames[frame] = None
            left_bytes = self._most_bytes
            for waiting in sorted(self._frames, key=lambda waiting: -waiting.worth):
                if len(waiting.encode_picture()) > left_bytes:
                    waiting.drop_bytes()
                left_bytes -= len(waiting.encode_picture())


WAITING_FRAMES = WaitingFrames()


def encode_jpeg(picture: Image) -> bytes:
    """Encode the pixels without the EXIF data that they came with: a thumbnail there would show
    more."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=JPEG_QUALITY, exif=b"", comment=b"")
    return out.getvalue()
