"""API Gateway's answer to an HTTP request: its own, or a function's as it passes it on. The event:
gateway.py.

- https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html: a
  query's bare `|`, `{` or `}` is refused
- .../api-gateway-payload-encodings-workflow.html: an answer is bytes if the first type in Accept is
  binary; ministackorg/ministack 767 and localstack/localstack 12199 saw this on AWS
- localstack/localstack, next_gen/execute_api/header_utils.py: which headers come under another name
- .../limits.html: 10 MB. An event of Lambda has 6,291,456 bytes; people tell that the gateway
  answers 413 beyond, too
"""

import base64
import gzip
import json
import re
from collections.abc import Mapping
from types import SimpleNamespace

from chalice.app import Chalice
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.api.application import Routes, normalize_path
from infra.template import make_gateway_answers
from tests.support.api.gateway import LAMBDAS_ID, Call, is_binary, lower_names, make_event

_RENAMED = frozenset({"connection", "content-length", "date", "server", "www-authenticate"})
_GATEWAY_TAKES, _LAMBDA_TAKES = 10_485_760, 6_291_456
_OWN_ANSWERS = make_gateway_answers()["Resources"]["RestAPI"]["Properties"]["DefinitionBody"][
    "x-amazon-apigateway-gateway-responses"
]


class Answer(Struct, frozen=True):
    """An answer as it comes over the wire, unpacked.

    `headers`: by lower-case name; values of one name in a list.
    """

    status: int
    headers: Mapping[str, list[str]]
    body: bytes


def answer_call(app: Chalice, call: Call) -> Answer:
    """Answer as the gateway does at a domain of one's own, which has no stage in its paths."""
    sent = dict(lower_names(call.headers))
    if re.search(r"[|{}]", call.query):
        return _answer_itself("DEFAULT_4XX", "Bad Request", 400)
    if len(call.body) > _GATEWAY_TAKES:
        return _answer_itself("REQUEST_TOO_LARGE")
    if Routes(app.routes).match(call.method, normalize_path(call.path)) is None:
        return _answer_itself(
            "INVALID_SIGNATURE" if "authorization" in sent else "MISSING_AUTHENTICATION_TOKEN"
        )
    body = gzip.decompress(call.body) if sent.get("content-encoding") == "gzip" else call.body
    headers = (
        *call.headers,
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    )
    event = make_event(app, replace(call, headers=headers, body=body), call.path)
    if len(json.dumps(event)) > _LAMBDA_TAKES:
        return _answer_itself("REQUEST_TOO_LARGE")
    answer = json.loads(json.dumps(app(event, SimpleNamespace(aws_request_id=LAMBDAS_ID))))
    named = {name: [value] for name, value in answer["headers"].items()} | (
        answer.get("multiValueHeaders") or {}
    )
    answered = {
        f"x-amzn-remapped-{name.lower()}" if name.lower() in _RENAMED else name.lower(): [
            *map(str, values)
        ]
        for name, values in ({"Content-Type": ["application/json"]} | named).items()
    }
    wants_bytes = is_binary(app, sent.get("accept", "").partition(",")[0])
    text = str(answer["body"]).encode()
    content = base64.b64decode(text) if answer.get("isBase64Encoded") and wants_bytes else text
    return Answer(answer["statusCode"], answered, b"" if call.method == "HEAD" else content)


def _answer_itself(name: str, text: str = "", status: int = 0) -> Answer:
    """Answer without the function.

    `text`, `status`: the gateway's own, of an answer that has none from us.
    """
    answer = _OWN_ANSWERS[name]
    headers = {
        parameter.rpartition(".")[2].lower(): [value.strip("'")]
        for parameter, value in answer["responseParameters"].items()
    }
    body = answer["responseTemplates"]["application/json"].replace(
        "$context.error.messageString", json.dumps(text)
    )
    return Answer(int(answer.get("statusCode", status)), headers, body.encode())
