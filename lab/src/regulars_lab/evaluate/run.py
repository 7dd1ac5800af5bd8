"""`regulars evaluate`, from a folder to a table, a page and a JSON file."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.packs import MissingModel, Pack
from chalicelib.domain.rules.decision import OperatingPoint
from regulars.errors import OperatorError
from regulars_lab.conditions import CONDITIONS
from regulars_lab.evaluate import chart, figures, labels, page, passages_run, table
from regulars_lab.measuring.labelled import make_readable, read_folder
from regulars_lab.measuring.looking import look_at_folder
from regulars_lab.measuring.open_set import Rule

PAGE = "index.html"


def evaluate(
    images: Path,
    models: Path | None,
    pack_name: str | None,
    fpir_target: float,
    *,
    out: Path,
    pairs_file: Path | None,
    labels_file: Path | None,
    json_file: Path | None,
    conditions: Sequence[str] = (),
    cameras: Sequence[str] = (),
) -> int:
    """Measure the figures, and show them in a table, a page and, if one is named, a JSON file.

    `pack_name` None: the default pack. `conditions`: those of CONDITIONS
    to search in, too; `cameras`: those of CAMERAS to draw passages before. Return the exit code.
    Raises OperatorError, OSError.
    """
    console = Console()
    folder = read_folder(images)
    pairs = None if pairs_file is None else labels.read_pairs(pairs_file, folder)
    groups = {} if labels_file is None else labels.read_groups(labels_file, folder)
    pack = pack_in(models, pack_name)
    seen = look_at_folder(folder, pack, out, console)
    seen_so = {
        name: look_at_folder(folder, pack, out, console, CONDITIONS[name]) for name in conditions
    }
    decides = Rule(
        OperatingPoint(pack.manifest.impostor_curve, fpir_target), pack.manifest.parse_population()
    )
    passages = passages_run.measure_drawn(folder, cameras, pack, decides, out, console)
    with console.status("comparing"):
        found = figures.measure_figures(folder, seen, decides, pairs, groups, seen_so, passages)
    counts = f"{len(folder.files)} pictures of {len(folder.persons)} persons"
    about = f"{make_readable(str(folder.folder))}: {counts}, {pack.manifest.name}"
    console.print(table.render_sections(table.sections(found)))
    file = (out / PAGE).resolve()
    file.write_text(page.html(found, about), encoding="utf-8")
    console.print(
        f"\n{'curves and histograms' if chart.can_draw() else 'page'}: {file.as_uri()}",
        soft_wrap=True,
    )
    if not chart.can_draw():
        print(f"regulars: warning: {page.MISSING}", file=sys.stderr)
    if json_file is not None:
        document = {
            "pack": pack.manifest.name,
            "model": pack.manifest.embedding.model,
            **found.json(),
        }
        json_file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


def pack_in(models: Path | None, name: str | None) -> Pack:
    """Find the named pack, or the default one. Raises OperatorError if a model is missing."""
    try:
        return packs.find(models, name)
    except MissingModel as error:
        raise OperatorError(str(error)) from error
