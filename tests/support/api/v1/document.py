"""docs/api/v1.yaml, and whether an answer is as it says."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from email.message import Message
from pathlib import Path
from typing import Any

import yaml

from chalicelib.api.application import Routes
from chalicelib.api.forms import parse_form
from chalicelib.api.http import MediaType
from chalicelib.api.v1.wire import Sent

PATH = Path(__file__).resolve().parents[4] / "docs" / "api" / "v1.yaml"
METHODS = ("get", "post", "put", "patch", "delete")


def names_of(struct: type[Sent] | None) -> Sequence[str]:
    """Names of what a query or a body may have."""
    return (
        struct.__struct_encode_fields__ if struct is not None and issubclass(struct, Sent) else ()
    )


class Document:
    def __init__(self) -> None:
        # libyaml reads it ten times as fast, and every wheel of PyYAML has it.
        self.all: dict[str, Any] = yaml.load(
            PATH.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
        self._routes = Routes(
            {path: dict.fromkeys(map(str.upper, METHODS), None) for path in self.all["paths"]}
        )
        self._components = self._strict(self.all["components"])
        listed = re.findall(r"^- (\d+) [^:]+: (.+)$", self.all["info"]["description"], re.MULTILINE)
        self.codes = {int(status): codes.split(", ") for status, codes in listed}

    def operations(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Method, path and what is said of them; parameters of the path are among the
        operation's."""
        for path, item in self.all["paths"].items():
            for method in METHODS:
                if method in item:
                    parameters = [*item.get("parameters", ()), *item[method].get("parameters", ())]
                    yield (
                        method.upper(),
                        path,
                        {**item[method], "parameters": [self.resolved(p) for p in parameters]},
                    )

    def resolved(self, node: Any) -> Any:
        """What a `$ref` leads to."""
        while "$ref" in node:
            found: Any = self.all
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            node = found
        return node

    def require_answer(self, method: str, path: str, status: int, body: Any) -> None:
        """Raise ValidationError unless the document knows such an answer.

        Every member must be named.

        `body`: None for none, a text for one that is no JSON.
        """
        matched = self._routes.match(method, path)
        assert matched is not None, path
        responses = self.all["paths"][matched[0]].get(method.lower(), {}).get("responses", {})
        response = self.resolved(
            responses.get(str(status), responses.get("default", {}) if status >= 400 else {})
        )
        assert response, f"{method} {path} is not to be answered with {status}: {body}"
        if body is None:
            assert "content" not in response
            return
        media_type = "application/json" if status < 400 else "application/problem+json"
        if isinstance(body, str):
            media_type = "text/*"
        schema = self._strict(response["content"][media_type]["schema"])
        self._validate(schema, body)
        if status >= 400:
            assert body["code"] in self.codes[status], (
                f"the document lists no {body['code']} of {status}"
            )

    def require_request(
        self,
        method: str,
        path: str,
        content_type: str,
        data: bytes,
        query: Mapping[str, Sequence[str]],
    ) -> None:
        """Raise unless the document allows the request, which the service has done."""
        matched = self._routes.match(method, path)
        assert matched is not None, path
        said = self.all["paths"][matched[0]][method.lower()]
        parameters = {
            p["name"]: p
            for p in map(self.resolved, said.get("parameters", ()))
            if p["in"] == "query"
        }
        for name, texts in query.items():
            assert name in parameters, f"{method} {path} says nothing of {name} in the query"
            parameter = parameters[name]
            schema = parameter.get("schema") or parameter["content"]["application/json"]["schema"]
            self._require_texts(schema, [one for one in texts if one])
        if not data.strip():
            return
        sent_as = Message()
        sent_as["Content-Type"] = content_type
        media_type = sent_as.get_content_type()
        content = said["requestBody"]["content"]
        if media_type not in content:
            media_type = f"{sent_as.get_content_maintype()}/*"
        assert media_type in content, (
            f"{method} {path} says nothing of a body in {sent_as.get_content_type()}"
        )
        if media_type == "application/json":
            self._validate(content[media_type]["schema"], json.loads(data))
        elif media_type == "multipart/form-data":
            boundary = str(sent_as.get_param("boundary")).encode()
            form = parse_form(MediaType(media_type, "utf-8", boundary), data)
            known = self.resolved(content[media_type]["schema"])
            sent: dict[str, list[str]] = {}
            for name, text in [*form.fields, *((one.name, "") for one in form.uploads)]:
                sent.setdefault(name, []).append(text)
            assert set(known.get("required", ())) <= sent.keys() <= known["properties"].keys()
            for name, texts in sent.items():
                self._require_texts(known["properties"][name], [one for one in texts if one])

    def _require_texts(self, schema: Mapping[str, Any], texts: Sequence[str]) -> None:
        """Raise unless these texts, of a form or a query, are legal values."""
        kinds = self._kinds(schema)
        values = [
            self._value(text, self._kinds(schema.get("items", {})) if "array" in kinds else kinds)
            for text in texts
        ]
        if "array" in kinds:
            self._validate(schema, values)
        for value in () if "array" in kinds else values:
            self._validate(schema, value)

    def _kinds(self, schema: Mapping[str, Any]) -> set[str]:
        schema = self.resolved(schema)
        kinds = {kind for one in schema.get("anyOf", ()) for kind in self._kinds(one)}
        return kinds | ({schema["type"]} if "type" in schema else set() if kinds else {"string"})

    @staticmethod
    def _value(text: str, kinds: Collection[str]) -> Any:
        """What a text stands for."""
        if kinds & {"object", "boolean", "number", "integer"}:
            with suppress(ValueError):
                return json.loads(text)
        return text

    def require(self, body: Any, name: str) -> None:
        """Raise ValidationError unless it is as the component of this name says."""
        self._validate(self._components["schemas"][name], body)

    def _validate(self, schema: Mapping[str, Any], body: Any) -> None:
        from jsonschema import Draft202012Validator  # its import takes as long as a hundred tests

        Draft202012Validator({**schema, "components": self._components}).validate(body)

    def _strict(self, node: Any) -> Any:
        """The same schemas, but that objects have no members which are not named."""
        if isinstance(node, list):
            return [self._strict(part) for part in node]
        if not isinstance(node, dict):
            return node
        strict = {name: self._strict(part) for name, part in node.items()}
        if node.get("type") == "object" and "properties" in node:
            strict.setdefault("additionalProperties", False)
        return strict
