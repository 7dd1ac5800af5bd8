"""Options that several commands have, and the settings that they make of them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from chalicelib.settings import Settings

DATA = Path("regulars-data")


def add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, help=f"data folder (default: $REGULARS_DATA, or {DATA})")


def add_model_folder(command: argparse.ArgumentParser) -> None:
    command.add_argument("--models", type=Path, help="folder of the model packs (default: $REGULARS_MODELS, or found)")


def settings_of(arguments: argparse.Namespace, environ: Mapping[str, str], *, here: bool) -> Settings:
    """The environment's settings under the options. `here`: storage is a folder, whatever AWS names are set."""
    values = dict(environ)
    data: Path | None = getattr(arguments, "data", None)
    if data is not None:
        values["REGULARS_DATA"] = str(data)
    elif here or not values.get("REGULARS_TABLE_PREFIX"):
        values["REGULARS_DATA"] = values.get("REGULARS_DATA") or str(DATA)
    models: Path | None = getattr(arguments, "models", None)
    if models is not None:
        values["REGULARS_MODELS"] = str(models)
    return Settings.from_environment(values)
