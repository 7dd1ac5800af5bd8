"""The camera's lists over a full tenant: time, and what each costs in DynamoDB read units.

    python -m bench.lists [--faces N] [--json FILE] [--repeat N]

getFaceList on the first, the middle and the last page, and getFaceByArrival. The peer of a page is the same page found
by walking the index from its front; the ratio says what starting from the nearer end saves, in time and in units.
`request` is the whole signed request, with the HTTP event, the tenant's credentials and the group; the units are its.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from chalice.app import Chalice

from bench.metering import MeteredItems
from bench.synthetic import write_faces
from chalicelib import bootstrap
from chalicelib.adapters.embedded.items import SqliteItemStore
from chalicelib.adapters.embedded.vault import PlainVault
from chalicelib.api.sunmi import routes
from chalicelib.core import keys
from chalicelib.core.model import DEFAULT_GROUPS, Face, Group, Profile, Tenant
from chalicelib.services import Services
from chalicelib.services.commit.idempotency import Requests
from chalicelib.services.faces.faces import FacePage, Faces
from chalicelib.services.groups.groups import Groups
from chalicelib.services.tenants.accounts import Tenants
from chalicelib.settings import Settings
from regulars.clients.client import DONE, Reply, Sunmi
from regulars.serve.gateway import Gateway

GROUP = "bench"
PAGE_SIZE = 10


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("bench.lists", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faces", type=int, default=30_000, help="faces of the tenant (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--repeat", type=int, default=30, help="calls measured (default: %(default)s)")
    arguments = parser.parse_args(argv)
    if not 1_000 <= arguments.faces <= 30_000:
        parser.error("--faces is 1000 to 30000, what a camera tenant may hold")
    with tempfile.TemporaryDirectory() as folder:
        figures = measured(Path(folder), arguments.faces, arguments.repeat)
    report(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def measured(folder: Path, faces: int, repeat: int) -> dict[str, Any]:
    bench = Bench.on(folder)
    try:
        began = time.perf_counter()
        size_bytes = fill(bench, faces)
        filled_s = time.perf_counter() - began
        pages = -(-(faces - len(DEFAULT_GROUPS)) // PAGE_SIZE)
        lists = [page(bench, number, repeat) for number in (1, pages // 2, pages)]
        arrival = {"list": "getFaceByArrival", "num": PAGE_SIZE, **arrivals(bench, repeat)}
    finally:
        bench.services.close()
    return {
        "faces": faces,
        "in_group": faces - len(DEFAULT_GROUPS),
        "face_item_bytes": size_bytes,
        "filled_s": round(filled_s, 1),
        "lists": [*lists, arrival],
    }


@dataclass(frozen=True)
class Bench:
    """The services with metered reads, and a client that signs and calls them through the app, in this process."""

    services: Services
    items: MeteredItems
    tenant: Tenant
    client: Sunmi

    @classmethod
    def on(cls, folder: Path) -> Bench:
        built = bootstrap.build(Settings(storage=folder))
        items = MeteredItems(SqliteItemStore(folder / "regulars.sqlite", keys.TABLES))
        requests = Requests(items, built.clock)
        groups = Groups(items, requests, built.clock)
        built.requests, built.groups, built.faces = requests, groups, Faces(items, groups)
        built.tenants = Tenants(items, PlainVault(), built.clock, built.ports.model)
        app = Chalice("bench", configure_logs=False)
        app.api.binary_types += ["application/x-www-form-urlencoded"]
        app.register_blueprint(routes.blueprint(lambda: built))
        credentials = built.tenants.add("camera", Profile.CAMERA)
        client = Sunmi(InProcess(Gateway(app)), credentials)
        return cls(built, items, built.tenants.all()[0], client)


class InProcess:
    """regulars.clients.client.Transport without the network."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "CONTENT_TYPE": headers["Content-Type"],
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
        began = time.perf_counter()
        response = self._gateway.answer(environ)
        elapsed_ms = (time.perf_counter() - began) * 1000
        return Reply(response.status, dict(response.headers), json.loads(response.body), elapsed_ms)


def fill(bench: Bench, count: int) -> int:
    """`count` faces: one in each default group, the rest in one of ours. Returns the bytes of one face's item."""
    groups, tenant = bench.services.groups, bench.tenant
    for name in DEFAULT_GROUPS:
        groups.update(tenant, name, name, 1, "made small by a benchmark")
        write_faces(bench.items, tenant, groups.named(tenant, name), 1)
    groups.create(tenant, GROUP, count - len(DEFAULT_GROUPS), "made by a benchmark")
    bench.services.attributes.add(tenant, GROUP, ["hobby", "vip_level", "weight", "phone_num"], ())
    return write_faces(bench.items, tenant, groups.named(tenant, GROUP), count - len(DEFAULT_GROUPS))


