"""Safe requests to URLs of others: SafeFetcher fetches a picture, SafePostman posts a message to a
hook.

A stranger chose the URL of a picture: it gives the stranger no way into our network.

A name is resolved once, and all its addresses are checked. The connection is made to a checked
address, not to the name. A redirect is a new URL, for which all of this is done again. See
docs/decisions/0008.

Posts to a URL that a tenant chose are made safe by the same means (docs/decisions/0014).
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from functools import partial
from http.client import HTTPException, HTTPResponse, IncompleteRead
from ipaddress import IPv4Network, IPv6Network
from threading import BoundedSemaphore
from typing import Any

from chalicelib.domain.errors import InvalidInput, Unusable
from chalicelib.http_client.connection import (
    MAX_HEAD_BYTES,
    Connector,
    Deadline,
    Dial,
    Exchange,
    Resolver,
    dial,
    resolve,
)
from chalicelib.http_client.url import Address, Target, is_public, parse_redirect, parse_url
from chalicelib.slots import hold_slot
from chalicelib.storage.ports import Answered, ComeBackLater, TooMany
from chalicelib.storage.values import parse_retry_after_s

IMAGE_TYPES = frozenset({"image/jpeg", "image/jpg", "image/png", "image/bmp", "image/x-ms-bmp"})
"""Accepted Content-Types. image/jpg and image/x-ms-bmp are not registered, but many hosts send
them."""
_REDIRECTS = (301, 302, 303, 307, 308)
_OK = 200
_PART_BYTES = 64 * 1024
"""Bytes that are read at once."""
_MEDIA_TYPE = re.compile(r"\s*([a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40})\s*(?:;.*)?", re.DOTALL)
_HEADERS = {"Accept": "image/jpeg, image/png, image/bmp"}


def _ask_for_picture(exchange: Exchange, target: Target, max_bytes: int) -> bytes | Target:
    """Ask for the picture and read it, or return the place that the host names.

    Raises Unusable for any answer but a picture within the limits, TimeoutError, OSError if the
    connection breaks, and HTTPException. Messages of Unusable repeat nothing of an answer but its
    status and media type.
    """
    with exchange.send_request("GET", _HEADERS) as response:
        if response.status in _REDIRECTS:
            return _read_location(target, response)
        _require_picture_head(response)
        # Chunks add framing. A host whose framing is larger than the picture means to waste our
        # time.
        exchange.allowed_bytes = 2 * max_bytes + MAX_HEAD_BYTES
        return _read_body(response, max_bytes)


def _read_location(target: Target, response: HTTPResponse) -> Target:
    location = response.getheader("Location")
    if not location:
        raise Unusable("the URL redirects to nowhere: send that of the picture itself")
    return parse_redirect(target, location)


def _require_picture_head(response: HTTPResponse) -> None:
    """Raise Unusable unless an answer's head says that a picture follows, uncompressed, and of one
    length if of any."""
    if response.status != _OK:
        raise Unusable(
            f"the URL's host answered with status {response.status}, not 200: send a URL that is "
            "public"
        )
    if (response.getheader("Content-Encoding") or "identity").strip().lower() != "identity":
        raise Unusable(
            "the URL's host sent the picture compressed: send a URL that answers as "
            "Accept-Encoding asks"
        )
    if (response.getheader("Transfer-Encoding") or "chunked").strip().lower() != "chunked":
        raise Unusable(
            "the URL's host sent the picture in a transfer encoding other than chunked: use "
            "another host"
        )
    lengths = set(response.headers.get_all("Content-Length", []))
    if len(lengths) > 1 or not all(re.fullmatch(r"[0-9]{1,18}", length) for length in lengths):
        raise Unusable(
            "the URL's host did not say in one number how long the picture is: use another host"
        )
    media_type = _MEDIA_TYPE.fullmatch((response.getheader("Content-Type") or "").lower())
    if media_type is None or media_type[1] not in IMAGE_TYPES:
        type_name = media_type[1] if media_type else "none"
        raise Unusable(
            f"the answer's media type is {type_name}: send the URL of a picture that has "
            "image/jpeg, image/png or "
            "image/bmp"
        )


def _read_body(response: HTTPResponse, max_bytes: int) -> bytes:
    """Read an answer's body of at most `max_bytes`.

    Raises Unusable if there is more, also before all is read; IncompleteRead if the connection ends
    before the length that was announced.
    """
    expected = response.length  # None: chunked, or until the connection ends
    too_large = Unusable(
        f"the URL's picture has more than {max_bytes} bytes: send that of a smaller picture"
    )
    if expected is not None and expected > max_bytes:
        raise too_large
    body = bytearray()
    while part := response.read(min(_PART_BYTES, max_bytes + 1 - len(body))):
        body += part
        if len(body) > max_bytes:
            raise too_large
    if expected is not None and len(body) < expected:
        raise IncompleteRead(bytes(body))
    return bytes(body)


MAX_BYTES = 2 * 1024 * 1024
"""Bytes of a picture that is fetched from a URL: the camera's contract takes 2 MB."""
LIMIT_S = 5.0
"""Time in s within which a picture has to be fetched, redirects and all: the caller waits for
it."""
MAX_REDIRECTS = 3
"""Redirects that a fetch follows: http to https, then to a host of files."""
AT_ONCE = 16
"""Fetches that one process makes at a time."""
OF_TENANT = 4
"""Fetches at a time of one tenant, so that slow hosts of one leave slots to others."""


