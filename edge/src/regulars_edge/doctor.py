"""`regulars-edge check --camera PLACE`: what is wrong with a camera, by what it answers, and the
lines that work."""

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
from regulars_edge.capture import frames_within, make_source
from regulars_edge.clock import Clock
from regulars_edge.errors import EdgeError, ExtraMissing, Misconfigured
from regulars_edge.frames import Frame
from regulars_edge.http import Http, Timeouts
from regulars_edge.logs import HIDDEN, redact_text, redact_url
from regulars_edge.setup.command import format_rows, make_camera_values, read_credentials
from regulars_edge.setup.onvif import Talk, search_devices
from regulars_edge.sources.blockage_check import BlockageCheck
from regulars_edge.sources.rtsp import RARE_KEYS
from regulars_edge.sources.snapshot import SnapshotSource

if TYPE_CHECKING:
    from PIL.Image import Image

    from regulars_edge.sources.source import Source

FIRST_S, LOOK_S = 20.0, 8.0
"""How long a picture is waited for, and how long a stream is looked at: usual cameras send two key
frames in it."""
SLOW_S, LATE_S = 1.0, 3.0
"""A picture that takes longer, and a stream that is so far behind, miss people who walk by."""
DARK = 35
"""Mean grey level below which nobody is recognised."""
CLOCK_S = 60.0
"""Difference between this clock and the service's from which `doctor` finds a fault, in s."""
GOOD_EYES_PX, LEAST_EYES_PX = 24, 12
"""Pixels between the eyes: most are recognised from the one on, nobody below the other."""
ROUTES = Path("/proc/net/route")


@dataclass
class Findings:
    """Findings about a camera: faults in words, the settings that help, and what is well
    (`said`)."""

    faults: list[str] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=dict)
    pictures: int = 0
    said: list[str] = field(default_factory=list)
    picture: Image | None = None
    """The last picture, as it came."""


def run_doctor(arguments: argparse.Namespace) -> int:
    """Print what is wrong with a camera, and the lines of edge.toml with which it works; return 0
    if nothing is.

    Raises Misconfigured.
    """
    logs.log_to_stderr("text", "critical")
    user, password = read_credentials(arguments)
    login = {
        "user": user,
        "password_file": arguments.password_file and arguments.password_file.absolute(),
    }
    exit_code = exits.OK
    for place in list_places(arguments.camera, user, password):
        values = {
            **make_camera_values("door", place),
            **{name: value for name, value in login.items() if value},
        }
        if arguments.ca_file:
            values["ca_file"] = arguments.ca_file.absolute()
        findings = examine_camera(values)
        for fault in findings.faults:
            print(f"BAD  {redact_text(fault)}")
        for text in findings.said:
            print(f"ok   {redact_text(text)}")
        if findings.pictures:
            print(f"\nThese lines of edge.toml work:\n\n{_show_rows(values | findings.settings)}")
        exit_code = exits.INCOMPLETE if findings.faults else exit_code
    return exit_code


def _show_rows(values: Mapping[str, object]) -> str:
    """Show lines of edge.toml without secrets of the camera's URL, and say where those are."""
    shown = {
        name: redact_url(str(value)) if name == "url" else value for name, value in values.items()
    }
    rows = redact_text(format_rows(shown))
    where = (
        f"\n\n{HIDDEN} stands for what the camera's URL has there; `setup` writes it into edge.toml"
    )
    return rows + where * (HIDDEN in rows)


def list_places(place: str, user: str | None, password: str) -> Iterator[str]:
    """Give a camera's URL; of an address alone, those that it names by ONVIF.

    Raises Misconfigured.
    """
    try:
        address = str(ipaddress.ip_address(place))
    except ValueError:
        yield place
        return
    devices = search_devices((address, 3702), 2.0)
    if not devices:
        why = (
            "is it switched on, and ONVIF in its settings? Else give the URL that its manual names"
        )
        raise Misconfigured(f"{address} does not answer ONVIF{explain_network(address)}: {why}")
    for camera in Talk(
        Http(Clock(), Timeouts(3.0, 5.0, 15.0)), devices[0], user, password
    ).list_cameras():
        yield camera.stream or camera.snapshot or f"rtsp://{address}/"


def examine_camera(
    values: Mapping[str, object], look_s: float = LOOK_S, first_s: float = FIRST_S
) -> Findings:
    """Look at a camera with the values of its [[camera]]: wait `first_s` for a picture, then look
    for `look_s`.

    Raises Misconfigured for values that edge.toml may not have.
    """
    findings = Findings()
    row = {name: str(value) for name, value in values.items() if name != "send"}
    settings = config.parse_config(
        {"server": {"url": "https://unknown.example"}, "camera": [row | {"interval_s": 0.2}]}
    )
    camera = settings.cameras[0]
    source: Any = make_source(camera, settings, Clock())
    began_at, watched = time.monotonic(), _Watched()
    try:
        _watch_source(source, watched, look_s, first_s)
    except EdgeError as error:
        is_away = any(sign in str(error) for sign in ("timed out", "nreachable", "No route"))
        findings.faults.append(
            f"{error}{explain_network(urlsplit(camera.place).hostname or '') if is_away else ''}"
        )
    except OSError as error:
        findings.faults.append(f"its picture cannot be opened: {error}")
    took_s, findings.pictures = time.monotonic() - began_at, watched.pictures
    _judge_stream(source, findings, took_s, watched.lag_s)
    if watched.last is not None:
        _judge_picture(watched.last, watched.blockage.trouble, findings)
    elif not findings.faults:
        line = getattr(source, "opened", None)
        silence = (
            f"no picture within {first_s:.0f} s: is it switched on?"
            if line is None
            else line.explain_silence()
        )
        findings.faults.append(silence)
    return findings


