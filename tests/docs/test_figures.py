"""Figures of how well people are told apart are those of docs/accuracy.md, and pages are called as
the console does."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.support.box.session import DOCS, ROOT, read

ACCURACY = DOCS / "accuracy.md"
ADMIN = ROOT / "console" / "admin"


def cells(row: str) -> list[str]:
    """Return the other cells of the first row of accuracy.md that begins so."""
    [line, *_] = [line for line in read(ACCURACY).splitlines() if line.startswith(f"| {row}")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def shares() -> Iterator[tuple[str, list[int]]]:
    """Yield what each choice of Settings costs: of 1,000 strangers (at least 1), of 100 visits by
    one photo, and by three."""
    for choice in ("Strict", "Balanced", "Open"):
        [line] = [
            line
            for line in read(ACCURACY).splitlines()
            if re.match(rf"\| 0\.\d+, {choice} \|", line)
        ]
        strangers, one, three = map(float, line.strip("|").split("|")[1:])
        yield (
            choice.lower(),
            [max(1, round(1000 * strangers)), round(100 * one), round(100 * three)],
        )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_settings_says_what_accuracy_measured(language: str) -> None:
    words = json.loads(read(ADMIN / f"words.{language}.json"))
    for choice, figures in shares():
        said = [
            int(number.replace(",", ""))
            for number in re.findall(r"\d[\d,]*", words[f"set.sure.{choice}.says"])
        ]
        assert [number for number in said if number not in (100, 1000)] == figures, choice


def test_tasks_say_what_accuracy_measured() -> None:
    strangers, one, three = dict(shares())["balanced"]
    asked = read(DOCS / "tasks/asked.md")
    assert f"about {strangers} in 1,000 searches for unknown people" in asked
    said = read(DOCS / "tasks/enrol.md").replace("\n", " ")
    assert f"{one} of 100 regulars are missed at a visit; with three, {three} (" in said


def test_readme_says_what_accuracy_measured_and_the_less_favourable_rows_too() -> None:
    readme = read(ROOT / "README.md")
    one, three = (
        cells(f"{number}, as the service decides")[-1].split(", ")
        for number in ("one photo", "three photos")
    )
    for fpir, fnir in (one, three):
        assert f"{100 * float(fnir):.1f} %" in readme
        assert f"{100 * float(fpir):.2f} %" in readme
    *_, typical, dark = cells("Balanced | ")
    for light, fnir in (("typical light", typical), ("dark", dark)):
        assert f"door camera, {light} | one press photo | {100 * float(fnir):.0f} % |" in readme
    everybody, east_asian = cells("300 random people")[-1], cells("164 with East Asian")[-1]
    assert f"| {100 * float(everybody):.2f} %, measured with nearer faces |" in readme
    assert f"up to {100 * float(east_asian.strip('*')):.2f} %" in readme
    beside, splits = read(DOCS / "coming-from.md"), []
    for scene in ("`spread`: ten", "`backlog`", "`rush`"):
        precision, recall, split, _mixed = cells(scene)[-1].split(", ")
        assert re.search(rf"{split}\b.*{precision}, (recall )?{recall}", beside)
        splits.append(round(float(split)))
    assert f"{min(splits)} to {max(splits)} end as two" in readme


def test_readme_says_what_the_lab_measured_of_a_box() -> None:
    measured = read(DOCS / "lab/speed.md").partition("## Throughput")[2]
    [high, low] = re.findall(r"([\d.]+) and ([\d.]+) a second", measured)[0]
    said = read(ROOT / "README.md").replace("\n", " ")
    assert f"takes {int(float(low))} to {int(float(high))} pictures a second" in said


def test_pages_of_the_console_are_called_as_it_calls_them() -> None:
    words = json.loads(read(ROOT / "console/words/en.json"))
    called = {text for name, text in words.items() if re.fullmatch(r"page\.\w+", name)}
    reached = called - {words["page.add"], words["page.search"]}  # by a button of People
    for page in DOCS.glob("tasks/*.md"):
        assert (
            set(re.findall(r"\b(?:[Oo]n|[Ii]n|Open) \*\*([A-Z][\w ]*)\*\*", read(page))) <= reached
        ), page
    assert f"*{words['people.add']}*" in read(DOCS / "tasks/try.md")
