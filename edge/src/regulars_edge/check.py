"""`regulars-edge check`: a line for each thing that can be wrong, and what to do."""

from __future__ import annotations

import argparse
import math
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from regulars_client.at_rest import describe_at_rest

from regulars_edge import exits, logs
from regulars_edge.addresses import Addresses
from regulars_edge.capture import (
    frames_within,
    make_chooser,
    make_small_camera,
    make_source,
    read_address,
)
from regulars_edge.clock import Clock, ServiceTime
from regulars_edge.config import CameraConfig, Config, load, read_api_key, shows_the_key
from regulars_edge.count.line import LOOK_S
from regulars_edge.errors import (
    EdgeError,
    Misconfigured,
    NotAllowed,
    PasswordRefused,
    SourceFailed,
    SpoolFull,
    Unreachable,
)
from regulars_edge.health import Machine
from regulars_edge.http import Http, Timeouts, proxies_of_environment
from regulars_edge.logs import redact_text, redact_url
from regulars_edge.service import Service
from regulars_edge.spool.model import Memory
from regulars_edge.spool.spool import read_view_beside

CLOCK_ERROR_MS = 2_000
"""Difference between this clock and the service's from which `check` warns, in ms."""
FIRST_FRAME_S = 20.0
"""How long `check` waits for a camera's first picture, in s."""
FACE_M, LENS_DEGREES = 0.15, 90
"""Width of a face, and the angle that cameras with a lens of 2.8 mm or so take in."""


def check(arguments: argparse.Namespace) -> int:
    """Print a line for each thing; return 0 if all is well, else 1. Raises Misconfigured."""
    if arguments.camera is not None:
        from regulars_edge.doctor import run_doctor

        return run_doctor(arguments)
    if arguments.config is None:
        raise Misconfigured("give --config with a file, or --camera with a camera's URL or address")
    config = load(arguments.config)
    logs.log_to_stderr("text", "error")
    clock, bad = Clock(), list[str]()
    service_time = ServiceTime(clock)

    def print_line(what: str, ask: Callable[..., str | None], *given: object) -> None:
        """Print what `ask` says, or the EdgeError that it raises; nothing if it says None: that is
        not known yet."""
        try:
            mark, text = "ok  ", ask(*given)
        except EdgeError as error:
            mark, text = "BAD ", str(error)
            bad.append(what)
        if text is not None:
            print(f"{mark} {what}: {redact_text(text)}")

    print_line("disk", _check_disk, config)
    at_rest = describe_at_rest([config.spool, arguments.config, *config.secret_files])
    print(f"note if the box is stolen: {at_rest}")
    if config.metrics_port:
        print_line("local port", _check_port, config.metrics_port, clock)
    addresses = Addresses(config.cameras, Memory(text=read_view_beside(config.spool, "addresses")))
    look = partial(look_for_camera, addresses, config=config, clock=clock)
    counting_cameras = sum(camera.count is not None for camera in config.cameras)
    for camera in config.cameras:
        print_line(f"camera {camera.name}", look, replace(camera, motion_url=None))
        if camera.count is not None:
            print_line(f"counting at {camera.name}", _check_counting, counting_cameras)
        print_line(f"what leaves the box from {camera.name}", describe_leaving, camera)
        if small := make_small_camera(camera):
            print_line(f"small stream of {camera.name}", look, small)
    timeouts = Timeouts(connect_s=5.0, silence_s=10.0, whole_s=20.0)
    http = Http(clock, timeouts, config.ca_file, proxies_of_environment())
    may_be_tenants = config.tenant_key or config.make_cameras
    machine = Machine.of_folder(config, config.spool)
    for camera in config.cameras:
        key = partial(read_api_key, camera.api_key_file or config.api_key_file)
        service = Service(
            http, config.url, key, service_time, tenant_key=may_be_tenants, box=machine.box
        )
        if service_time.anchor is None:
            print_line("network", _check_network, service, camera.name, config.url)
        print_line(
            f"credential of {camera.name}",
            _check_credential,
            service,
            key,
            camera.name,
            config,
            service_time,
        )
    if service_time.anchor is not None or "network" in bad:
        print_line("clock", _check_clock, service_time)
    return exits.INCOMPLETE if bad else exits.OK


def _check_disk(config: Config) -> str:
    """Say how much room the spool has.

    Raises SpoolFull, also for a spool that cannot be written.
    """
    folder = config.spool
    while not folder.exists():
        folder = folder.parent
    free, needed = shutil.disk_usage(folder).free, config.limits.min_free_bytes
    try:
        config.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = config.spool / ".check"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise SpoolFull(
            f"the spool {config.spool} cannot be written: give it to this user"
        ) from error
    room = (
        f"{free / 2**20:.0f} MiB free on the disk of the spool {config.spool}, "
        f"{needed / 2**20:.0f} MiB stay free"
    )
    if free <= needed:
        raise SpoolFull(f"{room}: no picture can be taken; free some space")
    return room


def _check_port(port: int, clock: Clock) -> str:
    """Say where the uploader's page is or will be.

    Raises Misconfigured if another program has the port.
    """
    url = f"http://127.0.0.1:{port}"
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        with suppress(Unreachable):
            if (
                b"regulars_edge_"
                in Http(clock, Timeouts(1.0, 2.0, 5.0)).exchange("GET", f"{url}/metrics").body
            ):
                return f"{url} is the page of the uploader, which runs"
        why = (
            f"{port} cannot be had: {error.strerror}; set another port in [metrics], or 0 for none"
        )
        raise Misconfigured(why) from error
    return f"{url} will be the page of the uploader"


