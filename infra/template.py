"""The CloudFormation that is merged into what `chalice package` writes: storage.yaml and functions.yaml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent
STORAGE = FOLDER / "storage.yaml"
FUNCTIONS = FOLDER / "functions.yaml"


def load(path: Path) -> dict[str, Any]:
    """A template written with the long forms of CloudFormation's functions, so that it is plain YAML."""
    template: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return template


def joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two templates as one. Raises ValueError where both have a section's entry of one name."""
    whole = {section: dict(entries) if isinstance(entries, dict) else entries for section, entries in one.items()}
    for section, entries in other.items():
        known = whole.setdefault(section, {})
        if twice := known.keys() & entries.keys():
            raise ValueError(f"{section} of both templates hold {', '.join(sorted(twice))}")
        known.update(entries)
    return whole


def write_merged(path: Path) -> None:
    path.write_text(json.dumps(joined(load(STORAGE), load(FUNCTIONS)), indent=2), encoding="utf-8")
