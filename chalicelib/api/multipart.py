"""The parts of a multipart body. They are read by werkzeug, as RFC 2046 and 7578 allow
(docs/decisions).

Import this only when a multipart form has come: werkzeug takes 35 ms to load.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable

from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import (
    BLANK_LINE_RE,
    Data,
    Epilogue,
    Event,
    Field,
    File,
    MultipartDecoder,
    State,
)

from chalicelib.api.http import Part

MAX_PARTS = 40
"""Most parts of a form; the largest request of any dialect has about twenty."""

MAX_HEADERS = 8
"""Headers of one part of a form; browsers send two."""
MAX_HEADERS_BYTES, MAX_ALL_HEADERS_BYTES = 4 * 1024, 16 * 1024
"""Most bytes of the headers of one part, and of all. Clients send two or three headers, and perhaps
a name of 255 characters, twice: `filename` and `filename*`, of which each character may take nine
bytes.

They are read before the signer of the form is known, and reading one takes time with the square of
its length.
"""

_ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "base64": binascii.a2b_base64,
    "quoted-printable": binascii.a2b_qp,
}

_DISPOSITION = re.compile(rb"^content-disposition[ \t]*:", re.IGNORECASE | re.MULTILINE)

MAX_PREAMBLE_BYTES = 1024
"""Limit of bytes up to the end of the first boundary. Clients send nothing before it."""


def parse_parts(body: bytes, boundary: bytes, codec: str) -> list[Part]:
    """Read all parts in the order sent.

    Raises RequestEntityTooLarge if there are more than MAX_PARTS, ValueError if the body is no
    multipart body.
    """
    decoder = _Decoder(boundary, codec)
    # it compares the whole boundary at every byte
    if decoder.preamble_re.search(body, 0, MAX_PREAMBLE_BYTES) is None:
        raise ValueError(f"there is no boundary in its first {MAX_PREAMBLE_BYTES} bytes")
    decoder.receive_data(body)
    decoder.receive_data(None)
    parts: list[Part] = []
    part_head: Field | File | None = None
    while not isinstance(event := decoder.next_event(), Epilogue):
        if isinstance(event, Field | File):
            part_head = event
        elif isinstance(event, Data) and not event.more_data and part_head is not None:
            parts.append(_make_part(part_head, event.data))
    return parts


class _Decoder(MultipartDecoder):
    """A werkzeug decoder with limits for the headers of parts, and with headers in other charsets
    than UTF-8."""

    def __init__(self, boundary: bytes, codec: str) -> None:
        super().__init__(boundary, max_parts=MAX_PARTS)
        self._codec = codec
        self._left_bytes = MAX_ALL_HEADERS_BYTES

    def next_event(self) -> Event:
        if self.state is State.PART and (end := BLANK_LINE_RE.search(self.buffer)):
            self._begin_part(end.start())
        event = super().next_event()
        if isinstance(event, Field | File) and len(event.headers) > MAX_HEADERS:
            raise ValueError(f"a part has more than {MAX_HEADERS} headers")
        return event

    def _begin_part(self, size: int) -> None:
        """Limit the bytes of a part's headers, and have them in UTF-8."""
        if size > MAX_HEADERS_BYTES:
            raise ValueError(f"the headers of a part have more than {MAX_HEADERS_BYTES} bytes")
        self._left_bytes -= size
        if self._left_bytes < 0:
            raise ValueError(
                f"the headers of all parts have more than {MAX_ALL_HEADERS_BYTES} bytes"
            )
        headers = self.buffer[:size]
        if not headers.isascii():
            self.buffer[:size] = headers.decode(self._codec, "replace").encode()
        if not _DISPOSITION.search(headers):  # some cameras send none
            self.buffer[:0] = b"Content-Disposition: form-data\r\n"


def _make_part(part_head: Field | File, data: bytes) -> Part:
    """Make a part of its headers and its content, whose transfer encoding is undone.

    Raises ValueError.
    """
    decode = _ENCODINGS.get(part_head.headers.get("content-transfer-encoding", "").lower())
    media_type, options = parse_options_header(part_head.headers.get("content-type", ""))
    return Part(
        name=part_head.name or "",  # it may be None, though werkzeug declares a str
        filename=part_head.filename if isinstance(part_head, File) else None,
        media_type=media_type.lower(),
        charset=options.get("charset", "").lower(),
        data=decode(data) if decode else data,
    )
