"""`regulars call`: the operations of v1 as commands, made of v1's document.

They are called in this process as the operator, on a folder or a stage, or over HTTP with a key.
"""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import click
from click.shell_completion import CompletionItem
from msgspec.structs import replace
from regulars_client.keys import choose_key

from chalicelib.domain.errors import WrongModel
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.storage.values import one_line, time_text
from regulars.clients import Connection
from regulars.errors import OperatorError
from regulars.options import (
    MOMENT,
    PATH,
    SERVICE_URL,
    choose_tenant,
    join_options,
    open_services_of,
    storage_options,
)
from regulars.tenants.command import align_rows, find_url

if TYPE_CHECKING:
    from chalicelib.api.http import HttpRequest
    from chalicelib.api.v1.endpoint import V1Operation

_Schema = Mapping[str, Any]
_NULL = object()
"""The value of an option that is sent as JSON's null."""
_JSON = "application/json"
_NAMES = {
    "base64": "file",
    "date-time": "time",
    "array": "json",
    "object": "json",
    "integer": "integer",
    "number": "number",
}
"""What values of a schema's encoding, format or type are called in help."""
_READ: Mapping[str, Callable[[str], Any]] = {"json": json.loads, "integer": int, "number": float}
_WIDEST = 100
"""Characters of a value in a list that its table shows; --json and --field show all."""


_Send = Callable[["HttpRequest"], str]
"""Sends a request and returns the text of its answer. Raises OperatorError if it is refused."""


@cache
def _read_document() -> tuple[Mapping[str, V1Operation], _Schema]:
    """Return the operations that take a key by the names of their commands, and v1's document."""
    from chalicelib.api.v1.document import make_document
    from chalicelib.api.v1.routes import OPERATIONS

    operations = {
        one.view.__name__.replace("_", "-"): one
        for one in sorted(OPERATIONS, key=lambda one: one.view.__name__)
        if one.role is not None and not one.path.startswith("/v1/session")
    }
    return operations, make_document(OPERATIONS)


def _describe(operation: V1Operation) -> Any:
    """Return what the document says of an operation."""
    return _read_document()[1]["paths"][operation.path][operation.method.lower()]


def _resolve(schema: _Schema) -> tuple[_Schema, bool]:
    """Return a schema without reference and null, and whether it has null."""
    has_null = False
    while "$ref" in schema or "anyOf" in schema:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            schema = _read_document()[1]["components"]["schemas"][name]
        else:
            plain = [one for one in schema["anyOf"] if one != {"type": "null"}]
            has_null = has_null or len(plain) < len(schema["anyOf"])
            schema = plain[0]
    return schema, has_null


