"""edge.toml, read and checked: what is wrong is said with the place and what would be right.

The API key comes from a file that only its owner can read, or from the environment. Never from the command line.
"""

from __future__ import annotations

import difflib
import math
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from regulars_edge.choose.areas import Areas, polygon
from regulars_edge.errors import Misconfigured
from regulars_edge.pace import ALWAYS, Hours
from regulars_edge.picture import NameTime
from regulars_edge.spool import files
from regulars_edge.spool.model import Limits

SPOOL_VARIABLE = "REGULARS_EDGE_SPOOL"
SOURCES = ("folder", "snapshot", "rtsp", "usb", "video")
STREAMS = ("rtsp", "video")
HARDWARE = ("v4l2m2m", "vaapi")
SENDS = ("all", "motion", "faces", "best_shot")
DEFAULT_METRICS_PORT = 9109
BEST_SHOT_INTERVAL_S = 0.2
"""Of `best_shot`, which follows faces: a face that walks past close by crosses its own width in so long."""

_LARGEST = 10**12
"""Far beyond every setting; TOML also has numbers without end, and `inf` and `nan`."""

_T = TypeVar("_T")
_D = TypeVar("_D")


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
    ca_file: Path | None = None
    """What the camera's certificate is verified against, which may be that certificate; None: [server]'s."""
    tls_name: str | None = None
    """The name in the camera's certificate; None: the URL's."""
    after: str = "delete"
    zone: tzinfo | None = None
    time_in_name: NameTime | None = None
    silent_after_s: float = 300.0
    """Without a frame; of a folder, without a file."""
    motion_share: float = 0.01
    face_score: float = 0.7
    min_face_px: int = 26
    track_s: float = 10.0
    early: bool = False
    """Whether `best_shot` sends a good frame while the face is still there."""
    capture_hours: Hours = ALWAYS
    """When pictures are taken."""
    crop_room: float | None = None
    """Faces are sent with so much room on each side, in sides of a face; None: whole frames."""
    rotate: int = 0
    """By how many degrees pictures are turned to the right; masks and zones are of the turned picture."""
    masks: Areas | None = None
    """Areas that nobody may see: they are black before anything is chosen or written."""
    zones: Areas | None = None
    """Where motion and faces count; None: everywhere."""
    motion_url: str | None = None
    """The camera's small stream: its pictures are looked at only while something moves there."""
    hardware: str | None = None
    """What decodes, by FFmpeg's name; None: the processor."""

    def with_settings(self, settings: Mapping[str, Any]) -> CameraConfig:
        """Return this with the settings that the service has for it; its place and its secrets are the file's own.

        Nothing that the file hides is shown: masks are added to its own, hours hold within its own, its zones stay,
        and so do its crops, which only become smaller. Raises Misconfigured if they do not fit together.
        """
        sent = {name: value for name, value in settings.items() if (name, self.source) != ("send", "folder")}
        where, faults = f"camera {self.name}, with edge.toml", list[str]()
        asked = _chosen(_Table(sent, where, faults), self)
        if faults:
            raise Misconfigured("\n".join(faults))
        masks = tuple(one for areas in (self.masks, asked.masks) if areas for one in areas.polygons)
        changed = replace(
            asked,
            masks=Areas(masks) if masks else None,
            zones=self.zones or asked.zones,
            capture_hours=replace(asked.capture_hours, within=self.capture_hours),
            crop_room=min(self.crop_room, asked.crop_room or self.crop_room) if self.crop_room else asked.crop_room,
        )
        _check(changed, where)
        return changed


@dataclass(frozen=True)
class Config:
    url: str
    cameras: tuple[CameraConfig, ...]
    spool: Path
    limits: Limits
    api_key_file: Path | None = None
    ca_file: Path | None = None
    bandwidth_bytes_s: float | None = None
    bytes_a_month: float = math.inf
    """Of pictures that `run` sends, in a calendar month of `zone`."""
    zone: tzinfo | None = None
    hours: Hours = ALWAYS
    metrics_port: int | None = DEFAULT_METRICS_PORT
    heartbeat_s: float = 120.0
    make_cameras: bool = False
    box: str | None = None
    """What this machine is called in the console; None: as the host is."""
    tenant_key: bool = False
    """Whether the tenant's own key may lie on this box."""
    log_form: str = "text"
    log_level: str = "info"
    update_url: str | None = None
    """The folder of releases, each in one of its version's name; None: this box is updated by hand."""
    signers: Path | None = None
    """Whose signatures count, as ssh-keygen(1) has it (ALLOWED SIGNERS)."""
    restart: str = "systemctl restart regulars-edge"
    well_after_s: float = 600.0
    """Of a new version, without a fault, until it stays."""


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
    except (ValueError, RecursionError) as error:
        raise Misconfigured(f"{file} is no TOML: {error}") from error
    return parsed(raw, str(file), environment)


