"""The operator's settings: read once, typed, and handed to the parts that need them.

Each field of a class of settings is a row of the table: its name, its meaning, its default and how
its text is read. The functions on AWS read the environment alone; regulars/configuration.py adds
options and a file for one box.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from msgspec import NODEFAULT, Struct, field
from msgspec.structs import replace

from chalicelib.domain.rules.decision import DEFAULT_FPIR
from chalicelib.domain.rules.galleries import NEAR_FACES, share_memory
from chalicelib.domain.setting import Setting, setting, settings_of
from chalicelib.storage.ports import OtherKey


class SettingError(ValueError):
    """A missing or wrong setting; the message names it and says what would be right."""


def list_rows(settings: type[Struct]) -> tuple[Setting, ...]:
    """List the rows of a class of settings."""
    return tuple(settings_of(settings).values())


def name_variable(row: Setting) -> str:
    return f"REGULARS_{row.name.upper()}"


def describe_default(row: Setting) -> str:
    """Say what holds if nothing is set."""
    if row.kind is bool:
        return "true" if row.default else "false"
    return row.nothing or ("none" if row.default is None else str(row.default))


def parse_text(row: Setting, text: str) -> Any:
    """Read a setting's text. Raises ValueError, which says what would be right."""
    if row.read is not None:
        return row.read(text)
    if row.kind is bool:
        return _parse_switch(text)
    return _parse_number(row, text) if row.kind in (int, float) else text


def parse_named(row: Setting, text: str, called: str) -> Any:
    """Read a setting's text. Raises SettingError, by the name that it is `called` there."""
    try:
        return parse_text(row, text)
    except ValueError as error:
        raise SettingError(f"{called} {error}, not {text[:200]!r}") from error


def read_variables(rows: tuple[Setting, ...], environ: Mapping[str, str]) -> dict[str, Any]:
    """Read the variables that are set, and not empty, by their settings' names.

    Raises SettingError.
    """
    row_names = ((row, name_variable(row)) for row in rows)
    return {
        row.name: parse_named(row, text, name)
        for row, name in row_names
        if (text := environ.get(name))
    }


_SWITCHES = {
    **dict.fromkeys(("true", "on", "yes", "1"), True),
    **dict.fromkeys(("false", "off", "no", "0"), False),
}


def _parse_switch(text: str) -> bool:
    """Read what switches something on or off. Raises ValueError."""
    if (switch := _SWITCHES.get(text.strip().lower())) is None:
        raise ValueError("is true or false")
    return switch


def _parse_number(row: Setting, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not row.holds(value):
        raise ValueError(f"is a number from {row.least:g} to {row.most:g}")
    return int(value) if row.kind is int else value


def _parse_public_url(text: str) -> str:
    try:
        url = urlsplit(text)
        is_usable = (
            url.scheme in ("http", "https")
            and bool(url.hostname)
            and (url.port is None or url.port > 0)
        )
    except ValueError:
        is_usable = False
    if not is_usable or url.query or url.fragment or url.username is not None:
        raise ValueError("is as https://box.example or http://10.0.0.2:8000")
    return text.rstrip("/")


def _parse_witness(text: str) -> str:
    if not (
        re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9_.=+@-]+)*|https?://\S+", text)
        or Path(text).is_absolute()
    ):
        raise ValueError("is as /mnt/witness, s3://bucket/prefix or https://witness.example/heads")
    return text


def _parse_names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def parse_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(address) for part in text.split(",") if (address := part.strip()))
    except ValueError as error:
        raise ValueError(
            f"is networks such as 192.168.7.0/24, with commas between them ({error})"
        ) from error


class AwsStorage(Struct, frozen=True):
    """Names of the deployed resources."""

    table_prefix: str = setting(NODEFAULT, "beginning of the tables' names")
    bucket: str = setting(NODEFAULT, "bucket of pictures and snapshots")
    index_queue_url: str = setting(NODEFAULT, "queue of requests for snapshots")
    captures_bucket: str = setting(NODEFAULT, "bucket that cameras put their pictures into")
    captures_queue_url: str = setting(NODEFAULT, "queue of the pictures that cameras put there")
    deliveries_queue_url: str = setting(NODEFAULT, "queue of the events to send to hooks")
    secrets_key: str = setting(NODEFAULT, "KMS key that seals the secrets of tenants and hooks")
    search_function: str | None = setting(
        None, "name of the search function; without it, search runs in the calling function"
    )
    more_search_functions: tuple[str, ...] = setting(
        (),
        "names of further search functions, with commas between them: each tenant has one of all",
        read=_parse_names,
    )
    near_faces: int = setting(
        NEAR_FACES, "faces up to which the calling function searches a gallery itself", 0, 100_000
    )


DialectSettings = Mapping[str, type[Struct]]
"""The class of the settings that a dialect alone needs, by its name."""
NO_DIALECTS: Mapping[str, Any] = MappingProxyType({})

_Made = TypeVar("_Made", bound=Struct)


