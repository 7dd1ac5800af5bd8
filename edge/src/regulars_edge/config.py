"""edge.toml, read and checked: what is wrong is said with the place and what would be right.

Each setting is a field of Config or CameraConfig, which says how it is read. The API key comes from
a file that only its owner can read, or from the environment. Never from the command line.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from regulars_client import keys
from regulars_client.http import is_of_this_machine

from regulars_edge.choose.chooser import Areas, parse_polygon
from regulars_edge.count.line import LOOK_S, CountLine, parse_line
from regulars_edge.errors import Misconfigured
from regulars_edge.pace import ALWAYS, Hours
from regulars_edge.picture import NameTime
from regulars_edge.reach import move_host
from regulars_edge.spool import files
from regulars_edge.spool.model import Limits

SPOOL_VARIABLE, KEY_VARIABLE = "REGULARS_EDGE_SPOOL", keys.VARIABLE
PLACES = {"folder": "folder", "snapshot": "url", "rtsp": "url", "usb": "device", "video": "file"}
"""Setting that names a camera's place, by its source."""
DEFAULT_METRICS_PORT = 9109
"""The port of the figures for Prometheus, at this machine only."""
BEST_SHOT_INTERVAL_S = 0.2
"""Of `best_shot`, which follows faces: a face that walks past close by crosses its own width in so
long."""

_LARGEST = 10**12
"""Far beyond every setting; TOML also has numbers without end, and `inf` and `nan`."""

_T = TypeVar("_T")
Read = Callable[[Any], Any]
"""Reads a value of TOML. Raises ValueError, which says what would be right."""


def parse_value(read: Callable[[Any], _T], value: object, where: str) -> _T:
    """Parse one value; `where` appears in the message. Raises Misconfigured."""
    try:
        return read(value)
    except ValueError as error:
        raise Misconfigured(f"{where}: {error}") from error


def require_type(kind: type[_T]) -> Callable[[Any], _T]:
    """Make a reader of values of just this type; a whole number is a float, too."""

    def parse_kind(value: Any) -> _T:
        if isinstance(value, int | float) and not abs(value) <= _LARGEST:
            raise ValueError(f"should be a number of at most {_LARGEST:,}")
        converted = float(value) if kind is float and type(value) is int else value
        if type(converted) is not kind:
            raise ValueError(f"{value!r} should be of type {kind.__name__}")
        return converted

    return parse_kind


def require_number(most: float = _LARGEST, scale: int = 1) -> Read:
    """Make a reader of numbers above 0, which gives `scale` times the number that is written."""

    def parse_number(value: Any) -> float:
        number = require_type(float)(value)
        if not 0 < number <= most:
            raise ValueError(f"should be more than 0{f' and at most {most}' * (most < _LARGEST)}")
        return number * scale

    return parse_number


def require_whole_number(least: int, most: int = _LARGEST) -> Read:
    def parse_whole_number(value: Any) -> int:
        if not least <= require_type(int)(value) <= most:
            raise ValueError(f"should be {least} {f'to {most}' if most < _LARGEST else 'or more'}")
        return int(value)

    return parse_whole_number


def require_choice(*choices: str) -> Read:
    def parse_choice(value: Any) -> str:
        if require_type(str)(value) not in choices:
            raise ValueError(f"{value!r} should be one of {', '.join(choices)}")
        return str(value)

    return parse_choice


def parse_service_url(text: Any) -> str:
    """Read an http or https URL with a host, without user and password."""
    try:
        parts = urlsplit(require_type(str)(text))
        host = parts.hostname or ""
        right = (
            parts.scheme in ("http", "https")
            and host.encode("idna")
            and " " not in host
            and parts.port != 0
        )
    except ValueError:
        right = False
    if not right:
        raise ValueError("this is no URL of a service; write it as https://regulars.example")
    if "@" in text or parts.query or parts.fragment:
        raise ValueError("without user, password and query, please; the key goes into a file")
    return str(text).rstrip("/")


def parse_camera_name(text: Any) -> str:
    if len(files.escape_camera(require_type(str)(text)).encode()) > files.LONGEST_CAMERA_BYTES:
        raise ValueError(f"should have at most {files.LONGEST_CAMERA_BYTES} bytes: use the id")
    return str(text)


