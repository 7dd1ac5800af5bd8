"""Hostile requests to the Rekognition dialect of one box: `python -m tests.hostile.fuzz_rekognition --requests 100000`.

Each begins as a request that an SDK would send, and is broken once or more: in its members, its picture, its bytes, its
head. Half of them are signed afterwards, so that they come further. The seed and the number make a request. Found is
what no answer may have: a status of 500 or more, none at all, a word of another tenant, an error that is logged, or a
connection to anywhere else. Pictures are opened as they are always opened, and no model looks at them.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPException, HTTPResponse
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from botocore.credentials import Credentials as Pair
from numpy.typing import NDArray
from PIL import Image

from chalicelib.api.rekognition.requests import OTHER_OPERATIONS, REQUESTS
from chalicelib.core.errors import Unusable
from chalicelib.core.model import Credentials, Profile
from chalicelib.core.pictures import PictureRules
from chalicelib.vision.pictures import image
from tests.acceptance.wire import Wire
from tests.fakes import FakeVision, Person, picture
from tests.faults.recount import disagreements
from tests.hostile.fuzz import LARGEST, WORDS, errors_logged, mutated, place_of
from tests.hostile.parsers import PARSERS
from tests.regulars.serve.box import Box, serving

REQUESTS_IN_ALL = 100_000
CLIENTS = 6
SHOWN = 10
ANSWER_S = 60.0
"""After which a request counts as not answered."""

MARK, VAULT = "victim5secret", "vault"
"""A word that the other tenant alone has, and the name of its collection, which anybody may guess."""
SMALL = 64 * 1024
"""Bytes of a body that is sent in one piece. Of a longer one the rest may meet a connection that is closed already."""


class OpensPictures(FakeVision):
    """A fake vision that opens real pictures, too, and finds nobody in them."""

    def read(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        if picture.startswith(b"["):
            try:
                return super().read(picture_of(picture), rules)
            except (ValueError, TypeError):
                raise Unusable("the picture cannot be decoded: send a JPG or PNG") from None
        image.read(picture, rules)
        return super().read(b"[]", rules)

    def size(self, picture: bytes, rules: PictureRules) -> tuple[int, int]:
        return super().size(picture, rules) if picture.startswith(b"[") else image.size(picture, rules)


def picture_of(data: bytes) -> bytes:
    """Return a fake picture as it was made. Raises ValueError or TypeError if it is broken."""
    return picture(*(Person(**one) for one in json.loads(data)))


# --- two tenants ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """A box with the tenant that attacks and the one that is not to be seen. `words`: what only the latter has."""

    box: Box
    ours: Wire
    theirs: Credentials
    known: Mapping[str, Any]
    """Ids of the attacker's collection, and of the other's, which it has learnt somehow."""
    words: frozenset[bytes]

    @property
    def state(self) -> object:
        """All that the other tenant has."""
        services, tenant = self.box.services, self.box.services.tenants.named("victim")
        faces = services.faces.lists.enrolled(tenant, services.groups.named(tenant, VAULT), 100, None, None)[0]
        return [*map(repr, services.groups.all(tenant))], sorted(map(repr, faces)), disagreements(services, tenant)


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    with serving(folder, OpensPictures()) as box:
        made = {name: box.services.tenants.add(name, Profile.CLOUD) for name in ("attacker", "victim")}
        wires = {name: Wire(box.url, Pair(one.access_key_id, one.secret_access_key)) for name, one in made.items()}
        theirs = furnished(wires["victim"], VAULT, MARK, picture(Person(1, quality=90), Person(2, quality=90)))
        ours = furnished(wires["attacker"], "staff", "ann", picture(Person(1), Person(2)))
        secret = made["victim"]
        words = {MARK, *theirs["FaceIds"], theirs["ImageId"], theirs["CollectionArn"].split(":")[4]}
        words |= {secret.secret_access_key, secret.access_key_id, secret.api_key, secret.app_key, secret.appcode}
        yield Stage(
            box, wires["attacker"], secret, {"ours": ours, "theirs": theirs}, frozenset(word.encode() for word in words)
        )


def furnished(wire: Wire, collection: str, external: str, people: bytes) -> dict[str, Any]:
    """Make a collection with a tag and the faces of a picture."""
    created = wire.call("CreateCollection", {"CollectionId": collection, "Tags": {external: external}}).json
    sent = {"CollectionId": collection, "Image": bytes_of(people), "ExternalImageId": external}
    faces = [one["Face"] for one in wire.call("IndexFaces", sent).json["FaceRecords"]]
    return {
        **created,
        "CollectionId": collection,
        "FaceIds": [one["FaceId"] for one in faces],
        "ImageId": faces[0]["ImageId"],
    }


def bytes_of(data: bytes) -> dict[str, str]:
    return {"Bytes": base64.b64encode(data).decode()}


# --- requests ---------------------------------------------------------------------------------------------------------


@dataclass
class Attack:
    """A request that is being broken. `headers`: pairs, so that a name may come twice."""

    operation: str
    members: Any
    method: str = "POST"
    target: str = "/"
    body: bytes | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)

    def head(self, name: str, value: str) -> None:
        """Set a header in place of those of this name."""
        self.headers = [one for one in self.headers if one[0].lower() != name.lower()] + [(name, value)]

    def get(self, name: str) -> str:
        return next((value for one, value in self.headers if one.lower() == name.lower()), "")

    @property
    def sent(self) -> bytes:
        """The request as bytes, its length right, so that the connection goes on."""
        body = self.body or b""
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers)]
        head = "\r\n".join(
            [*(line.replace("\r", " ").replace("\n", " ") for line in lines), f"Content-Length: {len(body)}"]
        )
        return head.encode("latin-1", "replace") + b"\r\n\r\n" + body


NUMBERS = (0, -1, 1, 5.5, 1e308, -0.0, 10**400, 2**63, 4_097, 100.0001, float("inf"), float("nan"), True)
TEXTS = (
    *("", " ", "a b", "../../etc/passwd", "a\x00b", "\ud800", "\u202e", "%2e%2e", "x" * 70, "x" * 5_000, "null"),
    *("*", "'", "\\"),
)
BUCKETS = (
    *("169.254.169.254", "127.0.0.1:1", "..", "http://example.com/x", "localhost", "bucket", "file:///etc"),
    *("a" * 256, "s3.amazonaws.com"),
)
METHODS = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "POSTS", "post")
PATHS = (
    *("//", "/x", "/x/", "/..", "/%2e%2e/", "/%00", "/?", "/?a=%ff", "/?X-Amz-Signature=1", "/?" + "a=1&" * 500),
    *("/;a", "/%zz", "*", "/v1/faces"),
)
NAMES = (
    *("Host", "X-Amz-Target", "Authorization", "X-Amz-Date", "Content-Type", "X-Amz-Content-Sha256"),
    *("X-Amz-Security-Token", "amz-sdk-invocation-id", "amz-sdk-request"),
)
VALUES = (
    *("", "\xff\xfe", "a" * 9_000, "a,a", "UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    *("20260115T093000Z", "0001-01-01", "99991231T235959Z", "example.com", "169.254.169.254", "\t", "text/html"),
    *("multipart/form-data", "RekognitionService.DetectLabels", "Other.ListFaces"),
)


def members_of(operation: str, known: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    """Members that fit an operation: of the attacker's collection, or of the other tenant's."""
    of = known["theirs" if operation == "DeleteCollection" else rng.choice(("ours", "ours", "theirs"))]  # or soon none
    people = bytes_of(picture(*(Person(rng.randrange(1, 6), 90.0 + n) for n in range(rng.randrange(3)))))
    values = {
        "CollectionId": rng.choice((of["CollectionId"], of["CollectionId"], f"c{rng.randrange(9)}", "regular")),
        "ResourceArn": of["CollectionArn"],
        "Tags": {"a": "b"},
        "TagKeys": ["a"],
        "Image": people,
        "SourceImage": people,
        "TargetImage": people,
        "FaceId": rng.choice(of["FaceIds"]),
        "FaceIds": of["FaceIds"][: rng.randrange(1, 3)],
        "UserId": f"u{rng.randrange(4)}",
        "ExternalImageId": f"e{rng.randrange(9)}",
    }
    wanted = REQUESTS[operation].members if operation in REQUESTS else ("Image",)
    return {name: values[name] for name in wanted if name in values and (name != "FaceId" or rng.random() < 0.7)}


def broken_member(attack: Attack, rng: random.Random) -> None:
    names = [*REQUESTS[attack.operation].members, "Unknown", "Image"] if attack.operation in REQUESTS else ["Image"]
    value: Any = rng.choice((*NUMBERS, *TEXTS, None, [], {}, [[]], [None] * 5, ["1"] * 5_000, {"a": {"b": [1]}}))
    if rng.random() < 0.2:
        value = rng.choice(WORDS).decode("utf-8", "replace")
    attack.members[rng.choice(names)] = rng.choice((value, [value], {"Bytes": value, "S3Object": value}, value))


def hostile_picture(attack: Attack, rng: random.Random) -> None:
    text = base64.b64encode(next(mutated(PICTURES, rng)) if rng.random() < 0.7 else rng.choice(huge())).decode()
    if rng.random() < 0.3:
        text = rng.choice((text[:-1], text.replace("A", "-"), f" {text}", text + "====", text + "\n", "A" * 6_990_512))
    place = rng.choice(("Image", "SourceImage", "TargetImage"))
    attack.members[place] = {"Bytes": text}


def object_reference(attack: Attack, rng: random.Random) -> None:
    reference = {"Bucket": rng.choice(BUCKETS), "Name": rng.choice((*TEXTS, VAULT, "tenants/victim/a.jpg", "a.jpg"))}
    if rng.random() < 0.3:
        reference["Version"] = rng.choice(TEXTS)
    place = rng.choice(("Image", "Image", "SourceImage", "TargetImage"))
    attack.members[place] = {"S3Object": reference}


def broken_json(attack: Attack, rng: random.Random) -> None:
    attack.body = next(mutated([encoded(attack.members)], rng))


def broken_head(attack: Attack, rng: random.Random) -> None:
    name = rng.choice(NAMES)
    value = attack.get(name)
    match rng.randrange(5):
        case 0:
            attack.headers.append((name, rng.choice((value, *VALUES))))
        case 1:
            attack.head(name, rng.choice(VALUES))
        case 2:
            attack.headers = [one for one in attack.headers if one[0] != name]
        case 3:
            attack.head(
                name, next(mutated([value.encode("latin-1", "replace") or b"x"], rng))[:20_000].decode("latin-1")
            )
        case _:
            attack.headers += [(f"x-{n}", rng.choice(VALUES[:4])) for n in range(rng.choice((1, 50)))]


def broken_line(attack: Attack, rng: random.Random) -> None:
    if rng.random() < 0.5:
        attack.method = rng.choice(METHODS)
    else:
        attack.target = rng.choice(PATHS)


def other_key(attack: Attack, rng: random.Random) -> None:
    """Sign with the other tenant's id, or with another service, day or terminator."""
    claim = attack.get("Authorization")
    changes = (("rekognition/", "s3/"), ("aws4_request", "aws4"), ("/2", "/3"), ("Signature=", "Signature=0"))
    old, new = rng.choice(((claim[28:53], rng.choice((VAULT, "RK" + "A" * 18))), *changes))
    attack.head("Authorization", claim.replace(old, new, 1))


