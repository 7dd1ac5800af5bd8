"""Announcement of the face models that a service uses, for its operator."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from chalicelib.vision.packs import packs


def lines(models: Path | None, names: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield a line for each pack, one for each optional file that it lacks, and one for what a weak one costs.

    Each has its level in the log.
    Raises MissingModel, UnknownPack.
    """
    for name in sorted(names, key=packs.NAMES.index):
        pack = packs.find(models, name)
        places = dict.fromkeys(str(pack.candidates(file)[0].parent) for file in pack.files if pack.has(file))
        yield logging.INFO, f"face models: {name} {pack.manifest.version}, of {', '.join(places)}"
        for file in packs.lacking(pack):
            lacks = f"{file.name} is missing or damaged: {file.without}. To get it: {packs.pull_command(name)}"
            yield logging.WARNING, lacks
        if weak := packs.weakness(pack):
            yield logging.WARNING, weak