def parse_time_zone(name: Any) -> tzinfo:
    try:
        return ZoneInfo(require_type(str)(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone; write it as Europe/Berlin") from error


def parse_path(text: Any) -> Path:
    return Path(require_type(str)(text)).expanduser()


def parse_hours(texts: Any) -> Hours:
    return Hours.read_spans([str(text) for text in require_type(list)(texts)])


def parse_areas(raw: Any) -> Areas | None:
    return Areas(tuple(map(parse_polygon, raw))) if require_type(list)(raw) else None


def toml_field(
    read: Read,
    default: Any = MISSING,
    at: str = "",
    *,
    of_service: bool = False,
    of_pictures: bool = False,
) -> Any:
    """Make a field that edge.toml sets. `of_service`: whether the service may set it, too.

    `at`: its table and key there, as "server.url"; "": the key of its name, beside no table.
    `of_pictures`: whether who sets it wants pictures to be sent.
    """
    said = {"read": read, "at": at, "of_service": of_service, "of_pictures": of_pictures}
    return field(default=default, metadata=said)


def _list_settings(kind: type, table: str = "") -> dict[str, tuple[str, Read]]:
    """Return field and reader of each key of a table; fields that edge.toml does not set have no
    `at`."""
    settings = {}
    for each in fields(kind):
        its_table, _, key = str(each.metadata.get("at", "-")).rpartition(".")
        if its_table == table and key != "-":
            settings[key or each.name] = (each.name, each.metadata["read"])
    return settings


def _parse_settings(
    raw: Any, settings: Mapping[str, tuple[str, Read]], where: str, faults: list[str]
) -> dict[str, Any]:
    """Read a table `raw`: return its values by field.

    What is wrong is added to `faults`, and counts as not there.
    """
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key in settings:
            name, read = settings[key]
            try:
                values[name] = read(value)
            except ValueError as error:
                faults.append(f"{where} {key}: {error}")
        else:
            near = difflib.get_close_matches(key, settings, 1)
            faults.append(
                f"{where}: {key}: no such setting{f'; did you mean {near[0]}?' if near else ''}"
            )
    return values


@dataclass(frozen=True)
class CameraConfig:
    """One camera: `name` is its id or name at the service, `place` the folder, URL, device or file
    of its source."""

    name: str = toml_field(parse_camera_name)
    source: str = toml_field(require_choice(*PLACES))
    place: str = ""
    send: str | None = toml_field(
        require_choice("all", "motion", "faces", "best_shot", "none"), None, of_service=True
    )
    """Which pictures are sent; None: it is not said (`choice`)."""
    interval_s: float = toml_field(require_number(), 1.0, of_service=True, of_pictures=True)
    per_minute: int | None = toml_field(
        require_whole_number(1), 60, of_service=True, of_pictures=True
    )
    api_key_file: Path | None = toml_field(parse_path, None)
    password_file: Path | None = toml_field(parse_path, None)
    user: str | None = toml_field(require_type(str), None)
    ca_file: Path | None = toml_field(parse_path, None)
    """What the camera's certificate is verified against, which may be that certificate; None:
    [server]'s."""
    tls_name: str | None = toml_field(require_type(str), None)
    """The name in the camera's certificate; None: the URL's."""
    transport: str = toml_field(require_choice("auto", "tcp", "udp"), "auto")
    """What carries a stream's pictures; auto: TCP, unless the camera has UDP only."""
    after: str = toml_field(require_type(str), "delete")
    zone: tzinfo | None = toml_field(parse_time_zone, None)
    time_in_name: NameTime | None = toml_field(lambda text: NameTime(require_type(str)(text)), None)
    silent_after_s: float = toml_field(require_number(), 300.0)
    """Without a frame; of a folder, without a file."""
    motion_share: float = toml_field(
        require_number(most=1), 0.01, of_service=True, of_pictures=True
    )
    face_score: float = toml_field(require_number(most=1), 0.7, of_service=True)
    min_face_px: int = toml_field(require_whole_number(1), 26, of_service=True)
    track_s: float = toml_field(require_number(), 10.0, of_service=True)
    early: bool = toml_field(require_type(bool), False, of_service=True)
    """Whether `best_shot` sends a good frame while the face is still there."""
    capture_hours: Hours = toml_field(parse_hours, ALWAYS, of_service=True)
    """When pictures are taken."""
    crop_room: float | None = toml_field(require_number(), None, of_service=True)
    """Faces are sent with so much room on each side, in sides of a face; None: whole frames."""
    rotate: int = toml_field(require_whole_number(0, 270), 0)
    """By how many degrees pictures are turned to the right; masks and zones are of the turned
    picture."""
    masks: Areas | None = toml_field(parse_areas, None, of_service=True)
    """Areas that nobody may see: they are black before anything is chosen or written."""
    zones: Areas | None = toml_field(parse_areas, None, of_service=True)
    """Where motion and faces count; None: everywhere."""
    count: CountLine | None = toml_field(parse_line, None, of_service=True)
    """The line at which people are counted; None: nobody is."""
    motion_url: str | None = toml_field(require_type(str), None, of_pictures=True)
    """The camera's small stream: its pictures are looked at only while something moves there."""
    hardware: str | None = toml_field(require_choice("v4l2m2m", "vaapi"), None, of_service=True)
    """What decodes, by FFmpeg's name; None: the processor."""
    wants_pictures: bool = False
    """Whether edge.toml says how pictures are sent, if not which."""

    @property
    def choice(self) -> str:
        """Return which pictures are sent: `send`, or none of a camera that counts, else all.

        A line that is drawn at the service takes no pictures away that the file wants.
        """
        only_counts = self.count is not None and not self.wants_pictures
        return self.send or ("none" if only_counts else "all")

    @property
    def leaving(self) -> str:
        """Return in a word what leaves the box: `choice`, or that it is numbers only."""
        return "numbers" if self.choice == "none" else self.choice

    @property
    def count_view(self) -> str | None:
        """Return the mark of what the count sees: this camera, turned, behind these masks, and the
        line; None: nobody is counted. No secret of the URL can be read from it."""
        view = self.source, self.place, self.rotate, self.masks, self.count
        return None if self.count is None else hashlib.sha256(repr(view).encode()).hexdigest()

    @property
    def is_of_files(self) -> bool:
        return self.source in ("folder", "video")

    @property
    def frame_interval_s(self) -> float:
        """Return the time between two frames that the source gives; counting needs more of them
        than what is sent."""
        return self.interval_s if self.count is None else min(self.interval_s, LOOK_S)

    def move_to(self, host: str) -> CameraConfig:
        """Return this at another host, with the small stream if that is at the same one."""
        former, small = urlsplit(self.place).hostname, self.motion_url
        small = small and move_host(small, former, host)
        return replace(self, place=move_host(self.place, former, host), motion_url=small)

    def with_settings(self, settings: Mapping[str, Any]) -> CameraConfig:
        """Return this with the settings that the service has for it; its place and its secrets are
        the file's own.

        Nothing that the file hides is shown: masks are added to its own, hours hold within its own,
        its zones stay, and so do its crops, which only become smaller. Raises Misconfigured if they
        do not fit together.
        """
        of_service = {
            key: _CAMERA[key] for key in _OF_SERVICE if (key, self.source) != ("send", "folder")
        }
        where, faults = f"camera {self.name}, with edge.toml", list[str]()
        raw = {key: settings[key] for key in of_service if settings.get(key) is not None}
        changes = _parse_settings(raw, of_service, where, faults)
        if faults:
            raise Misconfigured("\n".join(faults))
        both_masks = [areas for areas in (self.masks, changes.get("masks")) if areas]
        masks = tuple(polygon for areas in both_masks for polygon in areas.polygons)
        changes |= {
            "masks": Areas(masks) if masks else None,
            "zones": self.zones or changes.get("zones"),
        }
        if "capture_hours" in changes:
            changes["capture_hours"] = replace(
                changes["capture_hours"], zone=self.zone, within=self.capture_hours
            )
        if self.crop_room:
            changes["crop_room"] = min(self.crop_room, changes.get("crop_room", self.crop_room))
        changed = replace(self, **changes)
        _check_camera(changed, where)
        return changed


_CAMERA = _list_settings(CameraConfig)
_OF_SERVICE = [each.name for each in fields(CameraConfig) if each.metadata.get("of_service")]
_OF_PICTURES = {each.name for each in fields(CameraConfig) if each.metadata.get("of_pictures")}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of a box; `setting` names their places in edge.toml."""

    url: str = toml_field(parse_service_url, at="server.url")
    cameras: tuple[CameraConfig, ...] = ()
    spool: Path = toml_field(parse_path, at="spool.folder")
    limits: Limits = field(default_factory=Limits)
    api_key_file: Path | None = toml_field(parse_path, None, "server.api_key_file")
    ca_file: Path | None = toml_field(parse_path, None, "server.ca_file")
    bandwidth_bytes_s: float | None = toml_field(
        require_number(scale=1024), None, "upload.kib_per_s"
    )
    bytes_a_month: float = toml_field(require_number(scale=2**20), math.inf, "upload.mib_per_month")
    """Of pictures that `run` sends, in a calendar month of `zone`."""
    zone: tzinfo | None = toml_field(parse_time_zone, None)
    hours: Hours = toml_field(parse_hours, ALWAYS, "upload.hours")
    metrics_port: int | None = toml_field(
        require_whole_number(0, 65_535), DEFAULT_METRICS_PORT, "metrics.port"
    )
    heartbeat_s: float = toml_field(require_number(300), 120.0, "server.heartbeat_s")
    make_cameras: bool = toml_field(require_type(bool), False, "server.make_cameras")
    box: str | None = toml_field(require_type(str), None, "server.box")
    """What this machine is called in the console; None: as the host is."""
    tenant_key: bool = toml_field(require_type(bool), False, "server.tenant_key")
    """Whether the tenant's own key may lie on this box."""
    log_form: str = toml_field(require_choice("text", "json"), "text", "log.format")
    log_level: str = toml_field(
        require_choice("debug", "info", "warning", "error"), "info", "log.level"
    )
    update_url: str | None = toml_field(parse_service_url, None, "update.url")
    """The folder of releases, each in one of its version's name; None: this box is updated by
    hand."""
    signers: Path | None = toml_field(parse_path, None, "update.signers")
    """Whose signatures count, as ssh-keygen(1) has it (ALLOWED SIGNERS)."""
    restart: str = toml_field(
        require_type(str), "systemctl restart regulars-edge", "update.restart"
    )
    well_after_s: float = toml_field(require_number(), 600.0, "update.well_after_s")
    """Of a new version, without a fault, until it stays."""

    @property
    def secret_files(self) -> list[Path]:
        """The files with keys and passwords, each once."""
        of_cameras = ((each.api_key_file, each.password_file) for each in self.cameras)
        files = (self.api_key_file, *(file for pair in of_cameras for file in pair))
        return [*dict.fromkeys(file for file in files if file is not None)]

    def with_settings(self, settings: Mapping[str, Any]) -> Config:
        """Return this with the settings that the service has for the whole box; what cannot be read
        is left out."""
        raw = {key: settings[key] for key in _OF_BOX if settings.get(key) is not None}
        changes = {
            "hours": self.hours,
            **_parse_settings(raw, _OF_BOX, "the service's settings of the box", []),
        }
        return replace(self, **{**changes, "hours": replace(changes["hours"], zone=self.zone)})


_LIMITS: dict[str, tuple[str, Read]] = {
    "max_mib": ("max_bytes", lambda value: int(require_number(scale=2**20)(value))),
    "min_free_mib": ("min_free_bytes", lambda value: int(require_number(scale=2**20)(value))),
    "drop": ("drops_oldest", lambda value: require_choice("newest", "oldest")(value) == "oldest"),
    "unsent_days": ("unsent_days", require_number()),
    "kept_days": ("kept_days", require_number()),
}
_TABLES = {
    name: _list_settings(Config, name)
    for name in ("server", "spool", "upload", "log", "metrics", "update")
}
_TABLES["spool"] |= _LIMITS
_OF_BOX = {key: _TABLES["upload"][key] for key in ("kib_per_s", "mib_per_month")}
_OF_BOX["upload_hours"] = _TABLES["upload"]["hours"]


def find_spool(environment: Mapping[str, str] = os.environ, configured: Path | None = None) -> Path:
    """Find the spool's folder: REGULARS_EDGE_SPOOL, else the configured one, else in the user's
    state folder (XDG)."""
    if named := environment.get(SPOOL_VARIABLE):
        return Path(named)
    if configured is not None:
        return configured
    state = (
        environment.get("XDG_STATE_HOME")
        or Path(environment.get("HOME", "~")).expanduser() / ".local/state"
    )
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
    return parse_config(raw, str(file), environment)


def parse_config(
    raw: dict[str, Any], name: str = "edge.toml", environment: Mapping[str, str] = os.environ
) -> Config:
    """Check and convert a parsed configuration; `name` appears in messages.

    Raises Misconfigured, with all faults.
    """
    faults: list[str] = []
    tables = {
        "camera": ("camera", _parse_rows),
        **{table: (table, _parse_table) for table in _TABLES},
    }
    top = _parse_settings(raw, _list_settings(Config) | tables, name, faults)
    values: dict[str, Any] = {"zone": top.get("zone")}
    for table, settings in _TABLES.items():
        values |= _parse_settings(top.get(table, {}), settings, f"{name} [{table}]", faults)
    cameras = [
        _parse_camera(row, values["zone"], f"{name} [[camera]] {number}", faults)
        for number, row in enumerate(top.get("camera", ()), start=1)
    ]
    if "url" not in top.get("server", {}):
        faults.append(f"{name} [server]: url is missing")
    if not faults and len({(camera.name, camera.place) for camera in cameras if camera}) != len(
        cameras
    ):
        faults.append(f"{name}: a camera has the same source twice")
    if faults:
        raise Misconfigured("\n".join(faults))
    limits = {field: values.pop(field) for field, _ in _LIMITS.values() if field in values}
    values["spool"] = find_spool(environment, values.get("spool"))
    values["hours"] = replace(values.get("hours", ALWAYS), zone=values["zone"])
    return Config(
        **values, limits=Limits(**limits), cameras=tuple(camera for camera in cameras if camera)
    )


def _parse_table(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ValueError("should be a table")
    return raw


def _parse_rows(raw: Any) -> list[dict[str, Any]]:
    if not isinstance(raw, list) or not all(isinstance(row, dict) for row in raw):
        raise ValueError("write [[camera]], with two brackets")
    return raw


def _parse_camera(
    row: dict[str, Any], zone: tzinfo | None, where: str, faults: list[str]
) -> CameraConfig | None:
    """Read one [[camera]]; what is wrong is added to `faults`.

    `zone`: the whole box's, if it has none of its own.
    """
    source, faults_before = row.get("source"), len(faults)
    place_key = PLACES.get(str(source))
    places = {
        key: ("place", require_type(str)) for key in PLACES.values() if place_key in (key, None)
    }
    values = _parse_settings(row, {**_CAMERA, **places}, where, faults)
    missing = [key for key in ("name", "source", place_key) if key and row.get(key, "") == ""]
    faults += [f"{where}: {key} is missing" for key in missing]
    if len(faults) > faults_before:  # what is wrong by itself fits nothing
        return None
    wants_pictures = not _OF_PICTURES.isdisjoint(values)
    defaults: dict[str, Any] = {"zone": zone, "wants_pictures": wants_pictures}
    defaults |= {"interval_s": BEST_SHOT_INTERVAL_S} if values.get("send") == "best_shot" else {}
    defaults |= {"per_minute": None} if source in ("folder", "video") else {}
    defaults |= {"silent_after_s": math.inf} if source == "folder" else {}
    camera_without_zone = CameraConfig(**{**defaults, **values})
    capture_hours = replace(camera_without_zone.capture_hours, zone=camera_without_zone.zone)
    camera = replace(camera_without_zone, capture_hours=capture_hours)
    try:
        _check_camera(camera, where)
    except Misconfigured as error:
        faults.append(str(error))
    return camera


def _check_camera(camera: CameraConfig, where: str) -> None:
    """Raise Misconfigured if a camera's settings do not fit together: with the first of these
    reasons that applies."""
    chooses_faces, moves_files = camera.choice in ("faces", "best_shot"), camera.after != "delete"
    reasons = {
        "a folder's pictures are all sent: leave out `send`": camera.source == "folder"
        and camera.send not in (None, "all"),
        f'after is "delete" or "move:/some/folder", not {camera.after!r}': not re.fullmatch(
            "delete|move:.+", camera.after
        ),
        'the files that are moved would show what the masks hide: after = "delete"': camera.masks
        and moves_files,
        "capture_hours are of cameras that are asked for pictures, not of files": camera.is_of_files
        and camera.capture_hours.spans,
        'crop_room needs send = "faces" or "best_shot"': camera.crop_room and not chooses_faces,
        'early needs send = "best_shot"': camera.early and camera.choice != "best_shot",
        "zones choose by motion or faces: set `send`, or leave them out": (
            camera.zones and camera.choice == "all" and not camera.motion_url
        ),
        "count is of cameras that are watched, which are sources rtsp, usb and snapshot": (
            camera.count and camera.is_of_files
        ),
        "rotate: should be 0, 90, 180 or 270": camera.rotate % 90,
        "hardware is of sources rtsp and video": camera.hardware
        and camera.source not in ("rtsp", "video"),
        "tls_name is of https:// and rtsps://": (
            camera.tls_name and not camera.place.lower().startswith(("https:", "rtsps:"))
        ),
        "transport is of source rtsp": camera.transport != "auto" and camera.source != "rtsp",
        "motion_url is of sources rtsp and snapshot, which are asked for pictures": (
            camera.motion_url and camera.source not in ("rtsp", "snapshot")
        ),
    }
    if why := next((reason for reason, applies in reasons.items() if applies), None):
        raise Misconfigured(f"{where}: {why}")


def shows_the_key(url: str) -> bool:
    """Tell whether the key would cross a network in the clear."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_of_this_machine(parts.hostname or "")


read_secret = partial(keys.read_secret, error=Misconfigured)
"""Reads a file of one line. Raises Misconfigured if others may read it."""


def read_api_key(file: Path | None, environment: Mapping[str, str] = os.environ) -> str:
    """Read the key from `file`, or else from REGULARS_API_KEY. Raises Misconfigured."""
    return keys.choose_key(None, file, environment, Misconfigured).reveal()
