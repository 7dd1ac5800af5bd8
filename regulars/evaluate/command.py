"""The command line of `regulars evaluate` and `regulars calibrate`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from regulars.options import DATA, add_model_folder, settings_of


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _add_evaluate(commands)
    _add_calibrate(commands)


def _add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "Measure how well people are told apart, on a folder that holds a folder of pictures for each person."
    evaluate = commands.add_parser("evaluate", help="measure how well people are told apart", description=about)
    _add_labelled_images(evaluate)
    evaluate.add_argument("--pairs", type=Path, help="pairs for verification, as LFW's pairs.txt (default: drawn)")
    evaluate.add_argument("--labels", type=Path, help="CSV of groups by person or file, to compare them")
    evaluate.add_argument("--json", type=Path, help="write the figures to this file, too")
    evaluate.set_defaults(run=_evaluate)


def _add_calibrate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = (
        "Measure the scores of different persons on a folder that holds a folder of pictures for each person, and "
        "write the curve that thresholds are made from."
    )
    calibrate = commands.add_parser("calibrate", help="measure the curve that thresholds come from", description=about)
    _add_labelled_images(calibrate)
    calibrate.add_argument("--to", type=Path, help="folder to write the curve into (default: the pack's, in use there)")
    calibrate.set_defaults(run=_calibrate)


def _add_labelled_images(command: argparse.ArgumentParser) -> None:
    command.add_argument("--images", type=Path, required=True, help="folder of Person_Name/picture.jpg")
    out = DATA / "evaluation"
    command.add_argument(
        "--out", type=Path, default=out, help="where the page and what was seen are kept (default: %(default)s)"
    )
    command.add_argument("--pack", metavar="NAME", help="model pack (default: $REGULARS_PACK, or the first whole one)")
    add_model_folder(command)


def _evaluate(arguments: argparse.Namespace) -> int:
    from regulars.evaluate import run

    settings = settings_of(arguments, os.environ, here=True)
    return run.evaluate(
        run.Options(
            images=arguments.images,
            pairs=arguments.pairs,
            labels=arguments.labels,
            json=arguments.json,
            out=arguments.out,
            models=settings.models,
            pack=arguments.pack or settings.pack,
            fpir_target=settings.fpir_target,
        )
    )


def _calibrate(arguments: argparse.Namespace) -> int:
    from regulars.evaluate import calibrate

    settings = settings_of(arguments, os.environ, here=True)
    return calibrate.calibrate(
        calibrate.Options(
            images=arguments.images,
            out=arguments.out,
            to=arguments.to,
            models=settings.models,
            pack=arguments.pack or settings.pack,
        )
    )
