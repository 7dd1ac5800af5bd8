"""Requests to the service: sent again if it is busy or the connection broke, and done once all the
same.

The API key is given, in a file that only its owner can read, or in the environment. No text and no
log shows it. Lists come page by page.
"""

from __future__ import annotations

import logging
import os
import random
import re
import stat
import threading
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import stamina

from regulars_client import codes
from regulars_client.books import HEADER, Book, parse_book
from regulars_client.errors import ApiError, NoAnswer, NotConfigured, WrongAnswer
from regulars_client.proxies import Proxy, ProxyingTransport

Page = TypeVar("Page")
Item = TypeVar("Item")


class Pages(Generic[Page, Item]):
    """All items of a list, over all its pages; each page is asked for when it is needed.

    Iterate over `pages()` if you want what a page says beside its items.
    """

    def __init__(
        self,
        ask: Callable[[str | None], Page],
        items: Callable[[Page], list[Item]],
        token: str | None,
    ) -> None:
        self._ask = ask
        self._items = items
        self._first = token

    def pages(self) -> Iterator[Page]:
        """Yield the pages from the first on, or from the one that the given token names."""
        token = self._first
        while True:
            page = self._ask(token)
            yield page
            token = getattr(page, "next_token", None)
            if not token:
                return

    def __iter__(self) -> Iterator[Item]:
        for page in self.pages():
            yield from self._items(page)


VARIABLE = "REGULARS_API_KEY"
_MAX_KEY_BYTES = 4096
"""Bytes of a key's file that are read: whatever is longer is no key."""


class ApiKey(httpx.Auth):
    """A key that signs requests. Its text is not its value."""

    def __init__(self, key: str, key_source: str) -> None:
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise NotConfigured(
                f"what {key_source} holds is no key: it should be one word of printable ASCII"
            )
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._key}"
        yield request

    def __repr__(self) -> str:
        return "ApiKey(...)"


def choose_key(
    given_key: str | None, file: Path | None, environment: Mapping[str, str] = os.environ
) -> ApiKey:
    """Choose the key: the one given, else the file's, else REGULARS_API_KEY.

    Raises NotConfigured.
    """
    if given_key is not None:
        return ApiKey(given_key.strip(), "api_key")
    if file is not None:
        return ApiKey(read_secret(file), str(file))
    environment_key = environment.get(VARIABLE, "").strip()
    if not environment_key:
        raise NotConfigured(f"no API key: set {VARIABLE}, or name a file that holds it")
    return ApiKey(environment_key, VARIABLE)


def read_secret(file: Path) -> str:
    """Read a file that only its owner may read. Raises NotConfigured."""
    try:
        with file.open(encoding="utf-8") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            text = stream.read(_MAX_KEY_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotConfigured(f"the key in {file} cannot be read: {error}") from error
    if os.name == "posix" and mode & 0o077:
        raise NotConfigured(f"others may read {file}, which holds a key: chmod 600 {file}")
    return text


RETRIED_STATUSES = frozenset({429, 502, 503, 504})
"""Statuses that are tried again: the service is busy, or a gateway before it is."""

WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})

_CROP = re.compile(r"/v1/captures/[^/?]+/(?:crops/[^/?]+|thumbnail)(?:\?.*)?$")

# Without a handler, Python prints each repeat to stderr if a program has not set up logging.
logging.getLogger("stamina").addHandler(logging.NullHandler())

