"""One exchange over HTTP, with keep-alive: an answer, or an error that says why there is none. What
answers mean is the caller's business."""

from __future__ import annotations

import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies_environment, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection

from regulars_client.errors import NoAnswer, NotConfigured
from regulars_client.redaction import redact_text, redact_url

LARGEST_ANSWER_BYTES = 8 * 2**20
"""Bytes of the largest answer that is read: a camera's picture has a few."""
_READ_BYTES = 65_536
"""Bytes that are read at once."""
_MOST_MARKS = 200
"""Marks of requests that are remembered."""

_TLS_FAULTS = {
    "WRONG_VERSION_NUMBER": ". This port speaks http: its URL begins with http://",
    "certificate is not yet valid": ". Is this machine's clock right? It should be set by NTP, or "
    "by hand",
    "certificate has expired": ". Is this machine's clock right? If it is, {whose} needs a new "
    "certificate",
    "CERTIFICATE_VERIFY_FAILED": ". {hint}",
    "PROTOCOL_VERSION": ": {whose} speaks only old versions of TLS: update its firmware",
}
"""Parts of OpenSSL's errors, and what would be right."""


SERVICE = ("the service", "If the certificate is your own, let SSL_CERT_FILE name it")
"""The certificate that is verified, and a hint for when its issuer is unknown."""

_OBJECT = re.compile(r"^\w+\(host='[^']*', port=\d+\): ")
"""How urllib3 begins some texts: with the Python object whose error it is."""


@dataclass(frozen=True)
class Answer:
    """`sent_boot_ms`, `received_boot_ms`: by this machine's clock, before the request and after the
    answer's head.

    `proxy`: which variable named the proxy that it came through, and where that is; empty: it came
    directly. `broke_off`: there may be less of the body than was announced; `rest`: what comes
    behind what was enough, if that was asked for.
    """

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes
    sent_boot_ms: int = 0
    received_boot_ms: int = 0
    proxy: str = ""
    broke_off: bool = False
    rest: Rest | None = None


class Rest:
    """The part of an answer's body that is not read yet. The thread that reads it closes it."""

    def __init__(self, response: urllib3.BaseHTTPResponse, place: str, http: Http) -> None:
        self._response, self.place, self._http = response, place, http

    def read(self) -> bytes:
        """Return what has come; nothing at its end. Raises as `Http.exchange`."""
        try:
            return self._response.read1(_READ_BYTES)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            why = explain_error(error, self._http.whose)
            raise self._http.no_answer(f"{self.place} has stopped sending: {why}") from error

    def stop(self) -> None:
        """Let a read end that another thread waits for. That thread closes it then: who closes it
        while the other reads takes away what the other reads from."""
        with suppress(ValueError, RuntimeError, OSError):  # it has ended meanwhile
            self._response.shutdown()

    def close(self) -> None:
        self._response.close()
        self._response.release_conn()


IsEnough = Callable[[urllib3.HTTPHeaderDict, bytes | bytearray], bool]
"""Tells by an answer's headers and the beginning of its body whether that is all that is wanted."""


@dataclass(frozen=True)
class Timeouts:
    """`whole_s` bounds an answer that trickles: head and body, each.

    What is sent may take as long as it moves.
    """

    connect_s: float = 10.0
    silence_s: float = 60.0
    whole_s: float = 180.0


@dataclass(frozen=True)
class Address:
    """A URL without the user and the password that it may have carried."""

    url: str
    user: str | None
    password: str

    @classmethod
    def read(cls, url: str, user: str | None = None, password: str | None = None) -> Address:
        """Read a URL. In a URL of HTTP a `#` counts as part of a value, as in `?pwd=a#b`: as the
        mark of a fragment a `#` would be useless, since no server is sent the fragment.

        Raises ValueError, also if a sign in the password cuts the URL short. The beginning of the
        password then stands where the port belongs.
        """
        parts = urlsplit(url)
        if parts.port == 0:
            raise ValueError("nothing listens at port 0")
        host = parts.netloc.rpartition("@")[2]
        if ":" in host and "@" in "".join(parts[2:]):
            # a name may be the user, and its port a password up to its first slash
            ip_address(parts.hostname or "")
        if parts.fragment and parts.scheme in ("http", "https"):
            return cls.read(url.replace("#", "%23"), user, password)
        return cls(
            urlunsplit(parts._replace(netloc=host)),
            user if user is not None else _unquote_secret(parts.username) or None,
            password if password is not None else _unquote_secret(parts.password),
        )


