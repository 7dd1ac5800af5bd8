"""`regulars calibrate`: a pack's curves of scores of different persons, measured on a labelled
folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from chalicelib.domain.rules.decision import (
    DEFAULT_FPIR,
    SMALLEST_GALLERY,
    ImpostorCurve,
    OperatingPoint,
    Population,
)
from regulars_lab.evaluate import labels, passages_run, run, table
from regulars_lab.evaluate.figures import kinds_of
from regulars_lab.measuring import labelled
from regulars_lab.measuring.curves import make_population, measure_model, write_curve
from regulars_lab.measuring.labelled import describe_folder, make_readable
from regulars_lab.measuring.looking import gather_faces, look_at_folder
from regulars_lab.measuring.open_set import Rule
from regulars_lab.measuring.suspects import choose_one_each


def calibrate(
    images: Path,
    models: Path | None,
    pack_name: str,
    *,
    out: Path,
    to: Path,
    groups: Path | None = None,
    population: Path | None = None,
    cameras: Sequence[str] = (),
) -> int:
    """Measure a pack's curve and write it to the folder `to`.

    `groups`: a CSV of kinds of people; `population`: a folder of pictures of many other people,
    from which the population is made anew; `cameras`: those of CAMERAS before which passages are
    drawn, to count the strangers who are alike by the new curve. Return the exit code. Raises
    OperatorError, OSError.
    """
    console = Console()
    folder = labelled.read_folder(images)
    pack = run.pack_in(models, pack_name)
    faces = gather_faces(folder, look_at_folder(folder, pack, out, console))
    made = None
    if population is not None:
        others = labelled.read_folder(population)
        made = make_population(
            choose_one_each(
                gather_faces(others, look_at_folder(others, pack, out, console)), others.persons
            )[0]
        )
    with console.status("comparing"):
        entry, left_out = measure_model(
            faces, folder.persons, pack.manifest.parse_population().rows if made is None else made
        )
    for one, other, score in left_out.pairs:
        console.print(
            f"left out, since they look like one person: {one} and {other}, {score:.3f}",
            markup=False,
        )
    file = write_curve(to, pack, describe_folder(folder), entry, made)
    rows = pack.manifest.parse_population().rows if made is None else made
    decides = Rule(
        OperatingPoint(ImpostorCurve.from_calibration(entry)), Population(rows, entry["usual"])
    )
    for size in (SMALLEST_GALLERY, 30_000):
        threshold = decides.point.find_threshold(size)
        console.print(f"threshold of {size} faces at FPIR {DEFAULT_FPIR:g}: {threshold:.4f}")
    values = {} if groups is None else labels.read_groups(groups, folder)
    drawn = passages_run.measure_drawn(folder, cameras, pack, decides, out, console)
    sections = [table.kinds(kinds_of(faces, values, decides))]
    sections += [table.passages(name, one) for name, one in drawn.items()]
    console.print(table.render_sections(sections))
    console.print(
        f"the curve is in {make_readable(str(file.resolve()))}", markup=False, soft_wrap=True
    )
    return 0
