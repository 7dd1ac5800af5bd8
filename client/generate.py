"""Write what the client has from the service: models and operations from docs/api/v1.yaml, codes from
book/words/errors.py.

    python client/generate.py             (make client)

A test generates them again and compares.
"""

from __future__ import annotations

import inspect
import keyword
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from chalicelib.book.words import errors

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "api" / "v1.yaml"
PACKAGE = ROOT / "client" / "src" / "regulars_client"

JSON, FORMAT = "application/json", "format"
PARAMETER = re.compile(r"\{(\w+)\}")
METHODS = ("get", "post", "put", "patch", "delete")
PICTURE = "Picture"
TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "object": "dict[str, Any]",
}

Schema = Mapping[str, Any]


def generated() -> dict[Path, str]:
    """Return the text of each generated module, by its path."""
    document = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    writer = _Writer(document)
    texts = {"operations.py": writer.operations(), "models.py": writer.models(), "codes.py": codes()}
    return {PACKAGE / name: _formatted(PACKAGE / name, text) for name, text in texts.items()}


def codes() -> str:
    """Write a class for each code."""
    parts = [
        _header("Errors that the service answers, by their code, as it knows them."),
        "from __future__ import annotations\n",
        "from collections.abc import Mapping\n",
        "from regulars_client.errors import ApiError\n",
    ]
    for kind in errors.every_error():
        (base,) = kind.__bases__
        about = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0] if kind.__doc__ else ""
        body = f'\n    """{about.replace(chr(10), chr(10) + "    ")}"""\n' if about else " ...\n"
        parts.append(f"class {kind.__name__}({'ApiError' if base is errors.RegularsError else base.__name__}):{body}")
    known = "for name, kind in [*vars().items()] if isinstance(kind, type) and issubclass(kind, ApiError)"
    return "\n\n".join([*parts, f"BY_CODE: Mapping[str, type[ApiError]] = {{name: kind {known}}}\n"])


@dataclass(frozen=True)
class _Parameter:
    """One argument of a method. `name`: on the wire."""

    name: str
    type: str
    required: bool

    @property
    def argument(self) -> str:
        return f"{self.name}_" if keyword.iskeyword(self.name) else self.name

    @property
    def value(self) -> str:
        """The expression that is sent for it."""
        if not self.is_picture:
            return self.argument
        sent = f"in_base64({self.argument})"
        return sent if self.required else f"UNSET if isinstance({self.argument}, UnsetType) else {sent}"

    @property
    def is_picture(self) -> bool:
        return self.type == PICTURE

    def __str__(self) -> str:
        return f"{self.argument}: {self.type}" + ("" if self.required else " | UnsetType = UNSET")


@dataclass(frozen=True)
class _Call:
    """One method. `fixed`: what is always sent in the query."""

    method: str
    path: str
    name: str
    about: str
    query: list[_Parameter]
    body: list[_Parameter]
    fixed: Mapping[str, str] = field(default_factory=dict)

    def text(self, answer: str, page: tuple[str, str] | None) -> str:
        """Write the method. `page`: the member of the answer that has a page's items, and their type."""
        place = f'"{self.path}"'
        if PARAMETER.search(self.path):
            place = f'f"{PARAMETER.sub(lambda found: f"{{quote_part({found[1]})}}", self.path)}"'
        pairs = [f"{one.name!r}: {one.argument}" for one in self.query]
        pairs += [f"{name!r}: {value!r}" for name, value in self.fixed.items()]
        query = f"query={{{', '.join(pairs)}}}"
        sent, returns = [place, *([query] if pairs else [])], answer
        if page is not None:
            returns = f"Pages[{answer}, {page[1]}]"
            does = f"self._pages({place}, {answer}, lambda page: page.{page[0]}, {query})"
        elif answer == "bytes":
            does = f"self._bytes({', '.join(sent)})"
        else:
            kind = answer.removesuffix(_OR_NONE)
            sent.insert(1, "type(None)" if answer == "None" else kind)
            call = "_call" if kind == answer else "_call_or_none"
            does = f"self.{call}({', '.join([repr(self.method), *sent, *self._written])})"
        verb = "" if answer == "None" else "return "
        return (
            f'    def {self.name}({self._arguments}) -> {returns}:\n        """{self.about}"""\n        {verb}{does}\n'
        )

    @property
    def _arguments(self) -> str:
        in_path = [f"{name}: str" for name in PARAMETER.findall(self.path)]
        named = [str(one) for one in sorted([*self.query, *self.body], key=lambda one: not one.required)]
        if self.method != "GET":
            named.append("idempotency_key: str | None = None")
        return ", ".join(["self", *in_path, *(["*", *named] if named else [])])

    @property
    def _written(self) -> list[str]:
        """The parts that a write sends beside its query."""
        if self.method == "GET":
            return []
        body = f"body={{{', '.join(f'{one.name!r}: {one.value}' for one in self.body)}}}"
        return [*([body] if self.body else []), "idempotency_key=idempotency_key"]


_OR_NONE = " | None"


