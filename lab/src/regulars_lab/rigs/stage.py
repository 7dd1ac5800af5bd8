"""The application as it stands on AWS, on a metered storage, and each operation that is charged
for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from chalice.app import Chalice
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.api.application import Application
from chalicelib.api.sunmi import DIALECT as SUNMI
from chalicelib.api.sunmi.probe import DONE, NO_MATCH
from chalicelib.api.v1 import blueprint as v1
from chalicelib.domain.captures import Resolution
from chalicelib.domain.model import Credentials, Profile, Tenant
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.open_storage import open_storage
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.limits import index_entry_size
from chalicelib.storage.ports import Storage, Vision
from chalicelib.storage.records.captures import capture_from
from regulars.clients import Reply
from regulars.serve.gateway import Gateway
from regulars.serve.messages import Request
from regulars_lab.rigs.stand_ins import Postman, SteppedClock
from regulars_lab.v1 import V1, Picture
from tests.support.api.over_http import Sunmi
from tests.support.book.tenants import CHOICE
from tests.support.storage.meter import Meter, meter_storage, stored_bytes
from tests.support.storage.prices import ITEM_BYTES

GROUP = "staff"
CAMERA = "door"
FACES = 3
"""Enrolled beforehand. What an operation uses does not depend on how many there are, but for the
search's memory and a sweep's list of pictures, which shop.py counts."""

_BEGIN = (datetime.now(UTC) - timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
"""A morning, so that the operations' hours stay within a day. Of yesterday, so that storage's own
times, which are the machine's, are never hours ago by this clock."""


