import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.domain.rules.decision import ImpostorCurve
from regulars.cli import main
from regulars_lab.camera import FRAMES, Frame
from regulars_lab.measuring.looking import MEMORY, digest_vision
from regulars_lab.measuring.memory import Memory, PictureResult
from regulars_lab.measuring.pairs import Faces

PERSONS = 200


@pytest.fixture
def options(faces: Faces, pack: Pack, tmp_path: Path) -> list[str]:
    """Two pictures a person which were all seen already; the second person is the first under
    another name."""
    seen = []
    for person in range(PERSONS):
        folder = tmp_path / "people" / ("[b]p001" if person == 1 else f"p{person:03d}")
        folder.mkdir(parents=True)
        for number in range(2):
            content = f"{person} {number}".encode()
            (folder / f"{number}.jpg").write_bytes(content)
            row = faces.embeddings[4 * (person if person != 1 else 0) + number]
            row = np.pad(row, (0, pack.manifest.embedding.dimensions - len(row)))
            digest, result = (
                hashlib.sha256(content).hexdigest(),
                PictureResult("", 1, 80.0, {}, row),
            )
            frames = [f"{digest} {Frame('motion', frame)!r}" for frame in range(FRAMES)]
            seen += [(key, result) for key in (digest, *frames)]
    memory = Memory(tmp_path / "out" / MEMORY, digest_vision(pack))
    memory.keep(seen)
    memory.close()
    folders = {"images": tmp_path / "people", "out": tmp_path / "out"}
    named = [word for name, folder in folders.items() for word in (f"--{name}", str(folder))]
    return ["calibrate", "--pack", pack.manifest.name, *named]


def test_the_curve_is_written_beside_and_renamed(
    options: list[str], pack: Pack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is overwritten in place is torn for whoever reads it then, and after a kill for
    good."""
    file = tmp_path / "to" / packs.CALIBRATION
    file.parent.mkdir()
    file.write_text("the former curve")
    os.link(file, tmp_path / "former")
    assert main([*options, "--to", str(file.parent)]) == 0
    assert (tmp_path / "former").read_text() == "the former curve"
    entry = json.loads(file.read_text())[pack.manifest.embedding.model]
    assert ImpostorCurve.from_calibration(entry).points
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    umask = os.umask(0)
    os.umask(umask)
    # the service that reads it may be another user's
    assert file.stat().st_mode & 0o777 == 0o666 & ~umask
    told = " ".join(capsys.readouterr().out.split())
    assert "they look like one person: [b]p001 and p000," in told


def test_strangers_in_passages_are_counted_by_the_new_curve(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*options, "--to", str(tmp_path / "to"), "--passage", "motion"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Passages, motion: frames by which founded / searched for" in told
    # two passages of each of 200 founders are searched for among the others
    assert re.search(r"3 / 3 strangers taken for each other \d+ of 79600 pairs", told)


def test_among_the_models_the_curve_is_the_one_that_the_service_uses(
    options: list[str], tmp_path: Path
) -> None:
    (models := tmp_path / "models").mkdir()
    before = packs.read_pack(models).manifest.impostor_curve
    assert main([*options, "--models", str(models)]) == 0
    used = packs.read_pack(models)
    assert used.measured == models / packs.DEFAULT_PACK / packs.CALIBRATION
    assert used.manifest.impostor_curve != before


def test_without_a_folder_for_the_curve_nothing_is_measured(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options) == 2
    assert (
        "name a folder for the curve: --models, from which the service takes it, or --to"
        in capsys.readouterr().err
    )
