"""`regulars-edge setup`: finds cameras, shows a picture of each, writes edge.toml, for its owner's
eyes only.

`regulars-edge claim` takes a camera over by a code, and writes its key and its part of edge.toml.
The camera may read the console's QR code itself, if somebody holds a phone or a print before it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import socket
import stat
import tempfile
import tomllib
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from regulars_edge import config, exits, logs
from regulars_edge.capture import frames_within, make_source
from regulars_edge.clock import Clock, ServiceTime
from regulars_edge.config import (
    parse_service_url,
    parse_value,
    read_secret,
    require_number,
    shows_the_key,
)
from regulars_edge.errors import Misconfigured, SourceFailed
from regulars_edge.http import Http, Timeouts, proxies_of_environment
from regulars_edge.logs import redact_text
from regulars_edge.reach import move_host
from regulars_edge.service import Service
from regulars_edge.setup.onvif import GROUP, Camera, Device, Talk, search_devices
from regulars_edge.spool import files

if TYPE_CHECKING:
    from PIL.Image import Image


_LONGEST_WAIT_S = 300
"""The most that --wait takes, in s."""


def setup(arguments: argparse.Namespace) -> int:
    """Find cameras, print each, save its picture, and write edge.toml; return 0 if each device gave
    a camera, else 1.

    Raises Misconfigured.
    """
    logs.log_to_stderr("text", "error")
    file: Path = arguments.config
    url = parse_value(parse_service_url, arguments.url, "--url") if arguments.url else None
    if url is not None:
        _refuse_if_there(file, arguments)
    parse_value(require_number(_LONGEST_WAIT_S), arguments.wait, "--wait")
    user, password = read_credentials(arguments)
    devices = search_devices(arguments.probe or GROUP, arguments.wait)
    if not devices:
        say(
            "no camera answered: is it in this network, and ONVIF switched on in its settings? "
            "--probe asks one address"
        )
        return exits.INCOMPLETE
    cameras = [camera for device in devices for camera in _list_cameras(device, user, password)]
    names = name_cameras(cameras, known_names=_read_known_names(file))
    named = list(zip(names, cameras, strict=True))
    for name, camera in named:
        _show_camera(name, camera, arguments.pictures or file.parent / "cameras")
    usable = [
        (name, camera)
        for name, camera in named
        if camera.picture is not None or camera.stream is not None
    ]
    if url is None:
        say("nothing was written: --url names the service and writes the file")
    elif usable:
        text = make_toml(
            url,
            usable,
            key_file=arguments.key_file,
            user=user,
            password_file=arguments.password_file,
        )
        _refuse_if_there(file, arguments)  # it may have come meanwhile
        save_file(file, text.encode())
        say(f"{file} has {len(usable)} cameras; `regulars-edge check --config {file}` tries it")
    addresses = {camera.device.address for _, camera in usable}
    is_whole = len(usable) == len(named) and len(addresses) == len(devices)
    return exits.OK if is_whole else exits.INCOMPLETE


def _refuse_if_there(file: Path, arguments: argparse.Namespace) -> None:
    if file.exists() and not arguments.replace:
        raise Misconfigured(
            f"{file} is there already: --replace writes it anew, --config names another"
        )


def read_credentials(arguments: argparse.Namespace) -> tuple[str | None, str]:
    if (arguments.camera_user is None) != (arguments.password_file is None):
        raise Misconfigured("--camera-user and --password-file belong together")
    return arguments.camera_user, read_secret(
        arguments.password_file
    ) if arguments.password_file else ""


def _list_cameras(device: Device, user: str | None, password: str) -> Iterator[Camera]:
    http = Http(Clock(), Timeouts(connect_s=3.0, silence_s=5.0, whole_s=15.0))
    try:
        yield from Talk(http, device, user, password).list_cameras()
    except SourceFailed as error:
        say(f"{device.address} {device.name}: {error}")


def _show_camera(name: str, camera: Camera, pictures: Path) -> None:
    say(f"{name}: {camera.device.name} at {camera.device.address}")
    for what, said in (("snapshot", camera.snapshot), ("stream", camera.stream)):
        if said is not None:
            say(f"  {what} {said}")
    if camera.picture is not None:
        file = pictures / f"{name}.setup.jpg"
        save_file(file, camera.picture)
        say(f"  picture {file}")
    for why in camera.said:
        say(f"  {why}")


def say(text: str) -> None:
    """Print a line: parts of it come from the network, and URLs may hold passwords."""
    print(redact_text(text), flush=True)


_LONGEST_WORD = 19
"""Characters of a device's name, and of a host's, within a camera's name that `setup` writes: an id
has 64."""


def _make_word(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST_WORD].strip("-")


def find_box_word(host: str | None = None, hardware: int | None = None) -> str:
    """Return what tells this box from others: its host's name, and four letters of its network
    card's number, as most hosts of a kind are called alike. "raspberrypi-3f2a" """
    card = uuid.getnode() if hardware is None else hardware
    digest = hashlib.sha256(f"{card:012x}".encode()).hexdigest()[:4]
    return f"{_make_word(host or socket.gethostname()) or 'box'}-{digest}"


