"""`regulars-edge check --camera PLACE`: what is wrong with a camera, by what it answers, and the lines that work."""

from __future__ import annotations

import argparse
import ipaddress
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from PIL import ImageStat

from regulars_edge import config, exits, logs
from regulars_edge.capture import frames_within, source_of
from regulars_edge.clock import Clock
from regulars_edge.errors import EdgeError, Misconfigured
from regulars_edge.frames import Frame
from regulars_edge.http import Http, Timeouts
from regulars_edge.logs import redact_text
from regulars_edge.setup.command import camera_values, credentials_of, write_rows
from regulars_edge.setup.onvif import Talk, search
from regulars_edge.sources.blockage_check import BlockageCheck
from regulars_edge.sources.rtsp import RARE_KEYS
from regulars_edge.sources.snapshot import SnapshotSource

if TYPE_CHECKING:
    from PIL.Image import Image

FIRST_S, LOOK_S = 20.0, 8.0
"""How long a picture is waited for, and how long a stream is looked at: usual cameras send two key frames in it."""
SLOW_S, LATE_S = 1.0, 3.0
"""A picture that takes longer, and a stream that is so far behind, miss people who walk by."""
DARK = 35
"""Mean grey level below which nobody is recognised."""
CLOCK_S = 60.0
GOOD_EYES_PX, LEAST_EYES_PX = 24, 12
"""Pixels between the eyes: most are recognised from the one on, nobody below the other."""
ROUTES = Path("/proc/net/route")


@dataclass
class Findings:
    """Faults in words, and the settings that help."""

    faults: list[str] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=dict)
    pictures: int = 0
    said: list[str] = field(default_factory=list)


def examine(arguments: argparse.Namespace) -> int:
    """Print what is wrong with a camera, and the lines of edge.toml with which it works; return 0 if nothing is.

    Raises Misconfigured.
    """
    logs.to_stderr("text", "critical")
    user, password = credentials_of(arguments)
    told = {"user": user, "password_file": arguments.password_file and arguments.password_file.absolute()}
    exit_code = exits.OK
    for place in _places(arguments.camera, user, password):
        values = {**camera_values("door", place), **{name: one for name, one in told.items() if one}}
        if arguments.ca_file:
            values["ca_file"] = arguments.ca_file.absolute()
        found = examine_camera(values)
        for fault in found.faults:
            print(f"BAD  {redact_text(fault)}")
        for said in found.said:
            print(f"ok   {redact_text(said)}")
        if found.pictures:
            print(f"\nThese lines of edge.toml work:\n\n{redact_text(write_rows(values | found.settings))}")
        exit_code = exits.INCOMPLETE if found.faults else exit_code
    return exit_code


def _places(place: str, user: str | None, password: str) -> Iterator[str]:
    """Give a camera's URL; of an address alone, those that it names by ONVIF. Raises Misconfigured."""
    try:
        address = str(ipaddress.ip_address(place))
    except ValueError:
        yield place
        return
    devices = search((address, 3702), 2.0)
    if not devices:
        why = "is it switched on, and ONVIF in its settings? Else give the URL that its manual names"
        raise Misconfigured(f"{address} does not answer ONVIF{explain_network(address)}: {why}")
    for camera in Talk(Http(Clock(), Timeouts(3.0, 5.0, 15.0)), devices[0], user, password).cameras():
        yield camera.stream or camera.snapshot or f"rtsp://{address}/"


def examine_camera(values: Mapping[str, object], look_s: float = LOOK_S, first_s: float = FIRST_S) -> Findings:
    """Look at a camera, of the values of its [[camera]]. Raises Misconfigured for values that are none."""
    found = Findings()
    row = {name: str(value) for name, value in values.items() if name != "send"}
    known = config.read_config({"server": {"url": "https://unknown.example"}, "camera": [row | {"interval_s": 0.2}]})
    camera = known.cameras[0]
    source: Any = source_of(camera, known, Clock())
    began, last = time.monotonic(), None
    first_at, lag_s, trouble = math.inf, 0.0, BlockageCheck()
    try:
        for frame in frames_within(first_s, source):
            now = time.monotonic()
            if frame is not None:
                first_at, last, found.pictures = min(first_at, now), frame, found.pictures + 1
                lag_s = max(lag_s, frame.lag_s or 0.0)
                trouble.look(frame)
            if now - first_at > look_s or (isinstance(source, SnapshotSource) and found.pictures == 3):
                break
    except EdgeError as error:
        is_away = any(sign in str(error) for sign in ("timed out", "nreachable", "No route"))
        found.faults.append(f"{error}{explain_network(urlsplit(camera.place).hostname or '') if is_away else ''}")
    except OSError as error:
        found.faults.append(f"its picture cannot be opened: {error}")
    took_s = time.monotonic() - began
    _judge_stream(source, found, took_s, lag_s)
    if last is not None:
        _judge_picture(last, trouble.trouble, found)
    elif not found.faults:
        line = getattr(source, "opened", None)
        silence = f"no picture within {first_s:.0f} s: is it switched on?" if line is None else line.explain_silence()
        found.faults.append(silence)
    return found


