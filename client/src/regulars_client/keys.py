"""The API key: given, in a file that only its owner can read, or in the environment. No text and no log shows it."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Mapping
from pathlib import Path

import httpx

from regulars_client.errors import NotConfigured

VARIABLE = "REGULARS_API_KEY"
_LONGEST = 4096


class ApiKey(httpx.Auth):
    """A key that signs requests. Its text is not its value."""

    def __init__(self, key: str, place: str) -> None:
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise NotConfigured(f"what {place} holds is no key: it should be one word of printable ASCII")
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._key}"
        yield request

    def __repr__(self) -> str:
        return "ApiKey(...)"


def api_key(given: str | None, file: Path | None, environment: Mapping[str, str] = os.environ) -> ApiKey:
    """Choose the key: the one given, else the file's, else REGULARS_API_KEY. Raises NotConfigured."""
    if given is not None:
        return ApiKey(given.strip(), "api_key")
    if file is not None:
        return ApiKey(secret_in(file), str(file))
    found = environment.get(VARIABLE, "").strip()
    if not found:
        raise NotConfigured(f"no API key: set {VARIABLE}, or name a file that holds it")
    return ApiKey(found, VARIABLE)


def secret_in(file: Path) -> str:
    """Read a file that only its owner may read. Raises NotConfigured."""
    try:
        with file.open(encoding="utf-8") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            text = stream.read(_LONGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotConfigured(f"the key in {file} cannot be read: {error}") from error
    if os.name == "posix" and mode & 0o077:
        raise NotConfigured(f"others may read {file}, which holds a key: chmod 600 {file}")
    return text
