"""The command lines of `regulars evaluate` and `regulars calibrate`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regulars.options import PATH, choose_settings, join_options, models_option

if TYPE_CHECKING:
    from chalicelib.settings import Settings

_images = partial(click.option, "--images", type=PATH, help="Folder of Person_Name/picture.jpg.")
_passages = partial(
    click.option,
    "--passage",
    "cameras",
    type=click.Choice(("typical", "near", "dark", "motion", "far")),
    multiple=True,
    help="Draw passages before such a camera from the pictures, too. Several times: several.",
)
_options = join_options(
    click.option(
        "--out",
        type=PATH,
        default=Path("evaluation"),
        help="Folder for the page and results to reuse.",
    ),
    click.option(
        "--pack", metavar="NAME", help="Model pack.  [default: $REGULARS_PACK, or face-pack-4]"
    ),
    models_option,
)


@click.command(short_help="Measure how well people are told apart.")
@_images()
@click.option(
    "--book",
    type=PATH,
    help="The same kind of folder, to play as captures: how true is the book then?",
)
@click.option(
    "--orders",
    type=click.IntRange(1, 100),
    default=5,
    show_default=True,
    help="Orders to play, with --book.",
)
@_options
@click.option(
    "--pairs", type=PATH, help="Pairs for verification, as LFW's pairs.txt.  [default: drawn]"
)
@click.option("--groups", type=PATH, help="CSV of groups by person or file, to compare the groups.")
@click.option(
    "--condition",
    "conditions",
    type=click.Choice(("mask", "sunglasses", "blur", "motion", "small", "tilt", "dark", "camera")),
    multiple=True,
    help="Search by the pictures with this drawn into them, too. Several times: several of them.",
)
@_passages()
@click.option(
    "--filmed", type=PATH, help="Folder of frames as person/day/passage/frame.jpg, and no --images."
)
@click.option("--json", type=PATH, help="Write the figures to this file, too.")
def evaluate(
    images: Path | None,
    book: Path | None,
    orders: int,
    out: Path,
    pack: str | None,
    models: Path | None,
    pairs: Path | None,
    groups: Path | None,
    conditions: tuple[str, ...],
    cameras: tuple[str, ...],
    filmed: Path | None,
    json: Path | None,
) -> int:
    """Measure how well people are told apart, on a folder that holds a folder of pictures for each
    person.

    \b
    Examples:
      regulars evaluate --images lfw/
      regulars evaluate --images people/ --groups groups.csv --json figures.json
      regulars evaluate --images people/ --condition mask --condition blur
      regulars evaluate --images people/ --passage motion
      regulars evaluate --filmed door/
      regulars evaluate --book people/
    """
    from regulars_lab.evaluate import run

    settings = choose_settings(models=models, here=True)
    if sum(folder is not None for folder in (images, book, filmed)) != 1:
        raise click.UsageError(
            "name one of --images, --filmed and --book, which plays the folder as captures"
        )
    if book is not None:
        return _evaluate_book(book, settings, orders, out=out, pack=pack, json=json)
    if filmed is not None:
        return _evaluate_filmed(filmed, settings, out=out, pack=pack, json=json)
    assert images is not None  # noqa: S101 -- one of the three is named
    return run.evaluate(
        images,
        settings.models,
        pack or settings.pack,
        settings.fpir_target,
        out=out,
        pairs_file=pairs,
        labels_file=groups,
        json_file=json,
        conditions=conditions,
        cameras=cameras,
    )


def _evaluate_book(
    book: Path, settings: Settings, orders: int, *, out: Path, pack: str | None, json: Path | None
) -> int:
    from regulars_lab.evaluate import book_run, run
    from regulars_lab.measuring import labelled

    found = run.pack_in(settings.models, pack or settings.pack)
    book_run.evaluate_book(
        [labelled.read_folder(book)],
        found,
        settings.fpir_target,
        orders=orders,
        out=out,
        json_file=json,
    )
    return 0


def _evaluate_filmed(
    filmed: Path, settings: Settings, *, out: Path, pack: str | None, json: Path | None
) -> int:
    from regulars_lab.evaluate import passages_run, run

    found = run.pack_in(settings.models, pack or settings.pack)
    passages_run.evaluate_filmed(filmed, found, settings.fpir_target, out=out, json_file=json)
    return 0


@click.command(short_help="Measure the curve for a pack's thresholds.")
@_images(required=True)
@_options
@click.option(
    "--to",
    type=PATH,
    help="Folder for the curve.  [default: the pack's in --models, which uses it]",
)
@click.option(
    "--groups",
    type=PATH,
    help="CSV of groups by person or file: strangers of one kind are told apart, too.",
)
@click.option(
    "--population",
    type=PATH,
    help="Folder of many other people, balanced, to make the population of.",
)
@_passages()
def calibrate(
    images: Path,
    out: Path,
    pack: str | None,
    models: Path | None,
    to: Path | None,
    groups: Path | None,
    population: Path | None,
    cameras: tuple[str, ...],
) -> int:
    """Measure the scores of different persons, and write the curve from which the service takes its
    thresholds.

    The folder of images holds a folder of pictures for each person.

    \b
    Examples:
      regulars calibrate --images people/ --to curves/
      regulars calibrate --images people/ --groups ages.csv --population others/
    """
    from chalicelib.book.vision.packs.packs import DEFAULT_PACK
    from regulars_lab.evaluate import calibrate

    settings = choose_settings(models=models, here=True)
    name = pack or settings.pack or DEFAULT_PACK
    folder = to or (settings.models / name if settings.models else None)
    if folder is None:
        raise click.UsageError(
            "name a folder for the curve: --models, from which the service takes it, or --to"
        )
    return calibrate.calibrate(
        images,
        settings.models,
        name,
        out=out,
        to=folder,
        groups=groups,
        population=population,
        cameras=cameras,
    )
