"""A model pack's manifest: its files, and which of them is used for what (its role), and how.

It also reads what was measured: curves (the share of strangers who reach each score) and
populations (templates of strangers). They are a pack's own, or of `regulars calibrate`.
"""

from __future__ import annotations

import json
import logging
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct, ValidationError, convert, field
from msgspec.structs import asdict, replace

from chalicelib.domain.rules.decision import (
    NEAREST,
    NO_ADDITION,
    ImpostorCurve,
    MaskRule,
    Points,
    Population,
)

SCHEMA = 1
"""Version of the form of manifest.toml."""
DECODE = "yunet"
"""How a detector's outputs are read (book/vision/detect/detect.py)."""

NO_CROPS = ("detector", "embedding", "quality", "mask")
"""Roles that do not take a square crop."""
CROPS = ("landmarks", "box", "inside")
"""Kinds of crops (book/vision/describe/attributes.py)."""
LANDMARKS = 5
"""Eyes, nose tip and mouth corners, image left before right."""
WHITE = 255.0
"""Largest value of a picture's pixels."""
MOST_PX, MOST_DIMENSIONS = 1024, 4096
"""Largest side of a crop, and most numbers of a network: several times what they have."""
CHANNELS = ("RGB", "BGR", "L")
"""Orders of a picture's colours as models take them. L is the luminance alone; only crops may use
it."""
_log = logging.getLogger(__name__)

Record = TypeVar("Record")


def _require(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raise ValueError unless an entry has one of these values."""
    if value not in allowed:
        raise ValueError(f"{name} is {' or '.join(allowed)}, not {value}")


class PackFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a pack."""

    name: str
    sha256: str
    size_bytes: int
    licence: str
    upstream: str
    """Publisher of the weights in it."""


class DetectorRole(Struct, frozen=True, forbid_unknown_fields=True):
    """Which network finds faces, and how pictures are shown to it
    (book/vision/detect/detect.py)."""

    file: str
    decode: str
    """DECODE, which reads its outputs."""
    channels: str
    nms_iou: float
    canvas_px: int
    """Longer side of the usual look; the coarse one before it has half
    (book/vision/detect/detect.py)."""
    first_zoom: float
    """How much small pictures are enlarged for the usual look, at most."""
    fine_px: int
    """Longer side of the finer look, for pictures of twice the canvas or more and for those without
    proposals."""
    huge_zoom: float
    """How much a very large picture is enlarged for the finest look."""
    huge_tile_px: int
    """Longer side of that look's tiles, of which several run side by side."""
    looks_px: tuple[int, int]
    """Sides of the second look's two squares (book/vision/detect/detect.py); the face takes half of
    each."""
    turns: tuple[float, ...]
    """Degrees, clockwise, by which the smaller square is turned if the face was not found with
    certainty."""
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        _require("decode", self.decode, [DECODE])
        _require("channels", self.channels, CHANNELS[:2])


class Network(Struct, frozen=True, forbid_unknown_fields=True):
    """A network that embeds, and its part of a template."""

    file: str
    output: str
    dimensions: int
    channels: str
    size_px: int
    points: tuple[tuple[float, float], ...]
    """Places of the five landmarks in the aligned crop, (x, y) pixels."""
    mirrored: bool = False
    """Whether the mirror image's embedding is added."""
    weight: float = 1.0
    """Of this network's scores beside those of the others."""
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    """The network takes (p - mean) / deviation of a pixel p of 0 to 255: a number for all colours,
    or one for each in the order of `channels`."""

    def __post_init__(self) -> None:
        """Raise ValueError unless the numbers describe a network that can be run."""
        _require("channels", self.channels, CHANNELS[:2])
        if len(self.points) != LANDMARKS:
            raise ValueError(
                f"points are the places of {LANDMARKS} landmarks, not of {len(self.points)}"
            )
        counts, allowed_counts = {len(self.mean), len(self.deviation)}, {1, len(self.channels)}
        if not counts <= allowed_counts or min(self.deviation) <= 0:
            raise ValueError(
                "mean and deviation have one number, or one for each colour, and a deviation is "
                "above 0"
            )
        if not all(map(math.isfinite, (*self.mean, *self.deviation))):
            raise ValueError("mean and deviation are finite numbers")
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"weight is a finite number above 0, not {self.weight}")
        if not 1 <= self.size_px <= MOST_PX:
            raise ValueError(f"size_px is 1 to {MOST_PX}, not {self.size_px}")
        if not 1 <= self.dimensions <= MOST_DIMENSIONS:
            raise ValueError(f"dimensions is 1 to {MOST_DIMENSIONS}, not {self.dimensions}")


