"""A world without a network, and one that is told what it holds."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from chalicelib.vision.packs.pack_files import Package
from regulars.packages import PackageUnavailable


class Pages:
    """Addresses and what they answer; remembers which were asked."""

    def __init__(self, pages: Mapping[str, bytes] | None = None) -> None:
        self.pages = dict(pages or {})
        self.asked: list[str] = []

    def __call__(self, url: str) -> IO[bytes]:
        self.asked.append(url)
        if url not in self.pages:
            raise OSError("no route to host")
        return io.BytesIO(self.pages[url])


def no_route(_url: str) -> IO[bytes]:
    raise OSError("no route to host")


def no_archive(package: Package, _folder: Path) -> Path:
    raise PackageUnavailable(f"`{package.client}` failed: no route to host")