class _Writer:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._models: list[str] = []
        """Names of the models that were written of."""

    def operations(self) -> str:
        """Write a method for each operation."""
        parts = [
            _header("The operations of v1, a method each."),
            "from __future__ import annotations\n",
            "from datetime import datetime\nfrom typing import Any, Literal\n",
            "from msgspec import UNSET, UnsetType\n",
            "from regulars_client import models\n",
            "from regulars_client.connection import Connection, Pages, quote_part\n",
            "from regulars_client.pictures import Picture, in_base64\n",
            'class Operations(Connection):\n    """The operations of the service."""\n',
        ]
        for path, item in self._document["paths"].items():
            for method in METHODS:
                if method in item:
                    parts += self._methods(method.upper(), path, item[method])
        return "\n".join(parts)

    def models(self) -> str:
        """Write the Structs of what is answered, and of what is sent inside a body, once the operations are written.

        Enumerations are texts and nothing is bounded, so that a newer service's answers can be read.
        """
        parts = [
            _header("What v1 answers."),
            "from __future__ import annotations\n",
            "from datetime import datetime\nfrom typing import Any\n",
            "from msgspec import UNSET, Struct, UnsetType\n",
        ]
        written = {name: self._model(name) for name in self._models}  # grows
        return "\n".join([*parts, *(written[name] for name in sorted(written))])

    def _model(self, name: str) -> str:
        schema = self._document["components"]["schemas"][name]
        about = schema.get("description", "").replace("\n", "\n    ")
        members = [
            f"    {member}: {self._type(of).replace('models.', '')}"
            + ("" if member in schema.get("required", ()) else " | UnsetType = UNSET")
            for member, of in schema["properties"].items()
        ]
        head = [f"class {name}(Struct, kw_only=True):", *([f'    """{about}"""\n'] if about else [])]
        return "\n".join([*head, *members, "", ""])

    def _methods(self, method: str, path: str, operation: Schema) -> Iterator[str]:
        """Write the operation's method, and another one for what is answered as CSV."""
        given = [self._resolved(one) for one in operation.get("parameters", [])]
        body = list(self._body(operation))  # what a bare picture has beside it in the query stands there, too
        call = _Call(
            method,
            path,
            name=re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", operation["operationId"]).lower(),
            about=" ".join(operation.get("summary", "").split()),
            query=[
                _Parameter(one["name"], self._type(one["schema"], sent=True), bool(one.get("required")))
                for one in given
                if one["in"] == "query" and one["name"] not in {part.name for part in body}
            ],
            body=body,
        )
        answers = self._answers(operation)
        if len(answers) > 1 and any(one.name == FORMAT for one in call.query):
            call = replace(call, query=[one for one in call.query if one.name != FORMAT])
            yield replace(call, name=f"{call.name}_csv", fixed={FORMAT: "csv"}).text("bytes", None)
        yield call.text(answers[0], self._page(answers[0]) if method == "GET" else None)

    def _body(self, operation: Schema) -> Iterator[_Parameter]:
        if "requestBody" not in operation:
            return
        schema = self._resolved(operation["requestBody"]["content"][JSON]["schema"])
        required = schema.get("required", ())
        for name, of in schema["properties"].items():
            kind = self._type(of, sent=True)
            # Nobody sends null for a picture: it is left out.
            yield _Parameter(name, PICTURE if kind.startswith(PICTURE) else kind, name in required)

    def _answers(self, operation: Schema) -> list[str]:
        """Return the types of what is answered: a model, perhaps or None, None, or bytes for what is no JSON."""
        both = _OR_NONE if {"202", "204"} <= operation["responses"].keys() else ""
        status, response = min(operation["responses"].items())
        if "content" not in response:
            return ["bytes" if status.startswith("3") else "None"]
        content = sorted(response["content"].items())
        return [self._type(of["schema"]) + both if kind == JSON else "bytes" for kind, of in content]

    def _page(self, answer: str) -> tuple[str, str] | None:
        """Name the member of a page that holds its items, and their type. None if the answer is no page."""
        schema = self._document["components"]["schemas"].get(answer.removeprefix("models."), {})
        if "next_token" not in schema.get("properties", {}):
            return None
        lists = [(name, of) for name, of in schema["properties"].items() if of.get("type") == "array"]
        name, of = lists[0]
        return name, self._type(of["items"])

    def _type(self, schema: Schema, *, sent: bool = False) -> str:
        """Write the annotation of a value. `sent`: what may be sent for it."""
        if "$ref" in schema:
            resolved = self._resolved(schema)
            if "properties" in resolved:
                name = schema["$ref"].rpartition("/")[2]
                self._models += [] if name in self._models else [name]
                return f"models.{name}"
            return self._type(resolved, sent=sent)
        if "anyOf" in schema:
            return " | ".join(dict.fromkeys(self._type(one, sent=sent) for one in schema["anyOf"]))
        if "enum" in schema:
            return f"Literal[{', '.join(map(repr, schema['enum']))}]" if sent else "str"
        kind = schema.get("type")
        if kind == "array":
            return f"list[{self._type(schema.get('items', {}), sent=sent)}]"
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return f"dict[str, {self._type(schema['additionalProperties'], sent=sent)}]"
        if sent and kind == "string" and schema.get("contentEncoding") == "base64":
            return PICTURE
        if kind == "string" and schema.get("format") == "date-time":
            return "datetime | str" if sent else "datetime"
        return TYPES.get(kind or "", "Any")

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            found: Any = self._document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        return schema


def _header(about: str) -> str:
    return f'"""{about}\n\n`make client` writes this module.\n"""'


def _formatted(path: Path, text: str) -> str:
    for command in ("check --fix --exit-zero --silent --select I,UP,F401,RUF036", "format --silent"):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command.split(), "--stdin-filename", str(path), "-"],
            input=text,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        text = done.stdout
    return text


def main() -> None:
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
