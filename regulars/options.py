"""Options of several commands, and the settings made from them."""

from __future__ import annotations

import os
from pathlib import Path

import click

from chalicelib.settings import Settings

DATA = Path("regulars-data")
PATH = click.Path(path_type=Path)


def port(text: str) -> int:
    """Read a port's number. Raises click.BadParameter if it is not 0 to 65535."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65_535):
        raise click.BadParameter(f"a port is a number from 0 to 65535, not {text[:40]!r}")
    return int(text)


data_option = click.option("--data", type=PATH, help=f"Data folder.  [default: $REGULARS_DATA, or {DATA}]")
models_option = click.option(
    "--models", type=PATH, help="Folder of the model packs.  [default: $REGULARS_MODELS, or the usual places]"
)
photos_option = click.option(
    "--photos", type=PATH, help="Folder: labels.csv, or one folder a person, or files NAME_1.jpg."
)
host_option = click.option("--host", default="127.0.0.1", help="Address to listen on.")
port_option = click.option("--port", type=port, metavar="PORT", default="8000", help="Port; 0 picks a free one.")


def settings_of(*, data: Path | None = None, models: Path | None = None, here: bool = False) -> Settings:
    """Read the settings from the environment; options override it. `here`: use a data folder even if AWS is set."""
    values = dict(os.environ)
    if data is not None:
        values["REGULARS_DATA"] = str(data)
    elif here or not values.get("REGULARS_TABLE_PREFIX"):
        values["REGULARS_DATA"] = values.get("REGULARS_DATA") or str(DATA)
    if models is not None:
        values["REGULARS_MODELS"] = str(models)
    return Settings.from_environment(values)
