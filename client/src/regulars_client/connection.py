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
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit
from urllib.request import getproxies

import msgspec
import stamina

from regulars_client import codes
from regulars_client.books import HEADER, Book, parse_book
from regulars_client.errors import ApiError, NoAnswer, NotConfigured, WrongAnswer
from regulars_client.http import Answer, Http, Timeouts, find_hint

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


class ApiKey:
    """A key that goes with requests. Its text is not its value."""

    def __init__(self, key: str, key_source: str) -> None:
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise NotConfigured(
                f"what {key_source} holds is no key: it should be one word of printable ASCII"
            )
        self._key = key

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"}

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

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_MOST_BYTES = 2**40
"""Bytes of an answer: an archive of a person has as many as it has."""
_WHOLE_S = 86_400.0
"""Seconds in which an answer must be whole: a large one takes long over a slow line."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Shape = TypeVar("Shape")


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
        self._url, self._key = parse_service_url(url), choose_key(api_key, key_file)
        self._patience_s = patience_s
        found = getproxies()
        proxies = {scheme: found.get(scheme) or found.get("all") for scheme in ("http", "https")}
        self._http = Http(
            _Clock(),
            Timeouts(timeout_s, timeout_s, _WHOLE_S),
            proxies={scheme: proxy for scheme, proxy in proxies.items() if proxy},
        )
        self._book: Book | None = None
        self._pinned: dict[str, str] = {}

    @property
    def url(self) -> str:
        return self._url

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
        self._pinned = {HEADER: book.id if in_any_life else str(book)}

    def close(self) -> None:
        self._http.close_idle()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fetched(self, url: str) -> bytes:
        """Fetch what a URL of an answer (`url`, `thumb_url`, `crop_url`) shows.

        Raises NoAnswer, ApiError.

        A crop needs the key, so it is asked for at this service, whatever host the URL names.
        """
        full_url = urljoin(f"{self._url}/", url)
        if crop := _CROP.search(full_url):
            return self._bytes(crop[0])
        for _ in range(_MOST_REDIRECTS):
            answer = self._send_until_answered("GET", full_url, {})
            if answer.status not in _REDIRECTS or "Location" not in answer.headers:
                return answer.body
            full_url = urljoin(full_url, answer.headers["Location"])
        raise WrongAnswer(f"{full_url} is behind more than {_MOST_REDIRECTS} redirects")

    def _call(self, method: str, path: str, shape: type[Shape], **sent: Any) -> Shape:
        """Send a request and read its answer.

        Raises NoAnswer, WrongAnswer, and what `codes` has.
        """
        return read_answer(self._send_request(method, path, **sent), shape, f"{method} {path}")

    def _call_or_none(
        self, method: str, path: str, shape: type[Shape], **sent: Any
    ) -> Shape | None:
        """Do as `_call` does; return None for an answer without a body."""
        answer = self._send_request(method, path, **sent)
        return None if answer.status == 204 else read_answer(answer, shape, f"{method} {path}")

    def _send_request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Send a request, with its body as JSON, and return its answer of success.

        Raises NoAnswer, and what `codes` has.
        """
        headers, content = {**self._key.headers, **self._pinned}, None
        if method in WRITES:
            headers["Idempotency-Key"] = idempotency_key or uuid.uuid4().hex
        if body is not None:
            content = msgspec.json.encode(
                {name: value for name, value in body.items() if value is not msgspec.UNSET}
            )
            headers["Content-Type"] = "application/json"
        url = self._url + path + _write_query(query or {})
        return self._send_until_answered(method, url, headers, content)

    def _bytes(self, path: str, query: Mapping[str, Any] | None = None) -> bytes:
        """Return an answer that is no JSON.

        If it points to a signed URL, fetch that, without the key.
        """
        answer = self._send_request("GET", path, query=query)
        if answer.status in _REDIRECTS and "Location" in answer.headers:
            return self.fetched(answer.headers["Location"])
        return answer.body

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

    def _send_until_answered(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> Answer:
        """Send the request until its answer is final, for `patience_s` at most.

        Return a good answer.

        Raises ApiError if the service refuses the request, NoAnswer if it cannot be reached.
        """
        try:
            for attempt in stamina.retry_context(
                on=self._choose_retry, attempts=None, timeout=self._patience_s, wait_max=10
            ):
                with attempt:
                    answer = self._http.exchange(method, url, headers, content, _MOST_BYTES)
                    self._book = parse_book(answer.headers) or self._book
                    if answer.status >= 400:
                        raise make_refusal(answer)
                    return answer
        except (ApiError, NoAnswer) as error:
            raise error.with_traceback(None) from None  # not through the loop that tries again
        raise AssertionError("a retry either returns or raises")

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
        return isinstance(error, NoAnswer) and not find_hint(str(error))


class _Clock:
    def boot_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000


def parse_service_url(url: str) -> str:
    """Return the URL of a service, without a slash at its end. Raises NotConfigured."""
    with suppress(ValueError):  # also for a host that no name can be
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode("idna")
        is_known = parts.scheme in ("http", "https") and parts.port != 0
        if is_known and host and url.isprintable() and " " not in url:
            return url.rstrip("/")
    raise NotConfigured(
        f"{url!r} is no URL of a service: write it as http://HOST:PORT or https://HOST"
    )


def quote_part(part: str) -> str:
    """Quote a part of a path: any text may be an id."""
    return quote(part, safe="")


TIME_HEADER = "x-regulars-time"
"""Header of each answer of the service."""

_OF_ANOTHER = "which another program than Regulars said: is this its URL?"


def make_refusal(answer: Answer) -> ApiError:
    """Make the error that an answer has: of its code's class, or an ApiError if it has no code that
    is known here.

    The proxy that it came through is named if the answer may be its own.
    """
    try:
        document = msgspec.json.decode(answer.body)
    except _UNREADABLE:
        document = None
    problem = document if isinstance(document, dict) else {}
    code = str(problem.get("code") or "")
    said = problem.get("detail") or problem.get("message")
    message = said or f"HTTP {answer.status}"
    if not code and TIME_HEADER not in answer.headers:
        message = f"{message}, {_OF_ANOTHER}"
    if answer.proxy and not code:  # with one, it is the service's own
        message = f"{message}. It came through {answer.proxy}, which may have said it"
    own_members = ("type", "title", "status", "detail", "request_id", "code")
    return codes.BY_CODE.get(code, ApiError)(
        str(message),
        code=code,
        status=answer.status,
        request_id=str(problem.get("request_id") or ""),
        details={name: value for name, value in problem.items() if name not in own_members},
        retry_after_s=_parse_seconds(answer.headers.get("Retry-After")),
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


def read_answer(answer: Answer, shape: type[Shape], asked: str = "the request") -> Shape:
    """Read an answer of success. Raises WrongAnswer, which names what was asked."""
    if shape is type(None):
        return None
    _look_into(shape)
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except _UNREADABLE as error:
        if TIME_HEADER in answer.headers:
            why = f"{error}. Is the client of the service's version?"
        else:
            why = f"HTTP {answer.status}, {_OF_ANOTHER}"
        raise WrongAnswer(
            f"{asked} was answered with what is no {shape.__name__}: {why}"
        ) from error


def _write_query(values: Mapping[str, Any]) -> str:
    """Write the query with its `?`, without values that are not sent; "" if none is.

    A list is sent value by value.

    An empty list is sent as an empty text: left out, it would ask for everything.
    """
    sent_values = {
        name: value
        for name, value in values.items()
        if value is not msgspec.UNSET and value is not None
    }
    pairs = {
        name: [*map(_write_value, value)] or "" if isinstance(value, list) else _write_value(value)
        for name, value in sent_values.items()
    }
    return f"?{urlencode(pairs, doseq=True)}" if pairs else ""


def _write_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _parse_seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isascii() and header.isdigit() else None