def _read_known_names(file: Path) -> dict[str, str]:
    """Return the name of each camera that an edge.toml has, by its URL: it keeps it."""
    with suppress(Misconfigured):
        return {camera.place: camera.name for camera in config.load(file).cameras}
    return {}


def name_cameras(
    cameras: Sequence[Camera],
    box: str | None = None,
    known_names: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Name each camera by its box and what its device calls itself: "shop-12-3f2a-hall", and
    "shop-12-3f2a-hall-10-0-0-9-2" if that is not enough.

    The address is added if another device calls itself so, the channel if a device has several
    cameras. `box`: what tells the box from others; None: that of this machine. `known_names`: the
    names of cameras that were there before, by their URLs.
    """
    addresses_by_word = defaultdict[str, set[str]](set)
    for camera in cameras:
        addresses_by_word[_make_word(camera.device.name)].add(camera.device.address)
    names = []
    for camera in cameras:
        address, word = camera.device.address, _make_word(camera.device.name)
        parts = [box or find_box_word(), word or "camera"]
        if len(addresses_by_word[word]) > 1:
            parts.append(address.replace(".", "-"))
        if sum(address == other.device.address for other in cameras) > 1:
            parts.append(str(camera.channel))
        known = (known_names.get(url or "") for url in (camera.snapshot, camera.stream))
        names.append(next(filter(None, known), "-".join(parts)))
    return names


def make_toml(
    url: str,
    cameras: Sequence[tuple[str, Camera]],
    *,
    key_file: Path | None,
    user: str | None,
    password_file: Path | None,
) -> str:
    """Return the text of an edge.toml with these cameras, by name. Raises Misconfigured."""
    lines = ["[server]", f"url = {quote_string(url)}"]
    if key_file is not None:
        lines.append(f"api_key_file = {quote_string(key_file.absolute())}")
    lines.append("make_cameras = true                  # make a camera that is not there")
    for name, camera in cameras:
        is_snapshot = camera.picture is not None and camera.snapshot is not None
        source, place = ("snapshot", camera.snapshot) if is_snapshot else ("rtsp", camera.stream)
        values: dict[str, object] = {"name": name, "source": source, "url": place}
        if user is not None and password_file is not None:
            values |= {"user": user, "password_file": password_file.absolute()}
        lines += ["", format_rows(values)]
        if is_snapshot and camera.stream is not None:
            lines.append(f'# its stream: source = "rtsp", url = {quote_string(camera.stream)}')
    text = "\n".join(lines) + "\n"
    config.parse_config(tomllib.loads(text))
    return text


def save_file(file: Path, data: bytes, like: Path | None = None, mode: int = 0o600) -> None:
    """Write a file, in place of one that is there: a key comes once. Raises Misconfigured.

    If root calls this, it belongs to whoever has the file that was there, `like`, or the folder,
    the first who is not root: so the uploader's user reads it. Others do not: cameras put secrets
    into URLs.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        models = [path.stat() for path in (file, like or file, file.parent) if path.exists()]
        owner = next((model for model in models if model.st_uid != 0), models[0])
        files.replace_file(file, data, mode, owner if os.geteuid() == 0 else None)
    except OSError as error:
        raise Misconfigured(f"{file} cannot be written: {error.strerror}") from error


def quote_string(value: object) -> str:
    """Write a string of TOML. Raises Misconfigured."""
    text = str(value)
    if not text.isprintable():
        raise Misconfigured(f"{text!r} has characters that no line of edge.toml can hold")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def claim_by_code(arguments: argparse.Namespace) -> int:
    """Take a camera over by a code; return 0. Raises NotAllowed, Busy, Unreachable.

    Raises Misconfigured too, if it can before the code is used up: for a file that is wrong or
    cannot be written.
    """
    logs.log_to_stderr("text", "error")
    code, address = (
        _ask_camera_for_code(arguments.camera)
        if arguments.code is None
        else (arguments.code, arguments.url)
    )
    if address is None or not code.strip():
        raise Misconfigured(
            f"give CODE and URL, as the console shows them; CODE was {code!r}, and URL "
            f"{address or 'none'}"
        )
    file, url = arguments.config.absolute(), parse_value(parse_service_url, address, "URL")
    old_config = config.load(file) if file.exists() else None
    if old_config is not None and old_config.url != url:
        raise Misconfigured(f"{file} is of {old_config.url}: --config names another file")
    require_writable(file.parent)
    if shows_the_key(url):
        say("the key crosses the network in the clear: use https")
    id_, key = use_code(code, url, old_config.ca_file if old_config else None)
    write_camera(file, url, key, make_camera_values(id_, arguments.camera or file.parent / id_))
    say(
        f"{file} has the camera; `regulars-edge check --config {file}` tries it, an uploader that "
        "runs takes it in by itself"
    )
    return exits.OK


def require_writable(folder: Path) -> None:
    """Raise Misconfigured if no file can be written: before the code is used up, and the camera's
    old key with it."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(65_536))  # a disk may be full, too
    except OSError as error:
        why = f"{folder} cannot be written: {error.strerror}"
        raise Misconfigured(f"{why}; make it, or name another file with --config") from error


def use_code(code: str, url: str, ca_file: Path | None = None) -> tuple[str, str]:
    """Use a code up: return its camera's id and key.

    Raises NotAllowed, Busy, Unreachable, Refused, Misconfigured.
    """
    clock = Clock()
    http = Http(clock, ca_file=ca_file, proxies=proxies_of_environment())
    id_, key = Service(http, url, str, ServiceTime(clock)).use_code(code)
    if not _ID.fullmatch(id_):
        raise Misconfigured(
            f"{url} gave the key of {id_!r}, which is no camera's id: is it Regulars?"
        )
    return id_, key


def write_camera(file: Path, url: str, key: str, values: Mapping[str, object]) -> None:
    """Write a camera's key, and its `values` into edge.toml if it is not there yet.

    Raises Misconfigured.
    """
    old_config, id_ = config.load(file) if file.exists() else None, values["name"]
    camera = (
        next((camera for camera in old_config.cameras if camera.name == id_), None)
        if old_config
        else None
    )
    beside, configured = file.parent / f"{id_}.key", camera and camera.api_key_file
    key_file = configured or beside
    try:
        save_file(key_file, f"{key}\n".encode(), like=file)
    except Misconfigured as error:  # but the code is used up
        say(str(error))
        save_file(key_file := beside, f"{key}\n".encode(), like=file)
    say(f"{key_file} has the key of {id_}")
    if camera is None:
        text = file.read_text() if old_config else f"[server]\nurl = {quote_string(url)}\n"
        mode = stat.S_IMODE(file.stat().st_mode) if old_config else 0o600
        rows = format_rows({**values, "api_key_file": key_file})
        save_file(file, f"{text.rstrip()}\n\n{rows}\n".encode(), mode=mode)
    elif key_file != configured:
        say(f"write api_key_file = {quote_string(key_file)} into its [[camera]]")


_PLACE_ROWS = {*config.PLACES.values(), "source", "user", "password_file", "transport"}
"""The settings of a camera that say where it is, and how it lets in."""
_TABLE = re.compile(r"\s*\[\[?[\w.]+\]\]?\s*(#.*)?")


def change_camera(file: Path, key: str, values: Mapping[str, object]) -> None:
    """Write a camera's key, and where it is now into its part of edge.toml; all else stays there.

    Raises Misconfigured, and changes nothing: if the file would not have the same cameras.
    """
    old_config, id_ = config.load(file), values["name"]
    old = next(camera for camera in old_config.cameras if camera.name == id_)
    key_file = old.api_key_file or file.parent / f"{id_}.key"
    rows = {name: value for name, value in values.items() if name in _PLACE_ROWS}
    if old.motion_url is not None:
        former, present = (
            urlsplit(str(url)).hostname for url in (old.place, values.get("url", ""))
        )
        rows["motion_url"] = move_host(old.motion_url, former, present)
    rows |= {} if old.api_key_file else {"api_key_file": key_file}
    text = replace_rows(file.read_text(), str(id_), rows)
    new_config = config.parse_config(tomllib.loads(text), str(file))
    others, others_before = (
        [(camera.name, camera.place) for camera in each.cameras if camera.name != id_]
        for each in (new_config, old_config)
    )
    if others != others_before or len(new_config.cameras) != len(old_config.cameras):
        raise Misconfigured(f"{file} is written in a way that only a person can change")
    save_file(key_file, f"{key}\n".encode(), like=file)
    save_file(file, text.encode(), mode=stat.S_IMODE(file.stat().st_mode))


def replace_rows(text: str, name: str, rows: Mapping[str, object]) -> str:
    """Return an edge.toml in whose [[camera]] of this name the rows are these; others that say
    where it is go. Raises Misconfigured if there is none."""
    lines = text.splitlines()
    begins = [number for number, line in enumerate(lines) if _TABLE.fullmatch(line)]
    for begin, end in zip(begins, [*begins[1:], len(lines)], strict=True):
        block = lines[begin:end]
        with suppress(tomllib.TOMLDecodeError):
            [camera] = tomllib.loads("\n".join(block)).get("camera", [{}])
            if camera.get("name") == name:
                gone = {*rows, *_PLACE_ROWS}
                stay = [row for row in block if row.partition("=")[0].strip() not in gone]
                new = [f"{key} = {_format_value(value)}" for key, value in rows.items()]
                at = next(number for number, row in enumerate(stay) if "name" in row) + 1
                return "\n".join([*lines[:begin], *stay[:at], *new, *stay[at:], *lines[end:], ""])
    raise Misconfigured(f"no [[camera]] is called {name}")


def _ask_camera_for_code(place: str | None) -> tuple[str, str]:
    if place is None:
        raise Misconfigured(
            "give CODE and URL, or --camera with the camera that looks at the console's QR code"
        )
    say("waiting until the camera sees the code")
    return wait_for_code(make_camera_values("camera", place))


def make_camera_values(id_: str, place: str | Path) -> dict[str, object]:
    """Return the values of a camera of edge.toml: its place is a URL, a device or a folder."""
    begin = re.match("rtsps?://|https?://|/dev/video", str(place), re.IGNORECASE)
    if begin is None:
        return {"name": id_, "source": "folder", "folder": str(Path(place).absolute())}
    source = {"r": "rtsp", "h": "snapshot", "/": "usb"}[begin[0][0].lower()]
    return {"name": id_, "source": source, config.PLACES[source]: str(place), "send": "best_shot"}


def format_rows(values: Mapping[str, object]) -> str:
    rows = (f"{name} = {_format_value(value)}" for name, value in values.items())
    return "\n".join(["[[camera]]", *rows])


def _format_value(value: object) -> str:
    return str(value) if isinstance(value, int) else quote_string(value)


WAIT_S = 300.0
"""How long `setup` looks for the code before a camera, in s."""
_LINE = re.compile(r"regulars-edge claim (\S{4,64}) (https?://\S+)")


def wait_for_code(camera: Mapping[str, object]) -> tuple[str, str]:
    """Wait until a camera, the values of a [[camera]], sees the code; return it and the service's
    URL.

    Raises Misconfigured; SourceFailed if the camera does not answer or sees no code within WAIT_S.
    """
    known_config = config.parse_config(
        {"server": {"url": "https://unknown.example"}, "camera": [dict(camera)]}
    )
    for frame in frames_within(WAIT_S, make_source(known_config.cameras[0], known_config, Clock())):
        with suppress(OSError):  # half a picture; the next one comes soon
            if frame is not None and (code := read_code(frame.image())):
                return code
    raise SourceFailed(
        f"no code of the console within {WAIT_S:.0f} s: hold it nearer, and flat; a phone must be "
        "bright"
    )


def read_code(picture: Image) -> tuple[str, str] | None:
    """Return code and URL of the QR code in a picture; None if it shows none of the console.

    Raises Misconfigured.
    """
    try:
        import cv2
        import numpy as np
    except ImportError as error:
        raise Misconfigured(
            "reading a code needs OpenCV: pip install opencv-python-headless"
        ) from error
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(np.asarray(picture.convert("L")))
    found = _LINE.fullmatch(text)
    return (found[1], found[2]) if found else None