class Settings(Struct, frozen=True):
    """All settings but those of `serve` itself. Storage is a folder (embedded) or AWS."""

    storage: Path | AwsStorage = setting(
        NODEFAULT,
        "folder that keeps everything of one box",
        name="data",
        read=Path,
        nothing="regulars-data",
    )
    models: Path | None = setting(
        None, "folder of model packs of your own, and of curves", read=Path, nothing="none"
    )
    pack: str | None = setting(
        None, "model pack of new tenants; existing tenants keep theirs", nothing="face-pack-4"
    )
    clock_tolerance_s: int = setting(
        300,
        "how far the time of a signed request may be off, each way, and that of a picture ahead, "
        "in s",
        1,
        86_400,
    )
    fpir_target: float = setting(
        DEFAULT_FPIR,
        "share of searches by strangers that may return somebody",
        1e-9,
        0.5,
        name="fpir",
    )
    capture_days: int = setting(
        30,
        "days that captures' pictures are kept; on AWS the stack's parameter `CaptureDays`",
        1,
        36_500,
    )
    vault_key_file: Path | None = setting(
        None,
        "file of 32 random characters or more, the key that seals the secrets of one box from the "
        "first start of its folder on",
        read=Path,
        nothing="none, and they lie there in the clear",
    )
    search_memory_mb: int = setting(
        1024,
        "MiB that the galleries held in memory for searches may take; the one in use stays even if "
        "it alone takes more",
        0,
        1_048_576,
        nothing="1024; in Lambda two thirds of the function's memory beyond 256",
    )
    search_disk_mb: int | None = setting(
        None,
        "MiB of disk that their templates may take",
        1,
        1_048_576,
        nothing="nine tenths of what is free",
    )
    memory_mb: int = setting(
        2048,
        "MiB of resident memory below which the process stays, whatever is sent",
        512,
        1_048_576,
        nothing="2048; in Lambda the function's memory",
    )
    requests_a_second: float = setting(
        100, "requests of v1 that a key may send for long; twice as many may come at once", 1, 1e6
    )
    searches_a_second: float = setting(
        10, "the same for requests that look for faces in a picture", 1, 1e6
    )
    public_url: str | None = setting(
        None,
        "beginning of the service's URLs, as https://box.example; needed behind a proxy that "
        "speaks TLS",
        read=_parse_public_url,
        nothing="the host that a request came to",
    )
    hook_networks: tuple[IPv4Network | IPv6Network, ...] = setting(
        (),
        "networks that hooks may reach besides public addresses, as 192.168.7.0/24",
        read=parse_networks,
        nothing="none",
    )

    witness: str | None = setting(
        None,
        "where heads of the audit go by themselves: a folder of another machine, "
        "`s3://bucket/prefix` or a URL",
        read=_parse_witness,
        nothing="nowhere",
    )

    is_trial: bool = False
    """Whether a backup is tried beside the service: then nobody outside is told anything (`regulars
    serve --trial`)."""
    other_key: OtherKey = OtherKey.REFUSED
    of_dialects: Mapping[str, Struct] = field(default_factory=lambda: NO_DIALECTS)
    """Those that a dialect alone needs, by its name."""

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], dialects: DialectSettings = NO_DIALECTS
    ) -> Settings:
        """Read REGULARS_*. Raises SettingError, which names the missing or wrong setting.

        A function's memory is the limit, and two thirds of what it leaves are for galleries, unless
        they are set.
        """
        values: dict[str, Any] = {}
        for kind in (cls, *dialects.values()):
            values |= read_variables(list_rows(kind), environ)
        if "data" not in values:
            values["data"] = _read_aws_storage(environ)
        if size_mb := environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"):
            values.setdefault("memory_mb", int(size_mb))
            values.setdefault("search_memory_mb", share_memory(int(size_mb)))
        return cls.from_values(values, dialects)

    @classmethod
    def from_values(
        cls, values: Mapping[str, Any], dialects: DialectSettings = NO_DIALECTS
    ) -> Settings:
        """Make settings of values by the settings' names.

        Raises SettingError if two do not fit together.
        """
        return replace(
            _make_settings(cls, values),
            of_dialects={name: _make_settings(kind, values) for name, kind in dialects.items()},
        )

    def get_dialect_settings(self, name: str, kind: type[_Made]) -> _Made:
        """Return the settings of a dialect: what holds initially, if this process read none of its
        settings."""
        read_settings = self.of_dialects.get(name)
        return read_settings if isinstance(read_settings, kind) else kind()


def _make_settings(kind: type[_Made], values: Mapping[str, Any]) -> _Made:
    """Make settings of those values that are theirs, by the settings' names, of which some are not
    the fields'."""
    rows = settings_of(kind)
    return kind(
        **{field_name: values[row.name] for field_name, row in rows.items() if row.name in values}
    )


def _read_aws_storage(environ: Mapping[str, str]) -> AwsStorage:
    values = read_variables(rows := list_rows(AwsStorage), environ)
    for row in rows:
        if row.default is NODEFAULT and row.name not in values:
            raise SettingError(
                f"set REGULARS_DATA to a folder, or, on AWS, {name_variable(row)}: it is missing"
            )
    return AwsStorage(**values)
