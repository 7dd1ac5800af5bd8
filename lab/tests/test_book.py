"""How true a book is: the figures by hand and by their definition, and a folder of people played as
captures."""

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.book.vision.packs.packs import Pack
from chalicelib.domain.rules.decision import DEFAULT_FPIR
from regulars.cli import main
from regulars_lab.evaluate.book import Sighting, trueness
from regulars_lab.evaluate.book_run import evaluate_book
from regulars_lab.measuring import labelled


def sightings(*pairs: tuple[int, str | None]) -> list[Sighting]:
    return [Sighting(number, person, face) for number, (person, face) in enumerate(pairs)]


def test_a_true_book_has_ones() -> None:
    found = trueness(sightings((1, "a"), (1, "a"), (2, "b")))
    assert (found.precision, found.recall, found.f1) == (1.0, 1.0, 1.0)
    assert (found.persons, found.faces, found.split, found.mixed) == (2, 2, 0, 0)


def test_a_person_in_two_faces_costs_recall_and_a_face_of_two_people_precision() -> None:
    split = trueness(sightings((1, "a"), (1, "a"), (1, "b"), (2, "c")))
    assert (split.precision, split.split, split.mixed) == (1.0, 1, 0)
    assert split.recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1) / 4)
    mixed = trueness(sightings((1, "a"), (2, "a"), (2, "a"), (3, "b")))
    assert (mixed.recall, mixed.split, mixed.mixed) == (1.0, 0, 1)
    assert mixed.precision == pytest.approx((1 / 3 + 2 / 3 + 2 / 3 + 1) / 4)


def test_what_is_nobodys_counts_in_no_other_figure() -> None:
    found = trueness(sightings((1, "a"), (1, None), (2, None)))
    assert (found.sightings, found.left_out, found.persons, found.recall) == (1, 2, 1, 1.0)
    assert trueness(sightings((1, None))).precision == 0.0


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from("abcd")), min_size=1, max_size=30))
def test_b_cubed_is_what_its_definition_says(pairs: list[tuple[int, str]]) -> None:
    found = trueness(sightings(*pairs))
    both = [
        [
            Fraction(sum(a == b for a in pairs), sum(a[part] == b[part] for a in pairs))
            for b in pairs
        ]
        for part in (1, 0)
    ]
    precision, recall = (float(sum(shares, Fraction()) / len(pairs)) for shares in both)
    assert (found.precision, found.recall) == (pytest.approx(precision), pytest.approx(recall))


def test_a_folder_is_played_as_captures(
    people: Path, pack: Pack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    options = [
        "--orders",
        "2",
        "--out",
        str(tmp_path),
        "--json",
        str(figures),
        "--pack",
        pack.manifest.name,
    ]
    assert main(["evaluate", "--book", str(people), *options]) == 0
    played = json.loads(figures.read_text())["orders"]
    assert [one["learning"] for one in played] == ["off", "off", "on", "on"]
    first, second = played[2:]
    pictures = sum(file.suffix == ".jpg" for file in people.rglob("*"))
    assert (
        first["sightings"] + first["left_out"]
        == pictures
        == second["sightings"] + second["left_out"]
    )
    # of some all pictures are too poor to be remembered
    assert 2 <= first["persons"] <= len(list(people.iterdir()))
    assert min(first["precision"], second["precision"]) > 0.95
    printed = capsys.readouterr().out
    assert "split: people in several faces" in printed
    assert re.search(r"^spread, on, mean ", printed, re.MULTILINE)
    shown = (tmp_path / "book.html").read_text()
    assert not re.search(r"https?://|<script|<link", shown)
    assert shown.count("<img") >= first["split"] + first["mixed"]


def test_scenes_are_played_in_each_order_of_each_folder_and_whom_the_book_mixes_is_named(
    people: Path, pack: Pack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the second folder, one person's pictures are two people's."""
    for number, file in enumerate(sorted((people / "obama").glob("*.jpg"))):
        folder = tmp_path / "two" / f"obama {number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file.name).symlink_to(file)
    figures = tmp_path / "figures.json"
    folders = [labelled.read_folder(one) for one in (people, tmp_path / "two")]
    scenes = ("door", "backlog")
    evaluate_book(
        folders, pack, DEFAULT_FPIR, orders=1, out=tmp_path, json_file=figures, scenes=scenes
    )
    played = json.loads(figures.read_text())["orders"]
    assert [(one["scene"], one["learning"]) for one in played] == [
        (scene, learning) for scene in scenes for learning in ("off", "on") for _ in folders
    ]
    assert [one["mixed"] for one in played] == [0, 1] * 4
    printed = capsys.readouterr().out
    assert re.findall(
        r"^mixed in (\w+, \w+, \d): obama \d/\S+, obama \d/\S+$", printed, re.MULTILINE
    ) == [f"{scene}, {learning}, 2" for scene in scenes for learning in ("off", "on")]


@pytest.mark.parametrize("options", [[], ["--images", "a", "--book", "b"]])
def test_one_of_images_and_book_is_named(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *options]) == 2
    assert "name one of --images, --filmed and --book" in capsys.readouterr().err
