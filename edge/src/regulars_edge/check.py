"""`regulars-edge check`: a line for each thing that can be wrong, and what to do."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from regulars_edge import logs
from regulars_edge.clock import Clock, ServiceTime, SystemClock
from regulars_edge.config import CameraConfig, Config, api_key, shows_the_key
from regulars_edge.errors import EdgeError, NotAllowed
from regulars_edge.http import Http, Timeouts, proxies_of_environment
from regulars_edge.logs import redacted
from regulars_edge.service import Service
from regulars_edge.wiring import chooser_of, small_stream, source_of

CLOCK_ERROR_MS = 2_000
FIRST_FRAME_S = 20.0
FACE_M, LENS_DEGREES = 0.15, 90
"""Width of a face, and the angle that cameras with a lens of 2.8 mm or so take in."""


@dataclass(frozen=True)
class Line:
    what: str
    is_good: bool
    said: str


def check(config: Config, say: Callable[[str], None] = print) -> int:
    """0 where all is well, 1 where something is to be done."""
    logs.to_stderr("text", "error")
    good = True
    for line in lines(config, SystemClock()):
        good = good and line.is_good
        say(f"{'ok  ' if line.is_good else 'BAD '} {line.what}: {redacted(line.said)}")
    return 0 if good else 1


def lines(config: Config, clock: Clock) -> Iterator[Line]:
    service_time = ServiceTime(clock)
    timeouts = Timeouts(connect_s=5.0, silence_s=10.0, whole_s=20.0)
    http = Http(clock, timeouts, config.ca_file, proxies_of_environment())
    yield _disk(config)
    for camera in config.cameras:
        yield _camera(f"camera {camera.name}", replace(camera, motion_url=None), config, clock)
        small = small_stream(camera)
        if small is not None:
            yield _camera(f"small stream of {camera.name}", small, config, clock)
    reached = False
    for camera in config.cameras:
        try:
            key = api_key(camera.api_key_file or config.api_key_file)
        except EdgeError as error:
            yield Line(f"credential of {camera.name}", False, str(error))
            continue
        service = Service(
            http, config.url, partial(str, key), service_time, tenant_key=config.tenant_key or config.make_cameras
        )
        if not reached:
            line = _network(service, camera.name, config.url)
            yield line
            reached = service_time.anchor is not None
        if reached:
            yield _credential(service, camera.name, config)
    yield _clock(service_time)


def _disk(config: Config) -> Line:
    place = config.spool
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    needed = config.limits.min_free_bytes
    said = f"{free / 2**20:.0f} MiB free where the spool {config.spool} is, {needed / 2**20:.0f} MiB stay free"
    if not _writable(config.spool):
        return Line("disk", False, f"the spool {config.spool} cannot be written: give it to this user")
    if free <= needed:
        return Line("disk", False, f"{said}: no picture can be taken; free some space")
    return Line("disk", True, said)


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / ".check"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError:
        return False
    return True


def _camera(what: str, camera: CameraConfig, config: Config, clock: Clock) -> Line:
    try:
        chooser_of(camera)
        stop = threading.Event()
        timer = threading.Timer(FIRST_FRAME_S, stop.set)
        timer.start()
        try:
            for frame in source_of(camera, config, clock).frames(stop):
                if frame is None:
                    return Line(what, True, f"the folder {camera.place} can be read")
                said = f"{len(frame.encoded())} bytes from {camera.source} {camera.place}"
                return Line(what, True, said + _reach(camera, frame.image().width))
        finally:
            timer.cancel()
    except EdgeError as error:
        return Line(what, False, f"{error}")
    return Line(what, False, f"no picture within {FIRST_FRAME_S:.0f} s: is it switched on?")


def _reach(camera: CameraConfig, width_px: int) -> str:
    """Say how far away a face may be to count, at the angle of common lenses."""
    if camera.send not in ("faces", "best_shot"):
        return ""
    metres = FACE_M * width_px / camera.min_face_px / (2 * math.tan(math.radians(LENS_DEGREES) / 2))
    return (
        f", {width_px} wide: faces count from {camera.min_face_px} pixels on, which is up to {metres:.1f} m away with "
        f"a lens of {LENS_DEGREES} degrees"
    )


def _network(service: Service, camera: str, url: str) -> Line:
    try:
        service.ask_time(camera)
    except EdgeError as error:
        return Line("network", False, f"{error}: check the cable, the address and the firewall")
    if shows_the_key(url):
        return Line("network", False, f"{url} answers, but the key and the pictures cross it in the clear: use https")
    return Line("network", True, f"{url} answers")


def _credential(service: Service, camera: str, config: Config) -> Line:
    what = f"credential of {camera}"
    try:
        found = service.camera_id(camera)
    except NotAllowed as error:
        if error.code == "CameraNotFound" and config.make_cameras:
            return Line(what, True, "the camera is not there yet and will be made")
        hint = "make the camera, or correct its name" if error.code == "CameraNotFound" else "check the key"
        return Line(what, False, f"{error}: {hint}")
    except EdgeError as error:
        return Line(what, False, str(error))
    return Line(what, True, f"the key is good for camera {found}")


def _clock(service_time: ServiceTime) -> Line:
    error_ms = service_time.wall_error_ms()
    if error_ms is None:
        return Line("clock", False, "cannot be compared as long as the service does not answer")
    said = f"this machine's clock is {error_ms / 1000:+.1f} s off the service's"
    if abs(error_ms) <= CLOCK_ERROR_MS:
        return Line("clock", True, said)
    return Line(
        "clock", False, f"{said}: times are corrected, but files' times may be wrong; switch on NTP (timedatectl)"
    )
