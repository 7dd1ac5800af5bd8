"""Builds sources and choosers as the configuration says."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from regulars_edge.choose.aim import Preview
from regulars_edge.choose.areas import Prepared
from regulars_edge.choose.chooser import Chooser, Everything, Moving, Through
from regulars_edge.clock import Clock
from regulars_edge.config import CameraConfig, Config, secret_in
from regulars_edge.errors import Misconfigured
from regulars_edge.http import Http, Timeouts
from regulars_edge.sources.folder import FolderSource
from regulars_edge.sources.gate import MotionGate
from regulars_edge.sources.snapshot import Address, SnapshotSource
from regulars_edge.sources.source import Source

if TYPE_CHECKING:
    from regulars_edge.sources.video import LiveSource


def source_of(camera: CameraConfig, config: Config, clock: Clock) -> Source:
    """Make the source that a camera's configuration names. Raises Misconfigured."""
    if camera.source == "folder":
        after = None if camera.after == "delete" else Path(camera.after.removeprefix("move:"))
        return FolderSource(
            Path(camera.place),
            clock,
            interval_s=camera.interval_s,
            after=after,
            zone=camera.zone,
            time_in_name=camera.time_in_name,
            leave_out=config.spool,
        )
    if camera.source == "snapshot":
        http = Http(clock, Timeouts(connect_s=5.0, silence_s=10.0, whole_s=30.0), camera.ca_file or config.ca_file)
        return SnapshotSource(http, address_of(camera), clock, camera.interval_s, _gate(camera, config, clock))
    if camera.source == "rtsp":
        return _stream(camera, config, clock)
    from regulars_edge.sources.video import LiveSource, VideoFileSource

    if camera.source == "usb":
        return LiveSource(camera.place, "v4l2", {"input_format": "mjpeg"}, clock, camera.interval_s)
    return VideoFileSource(Path(camera.place), camera.interval_s, hardware=camera.hardware)


def small_stream(camera: CameraConfig) -> CameraConfig | None:
    """Return the camera's small stream as a camera of its own, which is looked at for motion."""
    if camera.motion_url is None:
        return None
    small = replace(camera, source="rtsp", place=camera.motion_url, motion_url=None)
    return replace(small, send="motion", hardware=None)


def _stream(camera: CameraConfig, config: Config, clock: Clock) -> LiveSource:
    from regulars_edge.sources.video import LiveSource, rtsp_options

    url, gate = address_of(camera).with_credentials(), _gate(camera, config, clock)
    # PyAV's wheels know no certificates of the system.
    ca_file = camera.ca_file or config.ca_file or ssl.get_default_verify_paths().cafile
    tls = {"ca_file": ca_file, "verifyhost": camera.tls_name}
    options = rtsp_options(url, {name: str(value) for name, value in tls.items() if value})
    return LiveSource(url, None, options, clock, camera.interval_s, hardware=camera.hardware, gate=gate)


def _gate(camera: CameraConfig, config: Config, clock: Clock) -> MotionGate | None:
    small = small_stream(camera)
    return None if small is None else MotionGate(_stream(small, config, clock), chooser_of(small))


def address_of(camera: CameraConfig) -> Address:
    """Return the camera's URL, with the password from its file if there is one. Raises Misconfigured."""
    schemes = ("rtsp://", "rtsps://") if camera.source == "rtsp" else ("http://", "https://")
    if not camera.place.lower().startswith(schemes):
        raise Misconfigured(f"camera {camera.name}: its url begins with {' or '.join(schemes)}")
    password = secret_in(camera.password_file) if camera.password_file else None
    try:
        return Address.of(camera.place, camera.user, password)
    except ValueError as error:
        raise Misconfigured(f"camera {camera.name}: its url is none: {error}") from error


def chooser_of(camera: CameraConfig, aim: Preview | None = None) -> Chooser:
    """Make the choice of frames that a camera's configuration names. Raises Misconfigured.

    `aim` sees what is behind the masks.
    """
    chooser = Through(_choice(camera), aim.look) if aim else _choice(camera)
    if not (camera.masks or camera.rotate):
        return chooser
    return Through(chooser, lambda frame: Prepared(frame, camera.masks, camera.rotate))


def _choice(camera: CameraConfig) -> Chooser:
    if camera.send == "all":
        return Everything()
    if camera.send == "motion":
        return Moving(camera.motion_share, camera.zones)
    from regulars_edge.choose.faces import Detector, Still

    detector = Still(Detector(camera.face_score, camera.min_face_px), camera.min_face_px, camera.zones)
    if camera.send == "faces":
        from regulars_edge.choose.by_face import WithFaces

        return WithFaces(detector, camera.crop_room)
    from regulars_edge.choose.by_face import BestShot

    return BestShot(detector, camera.track_s, camera.crop_room, early=camera.early)
