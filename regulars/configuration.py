"""Settings of one box from options, environment and file, in this order, with their sources."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.api import dialects
from chalicelib.domain.setting import Setting
from chalicelib.settings import (
    AwsStorage,
    SettingError,
    Settings,
    describe_default,
    list_rows,
    name_variable,
    parse_named,
    read_variables,
)
from regulars.mail import MailSettings
from regulars.serve.settings import ServeSettings

FILE = Path("regulars.toml")
"""The file that is read if it is there and no other is named."""

_MOST_CHARACTERS = 32 * 1024
"""All settings take less than 8,000; a hostile file of 200,000 took 17 s to read."""

_MOST_BITS = 64
"""Bits of a whole number in the file: no setting needs more."""

FILE_VARIABLE = "REGULARS_CONFIG"
DATA = Path("regulars-data")

_CLASSES: tuple[type[Struct], ...] = (
    Settings,
    *dialects.SETTINGS.values(),
    ServeSettings,
    MailSettings,
)
TABLE = {setting.name: setting for one in _CLASSES for setting in list_rows(one)}
_OF_OTHERS = (
    FILE_VARIABLE,
    "REGULARS_API_KEY",
    "REGULARS_URL",
    "REGULARS_MQTT_PASSWORD",
    "REGULARS_EDGE_SPOOL",
    "REGULARS_DOMAIN",
    "REGULARS_UPSTREAM",
    "REGULARS_HTTP_PORT",
    "REGULARS_HTTPS_PORT",
)
"""Variables that clients, the uploader, compose.yaml and the Caddyfile read."""
VARIABLES = (*map(name_variable, (*TABLE.values(), *list_rows(AwsStorage))), *_OF_OTHERS)

_OF_KUBERNETES = re.compile(
    r"""REGULARS_(?:[A-Z0-9_]+_)?(?:
        SERVICE_HOST=[0-9A-Fa-f.:]+
        | SERVICE_PORT(?:_[A-Z0-9_]+)?=\d+
        | PORT(?:_\d+_(?:TCP|UDP|SCTP))?=(?:tcp|udp|sctp)://[0-9A-Fa-f.:[\]]+:\d+
        | PORT_\d+_(?:TCP|UDP|SCTP)_(?:PROTO=(?:tcp|udp|sctp)|PORT=\d+|ADDR=[0-9A-Fa-f.:]+)
    )""",
    re.VERBOSE | re.ASCII,
)
"""Variables that Kubernetes sets in each pod if a Service is called `regulars` or `regulars-…`
(pkg/kubelet/envvars). Two of them have the names of our settings, such as
REGULARS_PORT=tcp://10.0.0.7:8000, which is no port."""


class GivenValue(NamedTuple):
    """A setting's value, and its source: an option, a variable or a file."""

    value: Any
    source: str


class Configuration(Struct, frozen=True):
    """All that is set.

    `file`: the file that set some of it. `is_trial`: whether `serve` tries a backup.
    """

    given_values: Mapping[str, GivenValue]
    file: Path | None
    is_trial: bool = False

    def list_differences(self, another: Configuration) -> Iterator[str]:
        """Yield the source of each setting that has another value there.

        How the data folder and its key's file are written does not count: both mean the same one.
        """
        for key, (value, source) in self.given_values.items():
            other_value = (
                another.given_values[key].value
                if key in another.given_values
                else TABLE[key].default
            )
            if key not in ("data", "vault_key_file") and _format_value(
                TABLE[key], value
            ) != _format_value(TABLE[key], other_value):
                yield source if source.startswith("--") else f"{key} of {source}"

    def write_lines(self) -> Iterator[str]:
        """Yield all settings as a file has them: what is set with what set it, what is not as a
        comment."""
        for key, setting in TABLE.items():
            yield f"# {setting.says}"
            if (given := self.given_values.get(key)) is not None:
                yield f"{key} = {_format_value(setting, given.value)}  # {given.source}"
            elif setting.nothing or setting.default is None:
                yield f"#{key} =  # if not set: {describe_default(setting)}"
            else:
                yield f"#{key} = {_format_value(setting, setting.default)}"

    @property
    def settings(self) -> Settings:
        values = {key: value for key, (value, _) in self.given_values.items()}
        return replace(
            Settings.from_values({"data": DATA, **values}, dialects.SETTINGS),
            is_trial=self.is_trial,
        )

    @property
    def serving(self) -> ServeSettings:
        """Return what `serve` goes by. Raises SettingError if two settings do not fit together."""
        return ServeSettings(**self._list_values(ServeSettings))

    @property
    def mail(self) -> MailSettings:
        """Return by which server mail is sent.

        Raises SettingError if two settings do not fit together.
        """
        return MailSettings(**self._list_values(MailSettings))

    def _list_values(self, settings: type[Struct]) -> dict[str, Any]:
        return {
            name: self.given_values[name].value
            for name in settings.__struct_fields__
            if name in self.given_values
        }


