"""`regulars models add`: a pack of an operator's own network, measured beside the program's
pack."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.domain.rules.decision import ImpostorCurve, OperatingPoint, Population
from regulars.errors import OperatorError
from regulars_lab.measuring import curves, kinds, open_set
from regulars_lab.measuring.labelled import LabelledFolder, describe_folder, read_folder
from regulars_lab.measuring.looking import gather_faces, look_at_folder
from regulars_lab.measuring.memory import PictureResult
from regulars_lab.measuring.open_set import Rule, Searches
from regulars_lab.measuring.pairs import Faces
from regulars_lab.measuring.suspects import choose_one_each
from regulars_lab.own_network.build import (
    Measured,
    make_draft,
    measure_pack,
    place_pack,
    require_free,
)
from regulars_lab.own_network.network import Offer, check_file, read_offer
from regulars_lab.own_network.trial import try_other_ways

PHOTOS = {1: "one photo", 3: "three photos"}
"""Numbers of pictures that a person is enrolled from, and how they are called."""

Rate = tuple[str, str]
"""What is measured, and the figure."""


def add_pack(
    folder: Path, models: Path | None, fpir: float, *, images: Path, population: Path, out: Path
) -> int:
    """Check the network in `folder`, measure it beside the program's pack, and put the pack into
    `models`.

    `images`: pictures of people, a folder each; `population`: pictures of many others. Return the
    exit code. Raises OperatorError, MissingModel, OSError; then `models` is as it was.
    """
    offer = read_offer(folder)
    target = _choose_target(models, offer)
    for network in offer.networks:
        check_file(network, (folder / network.file).read_bytes())
    people, population_folder = read_folder(images), read_folder(population, alone=True)
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    console = Console()
    with tempfile.TemporaryDirectory(dir=out, prefix=f"{offer.pack}-") as draft_folder:
        draft = make_draft(folder, offer, Path(draft_folder))
        try_other_ways(draft, people)
        results = look_at_folder(people, draft, out, console)
        population_results = look_at_folder(population_folder, draft, out, console)
        with console.status("measuring"):
            own_figures = measure_pack(
                draft,
                gather_faces(people, results),
                people,
                gather_faces(population_folder, population_results),
                population_folder,
            )
        program = packs.find(models)
        seen_by_program = look_at_folder(people, program, out, console)
        with console.status("comparing"):
            columns = {
                program.manifest.name: [
                    *_rate_program(program, gather_faces(people, seen_by_program), people, fpir),
                    *_rate_looks(seen_by_program),
                ],
                offer.pack: [*_rate_own(own_figures, people, fpir), *_rate_looks(results)],
            }
        place_pack(draft, offer, own_figures, describe_folder(people), target)
    print(f"{describe_folder(people)}; thresholds are the service's, for an FPIR of {fpir:g}")
    print("\n".join(_format_table(columns)))
    print(
        f"{offer.pack} is in {target}: `regulars reembed --pack {offer.pack}` changes tenants to it"
    )
    return 0


def _choose_target(models: Path | None, offer: Offer) -> Path:
    """Return the folder that the pack will have. Raises OperatorError, MissingModel."""
    if models is None:
        raise OperatorError(
            "name the folder of your packs, which the service reads, too: --models or "
            "REGULARS_MODELS"
        )
    packs.require_folder(models)
    if not os.access(models, os.W_OK | os.X_OK):
        raise OperatorError(
            f"{models} may not be written: run this as its owner, who adds packs to it"
        )
    require_free(models / offer.pack)
    return models / offer.pack


def _rate_program(program: Pack, faces: Faces, people: LabelledFolder, fpir: float) -> list[Rate]:
    """Measure the program's pack, by the thresholds that the service takes from its curve."""
    rule = Rule(
        OperatingPoint(program.manifest.impostor_curve, fpir), program.manifest.parse_population()
    )
    by_photos = {
        photos: open_set.join_searches(
            [open_set.run_searches(half, rule, photos) for half, _ in _halve(faces)]
        )
        for photos in PHOTOS
    }
    return _list_rates(by_photos, faces, people, rule)


