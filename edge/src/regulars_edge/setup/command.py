"""`regulars-edge setup`: finds cameras, shows a picture of each, writes edge.toml."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from regulars_edge import exits, logs
from regulars_edge.clock import SystemClock
from regulars_edge.config import checked_url
from regulars_edge.credentials import secret_in
from regulars_edge.errors import Misconfigured, SourceFailed
from regulars_edge.http import Http, Timeouts
from regulars_edge.redact import redacted
from regulars_edge.setup import written
from regulars_edge.setup.onvif import Camera, Talk
from regulars_edge.setup.search import GROUP, Device, search
from regulars_edge.setup.strangers import printable

_LONGEST_WAIT_S = 300


def setup(arguments: argparse.Namespace) -> int:
    """Return 0 if each device gave a camera, 1 otherwise. Raises Misconfigured."""
    logs.to_stderr("text", "error")
    file: Path = arguments.config
    url = checked_url(arguments.url, "--url") if arguments.url else None
    if url is not None and file.exists() and not arguments.replace:
        raise Misconfigured(f"{file} is there already: --replace writes it anew, --config names another")
    if not 0 < arguments.wait <= _LONGEST_WAIT_S:
        raise Misconfigured(f"--wait is more than 0 and at most {_LONGEST_WAIT_S} seconds")
    user, password = _credentials(arguments)
    devices = search(arguments.probe or GROUP, arguments.wait)
    if not devices:
        _say(
            "no camera answered: is it in this network, and ONVIF switched on in its settings? --probe asks one address"
        )
        return exits.INCOMPLETE
    cameras = [camera for device in devices for camera in _asked(device, user, password)]
    found = list(zip(written.names(cameras), cameras, strict=True))
    for name, camera in found:
        _show(name, camera, arguments.pictures or file.parent / "cameras")
    usable = [(name, camera) for name, camera in found if camera.picture is not None or camera.stream is not None]
    if url is None:
        _say("nothing was written: --url names the service and writes the file")
    elif usable:
        text = written.toml(url, usable, key_file=arguments.key_file, user=user, password_file=arguments.password_file)
        if arguments.replace:
            written.save(file, text.encode())
        else:
            written.save_new(file, text)
        _say(f"{file} has {len(usable)} cameras; `regulars-edge check --config {file}` tries it")
    seen = {camera.device.address for _, camera in usable}
    return exits.OK if len(usable) == len(found) and len(seen) == len(devices) else exits.INCOMPLETE


def _credentials(arguments: argparse.Namespace) -> tuple[str | None, str]:
    if (arguments.camera_user is None) != (arguments.password_file is None):
        raise Misconfigured("--camera-user and --password-file belong together")
    return arguments.camera_user, secret_in(arguments.password_file) if arguments.password_file else ""


def _asked(device: Device, user: str | None, password: str) -> Iterator[Camera]:
    http = Http(SystemClock(), Timeouts(connect_s=3.0, silence_s=5.0, whole_s=15.0))
    try:
        yield from Talk(http, device, user, password).cameras()
    except SourceFailed as error:
        _say(f"{device.address} {device.name}: {error}")


def _show(name: str, camera: Camera, pictures: Path) -> None:
    _say(f"{name}: {camera.device.name} at {camera.device.address}")
    for what, said in (("snapshot", camera.snapshot), ("stream", camera.stream)):
        if said is not None:
            _say(f"  {what} {said}")
    if camera.picture is not None:
        file = pictures / f"{name}.setup.jpg"
        written.save(file, camera.picture)
        _say(f"  picture {file}")
    for why in camera.said:
        _say(f"  {why}")


def _say(text: str) -> None:
    """Print a line: parts of it come from the network, and URLs may hold passwords."""
    indent = len(text) - len(text.lstrip())
    print(" " * indent + printable(redacted(text)))
