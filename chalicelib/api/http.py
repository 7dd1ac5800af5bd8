"""HTTP for all dialects: requests with limits, responses with timings, refusals that need no
dialect, and errors.

Chalice accepts every method and content type, so that the gateway passes them and we answer. 405
comes first, then the dialect's own checks; 415 and 413 come when it reads the content type and the
body. STATUSES has the book's errors; a dialect with words of its own has a table in which
`find_nearest` looks, too. `report_answer` counts and logs.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from string import Formatter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from chalice.app import Blueprint, CaseInsensitiveMapping, Request, Response
from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib import telemetry
from chalicelib.domain import errors
from chalicelib.domain.errors import Busy, RegularsError, StorageUnavailable, WrongModel
from chalicelib.domain.model import Decision, Tenant
from chalicelib.services import Services
from chalicelib.telemetry import report_failure

if TYPE_CHECKING:
    from chalicelib.api.credentials import Credential, Head
    from chalicelib.settings import Settings

ONE_BOX, FUNCTION_URL = "box", "$default"
"""Stages of requests that do not come through API Gateway. Lambda names the second."""

METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
BOOK_HEADER = "X-Regulars-Book"
"""Of an answer: whose book gave it, and in which life (Tenant.book). Of a request: the book that is
meant, with its life or without; if it is another one, nothing is read or changed."""

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Limit of most bodies: Lambda takes events of 6 MB, and base64 makes 5.6 MB of 4 MiB."""

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
FORMS = (URLENCODED, MULTIPART)
MIXED = "multipart/mixed"
"""The form of some cameras (RFC 2046): parts that need no names."""
IMAGES = (
    *(
        f"image/{kind}"
        for kind in ("jpeg", "png", "bmp", "webp", "heic", "heif", "avif", "jpg", "pjpeg", "gif")
    ),
    *("application/octet-stream", "binary/octet-stream"),
)
"""Types of bare pictures that AWS's API gateway is told of; it takes the bytes of others for
text."""

COMPRESSED = ("gzip", "x-gzip", "deflate", "compress", "br", "zstd")
"""Content codings of which nobody here unpacks a body. Others are names that SDKs send, such as
`amz-1.0`."""

_CODECS = """
utf-8=utf-8 utf8=utf-8 us-ascii=ascii ascii=ascii iso-8859-1=latin-1 latin1=latin-1
windows-1252=cp1252 gb2312=gb18030 gbk=gb18030 gb18030=gb18030 big5=big5 shift_jis=shift_jis
shift-jis=shift_jis euc-jp=euc_jp euc-kr=euc_kr
"""
CHARSETS: Mapping[str, str] = dict(pair.split("=") for pair in _CODECS.split())
"""Codecs by accepted charset names: a closed list, since some of Python's codecs are no
charsets."""


NOTHING: Mapping[str, str] = MappingProxyType({})


class Failure(Exception):
    """A failure that only the dialect has a message for, and that is no fault of the service.

    `code`: the dialect's.
    """

    def __init__(
        self, code: int | str, text: str, status: int = 400, headers: Mapping[str, str] = NOTHING
    ) -> None:
        super().__init__(text)
        self.code, self.text, self.status, self.headers = code, text, status, dict(headers)


class Refused(Failure):
    """A refusal of a request with an HTTP status, before the rest of it is read.

    No text makes an empty body.
    """

    def __init__(self, status: int, text: str, headers: Mapping[str, str] = NOTHING) -> None:
        super().__init__(0, text, status, headers)


class MediaType(Struct, frozen=True):
    """A content type in lower case, its charset's codec, and a multipart form's boundary (b"" if it
    has none)."""

    name: str
    codec: str = "utf-8"
    boundary: bytes = b""


