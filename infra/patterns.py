"""The regular expressions of a cold start, compiled: `python infra/patterns.py FOLDER...`; the first folder gets them.

`re` compiles a pattern in Python. Botocore, urllib3 and ours have a hundred, and each start compiles them:
docs/decisions/0018 says what that takes.
So the package has what `re` made of them, in a module that puts it where `re` keeps the patterns that it compiled.
A Python whose codes are others compiles as usual. The target's Python runs this file, as it does infra/compiled.py.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import sys
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_re: Any = re
"""With the parts that types do not tell of: where it keeps patterns, and what it makes them with."""

NAME = "compiled_patterns"
"""The module, which chalicelib/ahead.py imports."""

_HEAD = f"""\
import _sre
import re


def _keep(pattern, asked, flags, code, groups, names):
    by_number = [None] * (groups + 1)
    for name, number in names.items():
        by_number[number] = name
    code = memoryview(code).cast("I").tolist()
    re._cache[type(pattern), pattern, asked] = _sre.compile(pattern, flags, code, groups, names, tuple(by_number))


for one in [] if _sre.MAGIC != {_re._constants.MAGIC} or not hasattr(re, "_cache") else [
"""


_OF_PICTURES = (
    "chalicelib.api.multipart",
    "chalicelib.services.recognition.identify",
    "chalicelib.services.sightings.ingest",
    "chalicelib.vision.pictures.containers",
)
"""Modules of a first picture that import no numpy: that of another processor cannot be imported here."""


def import_all() -> None:
    """Import what most cold starts import, and make the clients."""
    clients = importlib.import_module("chalicelib.adapters.aws.clients")
    adapters = importlib.import_module("chalicelib.adapters.aws")
    for found in pkgutil.iter_modules(adapters.__path__, "chalicelib.adapters.aws."):
        importlib.import_module(found.name)
    for name in ("app", "chalicelib.search_function", *_OF_PICTURES):
        importlib.import_module(name)
    for service in clients.SERVICES:
        clients.aws_client(service).meta  # noqa: B018 -- the client is made when it is first read


def module() -> str:
    """Write a module that gives `re` the patterns that it has compiled in this process."""
    rows = []
    for (_, pattern, asked), made in _re._cache.items():
        code = array("I", _re._compiler._code(_re._parser.parse(pattern, asked), asked)).tobytes()
        rows.append(f"    {(pattern, asked, made.flags, code, made.groups, dict(made.groupindex))!r},\n")
    return "".join([_HEAD, *rows, "]:\n    _keep(*one)\n"])


def main(folders: Sequence[str]) -> None:
    sys.path[:0] = folders
    os.environ.update(AWS_DEFAULT_REGION="eu-central-1", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    import_all()
    (Path(folders[0]) / f"{NAME}.py").write_text(module(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