def _judge_stream(source: Any, found: Findings, took_s: float, lag_s: float) -> None:
    """Judge how the pictures come."""
    if lag_s > LATE_S:
        found.faults.append(f"its pictures are {lag_s:.0f} s behind: use its smaller stream, or a cable")
    if isinstance(source, SnapshotSource):
        if found.pictures and took_s / found.pictures > SLOW_S:
            each = took_s / found.pictures
            found.faults.append(f"a picture takes {each:.1f} s, in which people walk by: use its stream (RTSP)")
        _judge_clock(source.date, found)
        return
    packets, line = source.packets, source.opened
    if line is not None and line.has_udp_only:
        found.settings["transport"] = "udp"
        found.faults.append("it sends by UDP only, which loses packets: let it send by TCP if it can")
    if packets.packets > 10 and packets.whole < 2:
        found.faults.append(
            f"it sends {'no' if not packets.whole else 'one'} whole picture in {took_s:.0f} s: {RARE_KEYS}"
        )
    _judge_clock("" if line is None else line.date, found)


def _judge_clock(date: str, found: Findings) -> None:
    try:
        ahead_s = (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return
    if abs(ahead_s) > CLOCK_S:
        found.faults.append(f"its clock is {ahead_s / 60:+.0f} minutes off: let it take its time by NTP")


def _judge_picture(frame: Frame, trouble: str | None, found: Findings) -> None:
    """Judge what a picture shows: light, which way it is turned, and how large faces are."""
    picture = frame.image()
    found.said.append(f"{found.pictures} pictures of {picture.width} x {picture.height}")
    if trouble:
        found.faults.append(trouble)
    elif (level := ImageStat.Stat(picture.convert("L")).mean[0]) < DARK:
        found.faults.append(
            f"its picture is too dark (grey level {level:.0f} of 255): give it light, or longer exposure"
        )
    degrees, eyes_px = _measure_eyes(picture)
    if degrees:
        found.settings["rotate"] = degrees
        found.faults.append(f"its picture is turned: rotate = {degrees} makes it upright")
    if eyes_px is None:
        found.said.append("no face is in the picture: stand where people will, and look at the camera")
    elif eyes_px < GOOD_EYES_PX:
        how = "nobody is recognised" if eyes_px < LEAST_EYES_PX else "some are not recognised"
        found.faults.append(
            f"faces are too small: {eyes_px:.0f} pixels between the eyes, where {how}; {GOOD_EYES_PX} are good. Hang "
            "it nearer, take a lens with a longer focal length, or more pixels"
        )
    else:
        found.said.append(f"{eyes_px:.0f} pixels between the eyes of the largest face: enough to recognise people")


def _measure_eyes(picture: Image) -> tuple[int, float | None]:
    """Return by how many degrees to the right a picture has to be turned, and how many pixels are between the eyes.

    They are those of its largest face. None: there is no face, or nothing that finds faces is installed.
    """
    try:
        from regulars_edge.choose.faces import Detector
    except Misconfigured:
        return 0, None
    detector = Detector(min_face_px=LEAST_EYES_PX)
    ways = {degrees: detector.faces(picture.rotate(-degrees, expand=True))[:1] for degrees in (0, 90, 180, 270)}
    found = [(face.score, degrees, math.dist(*face.landmarks[:2])) for degrees, faces in ways.items() for face in faces]
    _, degrees, eyes_px = max(found, default=(0.0, 0, None))
    return degrees, eyes_px


def explain_network(host: str, routes: Path = ROUTES) -> str:
    """Say that an address is in none of this machine's networks, which may be why it does not answer."""
    try:
        address = int(ipaddress.IPv4Address(host))
        rows = [row.split() for row in routes.read_text().splitlines()[1:]]
        nets = [[int.from_bytes(bytes.fromhex(row[at]), "little") for at in (1, 2, 7)] for row in rows]
    except (ValueError, IndexError, OSError):
        return ""
    is_near = any(mask and not gateway and address & mask == net for net, gateway, mask in nets)
    if is_near or not ipaddress.IPv4Address(host).is_private or ipaddress.IPv4Address(host).is_loopback:
        return ""
    return "; it is in another network than this machine: give both addresses of one network, or a route"
