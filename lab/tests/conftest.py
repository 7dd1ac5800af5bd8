"""What the lab's tests share: made-up faces with a known spread, and the shared pictures as one
folder a person."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regulars_lab import studio
from regulars_lab.bench.vectors import Maker
from regulars_lab.measuring.pairs import Faces
from testing.folders import pytest_configure, tmp_path
from tests.book.vision.conftest import album, figures, pack, vision
from tests.conftest import pytest_terminal_summary
from tests.support.pictures.album import labels

__all__ = [
    "album",
    "figures",
    "pack",
    "pytest_configure",
    "pytest_terminal_summary",
    "tmp_path",
    "vision",
]

PERSONS, PICTURES = 600, 4


def pytest_sessionstart() -> None:
    if not studio.FOLDER.is_dir():
        pytest.exit(
            f"the lab's tests need the labelled pictures beside the checkout, in {studio.FOLDER}",
            returncode=1,
        )


@pytest.fixture(scope="session")
def photos() -> Path:
    """The labelled pictures beside the checkout."""
    return studio.FOLDER


@pytest.fixture(scope="session")
def faces() -> Faces:
    """600 persons with four pictures each, vectors with the spectrum of real templates."""
    maker = Maker("face-like", seed=7)
    first = maker.vectors(PERSONS)
    rows = np.stack([maker.mates(first) for _ in range(PICTURES)], axis=1).reshape(
        -1, first.shape[1]
    )
    return Faces(rows, np.ones(len(rows), bool), np.repeat(np.arange(PERSONS), PICTURES))


@pytest.fixture(scope="session")
def people(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared pictures of one person each, reduced, in LFW's layout; and one that shows
    nobody."""
    folder = tmp_path_factory.mktemp("people")
    counts: dict[str, int] = {}
    for label in labels(photos):
        if not label.file.startswith("people/") or len(label.identities) != 1:
            continue
        name = label.identities[0].removesuffix("_zoom")
        counts[name] = counts.get(name, 0) + 1
        (folder / name).mkdir(exist_ok=True)
        with Image.open(photos / label.file) as picture:
            picture.thumbnail((250, 250))
            picture.convert("RGB").save(
                folder / name / f"{name}_{counts[name]:04d}.jpg", quality=90
            )
    (folder / "biden" / "notes.txt").write_text("no picture")
    Image.new("RGB", (250, 250), "teal").save(folder / "biden" / "biden_0009.jpg")
    return folder
