"""What a manifest says of files: those of a pack, and those of its upstream that they are converted from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CLIENTS = ("npm", "pip")


@dataclass(frozen=True)
class PackFile:
    """One file of a pack: as its maker published it, or converted from what its maker published."""

    name: str
    sha256: str
    size_bytes: int
    licence: str
    upstream: str
    url: str
    exact_upstream_bytes: bool
    """True: the bytes at `url` are this very file, so it can be downloaded; False: it was rebuilt from them."""
    optional: bool = False
    """Whether the pack is complete without it; roles that need it are then as if the pack had none."""
    convert: str = ""
    """Which converter makes it (regulars/models/convert), of `sources`, in their order; "": none does."""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A file of the upstream that others are converted from: at `url`, or the `member` of a `package`'s archive."""

    name: str
    sha256: str
    size_bytes: int
    url: str = ""
    package: str = ""
    member: str = ""


@dataclass(frozen=True)
class Package:
    """What a package registry gives by its ordinary client. `client`: npm or pip; `sha256`: of its archive."""

    name: str
    version: str
    client: str
    sha256: str


def file(entry: Mapping[str, Any]) -> PackFile:
    return PackFile(
        name=entry["name"],
        sha256=entry["sha256"],
        size_bytes=entry["bytes"],
        licence=entry["licence"],
        upstream=entry["upstream"],
        url=entry.get("url", ""),
        exact_upstream_bytes=entry.get("exact_upstream_bytes", False),
        convert=entry.get("convert", ""),
        sources=tuple(entry.get("sources", ())),
        optional=entry.get("optional", False),
    )


def source(entry: Mapping[str, Any]) -> Source:
    return Source(
        name=entry["name"],
        sha256=entry["sha256"],
        size_bytes=entry["bytes"],
        url=entry.get("url", ""),
        package=entry.get("package", ""),
        member=entry.get("member", ""),
    )


def package(entry: Mapping[str, Any]) -> Package:
    if entry["client"] not in CLIENTS:
        raise ValueError(f"a package comes by {' or '.join(CLIENTS)}, not by {entry['client']}")
    return Package(entry["name"], entry["version"], entry["client"], entry["sha256"])