def parsed(raw: dict[str, Any], name: str = "edge.toml", environment: Mapping[str, str] = os.environ) -> Config:
    """Check and convert a parsed configuration; `name` stands in messages. Raises Misconfigured, with all faults."""
    faults: list[str] = []
    config = None
    try:
        config = _config(_Table(raw, name, faults), name, environment)
    except Misconfigured as error:
        faults.append(str(error))
    if faults or config is None:
        raise Misconfigured("\n".join(faults))
    return config


def _config(top: _Table, name: str, environment: Mapping[str, str]) -> Config:
    server, spool, upload = top.table("server"), top.table("spool"), top.table("upload")
    log, metrics, update = top.table("log"), top.table("metrics"), top.table("update")
    update_url = update.take("url", str)
    zone = _zone(top)
    rows = [_Table(row, f"{name} [[camera]] {at + 1}", top.faults) for at, row in enumerate(top.rows("camera"))]
    cameras = tuple(_camera(row, zone) for row in rows)
    config = Config(
        url=checked_url(server.need("url", str), f"{name} [server] url"),
        cameras=cameras,
        spool=Path(environment.get(SPOOL_VARIABLE) or spool.take("folder", str) or default_spool(environment)),
        limits=_limits(spool),
        api_key_file=_path(server, "api_key_file"),
        ca_file=_path(server, "ca_file"),
        make_cameras=server.take("make_cameras", bool) or False,
        box=server.take("box", str),
        tenant_key=server.take("tenant_key", bool) or False,
        heartbeat_s=server.positive("heartbeat_s", 120.0),
        bandwidth_bytes_s=upload.positive("kib_per_s", None, scale=1024),
        bytes_a_month=upload.positive("mib_per_month", math.inf) * 2**20,
        zone=zone,
        hours=_hours(upload, "hours", zone),
        metrics_port=metrics.whole("port", DEFAULT_METRICS_PORT, 0, 65_535),
        log_form=log.one_of("format", ("text", "json"), "text"),
        log_level=log.one_of("level", ("debug", "info", "warning", "error"), "info"),
        update_url=None if update_url is None else checked_url(update_url, f"{name} [update] url"),
        signers=_path(update, "signers"),
        restart=update.take("restart", str) or Config.restart,
        well_after_s=update.positive("well_after_s", Config.well_after_s),
    )
    for table in (server, spool, upload, log, metrics, update, top):
        table.end()
    if not top.faults and len({(camera.name, camera.place) for camera in cameras}) != len(cameras):
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
    """Tell whether the key would cross a network in the clear."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "http" and not (host == "localhost" or host == "::1" or host.startswith("127."))


def zone_named(name: str, where: str) -> tzinfo:
    """Return the time zone of that name; `where` stands in the message. Raises Misconfigured."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Misconfigured(f"{where}: {name!r} is no time zone; write it as Europe/Berlin") from error


def time_in_name(pattern: str, where: str) -> NameTime:
    """Return how names say the time; `where` stands in the message. Raises Misconfigured."""
    try:
        return NameTime(pattern)
    except ValueError as error:
        raise Misconfigured(f"{where}: {pattern!r} is no time: {error}") from error


def _camera(row: _Table, zone: tzinfo | None) -> CameraConfig:
    source = row.one_of("source", SOURCES)
    in_name = row.take("time_in_name", str)
    send = row.one_of("send", SENDS, "all")
    own_zone = _zone(row) or zone
    plain = CameraConfig(
        name=row.need("name", str),
        source=source,
        place=row.need({"folder": "folder", "usb": "device", "video": "file"}.get(source, "url"), str),
        send=send,
        interval_s=BEST_SHOT_INTERVAL_S if send == "best_shot" else 1.0,
        per_minute=None if source in ("folder", "video") else 60,
        api_key_file=_path(row, "api_key_file"),
        user=row.take("user", str),
        password_file=_path(row, "password_file"),
        ca_file=_path(row, "ca_file"),
        tls_name=row.take("tls_name", str),
        after=row.take("after", str) or "delete",
        zone=own_zone,
        time_in_name=None if in_name is None else time_in_name(in_name, f"{row.where} time_in_name"),
        silent_after_s=row.positive("silent_after_s", math.inf if source == "folder" else 300.0),
        motion_url=row.take("motion_url", str),
        rotate=row.whole("rotate", 0, 0, 270),
    )
    camera = _chosen(row, plain)
    row.end()
    if not row.faults:  # what is wrong by itself fits nothing
        _check(camera, row.where)
    return camera


