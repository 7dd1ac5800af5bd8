"""What `serve` says of its face models: which, what they lack, and what a weak pack costs."""

from __future__ import annotations

import logging
from pathlib import Path

from chalicelib.vision.packs.packs import Pack
from regulars.models import announcement


def test_the_pack_and_its_place_are_named(default_pack: Pack, tmp_path: Path) -> None:
    inside = tmp_path / default_pack.manifest.name
    inside.mkdir()
    for file in default_pack.files:
        (inside / file.name).write_bytes(default_pack.content(file.name))
    assert list(announcement.lines(tmp_path, [default_pack.manifest.name])) == [
        (logging.INFO, f"face models: face-pack-1 {default_pack.manifest.version}, of {inside}")
    ]


def test_the_weak_pack_is_announced_with_its_cost(registry: Pack) -> None:
    (_, named), (level, warning) = announcement.lines(None, [registry.manifest.name])
    assert named.startswith("face models: registry ")
    assert level == logging.WARNING
    assert warning.startswith("the face models registry miss 69% of the visits")
    assert "(FNIR 0.69 and 0.084 at FPIR 0.003)" in warning
