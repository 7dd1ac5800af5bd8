"""The OpenAPI document of v1, made of the operations, their types and their docstrings; and its
route."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, get_args

import msgspec

from chalicelib.api.http import JSON, MULTIPART, STATUSES, find_nearest
from chalicelib.api.v1 import errors
from chalicelib.api.v1.endpoint import (
    IDEMPOTENCY_KEY,
    Operations,
    Redirect,
    TextAnswer,
    V1Operation,
)
from chalicelib.api.v1.wire import Changes, Instant, Sent, WithPicture
from chalicelib.domain.errors import every_error

operations = Operations()

_REFERENCE = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"{(\w+)}")

_FIRST_S, _LAST_MS = -62_135_596_800, 253_402_300_799_999
"""The years 1 and 9999, as numbers that are read as times."""

_ETAG = {"description": "Changes with the answer.", "schema": {"type": "string"}}
_FAILURE = {
    "description": "It failed: `code` says why, and the description of this document lists the "
    "codes by status.",
    "content": {
        errors.PROBLEM: {"schema": {"$ref": _REFERENCE.format(name=errors.Problem.__name__)}}
    },
}
_LIMITS = {
    "RateLimit": "How many requests the key may still send, and for how long.",
    "RateLimit-Policy": "How many requests the key may send, and in which time.",
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of the answer that you have: if it would be the same, it is 304 and "
    "not sent.",
    "schema": {"type": "string"},
}
_IDEMPOTENCY = "IdempotencyKey"
_BESIDE_PICTURE = "Only if the body is the picture itself; else it stands in the body."
_KEY_OF_REQUEST = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "description": "A name for this request, new for each, so that it can be sent again and is "
    "done once: for 24 hours "
    "a repeat is answered, and nothing is changed. An answer with a secret is not kept: 409 "
    "SecretNotKept with the id.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,64}$"},
}

DESCRIPTION = """\
JSON both ways, in UTF-8. Send `Authorization: Bearer <api_key>`: a tenant's key (`rk_...`, it
stands in `credentials.json`) or a camera's (`ck_...`, in the answer that made the camera). A
camera's key may upload that camera's captures, list them, look at the camera and send its
heartbeat: operations with `x-camera-key: true`. `x-role` says from which role on a tenant's key may
call an operation: viewer, operator, admin. The key in the tenant's credentials is an admin's.

Times are written in RFC 3339, UTC, with milliseconds; they are read with any offset, and as
numbers: UNIX seconds, or from 100000000000 on milliseconds. A field or parameter that is not named
here is refused. A list has `next_token` if there is more: send it as `token`, with the same query.

A key may send 100 requests a second, 200 at once; of those that look for faces in a picture 10 and
20. Answers say what is left (`RateLimit`, `RateLimit-Policy`), and 429 TooManyRequests when to come
again. On AWS each instance of the function counts for itself, so there the limits are approximate.

Bodies have up to 4 MiB. One with a picture may be JSON with the picture in base64,
multipart/form-data, or the picture as it is with everything else in the query. On one box it may
have 27 MiB, for pictures of 20 MiB; on AWS, whose gateway lets no more than 4 MiB pass, larger
pictures are captures.

Every answer has `X-Regulars-Time`, the server's clock in UNIX milliseconds, and `X-Request-Id`, by
which the log knows the request; what an operation answers, `Server-Timing`, too. `X-Regulars-Book`
says whose book answered, and in which life, as `1f0c5e7a9b2d4c68.5d41402abc4b`: a life is new after
each restore. A request may send it, with the life or without: if the key or session opens another
book, the answer is 412 OtherBook, and nothing was done. An error is a Problem (RFC 9457); whatever
fails changes nothing and may be sent again. 429 and 503: try again after `Retry-After` seconds.
HEAD is answered wherever GET is.

