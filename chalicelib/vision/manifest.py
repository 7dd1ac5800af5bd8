"""A model pack's manifest: its files, and what each role of the pipeline does with which file."""

from __future__ import annotations

import json
import logging
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chalicelib.core.decision import ImpostorCurve

SCHEMA = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PackFile:
    """One file of a pack, as its maker published it."""

    name: str
    sha256: str
    size_bytes: int
    licence: str
    upstream: str
    url: str
    exact_upstream_bytes: bool
    """True: the bytes at `url` are this very file, so it can be downloaded; False: it was rebuilt from them."""


@dataclass(frozen=True)
class DetectorRole:
    file: str
    channels: str
    strides: tuple[int, ...]
    nms_iou: float


@dataclass(frozen=True)
class EmbeddingRole:
    file: str
    model: str
    """Id that stored templates carry."""
    output: str
    dimensions: int
    channels: str
    size_px: int
    points: tuple[tuple[float, float], ...]
    """Where the five landmarks go in the aligned crop, (x, y) pixels."""
    mirrored: bool = False
    """Whether the mirror image's embedding is added. `model` says so too, since such templates are others."""


@dataclass(frozen=True)
class CropRole:
    """A model that looks at a square crop: age, gender, emotion, head pose."""

    file: str
    outputs: tuple[str, ...]
    channels: str
    size_px: int
    crop: str
    """"landmarks" or "box" (vision/crop.py)."""
    crop_factor: float
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """What a pack is. `crops` holds the optional roles by name: age, gender, emotion, head_pose."""

    name: str
    licence: str
    files: tuple[PackFile, ...]
    detector: DetectorRole
    embedding: EmbeddingRole
    crops: Mapping[str, CropRole]
    impostor_curve: ImpostorCurve


def read(folder: Path) -> Manifest:
    """Read `manifest.toml` and the calibration that it names. Raises ValueError for another schema or channel order."""
    data = tomllib.loads((folder / "manifest.toml").read_text(encoding="utf-8"))
    if data["schema"] != SCHEMA:
        raise ValueError(f"a pack's manifest has schema {SCHEMA}, not {data['schema']}: {folder}")
    roles: Mapping[str, Mapping[str, Any]] = data["role"]
    for name, role in roles.items():
        if role["channels"] not in ("RGB", "BGR"):
            raise ValueError(f"the channels of role {name} are RGB or BGR, not {role['channels']}: {folder}")
    calibration = json.loads((folder / data["calibration"]).read_text(encoding="utf-8"))
    embedding = _embedding(roles["embedding"])
    return Manifest(
        name=data["pack"],
        licence=data["licence"],
        files=tuple(_file(entry) for entry in data["file"]),
        detector=_detector(roles["detector"]),
        embedding=embedding,
        crops={name: _crop(role) for name, role in roles.items() if name not in ("detector", "embedding")},
        impostor_curve=ImpostorCurve.from_calibration(calibration[embedding.model]),
    )


def calibrated(manifest: Manifest, file: Path) -> Manifest:
    """With the curve that is measured in `file`; without it, and with a warning, where it is of another model."""
    measured = json.loads(file.read_text(encoding="utf-8"))
    model = manifest.embedding.model
    if model not in measured:
        _log.warning(
            "%s has no curve of %s and is passed over: measure it again with `regulars calibrate`", file, model
        )
        return manifest
    return replace(manifest, impostor_curve=ImpostorCurve.from_calibration(measured[model]))


def _file(entry: Mapping[str, Any]) -> PackFile:
    return PackFile(
        name=entry["name"],
        sha256=entry["sha256"],
        size_bytes=entry["bytes"],
        licence=entry["licence"],
        upstream=entry["upstream"],
        url=entry["url"],
        exact_upstream_bytes=entry["exact_upstream_bytes"],
    )


def _detector(role: Mapping[str, Any]) -> DetectorRole:
    if role["decode"] != "yunet":
        raise ValueError(f"the detector's outputs are decoded as yunet, not {role['decode']}")
    return DetectorRole(role["file"], role["channels"], tuple(role["strides"]), float(role["nms_iou"]))


def _embedding(role: Mapping[str, Any]) -> EmbeddingRole:
    return EmbeddingRole(
        file=role["file"],
        model=role["model"],
        output=role["output"],
        dimensions=role["dimensions"],
        channels=role["channels"],
        size_px=role["size"],
        points=tuple((float(x), float(y)) for x, y in role["points"]),
        mirrored=role.get("mirrored", False),
    )


def _crop(role: Mapping[str, Any]) -> CropRole:
    return CropRole(
        file=role["file"],
        outputs=tuple(role.get("outputs") or [role["output"]]),
        channels=role["channels"],
        size_px=role["size"],
        crop=role["crop"],
        crop_factor=float(role.get("crop_factor", 1.0)),
        labels=tuple(role.get("labels", ())),
    )
