import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console
from test_figures import CURVE, NO_ROWS, small

from chalicelib.domain.rules.decision import OperatingPoint, Population
from regulars_lab.evaluate import figures, page, table
from regulars_lab.evaluate.figures import Figures
from regulars_lab.measuring.labelled import LabelledFolder
from regulars_lab.measuring.memory import PictureResult
from regulars_lab.measuring.open_set import Rule
from regulars_lab.measuring.pairs import Faces

PERSONS = ("Ann", "Bo", "Ann again", "[red]y[/]", *(f"p{n}" for n in range(4, 30)))


@pytest.fixture
def measured(faces: Faces) -> Figures:
    """Thirty persons, of whom the third is the first under another name; one picture shows no
    face."""
    few = small(faces, len(PERSONS))
    rows = few.embeddings.copy()
    rows[8:12] = rows[0:4]
    files = tuple(Path(f"{n}.jpg") for n in range(len(rows)))
    folder = LabelledFolder(Path("people"), PERSONS, files, tuple(few.person_of.tolist()))
    seen = [PictureResult("", 1, 80.0, {"embed": 1.0}, row) for row in rows]
    seen[13] = PictureResult("no face was found", 0, 0.0, {}, None)
    decides = Rule(OperatingPoint(CURVE), Population(NO_ROWS, 0.0))
    return figures.measure_figures(folder, seen, decides, None, {})


def test_one_person_under_two_names_is_named_and_nobody_else(measured: Figures) -> None:
    assert [pair[:2] for pair in measured.suspects.pairs] == [("Ann", "Ann again")]
    (told,) = json.loads(json.dumps(measured.json()))["likely_label_errors"]
    assert told == {"persons": ["Ann", "Ann again"], "score": pytest.approx(1, abs=1e-3)}
    assert "Ann and Ann again" in _in_words(measured)
    assert "Ann and Ann again" in page.html(measured, "about")


def test_without_the_extra_the_page_has_its_tables_and_says_how_charts_come(
    measured: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if it were not installed
    html = page.html(measured, "about")
    assert "<svg" not in html
    assert "Ann and Ann again" in html
    assert "pip install matplotlib" in html


def test_names_are_no_markup(measured: Figures) -> None:
    assert "[red]y[/]/13.jpg" in _in_words(measured)


def test_how_many_pictures_of_strangers_there_are_is_told(measured: Figures) -> None:
    pictures = measured.searches[1].stranger_pictures
    assert 30 < pictures <= 120
    assert measured.json()["identification"]["1"]["stranger_pictures"] == pictures
    assert f"of {pictures} pictures" in _in_words(measured)


def _in_words(measured: Figures) -> str:
    text = io.StringIO()
    Console(file=text, width=200).print(table.render_sections(table.sections(measured)))
    return text.getvalue()