_TLS_FAULTS = {
    "WRONG_VERSION_NUMBER": ". This port speaks http: its URL begins with http://",
    "CERTIFICATE_VERIFY_FAILED": ". If the certificate is your own, let SSL_CERT_FILE name it",
}
"""Parts of OpenSSL's errors, and what would be right."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Answer = TypeVar("Answer")


class Connection:
    """A service's URL and a key of it. Threads may share it.

    `api_key`, or the file `key_file`, or REGULARS_API_KEY. `patience_s`: how long a request is
    tried again in all. Proxies are those of the environment; a service on this machine is asked
    directly. Raises NotConfigured.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        key_file: Path | None = None,
        timeout_s: float = 60.0,
        patience_s: float = 120.0,
    ) -> None:
        base, key = parse_service_url(url), choose_key(api_key, key_file)
        self._patience_s = patience_s
        self._transport = ProxyingTransport()
        self._http = httpx.Client(
            base_url=base, auth=key, timeout=timeout_s, transport=self._transport
        )
        self._keyless_http = httpx.Client(timeout=timeout_s, transport=self._transport)
        """For URLs that are signed: the key is never sent to them."""
        self._book: Book | None = None

    @property
    def url(self) -> str:
        return str(self._http.base_url)

    @property
    def book(self) -> Book | None:
        """The book that gave the last answer; None: nothing was answered yet, or the service is of
        an older version."""
        return self._book

    def pin_book(self, book: Book, *, in_any_life: bool = False) -> None:
        """Let all requests from now on be refused by any other book, with `codes.OtherBook`, before
        they do anything.

        `in_any_life`: whether the book may have another life, as after a restore. An older version
        refuses nothing.
        """
        self._http.headers[HEADER] = book.id if in_any_life else str(book)

    def close(self) -> None:
        self._http.close()
        self._keyless_http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fetched(self, url: str) -> bytes:
        """Fetch what a URL of an answer (`url`, `thumb_url`, `crop_url`) shows.

        Raises NoAnswer, ApiError.

        A crop needs the key, so it is asked for at this service, whatever host the URL names.
        """
        full_url = self._http.base_url.join(url)
        if crop := _CROP.search(full_url.raw_path.decode("ascii")):
            return self._bytes(crop[0])
        return self._send_until_answered(
            lambda: self._keyless_http.get(full_url, follow_redirects=True)
        ).content

    def _call(self, method: str, path: str, answer: type[Answer], **sent: Any) -> Answer:
        """Send a request and read its answer.

        Raises NoAnswer, WrongAnswer, and what `codes` has.
        """
        return read_answer(self._send_request(method, path, **sent), answer)

    def _call_or_none(
        self, method: str, path: str, answer: type[Answer], **sent: Any
    ) -> Answer | None:
        """Do as `_call` does; return None for an answer without a body."""
        response = self._send_request(method, path, **sent)
        return (
            None
            if response.status_code == httpx.codes.NO_CONTENT
            else read_answer(response, answer)
        )

    def _send_request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> httpx.Response:
        """Send a request, with its body as JSON, and return its answer of success.

        Raises NoAnswer, and what `codes` has.
        """
        headers, content = {}, None
        if method in WRITES:
            headers["Idempotency-Key"] = idempotency_key or uuid.uuid4().hex
        if body is not None:
            content = msgspec.json.encode(
                {name: value for name, value in body.items() if value is not msgspec.UNSET}
            )
            headers["Content-Type"] = "application/json"
        query_pairs = _write_query(query or {})
        request = self._http.build_request(
            method, path, params=query_pairs or None, headers=headers, content=content
        )
        return self._send_until_answered(lambda: self._http.send(request))

    def _bytes(self, path: str, query: Mapping[str, Any] | None = None) -> bytes:
        """Return an answer that is no JSON.

        If it points to a signed URL, fetch that, without the key.
        """
        request = self._http.build_request("GET", path, params=_write_query(query or {}) or None)
        response = self._send_until_answered(lambda: self._http.send(request))
        return (
            self.fetched(response.headers["Location"]) if response.is_redirect else response.content
        )

    def _pages(
        self,
        path: str,
        page: type[Page],
        items: Callable[[Page], list[Item]],
        query: Mapping[str, Any],
    ) -> Pages[Page, Item]:
        def ask(token: str | None) -> Page:
            return self._call("GET", path, page, query={**query, "token": token or msgspec.UNSET})

        first = query.get("token")
        return Pages(ask, items, first if isinstance(first, str) else None)

    def _send_until_answered(self, send: Any) -> httpx.Response:
        """Send the request by `send` until its answer is final, for `patience_s` at most.

        Return a good answer.

        Raises ApiError if the service refuses the request, NoAnswer if it cannot be reached.
        """
        try:
            for attempt in stamina.retry_context(
                on=self._choose_retry, attempts=None, timeout=self._patience_s, wait_max=10
            ):
                with attempt:
                    response: httpx.Response = send()
                    self._book = parse_book(response.headers) or self._book
                    if response.status_code >= 400:
                        raise make_refusal(
                            response, self._transport.proxy_for(response.request.url)
                        )
                    return response
        except ApiError as error:
            raise error.with_traceback(None) from None  # not through the loop that tries again
        except httpx.TransportError as error:
            why = str(error) or type(error).__name__
            raise NoAnswer(
                f"{self.url} does not answer: "
                f"{why}{_find_hint(error)}{self._describe_way(error.request.url)}"
            ) from error
        raise AssertionError("a retry either returns or raises")

    def _describe_way(self, url: httpx.URL) -> str:
        """Say by which proxy a URL was asked, if by any."""
        proxy = self._transport.proxy_for(url)
        return (
            f". It was asked through {proxy}: NO_PROXY={url.host} asks it directly" if proxy else ""
        )

    def _choose_retry(self, error: Exception) -> bool | float:
        """Tell whether to send the request again after an error, or in how many seconds."""
        if isinstance(error, ApiError):
            if error.status not in RETRIED_STATUSES:
                return False
            if error.retry_after_s is None:
                return True
            # Not all at the same moment: many clients may have been told the same.
            return error.retry_after_s <= self._patience_s and error.retry_after_s + random.uniform(
                0, 0.5
            )
        if isinstance(error, httpx.UnsupportedProtocol) or _find_hint(error):
            return False
        return isinstance(error, httpx.TransportError)


