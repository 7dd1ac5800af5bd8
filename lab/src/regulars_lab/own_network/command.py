"""The command line of `regulars models add`."""

from __future__ import annotations

from pathlib import Path

import click

from regulars.options import PATH, choose_settings, models_option


@click.command(short_help="Make a pack of a network of your own.")
@click.argument("folder", type=PATH)
@click.option(
    "--images",
    type=PATH,
    required=True,
    help="Folder of Person_Name/picture.jpg: who is told apart.",
)
@click.option(
    "--population",
    type=PATH,
    required=True,
    help="Folder of many other people, balanced, a picture each.",
)
@click.option(
    "--out",
    type=PATH,
    default=Path("evaluation"),
    help="Folder for results to reuse; it holds biometric templates.",
)
@models_option
@click.pass_obj
def add(
    before: Path | None,
    folder: Path,
    images: Path,
    population: Path,
    out: Path,
    models: Path | None,
) -> int:
    """Make a pack of a network of your own, and measure it beside the program's.

    The folder has an ONNX file and a manifest.toml (docs/models.md). Nothing is added if either is
    wrong.

    \b
    Examples:
      regulars models add network/ --images people/ --population others/ --models /srv/models
    """
    from regulars_lab.own_network.add import add_pack

    settings = choose_settings(models=models or before, here=True)
    return add_pack(
        folder, settings.models, settings.fpir_target, images=images, population=population, out=out
    )
