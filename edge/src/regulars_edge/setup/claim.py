"""`regulars-edge claim`: takes a camera over by a code, and writes its key and its part of edge.toml."""

from __future__ import annotations

import argparse
import re
import stat
from pathlib import Path

from regulars_edge import config, exits, logs
from regulars_edge.clock import ServiceTime, SystemClock
from regulars_edge.config import given, service_url, shows_the_key
from regulars_edge.errors import Misconfigured
from regulars_edge.http import Http, proxies_of_environment
from regulars_edge.service import Service
from regulars_edge.setup.command import quoted, save, say

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def claim(arguments: argparse.Namespace) -> int:
    """Use the code up. Raises Misconfigured, before that if the file is wrong, NotAllowed, Busy, Unreachable."""
    logs.to_stderr("text", "error")
    file, url = arguments.config.absolute(), given(service_url, arguments.url, "URL")
    known = config.load(file) if file.exists() else None
    if known is not None and known.url != url:
        raise Misconfigured(f"{file} is of {known.url}: --config names another file")
    if not file.parent.is_dir():
        raise Misconfigured(f"{file.parent} is no folder: make it, or name another file with --config")
    if shows_the_key(url):
        say("the key crosses the network in the clear: use https")
    clock = SystemClock()
    http = Http(clock, ca_file=known.ca_file if known else None, proxies=proxies_of_environment())
    id_, key = Service(http, url, str, ServiceTime(clock)).claim(arguments.code)
    if not _ID.fullmatch(id_):
        raise Misconfigured(f"{url} gave the key of {id_!r}, which is no camera's id: is it Regulars?")
    own = next((one for one in known.cameras if one.name == id_), None) if known else None
    key_file = (own and own.api_key_file) or file.parent / f"{id_}.key"
    save(key_file, f"{key}\n".encode(), like=file)
    say(f"{key_file} has the key of {id_}")
    if own is None:
        before = file.read_text() if known else f"[server]\nurl = {quoted(url)}\n"
        mode = stat.S_IMODE(file.stat().st_mode) if known else 0o600
        text = f"{before.rstrip()}\n\n{_camera(id_, key_file, arguments.camera or file.parent / id_)}"
        save(file, text.encode(), mode=mode)
    elif own.api_key_file is None:
        say(f"write api_key_file = {quoted(key_file)} into its [[camera]]")
    say(f"{file} has the camera; `regulars-edge check --config {file}` tries it")
    return exits.OK


def _camera(id_: str, key_file: Path, place: str | Path) -> str:
    """Write a camera of edge.toml: its place is a URL, a device or a folder."""
    scheme = str(place).lower().partition("://")[0]
    if scheme in ("rtsp", "rtsps"):
        source, where = "rtsp", "url"
    elif scheme in ("http", "https"):
        source, where = "snapshot", "url"
    elif str(place).startswith("/dev/video"):
        source, where = "usb", "device"
    else:
        source, where, place = "folder", "folder", Path(place).absolute()
    values = {"name": id_, "api_key_file": key_file, "source": source, where: place}
    values |= {} if source == "folder" else {"send": "best_shot"}
    return "[[camera]]\n" + "".join(f"{name} = {quoted(value)}\n" for name, value in values.items())
