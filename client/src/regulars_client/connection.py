"""Requests to the service: sent again if it is busy or the connection broke, and done once all the
same.

The API key is given, in a file that only its owner can read, or in the environment. No text and no
log shows it. Lists come page by page.
"""

from __future__ import annotations

import random
import re
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

from regulars_client import codes
from regulars_client.books import HEADER, Book, parse_book
from regulars_client.errors import ApiError, NoAnswer, NotConfigured, WrongAnswer
from regulars_client.http import Answer, Http, Timeouts, find_hint
from regulars_client.keys import choose_key

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


RETRIED_STATUSES = frozenset({429, 502, 503, 504})
"""Statuses that are tried again: the service is busy, or a gateway before it is."""

WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})

_CROP = re.compile(r"/v1/captures/[^/?]+/(?:crops/[^/?]+|thumbnail)(?:\?.*)?$")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
"""Pauses before a request is sent again; each is twice the one before."""
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
        self.patience_s = patience_s
        found = getproxies()
        proxies = {scheme: found.get(scheme) or found.get("all") for scheme in ("http", "https")}
        self._http = Http(
            timeouts=Timeouts(timeout_s, timeout_s, _WHOLE_S),
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
        crop = _CROP.search(urljoin(f"{self._url}/", url))
        return self._bytes(crop[0]) if crop else self._fetch_without_key(url)

    def _fetch_without_key(self, url: str) -> bytes:
        full_url = urljoin(f"{self._url}/", url)
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
        headers, content = {"Authorization": f"Bearer {self._key.reveal()}", **self._pinned}, None
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
            return self._fetch_without_key(answer.headers["Location"])
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
        until, pause_s = time.monotonic() + self.patience_s, _FIRST_PAUSE_S
        while True:
            try:
                answer = self._http.exchange(method, url, headers, content, _MOST_BYTES)
                self._book = parse_book(answer.headers) or self._book
                # a write that was redirected is not done
                if answer.status < 300 or (method == "GET" and answer.status in _REDIRECTS):
                    return answer
                raise make_refusal(answer)
            except (ApiError, NoAnswer) as error:
                wait_s = _choose_wait(error, pause_s)
                if wait_s is None or time.monotonic() + wait_s > until:
                    raise
            time.sleep(wait_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _choose_wait(error: Exception, pause_s: float) -> float | None:
    """Return in how many seconds to send the request again after an error; None: never."""
    # Not all at the same moment: many clients may have been told the same.
    at_random_s = random.uniform(0, 0.5)
    if isinstance(error, ApiError):
        if error.status not in RETRIED_STATUSES:
            return None
        return pause_s if error.retry_after_s is None else error.retry_after_s + at_random_s
    # a ValueError: it was not sent, as by a URL or a header that none can be
    is_hopeless = isinstance(error.__cause__, ValueError) or find_hint(str(error))
    return None if is_hopeless else pause_s * (0.75 + at_random_s)


def parse_service_url(url: str) -> str:
    """Return the URL of a service, without a slash at its end. Raises NotConfigured."""
    with suppress(ValueError):  # also for a host that no name can be
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode("idna")
        is_known = parts.scheme in ("http", "https") and parts.port != 0
        if is_known and host and not {*"?#"} & {*url} and url.isprintable() and " " not in url:
            return url.rstrip("/")
    raise NotConfigured(
        f"{url!r} is no URL of a service: write it as http://HOST:PORT or https://HOST"
    )


def quote_part(part: str) -> str:
    """Quote a part of a path: any text may be an id, also dots, which would lead elsewhere."""
    return quote(part, safe="") if part.strip(".") else part.replace(".", "%2E")


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
