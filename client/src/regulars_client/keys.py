"""Keys and other secrets, from a file that nobody else may read or the environment."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from regulars_client.errors import NotConfigured

VARIABLE = "REGULARS_API_KEY"
_SYSTEMD = "CREDENTIALS_DIRECTORY"
_MOST_BYTES = 4096
"""Bytes of a file that are read: whatever is longer is no key."""


class ApiKey:
    """A key that goes with requests. Its text is not its value."""

    def __init__(self, key: str, key_source: str, error: type[Exception] = NotConfigured) -> None:
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise error(
                f"what {key_source} holds is no API key: it should be one word of printable ASCII"
            )
        self._key = key

    def reveal(self) -> str:
        return self._key

    def __repr__(self) -> str:
        return "ApiKey(...)"


def choose_key(
    given_key: str | None,
    file: Path | None,
    environment: Mapping[str, str] = os.environ,
    error: type[Exception] = NotConfigured,
) -> ApiKey:
    """Choose the key: the one given, else the file's, else REGULARS_API_KEY.

    Raises `error`.
    """
    if given_key is not None:
        return ApiKey(given_key.strip(), "api_key", error)
    if file is not None:
        return ApiKey(read_secret(file, environment, error), str(file), error)
    environment_key = environment.get(VARIABLE, "").strip()
    if not environment_key:
        raise error(
            f"no API key: set {VARIABLE}, or name a file that holds it (api_key_file, --key-file)"
        )
    return ApiKey(environment_key, VARIABLE, error)


def read_secret(
    file: Path,
    environment: Mapping[str, str] = os.environ,
    error: type[Exception] = NotConfigured,
) -> str:
    """Read a file of one line: a key, or a password of any characters.

    Raises `error` if others may read it.
    """
    try:
        with file.open(encoding="utf-8") as stream:
            status = os.fstat(stream.fileno())
            text = stream.read(_MOST_BYTES).strip()
    except (OSError, UnicodeDecodeError) as why:
        raise error(f"the secret in {file} cannot be read: {why}") from why
    # systemd hands credentials out in a folder of its own, with an access list that looks like
    # group permissions.
    is_posix = os.name == "posix"  # else files have no modes
    if is_posix and Path(environment.get(_SYSTEMD) or "/nowhere") not in file.parents:
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise error(f"others may read {file}, which holds a secret: chmod 600 {file}")
        if status.st_uid not in (os.geteuid(), 0):
            raise error(
                f"{file}, which holds a secret, belongs to somebody else: chown it to this user"
            )
    if not text or not text.isprintable():
        raise error(f"{file} should hold a secret: one line of characters that can be printed")
    return text
