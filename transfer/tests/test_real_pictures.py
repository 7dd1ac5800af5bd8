"""Real pictures with the real models: in from a folder, out into a file, and from that into another
folder."""

import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regulars.cli import main
from tests.support.pictures import photos as at_hand

PAIRS = at_hand.PAIRS[:4]


@pytest.fixture
def people(photos: Path, tmp_path: Path) -> Path:
    """Two pictures of each of a few people, and one of nobody."""
    folder = tmp_path / "people"
    for number, pair in enumerate(PAIRS):
        (folder / f"person {number}").mkdir(parents=True)
        for file in pair:
            shutil.copy(photos / file, folder / f"person {number}")
    shutil.copy(photos / at_hand.NOBODY, folder / "person 0")
    return folder


def lines(export: Path, name: str) -> list[dict[str, Any]]:
    with tarfile.open(export) as tar:
        content = tar.extractfile(name)
        assert content is not None
        return [json.loads(line) for line in content]


def picture(export: Path, name: str) -> np.ndarray:
    with tarfile.open(export) as tar:
        content = tar.extractfile(name)
        with Image.open(io.BytesIO(content.read())) as image:
            return np.asarray(image.convert("L").resize((64, 64)), np.float32)


def test_an_export_of_an_import_of_an_export_is_the_same(
    people: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first.tar", tmp_path / "second.tar"
    one, other = ("--data", str(tmp_path / "one")), ("--data", str(tmp_path / "other"))
    assert main(["import", str(people), "--group", "VIP", *one]) == 1
    said = capfd.readouterr().out
    assert f"{len(PAIRS)} people with" in said
    assert "no face" in said
    assert main(["export", str(first), *one]) == 0
    assert main(["import", str(first), *other]) == 0
    assert main(["export", str(second), *other]) == 0
    faces = lines(first, "faces.jsonl")
    assert sorted(face["name"] for face in faces) == [
        f"person {number}" for number in range(len(PAIRS))
    ]
    assert all(face["pictures"] for face in faces)
    assert lines(second, "faces.jsonl") == faces
    assert lines(second, "groups.jsonl") == lines(first, "groups.jsonl")
    for name in (name for face in faces for name in face["pictures"]):
        assert np.abs(picture(first, name) - picture(second, name)).mean() < 12, name