A change of what has an ETag may come with `If-Match`: 412 PreconditionFailed if it was changed
since. `revision` does the same for faces, groups and cameras, and holds to the moment of the
change. A repeat that was answered from what was stored has `Idempotent-Replayed: true`.
"""


def make_document(operations: Iterable[V1Operation]) -> dict[str, Any]:
    """Make the document, with the operations by path in their order."""
    operations = tuple(operations)
    schemas = _Schemas([kind for operation in operations for kind in _list_kinds(operation)])
    paths: dict[str, Any] = {}
    for operation in operations:
        described = _describe_operation(operation, schemas)
        described["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Regulars v1",
            "version": "1",
            "summary": "Cameras become a visitor book: faces, captures, and who came when.",
            "description": f"{DESCRIPTION}\n{_list_codes()}",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"cookie": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-regulars"},
            },
            "parameters": {"IfNoneMatch": _IF_NONE_MATCH, _IDEMPOTENCY: _KEY_OF_REQUEST},
            "headers": {
                "ETag": _ETAG,
                **{
                    name: {"description": about, "schema": {"type": "string"}}
                    for name, about in _LIMITS.items()
                },
            },
            "responses": {"Problem": _FAILURE},
            "schemas": dict(sorted(schemas.components.items())),
        },
    }


class _Schemas:
    """JSON schemas of types; the named ones are components."""

    def __init__(self, kinds: Sequence[Any]) -> None:
        kinds = [*dict.fromkeys([errors.Problem, *kinds])]
        schemas, self.components = msgspec.json.schema_components(
            kinds, schema_hook=_describe_custom_type, ref_template=_REFERENCE
        )
        self._by_kind = dict(zip(kinds, schemas, strict=True))
        for kind in kinds:
            if inspect.isclass(kind) and issubclass(kind, Sent):
                self.components[kind.__name__] |= kind.RULES
        for schema in self.components.values():
            _tidy(schema)

    def of(self, kind: Any) -> dict[str, Any]:
        return dict(self._by_kind[kind])

    def add(self, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Make a component of a schema; generators of Java lose one that stands in an operation."""
        self.components[name] = dict(schema)
        return {"$ref": _REFERENCE.format(name=name)}

    def members(self, kind: type[msgspec.Struct]) -> tuple[Mapping[str, Any], Sequence[str]]:
        """Return the schemas of a Struct's members by name, and the names of those that are
        required."""
        schema = self.components[kind.__name__]
        return schema["properties"], schema.get("required", [])

    def is_object(self, schema: Mapping[str, Any]) -> bool:
        """Tell whether values of a schema are objects, which a form holds as JSON."""
        resolved = self.components.get(schema.get("$ref", "").rpartition("/")[2], schema)
        return bool(resolved.get("type") == "object")


def _list_kinds(operation: V1Operation) -> list[Any]:
    """Return the types that need a schema: those of query, body and answer."""
    kinds = (operation.query, operation.body, *_list_answers(operation))
    return [kind for kind in kinds if kind not in (None, types.NoneType, TextAnswer, Redirect)]


def _list_answers(operation: V1Operation) -> tuple[Any, ...]:
    """Return the types that the view may return."""
    returned = operation.types["return"]
    return get_args(returned) if isinstance(returned, types.UnionType) else (returned,)


def _describe_custom_type(kind: type[Any]) -> dict[str, Any]:
    if kind is Instant:
        return {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "number", "minimum": _FIRST_S, "maximum": _LAST_MS},
            ],
            "description": "RFC 3339 with any offset, or UNIX seconds, or from 100000000000 on "
            "milliseconds.",
        }
    raise NotImplementedError(f"nobody describes {kind}")


def _tidy(schema: dict[str, Any]) -> None:
    """Take out what says nothing: titles that repeat the name, empty lists of required members."""
    schema.pop("title", None)
    if not schema.get("required", True):
        del schema["required"]
    if schema.get("description"):
        schema["description"] = inspect.cleandoc(schema["description"])


