"""edge.toml, read and checked: what is wrong is said with the place and what would be right."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from regulars_edge.errors import Misconfigured
from regulars_edge.pace import ALWAYS, Hours
from regulars_edge.spool.model import Limits

SPOOL_VARIABLE = "REGULARS_EDGE_SPOOL"
SOURCES = ("folder", "snapshot", "rtsp", "usb", "video")
SENDS = ("all", "motion", "faces", "best_shot")
DEFAULT_METRICS_PORT = 9109

_T = TypeVar("_T")


@dataclass(frozen=True)
class CameraConfig:
    """One camera: `name` is its id or name at the service, `place` the folder, URL, device or file of its source."""

    name: str
    source: str
    place: str
    send: str = "all"
    interval_s: float = 1.0
    per_minute: int | None = 60
    api_key_file: Path | None = None
    password_file: Path | None = None
    user: str | None = None
    after: str = "delete"
    zone: tzinfo | None = None
    silent_after_s: float = 300.0
    motion_share: float = 0.01
    face_score: float = 0.7
    min_face_px: int = 40
    track_s: float = 10.0


@dataclass(frozen=True)
class Config:
    url: str
    cameras: tuple[CameraConfig, ...]
    spool: Path
    limits: Limits
    api_key_file: Path | None = None
    ca_file: Path | None = None
    bandwidth_bytes_s: float | None = None
    hours: Hours = ALWAYS
    metrics_port: int | None = DEFAULT_METRICS_PORT
    heartbeat_s: float = 60.0
    make_cameras: bool = False
    models: Path | None = None
    log_form: str = "text"
    log_level: str = "info"


def default_spool(environment: Mapping[str, str] = os.environ) -> Path:
    """REGULARS_EDGE_SPOOL, or the user's state folder (XDG)."""
    named = environment.get(SPOOL_VARIABLE)
    if named:
        return Path(named)
    state = environment.get("XDG_STATE_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".local/state"
    return Path(state) / "regulars-edge"


def load(file: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read the configuration file. Raises Misconfigured."""
    try:
        with file.open("rb") as stream:
            raw = tomllib.load(stream)
    except OSError as error:
        raise Misconfigured(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{file} is no TOML: {error}") from error
    return parsed(raw, str(file), environment)


def parsed(raw: dict[str, Any], name: str = "edge.toml", environment: Mapping[str, str] = os.environ) -> Config:
    """Check and convert a parsed configuration; `name` stands in messages. Raises Misconfigured."""
    top = _Table(raw, name)
    server, spool, upload = top.table("server"), top.table("spool"), top.table("upload")
    log, metrics, detector = top.table("log"), top.table("metrics"), top.table("detector")
    zone = _zone(top)
    cameras = tuple(
        _camera(_Table(row, f"{name} [[camera]] {at + 1}"), zone) for at, row in enumerate(top.rows("camera"))
    )
    config = Config(
        url=checked_url(server.need("url", str), f"{name} [server] url"),
        cameras=cameras,
        spool=Path(environment.get(SPOOL_VARIABLE) or spool.take("folder", str) or default_spool(environment)),
        limits=_limits(spool),
        api_key_file=_path(server, "api_key_file"),
        ca_file=_path(server, "ca_file"),
        make_cameras=server.take("make_cameras", bool) or False,
        heartbeat_s=server.positive("heartbeat_s", 60.0),
        bandwidth_bytes_s=upload.take("kib_per_s", float, scale=1024),
        hours=_hours(upload, zone),
        metrics_port=metrics.take("port", int) if metrics.has("port") else DEFAULT_METRICS_PORT,
        models=_path(detector, "models"),
        log_form=log.one_of("format", ("text", "json"), "text"),
        log_level=log.one_of("level", ("debug", "info", "warning", "error"), "info"),
    )
    for table in (server, spool, upload, log, metrics, detector, top):
        table.end()
    names = [(camera.name, camera.place) for camera in cameras]
    if len(set(names)) != len(names):
        raise Misconfigured(f"{name}: a camera has the same source twice")
    return config


def checked_url(text: str, where: str) -> str:
    """Read an http or https URL with a host, without user and password. Raises Misconfigured."""
    try:
        parts = urlsplit(text)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise Misconfigured(f"{where}: this is no URL of a service; write it as https://regulars.example")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Misconfigured(f"{where}: without user, password and query, please; the key goes into a file")
    return text.rstrip("/")


def shows_the_key(url: str) -> bool:
    """Whether the key would cross a network in the clear."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "http" and not (host == "localhost" or host == "::1" or host.startswith("127."))


def zone_named(name: str, where: str) -> tzinfo:
    """Return the time zone of that name; `where` stands in the message. Raises Misconfigured."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Misconfigured(f"{where}: {name!r} is no time zone; write it as Europe/Berlin") from error


def _camera(row: _Table, zone: tzinfo | None) -> CameraConfig:
    source = row.one_of("source", SOURCES)
    camera = CameraConfig(
        name=row.need("name", str),
        source=source,
        place=row.need({"folder": "folder", "usb": "device", "video": "file"}.get(source, "url"), str),
        send=row.one_of("send", SENDS, "all"),
        interval_s=row.positive("interval_s", 1.0),
        per_minute=row.take("per_minute", int) if row.has("per_minute") else (None if source == "folder" else 60),
        api_key_file=_path(row, "api_key_file"),
        user=row.take("user", str),
        password_file=_path(row, "password_file"),
        after=row.take("after", str) or "delete",
        zone=_zone(row) or zone,
        silent_after_s=row.positive("silent_after_s", 300.0),
        motion_share=row.positive("motion_share", 0.01),
        face_score=row.positive("face_score", 0.7),
        min_face_px=row.take("min_face_px", int) or 40,
        track_s=row.positive("track_s", 10.0),
    )
    row.end()
    if source == "folder" and camera.send != "all":
        raise Misconfigured(f"{row.where}: a folder's pictures are all sent: leave out `send`")
    if camera.per_minute is not None and camera.per_minute < 1:
        raise Misconfigured(f"{row.where}: per_minute is 1 or more")
    if camera.after != "delete" and not camera.after.startswith("move:"):
        raise Misconfigured(f'{row.where}: after is "delete" or "move:/some/folder", not {camera.after!r}')
    return camera


def _limits(spool: _Table) -> Limits:
    base = Limits()
    return Limits(
        max_bytes=int(spool.take("max_mib", float, scale=2**20) or base.max_bytes),
        min_free_bytes=int(spool.positive("min_free_mib", base.min_free_bytes / 2**20) * 2**20),
        unsent_days=spool.take("unsent_days", float),
        kept_days=spool.positive("kept_days", base.kept_days),
    )


def _hours(upload: _Table, zone: tzinfo | None) -> Hours:
    texts = upload.take("hours", list) or []
    try:
        return Hours.parsed([str(text) for text in texts], zone)
    except ValueError as error:
        raise Misconfigured(f"{upload.where} hours: {error}") from error


def _zone(table: _Table) -> tzinfo | None:
    name = table.take("zone", str)
    return None if name is None else zone_named(name, f"{table.where} zone")


def _path(table: _Table, key: str) -> Path | None:
    text = table.take(key, str)
    return None if text is None else Path(text).expanduser()


class _Table:
    """A TOML table that is taken apart key by key; what is left in the end is a mistake."""

    def __init__(self, raw: object, where: str) -> None:
        if not isinstance(raw, dict):
            raise Misconfigured(f"{where} should be a table")
        self._left = dict(raw)
        self.where = where

    def has(self, key: str) -> bool:
        return key in self._left

    def table(self, key: str) -> _Table:
        return _Table(self._left.pop(key, {}), f"{self.where} [{key}]")

    def rows(self, key: str) -> list[object]:
        rows = self._left.pop(key, [])
        if not isinstance(rows, list):
            raise Misconfigured(f"{self.where}: write [[{key}]], with two brackets")
        return rows

    def take(self, key: str, kind: type[_T], scale: int = 1) -> _T | None:
        value = self._left.pop(key, None)
        if value is None:
            return None
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise Misconfigured(f"{self.where} {key}: {value!r} should be of type {kind.__name__}")
        return value * scale if isinstance(value, float) else value  # type: ignore[return-value]

    def need(self, key: str, kind: type[_T]) -> _T:
        value = self.take(key, kind)
        if value is None or value == "":
            raise Misconfigured(f"{self.where}: {key} is missing")
        return value

    def positive(self, key: str, default: float) -> float:
        value = self.take(key, float)
        if value is not None and value <= 0:
            raise Misconfigured(f"{self.where} {key}: should be more than 0")
        return default if value is None else value

    def one_of(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self.take(key, str)
        if value is None and default is not None:
            return default
        if value not in choices:
            raise Misconfigured(f"{self.where} {key}: {value!r} should be one of {', '.join(choices)}")
        return value

    def end(self) -> None:
        if self._left:
            raise Misconfigured(f"{self.where}: {', '.join(sorted(self._left))}: no such setting")
