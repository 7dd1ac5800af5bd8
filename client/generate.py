"""The generator of the client's modules: models and operations from docs/api/v1.yaml, codes from
domain/errors.py.

`python -m regulars.openapi --write` writes them (`make client`). A test generates them again and
compares.
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

from chalicelib.domain import errors

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


def generate_modules() -> dict[Path, str]:
    """Return the text of each generated module, by its path."""
    document = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    writer = _Writer(document)
    texts = {
        "operations.py": writer.write_operations(),
        "models.py": writer.write_models(),
        "codes.py": write_codes(),
    }
    return {PACKAGE / name: _format_text(PACKAGE / name, text) for name, text in texts.items()}


def write_codes() -> str:
    """Write a class for each code."""
    parts = [
        _write_header("Errors that the service answers, by their code, as it knows them."),
        "from __future__ import annotations\n",
        "from collections.abc import Mapping\n",
        "from regulars_client.errors import ApiError\n",
    ]
    for error_class in errors.every_error():
        (base,) = error_class.__bases__
        about = inspect.cleandoc(error_class.__doc__ or "").replace("\n", "\n    ")
        if "\n    \n" in about:
            about += "\n    "
        body = f'\n    """{about}"""\n' if about else " ...\n"
        base_name = "ApiError" if base is errors.RegularsError else base.__name__
        parts.append(f"class {error_class.__name__}({base_name}):{body}")
    classes_here = (
        "for name, kind in [*vars().items()] if isinstance(kind, type) and "
        "issubclass(kind, ApiError)"
    )
    return "\n\n".join(
        [*parts, f"BY_CODE: Mapping[str, type[ApiError]] = {{name: kind {classes_here}}}\n"]
    )


def _name_argument(name: str) -> str:
    """Return a name of the wire as Python takes it: `in` is `in_`."""
    return f"{name}_" if keyword.iskeyword(name) else name


@dataclass(frozen=True)
class _Parameter:
    """One argument of a method. `name`: the name on the wire. `type`: the annotation."""

    name: str
    type: str
    required: bool

    @property
    def argument(self) -> str:
        return _name_argument(self.name)

    @property
    def value(self) -> str:
        """The expression that is sent for it."""
        if not self.is_picture:
            return self.argument
        sent = f"in_base64({self.argument})"
        return (
            sent
            if self.required
            else f"UNSET if isinstance({self.argument}, UnsetType) else {sent}"
        )

    @property
    def is_picture(self) -> bool:
        return self.type == PICTURE

    def __str__(self) -> str:
        return f"{self.argument}: {self.type}" + ("" if self.required else " | UnsetType = UNSET")


@dataclass(frozen=True)
class _Call:
    """One method. `about`: its docstring. `fixed`: what is always sent in the query."""

    method: str
    path: str
    name: str
    about: str
    query: list[_Parameter]
    body: list[_Parameter]
    fixed: Mapping[str, str] = field(default_factory=dict)

    def write_method(self, answer: str, page: tuple[str, str] | None) -> str:
        """Write the method of an operation.

        `answer`: the type that it returns. `page`: the member of the answer that has a page's
        items, and their type; None: it is no list in pages.
        """
        path = f'"{self.path}"'
        if PARAMETER.search(self.path):
            path = f'f"{PARAMETER.sub(lambda found: f"{{quote_part({found[1]})}}", self.path)}"'
        pairs = [f"{parameter.name!r}: {parameter.argument}" for parameter in self.query]
        pairs += [f"{name!r}: {value!r}" for name, value in self.fixed.items()]
        query = f"query={{{', '.join(pairs)}}}"
        arguments, returned_type = [path, *([query] if pairs else [])], answer
        if page is not None:
            items, item_type = page
            returned_type = f"Pages[{answer}, {item_type}]"
            call = f"self._pages({path}, {answer}, lambda page: page.{items}, {query})"
        elif answer == "bytes":
            call = f"self._bytes({', '.join(arguments)})"
        else:
            answer_type = answer.removesuffix(_OR_NONE)
            arguments.insert(1, "type(None)" if answer == "None" else answer_type)
            method = "_call" if answer_type == answer else "_call_or_none"
            arguments = [repr(self.method), *arguments, *self._list_written()]
            call = f"self.{method}({', '.join(arguments)})"
        statement = call if answer == "None" else f"return {call}"
        head = f"    def {self.name}({self._write_arguments()}) -> {returned_type}:\n"
        return f'{head}        """{self.about}"""\n        {statement}\n'

    def _write_arguments(self) -> str:
        """Write the method's parameters: those of the path, then by name the required ones, then
        the others."""
        in_path = [f"{name}: str" for name in PARAMETER.findall(self.path)]
        by_need = sorted([*self.query, *self.body], key=lambda parameter: not parameter.required)
        keyword_arguments = [str(parameter) for parameter in by_need]
        if self.method != "GET":
            keyword_arguments.append("idempotency_key: str | None = None")
        return ", ".join(
            ["self", *in_path, *(["*", *keyword_arguments] if keyword_arguments else [])]
        )

    def _list_written(self) -> list[str]:
        """List the arguments of a call that writes, beside its query."""
        if self.method == "GET":
            return []
        members = ", ".join(f"{parameter.name!r}: {parameter.value}" for parameter in self.body)
        body = f"body={{{members}}}"
        return [*([body] if self.body else []), "idempotency_key=idempotency_key"]


_OR_NONE = " | None"


class _Writer:
    """The writer of the modules that follow from the document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._models: list[str] = []
        """Names of the models that the operations, and the models before, use."""

    def write_operations(self) -> str:
        """Write a method for each operation."""
        parts = [
            _write_header("The operations of v1, a method each."),
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
                    parts += self._write_methods(method.upper(), path, item[method])
        return "\n".join(parts)

    def write_models(self) -> str:
        """Write the Structs of what is answered, and of what is sent inside a body, once the
        operations are written.

        Enumerations are texts and nothing is bounded, so that a newer service's answers can be
        read.
        """
        parts = [
            _write_header("What v1 answers."),
            "from __future__ import annotations\n",
            "from datetime import datetime\nfrom typing import Any\n",
            "from msgspec import UNSET, Struct, UnsetType\n",
        ]
        # writing one may add others to the list
        written = {name: self._write_model(name) for name in self._models}
        return "\n".join([*parts, *(written[name] for name in sorted(written))])

    def _write_model(self, name: str) -> str:
        schema = self._document["components"]["schemas"][name]
        about = schema.get("description", "").replace("\n", "\n    ")
        members = schema["properties"]
        types = {
            one: self._write_type(member).replace("models.", "") for one, member in members.items()
        }
        lines = [
            f"    {_name_argument(member)}: {type_text}"
            + ("" if member in schema.get("required", ()) else " | UnsetType = UNSET")
            for member, type_text in types.items()
        ]
        renamed = {_name_argument(member): member for member in filter(keyword.iskeyword, members)}
        options = f", rename={renamed}" if renamed else ""
        head = [
            f"class {name}(Struct, kw_only=True{options}):",
            *([f'    """{about}"""\n'] if about else []),
        ]
        return "\n".join([*head, *lines, "", ""])

    def _write_methods(self, method: str, path: str, operation: Schema) -> Iterator[str]:
        """Write the operation's method, and another one for what is answered as CSV."""
        parameters = [
            self._follow_references(parameter) for parameter in operation.get("parameters", [])
        ]
        # With a bare picture, the members of the body may stand in the query. The client always
        # sends a body.
        body = list(self._list_body(operation))
        in_body = {member.name for member in body}
        call = _Call(
            method,
            path,
            name=re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", operation["operationId"]).lower(),
            about=" ".join(operation.get("summary", "").split()),
            query=[
                _Parameter(
                    parameter["name"],
                    self._write_type(parameter["schema"], sent=True),
                    bool(parameter.get("required")),
                )
                for parameter in parameters
                if parameter["in"] == "query" and parameter["name"] not in in_body
            ],
            body=body,
        )
        answers = self._list_answers(operation)
        if len(answers) > 1 and any(parameter.name == FORMAT for parameter in call.query):
            call = replace(
                call, query=[parameter for parameter in call.query if parameter.name != FORMAT]
            )
            yield replace(call, name=f"{call.name}_csv", fixed={FORMAT: "csv"}).write_method(
                "bytes", None
            )
        yield call.write_method(
            answers[0], self._find_page(answers[0]) if method == "GET" else None
        )

    def _list_body(self, operation: Schema) -> Iterator[_Parameter]:
        """Yield the members of the operation's body, if it has one."""
        if "requestBody" not in operation:
            return
        schema = self._follow_references(operation["requestBody"]["content"][JSON]["schema"])
        required = schema.get("required", ())
        for name, member in schema["properties"].items():
            kind = self._write_type(member, sent=True)
            # Nobody sends null for a picture: it is left out.
            yield _Parameter(name, PICTURE if kind.startswith(PICTURE) else kind, name in required)

    def _list_answers(self, operation: Schema) -> list[str]:
        """Return the types of what is answered: a model, perhaps or None, None, or bytes for what
        is no JSON."""
        or_none = _OR_NONE if {"202", "204"} <= operation["responses"].keys() else ""
        status, response = min(operation["responses"].items())
        if "content" not in response:
            return ["bytes" if status.startswith("3") else "None"]
        contents = sorted(response["content"].items())
        return [
            self._write_type(content["schema"]) + or_none if media_type == JSON else "bytes"
            for media_type, content in contents
        ]

    def _find_page(self, answer: str) -> tuple[str, str] | None:
        """Name the member of a page that holds its items, and their type.

        None if the answer is no page.
        """
        schema = self._document["components"]["schemas"].get(answer.removeprefix("models."), {})
        if "next_token" not in schema.get("properties", {}):
            return None
        lists = [
            (name, member)
            for name, member in schema["properties"].items()
            if member.get("type") == "array"
        ]
        name, member = lists[0]
        return name, self._write_type(member["items"])

    def _write_type(self, schema: Schema, *, sent: bool = False) -> str:
        """Write the annotation of a value that is answered or, with `sent`, of what may be sent for
        it.

        `{"type": "array", "items": {"type": "string", "format": "date-time"}}`: `list[datetime]`,
        and for what is sent `list[datetime | str]`.
        """
        if "$ref" in schema:
            resolved = self._follow_references(schema)
            if "properties" in resolved:
                name = schema["$ref"].rpartition("/")[2]
                self._models += [] if name in self._models else [name]
                return f"models.{name}"
            return self._write_type(resolved, sent=sent)
        if "anyOf" in schema:
            return " | ".join(
                dict.fromkeys(self._write_type(option, sent=sent) for option in schema["anyOf"])
            )
        if "enum" in schema:
            return f"Literal[{', '.join(map(repr, schema['enum']))}]" if sent else "str"
        kind = schema.get("type")
        if kind == "array":
            return f"list[{self._write_type(schema.get('items', {}), sent=sent)}]"
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return f"dict[str, {self._write_type(schema['additionalProperties'], sent=sent)}]"
        if sent and kind == "string" and schema.get("contentEncoding") == "base64":
            return PICTURE
        if kind == "string" and schema.get("format") == "date-time":
            return "datetime | str" if sent else "datetime"
        return TYPES.get(kind or "", "Any")

    def _follow_references(self, schema: Schema) -> Schema:
        """Return the schema to which `$ref` leads."""
        while "$ref" in schema:
            target: Any = self._document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            schema = target
        return schema


def _write_header(about: str) -> str:
    return f'"""{about}\n\n`make client` writes this module.\n"""'


def _format_text(path: Path, text: str) -> str:
    """Format a module's text as `make format` does, sort its imports and leave out those that it
    does not use."""
    for command in (
        "check --fix --exit-zero --silent --select I,UP,F401,RUF036",
        "format --silent",
    ):
        result = subprocess.run(
            [sys.executable, "-m", "ruff", *command.split(), "--stdin-filename", str(path), "-"],
            input=text,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        text = result.stdout
    return text
