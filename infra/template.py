"""The CloudFormation that is merged into what `chalice package` writes: storage.yaml, functions.yaml, and what follows
from both (operations.py, alarms.py, gateway_answers.py).
"""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from infra.alarms import alarms
from infra.gateway_answers import gateway_answers
from infra.operations import functions, joined, operations, with_customer_key

FOLDER = Path(__file__).resolve().parent
STORAGE = FOLDER / "storage.yaml"
FUNCTIONS = FOLDER / "functions.yaml"


def load(path: Path) -> dict[str, Any]:
    """Read a template that uses the long forms of CloudFormation's functions, so that it is plain YAML."""
    # libyaml reads it ten times as fast, and every wheel of PyYAML has it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    template: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506 -- a safe one
    return template


def whole() -> dict[str, Any]:
    """Join all parts into one template. Raises ValueError if two parts define one entry."""
    storage = load(STORAGE)
    overlay = load(FUNCTIONS)
    derived = (operations(overlay), alarms(storage, functions()), gateway_answers())
    return reduce(joined, (with_customer_key(storage), overlay, *derived))


def write_merged(path: Path) -> None:
    path.write_text(json.dumps(whole(), indent=2), encoding="utf-8")
