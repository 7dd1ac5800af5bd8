"""The health of a camera that works."""

import math

from regulars_edge import config
from regulars_edge.camera_uploader import CameraUploader
from regulars_edge.capture import Capture, Wiring
from regulars_edge.health import Health, Machine


def health_of(uploader: CameraUploader) -> Health:
    """Return the health of a camera that works."""
    health = Health(uploader, Machine("0123456789abcdef", "shop"), 300.0)
    capture = Capture(
        config.CameraConfig(uploader.camera, "snapshot"),
        not_wired,
        uploader.spool,
        uploader.dropped,
    )
    capture.alive_at = math.inf
    health.add_capture(capture)
    return health


def not_wired(*_: object) -> Wiring:
    raise AssertionError("nothing is taken")