def look_for_camera(
    addresses: Addresses, camera: CameraConfig, config: Config, clock: Clock
) -> str:
    """Check a camera at the address at which the uploader asks it, and say so if edge.toml names
    another.

    One that does not answer there is searched for, as the uploader does. Raises SourceFailed.
    """
    found = addresses.move(camera)
    try:
        said = _check_camera(found, config, clock)
    except PasswordRefused:
        raise
    except SourceFailed:
        noted, found = found, addresses.find(camera)
        if found == noted:
            raise
        said = _check_camera(found, config, clock)
    if found == camera:
        return said
    return f"{said}. Its router gave it this address: edge.toml may stay as it is"


def _check_camera(camera: CameraConfig, config: Config, clock: Clock) -> str:
    """Take one picture from a camera, and say how large it is and from where.

    Of a folder without a picture it says that it can be read. Raises SourceFailed if no picture
    comes within FIRST_FRAME_S or it cannot be opened, and what is wrong with the camera's settings.
    """
    make_chooser(camera)
    try:
        for frame in frames_within(FIRST_FRAME_S, make_source(camera, config, clock)):
            if frame is None:
                return f"the folder {camera.place} can be read"
            place = (
                redact_url(read_address(camera).url)
                if camera.source in ("rtsp", "snapshot")
                else camera.place
            )
            said = f"{len(frame.encode_picture())} bytes from {camera.source} {place}"
            return said + _describe_reach(camera, frame.image().width)
    except OSError as error:
        raise SourceFailed(f"its picture cannot be opened: {error}") from error
    raise SourceFailed(f"no picture within {FIRST_FRAME_S:.0f} s: is it switched on?")


_SENT = {
    "all": "all pictures",
    "motion": "pictures in which something moves",
    "faces": "pictures in which there are faces",
    "best_shot": "the best picture of each face",
    "none": "no picture of whoever passes",
}


def describe_leaving(camera: CameraConfig) -> str:
    """Say what the box sends of a camera, by its `send` and `count`."""
    counts = ""
    if camera.count is not None:
        counts = (
            ", numbers of people by the minute, and a minute of boxes and squares, without people, "
            "when somebody in the console asks for it"
        )
    if camera.is_of_files or camera.crop_room is not None:
        return f"{_SENT[camera.choice]}{counts}"
    return (
        f"{_SENT[camera.choice]}{counts}. Besides, a picture each time that somebody asks for one "
        "in the console, and a small grey one when the shop opens"
    )


def _check_counting(cameras: int) -> str:
    """Say how well this machine counts people at so many cameras at once, as busy as it is now.

    Raises Misconfigured if it is too slow.
    """
    from regulars_edge.count.people import CANVAS_PX, PersonDetector, measure_looks_per_s

    detector, needed = PersonDetector.of_machine(), 1 / LOOK_S
    looks_per_s, (width, height) = measure_looks_per_s(detector, cameras), detector.canvas_px
    of_each = "" if cameras == 1 else f" at each of {cameras} cameras"
    said = f"{looks_per_s:.1f} looks a second{of_each}, at {width}x{height}"
    if looks_per_s < needed:
        raise Misconfigured(
            f"{said}; {needed:.0f} are needed: this machine is too slow or too busy. Take a camera "
            "off it, or a faster machine"
        )
    smaller = "; the usual canvas would be too slow here" if detector.canvas_px != CANVAS_PX else ""
    return f"{said}; {needed:.0f} are needed while people move{smaller}"


def _describe_reach(camera: CameraConfig, width_px: int) -> str:
    """Say how far away a face may be to count, at the angle of common lenses."""
    if camera.choice not in ("faces", "best_shot"):
        return ""
    metres = FACE_M * width_px / camera.min_face_px / (2 * math.tan(math.radians(LENS_DEGREES) / 2))
    return (
        f", {width_px} wide: faces count from {camera.min_face_px} pixels on, which is up to "
        f"{metres:.1f} m away with "
        f"a lens of {LENS_DEGREES} degrees"
    )


def _check_network(service: Service, camera: str, url: str) -> str | None:
    try:
        service.ask_time(camera)
    except Misconfigured:
        return None  # the key is missing, which is said with the credential
    except EdgeError as error:
        raise Unreachable(f"check the cable, the address and the firewall: {error}") from error
    if shows_the_key(url):
        raise Misconfigured(
            f"{url} answers, but the key and the pictures cross it in the clear: use https"
        )
    return f"{url} answers"


def _check_credential(
    service: Service, key: Callable[[], str], camera: str, config: Config, service_time: ServiceTime
) -> str | None:
    """Say whether the key may send pictures of this camera; None: the service was not reached
    before.

    `key`: reads the key. Raises NotAllowed with a hint if the service refuses it or lacks the
    camera; Misconfigured, Busy, Unreachable, Refused.
    """
    key()
    if service_time.anchor is None:
        return None
    try:
        return f"the key is good for camera {service.find_camera_id(camera)}"
    except NotAllowed as error:
        if error.code == "CameraNotFound" and config.make_cameras:
            return "the camera is not there yet and will be made"
        if error.code in ("CameraOfOtherBox", "CameraAmbiguous"):
            raise
        hint = (
            "make the camera, or correct its name"
            if error.code == "CameraNotFound"
            else "check the key"
        )
        raise NotAllowed(f"{error}: {hint}") from error


def _check_clock(service_time: ServiceTime) -> str:
    error_ms = service_time.wall_error_ms()
    if error_ms is None:
        raise Unreachable("cannot be compared as long as the service does not answer")
    said = f"this machine's clock is {error_ms / 1000:+.1f} s off the service's"
    if abs(error_ms) > CLOCK_ERROR_MS:
        why = "times are corrected, but files' times may be wrong; switch on NTP (timedatectl)"
        raise Misconfigured(f"{said}: {why}")
    return said
