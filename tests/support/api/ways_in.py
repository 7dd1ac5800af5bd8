"""Each way by which somebody comes into the book: the routes that it takes, and how it goes.

Which routes, functions and jobs are ways in, the walk of all of them finds out
(tests/faults/test_every_call.py): one that brings a template into the book and is in none of these
fails it. So does a command that is in neither list.
"""

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec import Struct
from regulars_client import Regulars
from regulars_dialects.subjects import Subjects
from regulars_mqtt import bridge
from regulars_mqtt.broker import Address, Broker
from regulars_mqtt.discovery import Descriptions, Topics
from regulars_mqtt.frigate import Frigate
from regulars_mqtt.publishing import Publisher
from regulars_mqtt.snapshots import Snapshots

from chalicelib.api.dialects import SERVICES
from chalicelib.api.service_keys import add_service_key
from chalicelib.bootstrap import build
from chalicelib.settings import Settings
from regulars.cli import main
from regulars.serve.server import Front, make_site, open_listener
from tests.support.api.compreface.client import Client as CompreFace
from tests.support.api.deepstack.client import Client as DeepStack
from tests.support.api.icredit.client import tokens
from tests.support.api.stage import make_stage
from tests.support.api.v1.client import offer_of
from tests.support.book.book import MONDAY, Shot
from tests.support.fakes import UNHURRIED, Person, picture
from tests.support.faults.shop import Box, furnished
from tests.support.hooks.receiver import answers, receiving
from tests.support.mqtt.frigate import frigate
from tests.support.mqtt.mosquitto import Mosquitto, mosquitto
from tests.support.mqtt.mosquitto import listening as hearing
from tests.support.waiting import until

_SEEDS = count(50_001)


@dataclass
class Somebody:
    """A person of this test.

    `also`: the face that a rejection made of the person, and nobody knows whose it is; `day`: on
    which day after the first one the person comes, with a picture of its own.
    """

    way_in: str
    way_out: str
    seed: int = field(default_factory=lambda: next(_SEEDS))
    faceid: str = ""
    also: str = ""
    wanted: dict[str, bytes] = field(default_factory=dict)
    day: int = 0

    @property
    def name(self) -> str:
        return f"Zora{self.seed}"

    @property
    def note(self) -> str:
        return f"theremin-{self.seed}"

    @property
    def look(self) -> Person:
        return Person(self.seed, side_px=140.0 + self.day)

    @property
    def photo(self) -> bytes:
        return picture(self.look)

    @property
    def first_photo(self) -> bytes:
        """The picture before the own one, where one has to be there already."""
        return picture(Person(self.seed, side_px=120.0, likeness=0.8))

    @property
    def seen_at(self) -> datetime:
        return MONDAY + timedelta(days=5 + self.day, minutes=self.seed % 999)

    @property
    def group(self) -> str:
        """The group of somebody's enrolment; people who leave with their group are in one of their
        own."""
        return {"group": "leaving-" + self.way_in, "retention": "unseen"}.get(
            self.way_out, "people"
        )


class House(Struct, frozen=True):
    """A box that is served, and a broker beside it."""

    box: Box
    url: str
    broker: Mosquitto

    def client(self) -> Regulars:
        return Regulars(self.url, api_key=self.box.credentials.api_key)

    def connection(self, name: str, available: str) -> Broker:
        return Broker(Address("127.0.0.1", self.broker.port, False), name, available)


@contextmanager
def served(box: Box, broker: Mosquitto) -> Iterator[House]:
    stop = threading.Event()
    beside = build(
        Settings(storage=box.folder, **UNHURRIED), clock=box.clock, vision=lambda: box.vision
    )
    with ExitStack() as ends:
        ends.callback(beside.close)
        sock = ends.enter_context(open_listener("127.0.0.1", 0))
        front = Front(make_site(make_stage(beside).app, beside), sock)
        thread = threading.Thread(target=front.run, args=(stop,))
        thread.start()
        ends.callback(thread.join, 20)
        ends.callback(stop.set)
        yield House(box, front.url, broker)


@contextmanager
def bridged(connection: Broker, step: Callable[[], object]) -> Iterator[None]:
    """Run a bridge, as `regulars mqtt` does."""
    stop = threading.Event()
    thread = threading.Thread(target=bridge.run, args=(connection, [step], stop, 0.3))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


def tell_broker(
    house: House, mailbox: str, says: Callable[[dict[str, bytes]], bool], *, are_gone: bool = False
) -> None:
    """Run `regulars mqtt` with names until the broker says it, or, if people are gone, says it no
    more.

    `says`: tells it of what is retained, by topic.
    """
    topics = Topics("shop")
    connection = house.connection("regulars-shop", topics.available)
    with hearing(house.broker) as listener, house.client() as service:
        publisher = Publisher(
            service,
            mailbox,
            connection,
            Descriptions(topics, "shop", service.url, "1"),
            names=True,
            tidy_s=0.3,
        )

        def is_told() -> bool:
            return says(
                {topic: payload.encode() for topic, payload in [*listener.retained.items()]}
            )

        if are_gone:
            until(is_told)  # what the broker retained has come; before it, nobody is told of either
        with bridged(connection, publisher.step):
            until(lambda: is_told() is not are_gone)


