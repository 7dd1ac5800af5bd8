"""Age, gender and expression by group, as people said of themselves: reported, and gated where enough of them are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pytest

from chalicelib.core.model import Estimates, Gender
from tests.vision.album import Album, Label

DECADES = (20, 30, 40, 50)


@dataclass
class Group:
    """What was estimated of some labelled pictures."""

    years: list[float]
    genders: list[bool]
    expressions: list[bool]

    def line(self, name: str) -> str:
        return (
            f"{name:22} {len(self.years):3} pictures: age off by {np.mean(np.abs(self.years)):4.1f} "
            f"(mean {np.mean(self.years):+5.1f}), gender {np.mean(self.genders):4.0%}, "
            f"neutral or happy {np.mean(self.expressions):4.0%}"
        )


@pytest.fixture(scope="module")
def groups(album: Album) -> dict[str, Group]:
    found: dict[str, Group] = defaultdict(lambda: Group([], [], []))
    for label in album.of("people"):
        if "age" in label.notes:
            estimates = album.seen(label.file).estimates[0]
            for name in names(label):
                add(found[name], label, estimates)
    return dict(found)


def names(label: Label) -> list[str]:
    age = int(label.notes["age"])
    low = max(decade for decade in DECADES if decade <= age)
    return ["all", *(label.notes[kind] for kind in ("gender", "ethnicity", "expression")), f"{low} to {low + 9} years"]


def add(group: Group, label: Label, estimates: Estimates) -> None:
    group.years.append((estimates.age or 0) - int(label.notes["age"]))
    group.genders.append(estimates.gender is Gender(label.notes["gender"]))
    group.expressions.append(estimates.emotion == {"neutral": "neutral", "smiling": "happy"}[label.notes["expression"]])


def test_the_figures(groups: dict[str, Group], figures: list[str]) -> None:
    figures += [group.line(name) for name, group in sorted(groups.items())]
    everybody = groups["all"]
    assert np.mean(np.abs(everybody.years)) < 5.2
    assert np.mean(everybody.genders) >= 0.95
    assert np.mean(groups["neutral"].expressions) >= 0.95
    assert np.mean(groups["smiling"].expressions) >= 0.75


def test_no_group_is_far_behind(groups: dict[str, Group]) -> None:
    """Of ten pictures and more."""
    for name, group in groups.items():
        if len(group.years) >= 10:
            assert np.mean(np.abs(group.years)) < 8, name
            assert np.mean(group.genders) >= 0.85, name