Break = Callable[[Attack, random.Random], None]
BEFORE: tuple[Break, ...] = (broken_member, broken_member, hostile_picture, object_reference, broken_json)
BEHIND: tuple[Break, ...] = (broken_head, broken_head, broken_line, other_key)


def made(stage: Stage, seed: str, number: int) -> Attack:
    """Make the request of a seed and a number."""
    rng = random.Random(f"{seed}/{number}")
    operation = rng.choice(sorted(REQUESTS) if rng.random() < 0.95 else sorted(OTHER_OPERATIONS))
    attack = Attack(operation, members_of(operation, stage.known, rng))
    for _ in range(rng.choice((0, 1, 1, 2))):
        rng.choice(BEFORE)(attack, rng)
    if attack.body is None:
        attack.body = encoded(attack.members)
    more = {"amz-sdk-invocation-id": f"i{rng.randrange(50)}"} if rng.random() < 0.3 else {}
    signed = stage.ours.signed(operation, attack.body, more)
    attack.headers = [("Host", stage.box.url.removeprefix("http://")), *signed.items()]
    if rng.random() < 0.1:
        attack.head(
            "Authorization", attack.get("Authorization").replace(stage.ours.pair.access_key, stage.theirs.access_key_id)
        )
    for _ in range(rng.choice((0, 0, 1, 2))):
        rng.choice(BEHIND)(attack, rng)
    return attack