def _encoded(one: Somebody) -> str:
    return base64.b64encode(one.photo).decode()


def _v1(house: House, one: Somebody) -> str:
    body = {"picture": _encoded(one), "group": one.group, "name": one.name, "note": one.note}
    return str(house.box.v1.done("POST", "/v1/faces", body)["id"])


def _v1_photo(house: House, one: Somebody) -> str:
    """Enrolled by a picture of another look; the own one comes after it."""
    first = base64.b64encode(one.first_photo).decode()
    made = house.box.v1.done(
        "POST", "/v1/faces", {"picture": first, "group": one.group, "name": one.name}
    )
    house.box.v1.done(
        "POST", f"/v1/faces/{made['id']}/pictures", {"picture": _encoded(one), "trust": True}
    )
    return str(made["id"])


def _named(house: House, one: Somebody, faceid: str | None) -> str:
    """Say who it is that a camera saw."""
    house.box.v1.done(
        "PATCH", f"/v1/faces/{faceid}", {"name": one.name, "note": one.note, "group": one.group}
    )
    return str(faceid)


def _camera(house: House, one: Somebody) -> str:
    [capture] = house.box.see(Shot(one.seen_at, (one.look,)))
    return _named(house, one, capture.sightings[0].faceid)


def _resolved(house: House, one: Somebody, camera: str, capture: str) -> str:
    done = house.box.services.sightings.ingest.resolve_capture("shop", camera, capture)
    return _named(house, one, done.sightings[0].faceid)


def _capture(house: House, one: Somebody) -> str:
    at = one.seen_at.isoformat()
    taken = house.box.v1.done(
        "POST", "/v1/captures", {"camera": "door", "captured_at": at, "picture": _encoded(one)}
    )
    return _resolved(house, one, "door", taken["id"])


def _upload(house: House, one: Somebody) -> str:
    offer = offer_of(one.photo, one.seen_at)
    [upload] = house.box.v1.done("POST", "/v1/captures/uploads", {"captures": [offer]})["uploads"]
    assert house.box.put(Shot(one.seen_at, (one.look,))).id == upload["id"]
    return _resolved(house, one, "door", upload["id"])


def _own_id(one: Somebody) -> str:
    """Make an id that no hash in hexadecimal has by chance: seven digits stood in one of the
    audit's."""
    return f"employee-{one.seed}-{one.day}"


def _sunmi(house: House, one: Somebody) -> str:
    answer = house.box.camera.add_face(one.group, one.photo, faceid=_own_id(one))
    assert answer["code"] == 0, answer
    return _own_id(one)


def _sunmi_updated(house: House, one: Somebody) -> str:
    """The face is somebody else's first, who is forgotten with the picture."""
    client = house.box.camera
    answer = client.add_face(one.group, one.first_photo, faceid=_own_id(one))
    assert answer["code"] == 0, answer
    fields = {"group_name": one.group, "faceid": _own_id(one)}
    answer = client.call("updateFace", fields, one.photo)
    assert answer["code"] == 0, answer
    return _own_id(one)


def _icredit(house: House, one: Somebody) -> str:
    [token] = tokens(house.box.market.enrol(one.group, one.photo))
    return token


def _rekognition(house: House, one: Somebody) -> str:
    image = {"Bytes": one.photo}
    answer = house.box.rekognition(
        "IndexFaces", CollectionId=one.group, Image=image, ExternalImageId=one.name
    )
    assert answer.get("FaceRecords"), str(answer)
    return str(answer["FaceRecords"][0]["Face"]["FaceId"])


def _user(house: House, one: Somebody) -> str:
    faceid = _rekognition(house, one)
    house.box.rekognition("CreateUser", CollectionId=one.group, UserId=f"user-{one.name}")
    house.box.rekognition(
        "AssociateFaces", CollectionId=one.group, UserId=f"user-{one.name}", FaceIds=[faceid]
    )
    return faceid


def _compreface(house: House, one: Somebody) -> str:
    CompreFace(house.box.app, house.box.ids[f"recognition of {one.group}"]).add(one.name, one.photo)
    return _of_subject(house, one)


def _deepstack(house: House, one: Somebody) -> str:
    DeepStack(house.box.app, house.box.ids[f"deepstack of {one.group}"]).register(
        one.name, one.photo
    )
    return _of_subject(house, one)


def _of_subject(house: House, one: Somebody) -> str:
    services = house.box.services
    group = services.groups.get_by_name(house.box.tenant, one.group)
    [faceid] = Subjects(services).get(house.box.tenant, group, one.name).faceids
    return faceid