class EmbeddingRole(Struct, frozen=True, forbid_unknown_fields=True):
    """Networks whose embeddings lie side by side in a template.

    Another way to embed needs another `model`.
    """

    model: str
    """Id that stored templates carry."""
    number: int
    """Of this model among those of all packs, once and for all."""
    networks: tuple[Network, ...]
    centre: str = ""
    """File of the means that are taken from the embeddings, float32; empty: none."""
    basis: str = ""
    """File of orthonormal columns, the directions in which they differ, float32; empty: all of them
    are kept."""
    columns: int = 0

    @property
    def dimensions(self) -> int:
        """How many numbers a template has."""
        return self.columns or sum(network.dimensions for network in self.networks)

    @property
    def files(self) -> tuple[str, ...]:
        return (
            *(network.file for network in self.networks),
            *filter(None, (self.centre, self.basis)),
        )


class QualityRole(Struct, frozen=True, forbid_unknown_fields=True):
    """An aligned crop for book/vision/describe/quality.py, which knows the places of eyes and mouth
    in it."""

    size_px: int
    points: tuple[tuple[float, float], ...]


class MaskRole(Struct, frozen=True, forbid_unknown_fields=True):
    """A linear rule on the template that detects a mask, and its effect (domain/rules/decision)."""

    rule: str
    """File of the rule, (dimensions + 1,) float32, its constant the last."""
    least: float
    """The value of the rule from which on a face wears a mask."""
    bare: float
    masked: float
    """Values up to which and from which on a template is of bare and of masked faces alone."""
    both: Points
    """Additions to the threshold by score, if both faces wear a mask."""


class Crop(Struct, frozen=True, forbid_unknown_fields=True):
    """A recipe for a square crop of a face (book/vision/describe/attributes.py), and for the pixels
    that a model takes."""

    kind: str
    """One of CROPS."""
    factor: float
    size_px: int
    channels: str
    below: float = 0.5
    """For the kind "landmarks": how far the crop's centre lies below the eyes
    (book/vision/detect/align.py, `upright`)."""
    mirrored: bool = False
    """Whether the model also sees the mirror image, so that the mean of both counts."""
    least_brightness: float = 0.0
    """Brightness that a darker face is raised to (book/vision/pictures/crop.py,
    `brighten_crop`)."""
    pixels: tuple[float, float] = (0.0, WHITE)
    """The model's values for black and white."""

    def __post_init__(self) -> None:
        _require("kind", self.kind, CROPS)
        _require("channels", self.channels, CHANNELS)


class CropModel(Struct, frozen=True, forbid_unknown_fields=True):
    """A model that takes a square crop."""

    file: str
    outputs: tuple[str, ...]
    crop: Crop
    labels: tuple[str, ...] = ()
    temperature: float = 1.0
    """For emotions: divisor of the logarithms of the model's probabilities."""
    smile_odds: float = 0.0
    """For emotions: term added to the logarithm of the odds of happy against neutral."""


class CropRole(Struct, frozen=True, forbid_unknown_fields=True):
    """A property read from square crops: age, gender, emotion, head pose or liveness."""

    models: tuple[CropModel, ...] = field(name="model")
    """One model, or several with the same labels whose outputs are fused."""
    scale: float = 1.0
    """For ages: factor of the models' years."""
    least_score: float = 0.0
    """For genders: the score below which the gender is unknown."""
    odds_a_year: float = 0.0
    """For genders: term added, for each year of the age, to the logarithm of the odds of the first
    label."""
    trust: float = 1.0
    """For genders: factor of the logarithm of the model's odds."""
    grown: float = 0.0
    """For genders: years below which the logarithm of the odds shrinks with the age: children are
    unsure."""
    rule: str = ""
    """For genders: file of a linear rule on the template, (dimensions + 1,) float32, its constant
    the last; empty: none. Its value is added to the logarithm of the odds of the first label."""

    @property
    def files(self) -> tuple[str, ...]:
        return (*(model.file for model in self.models), *([self.rule] if self.rule else []))

    @property
    def labels(self) -> tuple[str, ...]:
        """The first model's labels; outputs of the others are reordered to match."""
        return self.models[0].labels


