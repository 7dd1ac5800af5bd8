"""The figures as sections of rows of text, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from regulars_lab.evaluate.figures import FMRS, FPIRS, Figures
from regulars_lab.evaluate.passages import PassageFigures
from regulars_lab.measuring.kinds import Kind
from regulars_lab.measuring.open_set import Searches

Rows = list[tuple[str, str]]
TOO_FEW = "too few pictures to say"
_SHOWN = 10


def sections(figures: Figures) -> list[tuple[str, Rows]]:
    found = [
        ("Pictures", _pictures(figures)),
        ("Verification, 1:1", _verification(figures)),
        *(
            (
                f"Identification, 1:N, open set, {photos} photo{'s' * (photos > 1)} a person",
                _identification(searches),
            )
            for photos, searches in figures.searches.items()
        ),
        (
            "Milliseconds a picture, one core",
            [(stage, f"{ms:.1f}") for stage, ms in figures.stages_ms.items()],
        ),
    ]
    if figures.conditions:
        found.insert(0, _conditions(figures))
    found[:0] = [passages(name, one) for name, one in figures.passages.items()]
    if figures.suspects.pairs:
        found.insert(1, ("Likely label errors: different names, one face", _suspects(figures)))
    if figures.kinds:
        found.insert(-1, kinds(figures.kinds))
    found[-1:-1] = [kinds(one.kinds, one.name) for one in figures.conditions if one.kinds]
    if figures.groups:
        found.insert(-1, (f"By group, at the threshold of FMR {FMRS[0]:g}", _groups(figures)))
    return found


def render_sections(sections: Sequence[tuple[str, Rows]]) -> Table:
    rendered = Table(box=None, pad_edge=False, show_header=False)
    for title, rows in sections:
        rendered.add_row(Text(title, "bold cyan"), "")
        for name, value in rows:  # as Text, since a person may be called `[red]`
            rendered.add_row(Text(f"  {name}"), Text(value))
    return rendered


def rate(value: float | None) -> str:
    return TOO_FEW if value is None else f"{value:.4f}"


def _pictures(figures: Figures) -> Rows:
    rows = [
        ("pictures, persons", f"{figures.pictures}, {figures.persons}"),
        ("failures to detect", f"{figures.failures:.4f} ({len(figures.failed)})"),
    ]
    return rows + _some(figures.failed)


def _suspects(figures: Figures) -> Rows:
    return _some(
        [
            (f"{one} and {other}", f"score {score:.4f}")
            for one, other, score in figures.suspects.pairs
        ]
    )


def _some(rows: Sequence[tuple[str, str]]) -> Rows:
    more = (
        [(f"and {len(rows) - _SHOWN} more", "all are in the JSON file")]
        if len(rows) > _SHOWN
        else []
    )
    return [*rows[:_SHOWN], *more]


def _verification(figures: Figures) -> Rows:
    pairs = figures.pairs
    accuracy = TOO_FEW
    if figures.accuracy is not None:
        found = figures.accuracy
        source = "of the file" if figures.own_pairs else "drawn here"
        accuracy = (
            f"{found.mean:.4f} ± {found.standard_error:.4f} ({found.folds} folds, "
            f"{found.pairs} pairs {source})"
        )
    rows = [
        ("accuracy", accuracy),
        ("mated, non-mated pairs", f"{len(pairs.mated)}, {pairs.non_mated_pairs}"),
    ]
    for fmr in FMRS:
        threshold = pairs.find_threshold(fmr)
        at = "" if threshold is None else f"  (score {threshold:.4f})"
        rows.append((f"FNMR at FMR {fmr:g}", rate(pairs.measure_fnmr(fmr)) + at))
    return rows


def _identification(searches: Searches) -> Rows:
    strangers = f"{len(searches.non_mated)} of {searches.stranger_pictures} pictures"
    rows = [
        (
            "enrolled, mated searches, by strangers",
            f"{searches.gallery_size}, {len(searches.mated)}, {strangers}",
        ),
    ]
    for fpir in FPIRS:
        plain = searches.measure_fnir(fpir, plain=True)
        with_plain = "" if plain is None else f"  (by the plain score {plain:.4f})"
        rows.append((f"FNIR at FPIR {fpir:g}", rate(searches.measure_fnir(fpir)) + with_plain))
    rows.append(
        ("as the service decides", f"FPIR {rate(searches.fpir)}, FNIR {rate(searches.fnir)}")
    )
    return rows


def _conditions(figures: Figures) -> tuple[str, Rows]:
    """Return the section of searches by pictures in poorer conditions."""
    rows = [
        (
            condition.name,
            f"FNIR {rate(condition.searches.fnir)}, FPIR {rate(condition.searches.fpir)}; at FPIR "
            f"{FPIRS[0]:g} FNIR {rate(condition.searches.measure_fnir(FPIRS[0]))}; too poor to be "
            f"enrolled {condition.refused:.4f}",
        )
        for condition in figures.conditions
    ]
    return "By the condition of the picture that is searched for, as the service decides", rows


def passages(name: str, found: PassageFigures) -> tuple[str, Rows]:
    """Return the section of pairs that were both seen in passages before one camera."""
    rows = [
        (
            "people, passages",
            f"{found.people}, {found.passages}; without a face {found.without_face}, too poor to "
            f"be remembered {found.too_poor}",
        )
    ]
    for pairs in found.pairs:
        missed = rate(pairs.missed / pairs.own if pairs.own else None)
        rows.append(
            (
                pairs.way,
                f"strangers taken for each other {pairs.taken} of {pairs.strangers} pairs; missed "
                f"{missed} of {pairs.own}",
            )
        )
    promised = f"the threshold promises strangers {1e6 * found.promised:.0f} in a million"
    return f"Passages, {name}: frames by which founded / searched for; {promised}", rows


def kinds(found: Sequence[Kind], condition: str = "") -> tuple[str, Rows]:
    """Return the section of FPIRs in galleries of one kind of people, the highest first.

    `condition`: what both pictures are in.
    """
    rows = [
        (
            f"{one.column} {one.value}",
            f"{one.people} people, {one.gallery_size} enrolled: FPIR {one.fpir:.4f} ({one.low:.4f} "
            f"to {one.high:.4f})",
        )
        for one in found
    ]
    both = f", both {condition}" if condition else ""
    return f"Strangers of one kind{both}, as the service decides, 95 % interval", _some(rows)


def _groups(figures: Figures) -> Rows:
    return [
        (
            f"{group.column} {group.value}",
            f"{group.pictures} pictures, failures {group.failures:.4f}, FNMR {rate(group.fnmr)}, "
            f"FMR within {rate(group.fmr)}",
        )
        for group in figures.groups
    ]
