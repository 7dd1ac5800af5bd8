"""`python -m tests.console.types`: check the types of the console's modules.

TypeScript and the libraries' own types come from npm once, into build/types, by their SHA-256. What
v1 is sent and answers is written from its document.
"""

import json
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chalicelib.api.v1.document import make_document
from chalicelib.api.v1.routes import OPERATIONS
from regulars.libraries import Package, PackageUnavailable, fetch_archive, read_libraries

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "types"
PROJECT = Path(__file__).with_name("tsconfig.json")
VERSION = "7.0.2"
HINT = (
    "The console's modules have types that do not fit. Say them as JSDoc (`/** @param {string} "
    "name */`, "
    "`/** @type {Set<string>} */ (new Set())`); shared ones stand in tests/console/types.d.ts, "
    "v1's are its document's."
)
_OF_MACHINES = {
    "x86_64": ("linux-x64", "7ecad6f67377e831856367ab062ef394f21506a611405bf8ac0ff039348637d3"),
    "aarch64": ("linux-arm64", "c83d931ac9dd7549cde6e71246aa9d6a9812843023df3e277fe3b5dcf41dd0ea"),
}
_NAMES = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def complaints() -> str:
    """Return what TypeScript finds wrong, a line each; "" if nothing. Raises PackageUnavailable."""
    if platform.machine() not in _OF_MACHINES:
        raise PackageUnavailable(f"no TypeScript is pinned for {platform.machine()}")
    system, sha256 = _OF_MACHINES[platform.machine()]
    compiler = _fetched(
        Package(f"@typescript/typescript-{system}", VERSION, "npm", sha256), f"typescript-{VERSION}"
    )
    for name in ("preact", "htm"):
        _fetched(read_libraries()[name].package, name)
    (FOLDER / "v1.d.ts").write_text("\n".join(_module(make_document(OPERATIONS))), encoding="utf-8")
    command = [compiler / "lib" / "tsc", "--project", PROJECT, "--pretty", "false"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return f"{found}\n{HINT}" if found else ""


def _fetched(package: Package, name: str) -> Path:
    """Return the folder of a package's files, which are fetched if another version or none is
    there."""
    folder, stamp = FOLDER / name, FOLDER / f"{name}.sha256"
    if not (stamp.is_file() and stamp.read_text() == package.sha256):
        FOLDER.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=FOLDER) as made,
            tarfile.open(fetch_archive(package, Path(made))) as packed,
        ):
            packed.extractall(folder, filter="data")
        stamp.write_text(package.sha256)
    return folder / "package"


METHODS = ("get", "post", "patch", "put", "delete")
_ANY = "{ query: any; sent: any; answer: any }"


def _module(api: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a module of types: each schema, and by method and path what is sent and
    answered."""
    for name, schema in api["components"]["schemas"].items():
        yield f"export type {name} = {_type(schema)};"
    # A chain for each method: TypeScript compares one of all operations too deeply. Paths with most
    # parts come first, and among them those with most of it fixed: the first that fits is meant.
    paths = sorted(api["paths"], key=lambda path: (-path.count("/"), path.count("{")))
    for method in METHODS:
        yield f"type {method.title()}Calls<Path> = string extends Path ? {_ANY} :"
        for path in (path for path in paths if method in api["paths"][path]):
            fitting = re.sub(r"\{\w+\}", "${string}", path.removeprefix("/v1/"))
            yield f"  Path extends `{fitting}` ? {_operation(api, api['paths'][path][method])} :"
        yield f"  {_ANY};"
    chosen = " : ".join(
        f'Method extends "{method}" ? {method.title()}Calls<Path>' for method in METHODS
    )
    yield f"type Operation<Method, Path> = {chosen} : {_ANY};"
    for member in ("query", "sent", "answer"):
        yield f'export type {member.title()}<Method, Path> = Operation<Method, Path>["{member}"];'


def _operation(api: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
    answers = [
        answer for status, answer in operation["responses"].items() if status.startswith("2")
    ]
    query = [one for one in operation.get("parameters", ()) if one.get("in") == "query"]
    known = " ".join(
        f"{json.dumps(one['name'])}?: {_type(one.get('schema', {}))};" for one in query
    )
    answer = (_content(api, answers[0]) if answers else None) or "null"
    sent = _content(api, operation.get("requestBody", {})) or "undefined"
    return f"{{ query: {{ {known} }}; sent: {sent}; answer: {answer} }}"


def _content(api: Mapping[str, Any], part: Mapping[str, Any]) -> str | None:
    if "$ref" in part:
        _, _, kind, name = part["$ref"].split("/")
        part = api["components"][kind][name]
    found = part.get("content", {}).get("application/json")
    return _type(found["schema"]) if found else None


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return f"({' | '.join(map(_type, several))})"
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    kind = schema.get("type")
    if kind == "array":
        return f"Array<{_type(schema['items']) if schema.get('items') else 'any'}>"
    if kind == "object" and "properties" in schema:
        asked = schema.get("required", ())
        fields = (
            f"{json.dumps(name)}{'' if name in asked else '?'}: {_type(one)};"
            for name, one in schema["properties"].items()
        )
        return f"{{ {' '.join(fields)} }}"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"{{ [name: string]: {_type(values) if isinstance(values, dict) else 'any'} }}"
    return _NAMES.get(str(kind), "any")


if __name__ == "__main__":
    try:
        found = complaints()
    except PackageUnavailable as error:
        sys.exit(f"the console's types were not checked: {error}")
    sys.exit(found or 0)