def _describe_operation(operation: V1Operation, schemas: _Schemas) -> dict[str, Any]:
    """Describe an operation as OpenAPI does.

    The docstring of its view is summary and description.
    """
    summary, _, description = inspect.getdoc(operation.view).partition("\n\n")  # type: ignore[union-attr] # every view has a docstring
    body, (first_word, *other_words) = operation.body, operation.view.__name__.split("_")
    return {
        "operationId": first_word + "".join(map(str.capitalize, other_words)),
        "tags": [operation.tag or operation.view.__module__.rpartition(".")[2]],
        "summary": " ".join(summary.split()),
        **({"description": description.strip()} if description else {}),
        **({"security": []} if operation.role is None else {"x-role": operation.role.value}),
        **({"x-camera-key": True} if operation.of_cameras else {}),
        **_omit_if_empty("parameters", _describe_parameters(operation, schemas)),
        **({} if body is None else {"requestBody": _describe_body(operation, body, schemas)}),
        "responses": _describe_successes(operation, schemas),
    }


def _omit_if_empty(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}


def _describe_parameters(operation: V1Operation, schemas: _Schemas) -> list[dict[str, Any]]:
    """Describe what is sent in the path, the headers, the query and beside a picture."""
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(operation.path)
    ]
    if operation.method == "GET":
        parameters.append({"$ref": "#/components/parameters/IfNoneMatch"})
    if operation.is_write:
        parameters.append({"$ref": f"#/components/parameters/{_IDEMPOTENCY}"})
    if operation.takes_picture:
        members_beside_picture = _list_members_beside_picture(operation.types["body"], schemas)
        parameters += [
            _describe_beside_picture(_describe_parameter(name, member, needed=False), schemas)
            for name, member in members_beside_picture.items()
        ]
    if operation.query is not None:
        members, required = schemas.members(operation.query)
        parameters += [
            _describe_parameter(name, member, needed=name in required)
            for name, member in members.items()
        ]
    return parameters


def _describe_beside_picture(parameter: dict[str, Any], schemas: _Schemas) -> dict[str, Any]:
    """Describe a parameter beside a bare picture: an object is JSON there, as in a form."""
    schema = parameter.pop("schema")
    is_json = schemas.is_object(schema)
    parameter["description"] = f"{_BESIDE_PICTURE} {parameter.get('description', '')}".strip()
    return parameter | ({"content": {JSON: {"schema": schema}}} if is_json else {"schema": schema})


def _describe_parameter(name: str, member: Mapping[str, Any], *, needed: bool) -> dict[str, Any]:
    """Describe a parameter of the query by the schema of its member.

    `needed`: whether it has to be sent.
    """
    schema = _drop_null(member)
    # a number is a text there, too
    if {"type": "string", "format": "date-time"} in schema.get("anyOf", ()):
        schema = {
            "type": "string",
            "format": "date-time",
            **_omit_if_empty("description", schema.get("description", "")),
        }
    described = _omit_if_empty("description", schema.pop("description", ""))
    kind = {"required": True} if needed else {"allowEmptyValue": True}
    return {"name": name, "in": "query", **kind, **described, "schema": schema}


def _list_members_beside_picture(body: type[WithPicture], schemas: _Schemas) -> Mapping[str, Any]:
    """Return the members that stand in the query if the body is a bare picture.

    They have no defaults, since clients that are generated from the document would send them.
    """
    members, _ = schemas.members(body)
    members_beside_picture = {
        name: member for name, member in members.items() if not _is_file(member)
    }
    return {
        name: {key: value for key, value in member.items() if key != "default"}
        for name, member in members_beside_picture.items()
    }


def _is_file(member: Mapping[str, Any]) -> bool:
    return _drop_null(member).get("contentEncoding") == "base64"