class HttpRequest(Struct, frozen=True):
    """A request as dialects see it. `headers` ignore case; `query` keeps repeats.

    `parameters`: the values of the route's `{names}` in the path, without its escapes.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    encoded_body: str | bytes
    is_base64: bool
    parameters: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    """The sender's, as the gateway knows it."""
    prefix: str = ""
    """The path that callers put before ours, such as /api if a gateway's stage has that name."""
    called_path: str = ""
    """The whole path, as it was called."""
    stage: str = ""
    """Of the gateway; ONE_BOX or FUNCTION_URL without one."""
    is_second_try: bool = False
    """Whether the tenant's model was changed during a first try, which did nothing."""

    @classmethod
    def from_chalice(cls, request: Request) -> HttpRequest:
        """Convert a Chalice request, which wraps an API Gateway event."""
        event = request.to_original_event()
        context = event.get("requestContext") or {}
        return cls(
            method=request.method,
            path=request.path,
            headers=CaseInsensitiveMapping({**request.headers, **_join_repeated(event)}),
            query=event.get("multiValueQueryStringParameters") or {},
            encoded_body=event.get("body") or b"",
            is_base64=bool(event.get("isBase64Encoded")),
            parameters={
                name: unquote(value) for name, value in (event.get("pathParameters") or {}).items()
            },
            address=str((context.get("identity") or {}).get("sourceIp") or ""),
            prefix=_read_prefix(context),
            called_path=str(context.get("path") or ""),
            stage=str(context.get("stage") or ""),
        )

    @property
    def is_through_gateway(self) -> bool:
        """Tell whether the request came through API Gateway, which drops signatures and unpacks
        bodies."""
        return self.stage not in (ONE_BOX, FUNCTION_URL)

    def limit_bytes(self, on_one_box: int) -> int:
        """Return the maximum size of a body in bytes: on AWS the limit of Lambda."""
        return on_one_box if self.stage == ONE_BOX else MAX_BODY_BYTES

    def parse_media_type(self, allowed: Collection[str], *, or_picture: bool = False) -> MediaType:
        """Read the content type.

        Raises Refused(415) if it is not one of `allowed`, or its charset is unknown.

        `or_picture`: a bare picture is allowed, too, of any type that says so; its first bytes tell
        its format.
        """
        content_type = self.headers.get("content-type", "")
        name, options = _parse_content_type(content_type)
        if or_picture and is_picture(name) and not (self.is_through_gateway and not self.is_base64):
            return MediaType(name, "utf-8", b"")
        allowed = (*allowed, "image/jpeg") if or_picture else allowed
        codec = CHARSETS.get(options.get("charset", "utf-8").lower())
        if name not in allowed or codec is None:
            raise Refused(415, f"Send {' or '.join(allowed)} in UTF-8, not {content_type[:100]!r}.")
        return MediaType(name, codec, options.get("boundary", "").encode("latin-1", "replace"))

    def read_body(self, max_bytes: int = MAX_BODY_BYTES) -> bytes:
        """Read the whole body.

        Raises Refused: 413 over `max_bytes`, before it is decoded; 415 if it is compressed.
        """
        coding = self.headers.get("content-encoding", "").strip().lower()
        if coding in COMPRESSED and not self.is_through_gateway:
            raise Refused(
                415,
                f"Send the body as it is, not compressed by {coding}.",
                {"Accept-Encoding": "identity"},
            )
        encoded = (
            self.encoded_body.encode() if isinstance(self.encoded_body, str) else self.encoded_body
        )
        size = len(encoded) * 3 // 4 - encoded[-2:].count(b"=") if self.is_base64 else len(encoded)
        if size > max_bytes:
            raise Refused(413, f"A body may have {max_bytes} bytes, this one has {size}.")
        return base64.b64decode(encoded) if self.is_base64 else encoded


