"""A stand-in for the service: the HTTP contract of captures and cameras, in memory, checked as
strictly as the store's.

It is not the service; the same tests run against `regulars serve` (rig/real.py). What it is good
for: it starts in a millisecond, its clock can be set, and it tells what it was sent.
"""

import base64
import hashlib
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rig.pictures import without_views
from rig.server import Handler, Served

KEY = "tenant-key-1"
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass
class Stored:
    id: str
    camera: str
    sha256: str
    size: int
    content_type: str
    captured_at: str
    body: bytes | None = None
    puts: int = 0


class Fault(Exception):
    def __init__(
        self, status: int, code: str, message: str = "", index: int | None = None, **headers: str
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.index = index
        self.headers = headers


@dataclass
class SpoolDatabase:
    """What outlives a restart of the stand-in."""

    cameras: dict[str, dict[str, Any]] = field(default_factory=dict)
    captures: dict[str, Stored] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    heartbeats: list[tuple[str, Any]] = field(default_factory=list)
    views: list[bytes] = field(default_factory=list)
    """Of mornings."""
    counts: dict[str, dict[str, dict[str, int | None]]] = field(default_factory=dict)
    """By camera and minute, as the service keeps them."""
    count_bodies: list[bytes] = field(default_factory=list)
    films: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Without people, by camera and minute."""
    lock: threading.RLock = field(default_factory=threading.RLock)


class StandIn(Served):
    """Serves on a free port until `stop`, by the clock `now_ms`."""

    def __init__(self, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self.books = SpoolDatabase()
        self.now_ms = now_ms
        self.url_good_s = 900.0
        self.refuse_sha256: dict[str, str] = {}
        self.lists_late_s = 0.0
        self.fails_sha256: set[str] = set()
        self.swallow_puts = 0
        self.busy_for = 0
        self.is_down = False
        self.on_answer: Callable[[], object] = int
        self.on_put: Callable[[str], object] = id
        self.on_stored: Callable[[str], object] = id
        """Called with a picture's id before and after it is stored."""
        self.offered: list[str] = []
        """Digests, in the order in which they were offered."""
        self.tracks: dict[str, str] = {}
        """By the digests of the pictures that were offered with one."""
        self.key = KEY
        self.book: str | None = f"{secrets.token_hex(8)}.0"
        """Its id and its life; None: as an older version, which names no book."""
        self.finds_names = True
        """Whether a path may have a camera's name in place of its id, which the service
        itself takes in captures alone."""
        self.knows_counts = True
        """Whether it takes minutes of counts, as older versions do not."""
        self.counting: dict[str, bool] = {"film_wanted": False}
        """What a box that counts may tell; None: as an older version, which does not say it."""
        self.refuses_films = 0
        """The status with which it refuses them; 0: it takes them."""
        self.films_asked = 0
        """How often a film was sent, taken or not."""
        self.beside: list[StandIn] = []
        """Other shops of this service: their keys open them at this URL, too."""
        super().__init__(_Handler)

    def restore(self) -> None:
        """Go back to an empty book, which begins a new life."""
        self.books.captures.clear()
        self.books.order.clear()
        self.book = f"{self.book.partition('.')[0]}.{secrets.token_hex(4)}"

    def find_caller(self, key: str) -> "tuple[StandIn, str | None] | None":
        """Whose key it is: the shop, and the camera; None in its place for the tenant's."""
        for shop in (self, *self.beside):
            if key == shop.key:
                return shop, None
            for camera, row in shop.books.cameras.items():
                if row["api_key"] == key:
                    return shop, camera
        return None

    def captures(self, camera: str | None = None) -> list[dict[str, Any]]:
        """Those that are there, what came last first; of the camera of that id, or of all."""
        with self.books.lock:
            rows = [_shown(self.books.captures[one]) for one in reversed(self.books.order)]
        return [row for row in rows if camera in (None, row["camera"])]


def _shown(one: Stored) -> dict[str, Any]:
    return {
        "id": one.id,
        "camera": one.camera,
        "captured_at": one.captured_at,
        "sha256": one.sha256,
        "first_sha256": hashlib.sha256(without_views(one.body or b"")).hexdigest(),
        "state": "stored",
    }


class _Handler(Handler):
    shop: StandIn
    """Whom the key opens."""
    book: str | None = None

    def answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        if len(body) != size or self.server.owner.is_down:
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        headers: dict[str, str] = {}
        self.shop, self.book = self.server.owner, None
        try:
            if parts.path.startswith("/blobs/"):
                status, answer, headers = self._put(
                    parts.path.removeprefix("/blobs/"), parse_qs(parts.query), body
                )
            else:
                status, answer = self._v1(parts.path, parse_qs(parts.query), body)
        except Fault as fault:
            status, answer = fault.status, {"code": fault.code, "detail": fault.message}
            answer |= {} if fault.index is None else {"index": fault.index}
            headers = {name.replace("_", "-"): value for name, value in fault.headers.items()}
        if not parts.path.startswith("/blobs/"):
            headers["X-Regulars-Time"] = str(self.server.owner.now_ms())
            if self.book is not None:
                headers["X-Regulars-Book"] = self.book
        self.reply(status, json.dumps(answer).encode(), headers)

    def _v1(self, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        caller = self._caller()
        books = self.shop.books
        sent = json.loads(body) if body else {}
        if self.server.owner.busy_for:
            raise Fault(429, "Busy", "later", Retry_After=str(self.server.owner.busy_for))
        with books.lock:
            if path == "/v1/captures/uploads" and self.command == "POST":
                return 200, self._offer(caller, sent["captures"])
            if path == "/v1/captures":
                return self._page(query)
            beat = re.fullmatch(r"/v1/cameras/([^/]+)/heartbeat", path)
            if beat and self.command == "POST":
                self._camera(beat[1], caller)
                if sent.get("refused"):
                    books.cameras[beat[1]]["health"]["refused_box"] = sent["status"]["box_name"]
                    return 200, books.cameras[beat[1]]
                books.heartbeats.append((beat[1], sent))
                at = datetime.fromtimestamp(self.server.owner.now_ms() / 1000, UTC).isoformat()
                books.cameras[beat[1]] |= {
                    "last_seen_at": at,
                    "health": {"status": sent["status"], "failing_at": None},
                }
                return 200, {**books.cameras[beat[1]], "counting": self.shop.counting}
            view = re.fullmatch(r"/v1/cameras/([^/]+)/view", path)
            if view and self.command == "PUT":
                camera = self._camera(view[1], caller)
                books.views.append(base64.b64decode(sent["picture"]))
                books.cameras[camera]["view_due"] = False
                return 204, {}
            counted = re.fullmatch(r"/v1/cameras/([^/]+)/counts", path)
            if counted and self.command == "PUT" and self.shop.knows_counts:
                camera = self._camera(counted[1], caller)
                books.count_bodies.append(body)
                return 200, {"stored": self._keep_counts(camera, sent)}
            film = re.fullmatch(r"/v1/cameras/([^/]+)/film", path)
            if film and self.command == "PUT":
                return self._keep_film(self._camera(film[1], caller), body, sent)
            one = re.fullmatch(r"/v1/cameras/([^/]+)", path)
            if one:
                return 200, books.cameras[self._camera(one[1], caller)]
            if path == "/v1/cameras":
                if caller is not None:
                    raise Fault(403, "NotAllowed", "this is a camera's key")
                if self.command == "GET":
                    return 200, {
                        "cameras": list(books.cameras.values()),
                        "total": len(books.cameras),
                    }
                return self._make(sent)
        raise Fault(404, "NotFound", path)

    def _keep_counts(self, camera: str, sent: dict[str, Any]) -> int:
        """Keep absolute minutes: of two reports of one, the one that was watched for longer."""
        if set(sent) != {"minutes"} or not 1 <= len(sent["minutes"]) <= 2_880:
            raise Fault(400, "InvalidInput", "1 to 2,880 minutes")
        now_ms, kept = self.shop.now_ms(), self.shop.books.counts.setdefault(camera, {})
        whys = {"why", "sure_in", "sure_out"}
        for index, minute in enumerate(sent["minutes"]):
            if set(minute) - whys != {"at", "seconds", "in", "out", "faces"}:
                raise Fault(400, "InvalidInput", "unknown fields", index)
            age_ms = now_ms - 1000 * datetime.fromisoformat(minute["at"]).timestamp()
            people = [minute[name] for name in ("in", "out", "faces")]
            fits = people == [None] * 3 or (
                all(type(number) is int and 0 <= number <= 1000 for number in people)
                and minute["faces"] <= minute["in"]
            )
            if not (
                re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", minute["at"])
                and type(minute["seconds"]) is int
                and 0 <= minute["seconds"] <= 60
                and fits
                and -300_000 <= age_ms <= 30 * 86_400_000
            ):
                raise Fault(400, "InvalidInput", f"no minute: {minute}", index)
        for minute in sent["minutes"]:
            former = kept.get(minute["at"])
            if former is None or _rank(minute) > _rank(former):
                kept[minute["at"]] = minute
        return len(sent["minutes"])

    def _keep_film(self, camera: str, body: bytes, film: dict[str, Any]) -> tuple[int, Any]:
        """Keep a minute of film without people, once."""
        self.shop.films_asked += 1
        if self.shop.refuses_films:
            raise Fault(self.shop.refuses_films, "Fault", "no film")
        if why := find_fault_of_film(body, film):
            raise Fault(400, "InvalidInput", why)
        self.shop.books.films[f"{camera} {film['at']}"] = film
        return 204, {}

    def _caller(self) -> str | None:
        """The camera whose key was sent; None for the tenant's."""
        key = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        found = self.server.owner.find_caller(key)
        if found is None:
            raise Fault(401, "WrongCredentials", "this key is unknown")
        self.server.owner.on_answer()
        self.shop, camera = found
        self.book = self.shop.book
        meant = self.headers.get("X-Regulars-Book")
        if self.book is not None and meant not in (None, self.book, self.book.partition(".")[0]):
            raise Fault(412, "OtherBook", "this is another book")
        return camera

    def _make(self, sent: dict[str, Any]) -> tuple[int, Any]:
        books = self.shop.books
        camera = sent.get("id") or re.sub(r"[^A-Za-z0-9_.-]+", "-", sent["name"])
        if camera in books.cameras or any(
            row["name"] == sent["name"] for row in books.cameras.values()
        ):
            raise Fault(409, "CameraExists", camera)
        books.cameras[camera] = {
            "api_key": f"key-of-{camera}",
            "enabled": True,
            **sent,
            "id": camera,
        }
        return 201, books.cameras[camera]

    def _camera(self, named: str, caller: str | None, index: int | None = None) -> str:
        for camera, row in self.shop.books.cameras.items():
            if named in (camera, row["name"] if self.server.owner.finds_names else camera):
                if caller not in (None, camera):
                    raise Fault(403, "NotAllowed", "another camera's", index)
                if not row["enabled"]:
                    raise Fault(403, "CameraDisabled", named, index)
                return camera
        raise Fault(404, "CameraNotFound", f"there is no camera {named!r}", index)

    def _offer(self, caller: str | None, rows: list[dict[str, Any]]) -> dict[str, Any]:
        if not 1 <= len(rows) <= 100:
            raise Fault(400, "InvalidInput", "1 to 100 captures")
        stand_in = self.shop
        made = [self._read(row, caller, index) for index, row in enumerate(rows)]
        uploads = []
        stand_in.offered += [one.sha256 for one in made]
        for one in made:
            known = stand_in.books.captures.setdefault(one.id, one)
            listed = known.body is not None and one.id in stand_in.books.order
            uploads.append(
                {"id": one.id, "state": "stored", "method": None, "url": None, "headers": {}}
                if listed
                else {"id": one.id, "state": "wanted", "method": "PUT", **self._presigned(known)}
            )
        return {"uploads": uploads, "server_time": _text(stand_in.now_ms())}

    def _read(self, row: dict[str, Any], caller: str | None, index: int) -> Stored:
        stand_in = self.shop
        camera = self._camera(row["camera"], caller, index)
        if not re.fullmatch(r"[0-9a-f]{64}", row["sha256"]):
            raise Fault(400, "InvalidInput", "sha256", index)
        if (
            not _RFC3339.fullmatch(row["captured_at"])
            or not isinstance(row["size"], int)
            or row["size"] < 1
        ):
            raise Fault(400, "InvalidInput", "captured_at or size", index)
        if "track" in row:
            if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", row["track"]):
                raise Fault(400, "InvalidInput", "track", index)
            stand_in.tracks[row["sha256"]] = row["track"]
        if row["content_type"] not in ("image/jpeg", "image/png"):
            raise Fault(400, "InvalidInput", "content_type", index)
        if row["sha256"] in stand_in.refuse_sha256:
            where = stand_in.refuse_sha256[row["sha256"]]
            raise Fault(400, "InvalidInput", "a bad picture", index if where == "index" else None)
        text = f"{camera}|{row['captured_at']}|{row['sha256']}"
        id_ = hashlib.sha256(text.encode()).hexdigest()[:24]
        return Stored(
            id_, camera, row["sha256"], row["size"], row["content_type"], row["captured_at"]
        )

    def _presigned(self, one: Stored) -> dict[str, Any]:
        host = (
            self.headers["Host"]
            if self.shop is self.server.owner
            else f"127.0.0.1:{self.shop.port}"
        )
        until = time.time() + self.shop.url_good_s
        return {
            "url": f"http://{host}/blobs/{one.id}?until={until}&X-Amz-Signature=abc",
            "headers": {
                "If-None-Match": "*",
                "Content-Type": one.content_type,
                "Content-Length": str(one.size),
                "x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(one.sha256)).decode(),
            },
        }

    def _put(
        self, id_: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, Any, dict[str, str]]:
        stand_in = self.server.owner
        if self.headers.get("Authorization") or self.headers.get("X-Regulars-Book"):
            raise Fault(400, "InvalidRequest", "a presigned URL takes no headers of v1")
        if float(query["until"][0]) < time.time():
            raise Fault(403, "AccessDenied", "Request has expired")
        stand_in.on_put(id_)
        with stand_in.books.lock:
            one = stand_in.books.captures[id_]
            one.puts += 1
            if one.sha256 in stand_in.fails_sha256:
                raise Fault(500, "InternalError", "the store chokes on this one")
            if stand_in.swallow_puts:
                stand_in.swallow_puts -= 1
                return 200, {}, {}
            if one.body is not None:
                raise Fault(412, "PreconditionFailed")
            if (
                self.headers.get("If-None-Match") != "*"
                or self.headers.get("Content-Type") != one.content_type
            ):
                raise Fault(403, "SignatureDoesNotMatch")
            digest = hashlib.sha256(body)
            if (
                self.headers.get("x-amz-checksum-sha256")
                != base64.b64encode(digest.digest()).decode()
            ):
                raise Fault(400, "BadDigest", "the checksum is another")
            if digest.hexdigest() != one.sha256 or len(body) != one.size:
                raise Fault(400, "BadDigest", "not what was offered")
            one.body = body
            if stand_in.lists_late_s:
                threading.Timer(stand_in.lists_late_s, stand_in.books.order.append, (id_,)).start()
            else:
                stand_in.books.order.append(id_)
        stand_in.on_stored(id_)
        return 200, {}, {"x-amz-checksum-sha256": base64.b64encode(digest.digest()).decode()}

    def _page(self, query: dict[str, list[str]]) -> tuple[int, Any]:
        rows = self.shop.captures()
        start = int(query.get("token", ["0"])[0])
        limit = int(query.get("limit", ["100"])[0])
        more = str(start + limit) if start + limit < len(rows) else None
        return 200, {"captures": rows[start : start + limit], "next_token": more}


def find_fault_of_film(body: bytes, film: dict[str, Any]) -> str | None:
    """Say why this is no film without people; None: it is one."""
    names = {
        *("at", "seconds", "in", "out", "line", "grid", "looks", "crossings", "walked"),
    }
    if set(film) != names or len(body) > 150_000:
        return f"other members, or too large: {len(body)} bytes, {sorted(film)}"
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", film["at"]):
        return "at"
    if not all(type(film[name]) is int and film[name] >= 0 for name in ("seconds", "in", "out")):
        return "numbers"
    if film["grid"] != [48, 27] or len(base64.b64decode(film["walked"], validate=True)) != 48 * 27:
        return "grid or walked"
    if len(film["looks"]) > 400:
        return "looks"
    for look in film["looks"]:
        is_square = len(base64.b64decode(look["moved"], validate=True)) == 48 * 27 // 8
        if set(look) != {"ms", "moved", "bodies"} or not is_square or len(look["bodies"]) > 40:
            return f"look {look}"
        for x, y, width, height, sure in look["bodies"]:
            edges = (x, y, x + width, y + height)
            if not all(type(at) is int and 0 <= at <= 1000 for at in edges) or sure not in (0, 1):
                return f"body {(x, y, width, height, sure)}"
    times = [*film["looks"], *film["crossings"]]
    if not all(type(one["ms"]) is int and 0 <= one["ms"] < 60_000 for one in times):
        return "ms"
    ways = [crossing["way"] for crossing in film["crossings"]]
    return None if [ways.count("in"), ways.count("out")] == [film["in"], film["out"]] else "ways"


def _rank(minute: dict[str, Any]) -> tuple[int, tuple[int, ...]]:
    people = tuple(minute[name] for name in ("in", "out", "faces"))
    return minute["seconds"], () if None in people else people


def _text(at_ms: int) -> str:
    return (
        datetime.fromtimestamp(at_ms / 1000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