def _chosen(row: _Table, before: CameraConfig) -> CameraConfig:
    """Return the camera with the settings of the row that say what is taken and sent: the file's or the service's."""
    return replace(
        before,
        send=row.one_of("send", SENDS, before.send),
        interval_s=row.positive("interval_s", before.interval_s),
        per_minute=row.whole("per_minute", before.per_minute, 1),
        motion_share=row.positive("motion_share", before.motion_share, most=1),
        face_score=row.positive("face_score", before.face_score, most=1),
        min_face_px=row.whole("min_face_px", before.min_face_px, 1),
        track_s=row.positive("track_s", before.track_s),
        early=bool(row.take("early", bool, before.early)),
        capture_hours=_hours(row, "capture_hours", before.zone) if row.has("capture_hours") else before.capture_hours,
        crop_room=row.positive("crop_room", before.crop_room),
        masks=_areas(row, "masks"),
        zones=_areas(row, "zones"),
        hardware=row.one_of("hardware", HARDWARE) if row.has("hardware") else before.hardware,
    )


def _check(camera: CameraConfig, where: str) -> None:
    """Raise Misconfigured if the settings do not fit together."""
    source = camera.source
    if source == "folder" and camera.send != "all":
        raise Misconfigured(f"{where}: a folder's pictures are all sent: leave out `send`")
    if len(files.camera_text(camera.name).encode()) > files.LONGEST_CAMERA_BYTES:
        raise Misconfigured(f"{where} name: should have at most {files.LONGEST_CAMERA_BYTES} bytes: use the id")
    if camera.after != "delete" and not camera.after.startswith("move:"):
        raise Misconfigured(f'{where}: after is "delete" or "move:/some/folder", not {camera.after!r}')
    if camera.masks and camera.after != "delete":
        raise Misconfigured(f'{where}: the files that are moved would show what the masks hide: after = "delete"')
    if camera.capture_hours.spans and source in ("folder", "video"):
        raise Misconfigured(f"{where}: capture_hours are of cameras that are asked for pictures, not of files")
    if camera.crop_room and camera.send not in ("faces", "best_shot"):
        raise Misconfigured(f'{where}: crop_room needs send = "faces" or "best_shot"')
    if camera.early and camera.send != "best_shot":
        raise Misconfigured(f'{where}: early needs send = "best_shot"')
    if camera.zones and camera.send == "all" and not camera.motion_url:
        raise Misconfigured(f"{where}: zones choose by motion or faces: set `send`, or leave them out")
    if camera.rotate % 90:
        raise Misconfigured(f"{where} rotate: should be 0, 90, 180 or 270")
    if camera.hardware and source not in STREAMS:
        raise Misconfigured(f"{where}: hardware is of sources {' and '.join(STREAMS)}")
    if camera.tls_name and not camera.place.lower().startswith("rtsps:"):
        raise Misconfigured(f"{where}: tls_name is of rtsps://")
    if camera.motion_url and source not in ("rtsp", "snapshot"):
        raise Misconfigured(f"{where}: motion_url is of sources rtsp and snapshot, which are asked for pictures")


def _areas(row: _Table, key: str) -> Areas | None:
    try:
        polygons = tuple(map(polygon, row.take(key, list) or ()))
    except ValueError as error:
        raise Misconfigured(f"{row.where} {key}: {error}") from error
    return Areas(polygons) if polygons else None


def _limits(spool: _Table) -> Limits:
    base = Limits()
    return Limits(
        max_bytes=int(spool.positive("max_mib", base.max_bytes, scale=2**20)),
        min_free_bytes=int(spool.positive("min_free_mib", base.min_free_bytes, scale=2**20)),
        drops_oldest=spool.one_of("drop", ("newest", "oldest"), "newest") == "oldest",
        unsent_days=spool.positive("unsent_days", None),
        kept_days=spool.positive("kept_days", base.kept_days),
    )


def _hours(table: _Table, key: str, zone: tzinfo | None) -> Hours:
    texts = table.take(key, list) or []
    try:
        return Hours.parsed([str(text) for text in texts], zone)
    except ValueError as error:
        raise Misconfigured(f"{table.where} {key}: {error}") from error


def _zone(table: _Table) -> tzinfo | None:
    name = table.take("zone", str)
    return None if name is None else zone_named(name, f"{table.where} zone")


def _path(table: _Table, key: str) -> Path | None:
    text = table.take(key, str)
    return None if text is None else Path(text).expanduser()