def encoded(members: Any) -> bytes:
    return json.dumps(members, ensure_ascii=True).encode()


def _page(width: int, height: int, form: str = "PNG") -> bytes:
    data = BytesIO()
    Image.new("1" if form == "PNG" else "L", (width, height)).save(data, form)
    return data.getvalue()


PICTURES = [one for one in PARSERS["pictures"].corpus if len(one) < LARGEST]


@cache
def huge() -> tuple[bytes, ...]:
    """Pictures of every size that is refused, and what only begins as one."""
    return (
        _page(20_000, 20_000),
        _page(8_192, 8_192),
        _page(8_193, 80),
        _page(1, 1),
        _page(80, 80),
        _page(60_000, 1, "JPEG"),
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"",
    )


# --- judging ----------------------------------------------------------------------------------------------------------


@dataclass
class Result:
    """What came of it. `answers`: how many by status and error's name; `slowest_s`: on the wall's clock."""

    answers: Counter[str] = field(default_factory=Counter)
    findings: dict[str, str] = field(default_factory=dict)
    """By kind, so that each is told once."""
    slowest_s: float = 0.0

    def judge(self, stage: Stage, number: int, attack: Attack, got: tuple[int, str, bytes], took_s: float) -> None:
        """Look at an answer: its status, head and body."""
        status, head, body = got
        name = body.split(b'"__type": "')[1].split(b'"')[0].decode() if b'"__type": "' in body else ""
        self.answers[f"{status} {name if status else head}".strip()] += 1
        self.slowest_s = max(self.slowest_s, took_s)
        told = f"request {number}: {attack.sent[:2000]!r}\n    answer: {status} {head} {body[:500]!r}"
        if status >= 500 or (not status and len(attack.body or b"") < SMALL):
            self.findings.setdefault(f"{status} {name} {attack.operation}", told)
        answer, sent = head.encode() + body, attack.sent
        if any(word in answer for word in stage.words if word not in sent):
            self.findings.setdefault(f"a word of another tenant {attack.operation}", told)


