"""Copies of parts of the checkout: what goes into a package, and nothing else that lies about."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from infra.dependencies import ROOT


def copy_parts(names: Iterable[str], target: Path, left_out: Callable[[Any, list[str]], set[str]]) -> None:
    """Copy files and folders of the checkout to the same places below `target`, without what `left_out` says."""
    for name in names:
        source, copy = ROOT / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=left_out)
        else:
            shutil.copyfile(source, copy)
