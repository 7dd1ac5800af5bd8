"""Writes edge.toml and the pictures, for their owner's eyes only."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from regulars_edge import config
from regulars_edge.errors import Misconfigured
from regulars_edge.setup.onvif import Camera

_LONGEST_NAME = 48


def names(cameras: Sequence[Camera]) -> list[str]:
    """Name each camera by what its device calls itself, with the address and channel where that is not enough."""
    words = [re.sub(r"[^a-z0-9]+", "-", camera.device.name.lower()).strip("-")[:_LONGEST_NAME] for camera in cameras]
    named = []
    for word, camera in zip(words, cameras, strict=True):
        address = camera.device.address
        parts = [word or "camera"]
        if any(word == other and address != one.device.address for other, one in zip(words, cameras, strict=True)):
            parts.append(address.replace(".", "-"))
        if sum(address == one.device.address for one in cameras) > 1:
            parts.append(str(camera.channel))
        named.append("-".join(parts))
    return named


def toml(
    url: str,
    cameras: Sequence[tuple[str, Camera]],
    *,
    key_file: Path | None,
    user: str | None,
    password_file: Path | None,
) -> str:
    """Return the text of an edge.toml with these cameras, by name. Raises Misconfigured."""
    lines = ["[server]", f"url = {_quoted(url)}"]
    if key_file is not None:
        lines.append(f"api_key_file = {_quoted(key_file.absolute())}")
    lines.append("make_cameras = true                  # make a camera that is not there")
    for name, camera in cameras:
        lines += ["", "[[camera]]", f"name = {_quoted(name)}"]
        if camera.picture is not None and camera.snapshot is not None:
            lines += ['source = "snapshot"', f"url = {_quoted(camera.snapshot)}"]
            if camera.stream is not None:
                lines.append(f'# its stream: source = "rtsp", url = {_quoted(camera.stream)}')
        elif camera.stream is not None:
            lines += ['source = "rtsp"', f"url = {_quoted(camera.stream)}"]
        if user is not None and password_file is not None:
            lines += [f"user = {_quoted(user)}", f"password_file = {_quoted(password_file.absolute())}"]
    text = "\n".join(lines) + "\n"
    config.parsed(tomllib.loads(text))
    return text


def save_new(file: Path, text: str) -> None:
    """Write a file that is not there yet, mode 600: cameras put secrets into URLs. Raises Misconfigured."""
    try:
        with open(file, "x", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
            stream.write(text)
    except OSError as error:
        raise Misconfigured(f"{file} cannot be written: {error.strerror}") from error


def save(file: Path, data: bytes) -> None:
    """Write a file at once, mode 600, in place of one that is there. Raises Misconfigured."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as stream:
            stream.write(data)
        Path(stream.name).replace(file)
    except OSError as error:
        raise Misconfigured(f"{file} cannot be written: {error.strerror}") from error


def _quoted(value: object) -> str:
    text = str(value)
    if not text.isprintable():
        raise Misconfigured(f"{text!r} has characters that no line of edge.toml can hold")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