class Manifest(Struct, frozen=True):
    """Contents of a pack: its files, and the role of each.

    `crops` holds the optional roles by name: age, gender, emotion, head_pose, liveness. Without
    head_pose the pose is computed from the landmarks (book/vision/describe/attributes.py).
    """

    name: str
    version: str
    licence: str
    files: tuple[PackFile, ...]
    detector: DetectorRole
    embedding: EmbeddingRole
    quality: QualityRole
    crops: Mapping[str, CropRole]
    measured: Measured
    mask: MaskRole | None = None
    """None: nobody can tell a mask by the pack's templates."""
    folder: Path = Path()
    """Folder of its files."""

    @property
    def impostor_curve(self) -> ImpostorCurve:
        return self.measured.curve

    def parse_population(self) -> Population:
        """Return the population against which scores are normalised. Raises DamagedCalibration,
        OSError."""
        population = parse_population_rows(self.measured, self.embedding.dimensions)
        return replace(population, mask_rule=self._read_mask_rule())

    def _read_mask_rule(self) -> MaskRule | None:
        """Return the rule by which a template tells a mask; None: the pack has none."""
        import numpy as np

        if self.mask is None:
            return None
        weights = np.load(self.folder / self.mask.rule, allow_pickle=False)
        # All but the file's name are the rule's own numbers, under the same names.
        numbers = {name: value for name, value in asdict(self.mask).items() if name != "rule"}
        return MaskRule(weights, one=self.measured.one_masked, **numbers)


def read_table(folder: Path) -> dict[str, Any]:
    """Read `manifest.toml` as it is."""
    return tomllib.loads((folder / "manifest.toml").read_text(encoding="utf-8"))


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest in a pack's folder, with the curve and population that it names.

    Raises ValueError, with what is wrong with it, or KeyError for an entry that it lacks.
    """
    data = read_table(folder)
    if data["schema"] != SCHEMA:
        raise ValueError(f"a pack's manifest has schema {SCHEMA}, not {data['schema']}: {folder}")
    roles: Mapping[str, Mapping[str, Any]] = data["role"]
    embedding = _make_record(EmbeddingRole, "role embedding", roles["embedding"])
    calibration_file = folder / data["calibration"]
    measured = read_measured(calibration_file, embedding.model)
    if measured is None:
        raise ValueError(f"the embedding {embedding.model} has no curve in {calibration_file}")
    # Quality is measured in the crop of the first network, unless the pack says otherwise.
    first = embedding.networks[0]
    quality = roles.get("quality", {"size_px": first.size_px, "points": first.points})
    crop_names = [name for name in roles if name not in NO_CROPS]
    manifest = Manifest(
        name=data["pack"],
        version=data["version"],
        licence=data["licence"],
        files=_make_record(tuple[PackFile, ...], "a file", data["file"]),
        detector=_make_record(DetectorRole, "role detector", roles["detector"]),
        embedding=embedding,
        quality=_make_record(QualityRole, "role quality", quality),
        crops={name: _crop_role(name, roles[name]) for name in crop_names},
        measured=measured,
        mask=_make_record(MaskRole, "role mask", roles["mask"]) if "mask" in roles else None,
        folder=folder,
    )
    _require_files(manifest, folder)
    return manifest


def _require_files(manifest: Manifest, folder: Path) -> None:
    """Raise ValueError unless each file that a role names is one of the pack's."""
    used = {manifest.detector.file, *manifest.embedding.files}
    for role in manifest.crops.values():
        used |= {*role.files}
    if manifest.mask:
        used.add(manifest.mask.rule)
    missing = used - {file.name for file in manifest.files}
    if missing:
        raise ValueError(
            f"the manifest names {', '.join(sorted(missing))} and has no [[file]] for it: {folder}"
        )


def apply_calibration(manifest: Manifest, file: Path) -> Manifest:
    """Return the manifest with the calibration of its model in `file`: a curve, and perhaps a
    population.

    A curve says how many strangers reach a score. If no population lies beside it, it was measured
    with the pack's own. If the file has no curve of the model, a warning is logged, and the
    manifest stays as it is. Raises DamagedCalibration, OSError.
    """
    model = manifest.embedding.model
    measured = read_measured(file, model)
    if measured is None:
        _log.warning(
            "%s has no curve of %s and is passed over: measure it again with `regulars calibrate`",
            file,
            model,
        )
        return manifest
    population_file = measured.rows or manifest.measured.rows
    return replace(manifest, measured=replace(measured, rows=population_file))


