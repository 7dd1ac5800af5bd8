"""Liveness on simulated attacks (tests/accuracy/spoof.py): what it catches, and what it is known to let pass."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.vision.describe.liveness import liveness
from chalicelib.vision.packs.packs import Pack
from chalicelib.vision.pipeline import FacePipeline
from tests.accuracy.spoof import ATTACKS, LIVE
from tests.vision.album import Album

LEAST = 0.5
STEP = 3
"""Every third picture of a person."""

Scores = dict[str, NDArray[np.float64]]


@pytest.fixture(scope="module")
def scores(album: Album, vision: FacePipeline, pack: Pack) -> Scores:
    if "liveness" not in pack.manifest.crops:
        pytest.skip(f"the pack {pack.manifest.name} has no model of liveness")
    pictures = [album.seen(label.file).image for label in album.of("people")[::STEP]]
    found = {}
    for name, change in {**LIVE, **ATTACKS}.items():
        changed = [change(picture) for picture in pictures]
        estimates = [vision.describe(picture, vision.detect(picture)[:1]) for picture in changed]
        found[name] = np.array([faces[0].liveness for faces in estimates if faces])
    return found


def test_the_figures(scores: Scores, figures: list[str]) -> None:
    """APCER and BPCER of ISO/IEC 30107-3 at 0.5."""
    for name in ATTACKS:
        apcer = float(np.mean(scores[name] >= LEAST))
        figures.append(f"liveness, {name}: APCER {apcer:.2f} of {len(scores[name])} simulated attacks")
    for name in LIVE:
        bpcer = float(np.mean(scores[name] < LEAST))
        figures.append(f"liveness, {name}: BPCER {bpcer:.2f} of {len(scores[name])} faces")
    assert all(len(found) >= 20 for found in scores.values())


@pytest.mark.parametrize("attack", [name for name in ATTACKS if "edges" in name])
def test_most_attacks_whose_edges_are_seen_are_caught(attack: str, scores: Scores) -> None:
    assert np.mean(scores[attack] >= LEAST) < 0.3


@pytest.mark.parametrize("name", LIVE)
def test_most_live_faces_pass(name: str, scores: Scores) -> None:
    assert np.mean(scores[name] < LEAST) < 0.3


@pytest.mark.parametrize("attack", [name for name in ATTACKS if "fills" in name])
def test_what_fills_the_picture_passes_as_the_documentation_says(attack: str, scores: Scores) -> None:
    """When this fails, liveness has become better: say so in docs/vision.md."""
    assert np.mean(scores[attack] >= LEAST) > 0.5


def test_it_is_the_probability_of_the_live_class() -> None:
    logits = np.array([[0.0, np.log(3), 0.0]], np.float32)
    assert liveness(logits, ("spoof", "live", "spoof")) == pytest.approx(0.6)
    assert liveness(logits, ("live", "spoof", "live")) == pytest.approx(0.4)
