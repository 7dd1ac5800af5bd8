"""edge.toml, read and checked: what is wrong is said with the place and what would be right.

Each setting is a field of Config or CameraConfig, which says how it is read. The API key comes from a file that only
its owner can read, or from the environment. Never from the command line.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import tzinfo
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from regulars_edge.choose.chooser import Areas, polygon
from regulars_edge.errors import Misconfigured
from regulars_edge.pace import ALWAYS, Hours
from regulars_edge.picture import NameTime
from regulars_edge.spool import files
from regulars_edge.spool.model import Limits

SPOOL_VARIABLE = "REGULARS_EDGE_SPOOL"
PLACES = {"folder": "folder", "snapshot": "url", "rtsp": "url", "usb": "device", "video": "file"}
"""Setting that names a camera's place, by its source."""
DEFAULT_METRICS_PORT = 9109
BEST_SHOT_INTERVAL_S = 0.2
"""Of `best_shot`, which follows faces: a face that walks past close by crosses its own width in so long."""

_LARGEST = 10**12
"""Far beyond every setting; TOML also has numbers without end, and `inf` and `nan`."""

_T = TypeVar("_T")
Read = Callable[[Any], Any]
"""Reads a value of TOML. Raises ValueError, which says what would be right."""


def read_value(read: Callable[[Any], _T], value: object, where: str) -> _T:
    """Read one value; `where` stands in the message. Raises Misconfigured."""
    try:
        return read(value)
    except ValueError as error:
        raise Misconfigured(f"{where}: {error}") from error


def of(kind: type[_T]) -> Callable[[Any], _T]:
    def read_kind(value: Any) -> _T:
        if isinstance(value, int | float) and not abs(value) <= _LARGEST:
            raise ValueError(f"should be a number of at most {_LARGEST:,}")
        found = float(value) if kind is float and type(value) is int else value
        if type(found) is not kind:
            raise ValueError(f"{value!r} should be of type {kind.__name__}")
        return found

    return read_kind


def number(most: float = _LARGEST, scale: int = 1) -> Read:
    def read_number(value: Any) -> float:
        found = of(float)(value)
        if not 0 < found <= most:
            raise ValueError(f"should be more than 0{f' and at most {most}' * (most < _LARGEST)}")
        return found * scale

    return read_number


def whole(least: int, most: int = _LARGEST) -> Read:
    def read_whole_number(value: Any) -> int:
        if not least <= of(int)(value) <= most:
            raise ValueError(f"should be {least} {f'to {most}' if most < _LARGEST else 'or more'}")
        return int(value)

    return read_whole_number


def one_of(*choices: str) -> Read:
    def read_choice(value: Any) -> str:
        if of(str)(value) not in choices:
            raise ValueError(f"{value!r} should be one of {', '.join(choices)}")
        return str(value)

    return read_choice


def service_url(text: Any) -> str:
    """Read an http or https URL with a host, without user and password."""
    try:
        parts = urlsplit(of(str)(text))
        host = parts.hostname or ""
        right = parts.scheme in ("http", "https") and host.encode("idna") and " " not in host and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise ValueError("this is no URL of a service; write it as https://regulars.example")
    if "@" in text or parts.query or parts.fragment:
        raise ValueError("without user, password and query, please; the key goes into a file")
    return str(text).rstrip("/")


def camera_name(text: Any) -> str:
    if len(files.camera_text(of(str)(text)).encode()) > files.LONGEST_CAMERA_BYTES:
        raise ValueError(f"should have at most {files.LONGEST_CAMERA_BYTES} bytes: use the id")
    return str(text)