def _unquote_secret(text: str | None) -> str:
    """Return a user or a password of a URL. Bytes that are no UTF-8 stay what they are: cameras may
    know them as Latin-1, p%E4ss."""
    return unquote(text or "", errors="surrogateescape")


def proxies_of_environment() -> dict[str, str]:
    """Return HTTP_PROXY and HTTPS_PROXY: they are for the service, while cameras are in the network
    at hand."""
    found = getproxies_environment()
    return {scheme: found[scheme] for scheme in ("http", "https") if scheme in found}


class _Connections:
    """Pools of connections, by the scheme whose proxy they lead through, and the marks of the
    requests that went over them.

    A request that has its pool already uses no connection of those that replace them.
    """

    def __init__(self, make_pool: Mapping[str, Callable[[], urllib3.PoolManager]]) -> None:
        self._make_pool = make_pool
        self.pools = {scheme: make() for scheme, make in make_pool.items()}
        self.marks = set[bytes]()

    def replace(self) -> _Connections:
        """Close the idle ones, and return new ones."""
        for pool in self.pools.values():
            pool.clear()
        return _Connections(self._make_pool)


class Clock:
    def boot_ms(self) -> int:
        """Return the milliseconds since some moment, never set back."""
        return time.monotonic_ns() // 1_000_000


