"""`regulars evaluate --book`, from a folder of people to a table, a page with the worst cases, and
a JSON file."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import fmean

from msgspec.structs import asdict
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from chalicelib.book.vision.packs.packs import Pack
from chalicelib.book.vision.pipeline import FacePipeline
from regulars_lab import page
from regulars_lab.evaluate.book import (
    SCENES,
    Player,
    RememberedVision,
    Sighting,
    Trueness,
    trueness,
)
from regulars_lab.measuring.labelled import LabelledFolder, make_readable

PAGE = "book.html"
WORST = 20
"""Cases of each kind that the page shows."""

_COLUMNS = {
    "sightings": "sightings",
    "left_out": "nobody's",
    "persons": "persons",
    "faces": "faces",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "split": "split",
    "mixed": "mixed",
}
_PLAYED = "scene, learning"
_SHARES = ("precision", "recall", "f1")
_LEARNED = "on"
_LEARNING = {"off": False, _LEARNED: True}

Kind = tuple[str, str]
"""Scene, and whether faces learn."""


def evaluate_book(
    folders: Sequence[LabelledFolder],
    pack: Pack,
    fpir_target: float,
    *,
    orders: int,
    out: Path,
    json_file: Path | None,
    scenes: Sequence[str] = ("spread",),
    console: Console | None = None,
) -> dict[Kind, list[Trueness]]:
    """Play each folder in several orders and scenes, with learning off and on; show and write the
    figures."""
    console = console or Console()
    vision = RememberedVision(FacePipeline(pack))
    players = [Player(folder.files, folder.person_of, vision, fpir_target) for folder in folders]
    played = _play_scenes(players, orders, scenes, console)
    found = {
        kind: [trueness(sightings) for sightings in of_orders] for kind, of_orders in played.items()
    }
    about = ", ".join(
        f"{make_readable(str(one.folder))}: {len(one.files)} pictures of {len(one.persons)} persons"
        for one in folders
    )
    about += f", {pack.manifest.name}, {orders} orders"
    console.print(about)
    console.print(_table(found))
    console.print("split: people in several faces; mixed: faces of several people")
    console.print(
        "learning: with the order's number; on: faces learn, and those that are one person are "
        "joined"
    )
    for (scene, learning), of_orders in played.items():
        for number, sightings in enumerate(of_orders):
            for parts in _cases(sightings, by_person=False):
                people = ", ".join(
                    folders[number // orders].name(part[0].picture) for part in parts
                )
                console.print(
                    f"mixed in {scene}, {learning}, {number + 1}: {people}", soft_wrap=True
                )
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = (out / PAGE).resolve()
    file.write_text(
        html(folders[0], played[scenes[0], _LEARNED][0], found, about), encoding="utf-8"
    )
    console.print(f"\nworst cases: {file.as_uri()}", soft_wrap=True)
    if json_file is not None:
        figures = [
            {"scene": scene, "learning": learning, **asdict(one), "f1": one.f1}
            for (scene, learning), ones in found.items()
            for one in ones
        ]
        json_file.write_text(
            json.dumps({"pack": pack.manifest.name, "orders": figures}, indent=2) + "\n", "utf-8"
        )
    return found


def _play_scenes(
    players: Sequence[Player], orders: int, scenes: Sequence[str], console: Console
) -> dict[Kind, list[list[Sighting]]]:
    """Look at all pictures, then play them in each order, scene by scene, and show how far it
    is."""
    pictures = sum(len(player.files) for player in players)
    kinds = [(scene, learning) for scene in scenes for learning in _LEARNING]
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console) as bar:
        looking = bar.add_task("looking at pictures", total=pictures)
        for player in players:
            player.look(lambda: bar.advance(looking))
        playing = bar.add_task("playing captures", total=len(kinds) * orders * pictures)
        return {
            (scene, learning): [
                player.play(
                    seed, SCENES[scene], lambda: bar.advance(playing), learns=_LEARNING[learning]
                )
                for player in players
                for seed in range(orders)
            ]
            for scene, learning in kinds
        }


def _table(found: Mapping[Kind, Sequence[Trueness]]) -> Table:
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    shown.add_column(_PLAYED, no_wrap=True)
    for title in _COLUMNS.values():
        shown.add_column(title, justify="right")
    for row in _rows(found):
        shown.add_row(*row)
    return shown


def _rows(found: Mapping[Kind, Sequence[Trueness]]) -> list[list[str]]:
    """Write the figures of each order without learning, and their means; then those with it."""
    return [
        [f"{', '.join(kind)}, {'mean' if number > len(ones) else number}", *row]
        for kind, ones in found.items()
        for number, row in enumerate(_figures(ones), 1)
    ]


def _figures(found: Sequence[Trueness]) -> list[list[str]]:
    """Write the figures of each order, and their means last."""
    columns = {name: [getattr(one, name) for one in found] for name in _COLUMNS}
    texts = [
        [f"{value:.4f}" if name in _SHARES else f"{value}" for value in values]
        + [f"{fmean(values):.4f}" if name in _SHARES else f"{fmean(values):.1f}"]
        for name, values in columns.items()
    ]
    return [list(row) for row in zip(*texts, strict=True)]


def html(
    folder: LabelledFolder,
    played: Sequence[Sighting],
    found: Mapping[Kind, Sequence[Trueness]],
    about: str,
) -> str:
    """Write the page: the figures, and of one order the people in several faces and the faces of
    several people.

    `played`: the sightings of that order. The pictures are in the page itself: it is as private as
    they are.
    """
    head = "".join(f"<th>{escape(title)}</th>" for title in (_PLAYED, *_COLUMNS.values()))
    rows = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in _rows(found)
    )
    split = _cases(played, by_person=True)
    mixed = _cases(played, by_person=False)
    return page.html(
        "Regulars: how true the book is",
        f"<h1>How true the book is</h1>\n<p>{escape(about)}</p>\n"
        f"<table><tr>{head}</tr>{rows}</table>\n"
        f"<p>The cases below are of the first order with learning.</p>\n"
        f"<h2>People in several faces: {len(split)}</h2>\n{_render_cases(folder, split)}\n"
        f"<h2>Faces of several people: {len(mixed)}</h2>\n{_render_cases(folder, mixed)}",
    )


def _cases(sightings: Sequence[Sighting], *, by_person: bool) -> list[list[list[Sighting]]]:
    """Return the people with several faces, or the faces with several people: each its sightings in
    those parts."""
    cases: dict[object, dict[object, list[Sighting]]] = defaultdict(lambda: defaultdict(list))
    for one in sightings:
        if one.face is not None:
            whole, part = (one.person, one.face) if by_person else (one.face, one.person)
            cases[whole][part].append(one)
    wrong = [list(parts.values()) for parts in cases.values() if len(parts) > 1]
    return sorted(wrong, key=lambda parts: -sum(map(len, parts)))


def _render_cases(folder: LabelledFolder, cases: Sequence[Sequence[Sequence[Sighting]]]) -> str:
    return "\n".join(
        "<p>"
        + " <b>|</b> ".join("".join(_picture(folder, one) for one in part) for part in parts)
        + "</p>"
        for parts in cases[:WORST]
    )


def _picture(folder: LabelledFolder, sighting: Sighting) -> str:
    data = base64.b64encode(folder.files[sighting.picture].read_bytes()).decode()
    name = escape(folder.name(sighting.picture), quote=True)
    return f'<img src="data:image;base64,{data}" alt="{name}" title="{name}" width="90">'