def _join_repeated(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that were sent more than once, their values joined.

    An event of API Gateway has them apart, and the last one alone among its `headers`. One box
    joins them itself.
    """
    repeated = event.get("multiValueHeaders") or {}
    return {name: join_values(name, values) for name, values in repeated.items() if len(values) > 1}


def join_values(name: str, values: Iterable[str]) -> str:
    """Return the values of a header as one (RFC 9110, 5.3); those of Cookie have semicolons between
    them (RFC 9113)."""
    return ("; " if name.lower() == "cookie" else ",").join(values)


def _read_prefix(context: Mapping[str, Any]) -> str:
    """Return the part of the called path before the route, which tells how many segments it has
    itself."""
    segments = ("/" + str(context.get("path") or "").lstrip("/")).rstrip("/").split("/")
    own_segments = str(context.get("resourcePath") or "").rstrip("/").count("/")
    return "/".join(segments[: len(segments) - own_segments])


Provide = Callable[[], "Services"]
"""Returns the services. The first request calls it."""
Answer = Callable[[HttpRequest], Response]
AnswerError = Callable[[Exception], tuple[int | str, Response]]
"""Makes the answer to an error in a dialect's form. Returns the error's code, for the log, and the
answer."""
AnswerRefusal = Callable[[Failure], Response]
"""Makes the answer to a Refused in a dialect's form."""

_LONGEST_CONTENT_TYPE = 1000
"""Characters of a Content-Type that is read; a longer one is nobody's."""


def answer_plainly(refused: Failure) -> Response:
    """Answer with the refusal's sentence as `message`, or with an empty body if it has none."""
    if not refused.text:
        return Response("", {**refused.headers}, refused.status)
    return make_json_response({"message": refused.text}, refused.status, refused.headers)


def add_no_fields(_error: type[RegularsError], _text: str) -> Mapping[str, object]:
    """Add no fields to a gateway's answer."""
    return NOTHING


class Views(Struct, frozen=True):
    """A dialect's routes, and the words with which one box's front answers before a view sees the
    request.

    `answer_error`: makes the answer to an error at a path. `unknown_path`: text of the answer at a
    path that nobody declared. `body_too_long`: the error that is answered if a body is too long.
    `parse_credential`: reads whose request it credentials to be, before anything is checked.
    `max_bytes_by_route`: of a body, by method and route; of other routes it is MAX_BODY_BYTES.
    `answers_by_path`: the functions that answer, by path and method. `answer_refusal`: makes the
    answer to a Refused. `make_gateway_fields`: makes the members that its clients read in a
    gateway's own answer to an error.
    """

    answer_error: Callable[[Exception, str], Response]
    unknown_path: str
    body_too_long: Exception
    parse_credential: Callable[[Settings, Head], Credential]
    max_bytes_by_route: Mapping[tuple[str, str], int] = field(default_factory=dict)
    answers_by_path: Mapping[str, Mapping[str, Callable[[Provide, HttpRequest], Response]]] = field(
        default_factory=dict
    )
    answer_refusal: AnswerRefusal = answer_plainly
    make_gateway_fields: Callable[[type[RegularsError], str], Mapping[str, object]] = add_no_fields

    def make_blueprint(self, name: str, provide: Provide) -> Blueprint:
        """Make the dialect's routes. `provide` returns the services; the first request calls it."""
        routes = Blueprint(name)
        for path, by_method in self.answers_by_path.items():
            answers_of_path = {
                method: partial(answer, provide) for method, answer in by_method.items()
            }
            add_route(routes, path, partial(dict, answers_of_path), self.answer_refusal)
        return routes


def add_route(
    blueprint: Blueprint,
    path: str,
    list_answers: Callable[[], Mapping[str, Answer]],
    answer_refusal: AnswerRefusal = answer_plainly,
) -> None:
    """Register the view functions of a path, whose segments may be `{names}`.

    Other methods are answered 405.

    `list_answers`: returns the functions by method; it is called at each request, so that their
    modules are loaded late. `answer_refusal`: makes the dialect's answer to a Refused. Every answer
    has the request's id and its times.
    """

    def view(**_in_the_request: str) -> Response:
        """Answer a request: call the function of its method, and add the headers that every answer
        has.

        They forbid to store the answer, and say the request's id, the book, and how long each stage
        took.
        """
        began, request = time.perf_counter(), HttpRequest.from_chalice(blueprint.current_request)
        telemetry.of_address(request.address)
        with telemetry.collect_stages() as stages:
            response = _answer_by_method(list_answers(), answer_refusal, request)
        response.headers.setdefault("Cache-Control", "no-store")  # people's data, and keys
        # no browser takes what somebody wrote for a script of ours
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        if (invocation := telemetry.current()) is not None:
            # by which the log knows the request
            response.headers["X-Request-Id"] = invocation.request_id
            if invocation.book is not None:
                response.headers[BOOK_HEADER] = invocation.book
        response.headers["Server-Timing"] = write_server_timing(
            stages, (time.perf_counter() - began) * 1000
        )
        return response

    view.__name__ = re.sub(r"\W+", "_", path.strip("/{}"))
    blueprint.route(path, methods=list(METHODS), content_types=[])(view)


def answer_request(
    request: HttpRequest,
    work: Callable[[], Response],
    answer_error: AnswerError,
    operation_name: str,
) -> Response:
    """Return the response of `work`.

    If that raises, report the error and return the response of `answer_error`.

    Two errors are raised instead. `add_route` answers Refused. It also has the request answered
    once more if the tenant's model was changed during its first try (WrongModel). `operation_name`:
    the request's name in the report.
    """
    try:
        return work()
    except Refused:
        raise
    except Exception as error:
        if isinstance(error, WrongModel) and not request.is_second_try:
            raise
        code, response = answer_error(error)
        report_answer(error, code, operation_name)
        return response


def enter_book(headers: Mapping[str, str], tenant: Tenant, caller: str) -> None:
    """Report the owner of the book that answers a request, once the caller is known.

    Raises OtherBook if it names another one.

    `caller`: as the audit says it. `headers`: the request's, which ignore case.
    """
    telemetry.of_tenant(tenant.name, caller, tenant.book)
    meant_book = headers.get(BOOK_HEADER.lower())
    if meant_book is None or meant_book in (tenant.book_id, tenant.book):
        return
    if meant_book.partition(".")[0] == tenant.book_id:
        raise errors.OtherBook(
            "the book was restored or copied since you read it: read it again, and send "
            f"{BOOK_HEADER}: {tenant.book}"
        )
    raise errors.OtherBook(
        f"this is the book of {tenant.shown_name[:60]!r}, and the request is for another one: sign "
        "in there"
    )


def make_retry_header(error: Exception, status: int) -> dict[str, str]:
    """Make the header with the time after which a request may be repeated."""
    return {"Retry-After": str(getattr(error, "again_in_s", 1))} if status in (429, 503) else {}


def make_json_response(
    body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, {"Content-Type": f"{JSON}; charset=utf-8", **(headers or {})}, status)


def make_search_headers(decisions: Sequence[Decision]) -> dict[str, str]:
    """Make headers that show a search's decisions beside a dialect's body: scores, thresholds and
    the gallery's size.

    `decisions`: one or more, of one search.
    """
    scores = [decision.score for decision in decisions if decision.score is not None]
    return {
        **({"X-Regulars-Score": _format_figures(scores)} if scores else {}),
        "X-Regulars-Threshold": _format_figures([decision.threshold for decision in decisions]),
        "X-Regulars-Gallery-Size": str(decisions[0].gallery_size),
    }


def _format_figures(figures: Sequence[float]) -> str:
    return ",".join(f"{figure:.4f}" for figure in figures)


def write_server_timing(stages_ms: Mapping[str, float], total_ms: float) -> str:
    """Write the Server-Timing header: each stage in the order of its first use, then the total, in
    milliseconds."""
    return ", ".join(
        f"{name};dur={ms:.1f}" for name, ms in [*stages_ms.items(), ("total", total_ms)]
    )


def _answer_by_method(
    answers: Mapping[str, Answer], answer_refusal: AnswerRefusal, request: HttpRequest
) -> Response:
    """Answer by the function for the request's method, once more if the tenant's model has changed
    meanwhile."""
    try:
        # servers leave the body out, and tell its length
        if request.method == "HEAD" and "GET" in answers:
            request = replace(request, method="GET")
        if request.method not in answers:
            allowed = ", ".join("GET, HEAD" if method == "GET" else method for method in answers)
            raise Refused(
                405,
                f"Send this with {' or '.join(answers)}, not {request.method}.",
                {"Allow": allowed},
            )
        try:
            return answers[request.method](request)
        except WrongModel:
            return answers[request.method](replace(request, is_second_try=True))
    except Refused as refused:
        return answer_refusal(refused)


def is_picture(name: str) -> bool:
    """Return whether a content type is that of a bare picture, or of any bytes."""
    return name.startswith("image/") or name.endswith("/octet-stream")


def _parse_content_type(header: str) -> tuple[str, dict[str, str]]:
    """Read a media type and its parameters, with names in lower case; "" if the header cannot be
    read.

    `text/html; Charset=UTF-8`: "text/html" and {"charset": "UTF-8"}.
    """
    from email.message import Message
    from email.utils import collapse_rfc2231_value

    is_latin1 = all(character <= "\xff" for character in header)  # a header can hold no others
    # parsing takes time by the square of the length
    if not is_latin1 or len(header) > _LONGEST_CONTENT_TYPE:
        return "", {}
    message = Message()
    message["Content-Type"] = header
    try:
        (name, _), *options = message.get_params(failobj=[("", "")])
        return name.lower(), {key: collapse_rfc2231_value(value) for key, value in options}
    # the library falls over some parameters in parts and charsets (RFC 2231)
    except (TypeError, ValueError):
        return "", {}


Entry = TypeVar("Entry")

LONGEST_SENTENCE = 400
"""Characters of an error's message; a longer one is cut."""

STATUSES: Mapping[type[RegularsError], int] = {
    RegularsError: 500,
    errors.InvalidInput: 400,
    errors.Unauthorized: 401,
    errors.TenantDisabled: 403,
    errors.CameraDisabled: 403,
    errors.NotAllowed: 403,
    errors.OtherBook: 412,
    errors.NotFound: 404,
    errors.FaceMerged: 410,
    errors.Conflict: 409,
    errors.LimitReached: 409,
    errors.DailyLimitReached: 429,
    errors.TooManyRequests: 429,
    errors.Unusable: 422,
    Busy: 429,
    StorageUnavailable: 503,
}
"""HTTP's status of each error."""


def find_nearest(table: Mapping[type[RegularsError], Entry], error: type[Exception]) -> Entry:
    """Return the entry of the error's class, or of its nearest base that has one.

    An error that is no RegularsError, so a fault of ours, gets the entry of RegularsError, which
    each table has.
    """
    return next(table[base] for base in (*error.__mro__, RegularsError) if base in table)


def describe_error(error: Exception) -> str:
    """Return the error's sentence, cut if a caller's own text made it long: it is sent back, and
    may be stored.

    A fault of ours (no RegularsError) has one sentence for all, which tells nothing of the inside.
    """
    if not isinstance(error, RegularsError):
        return "an internal error, which was logged: try again later"
    text = str(error)
    return text if len(text) <= LONGEST_SENTENCE else f"{text[:LONGEST_SENTENCE]}..."


class Wording(Struct, frozen=True):
    """A dialect's words for one of the book's errors.

    `text`: a format, in which `{}` is the book's sentence, and `{UserId}` the member of that name
    that was sent.
    """

    code: int | str
    status: int = 400
    text: str = "{}"


def translate_error(
    table: Mapping[type[RegularsError], Wording],
    error: Exception,
    sent_members: Mapping[str, str] = NOTHING,
) -> Failure:
    """Translate an error by a dialect's table. `sent_members`: the members that texts name."""
    if isinstance(error, Failure):
        return error
    wording = find_nearest(table, type(error))
    text = Formatter().vformat(
        wording.text, (describe_error(error),), defaultdict(str, sent_members)
    )
    return Failure(wording.code, text, wording.status, make_retry_header(error, wording.status))


def report_answer(error: Exception, code: int | str, operation_name: str) -> None:
    """Report that a request of this operation was answered with an error's code.

    A failure of ours is also logged.
    """
    telemetry.report_error_code(code, type(error).__name__)
    if not isinstance(error, RegularsError | Failure) or isinstance(
        error, StorageUnavailable | Busy
    ):
        report_failure(error, f"{operation_name} was answered {code}")


class Part(Struct, frozen=True):
    """A part of a multipart form.

    In `name` and `filename`, U+FFFD replaces bytes that are not in the form's charset.

    `media_type`, `charset`: what the part itself declares, in lower case; "" if that is nothing.
    """

    name: str
    filename: str | None
    media_type: str
    charset: str
    data: bytes