def time_zone(name: Any) -> tzinfo:
    try:
        return ZoneInfo(of(str)(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone; write it as Europe/Berlin") from error


def a_path(text: Any) -> Path:
    return Path(of(str)(text)).expanduser()


def open_hours(texts: Any) -> Hours:
    return Hours.read_spans([str(text) for text in of(list)(texts)])


def some_areas(raw: Any) -> Areas | None:
    return Areas(tuple(map(polygon, raw))) if of(list)(raw) else None


def toml_field(read: Read, default: Any = MISSING, at: str = "", *, of_service: bool = False) -> Any:
    """Make a field that edge.toml sets; `at`: its table and key there, if that is not its name.

    `of_service`: the service may set it, too.
    """
    return field(default=default, metadata={"read": read, "at": at, "of_service": of_service})


def _settings(kind: type, table: str = "") -> dict[str, tuple[str, Read]]:
    """Return field and reader of each key of a table."""
    found = {}
    for one in fields(kind):
        where, _, key = str(one.metadata.get("at", "-")).rpartition(".")
        if where == table and key != "-":
            found[key or one.name] = (one.name, one.metadata["read"])
    return found


def _read_settings(raw: Any, settings: Mapping[str, tuple[str, Read]], where: str, faults: list[str]) -> dict[str, Any]:
    """Return what is set, by field; what is wrong is put down in `faults`, and counts as not there."""
    found: dict[str, Any] = {}
    for key, value in raw.items():
        if key in settings:
            name, read = settings[key]
            try:
                found[name] = read(value)
            except ValueError as error:
                faults.append(f"{where} {key}: {error}")
        else:
            near = difflib.get_close_matches(key, settings, 1)
            faults.append(f"{where}: {key}: no such setting{f'; did you mean {near[0]}?' if near else ''}")
    return found


@dataclass(frozen=True)
class CameraConfig:
    """One camera: `name` is its id or name at the service, `place` the folder, URL, device or file of its source."""

    name: str = toml_field(camera_name)
    source: str = toml_field(one_of(*PLACES))
    place: str = ""
    send: str = toml_field(one_of("all", "motion", "faces", "best_shot"), "all", of_service=True)
    interval_s: float = toml_field(number(), 1.0, of_service=True)
    per_minute: int | None = toml_field(whole(1), 60, of_service=True)
    api_key_file: Path | None = toml_field(a_path, None)
    password_file: Path | None = toml_field(a_path, None)
    user: str | None = toml_field(of(str), None)
    ca_file: Path | None = toml_field(a_path, None)
    """What the camera's certificate is verified against, which may be that certificate; None: [server]'s."""
    tls_name: str | None = toml_field(of(str), None)
    """The name in the camera's certificate; None: the URL's."""
    transport: str = toml_field(one_of("auto", "tcp", "udp"), "auto")
    """What carries a stream's pictures; auto: TCP, unless the camera has UDP only."""
    after: str = toml_field(of(str), "delete")
    zone: tzinfo | None = toml_field(time_zone, None)
    time_in_name: NameTime | None = toml_field(lambda text: NameTime(of(str)(text)), None)
    silent_after_s: float = toml_field(number(), 300.0)
    """Without a frame; of a folder, without a file."""
    motion_share: float = toml_field(number(most=1), 0.01, of_service=True)
    face_score: float = toml_field(number(most=1), 0.7, of_service=True)
    min_face_px: int = toml_field(whole(1), 26, of_service=True)
    track_s: float = toml_field(number(), 10.0, of_service=True)
    early: bool = toml_field(of(bool), False, of_service=True)
    """Whether `best_shot` sends a good frame while the face is still there."""
    capture_hours: Hours = toml_field(open_hours, ALWAYS, of_service=True)
    """When pictures are taken."""
    crop_room: float | None = toml_field(number(), None, of_service=True)
    """Faces are sent with so much room on each side, in sides of a face; None: whole frames."""
    rotate: int = toml_field(whole(0, 270), 0)
    """By how many degrees pictures are turned to the right; masks and zones are of the turned picture."""
    masks: Areas | None = toml_field(some_areas, None, of_service=True)
    """Areas that nobody may see: they are black before anything is chosen or written."""
    zones: Areas | None = toml_field(some_areas, None, of_service=True)
    """Where motion and faces count; None: everywhere."""
    motion_url: str | None = toml_field(of(str), None)
    """The camera's small stream: its pictures are looked at only while something moves there."""
    hardware: str | None = toml_field(one_of("v4l2m2m", "vaapi"), None, of_service=True)
    """What decodes, by FFmpeg's name; None: the processor."""

    @property
    def is_of_files(self) -> bool:
        return self.source in ("folder", "video")

    def with_settings(self, settings: Mapping[str, Any]) -> CameraConfig:
        """Return this with the settings that the service has for it; its place and its secrets are the file's own.

        Nothing that the file hides is shown: masks are added to its own, hours hold within its own, its zones stay,
        and so do its crops, which only become smaller. Raises Misconfigured if they do not fit together.
        """
        of_service = {key: _CAMERA[key] for key in _OF_SERVICE if (key, self.source) != ("send", "folder")}
        where, faults = f"camera {self.name}, with edge.toml", list[str]()
        said = {key: settings[key] for key in of_service if settings.get(key) is not None}
        asked = _read_settings(said, of_service, where, faults)
        if faults:
            raise Misconfigured("\n".join(faults))
        masks = tuple(one for areas in (self.masks, asked.get("masks")) if areas for one in areas.polygons)
        asked |= {"masks": Areas(masks) if masks else None, "zones": self.zones or asked.get("zones")}
        if "capture_hours" in asked:
            asked["capture_hours"] = replace(asked["capture_hours"], zone=self.zone, within=self.capture_hours)
        if self.crop_room:
            asked["crop_room"] = min(self.crop_room, asked.get("crop_room", self.crop_room))
        changed = replace(self, **asked)
        _check(changed, where)
        return changed


_CAMERA = _settings(CameraConfig)
_OF_SERVICE = [one.name for one in fields(CameraConfig) if one.metadata.get("of_service")]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of a box; `setting` names their places in edge.toml."""

    url: str = toml_field(service_url, at="server.url")
    cameras: tuple[CameraConfig, ...] = ()
    spool: Path = toml_field(a_path, at="spool.folder")
    limits: Limits = field(default_factory=Limits)
    api_key_file: Path | None = toml_field(a_path, None, "server.api_key_file")
    ca_file: Path | None = toml_field(a_path, None, "server.ca_file")
    bandwidth_bytes_s: float | None = toml_field(number(scale=1024), None, "upload.kib_per_s")
    bytes_a_month: float = toml_field(number(scale=2**20), math.inf, "upload.mib_per_month")
    """Of pictures that `run` sends, in a calendar month of `zone`."""
    zone: tzinfo | None = toml_field(time_zone, None)
    hours: Hours = toml_field(open_hours, ALWAYS, "upload.hours")
    metrics_port: int | None = toml_field(whole(0, 65_535), DEFAULT_METRICS_PORT, "metrics.port")
    heartbeat_s: float = toml_field(number(300), 120.0, "server.heartbeat_s")
    make_cameras: bool = toml_field(of(bool), False, "server.make_cameras")
    box: str | None = toml_field(of(str), None, "server.box")
    """What this machine is called in the console; None: as the host is."""
    tenant_key: bool = toml_field(of(bool), False, "server.tenant_key")
    """Whether the tenant's own key may lie on this box."""
    log_form: str = toml_field(one_of("text", "json"), "text", "log.format")
    log_level: str = toml_field(one_of("debug", "info", "warning", "error"), "info", "log.level")
    update_url: str | None = toml_field(service_url, None, "update.url")
    """The folder of releases, each in one of its version's name; None: this box is updated by hand."""
    signers: Path | None = toml_field(a_path, None, "update.signers")
    """Whose signatures count, as ssh-keygen(1) has it (ALLOWED SIGNERS)."""
    restart: str = toml_field(of(str), "systemctl restart regulars-edge", "update.restart")
    well_after_s: float = toml_field(number(), 600.0, "update.well_after_s")
    """Of a new version, without a fault, until it stays."""

    def with_settings(self, settings: Mapping[str, Any]) -> Config:
        """Return this with the settings that the service has for the whole box; what cannot be read is left out."""
        said = {key: settings[key] for key in _OF_BOX if settings.get(key) is not None}
        asked = {"hours": self.hours, **_read_settings(said, _OF_BOX, "the service's settings of the box", [])}
        return replace(self, **{**asked, "hours": replace(asked["hours"], zone=self.zone)})


_LIMITS: dict[str, tuple[str, Read]] = {
    "max_mib": ("max_bytes", lambda value: int(number(scale=2**20)(value))),
    "min_free_mib": ("min_free_bytes", lambda value: int(number(scale=2**20)(value))),
    "drop": ("drops_oldest", lambda value: one_of("newest", "oldest")(value) == "oldest"),
    "unsent_days": ("unsent_days", number()),
    "kept_days": ("kept_days", number()),
}
_TABLES = {name: _settings(Config, name) for name in ("server", "spool", "upload", "log", "metrics", "update")}
_TABLES["spool"] |= _LIMITS
_OF_BOX = {key: _TABLES["upload"][key] for key in ("kib_per_s", "mib_per_month")}
_OF_BOX["upload_hours"] = _TABLES["upload"]["hours"]


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
    return read_config(raw, str(file), environment)


def read_config(raw: dict[str, Any], name: str = "edge.toml", environment: Mapping[str, str] = os.environ) -> Config:
    """Check and convert a parsed configuration; `name` stands in messages. Raises Misconfigured, with all faults."""
    faults: list[str] = []
    kinds = {**_settings(Config), "camera": ("camera", _rows), **{key: (key, _table) for key in _TABLES}}
    top = _read_settings(raw, kinds, name, faults)
    found: dict[str, Any] = {"zone": top.get("zone")}
    for table, settings in _TABLES.items():
        found |= _read_settings(top.get(table, {}), settings, f"{name} [{table}]", faults)
    cameras = [
        _camera(row, found["zone"], f"{name} [[camera]] {at + 1}", faults)
        for at, row in enumerate(top.get("camera", ()))
    ]
    if "url" not in top.get("server", {}):
        faults.append(f"{name} [server]: url is missing")
    if not faults and len({(camera.name, camera.place) for camera in cameras if camera}) != len(cameras):
        faults.append(f"{name}: a camera has the same source twice")
    if faults:
        raise Misconfigured("\n".join(faults))
    limits = {field: found.pop(field) for field, _ in _LIMITS.values() if field in found}
    named = environment.get(SPOOL_VARIABLE)
    found["spool"] = Path(named) if named else found.get("spool") or default_spool(environment)
    found["hours"] = replace(found.get("hours", ALWAYS), zone=found["zone"])
    return Config(**found, limits=Limits(**limits), cameras=tuple(camera for camera in cameras if camera))


def _table(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ValueError("should be a table")
    return raw


def _rows(raw: Any) -> list[dict[str, Any]]:
    if not isinstance(raw, list) or not all(isinstance(row, dict) for row in raw):
        raise ValueError("write [[camera]], with two brackets")
    return raw


def _camera(row: dict[str, Any], zone: tzinfo | None, where: str, faults: list[str]) -> CameraConfig | None:
    source, before = row.get("source"), len(faults)
    place = PLACES.get(str(source))
    places = {key: ("place", of(str)) for key in PLACES.values() if place in (key, None)}
    found = _read_settings(row, {**_CAMERA, **places}, where, faults)
    missing = [key for key in ("name", "source", place) if key and row.get(key, "") == ""]
    faults += [f"{where}: {key} is missing" for key in missing]
    if len(faults) > before:  # what is wrong by itself fits nothing
        return None
    usual: dict[str, Any] = {"zone": zone}
    usual |= {"interval_s": BEST_SHOT_INTERVAL_S} if found.get("send") == "best_shot" else {}
    usual |= {"per_minute": None} if source in ("folder", "video") else {}
    usual |= {"silent_after_s": math.inf} if source == "folder" else {}
    camera = CameraConfig(**{**usual, **found})
    camera = replace(camera, capture_hours=replace(camera.capture_hours, zone=camera.zone))
    try:
        _check(camera, where)
    except Misconfigured as error:
        faults.append(str(error))
    return camera


def _check(one: CameraConfig, where: str) -> None:
    """Raise Misconfigured if settings do not fit together."""
    of_faces, moves = one.send in ("faces", "best_shot"), one.after != "delete"
    of_files = one.is_of_files
    unfit = {
        "a folder's pictures are all sent: leave out `send`": one.source == "folder" and one.send != "all",
        f'after is "delete" or "move:/some/folder", not {one.after!r}': not re.fullmatch("delete|move:.+", one.after),
        'the files that are moved would show what the masks hide: after = "delete"': one.masks and moves,
        "capture_hours are of cameras that are asked for pictures, not of files": one.capture_hours.spans and of_files,
        'crop_room needs send = "faces" or "best_shot"': one.crop_room and not of_faces,
        'early needs send = "best_shot"': one.early and one.send != "best_shot",
        "zones choose by motion or faces: set `send`, or leave them out": (
            one.zones and one.send == "all" and not one.motion_url
        ),
        "rotate: should be 0, 90, 180 or 270": one.rotate % 90,
        "hardware is of sources rtsp and video": one.hardware and one.source not in ("rtsp", "video"),
        "tls_name is of https:// and rtsps://": (
            one.tls_name and not one.place.lower().startswith(("https:", "rtsps:"))
        ),
        "transport is of source rtsp": one.transport != "auto" and one.source != "rtsp",
        "motion_url is of sources rtsp and snapshot, which are asked for pictures": (
            one.motion_url and one.source not in ("rtsp", "snapshot")
        ),
    }
    if why := next((text for text, is_so in unfit.items() if is_so), None):
        raise Misconfigured(f"{where}: {why}")


def shows_the_key(url: str) -> bool:
    """Tell whether the key would cross a network in the clear."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "http" and not (host == "localhost" or host == "::1" or host.startswith("127."))


VARIABLE = "REGULARS_API_KEY"
_SYSTEMD = "CREDENTIALS_DIRECTORY"


def api_key(file: Path | None, environment: Mapping[str, str] = os.environ) -> str:
    """Read the key from `file`, or else from REGULARS_API_KEY. Raises Misconfigured."""
    if file is not None:
        return _check_key(secret_in(file, environment), str(file))
    key = environment.get(VARIABLE, "").strip()
    if not key:
        raise Misconfigured(f"no API key: set {VARIABLE}, or name a file that holds it (api_key_file, --key-file)")
    return _check_key(key, VARIABLE)


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


def _check_key(key: str, place: str) -> str:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise Misconfigured(f"what {place} holds is no API key: it should be one word of printable ASCII")
    return key
