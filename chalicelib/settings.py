"""The operator's settings: read once, typed, and handed to the parts that need them.

Each field of a class of settings is a row of the table: its name, its meaning, its default and how its text is read.
The functions on AWS read the environment alone; regulars/configuration.py adds options and a file for one box.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from msgspec import NODEFAULT, Struct, field
from msgspec.structs import fields, replace

from chalicelib.book.rules.decision import DEFAULT_FPIR

NEAR_FACES = 5_000
"""Faces of a small gallery: it takes 4 MB of memory and no disk, and is loaded in some 60 ms."""

_WITHOUT_GALLERIES_MB = 256
"""Memory of a function that holds no gallery, and of the parts of one that is being loaded (lab: bench/tenants.py)."""


class SettingError(ValueError):
    """A missing or wrong setting; the message names it and says what would be right."""


class Setting(Struct, frozen=True):
    """A row of the table of settings."""

    key: str
    means: str
    default: Any
    """NODEFAULT: it has to be set."""
    read: Callable[[str], Any]
    """From a text. Raises ValueError, which says what would be right."""
    kind: type
    """In a file: str, float for any number, or list of texts."""
    shown: str
    """What the default is, if it is no value."""
    choices: tuple[str, ...] = ()

    def __call__(self) -> Any:
        return self.default

    @property
    def variable(self) -> str:
        return f"REGULARS_{self.key.upper()}"

    @property
    def initially(self) -> str:
        """Say what holds if nothing is set."""
        return self.shown or ("none" if self.default is None else str(self.default))

    def value(self, text: str, called: str) -> Any:
        """Read the text. Raises SettingError, by the name that it is `called` there."""
        try:
            return self.read(text)
        except ValueError as error:
            raise SettingError(f"{called} {error}, not {text[:200]!r}") from error


def setting(means: str, default: Any = NODEFAULT, **more: Any) -> Any:
    """Make a field that is a row of the table. `more`: as Setting has it; a text is read as it is.

    The key is the field's name if it has none of its own.
    """
    row = Setting(**{"key": "", "read": str, "kind": str, "shown": "", **more}, means=means, default=default)
    return field(default_factory=row)


def number(means: str, default: float | None, low: float, high: float, **more: Any) -> Any:
    """Make a field that is a number from `low` to `high`; a whole one unless one of these has a part."""
    whole = not any(isinstance(one, float) for one in (default, low, high))
    return setting(means, default, read=partial(_in_range, low=low, high=high, whole=whole), kind=float, **more)


def table(settings: type[Struct]) -> tuple[Setting, ...]:
    """List the rows of a class of settings."""
    rows = ((one.name, one.default_factory) for one in fields(settings))
    return tuple(replace(row, key=row.key or name) for name, row in rows if isinstance(row, Setting))


def from_texts(rows: tuple[Setting, ...], environ: Mapping[str, str]) -> dict[str, Any]:
    """Read the variables that are set, and not empty, by their keys. Raises SettingError."""
    return {row.key: row.value(text, row.variable) for row in rows if (text := environ.get(row.variable))}


def _in_range(text: str, *, low: float, high: float, whole: bool) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ValueError(f"is a number from {low:g} to {high:g}")
    return int(value) if whole else value


def _public_url(text: str) -> str:
    try:
        url = urlsplit(text)
        good = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        good = False
    if not good or url.query or url.fragment or url.username is not None:
        raise ValueError("is as https://box.example or http://10.0.0.2:8000")
    return text.rstrip("/")


def _witness(text: str) -> str:
    if not (
        re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9_.=+@-]+)*|https?://\S+", text) or Path(text).is_absolute()
    ):
        raise ValueError("is as /mnt/witness, s3://bucket/prefix or https://witness.example/heads")
    return text


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(one) for part in text.split(",") if (one := part.strip()))
    except ValueError as error:
        raise ValueError(f"is networks such as 192.168.7.0/24, with commas between them ({error})") from error


class AwsStorage(Struct, frozen=True):
    """Names of the deployed resources."""

    table_prefix: str = setting("beginning of the tables' names")
    bucket: str = setting("bucket of pictures and snapshots")
    index_queue_url: str = setting("queue of requests for snapshots")
    captures_bucket: str = setting("bucket that cameras put their pictures into")
    captures_queue_url: str = setting("queue of the pictures that cameras put there")
    deliveries_queue_url: str = setting("queue of the events to send to hooks")
    secrets_key: str = setting("KMS key that seals the secrets of tenants and hooks")
    search_function: str | None = setting(
        "name of the search function; without it, search runs in the calling function", None
    )
    near_faces: int = number(
        "faces up to which the calling function searches a gallery itself", NEAR_FACES, 0, 100_000, shown="5000"
    )
    search_wait_s: int | None = number(
        "how long its answer is waited for; the template gives ingest 10", None, 1, 900, shown="20"
    )


OfDialects = Mapping[str, type[Struct]]
"""The class of the settings that a dialect alone needs, by its name."""
NO_DIALECTS: Mapping[str, Any] = MappingProxyType({})

_Made = TypeVar("_Made", bound=Struct)


class Settings(Struct, frozen=True):
    """All settings but those of `serve` itself. Storage is a folder (embedded) or AWS."""

    storage: Path | AwsStorage = setting(
        "folder that keeps everything of one box", key="data", read=Path, shown="regulars-data"
    )
    models: Path | None = setting("folder of model packs of your own, and of curves", None, read=Path, shown="none")
    pack: str | None = setting("model pack of new tenants; existing tenants keep theirs", None, shown="face-pack-2")
    clock_tolerance_s: int = number("how far a signed request's time may be off, each way, in s", 300, 1, 86_400)
    fpir_target: float = number(
        "share of searches by strangers that may return somebody", DEFAULT_FPIR, 1e-9, 0.5, key="fpir"
    )
    capture_days: int = number(
        "days that captures' pictures are kept; on AWS the stack's parameter `CaptureDays`", 30, 1, 36_500
    )
    search_memory_mb: int = number(
        "MiB that the galleries held in memory for searches may take; the one in use stays even if it alone takes more",
        1024,
        0,
        1_048_576,
        shown="1024; in Lambda two thirds of the function's memory beyond 256",
    )
    search_disk_mb: int | None = number(
        "MiB of disk that their templates may take", None, 1, 1_048_576, shown="nine tenths of what is free"
    )
    memory_mb: int = number(
        "MiB of resident memory below which the process stays, whatever is sent",
        2048,
        512,
        1_048_576,
        shown="2048; in Lambda the function's memory",
    )
    requests_a_second: float = number(
        "requests of v1 that a key may send for long; twice as many may come at once", 100, 1, 1e6
    )
    searches_a_second: float = number("the same for requests that look for faces in a picture", 10, 1, 1e6)
    public_url: str | None = setting(
        "beginning of the service's URLs, as https://box.example; needed behind a proxy that speaks TLS",
        None,
        read=_public_url,
        shown="the host that a request came to",
    )
    hook_networks: tuple[IPv4Network | IPv6Network, ...] = setting(
        "networks that hooks may reach besides public addresses, as 192.168.7.0/24",
        (),
        read=networks,
        kind=list,
        shown="none",
    )

    witness: str | None = setting(
        "where heads of the audit go by themselves: a folder of another machine, `s3://bucket/prefix` or a URL",
        None,
        read=_witness,
        shown="nowhere",
    )

    of_dialects: Mapping[str, Struct] = field(default_factory=lambda: NO_DIALECTS)
    """Those that a dialect alone needs, by its name."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], dialects: OfDialects = NO_DIALECTS) -> Settings:
        """Read REGULARS_*. Raises SettingError, which names the missing or wrong setting."""
        values: dict[str, Any] = {}
        for kind in (cls, *dialects.values()):
            values |= from_texts(table(kind), environ)
        if "data" not in values:
            values["data"] = _aws_storage(environ)
        return cls.of(_with_a_functions_share(values, environ), dialects)

    @classmethod
    def of(cls, values: Mapping[str, Any], dialects: OfDialects = NO_DIALECTS) -> Settings:
        """Make settings of values by their keys. Raises SettingError if two do not fit together."""
        return replace(
            _make_settings(cls, values),
            of_dialects={name: _make_settings(kind, values) for name, kind in dialects.items()},
        )

    def of_dialect(self, name: str, kind: type[_Made]) -> _Made:
        """Return the settings of a dialect: what holds initially, if this process read none of its settings."""
        found = self.of_dialects.get(name)
        return found if isinstance(found, kind) else kind()


def _make_settings(kind: type[_Made], values: Mapping[str, Any]) -> _Made:
    """Make settings of those values that are theirs."""
    names = (one.name for one in fields(kind) if isinstance(one.default_factory, Setting))
    rows = zip(names, table(kind), strict=True)
    return kind(**{name: values[row.key] for name, row in rows if row.key in values})


def _aws_storage(environ: Mapping[str, str]) -> AwsStorage:
    values = from_texts(rows := table(AwsStorage), environ)
    for row in rows:
        if row.default is NODEFAULT and row.key not in values:
            raise SettingError(f"set REGULARS_DATA to a folder, or, on AWS, {row.variable}: it is missing")
    return AwsStorage(**values)


def _with_a_functions_share(values: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Take what a function has as the limit, and two thirds of what it leaves for galleries, unless they are set."""
    if size_mb := environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"):
        values.setdefault("memory_mb", int(size_mb))
        values.setdefault("search_memory_mb", max(0, (int(size_mb) - _WITHOUT_GALLERIES_MB) * 2 // 3))
    return values