def _judge_stream(source: Any, findings: Findings, took_s: float, lag_s: float) -> None:
    """Judge how the pictures come: how late, how fast, by what, and by which clock; add to the
    findings."""
    if lag_s > LATE_S:
        findings.faults.append(
            f"its pictures are {lag_s:.0f} s behind: use its smaller stream, or a cable"
        )
    if isinstance(source, SnapshotSource):
        if findings.pictures and took_s / findings.pictures > SLOW_S:
            each = took_s / findings.pictures
            findings.faults.append(
                f"a picture takes {each:.1f} s, in which people walk by: use its stream (RTSP)"
            )
        _judge_clock(source.date, findings)
        return
    packets, line = source.packets, source.opened
    if line is not None and line.has_udp_only:
        findings.settings["transport"] = "udp"
        findings.faults.append(
            "it sends by UDP only, which loses packets: let it send by TCP if it can"
        )
    if packets.packets > 10 and packets.whole < 2:  # fewer packets prove nothing
        findings.faults.append(
            f"it sends {'no' if not packets.whole else 'one'} whole picture in {took_s:.0f} s: "
            f"{RARE_KEYS}"
        )
    _judge_clock("" if line is None else line.date, findings)


def _judge_clock(date: str, findings: Findings) -> None:
    try:
        ahead_s = (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return
    if abs(ahead_s) > CLOCK_S:
        findings.faults.append(
            f"its clock is {ahead_s / 60:+.0f} minutes off: let it take its time by NTP"
        )


@dataclass
class _Watched:
    """Pictures of a source until now: how many, the last of them, and how late the latest one was,
    in s."""

    pictures: int = 0
    last: Frame | None = None
    lag_s: float = 0.0
    blockage: BlockageCheck = field(default_factory=BlockageCheck)


def _watch_source(source: Source, watched: _Watched, look_s: float, first_s: float) -> None:
    """Take frames for `look_s` from the first picture on, or three pictures asked one by one; note
    them in `watched`.

    Raises EdgeError, OSError for a picture that cannot be opened.
    """
    first_at = math.inf
    for frame in frames_within(first_s, source):
        now = time.monotonic()
        if frame is not None:
            first_at, watched.last, watched.pictures = (
                min(first_at, now),
                frame,
                watched.pictures + 1,
            )
            watched.lag_s = max(watched.lag_s, frame.lag_s or 0.0)
            watched.blockage.look(frame)
        if now - first_at > look_s or (
            isinstance(source, SnapshotSource) and watched.pictures == 3
        ):
            break


def _judge_picture(frame: Frame, trouble: str | None, findings: Findings) -> None:
    """Judge what a picture shows: light, which way it is turned, and how large faces are; add to
    the findings."""
    findings.picture = picture = frame.image()
    findings.said.append(f"{findings.pictures} pictures of {picture.width} x {picture.height}")
    if trouble:
        findings.faults.append(trouble)
    elif (level := ImageStat.Stat(picture.convert("L")).mean[0]) < DARK:
        findings.faults.append(
            f"its picture is too dark (grey level {level:.0f} of 255): give it light, or longer "
            "exposure"
        )
    try:
        degrees, eyes_px = _measure_eyes(picture)
    except ExtraMissing as error:
        findings.settings["send"] = "motion"
        findings.faults.append(f"{error}. Without it the camera can send what moves")
        return
    if degrees:
        findings.settings["rotate"] = degrees
        findings.faults.append(f"its picture is turned: rotate = {degrees} makes it upright")
    if eyes_px is None:
        findings.said.append(
            "no face is in the picture: stand where people will, and look at the camera"
        )
    elif eyes_px < GOOD_EYES_PX:
        how = "nobody is recognised" if eyes_px < LEAST_EYES_PX else "some are not recognised"
        findings.faults.append(
            f"faces are too small: {eyes_px:.0f} pixels between the eyes, where {how}; "
            f"{GOOD_EYES_PX} are good. Hang "
            "it nearer, take a lens with a longer focal length, or more pixels"
        )
    else:
        findings.said.append(
            f"{eyes_px:.0f} pixels between the eyes of the largest face: enough to recognise people"
        )


def _measure_eyes(picture: Image) -> tuple[int, float | None]:
    """Return by how many degrees to the right a picture has to be turned, and how many pixels are
    between the eyes.

    They are those of its largest face. None: there is no face. Raises ExtraMissing.
    """
    from regulars_edge.choose.faces import Detector

    detector = Detector(min_face_px=LEAST_EYES_PX)
    ways = {
        degrees: detector.find_faces(picture.rotate(-degrees, expand=True))[:1]
        for degrees in (0, 90, 180, 270)
    }
    found = [
        (face.score, degrees, math.dist(*face.landmarks[:2]))
        for degrees, faces in ways.items()
        for face in faces
    ]
    _, degrees, eyes_px = max(found, default=(0.0, 0, None))
    return degrees, eyes_px


def explain_network(host: str, routes: Path = ROUTES) -> str:
    """Say that an address is in none of this machine's networks, which may be why it does not
    answer."""
    try:
        address = int(ipaddress.IPv4Address(host))
        rows = [row.split() for row in routes.read_text().splitlines()[1:]]
        nets = [
            [int.from_bytes(bytes.fromhex(row[at]), "little") for at in (1, 2, 7)] for row in rows
        ]
    except (ValueError, IndexError, OSError):
        return ""
    is_near = any(mask and not gateway and address & mask == net for net, gateway, mask in nets)
    if (
        is_near
        or not ipaddress.IPv4Address(host).is_private
        or ipaddress.IPv4Address(host).is_loopback
    ):
        return ""
    return (
        "; it is in another network than this machine: give both addresses of one network, or "
        "a route"
    )
