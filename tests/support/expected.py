"""Values of what exists, which `python -m tests.expect --write` writes and tests compare with."""

import json
from pathlib import Path
from typing import Any

COMMAND = "python -m tests.expect --write"
VALUES = Path(__file__).resolve().parents[1] / "expected"
"""Folder of the values, a file each."""


def read_expected(name: str) -> Any:
    """Return a value that tests compare with."""
    return json.loads((VALUES / f"{name}.json").read_text(encoding="utf-8"))