def _drop_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter's schema: one that is not sent, or empty, is null to the view, but nobody
    sends null."""
    plain_schema = {
        name: value
        for name, value in schema.items()
        if not (name == "default" and value in (None, []))
    }
    options = [schema for schema in plain_schema.pop("anyOf", ()) if schema != {"type": "null"}]
    return (
        {**options[0], **plain_schema}
        if len(options) == 1
        else {**plain_schema, **_omit_if_empty("anyOf", options)}
    )


def _describe_body(operation: V1Operation, body: Any, schemas: _Schemas) -> dict[str, Any]:
    _members, required = schemas.members(body)
    is_required = bool(required) or issubclass(body, Changes)
    content = {JSON: {"schema": schemas.of(body)}}
    if operation.takes_picture:
        content |= _describe_picture_forms(body, schemas)
    return {"required": is_required, "content": content}


def _describe_picture_forms(body: type[WithPicture], schemas: _Schemas) -> dict[str, Any]:
    """Return the contents, beside JSON, that a body with a picture may have: a form, and the bare
    picture."""
    members, required = schemas.members(body)
    file = {"type": "string", "format": "binary"}
    fields = {
        name: file if _is_file(member) else _drop_null(member) for name, member in members.items()
    }
    form = {
        "type": "object",
        "properties": fields,
        **_omit_if_empty("required", [*required]),
        "additionalProperties": False,
    }
    encodings = {
        name: {"contentType": JSON} for name, member in fields.items() if schemas.is_object(member)
    }
    bare_pictures = {media_type: {"schema": file} for media_type in body.MEDIA_TYPES}
    form_schema = schemas.add(f"{body.__name__}Form", form)
    return {
        MULTIPART: {"schema": form_schema, **_omit_if_empty("encoding", encodings)},
        **bare_pictures,
    }


def _describe_successes(operation: V1Operation, schemas: _Schemas) -> dict[str, Any]:
    """Return the answers of success by status, with their schemas and headers."""
    responses: dict[str, Any] = {}
    for kind in _list_answers(operation):
        if kind in (None, types.NoneType):
            responses["204"] = {"description": "It is done."}
        elif kind is Redirect:
            headers = {"Location": {"required": True, "schema": {"type": "string"}}}
            responses["302"] = {"description": "It is found at another URL.", "headers": headers}
        else:
            answer = responses.setdefault(
                str(operation.status), {"description": "It is done.", "content": {}}
            )
            if kind is TextAnswer:
                answer["content"]["text/*"] = {"schema": {"type": "string"}}
            else:
                answer["content"][JSON] = {"schema": schemas.of(kind)}
    if operation.method == "GET" and "200" in responses:
        etag_header = {"headers": {"ETag": {"$ref": "#/components/headers/ETag"}}}
        responses["200"] |= etag_header
        responses["304"] = {"description": "It is as it was when it had this ETag.", **etag_header}
    if operation.role is not None:
        limits = {name: {"$ref": f"#/components/headers/{name}"} for name in _LIMITS}
        for status, response in responses.items():
            responses[status] = {**response, "headers": {**response.get("headers", {}), **limits}}
    return responses


def _list_codes() -> str:
    """List the codes of problems by their status."""
    codes_by_status: dict[int, list[str]] = {
        status: [errors.name_code(status)] for status in errors.REFUSALS
    }
    for error in every_error():
        codes_by_status.setdefault(find_nearest(STATUSES, error), []).append(error.__name__)
    codes_by_status.setdefault(500, []).append(errors.INTERNAL)
    lines = (
        f"- {status} {HTTPStatus(status).phrase}: {', '.join(dict.fromkeys(codes))}"
        for status, codes in sorted(codes_by_status.items())
    )
    return "The codes of problems, by status:\n\n" + "\n".join(lines) + "\n"


@operations("GET", "/v1/openapi.json", None, tag="about")
@cache
def get_document() -> dict[str, Any]:
    """Read this document, in JSON."""
    from chalicelib.api.v1.routes import OPERATIONS

    return make_document(OPERATIONS)