class _Value(click.ParamType[Any]):
    """A value as its schema in the document says; `none` is null if that may be sent."""

    def __init__(self, schema: _Schema, *, has_null: bool = False) -> None:
        self._has_null = has_null
        self._choice = click.Choice(schema["enum"]) if "enum" in schema else None
        kind = schema.get("contentEncoding") or schema.get("format") or schema.get("type")
        self.name = "|".join(schema.get("enum", ())) or _NAMES.get(str(kind), "text")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if self._has_null and value == "none":
            return _NULL
        if self._choice is not None:
            return self._choice.convert(value, param, ctx)
        if self.name == "time":
            return time_text(MOMENT.convert(value, param, ctx))
        if self.name == "file":
            return b64encode(Path(value).read_bytes()).decode()
        try:
            return _READ.get(self.name, str)(value)
        except ValueError:
            self.fail(f"it is of type {self.name}, not {value[:40]!r}", param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return self._choice.shell_complete(ctx, param, incomplete) if self._choice else []


def _make_option(group: str, name: str, schema: _Schema, **more: Any) -> click.Option:
    """Make the option of a parameter, or of a member of the body, passed as `group_name`."""
    plain, has_null = _resolve(schema)
    said = (schema.get("description") or plain.get("description") or "").partition("\n\n")[0]
    word, key = name.replace("_", "-"), f"{group}_{name}"
    words = [f"--{word}", key]
    item = _resolve(plain.get("items", {}))[0]
    if plain.get("type") == "boolean":
        return click.Option([f"--{word}/--no-{word}", key], default=None, help=said, **more)
    if plain.get("type") == "array" and item.get("type", "string") not in ("object", "array"):
        said = f"{said} Repeat it for several.".strip()
        return click.Option(words, type=_Value(item), multiple=True, help=said, **more)
    return click.Option(words, type=_Value(plain, has_null=has_null), help=said, **more)


def _make_parameters(operation: V1Operation) -> Iterator[click.Parameter]:
    """Yield the arguments and options of an operation: of its path, its query and its body."""
    described = _describe(operation)
    for one in described.get("parameters", ()):
        if one.get("in") == "path":
            yield click.Argument([f"path_{one['name']}"], metavar=one["name"].upper())
        elif one.get("in") == "query" and not operation.takes_picture:
            schema: _Schema = {"description": one.get("description", ""), **one["schema"]}
            yield _make_option("query", one["name"], schema, required=one.get("required", False))
    if operation.body is not None:
        whole, _ = _resolve(described["requestBody"]["content"][_JSON]["schema"])
        for name, member in whole.get("properties", {}).items():
            yield _make_option("body", name, member)
        yield click.Option(
            ["--body", "file_body"],
            type=click.File(),
            metavar="FILE",
            help="JSON file with the body (-: standard input); options add to it.",
        )


_call_options = join_options(
    click.option("--tenant", metavar="NAME", help="Tenant to work in.  [default: the only one]"),
    storage_options,
    click.option(
        "--service", type=SERVICE_URL, metavar="URL", help="Call this service instead, with a key."
    ),
    click.option(
        "--key-file",
        type=PATH,
        metavar="FILE",
        help="With --service: file with the key, mode 600.  [default: $REGULARS_API_KEY]",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print each answer as JSON."),
    click.option("--field", metavar="NAME", help="Print only this member of the answer."),
)


class _Operations(click.Group):
    """The operations as commands, which are made when they are needed."""

    def list_commands(self, _: click.Context) -> list[str]:
        return [*_read_document()[0]]

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        operation = _read_document()[0].get(cmd_name)
        if operation is None:
            return None
        described = _describe(operation)
        said = [described["summary"], described.get("description", "")]

        @click.command(
            cmd_name,
            short_help=said[0],
            help="\n\n".join([*said, f"{operation.method} {operation.path}"]),
        )
        @_call_options
        def run(**given: Any) -> None:
            _run_operation(operation, **given)

        run.params[:0] = _make_parameters(operation)
        return run


@click.group("call", cls=_Operations, no_args_is_help=False, short_help="Call an operation of v1.")
def call() -> None:
    """Call an operation of v1, as the operator, on this machine's folder or on a stage; or over
    HTTP with a key of the tenant (--service).

    The operations and their options are those of docs/api/v1.yaml. A list is read to its end
    unless --limit is given. What the operation deletes is deleted without asking.

    \b
    Examples:
      regulars call list-holds --tenant shop-12
      regulars call change-hold 21 --held --reason "case 7" --tenant shop-12
      regulars call list-entries --face 21 --limit 100 --json
      regulars call get-notice --language de --field html > notice.html
      regulars call list-faces --service https://box.example --key-file key
    """


def _run_operation(
    operation: V1Operation,
    *,
    tenant: str | None,
    data: Path | None,
    stage: str | None,
    service: str | None,
    key_file: Path | None,
    as_json: bool,
    field: str | None,
    **given: Any,
) -> None:
    request = _make_request(operation, given)
    if service is None:
        if key_file is not None:
            raise click.UsageError("--key-file goes with --service")
        with open_services_of(data, stage) as services:
            send = _send_inside(services, choose_tenant(services, tenant), operation)
            _print_answers(send, request, as_json=as_json, field=field)
        return
    if tenant or data or stage:
        raise click.UsageError("--service takes a tenant's key, and no --tenant or storage")
    with Connection(service) as connection:
        send = _send_over(connection, service, key_file)
        _print_answers(send, request, as_json=as_json, field=field)


def _make_request(operation: V1Operation, given: Mapping[str, Any]) -> HttpRequest:
    """Make the request of the values that were given. Raises UsageError."""
    from chalicelib.api.http import ONE_BOX, HttpRequest  # with Chalice, which help need not load

    groups: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "body": {}, "file": {}}
    for key, value in given.items():
        group, _, name = key.partition("_")
        if value is not None and value != ():
            groups[group][name] = None if value is _NULL else value
    body = groups["body"]
    for file in groups["file"].values():
        try:
            body = {**json.loads(file.read()), **body}
        except (ValueError, TypeError) as error:
            raise click.UsageError(f"--body is a file with a JSON object: {error}") from error
    path = {name: quote(value, safe="") for name, value in groups["path"].items()}
    return HttpRequest(
        method=operation.method,
        path=operation.path.format(**path),
        headers={"content-type": _JSON},
        query={name: _write_values(value) for name, value in groups["query"].items()},
        encoded_body=b"" if operation.body is None else json.dumps(body).encode(),
        is_base64=False,
        parameters=groups["path"],
        stage=ONE_BOX,
    )


def _write_values(value: Any) -> list[str]:
    """Write a parameter of the query."""
    values = value if isinstance(value, tuple) else (value,)
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values]


