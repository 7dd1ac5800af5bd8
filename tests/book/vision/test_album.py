from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.support.pictures.album import Album
from tests.support.pictures.photos import FOLDER, PORTRAIT


def test_what_one_process_has_seen_no_other_looks_at_again(tmp_path: Path) -> None:
    looks: list[str] = []

    def vision(name: str) -> Any:
        return SimpleNamespace(
            read_picture=lambda *_: np.zeros((9, 9, 3), np.uint8),
            detect=lambda _: looks.append(name) or [],
            embed=lambda *_: np.ones((1, 4), np.float32),
            describe=lambda *_: [],
        )

    first, second = (
        Album(vision(name), FOLDER, tmp_path).seen(PORTRAIT) for name in ("first", "second")
    )
    assert looks == ["first"]
    assert np.array_equal(first.embeddings, second.embeddings)
    assert [path.suffix for path in tmp_path.rglob("*.*")] == [".pickle"]