def page(bench: Bench, number: int, repeat: int) -> dict[str, Any]:
    faces, tenant = bench.services.faces, bench.tenant
    right = walked_from_the_front(bench, number)
    require(faces.page(tenant, GROUP, number, PAGE_SIZE) == right, f"page {number}")
    fields = {"group_name": GROUP, "page_num": number, "page_size": PAGE_SIZE}
    return {
        "list": "getFaceList",
        "page": number,
        "returned": len(right.faces),
        **compared(
            bench,
            repeat,
            here=lambda: faces.page(tenant, GROUP, number, PAGE_SIZE),
            peer=lambda: walked_from_the_front(bench, number),
            request=lambda: call(bench, "getFaceList", fields),
        ),
    }


def arrivals(bench: Bench, repeat: int) -> dict[str, Any]:
    faces, tenant = bench.services.faces, bench.tenant
    right = longest_away_of_all(bench)
    require(faces.longest_away(tenant, GROUP, PAGE_SIZE).faces == right, "getFaceByArrival")
    fields = {"group_name": GROUP, "num": PAGE_SIZE}
    return {
        "returned": len(right),
        **compared(
            bench,
            repeat,
            here=lambda: faces.longest_away(tenant, GROUP, PAGE_SIZE),
            peer=lambda: longest_away_of_all(bench),
            request=lambda: call(bench, "getFaceByArrival", fields),
        ),
    }


def walked_from_the_front(bench: Bench, number: int) -> FacePage:
    """Read a page as the peer does: index keys from the oldest on, up to the page's last, then the page's faces."""
    group = bench.services.groups.named(bench.tenant, GROUP)
    faceids = walked(bench, group, number * PAGE_SIZE)[(number - 1) * PAGE_SIZE :]
    return FacePage(group, list(bench.services.faces.of_group(bench.tenant, group, faceids).values()))


def longest_away_of_all(bench: Bench) -> list[Face]:
    """Answer getFaceByArrival without the index by arrival: read the group and sort it."""
    group = bench.services.groups.named(bench.tenant, GROUP)
    faceids = walked(bench, group, group.count)
    faces: list[Face] = []
    for begin in range(0, len(faceids), 100):
        faces += bench.services.faces.of_group(bench.tenant, group, faceids[begin : begin + 100]).values()
    return sorted(faces, key=lambda face: (face.last_arrival_at or face.enrolled_at, face.faceid))[:PAGE_SIZE]


def walked(bench: Bench, group: Group, wanted: int) -> list[str]:
    """Return the first `wanted` ids of the group, oldest enrolment first."""
    low, high = keys.group_range(group.id)
    faceids: list[str] = []
    token: str | None = None
    while len(faceids) < wanted:
        limit = min(wanted - len(faceids), 1000)
        read = bench.items.query(
            keys.FACES, bench.tenant.name, index="by_enrolment", low=low, high=high, limit=limit, token=token
        )
        faceids += [item["faceid"] for item in read.items]
        token = read.token
        if token is None:
            break
    return faceids


def call(bench: Bench, endpoint: str, fields: Mapping[str, object]) -> None:
    answer = bench.client.call(endpoint, fields)
    require(answer.code == DONE and len(answer.data["faceid_list"]) > 0, f"{endpoint}: {answer.code} {answer.message}")


def compared(bench: Bench, repeat: int, **calls: Callable[[], object]) -> dict[str, Any]:
    """Time and units of each call, and the ratios of the first to its peer, which is measured less often."""
    figures: dict[str, Any] = {}
    for name, one in calls.items():
        bench.items.spent.clear()
        one()
        spent = Counter(bench.items.spent)
        times_ms = [timed_ms(one) for _ in range(max(3, repeat // 10) if name == "peer" else repeat)]
        median, p99 = np.percentile(times_ms, [50, 99])
        figures[name] = {
            "median_ms": round(float(median), 2),
            "p99_ms": round(float(p99), 2),
            "read_units": sum(spent.values()),
            "read_units_by": dict(spent),
        }
    here, peer = figures["here"], figures["peer"]
    figures["ratio_to_peer"] = {
        "time": round(here["median_ms"] / peer["median_ms"], 6),
        "read_units": round(here["read_units"] / peer["read_units"], 6),
    }
    return figures


def timed_ms(one: Callable[[], object]) -> float:
    began = time.perf_counter()
    one()
    return (time.perf_counter() - began) * 1000


def require(right: bool, what: str) -> None:
    if not right:
        raise SystemExit(f"bench.lists: a wrong answer: {what}")


def report(figures: dict[str, Any]) -> None:
    print(
        f"{figures['faces']} faces, {figures['in_group']} of them in one group, "
        f"{figures['face_item_bytes']} bytes each, filled in {figures['filled_s']} s\n"
    )
    for one in figures["lists"]:
        which = f"page {one['page']}" if "page" in one else f"num {one['num']}"
        print(f"{one['list']} {which}: {one['returned']} faces")
        for name in ("here", "request", "peer"):
            shown = one[name]
            by = ", ".join(f"{kind} {units}" for kind, units in shown["read_units_by"].items())
            print(f"  {name + ':':9}{shown['median_ms']:9.2f} ms, {shown['read_units']:6} units ({by})")
        ratio = one["ratio_to_peer"]
        print(f"  here / peer: {ratio['time']:.2g} of the time, {ratio['read_units']:.2g} of the units")


if __name__ == "__main__":
    raise SystemExit(main())
