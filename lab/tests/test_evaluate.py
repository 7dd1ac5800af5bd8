import json
import re
import sqlite3
import stat
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from chalicelib.book.vision.packs.packs import Pack
from chalicelib.domain.pictures import BoundingBox, DetectedFace
from regulars.cli import main
from regulars_lab.measuring import labelled, looking
from regulars_lab.measuring.looking import choose_main_face


def face(x: float, y: float, side: float) -> DetectedFace:
    return DetectedFace(BoundingBox(x - side / 2, y - side / 2, side, side), (), 0.9)


def test_the_person_is_the_large_face_near_the_middle() -> None:
    central = face(125, 130, 100)
    assert choose_main_face([face(125, 125, 12), central, face(215, 60, 110)], 250, 250) is central
    larger = face(140, 125, 120)
    assert choose_main_face([face(125, 125, 60), larger], 250, 250) is larger


class Links(HTMLParser):
    """Collects what a page would load or lead to, and checks that its tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")
        ]


@pytest.fixture(scope="module")
def out(people: Path, pack: Pack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    (folder / "pairs.txt").write_text(
        "2\t1\nobama\t1\t2\nobama\t1\tbiden\t1\nbiden\t1\t2\nbiden\t2\tobama\t1\n"
    )
    (folder / "labels.csv").write_text(
        "person,gender\n"
        + "".join(
            f"{path.name},{'m' if path.name < 'london' else 'f'}\n" for path in people.iterdir()
        )
    )
    options = ["--pairs", str(folder / "pairs.txt"), "--groups", str(folder / "labels.csv")]
    options += ["--condition", "small"]
    json_and_out = ["--json", str(folder / "figures.json"), "--out", str(folder)]
    pack_and_images = ["--pack", pack.manifest.name, "--images", str(people)]
    assert main(["evaluate", *pack_and_images, *options, *json_and_out]) == 0
    return folder


def test_the_json_holds_fractions(out: Path, people: Path) -> None:
    found = json.loads((out / "figures.json").read_text())
    assert (found["verification_accuracy"], found["verification_folds"], found["pairs_from"]) == (
        1.0,
        2,
        "file",
    )
    # biden's two pairs with one of nobody
    assert found["fnmr"]["0.001"] * found["mated_pairs"] == pytest.approx(2)
    assert found["fnmr"]["0.0001"] is None
    assert set(found["fnir"]) == {"0.003", "0.01", "0.1"}
    assert found["failures"] == pytest.approx(1 / found["pictures"])
    assert [one["picture"] for one in found["failed_pictures"]] == ["biden/biden_0009.jpg"]
    assert set(found["stages_ms"]) == {"decode", "detect", "align", "embed", "quality"}
    assert {(group["column"], group["value"]) for group in found["groups"]} == {
        ("gender", "f"),
        ("gender", "m"),
    }
    assert found["persons"] == len(list(people.iterdir()))
    assert found["identification"]["1"]["as_the_service_decides"]["fpir"] == 0.0
    as_it_is, small = found["conditions"]
    assert (as_it_is["condition"], small["condition"]) == ("as it is", "small")
    assert as_it_is["refused_for_quality"] < small["refused_for_quality"]
    assert small["as_the_service_decides"]["fpir"] == 0.0


def test_results_lie_in_a_private_folder_that_is_no_data_folder(
    people: Path, pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--pack", pack.manifest.name]
    assert main(["evaluate", "--images", str(people), *options]) == 0
    assert [one.name for one in tmp_path.iterdir()] == ["evaluation"]
    assert stat.S_IMODE((tmp_path / "evaluation").stat().st_mode) == 0o700


def test_the_page_needs_nothing_but_itself(out: Path) -> None:
    html = (out / "index.html").read_text()
    links = Links()
    links.feed(html)
    assert all(address.startswith("#") for address in links.addresses)
    without_namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", html)
    assert not re.search(r"https?://|url\((?!#)|@import|<script|<link", without_namespaces)
    assert html.count("<svg") == 4
    assert "NaN" not in html
    assert "nan" not in re.sub(r"[a-z]*nan[a-z]+|[a-z]+nan", "", html)


def test_a_second_run_looks_at_nothing_and_finds_the_same(
    people: Path, pack: Pack, out: Path
) -> None:
    folder = labelled.read_folder(people)
    done: list[int] = []
    before = looking.see_all(pack, folder.files, out / "embeddings.sqlite", done.append)
    assert done == [len(folder.files)]
    with sqlite3.connect(out / "embeddings.sqlite") as connection:
        connection.execute("DELETE FROM seen WHERE rowid % 9 = 0")
    done.clear()
    after = looking.see_all(pack, folder.files, out / "embeddings.sqlite", done.append)
    assert done[0] < sum(done) == len(folder.files)
    for one, other in zip(before, after, strict=True):
        assert (one.failure, one.faces) == (other.failure, other.faces)
        assert (one.embedding is None) == (other.embedding is None)
        if one.embedding is not None and other.embedding is not None:
            assert np.array_equal(one.embedding, other.embedding)


@pytest.mark.parametrize("command", ["evaluate", "calibrate"])
def test_a_folder_that_is_none_is_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = ["--to", str(tmp_path)] if command == "calibrate" else []
    assert main([command, "--images", str(tmp_path / "nowhere"), "--out", str(tmp_path), *to]) == 1
    assert re.fullmatch(r"regulars: there is no folder .*\n", capsys.readouterr().err)


def test_too_few_persons_for_a_curve_are_one_line(
    people: Path, pack: Pack, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        "--pack",
        pack.manifest.name,
        "--images",
        str(people),
        "--out",
        str(out),
        "--to",
        str(tmp_path),
    ]
    assert main(["calibrate", *options]) == 1
    assert re.search(
        r"regulars: a face was found of \d+ persons; a curve needs 150", capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == []
