"""The command lines of `regulars evaluate` and `regulars calibrate`."""

from __future__ import annotations

from pathlib import Path

import click

from regulars.options import DATA, PATH, models_option, settings_of, together

_labelled_images_options = together(
    click.option("--images", type=PATH, required=True, help="Folder of Person_Name/picture.jpg."),
    click.option("--out", type=PATH, default=DATA / "evaluation", help="Folder for the page and results to reuse."),
    click.option("--pack", metavar="NAME", help="Model pack.  [default: $REGULARS_PACK, or the first complete one]"),
    models_option,
)


@click.command(short_help="Measure how well people are told apart.")
@_labelled_images_options
@click.option("--pairs", type=PATH, help="Pairs for verification, as LFW's pairs.txt.  [default: drawn]")
@click.option("--labels", type=PATH, help="CSV of groups by person or file, to compare the groups.")
@click.option("--json", type=PATH, help="Write the figures to this file, too.")
def evaluate(
    images: Path,
    out: Path,
    pack: str | None,
    models: Path | None,
    pairs: Path | None,
    labels: Path | None,
    json: Path | None,
) -> int:
    """Measure how well people are told apart, on a folder that holds a folder of pictures for each person.

    \b
    Examples:
      regulars evaluate --images lfw/
      regulars evaluate --images people/ --labels groups.csv --json figures.json
    """
    from regulars.evaluate import run

    settings = settings_of(models=models, here=True)
    return run.evaluate(
        images,
        settings.models,
        pack or settings.pack,
        settings.fpir_target,
        out=out,
        pairs_file=pairs,
        labels_file=labels,
        json_file=json,
    )


@click.command(short_help="Measure the curve for a pack's thresholds.")
@_labelled_images_options
@click.option("--to", type=PATH, help="Folder for the curve.  [default: the pack's, which uses it]")
def calibrate(images: Path, out: Path, pack: str | None, models: Path | None, to: Path | None) -> int:
    """Measure the scores of different persons, and write the curve from which the service takes its thresholds.

    The folder of images holds a folder of pictures for each person.

    \b
    Examples:
      regulars calibrate --images people/ --to curves/
    """
    from regulars.evaluate import calibrate

    settings = settings_of(models=models, here=True)
    return calibrate.calibrate(images, settings.models, pack or settings.pack, out=out, to=to)