@dataclass
class Stage:
    """The application with all that is measured through it; each operation can be done again and
    again."""

    storage: Storage
    meter: Meter
    clock: SteppedClock
    services: Any
    credentials: Credentials
    camera_key: str
    transport: InProcess
    picture: Callable[[int | None, int], bytes]
    taken: int = 0
    known: int = 0
    due: Callable[[], None] = lambda: None
    """What is to be looked at when the operation was measured: whether it did what it is called."""

    @property
    def tenant(self) -> Tenant:
        return self.services.tenants.get_by_name(self.credentials.tenant)

    @property
    def camera_api(self) -> Sunmi:
        return Sunmi(self.transport, self.credentials)

    @property
    def operations(self) -> dict[str, Callable[[], Callable[[], object]]]:
        return {
            "search_match": self.search_match,
            "search_nobody": self.search_nobody,
            "enrol": self.enrol,
            "list_faces": self.list_faces,
            "offer": self.offer,
            "capture_new": self.capture_new,
            "capture_arrival": self.capture_arrival,
            "capture_within": self.capture_within,
            "capture_empty": self.capture_empty,
            "watch": self.watch,
            "sweep": self.sweep,
            "send_sweeps": self.send_sweeps,
            "retention": self.retention,
            "heartbeat": self.heartbeat,
            "deliver": self.deliver,
        }

    def least_ms(self, operation: Callable[[], Callable[[], object]], repeat: int) -> float:
        spent = []
        for _ in range(repeat):
            work = operation()
            began = time.process_time()
            work()
            spent.append((time.process_time() - began) * 1000)
            self.due()
        return round(min(spent), 1)

    def second_of(self, operation: Callable[[], Callable[[], object]]) -> dict[str, Any]:
        """`operation` gets everything ready and returns what is measured."""
        operation()()
        work = operation()
        self.meter.clear()
        work()
        used = self.read_meter()
        self.due()
        return used

    def read_meter(self) -> dict[str, Any]:
        return {
            "reads": sum(self.meter.reads.values()),
            "writes": sum(self.meter.writes.values()),
            "calls": dict(sorted(self.meter.calls.items())),
            "waits": dict(sorted(self.meter.waits.items())),
            "tables": len(
                {what.partition(" ")[0] for what in self.meter.reads} | set(self.meter.writes)
            ),
        }

    # --- the API ---

    def search_match(self) -> Callable[[], object]:
        return lambda: require(self.camera_api.search(self.picture(0, self._next())).code == DONE)

    def search_nobody(self) -> Callable[[], object]:
        return lambda: require(self.camera_api.search(self.picture(999_999, 0)).code == NO_MATCH)

    def enrol(self) -> Callable[[], object]:
        number = 100 + self._next()
        return lambda: require(
            self.camera_api.add_face(GROUP, f"person-{number}", self.picture(number, 0)).code
            == DONE
        )

    def list_faces(self) -> Callable[[], object]:
        page = {"group_name": GROUP, "page_num": 1, "page_size": 10}
        return lambda: require(self.camera_api.call("getFaceList", page).code == DONE)

    def offer(self) -> Callable[[], object]:
        """Offer a picture within a minute of the camera's last heartbeat, as its uploader does."""
        one = Picture(CAMERA, self.clock.at, self.picture(1, self._next()))
        body = {"captures": [one.offer]}
        return lambda: V1(self.transport, self.camera_key).call(
            "POST", "/v1/captures/uploads", body
        )

    # --- captures ---

    def capture_new(self) -> Callable[[], object]:
        self.known = 10_000 + self._next()
        return self._ingest(self.known, timedelta(hours=1), Resolution.STRANGER)

    def capture_arrival(self) -> Callable[[], object]:
        return self._ingest(self.known, timedelta(hours=1), Resolution.MATCHED)

    def capture_within(self) -> Callable[[], object]:
        return self._ingest(self.known, timedelta(minutes=5), Resolution.MATCHED)

    def capture_empty(self) -> Callable[[], object]:
        return self._ingest(None, timedelta(minutes=5), None)

    def _ingest(
        self, person: int | None, later: timedelta, outcome: Resolution | None
    ) -> Callable[[], object]:
        self.clock.at += later
        data = self.picture(person, self._next())
        message, self.due = self.upload_picture(
            data, self.offer_picture(data, self.credentials.api_key), outcome
        )
        return lambda: self.services.sightings.ingest.take_message(message)

    def offer_picture(self, data: bytes, key: str) -> str:
        """Offer a picture of now; return its id."""
        body = {"captures": [Picture(CAMERA, self.clock.at, data).offer]}
        return str(
            V1(self.transport, key).call("POST", "/v1/captures/uploads", body)["uploads"][0]["id"]
        )

    def upload_picture(
        self, data: bytes, id_: str, outcome: Resolution | None
    ) -> tuple[str, Callable[[], None]]:
        """Upload it; return the storage's message of it, and what requires the outcome once it is
        resolved."""
        key = keys.capture_picture("shop", CAMERA, id_)
        self.storage.uploads.put_if_absent(key, data, "image/jpeg")
        return json.dumps({"Records": [{"s3": {"object": {"key": key}}}]}), partial(
            self._require_outcome, id_, outcome
        )

    def _require_outcome(self, id_: str, outcome: Resolution | None) -> None:
        item = self.storage.items.get(keys.CAPTURES, (keys.captures(self.tenant.name, CAMERA), id_))
        found = [one.resolution for one in capture_from(item or {}).sightings]
        require(found == ([outcome] if outcome else []))

    # --- schedules ---

    def watch(self) -> Callable[[], object]:
        """Look after cameras that are all heard."""
        self.clock.at += timedelta(minutes=5)
        self.heartbeat()()
        return self.services.watch.run

    def sweep(self) -> Callable[[], object]:
        """Sweep one tenant, with nothing to do, in an hour without special jobs."""
        self.clock.at += timedelta(seconds=5)
        self.services.sweep.request_sweeps(self.clock.at.replace(hour=8))
        (message,) = self.storage.index_queue.receive(10, 60)
        self.storage.index_queue.delete(message.receipt)
        return lambda: self.services.sweep.handle_message(message.body, 1, lambda: 300.0)

    def send_sweeps(self) -> Callable[[], object]:
        """Send the message of one tenant, as the schedule does."""
        return lambda: self.services.sweep.request_sweeps(self.clock.at)

    def retention(self) -> Callable[[], object]:
        """Look for what is kept no longer, as a sweep does at night, while nothing is."""
        days = {"capture_days": 20, "sighting_days": 60, "regular_days": 3_650}
        self.services.tenants.change_settings(self.tenant.name, days)
        tenant = self.tenant
        return lambda: require(self.services.erasure.retention.sweep_tenant(tenant, lambda: 300.0))

    # --- beside the captures ---

    def heartbeat(self) -> Callable[[], object]:
        """Send a camera's, a minute after the last, within the hour for which its captures are
        counted."""
        self.clock.at += timedelta(minutes=1)
        self.services.captures.count_faceless(
            self.tenant, self.services.cameras.get(self.tenant, CAMERA)
        )
        return self.beat

    def beat(self) -> None:
        path, body = f"/v1/cameras/{CAMERA}/heartbeat", {"status": {"pictures": self._next()}}
        V1(self.transport, self.camera_key).call("POST", path, body)

    def deliver(self) -> Callable[[], object]:
        """Tell a hook of one event. There is none before, which events of captures would go to."""
        hooks = self.services.webhooks.hooks
        deliveries = self.services.webhooks.deliveries
        tenant = self.tenant.name
        hook = (
            next(iter(hooks.list_all(tenant)), None)
            or hooks.add(tenant, "https://hook.example/")[0]
        )
        deliveries.send_test(tenant, hook.id)
        (message,) = self.storage.deliveries_queue.receive(10, 60)
        self.storage.deliveries_queue.delete(message.receipt)
        return lambda: require(not deliveries.deliver_all({"message": message.body}))

    def snapshot(self) -> dict[str, Any]:
        """Of a gallery that changed; the journal behind the one before is not yet trimmed."""
        self.camera_api.delete_faces(GROUP, ["person-0"])
        self.meter.clear()
        require(self.services.index.build(self.tenant.name))
        return self.read_meter()

    def bytes(self) -> dict[str, int]:
        """Of an item each, with its index entries, as DynamoDB charges for storage: each has
        ITEM_BYTES more."""
        items, tenant = self.storage.items, self.tenant.name
        face = self._last(keys.FACES, tenant)
        captures = items.query(keys.CAPTURES, keys.captures(tenant, CAMERA)).items
        observation = self._last(
            keys.OBSERVATIONS, keys.observations(tenant, int(self.clock.at.timestamp()) // 86_400)
        )
        arrivals = self._last(keys.ARRIVALS, tenant)
        entries = [
            size
            for index in keys.FACES.indexes
            if (size := index_entry_size(keys.FACES, index, face))
        ]
        require(items.get(keys.FACES, (tenant, face["faceid"])) is not None)
        return {
            "face": stored_bytes(face)
            + stored_bytes(arrivals)
            + sum(entries)
            + (2 + len(entries)) * ITEM_BYTES,
            "capture": max(stored_bytes(capture) for capture in captures) + ITEM_BYTES,
            "observation": stored_bytes(observation) + ITEM_BYTES,
        }

    def _last(self, table: Any, partition: str) -> Mapping[str, Any]:
        return self.storage.items.query(table, partition, reverse=True, limit=1).items[0]

    def _next(self) -> int:
        self.taken += 1
        return self.taken


class InProcess:
    """regulars.clients.Transport without the network."""

    def __init__(self, app: Chalice) -> None:
        self._gateway = Gateway(app)

    def request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        lower = {"host": "box.example", **{name.lower(): value for name, value in headers.items()}}
        response = self._gateway.answer(Request(method, path, headers=lower, body=body))
        return Reply(response.status, dict(response.headers), json.loads(response.body), 0.0)


@contextmanager
def open_stage(
    folder: Path,
    eyes: Vision,
    picture: Callable[[int | None, int], bytes],
    begin: datetime = _BEGIN,
) -> Iterator[Stage]:
    # Clients sign with the machine's time, and the operations' clock makes hours and days pass.
    settings = Settings(
        storage=folder,
        clock_tolerance_s=40 * 86_400,
        requests_a_second=10_000,
        searches_a_second=10_000,
    )
    clock = SteppedClock(begin)
    storage = open_storage(settings, clock)
    # As DynamoDB does, storage forgets by itself what has expired.
    on_meter, meter = meter_storage(replace(storage, expires_items=True))
    services = bootstrap.build(settings, clock=clock, vision=lambda: eyes, storage=on_meter)
    services.ports.postman = Postman()  # as tests give theirs
    try:
        app = Application("operations")
        for blueprint in (SUNMI.make_blueprint, v1.make_blueprint):
            app.register_blueprint(blueprint(lambda: services))
        credentials = services.tenants.add(
            "shop", Profile.CLOUD, TenantSettings(**CHOICE, time_zone="UTC")
        )
        tenant = services.tenants.get_by_name("shop")
        services.groups.create(tenant, GROUP, None, "")
        _, key = services.cameras.add(tenant, CAMERA, CAMERA)
        stage = Stage(storage, meter, clock, services, credentials, key, InProcess(app), picture)
        for number in range(FACES):
            require(
                stage.camera_api.add_face(GROUP, f"person-{number}", picture(number, 0)).code
                == DONE
            )
        yield stage
    finally:
        services.close()


def require(right: bool) -> None:
    if not right:
        raise SystemExit(
            "regulars_lab.rigs.operations: an operation had another outcome than the one that is "
            "measured"
        )
