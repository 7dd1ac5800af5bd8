"""The settings of a camera and their bounds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.captures import CameraOptions, is_camera_id
from chalicelib.core.errors import InvalidInput
from chalicelib.core.names import printable_name

NAME_LENGTH = 100
LABEL_LENGTH = 100
MAX_GROUPS = 100
GAPS_S = range(1, 86_401)
QUALITIES = (0.0, 100.0)
SILENT_AFTER_S = range(300, 2_592_001)
"""At least five minutes: `last_seen_at` is kept to the minute, and the watch looks every five."""

EDGE_SENDS = ("all", "motion", "faces", "best_shot")
EDGE_NUMBERS: dict[str, tuple[float, float]] = {
    "interval_s": (0.05, 60),
    "per_minute": (1, 6_000),
    "motion_share": (0.0001, 1),
    "min_face_px": (10, 2_000),
}
EDGE_WHOLE = ("per_minute", "min_face_px")

MAX_STATUS = 32
STATUS_NAME_LENGTH = 64
STATUS_TEXT_LENGTH = 200
_NOT_OF_ID = re.compile(r"[^A-Za-z0-9_.-]+", re.ASCII)
_SLUG_LENGTH = 56
_NAMELESS = "camera"


@dataclass(frozen=True, kw_only=True)
class CameraSettings(CameraOptions):
    """The settings of a core.captures.Camera, with the names of its groups in place of their ids."""

    groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Raise InvalidInput if a setting is out of bounds."""
        if (longest := max(map(len, self.labels))) > LABEL_LENGTH:
            raise InvalidInput(f"a label has up to {LABEL_LENGTH} characters, not {longest}")
        if self.groups is not None and len(self.groups) > MAX_GROUPS:
            raise InvalidInput(f"a camera's groups are up to {MAX_GROUPS}, not {len(self.groups)}; none said: all")
        if self.gap_s not in GAPS_S:
            raise InvalidInput(f"gap_s is {GAPS_S[0]} to {GAPS_S[-1]} seconds, not {self.gap_s}")
        if not QUALITIES[0] <= self.stranger_quality <= QUALITIES[1]:
            raise InvalidInput(f"stranger_quality is 0 to 100, not {self.stranger_quality}")
        if self.silent_after_s is not None and self.silent_after_s not in SILENT_AFTER_S:
            raise InvalidInput(
                f"silent_after_s is {SILENT_AFTER_S[0]} to {SILENT_AFTER_S[-1]} seconds, or none, "
                f"not {self.silent_after_s}"
            )
        _require_edge(self.edge)


def legal_camera_name(name: str) -> str:
    """Return the name in the form in which it is stored (Unicode NFC). Raises InvalidInput."""
    return printable_name(name, NAME_LENGTH, "a camera's")


def id_of_name(name: str) -> str:
    """Return the name if it is a legal id, else one made of its legal characters, or `camera` if it has none."""
    if is_camera_id(name):
        return name
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    return _NOT_OF_ID.sub("-", plain).strip(".-")[:_SLUG_LENGTH].rstrip(".-") or _NAMELESS


def require_status(status: Mapping[str, Any]) -> None:
    """Raise InvalidInput unless this is up to 32 short texts, numbers, true, false or null by short names."""
    if len(status) > MAX_STATUS:
        raise InvalidInput(f"a status has up to {MAX_STATUS} entries, not {len(status)}")
    for name, value in status.items():
        if not 1 <= len(name) <= STATUS_NAME_LENGTH:
            raise InvalidInput(f"a status entry's name has 1 to {STATUS_NAME_LENGTH} characters, not {len(name)}")
        if isinstance(value, str) and len(value) > STATUS_TEXT_LENGTH:
            raise InvalidInput(f"status.{name} has up to {STATUS_TEXT_LENGTH} characters, not {len(value)}")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise InvalidInput(f"status.{name} is a number of up to 63 bits")
        if value is not None and not isinstance(value, (str, int, float)):
            raise InvalidInput(f"status.{name} is a text, a number, true, false or null")


def _require_edge(settings: Mapping[str, Any]) -> None:
    """Raise InvalidInput unless these are settings of the edge uploader, each within its bounds."""
    for name, value in settings.items():
        if name == "send":
            if value not in EDGE_SENDS:
                raise InvalidInput(f"edge.send is one of {', '.join(EDGE_SENDS)}, not {str(value)[:40]!r}")
            continue
        if name not in EDGE_NUMBERS:
            known = ", ".join(sorted([*EDGE_NUMBERS, "send"]))
            raise InvalidInput(f"there is no edge setting {name[:40]!r}: {known} can be set from here")
        low, high = EDGE_NUMBERS[name]
        kind = int if name in EDGE_WHOLE else (int, float)
        if not isinstance(value, kind) or isinstance(value, bool) or not low <= value <= high:
            what = "a whole number" if name in EDGE_WHOLE else "a number"
            raise InvalidInput(f"edge.{name} is {what} from {low} to {high}, not {str(value)[:40]!r}")
