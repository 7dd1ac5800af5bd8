"""Twin books, which differ in one person: shops to which the same regulars came, and the person to
one of them alone, or to both in another way."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chalice.app import Chalice
from msgspec import Struct

from chalicelib.api.v1.endpoint import V1Operation
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.auth.roles import PAGES, Role
from chalicelib.domain.model import Credentials, Profile, Tenant
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.services import Services
from tests.support.api.devices import BY_HTTPS, invitation_of, sign_in
from tests.support.api.v1.client import V1Client
from tests.support.book.tenants import CHOICE
from tests.support.fakes import FakeClock, Person, photo, picture

READS = [
    one
    for one in OPERATIONS
    if one.role is not None and one.method == "GET" and "{" not in one.path
]
Answer = tuple[int, str]
"""Status and body."""

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REGULARS = (Person(1, age=24.0), Person(2, age=71.0))
MARKED = Person(3, age=45.0)
"""The person in whom two twins differ."""

RANDOM = re.compile(
    r'"(?:request_id|book|tenant|display_name|public_key|fingerprint|key|app_id)":"[^"]*"|'
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|"
    r'[0-9a-f]{12,}|\d{5,}|"size":\d+|(?<=_pictures)/[\w-]+/'
)
"""Ids, hashes, addresses and the names of shops."""
_OWN = re.compile(
    r'"(request_id|begun_at|expires_at|book|tenant|display_name|member)":"[^"]*"|'
    r'"books":\["[^"]*"\]'
)
"""What a session says of itself."""


class Visit(Struct, frozen=True):
    """A person comes, so many minutes before noon. `group` None: nobody enrolled them."""

    person: Person
    group: str | None
    minutes_ago: float
    camera: str = "door"


class Shop(Struct, frozen=True):
    """A shop's key, the cookies of its links by their pages, the words by which it may be asked for
    its first visitor, and the ids of its hooks."""

    own: Credentials
    v1: V1Client
    services: Services
    cookies: Mapping[str, str]
    words: Mapping[str, str]
    hooks: Sequence[str]

    @property
    def tenant(self) -> Tenant:
        return self.services.tenants.get_by_name(self.own.tenant)

    def make_key(self, role: Role) -> V1Client:
        """Return a client whose key has this role."""
        key = self.v1.done("POST", "/v1/keys", {"name": "Max", "role": role})
        return self.v1.with_key(key["api_key"])

    def ask(self, page: str, operation: V1Operation, question: Mapping[str, str]) -> Answer:
        """Return what a link to a page is answered, without the shop's own name and ids."""
        headers = {"Cookie": self.cookies[page], **BY_HTTPS}
        by_link = self.v1.with_key(None)
        reply = by_link.send("GET", operation.path, query=question, headers=headers)
        return reply.status, _OWN.sub("", reply.body)

    def find_marked(self) -> str:
        """Return the id of the marked person's face."""
        [face] = self.v1.done("GET", "/v1/faces", name=f"Ann {MARKED.seed}")["faces"]
        return str(face["id"])


Maker = Callable[..., Shop]


def make_twin(
    app: Chalice,
    services: Services,
    name: str,
    *visits: Visit,
    counted: Sequence[float] = (300, 60),
    strangers: str = "keep",
    cameras: Sequence[str] = ("door",),
    hooks: Sequence[Mapping[str, Any]] = (),
) -> Shop:
    """Make a shop to which these came.

    A minute of two people is counted at the door for each of the `counted`, so many minutes before
    noon. `hooks`: are told of all visits; one of some `people` is told of the first visitor.
    """
    settings = TenantSettings(**CHOICE | {"time_zone": "Etc/UTC", "strangers": strangers})
    own = services.tenants.add(name, Profile.CLOUD, settings)
    v1 = V1Client(app, own.api_key)
    for group in ("vip", "guest", "staff"):
        id_ = v1.done("POST", "/v1/groups", {"name": group})["id"]
        v1.done("PATCH", f"/v1/groups/{id_}", {"staff": group == "staff"})
    for camera in cameras:
        v1.add_camera(camera, labels={"a": "front"})
    words: dict[Person, dict[str, str]] = {}
    for one in visits:
        if one.group and one.person not in words:
            words[one.person] = enrol(v1, one)
    of_first = {**words[REGULARS[0]], "camera": "door"}
    hook_ids = [v1.done("POST", "/v1/hooks", _fill(one, of_first))["id"] for one in hooks]
    for one in visits:
        v1.take(services, picture(one.person), one.minutes_ago, one.camera, name)
    for minutes_ago in counted:
        at = (NOON - timedelta(minutes=minutes_ago)).isoformat()
        minute = {"at": at, "seconds": 60, "in": 2, "out": 0, "faces": 2}
        v1.done("PUT", "/v1/cameras/door/counts", {"minutes": [minute]})
    cookies = {page: _enter(v1, page) for page in PAGES}
    return Shop(own, v1, services, cookies, of_first, hook_ids)


