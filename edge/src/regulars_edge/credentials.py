"""The API key: from a file that only its owner can read, or from the environment. Never from the command line."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from regulars_edge.errors import Misconfigured

VARIABLE = "REGULARS_API_KEY"
_SYSTEMD = "CREDENTIALS_DIRECTORY"


def api_key(file: Path | None, environment: Mapping[str, str] = os.environ) -> str:
    """Read the key from `file`, or else from REGULARS_API_KEY. Raises Misconfigured."""
    if file is not None:
        return secret_in(file, environment)
    key = environment.get(VARIABLE, "").strip()
    if not key:
        raise Misconfigured(f"no API key: set {VARIABLE}, or name a file that holds it (api_key_file, --key-file)")
    return _checked(key, VARIABLE)


def secret_in(file: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Read a file of one line. Raises Misconfigured if others than its owner may read it."""
    try:
        with file.open(encoding="utf-8") as stream:
            found = os.fstat(stream.fileno())
            text = stream.read(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"the secret in {file} cannot be read: {error}") from error
    # systemd hands credentials out in a folder of its own, with an access list that looks like group permissions.
    given_by_systemd = Path(environment.get(_SYSTEMD) or "/nowhere") in file.parents
    if not given_by_systemd:
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise Misconfigured(f"others may read {file}, which holds a secret: chmod 600 {file}")
        if found.st_uid not in (os.geteuid(), 0):
            raise Misconfigured(f"{file}, which holds a secret, belongs to somebody else: chown it to this user")
    return _checked(text, str(file))


def _checked(key: str, place: str) -> str:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise Misconfigured(f"what {place} holds is no key: it should be one word of printable ASCII")
    return key
