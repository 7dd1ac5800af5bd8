"""Passages before a camera: how they are read from a folder, and measured."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from chalicelib.book.vision.packs.packs import Pack
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.rules.decision import ImpostorCurve, OperatingPoint, Population
from chalicelib.domain.rules.templates import fuse_embeddings
from regulars.cli import main
from regulars.errors import NoPictures
from regulars_lab.camera import Frame
from regulars_lab.evaluate.passages import (
    Choice,
    Pairs,
    Passage,
    make_passage,
    measure_passages,
    read_passages,
)
from regulars_lab.measuring.looking import ANY_PICTURE, choose_main_face
from regulars_lab.measuring.memory import PictureResult
from regulars_lab.measuring.open_set import Rule
from tests.support.box.session import DOCS, read

THRESHOLD = 0.6
CURVE = ImpostorCurve(((0.1, 0.1), (THRESHOLD, 3e-6)), THRESHOLD, 3e-6, 30.0)
RULE = Rule(OperatingPoint(CURVE), Population(np.zeros((0, 8), np.float32), 0.0))


def unit(*numbers: float) -> NDArray[np.float32]:
    row = np.zeros(8, np.float32)
    row[: len(numbers)] = numbers
    return row / np.linalg.norm(row)


def passage(person: str, day: str, *frames: NDArray[np.float32], quality: float = 80) -> Passage:
    return make_passage(
        person, day, [PictureResult("", 1, quality - at, {}, row) for at, row in enumerate(frames)]
    )


def count(passages: list[Passage]) -> dict[str, tuple[int, int, int, int]]:
    found = measure_passages(passages, RULE).pairs
    return {one.way: (one.taken, one.strangers, one.missed, one.own) for one in found}


def test_two_strangers_in_one_blur_are_alike_by_their_means_alone() -> None:
    """Each frame has the blur, its person and a noise of its own; the noise is what means
    cancel."""
    rows = {
        person: [unit(1, *own, *noise) for noise in ((0.6, 0), (-0.6, 0), (0, 0.6))]
        for person, own in (("ann", (0.25, 0)), ("eva", (-0.25, 0)))
    }
    rows["eva"] = rows["eva"][1:] + rows["eva"][:1]
    found = count([passage(person, "1", *frames) for person, frames in rows.items()])
    assert found["1 / 1"][:2] == (0, 2)
    assert found["3 / 3"][:2] == (2, 2)


def test_means_find_one_person_whom_the_best_frame_misses() -> None:
    first, later = (
        passage("ann", day, *(unit(1, *noise) for noise in noises))
        for day, noises in (
            ("1", ((0.6, 0), (-0.6, 0), (0, 0.6))),
            ("2", ((-0.6, 0), (0.6, 0), (0, -0.6))),
        )
    )
    found = count([first, later])
    assert found["1 / 1"][2:] == (1, 1)
    assert found["3 / 3"][2:] == (0, 1)
    assert found["1 / 1, else 3"][2:] == (0, 1)


def test_a_passage_of_the_same_day_or_without_a_face_is_no_other_day_found() -> None:
    own = unit(1)
    found = count([passage("ann", "1", own), passage("ann", "1", own), passage("ann", "2")])
    assert found["1 / 1"] == (0, 0, 1, 1)


def test_nobody_is_founded_by_a_poor_frame() -> None:
    poor, good = passage("ann", "1", unit(1), quality=19), passage("ann", "2", unit(1), quality=20)
    measured = measure_passages([poor], RULE)
    assert (measured.pairs, measured.too_poor) == ((), 1)
    assert count([poor, good])["1 / 1"] == (0, 0, 0, 1)


def test_a_frame_of_somebody_else_or_of_little_quality_is_left_out() -> None:
    own, other = unit(1, 0.2), unit(0, 0, 1)
    seen = make_passage(
        "ann",
        "1",
        [
            PictureResult("", 1, 30, {}, unit(1)),
            PictureResult("", 1, 80, {}, own),
            PictureResult("no face was found", 0, 0, {}, None),
            PictureResult("", 1, 70, {}, other),
        ],
    )
    assert (seen.qualities == [80, 70, 30]).all()
    assert (Choice(1).fuse_frames(seen) == own).all()
    assert (Choice(2).fuse_frames(seen) == own).all()
    both = fuse_embeddings(np.stack([own, unit(1)]))
    assert Choice(3).fuse_frames(seen) == pytest.approx(both)
    assert (Choice(3, least_quality=35).fuse_frames(seen) == own).all()


@pytest.mark.parametrize("tree", ["nowhere", "ann/1.jpg", "ann/day1/1.jpg"])
def test_a_folder_without_passages_says_where_frames_lie(tree: str, tmp_path: Path) -> None:
    if tree != "nowhere":
        (tmp_path / tree).parent.mkdir(parents=True)
        (tmp_path / tree).write_bytes(b"a frame")
    with pytest.raises(NoPictures, match="person/day/passage"):
        read_passages(tmp_path / tree.partition("/")[0] if tree == "nowhere" else tmp_path)


def film(vision: FacePipeline, people: Path, names: list[str], door: Path) -> None:
    """Draw two days of each person's door from two photos, of two frames each."""
    for name in names:
        for day, photo in enumerate(sorted((people / name).glob("*.jpg"))[:2], start=1):
            image = vision.read_picture(photo.read_bytes(), ANY_PICTURE)
            face = choose_main_face(vision.detect(image), image.shape[1], image.shape[0])
            (folder := door / name / f"day{day}" / "0900").mkdir(parents=True)
            for number in range(2):
                drawn = Frame("near", number)(image, face)
                Image.fromarray(drawn).save(folder / f"{number}.jpg", quality=95)


def test_a_door_that_was_filmed_is_measured(
    vision: FacePipeline,
    people: Path,
    pack: Pack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the command of the page on filming."""
    monkeypatch.chdir(tmp_path)
    names = [path.name for path in sorted(people.glob("london_*"))][:3]
    film(vision, people, names, tmp_path / "door")
    (command,) = re.findall(
        r"^regulars (.* --filmed .*)", read(DOCS / "tasks/film.md"), re.MULTILINE
    )
    assert main([*command.split(), "--pack", pack.manifest.name]) == 0
    found = json.loads((tmp_path / "door.json").read_text())["passages"]["filmed"]
    assert (found["people"], found["passages"], found["without_face"]) == (3, 6, 0)
    by_way = {pairs["way"]: Pairs(**pairs) for pairs in found["pairs"]}
    assert by_way["1 / 1"].taken == by_way["3 / 3"].taken == 0
    assert by_way["1 / 1"].strangers == 2 * 2 * 3
    assert by_way["1 / 1"].own == 3
    assert re.search(r"Passages, filmed", capsys.readouterr().out)


def test_two_kinds_of_folders_are_one_too_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--filmed", str(tmp_path), "--images", str(tmp_path)]) == 2
    assert "name one of --images, --filmed and --book" in capsys.readouterr().err