class Line:
    """One connection, which is made again when the service has closed it."""

    def __init__(self, host: str, port: int) -> None:
        self._address, self._socket = (host, port), None

    def ask(self, attack: Attack) -> tuple[int, str, bytes]:
        """Send, and read the answer; status 0 if there is none, also on a new connection."""
        for is_last in (False, True):
            try:
                return self._answered(attack)
            except (OSError, HTTPException) as error:
                self.close()
                if is_last:
                    return 0, type(error).__name__, b""
        raise AssertionError

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _answered(self, attack: Attack) -> tuple[int, str, bytes]:
        self._socket = self._socket or socket.create_connection(self._address, ANSWER_S)
        self._socket.sendall(attack.sent)
        with HTTPResponse(self._socket, method=attack.method) as answer:
            answer.begin()
            head, body = str(answer.headers), answer.read()
            if answer.will_close:
                self.close()
        return answer.status, head, body


def strike(stage: Stage, seed: str, count: int, result: Result, first: int = 0) -> None:
    """Send the requests of a seed, by several clients."""
    host, port = stage.box.url.removeprefix("http://").split(":")
    numbers, lock = iter(range(first, first + count)), threading.Lock()

    def client() -> None:
        line = Line(host, int(port))
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return line.close()
            attack = made(stage, seed, number)
            began = time.monotonic()
            answer = line.ask(attack)
            with lock:
                result.judge(stage, number, attack, answer, time.monotonic() - began)

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()


CALLED: set[str] = set()
"""What this process has looked up or connected to, since `watched` was called first."""


def watched() -> None:
    """Note all connections of this process, by Python's own audit events: a hook cannot be taken away again."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            CALLED.add(str(arguments[1][0]))
        elif event == "socket.getaddrinfo":
            CALLED.add(str(arguments[0]))

    sys.addaudithook(hook)


def fuzz(folder: Path, count: int, seed: str) -> Result:
    result = Result()
    watched()
    with staged(folder) as stage, errors_logged() as logged:
        before = stage.state
        CALLED.clear()
        strike(stage, seed, count, result)
        if elsewhere := CALLED - {"127.0.0.1"}:
            result.findings["calls elsewhere"] = ", ".join(sorted(elsewhere))
        if stage.state != before:
            result.findings["the other tenant changed"] = f"{before}\n    {stage.state}"
        if wrong := disagreements(stage.box.services, stage.box.services.tenants.named("attacker")):
            result.findings["what is stored disagrees"] = "; ".join(wrong[:5])
        for error in logged:
            result.findings.setdefault(f"logged {place_of(error)}", repr(error))
    return result


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--requests", type=int, default=REQUESTS_IN_ALL)
    options.add_argument("--seed", default=None, help="as an earlier run printed it; default: a new one")
    chosen = options.parse_args()
    seed = chosen.seed or f"{random.SystemRandom().getrandbits(32):x}"
    print(f"seed {seed}: make fuzz-rekognition REQUESTS={chosen.requests} SEED={seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = fuzz(Path(folder) / "data", chosen.requests, seed)
    print(*(f"{number:8,} {answer}" for answer, number in result.answers.most_common()), sep="\n")
    print(f"{chosen.requests:,} requests in {time.monotonic() - began:.0f} s, the slowest {result.slowest_s:.1f} s")
    print(*(f"{kind}: {what}" for kind, what in list(result.findings.items())[:SHOWN]), sep="\n")
    print(f"findings: {len(result.findings)}")
    return min(len(result.findings), 1)


if __name__ == "__main__":
    sys.exit(main())