class _Table:
    """A TOML table that is taken apart key by key; what is left in the end is a mistake.

    A value that is wrong is put down in `faults`, which all tables of a file share, and counts as not there.
    """

    def __init__(self, raw: object, where: str, faults: list[str]) -> None:
        if not isinstance(raw, dict):
            raise Misconfigured(f"{where} should be a table")
        self._left = dict(raw)
        self._asked: list[str] = []
        self.where = where
        self.faults = faults

    def table(self, key: str) -> _Table:
        self._asked.append(key)
        return _Table(self._left.pop(key, {}), f"{self.where} [{key}]", self.faults)

    def rows(self, key: str) -> list[object]:
        self._asked.append(key)
        rows = self._left.pop(key, [])
        if not isinstance(rows, list):
            raise Misconfigured(f"{self.where}: write [[{key}]], with two brackets")
        return rows

    def has(self, key: str) -> bool:
        return key in self._left

    def take(self, key: str, kind: type[_T], default: _T | None = None) -> _T | None:
        self._asked.append(key)
        value = self._left.pop(key, None)
        if value is None:
            return default
        if isinstance(value, (int, float)) and not abs(value) <= _LARGEST:
            return self._fault(f" {key}: should be a number of at most {_LARGEST:,}", default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            return self._fault(f" {key}: {value!r} should be of type {kind.__name__}", default)
        return value

    def need(self, key: str, kind: type[_T]) -> _T:
        before = len(self.faults)
        value = self.take(key, kind)
        if value is None or value == "":
            raise Misconfigured(f"{self.where}: {key} is missing" if len(self.faults) == before else self.faults.pop())
        return value

    def positive(self, key: str, default: _D, *, most: float = _LARGEST, scale: int = 1) -> float | _D:
        """Return the number times `scale`, or else `default`. Raises Misconfigured."""
        value = self.take(key, float)
        if value is None:
            return default
        if not 0 < value <= most:
            return self._fault(f" {key}: should be more than 0{f' and at most {most}' * (most < _LARGEST)}", default)
        return value * scale

    def whole(self, key: str, default: _D, least: int, most: int = _LARGEST) -> int | _D:
        value = self.take(key, int)
        if value is None:
            return default
        if not least <= value <= most:
            said = f" {key}: should be {least} {f'to {most}' if most < _LARGEST else 'or more'}"
            return self._fault(said, default)
        return value

    def one_of(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self.take(key, str)
        if value is None and default is not None:
            return default
        if value not in choices:
            return self._fault(f" {key}: {value!r} should be one of {', '.join(choices)}", choices[0])
        return value

    def end(self) -> None:
        for key in sorted(self._left):
            near = difflib.get_close_matches(key, self._asked, 1)
            self._fault(f": {key}: no such setting{f'; did you mean {near[0]}?' if near else ''}", None)

    def _fault(self, said: str, default: _D) -> _D:
        self.faults.append(self.where + said)
        return default


VARIABLE = "REGULARS_API_KEY"
_SYSTEMD = "CREDENTIALS_DIRECTORY"


def api_key(file: Path | None, environment: Mapping[str, str] = os.environ) -> str:
    """Read the key from `file`, or else from REGULARS_API_KEY. Raises Misconfigured."""
    if file is not None:
        return _checked(secret_in(file, environment), str(file))
    key = environment.get(VARIABLE, "").strip()
    if not key:
        raise Misconfigured(f"no API key: set {VARIABLE}, or name a file that holds it (api_key_file, --key-file)")
    return _checked(key, VARIABLE)


def secret_in(file: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Read a file of one line: a key, or a password of any characters. Raises Misconfigured if others may read it."""
    try:
        with file.open(encoding="utf-8") as stream:
            found = os.fstat(stream.fileno())
            text = stream.read(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"the secret in {file} cannot be read: {error}") from error
    # systemd hands credentials out in a folder of its own, with an access list that looks like group permissions.
    given_by_systemd = Path(environment.get(_SYSTEMD) or "/nowhere") in file.parents
    if not given_by_systemd:
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise Misconfigured(f"others may read {file}, which holds a secret: chmod 600 {file}")
        if found.st_uid not in (os.geteuid(), 0):
            raise Misconfigured(f"{file}, which holds a secret, belongs to somebody else: chown it to this user")
    if not text or not text.isprintable():
        raise Misconfigured(f"{file} should hold a secret: one line of characters that can be printed")
    return text


def _checked(key: str, place: str) -> str:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise Misconfigured(f"what {place} holds is no API key: it should be one word of printable ASCII")
    return key
