"""Passages that are drawn from photos, or were filmed: their frames are looked at, and what was
measured is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from chalicelib.book.vision.packs.packs import Pack
from chalicelib.domain.rules.decision import OperatingPoint
from regulars_lab.camera import FRAMES, Frame
from regulars_lab.evaluate import table
from regulars_lab.evaluate.passages import (
    Passage,
    PassageFigures,
    group_frames,
    list_figures,
    make_passage,
    measure_passages,
    read_passages,
)
from regulars_lab.measuring.labelled import LabelledFolder
from regulars_lab.measuring.looking import look_at_folder
from regulars_lab.measuring.open_set import Rule


def measure_drawn(
    folder: LabelledFolder,
    cameras: Sequence[str],
    pack: Pack,
    rule: Rule,
    out: Path,
    console: Console,
) -> Mapping[str, PassageFigures]:
    """Draw a passage before each camera from every picture, and measure them."""
    return {
        camera: measure_passages(_draw_passages(folder, camera, pack, out, console), rule)
        for camera in cameras
    }


def evaluate_filmed(
    filmed: Path, pack: Pack, fpir_target: float, *, out: Path, json_file: Path | None
) -> None:
    """Measure filmed passages, and show the figures; in the JSON file, too, if one is named."""
    console = Console()
    frames, owners = read_passages(filmed)
    seen = look_at_folder(frames, pack, out, console)
    rule = Rule(
        OperatingPoint(pack.manifest.impostor_curve, fpir_target), pack.manifest.parse_population()
    )
    found = measure_passages(group_frames(frames, owners, seen), rule)
    console.print(table.render_sections([table.passages("filmed", found)]))
    if json_file is not None:
        document = {"pack": pack.manifest.name, "passages": {"filmed": list_figures(found)}}
        json_file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _draw_passages(
    folder: LabelledFolder, camera: str, pack: Pack, out: Path, console: Console
) -> list[Passage]:
    """Draw a passage from every picture, and look at its frames. Another picture is another day."""
    looks = [
        look_at_folder(folder, pack, out, console, Frame(camera, number))
        for number in range(FRAMES)
    ]
    return [
        make_passage(folder.persons[owner], folder.name(picture), frames)
        for picture, (owner, *frames) in enumerate(zip(folder.person_of, *looks, strict=True))
    ]
