"""Options of several commands, and the settings made from them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import click

from chalicelib.settings import Settings

DATA = Path("regulars-data")
PATH = click.Path(path_type=Path)
_Command = TypeVar("_Command", bound=Callable[..., Any])


def port(text: str) -> int:
    """Read a port's number. Raises click.BadParameter if it is not 0 to 65535."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65_535):
        raise click.BadParameter(f"a port is a number from 0 to 65535, not {text[:40]!r}")
    return int(text)


def together(*options: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    """Make one decorator of several options, which help shows in this order."""
    return lambda command: reduce(lambda decorated, option: option(decorated), reversed(options), command)


data_option = click.option("--data", type=PATH, help=f"Data folder.  [default: $REGULARS_DATA, or {DATA}]")
stage_option = click.option("--stage", help="Stage in AWS, whose stack's outputs are the settings, in place of --data.")
storage_options = together(data_option, stage_option)
models_option = click.option(
    "--models", type=PATH, help="Folder of the model packs.  [default: $REGULARS_MODELS, or the usual places]"
)
photos_option = click.option(
    "--photos", type=PATH, help="Folder: labels.csv, or one folder a person, or files NAME_1.jpg."
)
host_option = click.option("--host", default="127.0.0.1", help="Address to listen on.")
port_option = click.option("--port", type=port, metavar="PORT", default="8000", help="Port; 0 picks a free one.")


def settings_of(
    *, data: Path | None = None, models: Path | None = None, here: bool = False, stage: str | None = None
) -> Settings:
    """Read the settings from the environment; options override it. `here`: use a data folder even if AWS is set.

    Raises NotDeployed if there is no such stage.
    """
    values = dict(os.environ)
    if stage is not None and data is not None:
        raise click.UsageError("what is stored is in a folder or in a stage: --data or --stage, not both")
    if stage is not None:
        from regulars.deploy.stage import settings

        values = {**values, **settings(stage), "REGULARS_DATA": ""}
        values["REGULARS_PACK"] = os.environ.get("REGULARS_PACK") or values.get("REGULARS_PACK", "")
    elif data is not None:
        values["REGULARS_DATA"] = str(data)
    elif here or not values.get("REGULARS_TABLE_PREFIX"):
        values["REGULARS_DATA"] = values.get("REGULARS_DATA") or str(DATA)
    if models is not None:
        values["REGULARS_MODELS"] = str(models)
    return Settings.from_environment(values)