def _rate_own(measured: Measured, people: LabelledFolder, fpir: float) -> list[Rate]:
    """Measure how well the new pack tells people apart, with thresholds for the rate `fpir`.

    The people are cut in halves. Each half is judged by the curve of the other half, since its own
    would fit too well.
    """

    def make_rule(entry: Mapping[str, Any]) -> Rule:
        point = OperatingPoint(ImpostorCurve.from_calibration(entry), fpir)
        return Rule(point, Population(measured.population, entry["usual"]))

    halves = [
        (half, make_rule(curves.measure_model(other_half, people.persons, measured.population)[0]))
        for half, other_half in _halve(measured.faces)
    ]
    by_photos = {
        photos: open_set.join_searches(
            [open_set.run_searches(half, rule, photos) for half, rule in halves]
        )
        for photos in PHOTOS
    }
    return _list_rates(by_photos, measured.faces, people, make_rule(measured.entry))


def _halve(faces: Faces) -> list[tuple[Faces, Faces]]:
    """Return each half of the people that were found, with the other half."""
    persons = np.random.default_rng(0).permutation(np.unique(faces.person_of[faces.found]))
    is_first = np.isin(faces.person_of, persons[: len(persons) // 2])
    first_half, second_half = faces.select_faces(is_first), faces.select_faces(~is_first)
    return [(first_half, second_half), (second_half, first_half)]


def _list_rates(
    by_photos: Mapping[int, Searches], faces: Faces, people: LabelledFolder, rule: Rule
) -> list[Rate]:
    """List the error rates of a network as (text, figure), for each number of photos a person.

    FPIR is the share of strangers who are taken for somebody, FNIR that of people who are missed.
    The last line has the FPIR of the people who look most alike to the network.
    """
    rates, fpir = list[Rate](), rule.point.fpir_target
    for photos, searches in by_photos.items():
        rates += [
            (
                f"{PHOTOS[photos]}: FPIR, strangers who are taken for somebody",
                _format_rate(searches.fpir),
            ),
            (f"{PHOTOS[photos]}: FNIR, people who are missed", _format_rate(searches.fnir)),
            (
                f"{PHOTOS[photos]}: FNIR at an FPIR of {fpir:g}",
                _format_rate(searches.measure_fnir(fpir)),
            ),
        ]
    closest = kinds.measure_kinds(choose_one_each(faces, people.persons)[0], {}, rule)[0]
    return [*rates, ("the people who look most alike to it: FPIR", _format_rate(closest.fpir))]


def _format_rate(rate: float | None) -> str:
    return "too few" if rate is None else f"{rate:.4f}"


def _rate_looks(picture_results: Sequence[PictureResult]) -> list[Rate]:
    failures = sum(result.embedding is None for result in picture_results)
    times = [result.stages_ms["embed"] for result in picture_results if "embed" in result.stages_ms]
    return [
        ("pictures without a face", f"{failures:,}"),
        ("milliseconds of a core to embed a face", f"{np.median(times):.1f}"),
    ]


def _format_table(columns: Mapping[str, Sequence[Rate]]) -> list[str]:
    """Lay out each pack's figures side by side."""
    first = next(iter(columns.values()))
    width = max(len(label) for label, _ in first)
    widths = [max(len(name), 9) for name in columns]
    lines = [
        " " * width
        + "".join(f"  {name:>{size}}" for name, size in zip(columns, widths, strict=True))
    ]
    for rates in zip(*columns.values(), strict=True):
        figures = "".join(
            f"  {figure:>{size}}" for (_, figure), size in zip(rates, widths, strict=True)
        )
        lines.append(f"{rates[0][0]:<{width}}{figures}")
    return lines