@dataclass(eq=False)
class Http:
    """A client of HTTP, which several threads may use.

    It verifies certificates, by `ca_file` or the system's.

    `proxies`: URLs by scheme, for hosts that are not this machine and that NO_PROXY does not name;
    `tls_name`: the name in the certificate, if that is not the URL's. Raises `not_configured`.
    """

    no_answer: ClassVar[type[Exception]] = NoAnswer
    not_configured: ClassVar[type[Exception]] = NotConfigured
    agent: ClassVar[str] = "regulars-client"

    clock: Clock = field(default_factory=Clock)
    timeouts: Timeouts = Timeouts()
    ca_file: Path | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls_name: str | None = None
    whose: tuple[str, str] = SERVICE

    def __post_init__(self) -> None:
        self._read_ns = self._read_change_ns()
        self._lock = threading.Lock()
        self._connections = self._make_connections()

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        max_bytes: int = LARGEST_ANSWER_BYTES,
        is_enough: IsEnough | None = None,
        *,
        keeps_rest: bool = False,
        mark: bytes | None = None,
    ) -> Answer:
        """Send a request and return its answer; redirects are not followed.

        Raises `no_answer`, also for an answer of more than `largest` bytes, and for one that breaks
        off. With `is_enough` the beginning counts: of an answer that breaks off, and of one that is
        enough before its end; `keeps_rest`: whether the rest of that one is kept, and not hung up.
        No two requests with the same `mark` go over one connection: a second answer to the first
        would be taken for the answer to the next one.
        """
        changed_ns = self._read_change_ns()
        if changed_ns not in (None, self._read_ns):  # the service's certificate is another, say
            # half a file: the next exchange reads it again
            with self._lock, suppress(self.not_configured):
                self._connections = self._make_connections()
                self._read_ns = changed_ns
        sent_ms, response, fault = self.clock.boot_ms(), None, f"{_show_place(url)} does not answer"
        proxy = self._find_proxy(url)
        try:
            response = self._choose_pool(urlsplit(url).scheme if proxy else "", mark).request(
                method,
                url,
                body=body,
                headers={"User-Agent": self.agent, **(headers or {})},
                preload_content=False,
                redirect=False,
            )
            received_ms, fault = self.clock.boot_ms(), f"the answer of {_show_place(url)} broke off"
            content, broke_off, has_rest = self._read_body(response, max_bytes, is_enough)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if response is not None:
                response.close()
            way = (
                f". It was asked through {proxy}: NO_PROXY={urlsplit(url).hostname} asks it "
                "directly"
                if proxy
                else ""
            )
            raise self.no_answer(f"{fault}: {explain_error(error, self.whose)}{way}") from error
        rest = Rest(response, _show_place(url), self)
        answer = Answer(
            response.status, response.headers, content, sent_ms, received_ms, proxy, broke_off
        )
        if has_rest and keeps_rest:
            return replace(answer, rest=rest)
        if broke_off:
            rest.close()
        response.release_conn()
        return answer

    def close_idle(self) -> None:
        """Close all idle connections: after an answer that cannot be ours, none of them is to be
        trusted."""
        with self._lock:
            self._connections = self._connections.replace()

    def _choose_pool(self, scheme: str, mark: bytes | None) -> urllib3.PoolManager:
        """Choose the pool of the requests through a scheme's proxy; "": of those without a proxy.

        A mark that the open connections know makes new connections.
        """
        with self._lock:
            if mark is not None:
                if mark in self._connections.marks or len(self._connections.marks) >= _MOST_MARKS:
                    self._connections = self._connections.replace()
                self._connections.marks.add(mark)
            return self._connections.pools[scheme]

    def _make_connections(self) -> _Connections:
        context = self.make_context()
        kinds: dict[str, Callable[..., urllib3.PoolManager]] = {"": urllib3.PoolManager}
        kinds |= {scheme: partial(self._make_proxy, scheme) for scheme in self.proxies}
        return _Connections(
            {scheme: partial(self._make_pool, kind, context) for scheme, kind in kinds.items()}
        )

    def make_context(self) -> ssl.SSLContext:
        """Make what verifies certificates. Raises `not_configured`."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ValueError) as error:
            raise self.not_configured(
                f"the certificates in {self.ca_file} cannot be read: {error}"
            ) from error
        # RFC 9525: the subject does not count if hosts are named
        context.hostname_checks_common_name = False
        return context

    def _read_change_ns(self) -> int | None:
        with suppress(OSError):
            return self.ca_file.stat().st_mtime_ns if self.ca_file else None
        return None

    def _make_pool(
        self, kind: Callable[..., urllib3.PoolManager], context: ssl.SSLContext
    ) -> urllib3.PoolManager:
        """Make a pool whose connections have our timeouts, certificates and bounds."""
        pool = kind(
            num_pools=8,
            maxsize=16,
            retries=False,
            ssl_context=context,
            server_hostname=self.tls_name,
            timeout=urllib3.Timeout(connect=self.timeouts.connect_s, read=self.timeouts.silence_s),
        )
        classes: dict[str, Any] = {
            "http": _make_bounded_pool(urllib3.HTTPConnectionPool, self.timeouts.whole_s),
            "https": partial(
                _make_bounded_pool(urllib3.HTTPSConnectionPool, self.timeouts.whole_s),
                assert_hostname=None if context.check_hostname else False,
            ),
        }
        pool.pool_classes_by_scheme = classes
        return pool

    def _make_proxy(self, scheme: str, **settings: Any) -> urllib3.ProxyManager:
        """Raise `not_configured` if that is no URL of an HTTP proxy."""
        url = _add_scheme(self.proxies[scheme])
        try:
            proxy = Address.read(url)
            user = f"{proxy.user}:{proxy.password}" if proxy.user else None
            headers = urllib3.make_headers(proxy_basic_auth=user)
            return urllib3.ProxyManager(proxy.url, proxy_headers=headers, **settings)
        except (urllib3.exceptions.HTTPError, ValueError):
            raise self.not_configured(
                f"{_name_variable(scheme)}: {redact_url(url)} is no URL of an HTTP proxy"
            ) from None

    def _find_proxy(self, url: str) -> str:
        """Return which variable names the proxy of a URL, and where that is; empty: the URL is
        asked directly."""
        parts = urlsplit(url)
        host, place = parts.hostname or "", parts.netloc.rpartition("@")[2]
        if parts.scheme not in self.proxies or is_of_this_machine(host) or proxy_bypass(place):
            return ""
        its = Address.read(_add_scheme(self.proxies[parts.scheme])).url
        return f"{_name_variable(parts.scheme)} ({its})"

    def _read_body(
        self, response: urllib3.BaseHTTPResponse, max_bytes: int, is_enough: IsEnough | None
    ) -> tuple[bytes, bool, bool]:
        """Return the body, whether more of it was announced and is not read, and whether that may
        still be read (`is_enough`).

        Raises ValueError.
        """
        deadline, body = time.monotonic() + self.timeouts.whole_s, bytearray()
        try:
            while part := response.read1(_READ_BYTES):
                body += part
                if is_enough is not None and is_enough(response.headers, body):
                    return bytes(body), True, True
                if len(body) > max_bytes:
                    raise ValueError(f"it has more than {max_bytes} bytes")
                if time.monotonic() > deadline:
                    raise ValueError(f"it was not whole after {self.timeouts.whole_s:g} s")
        except (urllib3.exceptions.ProtocolError, urllib3.exceptions.ReadTimeoutError):
            if is_enough is None or not body:
                raise
            return bytes(body), True, False
        return bytes(body), False, False


def is_of_this_machine(host: str) -> bool:
    """Tell whether a host is this machine, by its name or address alone (RFC 6761, 6.3; RFC 1122,
    3.2.1.3)."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower().rpartition(".")[2] == "localhost"