def _enter(v1: V1Client, page: str) -> str:
    """The cookie of a link to a page."""
    wanted = {"name": f"Boss of {page}", "role": "viewer", "screen": True, "page": page}
    link = v1.done("POST", "/v1/members", wanted)
    reply = sign_in(v1, {"invitation": invitation_of(link)})
    return reply.headers["set-cookie"].partition(";")[0]


def _fill(hook: Mapping[str, Any], of_first: Mapping[str, str]) -> dict[str, Any]:
    """Put the first visitor's id where a hook tells of people."""
    return {**hook, **({"people": [of_first["face"]]} if "people" in hook else {})}


def enrol(v1: V1Client, visit: Visit) -> dict[str, str]:
    """Enrol who comes, and return the words by which a shop may be asked for them."""
    name = f"Ann {visit.person.seed}"
    asked = {"picture": photo(visit.person.seed), "group": visit.group, "name": name}
    face = v1.done("POST", "/v1/faces", asked)
    return {"face": face["id"], "group": visit.group or "", "name": name}


def both_regulars(order: int = 1) -> list[Visit]:
    """The first of them in this order came five hours ago, the other an hour ago."""
    groups = dict(zip(REGULARS, ("vip", "regular"), strict=True))
    return [
        Visit(who, groups[who], minutes_ago)
        for minutes_ago, who in zip((300, 60), REGULARS[::order], strict=True)
    ]


def erase(v1: V1Client, face: str) -> None:
    v1.done("DELETE", f"/v1/faces/{face}", erase="true")


def withdraw(v1: V1Client, face: str) -> None:
    record = {"basis": "consent", "given_at": "2026-01-01T00:00:00Z", "evidence": "signed"}
    v1.done("PUT", f"/v1/faces/{face}/consent", record)
    v1.done_without_body("DELETE", f"/v1/faces/{face}/consent")


def restrict(v1: V1Client, face: str) -> None:
    v1.done("PUT", f"/v1/faces/{face}/restriction", {"restricted": True, "reason": "asked"})


def expire(v1: V1Client, face: str) -> None:
    """Write a record down that ends a minute after noon."""
    ends_at = (NOON + timedelta(minutes=1)).isoformat()
    record = {"basis": "consent", "given_at": "2026-01-01T00:00:00Z", "evidence": "signed"}
    v1.done("PUT", f"/v1/faces/{face}/consent", {**record, "expires_at": ends_at})


Leave = Callable[[V1Client, str], None]
LEAVES = (erase, withdraw, expire, restrict)
"""The ways by which somebody comes to be shown no more."""


def sweep(shops: Sequence[Shop], clock: FakeClock) -> None:
    """Do in each shop what its sweeps do in the next minutes."""
    for _ in range(9):
        clock.advance(timedelta(minutes=1))
        for shop in shops:
            shop.services.sweep.sweep_tenant(shop.tenant, clock.now())


def mask(answer: Answer) -> str:
    """Return an answer without what is random in it."""
    status, body = answer
    return f"{status} {RANDOM.sub('#', body)}"


def list_said() -> list[str]:
    """The points that docs/privacy.md makes of what can still be told."""
    page = Path("docs/privacy.md").read_text()
    part = page.partition("## What can still be inferred\n")[2].partition("\n## ")[0]
    return [" ".join(point.split()) for point in re.findall(r"^- (.*(?:\n  .*)*)", part, re.M)]


_SAID_TO = {Role.VIEWER: "**Viewers,", Role.OPERATOR: "**Operators,", Role.ADMIN: "**Admins,"}


def list_paths_said(role: Role) -> set[str]:
    """Return the operations by which who has a role tells something of somebody, as it is said to
    them: those of a lower role, too."""
    marks = [mark for one, mark in _SAID_TO.items() if role.includes(one)]
    points = [point for point in list_said() if any(mark in point for mark in marks)]
    return {path for point in points for path in re.findall(r"`((?:GET|POST) \S+)`", point)}