def _crop_role(name: str, table: Mapping[str, Any]) -> CropRole:
    """Return a role, such as age, that is read from crops: its settings, and one model or more.

    `table` is the role's part of the manifest. A role of several models has a list "model" there;
    one of a single model has that model's entries among its own. Raises ValueError.
    """
    # What is a field of the role is a setting; what is not belongs to the only model.
    settings = {
        key: value for key, value in table.items() if key in CropRole.__struct_encode_fields__
    }
    if "model" not in settings:
        only_model = {key: value for key, value in table.items() if key not in settings}
        settings["model"] = [only_model]
    role = _make_record(CropRole, f"role {name}", settings)
    for model in role.models:
        if sorted(model.labels) != sorted(role.labels):
            raise ValueError(
                f"models of one role have the same labels; of {name}, {role.models[0].file} has "
                f"{', '.join(role.labels)} and {model.file} {', '.join(model.labels)}"
            )
    return role


def _make_record(kind: type[Record], what: str, table: Any) -> Record:
    """Return a record of this kind from a table that has its fields' names.

    `what`: what it is, for the message. Raises ValueError that says what is wrong with it.
    """
    try:
        return convert(table, kind)
    except ValidationError as error:
        raise ValueError(f"{what} of the manifest is wrong: {error}") from error


POPULATION = "population.npy"
"""File of a population's rows beside its curve: (n, dimensions) float16."""

_UNREADABLE = (ValueError, TypeError, AttributeError, RecursionError, ValidationError)
"""Errors for bytes that are not text, text that is not JSON, and JSON without a curve in its
place."""


class DamagedCalibration(ValueError):
    """Error for a file whose curves cannot be read; the message names it."""


class Measured(Struct, frozen=True):
    """The curve of a model, and the population that it was measured with.

    `usual`: see domain/rules/decision; None if scores were not judged by a population. `rows`: the
    file of the population beside the curve; None if there is none, and the pack's own counts.
    """

    curve: ImpostorCurve
    usual: float | None
    rows: Path | None
    one_masked: Points = NO_ADDITION
    """Additions to the threshold by score, if one face wears a mask and the other is bare, as far
    as strangers in masks were measured beside the curve."""


def read_measured(file: Path, model: str) -> Measured | None:
    """Return the measurements of the model in `file`; None if it has none.

    It holds a curve by model, how many strangers reach a score. Raises DamagedCalibration, OSError.
    """
    try:
        entries = json.loads(file.read_bytes())
        if not isinstance(entries, dict):
            raise TypeError("it holds no curves by model")
        if model not in entries:
            return None
        entry = entries[model]
        usual, population_file = entry.get("usual"), file.parent / POPULATION
        return Measured(
            curve=ImpostorCurve.from_calibration(entry),
            usual=None if usual is None else float(usual),
            rows=population_file if population_file.is_file() else None,
            one_masked=convert(entry.get("one_masked", NO_ADDITION), Points),
        )
    except KeyError as error:
        raise DamagedCalibration(f"{file} is damaged: a curve in it lacks {error}") from error
    except _UNREADABLE as error:
        raise DamagedCalibration(f"{file} is damaged: {error}") from error


def parse_population_rows(measured: Measured, dimensions: int) -> Population:
    """Return the population: templates of unknown people, against which scores are normalised.

    Without a file of them it is empty. So it is if nobody knows how near faces usually are to it
    (`usual`). `dimensions` is how many numbers a template has. Raises DamagedCalibration for a file
    that cannot be one, and OSError.
    """
    import numpy as np

    file = measured.rows
    if file is None or measured.usual is None:
        return Population(np.zeros((0, dimensions), np.float32), usual=0.0)
    try:
        rows = np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DamagedCalibration(f"{file} is damaged: {error}") from error
    has_right_shape = rows.ndim == 2 and rows.shape[1] == dimensions and len(rows) >= NEAREST
    if not has_right_shape or not np.isfinite(rows).all():
        raise DamagedCalibration(
            f"{file} is damaged: a population has {NEAREST} rows or more of {dimensions} numbers, "
            f"not {rows.shape}"
        )
    return Population(rows.astype(np.float32), usual=measured.usual)