def _send_inside(services: Services, tenant: Tenant, operation: V1Operation) -> _Send:
    """Return what calls the operation in this process, in a tenant's book."""
    from chalicelib.api.http import Failure
    from chalicelib.api.v1.auth import make_operator

    storage = services.settings.storage
    url = services.settings.public_url or (find_url(storage) if isinstance(storage, Path) else "")
    origin = {"host": urlsplit(url).netloc, "x-forwarded-proto": urlsplit(url).scheme}

    def send(request: HttpRequest) -> str:
        asked = replace(request, headers={**request.headers, **origin})
        try:
            try:
                answer = operation.run_as(make_operator(tenant), services, asked)
            except WrongModel:
                caller = make_operator(services.tenants.get_by_name(tenant.name))
                answer = operation.run_as(caller, services, replace(asked, is_second_try=True))
        except Failure as error:
            raise OperatorError(error.text) from error
        return str(answer.headers.get("Location") or answer.body)

    return send


def _send_over(connection: Connection, url: str, key_file: Path | None) -> _Send:
    """Return what calls the operations of a service."""
    key = choose_key(None, key_file, error=OperatorError).reveal()

    def send(request: HttpRequest) -> str:
        path = f"{urlsplit(url).path}{request.path}?{urlencode(request.query, doseq=True)}"
        headers = {**request.headers, "authorization": f"Bearer {key}"}
        body = request.read_body(len(request.encoded_body))
        reply = connection.request(request.method, path.rstrip("?"), body, headers)
        # 302 leads to a picture; after any other redirect nothing is done
        if reply.status >= 300 and (request.method, reply.status) != ("GET", 302):
            said = reply.json.get("detail") if isinstance(reply.json, dict) else None
            raise OperatorError(f"{url} answered HTTP {reply.status}: {said or reply.text[:200]}")
        return reply.headers.get("location") or reply.text

    return send


def _print_answers(send: _Send, request: HttpRequest, *, as_json: bool, field: str | None) -> None:
    """Print the answer, and of a list all pages unless the caller chose one."""
    is_one_page = bool({"limit", "token"} & request.query.keys())
    while True:
        text = send(request)
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            answer = text  # as CSV, or the URL of a picture
        lines = [*_list_lines(answer, as_json=as_json, field=field)]
        for line in lines:
            for part in line.split("\n"):  # a file gets every letter, a terminal obeys none
                print(one_line(part) if sys.stdout.isatty() else part)
        if not lines:
            click.echo("done: the answer is empty", err=True)
        token = answer.get("next_token") if isinstance(answer, dict) else None
        if not token or is_one_page:
            return
        request = replace(request, query={**request.query, "token": [token]})


def _list_lines(answer: Any, *, as_json: bool, field: str | None) -> Iterator[str]:
    """Yield the lines of an answer: JSON, one member of it, or a table."""
    if not isinstance(answer, dict):
        if answer:
            yield answer.rstrip("\n")
        return
    if field is not None:
        if field not in answer:
            raise OperatorError(f"the answer has {', '.join(answer)}, and no {field[:40]!r}")
        answer = answer[field]
        if answer is None:
            raise OperatorError(f"{field} is null: there is none, or not yet")
        as_json = not isinstance(answer, str)
    if as_json:
        yield json.dumps(answer, indent=2)
    elif isinstance(answer, str):
        yield answer.rstrip("\n")
    else:
        yield from _format_object(answer)


def _format_object(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each member, then a table for each list of objects."""
    tables = {name: value for name, value in answer.items() if _is_table(value)}
    members = [
        (name, _write_value(value))
        for name, value in answer.items()
        if name not in tables and name != "next_token"
    ]
    if members:
        yield from align_rows(members)
    for name, rows in tables.items():
        yield from ("", f"{name}:") if members and rows else ()
        yield from _format_rows(rows)


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _format_rows(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Format rows as a table, without columns that are empty in all."""
    names = dict.fromkeys(name for row in rows for name, value in row.items() if value is not None)
    head = [name.upper().replace("_", " ") for name in names]
    body = [[_cut(_write_value(row.get(name))) for name in names] for row in rows]
    return align_rows([head, *body]) if rows else []


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}..."


def _write_value(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return one_line(text)