def _add_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _name_variable(scheme: str) -> str:
    """Name the variable of the environment that says the proxy of a scheme."""
    names = [
        name for first in (scheme, "all") for name in (f"{first}_proxy", f"{first.upper()}_PROXY")
    ]
    return next((name for name in names if os.environ.get(name)), names[1])


@contextmanager
def limit_time(line: socket.socket, whole_s: float) -> Iterator[None]:
    """Cut a connection off when the block takes longer. Raises ConnectionAbortedError then."""
    is_late = threading.Event()

    def cut() -> None:
        is_late.set()
        with suppress(OSError, AttributeError):
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(whole_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if is_late.is_set():  # what was read until then may look like a whole answer
            raise ConnectionAbortedError(
                f"the head of its answer was not whole after {whole_s:g} s"
            )


class _Bounded(HTTPConnection):
    """A connection whose answers' heads end in time: http.client waits for a head that goes on for
    ever."""

    whole_s = 0.0

    def getresponse(self) -> Any:
        with limit_time(self.sock, self.whole_s):
            return super().getresponse()


def _make_bounded_pool(
    pool: type[urllib3.HTTPConnectionPool], whole_s: float
) -> type[urllib3.HTTPConnectionPool]:
    """Make a kind of pool whose connections are `_Bounded`, with TLS or without."""
    connection = type("Connection", (_Bounded, pool.ConnectionCls), {"whole_s": whole_s})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


def _show_place(url: str) -> str:
    return redact_url(url).partition("?")[0]


def explain_error(error: BaseException, whose: tuple[str, str]) -> str:
    """Say what went wrong on the way, and what would be right."""
    while isinstance(error, urllib3.exceptions.ProxyError):
        error = error.original_error
    text = _OBJECT.sub("", redact_text(str(error))) or type(error).__name__
    hint = find_hint(text)
    return f"{text[:300]}{hint.format(whose=whose[0], hint=whose[1])}"


def find_hint(text: str) -> str:
    """Return what would be right, if no repeat can help; "" else."""
    return next((hint for fault, hint in _TLS_FAULTS.items() if fault in text), "")