def parse_service_url(url: str) -> httpx.URL:
    """Read the URL of a service. Raises NotConfigured."""
    with suppress(httpx.InvalidURL, UnicodeError):  # the latter for a host that no name can be
        read = httpx.URL(url)
        if read.scheme in ("http", "https") and read.host and read.raw_host.decode().encode("idna"):
            return read
    raise NotConfigured(
        f"{url!r} is no URL of a service: write it as http://HOST:PORT or https://HOST"
    )


def _find_hint(error: Exception) -> str:
    """Say what would be right, if no repeat can help."""
    return next((hint for fault, hint in _TLS_FAULTS.items() if fault in str(error)), "")


def quote_part(part: str) -> str:
    """Quote a part of a path: any text may be an id."""
    return quote(part, safe="")


TIME_HEADER = "x-regulars-time"
"""Header of each answer of the service."""

_OF_ANOTHER = "which another program than Regulars said: is this its URL?"


def make_refusal(response: httpx.Response, proxy: Proxy | None = None) -> ApiError:
    """Make the error that an answer has: of its code's class, or an ApiError if it has no code that
    is known here.

    `proxy`: the one that the answer came through; it is named if the answer may be its own.
    """
    try:
        document = msgspec.json.decode(response.content)
    except _UNREADABLE:
        document = None
    problem = document if isinstance(document, dict) else {}
    code = str(problem.get("code") or "")
    said = problem.get("detail") or problem.get("message")
    message = said or f"HTTP {response.status_code}"
    if not code and TIME_HEADER not in response.headers:
        message = f"{message}, {_OF_ANOTHER}"
    if proxy and not code:  # with one, it is the service's own
        message = f"{message}. It came through {proxy}, which may have said it"
    own_members = ("type", "title", "status", "detail", "request_id", "code")
    return codes.BY_CODE.get(code, ApiError)(
        str(message),
        code=code,
        status=response.status_code,
        request_id=str(problem.get("request_id") or ""),
        details={name: value for name, value in problem.items() if name not in own_members},
        retry_after_s=_parse_seconds(response.headers.get("Retry-After")),
    )


_looking, _looked_into = threading.Lock(), set[Any]()


def _look_into(kind: Any) -> None:
    """Let msgspec look into a type, as it does at the type's first use: in one thread.

    A second thread that uses a type meanwhile finds it half done, and the process crashes.
    """
    if kind not in _looked_into:
        with _looking:
            msgspec.json.Decoder(kind)
            _looked_into.add(kind)


def read_answer(response: httpx.Response, answer: type[Answer]) -> Answer:
    """Read an answer of success. Raises WrongAnswer."""
    if answer is type(None):
        return None
    _look_into(answer)
    try:
        return msgspec.json.decode(response.content, type=answer)
    except _UNREADABLE as error:
        if TIME_HEADER in response.headers:
            why = f"{error}. Is the client of the service's version?"
        else:
            why = f"HTTP {response.status_code}, {_OF_ANOTHER}"
        raise WrongAnswer(
            f"{response.request.method} {response.request.url.path} was answered with what is no "
            f"{answer.__name__}: {why}"
        ) from error


def _write_query(values: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """Write the query's values as texts, without those that are not sent.

    A list is sent value by value.

    An empty list is sent as an empty text: left out, it would ask for everything.
    """
    sent_values = {
        name: value
        for name, value in values.items()
        if value is not msgspec.UNSET and value is not None
    }
    return {
        name: [*map(_write_value, value)] or "" if isinstance(value, list) else _write_value(value)
        for name, value in sent_values.items()
    }


def _write_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _parse_seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isascii() and header.isdigit() else None
