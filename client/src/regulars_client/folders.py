"""Deletion of a folder that a program made."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path


def delete_own(folder: Path, own: re.Pattern[str], last: str) -> str:
    """Delete of a folder what a program made and, if nothing else is in it, the folder. Return what
    is left, by name; "": nothing.

    `own`: names at its top that are the program's. `last`: the beginning of those of its database,
    which goes last, and of that its name: so a run that is cut off is ended by the next.
    """
    ours = [one for one in folder.iterdir() if own.fullmatch(one.name)]
    for one in sorted(ours, key=lambda one: (one.name.startswith(last), one.name == last)):
        shutil.rmtree(one) if one.is_dir() else one.unlink()
    with suppress(OSError):  # a volume's mount stays, empty
        folder.rmdir()
    return ", ".join(sorted(one.name for one in folder.iterdir())) if folder.exists() else ""
