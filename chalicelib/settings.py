"""What the operator sets, read once from the environment, typed, and given to whom it concerns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chalicelib.core.decision import DEFAULT_FPIR


class SettingError(ValueError):
    """A setting is missing or wrong; the message names it and says what would be right."""


@dataclass(frozen=True)
class AwsStorage:
    """Names of the deployed resources."""

    table_prefix: str
    bucket: str
    index_queue_url: str
    index_dead_letter_url: str
    kms_key: str
    search_function: str | None
    """Search in the function of this name; None: search in this process."""


@dataclass(frozen=True)
class Settings:
    """All settings. Storage is a folder (embedded) or AWS."""

    storage: Path | AwsStorage
    models: Path | None = None
    """Folder of the model packs; None: the places that vision/packs.py looks in."""
    clock_tolerance_s: int = 300
    fpir_target: float = DEFAULT_FPIR
    search_memory_mb: int = 1024
    """MiB that the galleries of a process that searches may take, besides the one that is in use."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read REGULARS_*; raises SettingError naming what is missing or wrong."""
        folder = environ.get("REGULARS_DATA")
        models = environ.get("REGULARS_MODELS")
        return cls(
            storage=Path(folder) if folder else _aws_storage(environ),
            models=Path(models) if models else None,
            clock_tolerance_s=int(_number(environ, "REGULARS_CLOCK_TOLERANCE_S", 300, low=1, high=86_400)),
            fpir_target=_number(environ, "REGULARS_FPIR", DEFAULT_FPIR, low=1e-9, high=0.5),
            search_memory_mb=int(_number(environ, "REGULARS_SEARCH_MEMORY_MB", 1024, low=1, high=1_048_576)),
        )


def _aws_storage(environ: Mapping[str, str]) -> AwsStorage:
    def required(name: str) -> str:
        value = environ.get(name)
        if not value:
            raise SettingError(f"set REGULARS_DATA to a folder, or, on AWS, {name}: it is missing")
        return value

    return AwsStorage(
        table_prefix=required("REGULARS_TABLE_PREFIX"),
        bucket=required("REGULARS_BUCKET"),
        index_queue_url=required("REGULARS_INDEX_QUEUE_URL"),
        index_dead_letter_url=required("REGULARS_INDEX_DEAD_LETTER_URL"),
        kms_key=required("REGULARS_KMS_KEY"),
        search_function=environ.get("REGULARS_SEARCH_FUNCTION") or None,
    )


def _number(environ: Mapping[str, str], name: str, default: float, *, low: float, high: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise SettingError(f"{name} is a number from {low:g} to {high:g}, not {text!r}")
    return value