def _import(house: House, one: Somebody) -> str:
    source = house.box.folder.parent / f"source-{one.seed}-{one.day}" / one.name
    source.mkdir(parents=True)
    (source / "0.jpg").write_bytes(one.photo)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGULARS_API_KEY", house.box.credentials.api_key)
        assert main(["import", str(source.parent), "--url", house.url, "--group", one.group]) == 0
    [face] = house.box.v1.done("GET", "/v1/faces", name=one.name)["faces"]
    return str(face["id"])


def _frigate(house: House, one: Somebody) -> str:
    """Frigate tells the broker of a person, and `regulars mqtt --frigate` sends its picture."""
    at = one.seen_at.timestamp()
    connection = house.connection(f"frigate-{one.seed}", "regulars/shop/frigate")
    with frigate() as fake, house.client() as service, hearing(house.broker) as listener:
        taken = Snapshots(
            service,
            Frigate(fake.url),
            gives_names=True,
            count_connections=lambda: connection.connections,
        )
        connection.listen(taken.topic, taken.take_message)
        with bridged(connection, taken.step):
            until(lambda: any("/api/events?" in path for path in fake.asked))
            fake.sees(listener, f"{at}-{one.seed}", at, one.photo, kind="new")
            until(lambda: any(each.id == "front_door" for each in service.list_cameras().cameras))
            until(
                lambda: any(
                    True for _ in service.list_captures(camera="front_door", state="stored")
                )
            )
            [capture] = service.list_captures(camera="front_door", state="stored")
        return _resolved(house, one, "front_door", capture.id)


class Way(NamedTuple):
    """A way in. `routes`: as the walk of all routes, functions and jobs calls them, or a
    command."""

    go: Callable[[House, Somebody], str]
    routes: tuple[str, ...]


IN: Mapping[str, Way] = {
    "v1": Way(_v1, ("POST /v1/faces",)),
    "photo": Way(_v1_photo, ("POST /v1/faces/{id}/pictures",)),
    "camera": Way(_camera, ("ingest",)),
    "capture": Way(_capture, ("POST /v1/captures",)),
    "upload": Way(_upload, ("POST /v1/captures/uploads",)),
    "sunmi": Way(_sunmi, ("POST /openapi/face/addFace",)),
    "updated": Way(_sunmi_updated, ("POST /openapi/face/updateFace",)),
    "icredit": Way(_icredit, ("POST /icredit/face/manage 0",)),
    "rekognition": Way(_rekognition, ("POST / IndexFaces",)),
    "user": Way(_user, ("POST / AssociateFaces",)),
    "compreface": Way(_compreface, ("POST /api/v1/recognition/faces",)),
    "deepstack": Way(_deepstack, ("POST /v1/vision/face/register",)),
    "import": Way(_import, ("import",)),
    "frigate": Way(_frigate, ("mqtt",)),
}

TRIED = {route for way in IN.values() for route in way.routes}


def furnish_ways(box: Box, *names: str) -> None:
    """Make groups with the keys by which the ways in reach them."""
    for name in names:
        box.rekognition("CreateCollection", CollectionId=name)
        group = box.services.groups.get_by_name(box.tenant, name)
        for service in {*SERVICES} & {"recognition", "deepstack"}:
            key = add_service_key(box.services, box.tenant, f"{service} {name}", service, group.id)
            box.ids[f"{service} of {name}"] = key


@contextmanager
def open_house(folder: Path) -> Iterator[House]:
    """Open a box with a group and keys for each way in and out, and a broker beside it."""
    with receiving(answers(200)) as receiver, mosquitto(folder / "broker") as broker:
        shop = furnished(folder / "shop", receiver)
        with closing(shop.opened(folder / "shop")) as made:
            furnish_ways(made, "people", "unseen", *(f"leaving-{way}" for way in IN))
            unseen = made.services.groups.get_by_name(made.tenant, "unseen").id
            made.v1.done("PATCH", f"/v1/groups/{unseen}", {"unseen_days": 1})
            made.services.tenants.change_settings("shop", {"ended_days": 0, "deletes_erase": False})
            with served(made, broker) as own:
                yield own


BRING_NOBODY = {
    *(
        "about",
        "audit",
        "backup",
        "calibrate",
        "call",  # which runs the routes of v1
        "compare",
        "config",
        "console",
        "deploy",
    ),
    *(
        "consent",
        "doctor",
        "erase",
        "evaluate",
        "export",
        "folder",
        "models",
        "privacy",
        "receipt",
    ),
    *("redrive", "reembed", "report", "retention", "serve", "tenants", "today", "uninstall"),
    # into a folder of their own; tests/regulars/backup/test_after.py looks at what a restore has
    *("demo", "restore"),
}
"""Commands that are no way into a book."""
