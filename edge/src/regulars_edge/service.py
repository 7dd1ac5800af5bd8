"""The service, as its HTTP contract says: offers, presigned PUTs, cameras, heartbeats."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from urllib3 import HTTPHeaderDict

from regulars_edge.clock import ServiceTime
from regulars_edge.errors import (
    Busy,
    Damaged,
    NotAllowed,
    Refused,
    ServiceError,
    Unreachable,
)
from regulars_edge.http import Answer, Http
from regulars_edge.picture import Content, format_minute, format_rfc3339, parse_rfc3339
from regulars_edge.spool.model import DueMinutes, Entry, Film, Minute, name_shop

log = logging.getLogger(__name__)

MAX_OFFERED = 100
"""Captures that one call may offer."""

BOOK_HEADER = "X-Regulars-Book"
"""Says whose book answers, and in which life; of a request: whose is meant, else it is refused (412
OtherBook)."""

_LATER = {408, 409, 425, 429}
_OPERATOR = {401, 403, 404}
_WRONG_BYTES = {"BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest"}
_TRY_AGAIN = {
    *("RequestTimeout", "IncompleteBody", "SlowDown", "RequestTimeTooSkewed", "OperationAborted"),
    *("ExpiredToken", "InvalidToken", "TokenRefreshRequired"),
}
"""Codes that S3 puts under a 400 and that are no verdict on the picture: the next address may
work."""
_DIGEST = "x-amz-checksum-sha256"
_XML_CODE = re.compile(r"<Code>(\w+)</Code>")
_XML_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Offer:
    """The service's answer to a capture; `url` is None if it is there already."""

    id: str
    state: str
    method: str
    url: str | None
    headers: HTTPHeaderDict
    life: str = ""
    """Of the book that answered; empty: it named none."""


@dataclass(frozen=True)
class HeartbeatAnswer:
    """The answer to a heartbeat."""

    settings: Mapping[str, Any]
    """Those that the service has for this program, by name; none: those of the file count."""
    is_still_asked: bool
    """Whether somebody asks for a still."""
    faceless_share: float
    """Part of the last pictures that showed no face, 0..1."""
    view_right_at: str | None = None
    """When a person said last that what the camera shows is right; None: nobody has."""
    is_view_due: bool = False
    """Whether the view of this morning is missing."""
    counting: Mapping[str, Any] | None = None
    """Wishes to a box that counts."""


FEEDS_FOR_MS = 20 * 60_000
"""A box that was not heard for so long feeds its camera no more; the service notes heartbeats every
seven minutes."""


@dataclass(frozen=True)
class Box:
    """This machine, as its heartbeats name it. `id`: random; `name`: not unique, as hosts are."""

    id: str
    name: str


def explain_other_box(camera: Mapping[str, Any], box: Box, now_ms: int) -> str | None:
    """Say that another box feeds a camera, as the service describes it; None: none does.

    A box with the other's name takes its place when that has been silent for FEEDS_FOR_MS: its card
    may be new.
    """
    health = camera.get("health") or {}
    status = health.get("status") or {}
    other_id, other_name = status.get("box"), status.get("box_name")
    if not isinstance(other_id, str) or other_id == box.id:
        return None
    texts = (camera.get("last_seen_at"), health.get("failing_at"))
    heard_ms = max((parse_rfc3339(text) for text in texts if isinstance(text, str)), default=0)
    if other_name in (None, box.name):
        if now_ms - heard_ms > FEEDS_FOR_MS:
            return None
        place = f"if this box takes its place, it does so {FEEDS_FOR_MS // 60_000} minutes later"
    else:
        place = f'if this box takes its place, write box = "{other_name}" into [server]'
    return (
        f"the camera {camera.get('name')!r} is another box's, {other_name or other_id}, which was "
        f"heard {max(0, now_ms - heard_ms) // 60_000} minutes ago: give this one another name in "
        f"edge.toml; {place}"
    )


