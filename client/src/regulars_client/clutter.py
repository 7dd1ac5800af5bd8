"""Clutter: what systems leave in a folder of pictures, and nobody put there.

Its thumbnails and bins hold faces, too: of people whose pictures somebody threw away. A test
compares the console's names with these.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

NAMES = frozenset(
    {
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "__macosx",
        "desktop.ini",
        "ehthumbs.db",
        "lost+found",
        "system volume information",
        "thumbnails",
        "thumbs",
        "thumbs.db",
    }
)
"""Names in lower case: of NAS (Synology, QNAP), Windows, macOS and Linux."""

WITH_DOT = "names that begin with a dot"


def name_clutter(name: str) -> str:
    """Return what a file or folder of this name is called in a report; "": somebody put it
    there."""
    if name.startswith("."):
        return WITH_DOT
    return name if name.casefold() in NAMES else ""


def walk(
    folder: Path, on_error: Callable[[OSError], object] | None = None
) -> Iterator[tuple[Path, list[str], list[str], list[str]]]:
    """Give each folder from `folder` on, with the names of its folders, of its files, and of its
    clutter, into which it does not go.

    Links to folders are not followed. A folder that is taken from the list is not walked.
    """
    for where, folders, files in os.walk(folder, onerror=on_error):
        clutter = [name for name in (*folders, *files) if name_clutter(name)]
        folders[:] = sorted(name for name in folders if not name_clutter(name))
        yield (
            Path(where),
            folders,
            sorted(name for name in files if not name_clutter(name)),
            clutter,
        )


def describe_clutter(folder: Path) -> str:
    """Say what is passed over in a folder, and how often it is there; "": nothing is."""
    found = Counter(name_clutter(name) for *_, clutter in walk(folder) for name in clutter)
    return _describe(found)


def _describe(found: Mapping[str, int]) -> str:
    listed = ", ".join(f"{name} ({count:,})" for name, count in sorted(found.items()))
    return f"passed over, since no person put it there: {listed}" if listed else ""
