"""Builds sources and choosers as the configuration says."""

from __future__ import annotations

from pathlib import Path

from regulars_edge.choose.chooser import Chooser, Everything, Moving
from regulars_edge.clock import Clock
from regulars_edge.config import CameraConfig, Config
from regulars_edge.credentials import secret_in
from regulars_edge.errors import Misconfigured
from regulars_edge.http import Http, Timeouts
from regulars_edge.sources.folder import FolderSource
from regulars_edge.sources.snapshot import Address, SnapshotSource
from regulars_edge.sources.source import Source


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
            leave_out=config.spool,
        )
    if camera.source == "snapshot":
        http = Http(clock, Timeouts(connect_s=5.0, silence_s=10.0, whole_s=30.0), config.ca_file)
        return SnapshotSource(http, address_of(camera), clock, camera.interval_s)
    from regulars_edge.sources.video import LiveSource, VideoFileSource

    if camera.source == "rtsp":
        return LiveSource.rtsp(address_of(camera).with_credentials(), clock, camera.interval_s)
    if camera.source == "usb":
        return LiveSource.usb(camera.place, clock, camera.interval_s)
    return VideoFileSource(Path(camera.place), camera.interval_s)


def address_of(camera: CameraConfig) -> Address:
    """Return the camera's URL, with the password from its file if there is one. Raises Misconfigured."""
    schemes = ("rtsp://", "rtsps://") if camera.source == "rtsp" else ("http://", "https://")
    if not camera.place.lower().startswith(schemes):
        raise Misconfigured(f"camera {camera.name}: its url begins with {' or '.join(schemes)}")
    password = secret_in(camera.password_file) if camera.password_file else None
    return Address.of(camera.place, camera.user, password)


def chooser_of(camera: CameraConfig, models: Path | None) -> Chooser:
    """Make the choice of frames that a camera's configuration names. Raises Misconfigured."""
    if camera.send == "all":
        return Everything()
    if camera.send == "motion":
        return Moving(camera.motion_share)
    from regulars_edge.choose.faces import Detector, WithFaces, model_file

    detector = Detector(model_file(models), camera.face_score)
    if camera.send == "faces":
        return WithFaces(detector, camera.min_face_px)
    from regulars_edge.choose.best_shot import BestShot

    return BestShot(detector, camera.min_face_px, camera.track_s)