@dataclass(eq=False)
class Service:
    """The service, with the key of a tenant, or of one camera; `key` may raise NotAllowed, which
    every call then does.

    Without `tenant_key` a tenant's key is NotAllowed, too: a box can be carried away, and the key
    with it. If it `makes_cameras`, one that is not there is made, and is silent `silent_after_s`
    after its last sign; None: never.
    """

    http: Http
    url: str
    key: Callable[[], str]
    time: ServiceTime
    _: KW_ONLY
    tenant_key: bool = True
    makes_cameras: bool = False
    silent_after_s: int | None = None
    box: Box | None = None
    """By a tenant's key, the box that feeds the camera, and no other's; None: anybody may send."""
    hear_answer: Callable[[str, Answer], object] | None = field(default=None, init=False)
    """Hears each of the service's answers, and the key that was sent."""
    _cameras_key: str = field(default="", init=False, repr=False)
    """The key that was seen to be no tenant's."""
    _ours_by: str = field(default="", init=False, repr=False)
    """The key by which the camera was seen to be no other box's."""

    def offer_pictures(self, entries: Sequence[Entry]) -> list[Offer]:
        """Ask the pictures' shop for one offer for each of them, in order.

        Raises Refused (with the index, if the service names one), NotAllowed, Busy, Unreachable.
        """
        rows = [
            {
                "camera": entry.camera,
                "sha256": entry.content.sha256.hex(),
                "size": entry.content.size,
                "content_type": entry.content.content_type,
                "captured_at": format_rfc3339(entry.captured_at_ms),
                **({"track": entry.track} if entry.track else {}),
            }
            for entry in entries
        ]
        if self.box is not None and self.tenant_key and self.key() != self._ours_by:
            self.find_camera_id(entries[0].camera)
        ask = partial(
            self._call,
            "POST",
            "/v1/captures/uploads",
            {"captures": rows},
            shop=entries[0].shop,
            # an offer names only a picture's bytes, and two cameras' pictures may have the same
            mark=b"offer" + b"".join(entry.content.sha256 for entry in entries),
        )
        offers = self._read_offers(self._ask_or_make(entries[0].camera, ask))
        if len(offers) != len(entries) or len({offer.id for offer in offers}) != len(offers):
            raise self._distrust_answer("it answered for other captures than it was asked for")
        for entry, offer in zip(entries, offers, strict=True):
            digest = _encode_digest(entry.content)
            if offer.url is not None and offer.headers.get(_DIGEST, digest) != digest:
                raise self._distrust_answer("it gave an address for another picture")
        return offers

    def put_picture(self, offer: Offer, body: Iterable[bytes], content: Content) -> bool:
        """Send the picture's bytes; return whether the store took them now: if not, something is
        there already.

        The store's answer has to name the digest of the bytes, as S3's does. An answer without the
        digest may belong to another request, on a connection that a proxy mixed up. If the same
        bytes are sent a second time, they go over another connection. Raises Damaged, Refused,
        Busy, Unreachable.
        """
        if offer.url is None:
            return False
        offer.headers.setdefault("Content-Length", str(content.size))
        answer = self.http.exchange(
            offer.method, offer.url, offer.headers, body, mark=content.sha256
        )
        if answer.status == 412:
            return False
        if answer.status in (200, 201, 204):
            if answer.headers.get(_DIGEST) == _encode_digest(content):
                return True
            self.http.close_idle()
            raise Busy(
                f"the store's answer does not name the picture by {_DIGEST}: the service is asked "
                "for it"
            )
        (code, *_), error = _parse_fault(answer), self._make_error(answer, "the store")
        # a new address, which the next offer has, may work
        if answer.status in _OPERATOR or code in _TRY_AGAIN:
            raise Busy(str(error), _parse_retry_after_s(answer))
        raise Damaged(str(error)) if code in _WRONG_BYTES else error

    def send_heartbeat(
        self, camera: str, status: Mapping[str, object], *, working: bool = True
    ) -> HeartbeatAnswer:
        """Report how a camera is; one that is not `working` is to fall silent.

        Raises NotAllowed, Busy, Unreachable, Refused.
        """
        body = {"status": dict(status), "working": working}
        answer = self._call("POST", f"/v1/cameras/{quote(camera, safe='')}/heartbeat", body)
        fields = self._read_object(answer)
        settings, faceless = fields.get("edge"), fields.get("faceless_share")
        right_at, counting = fields.get("view_right_at"), fields.get("counting")
        return HeartbeatAnswer(
            settings if isinstance(settings, dict) else {},
            fields.get("still_asked_at") is not None,
            faceless if isinstance(faceless, float | int) else 0.0,
            right_at if isinstance(right_at, str) else None,
            fields.get("view_due") is True,
            counting if isinstance(counting, dict) else None,
        )

    def give_still(self, camera: str, picture: bytes, shop: str = "") -> None:
        """Send the still that the shop requested.

        Raises NotAllowed, Busy, Unreachable, Refused.
        """
        self._give_picture(camera, "still", picture, shop)

    def give_view(self, camera: str, picture: bytes, shop: str = "") -> None:
        """Send the view of this morning, which the shop misses. Raises as `give_still` does."""
        self._give_picture(camera, "view", picture, shop)

    def _give_picture(self, camera: str, kind: str, picture: bytes, shop: str) -> None:
        body = {"picture": base64.b64encode(picture).decode("ascii")}
        path = f"/v1/cameras/{quote(camera, safe='')}/{kind}"
        self._call("PUT", path, body, 200, 204, 409, shop=shop)

    def send_counts(self, camera: str, due: DueMinutes) -> str:
        """Tell how many people crossed the camera's line, to the shop that the minutes are for;
        return the life of its book.

        Minutes without numbers say why, and who crossed for sure. Raises NotAllowed, Busy,
        Unreachable, Refused.
        """
        rows = [
            {
                "at": format_minute(minute.at_ms),
                "seconds": minute.seconds,
                "in": minute.came_in,
                "out": minute.went_out,
                "faces": minute.faces,
                **(_describe_doubt(minute) if minute.doubt else {}),
            }
            for minute in due.minutes
        ]
        path = f"/v1/cameras/{quote(camera, safe='')}/counts"
        # the answers to two such requests may be the same
        answer = self._call("PUT", path, {"minutes": rows}, shop=due.shop, mark=b"counts")
        if self._read_object(answer).get("stored") != len(rows):
            raise self._distrust_answer("it answered for other minutes than it was told")
        return (answer.headers.get(BOOK_HEADER) or "").partition(".")[2]

    def send_film(self, camera: str, film: Film, shop: str) -> bool:
        """Send a film without people to the shop in whose time it was kept; return whether it was
        taken: not if nobody there wants one any more (409).

        Raises NotAllowed, Busy, Unreachable, Refused.
        """
        path = f"/v1/cameras/{quote(camera, safe='')}/film"
        mark = b"film" + str(film.at_ms).encode()
        put = partial(self._call, "PUT", path, json.loads(film.body), shop=shop)
        return self.try_twice(lambda: put(204, 409, mark=mark)).status == 204

    def try_twice(self, call: Callable[[], _T]) -> _T:
        """Return what a call gives. A refusal counts only if a second try, over a new connection,
        is refused, too: the first one may have been meant for another request.

        Raises as the call does.
        """
        with suppress(Refused):
            return call()
        self.http.close_idle()
        return call()

    def ask_book(self, camera: str) -> None:
        """Ask something small: the answer says whose book it is.

        Raises NotAllowed, Busy, Unreachable, Refused.
        """
        self._require_time(
            self._call("GET", f"/v1/cameras/{quote(camera, safe='')}", None, 200, 403, 404)
        )

    def ask_time(self, camera: str) -> None:
        """Ask for the service's time: any answer carries it, even a refusal.

        Raises Unreachable if none comes.
        """
        self._require_time(self._send_request("GET", f"/v1/cameras/{quote(camera, safe='')}", None))

    def _require_time(self, answer: Answer) -> None:
        """Raise Unreachable for an answer that is not the service's."""
        if _parse_time_ms(answer) is None:
            raise Unreachable(
                f"{self.url} answered {answer.status} without X-Regulars-Time: is it Regulars?"
            )

    def find_camera_id(self, camera: str) -> str:
        """Find the id of the camera with this id or name. A camera's own key can only ask by id.

        Raises NotAllowed (CameraNotFound among them, a camera of another box, a name that several
        cameras have), Busy, Unreachable, Refused.
        """
        return self._ask_or_make(camera, partial(self._ask_camera_id, camera))

    def _ask_camera_id(self, camera: str) -> str:
        path = f"/v1/cameras/{quote(camera, safe='')}"
        answer = self._call("GET", path, None, 200, 404)
        if answer.status == 200:
            row = self._read_object(answer)
        else:
            rows = self._read_object(self._call("GET", "/v1/cameras", None)).get("cameras")
            named = [
                row
                for row in (rows if isinstance(rows, list) else [])
                if isinstance(row, dict) and row.get("name") == camera
            ]
            if not named:
                raise self._make_error(answer)
            if len(named) > 1:
                ids = ", ".join(str(row.get("id")) for row in named)
                raise NotAllowed(
                    f"{len(named)} cameras are called {camera!r}: name one in edge.toml by its id, "
                    f"{ids}",
                    "CameraAmbiguous",
                )
            row = named[0]
        self._require_ours(row)
        return str(row.get("id"))

    def _require_ours(self, camera: Mapping[str, Any]) -> None:
        """Raise NotAllowed if another box feeds this camera, and the key is no camera's own."""
        if self.box is None or not self.tenant_key:
            return
        key, why = self.key(), explain_other_box(camera, self.box, self.time.best_ms())
        if why and self._send_request("GET", "/v1/cameras", None).status == 200:
            path = f"/v1/cameras/{quote(str(camera.get('id')), safe='')}/heartbeat"
            status = {"box": self.box.id, "box_name": self.box.name}
            with suppress(ServiceError):  # an older service does not know the word
                self._call("POST", path, {"status": status, "refused": True})
            raise NotAllowed(why, "CameraOfOtherBox")
        self._ours_by = key

    def _ask_or_make(self, camera: str, ask: Callable[[], _T]) -> _T:
        """Call `ask`; if the camera is not there and may be made, make it and ask again.

        409: somebody else has made it meanwhile, which will do.
        """
        try:
            return ask()
        except NotAllowed as error:
            if not (self.makes_cameras and error.code == "CameraNotFound"):
                raise
        self._call(
            "POST",
            "/v1/cameras",
            {"name": camera, "silent_after_s": self.silent_after_s},
            200,
            201,
            409,
        )
        log.info("%s: the camera was not there and has been made", camera)
        return ask()

    def use_code(self, code: str) -> tuple[str, str]:
        """Use a code up: return its camera's id and key.

        Raises NotAllowed, Busy, Unreachable, Refused.
        """
        camera = self._read_object(self._call("POST", "/v1/claims", {"code": code}, 201))
        return str(camera.get("id")), str(camera.get("api_key"))

    def _call(
        self,
        method: str,
        path: str,
        body: object,
        *good: int,
        shop: str = "",
        mark: bytes | None = None,
    ) -> Answer:
        """Return the answer if its status is one of `good` (200 if none is given).

        Raises what another one means.

        `shop`: whom the request is for; empty: for the key's, whichever that is. `mark`: as
        `Http.exchange` takes it.
        """
        if not self.tenant_key and (key := self.key()) != self._cameras_key:
            # which only a tenant's key may ask
            answer = self._send_request("GET", "/v1/cameras", None)
            if answer.status == 200:
                raise NotAllowed(
                    "this is the tenant's key, and a box can be carried away: give it the camera's "
                    "own key, or write "
                    "tenant_key = true into [server]"
                )
            self._cameras_key = key if answer.status == 403 else ""
        answer = self._send_request(method, path, body, shop, mark=mark)
        if answer.status not in (good or (200,)):
            raise self._make_error(answer)
        return answer

    def _send_request(
        self, method: str, path: str, body: object, shop: str = "", *, mark: bytes | None = None
    ) -> Answer:
        """Send a request with the key; return the answer, whatever its status, and learn the
        service's time by it.

        `shop`: whom the request is for; "": for the key's shop. A name with `~` at its begin is of
        a key whose shop was not known. Raises Busy if the key is another one by now, Unreachable.
        """
        headers = {"Accept": "application/json"}
        if key := self.key():
            headers["Authorization"] = f"Bearer {key}"
        if shop and not shop.startswith("~"):
            headers[BOOK_HEADER] = shop
        elif shop not in ("", name_shop(self.url, key), name_shop(self.url)):
            raise Busy("the key is another one now: the service is asked whose it is")
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body, separators=(",", ":")).encode()
        answer = self.http.exchange(method, self.url + path, headers, data, mark=mark)
        service_ms = _parse_time_ms(answer)
        if service_ms is not None:
            self.time.take_sample(service_ms, answer.sent_boot_ms, answer.received_boot_ms)
            if self.hear_answer is not None:
                self.hear_answer(key, answer)
        return answer

    def _read_offers(self, answer: Answer) -> list[Offer]:
        """Read the offers of an answer. Raises Unreachable if it is no list of them."""
        try:
            return [
                Offer(
                    id=str(row["id"]),
                    state=str(row["state"]),
                    method=str(row.get("method") or "PUT"),
                    url=row["url"] if row.get("url") else None,
                    headers=HTTPHeaderDict(
                        {
                            str(name): str(value)
                            for name, value in (row.get("headers") or {}).items()
                        }
                    ),
                    life=(answer.headers.get(BOOK_HEADER) or "").partition(".")[2],
                )
                for row in self._read_object(answer)["uploads"]
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise self._distrust_answer(
                "it answered something that is no list of uploads"
            ) from error

    def _read_object(self, answer: Answer) -> Mapping[str, Any]:
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise self._distrust_answer("it answered something that is no JSON") from error
        if not isinstance(found, dict):
            raise self._distrust_answer("it answered something that is no object")
        return found

    def _distrust_answer(self, what: str) -> Unreachable:
        """Close all connections after an answer that cannot be this request's, and return the error
        to raise."""
        self.http.close_idle()
        return Unreachable(f"{self.url} is not understood: {what}")

    def _make_error(self, answer: Answer, who: str = "") -> Exception:
        """Make the error that says what a refusal means for the caller; `who` answered it, if not
        the service."""
        code, why, index = _parse_fault(answer)
        way = (
            f", through {answer.proxy}, which may have said it" if answer.proxy and not code else ""
        )
        text = f"{who or self.url} answered {answer.status} ({why}{way})"
        if answer.status in _LATER or answer.status >= 500 or code == "OtherBook":
            return Busy(text, _parse_retry_after_s(answer))
        if answer.status in _OPERATOR:
            return NotAllowed(text, code)
        if 400 <= answer.status < 500 and code:  # which no proxy gives
            return Refused(text, index)
        return Unreachable(f"{text}: is this the service's own answer, or a proxy's?")


def _describe_doubt(minute: Minute) -> dict[str, object]:
    return {"why": minute.doubt, "sure_in": minute.sure_in, "sure_out": minute.sure_out}


def _encode_digest(content: Content) -> str:
    """Write a digest as S3's headers do."""
    return base64.b64encode(content.sha256).decode()


def _parse_fault(answer: Answer) -> tuple[str, str, int | None]:
    """Return an error's code, its text, and the index of the capture that is meant: of v1's JSON or
    of S3's XML."""
    text, index = answer.body[:10_000].decode("utf-8", "replace"), None
    try:
        problem = json.loads(text)
        code = str(problem["code"] or "")
        message = str(problem.get("detail") or "")
        index = problem.get("index")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        code, message = (
            found[1] if (found := part.search(text)) else "" for part in (_XML_CODE, _XML_MESSAGE)
        )
    said = ": ".join(filter(None, (code, message))) or "no reason given"
    return code, said, index if isinstance(index, int) else None


def _parse_time_ms(answer: Answer) -> int | None:
    text = answer.headers.get("X-Regulars-Time")
    return int(text) if text and re.fullmatch("[0-9]{1,15}", text) else None


def _parse_retry_after_s(answer: Answer) -> float | None:
    """Seconds, or a date, which counts from the answer's own date and not from this machine's."""
    text = answer.headers.get("Retry-After")
    if not text:
        return None
    if text.strip().isdecimal():
        return float(text.strip())
    try:
        now = parsedate_to_datetime(answer.headers.get("Date") or "")
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
