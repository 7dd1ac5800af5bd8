"""Reads the console's QR code by the camera that is claimed: somebody holds a phone or a print before it."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from regulars_edge import config
from regulars_edge.clock import SystemClock
from regulars_edge.errors import Misconfigured, SourceFailed
from regulars_edge.wiring import source_of

if TYPE_CHECKING:
    from PIL.Image import Image

WAIT_S = 300.0
_LINE = re.compile(r"regulars-edge claim (\S{4,64}) (https?://\S+)")


def code_by(camera: Mapping[str, object]) -> tuple[str, str]:
    """Wait until a camera, the values of a [[camera]], sees the code; return it and the service's URL.

    Raises Misconfigured; SourceFailed if the camera does not answer or sees no code within WAIT_S.
    """
    known = config.parsed({"server": {"url": "https://unknown.example"}, "camera": [dict(camera)]})
    stop = threading.Event()
    timer = threading.Timer(WAIT_S, stop.set)
    timer.start()
    try:
        for frame in source_of(known.cameras[0], known, SystemClock()).frames(stop):
            with suppress(OSError):  # half a picture; the next one comes soon
                if frame is not None and (found := code_in(frame.image())):
                    return found
    finally:
        timer.cancel()
    raise SourceFailed(
        f"no code of the console within {WAIT_S:.0f} s: hold it nearer, and flat; a phone must be bright"
    )


def code_in(picture: Image) -> tuple[str, str] | None:
    """Return code and URL of the QR code in a picture; None if it shows none of the console. Raises Misconfigured."""
    try:
        import cv2
        import numpy as np
    except ImportError as error:
        raise Misconfigured("reading a code needs OpenCV: pip install opencv-python-headless") from error
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(np.asarray(picture.convert("L")))
    found = _LINE.fullmatch(text)
    return (found[1], found[2]) if found else None