class SafeFetcher:
    """The PictureFetcher port.

    At most `at_once` fetches run at a time, `of_tenant` of them for one tenant; another one raises
    Busy without waiting.

    `limit_s` bounds a whole fetch, including lookups, connections, handshakes and redirects.
    """

    def __init__(
        self,
        resolver: Resolver = resolve,
        dial: Dial = dial,
        *,
        tls: ssl.SSLContext | None = None,
        limit_s: float = LIMIT_S,
        max_bytes: int = MAX_BYTES,
        at_once: int = AT_ONCE,
        of_tenant: int = OF_TENANT,
    ) -> None:
        """Keep the limits; the defaults are those of the service."""
        self._connector = Connector(resolver, dial, tls=tls, at_once=at_once)
        self._of_tenant = of_tenant
        self._tenant_slots: dict[str, BoundedSemaphore] = {}
        self._limit_s = limit_s
        self._max_bytes = max_bytes

    def fetch(self, url: str, tenant: str) -> bytes:
        """Fetch the picture's bytes: not empty, at most `max_bytes`.

        Only the declared media type is checked.

        Raises Unusable, which says what was wrong with the URL or the answer, and Busy.
        """
        target = parse_url(url)
        try:
            with self._hold_tenant_slot(tenant), self._connector.hold_slot():
                return self._follow_redirects(target, Deadline(self._limit_s))
        except TimeoutError as error:
            raise Unusable(
                f"the picture was not there within {self._limit_s:g} s: use a faster host, or send "
                "the picture itself"
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise Unusable(
                "the certificate of the URL's host is not valid: use a host whose certificate is "
                "valid for its name"
            ) from error
        except IncompleteRead:
            raise Unusable(
                "the URL's host ended the answer before the picture was complete: try again, or "
                "use another host"
            ) from None
        except HTTPException:  # its message quotes the answer
            raise Unusable(
                "the URL's host did not answer in HTTP/1.1: send the URL of a picture on a web "
                "server"
            ) from None
        except OSError as error:
            raise Unusable(
                "the connection to the URL's host broke off: try again, or use another host"
            ) from error

    def _hold_tenant_slot(self, tenant: str) -> AbstractContextManager[None]:
        slots = self._tenant_slots.setdefault(tenant, BoundedSemaphore(self._of_tenant))  # one step
        return hold_slot(
            slots,
            f"{self._of_tenant} pictures are being fetched for this tenant: try again in a moment",
        )

    def _follow_redirects(self, target: Target, deadline: Deadline) -> bytes:
        for _ in range(1 + MAX_REDIRECTS):
            with closing(self._connector.open_connection(target, deadline)) as sock:
                answer = _ask_for_picture(Exchange(sock, target, deadline), target, self._max_bytes)
            if not answer:
                raise Unusable("the URL's picture is empty: send the URL of a JPG, PNG or BMP file")
            if isinstance(answer, bytes):
                return answer
            target = answer
        raise Unusable(
            f"the URL redirects more than {MAX_REDIRECTS} times: send that of the picture itself"
        )


_TOO_MANY, _SERVER_ERROR = 429, 500
"""Statuses whose Retry-After is heard: this one, and from this one on (RFC 6585, 4; RFC 9110,
15.6)."""
_REASON = re.compile("[A-Za-z][A-Za-z0-9 _.,:'-]{0,99}")
_CODE = re.compile("[a-z]+(_[a-z]+)+")
"""A reason that is the whole answer: a code of Slack's."""
_REASONS = ("reason", "description", "errmsg", "message", "error")
"""Members of an answer in JSON that name a reason, as Apple, Telegram, Tencent, Discord and ntfy
call them."""
_OF_WNS = "X-WNS-Error-Description"
"""Header in which Microsoft's push service names a reason."""
_TEAMS_FAILED = b"Webhook message delivery failed"
"""Beginning of what Teams' connectors answer by 200 about a message that they did not take."""
POST_LIMIT_S = 10.0
"""How long a hook may take to answer, in s. Then the delivery counts as failed and is tried again
(book/webhooks)."""
_DRAINED_BYTES = 64 * 1024
"""Bytes of an answer that are read though nobody wants them: some receivers stop if nobody does."""
_DRAIN_S = 1.0
"""How long they are read, in s."""
_HINT = (
    "use one that is, or let the operator name its network in the setting REGULARS_HOOK_NETWORKS"
)

Network = IPv4Network | IPv6Network


class SafePostman:
    """The Postman port. It reaches public addresses and `networks`. `limit_s` bounds a whole call.

    At most `at_once` calls run at a time; another one raises Busy without waiting.
    """

    def __init__(
        self,
        resolver: Resolver = resolve,
        dial: Dial = dial,
        *,
        networks: Sequence[Network] = (),
        tls: ssl.SSLContext | None = None,
        limit_s: float = POST_LIMIT_S,
        at_once: int = 32,
    ) -> None:
        """Begin without a connection.

        `networks`: addresses that may be called though they are not public, such as 192.168.1.0/24.
        `resolver`: finds the addresses of a name; `dial`: opens a connection; `tls`: None for the
        system's certificates.
        """
        self._allowed = partial(_is_allowed, tuple(networks))
        self._connector = Connector(
            resolver, dial, tls=tls, at_once=at_once, allowed=self._allowed, hint=_HINT
        )
        self._limit_s = limit_s

    def require_url(self, url: str) -> None:
        """Raise InvalidInput for a URL that is never posted to.

        A host name is not looked up: it need not exist before the first post.
        """
        self._read_target(url)

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], method: str = "POST"
    ) -> Answered:
        """Post the body and return what was answered.

        No redirect is followed: its status is returned.

        Raises InvalidInput, Unusable and Busy, as the port says.
        """
        target = self._read_target(url)
        try:
            with self._connector.hold_slot():
                deadline = Deadline(self._limit_s)
                with closing(self._connector.open_connection(target, deadline)) as sock:
                    return _post_body(Exchange(sock, target, deadline), method, body, headers)
        except TimeoutError as error:
            raise Unusable(
                f"no answer within {self._limit_s:g} s: answer first and work afterwards"
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise Unusable(
                "the receiver's certificate is not valid: get one for the name in the URL"
            ) from error
        except HTTPException:  # its message quotes the answer
            raise Unusable(
                "the receiver did not answer in HTTP/1.1: give the URL of a web server"
            ) from None
        except OSError as error:
            raise Unusable(
                "the connection broke off before the answer's head was complete: see why it did"
            ) from error

    def _read_target(self, url: str) -> Target:
        try:
            target = parse_url(url, user_ports=True)
        except Unusable as error:
            raise InvalidInput(str(error), field="url") from error
        if target.address is not None and not self._allowed(target.address):
            raise InvalidInput(f"the URL's address is not public: {_HINT}", field="url")
        return target


def _is_allowed(networks: Sequence[Network], address: Address) -> bool:
    """Return whether hooks may reach the address.

    An address with a zone (`%eth0`) belongs to an interface of this machine, so no network of the
    operator's covers it.
    """
    if getattr(address, "scope_id", None) is not None:
        return False
    return is_public(address) or any(address in network for network in networks)


def _post_body(
    exchange: Exchange, method: str, body: bytes, headers: Mapping[str, str]
) -> Answered:
    """Post and return what was answered.

    Read on for a moment: some receivers stop when nobody listens any more.
    """
    answer_body = b""
    with exchange.send_request(method, headers, body) as response:
        exchange.allowed_bytes = MAX_HEAD_BYTES + _DRAINED_BYTES
        exchange.deadline.shorten(_DRAIN_S)
        with suppress(OSError, HTTPException, Unusable):  # the status is known by now
            answer_body = response.read(_DRAINED_BYTES)
        _require_no_wait(response)
        reason = parse_reason(answer_body) or _limit_reason(response.getheader(_OF_WNS))
        return Answered(response.status, reason, says_no(answer_body))


def parse_reason(body: bytes) -> str:
    """Read the reason that an answer names: in JSON, or as its whole text.

    A tenant may read it, so nothing longer or of other signs is taken over.
    """
    said = _parse_json(body)
    if said is None:
        text = body.decode("ascii", "replace").strip()
        return _limit_reason(text) if _CODE.fullmatch(text) else ""
    errors = said.get("errors")  # a list is Pushover's
    texts = [said.get(name) for name in _REASONS] + (errors if isinstance(errors, list) else [])
    reason = next(filter(None, map(_limit_reason, texts)), "")
    parameters = said.get("parameters")
    moved = parameters.get("migrate_to_chat_id") if isinstance(parameters, dict) else None
    if type(moved) is not int:
        return reason
    return _limit_reason(f"{reason}: {moved}") or reason  # where Telegram's chat is


def says_no(body: bytes) -> bool:
    """Tell whether an answer says that it has taken nothing, as those of Slack, Tencent and Teams
    may though their status is 200."""
    said = _parse_json(body) or {}
    is_refused = said.get("ok") is False or said.get("errcode", 0) not in (0, "0", "", None)
    return is_refused or body.startswith(_TEAMS_FAILED)


def _limit_reason(text: object) -> str:
    return text if isinstance(text, str) and _REASON.fullmatch(text) else ""


def _parse_json(body: bytes) -> dict[str, Any] | None:
    """Read an object in JSON; None: it is none."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _require_no_wait(response: HTTPResponse) -> None:
    """Raise ComeBackLater if the receiver is too busy, or not there, and says until when."""
    if response.status != _TOO_MANY and response.status < _SERVER_ERROR:
        return
    sent = response.getheader("Retry-After") or ""
    again_in_s = parse_retry_after_s(sent, response.getheader("Date") or "")
    if again_in_s is not None:
        kind = TooMany if response.status == _TOO_MANY else ComeBackLater
        raise kind(
            f"the receiver answered {response.status}: again in {again_in_s:.0f} s", again_in_s
        )