def read_settings(
    options: Mapping[str, Any], environ: Mapping[str, str], file: Path | None = None
) -> Configuration:
    """Read the settings.

    An option goes before a variable of the environment, and this before the file.

    `options`: values by the settings' names; None: the option is not given. `file`: None: the one
    that the environment names, else FILE if it is there. Raises SettingError, which names the
    setting and what would be right.
    """
    variables = select_variables(environ)
    named_path = file or (Path(text) if (text := variables.get(FILE_VARIABLE)) else None)
    path = named_path or (FILE if FILE.is_file() else None)
    given_values = {} if path is None else _read_file(path)
    file = path if given_values else None
    texts = read_variables(tuple(TABLE.values()), variables)
    given_values |= {
        key: GivenValue(value, name_variable(TABLE[key])) for key, value in texts.items()
    }
    given_values |= {
        key: GivenValue(value, f"--{key.replace('_', '-')}")
        for key, value in options.items()
        if value is not None
    }
    return Configuration(given_values, file)


def parse_lines(text: str, path: Path) -> Configuration:
    """Read what `Configuration.write_lines` wrote into this file. Raises SettingError."""
    return Configuration(_parse_text(text, path), path)


def select_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that begin as ours. Raises SettingError if one is none of ours.

    Those that Kubernetes adds for a Service are left out.
    """
    own_prefixed = {name: text for name, text in environ.items() if name.startswith("REGULARS_")}
    variables = {
        name: text
        for name, text in own_prefixed.items()
        if not _OF_KUBERNETES.fullmatch(f"{name}={text}")
    }
    for name in variables:
        if name not in VARIABLES:
            raise SettingError(
                f"{name} in the environment: no such setting{_suggest_name(name, VARIABLES)}"
            )
    return variables


def _read_file(path: Path) -> dict[str, GivenValue]:
    try:
        return _parse_text(path.read_text("utf-8"), path)
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"{path} is not valid TOML: {error}") from error


def _parse_text(text: str, path: Path) -> dict[str, GivenValue]:
    """Read settings from a file's text. Raises SettingError."""
    try:
        if len(text) > _MOST_CHARACTERS:
            raise ValueError(
                f"it has {len(text)} characters, more than the {_MOST_CHARACTERS} allowed"
            )
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # no TOML, or a number of thousands of digits
        raise SettingError(f"{path} is not valid TOML: {error}") from error
    for key in raw:
        if key not in TABLE:
            raise SettingError(f"{path}: {key}: no such setting{_suggest_name(key, TABLE)}")
    return {
        key: GivenValue(_parse_value(TABLE[key], value, path), str(path))
        for key, value in raw.items()
    }


def _parse_value(setting: Setting, value: object, path: Path) -> Any:
    """Convert a value of the file to its setting's type.

    A path is taken as relative to the file's folder.

    Raises SettingError if it is of another type, or out of the setting's bounds.
    """
    setting_name = f"{path}: {setting.name}"
    # Python refuses to write a long one
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise SettingError(f"{setting_name} has too many digits")
    is_number = setting.kind in (int, float)
    if isinstance(value, bool) and setting.kind is bool:
        return value
    if (
        isinstance(value, list)
        and setting.kind is tuple
        and all(isinstance(part, str) for part in value)
    ):
        return parse_named(setting, ",".join(value), setting_name)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and is_number:
        return parse_named(setting, str(value), setting_name)
    if isinstance(value, str) and setting.kind in (str, Path):
        return parse_named(
            setting,
            str(path.parent / Path(value).expanduser()) if setting.kind is Path else value,
            setting_name,
        )
    raise SettingError(f"{setting_name} must be {_FORMS[setting.kind]}, not {repr(value)[:200]}")


_FORMS = {
    int: "a number",
    float: "a number",
    bool: "true or false",
    tuple: 'texts, as ["...", "..."]',
    str: 'a text, as "..."',
    Path: 'a text, as "..."',
}


def _format_value(setting: Setting, value: object) -> str:
    if isinstance(value, tuple):
        return json.dumps([str(part) for part in value])
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, Path):
        value = value.absolute()  # another reads it, from a place of its own
    return (
        str(value) if setting.kind in (int, float) else json.dumps(str(value), ensure_ascii=False)
    )


def _suggest_name(name: str, names: Iterable[str]) -> str:
    similar_names = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {similar_names[0]}?" if similar_names else ""
