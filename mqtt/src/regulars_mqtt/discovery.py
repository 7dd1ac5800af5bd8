"""Topics and payloads for a broker, in the form of Home Assistant's MQTT discovery.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery: a retained message at
`PREFIX/COMPONENT/NODE/OBJECT/config` describes an entity, an empty one takes it away. A camera is
an `event`. A person is a `sensor`, whose state is the camera that saw them last, and a
`device_tracker`, which is `home` until nobody has seen them for the camera's gap.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from regulars_client.models import (
    ArrivalTotals,
    Camera,
    Entries,
    Event,
    Face,
    FaceArrival,
    Opening,
    Place,
)

EVENTS: tuple[Any, ...] = (
    "face.arrived",
    "stranger.created",
    "stranger.promoted",
    "group.full",
    "camera.silent",
    "camera.unwell",
    "camera.well",
)
"""Kinds of events that a camera's entity has. The other kinds have no camera."""

LATE = timedelta(minutes=5)
"""An event that is told so long after it happened says so, for automations that welcome
somebody."""


class Topics(Struct, frozen=True):
    """The topics of one book.

    `book`: its id, or the tenant's name if the service is too old to say it, since then another
    tenant of that name at the same broker has the same topics. `prefix`: of Home Assistant's
    discovery.
    """

    book: str
    prefix: str = "homeassistant"

    @property
    def available(self) -> str:
        return f"regulars/{self.book}/available"

    @property
    def frigate_available(self) -> str:
        """Of a program that does not tell arrivals."""
        return f"regulars/{self.book}/frigate/available"

    @property
    def bridges(self) -> str:
        """Of programs that tell of this book: each says there that it is at work."""
        return f"regulars/{self.book}/bridges"

    @property
    def configs(self) -> str:
        """All of this book's descriptions, as a pattern."""
        return f"{self.prefix}/+/{self._node}/+/config"

    @property
    def place_configs(self) -> str:
        """All of this book's descriptions of places and entries, as a pattern. People's have one
        node of their own, so that no place is taken for one."""
        return f"{self.prefix}/sensor/{self._node}_places/+/config"

    @property
    def retained(self) -> tuple[str, ...]:
        """All that a broker retains of this book, as patterns."""
        of_today = self.today, self.today_config
        return (
            self.configs,
            self.place_configs,
            self.name_person("+"),
            self.name_place("+"),
            self.available,
            self.frigate_available,
            *of_today,
        )

    @property
    def _node(self) -> str:
        return f"regulars_{self.book}"

    @property
    def today(self) -> str:
        return f"regulars/{self.book}/today"

    @property
    def today_config(self) -> str:
        """Return a topic that is nobody's: those of people have one part more."""
        return f"{self.prefix}/sensor/{self._node}/config"

    def name_camera(self, camera: str) -> str:
        return f"regulars/{self.book}/cameras/{camera}"

    def name_person(self, face: str) -> str:
        return f"regulars/{self.book}/people/{face}"

    def name_place(self, place: str) -> str:
        return f"regulars/{self.book}/places/{place}"

    def name_place_config(self, place: str) -> str:
        return f"{self.prefix}/sensor/{self._node}_places/{place}/config"

    def name_camera_config(self, camera: str) -> str:
        object_id = camera.replace(".", "_2e")  # Home Assistant takes no full stop there
        return f"{self.prefix}/event/{self._node}/{object_id}/config"

    def name_person_config(self, face: str) -> str:
        return f"{self.prefix}/sensor/{self._node}/{face}/config"

    def name_tracker_config(self, face: str) -> str:
        return f"{self.prefix}/device_tracker/{self._node}/{face}/config"

    def find_face(self, config: str) -> str | None:
        """Return the face whose description is at this topic; None if it is none of a person."""
        topic_match = re.fullmatch(
            rf"{re.escape(self.prefix)}/sensor/{self._node}/([A-Za-z0-9_-]{{1,64}})/config", config
        )
        return topic_match[1] if topic_match else None

    def find_person(self, state: str) -> str | None:
        """Return the face whose state is at this topic; None if it is none of a person."""
        topic_match = re.fullmatch(rf"regulars/{self.book}/people/([A-Za-z0-9_-]{{1,64}})", state)
        return topic_match[1] if topic_match else None

    def find_place(self, config: str) -> str | None:
        """Return the place whose description is at this topic; None if it is none of a place."""
        topic_match = re.fullmatch(
            rf"{re.escape(self.prefix)}/sensor/{self._node}_places/([0-9]{{1,20}})/config", config
        )
        return topic_match[1] if topic_match else None


def find_described(topic: str, payload: bytes, prefix: str) -> tuple[str, str] | None:
    """Return whose book the description of its visits of today is, at this topic: the topics' part,
    and the device's name; None: it is no such description."""
    topic_match = re.fullmatch(
        rf"{re.escape(prefix)}/sensor/regulars_([a-z0-9-]{{1,40}})/config", topic
    )
    name = parse_device(payload).get("name")
    return (topic_match[1], name) if topic_match and isinstance(name, str) else None


def parse_device(payload: bytes) -> dict[str, Any]:
    """Read the device of a description; {}: it is none in this form."""
    try:
        description = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    device = description.get("device") if isinstance(description, dict) else None
    return device if isinstance(device, dict) else {}


def name_device(tenant: str) -> str:
    return f"Regulars {tenant}"


class Descriptions(Struct, frozen=True):
    """The names of entities and the topics of their states.

    `url`: the service's; `version`: its.
    """

    topics: Topics
    tenant: str
    url: str
    version: str

    def describe_camera(self, camera: Camera) -> str:
        topic = self.topics.name_camera(camera.id)
        return self._describe_entity(
            f"camera_{camera.id}", camera.name or camera.id, topic, event_types=EVENTS
        )

    def describe_today(self) -> str:
        """Describe how many visits there were today.

        Home Assistant draws a curve of it. It is no total that only increases: a correction makes
        it less.
        """
        topic = self.topics.today
        return self._describe_entity(
            "today",
            "Visits today",
            topic,
            value_template="{{ value_json.visits }}",
            state_class="measurement",
            unit_of_measurement="visits",
            json_attributes_topic=topic,
            icon="mdi:counter",
        )

    def describe_entries(self) -> str:
        """Describe how many people came in today, by the counts of cameras."""
        return self._describe_entity(
            "entries",
            "Entries today",
            self.topics.today,
            value_template="{{ value_json.entries }}",
            state_class="total_increasing",
            unit_of_measurement="people",
            json_attributes_topic=self.topics.today,
            icon="mdi:counter",
        )

    def describe_place(self, place: Place) -> str:
        topic = self.topics.name_place(place.id)
        return self._describe_entity(
            f"place_{place.id}",
            f"{place.name} inside",
            topic,
            value_template="{{ value_json.inside }}",
            state_class="measurement",
            unit_of_measurement="people",
            json_attributes_topic=topic,
            icon="mdi:account-group",
        )

    def describe_person(self, face: Face) -> str:
        topic = self.topics.name_person(face.id)
        return self._describe_entity(
            f"person_{face.id}",
            face.name,
            topic,
            value_template="{{ value_json.camera }}",
            json_attributes_topic=topic,
            icon="mdi:account",
        )

    def describe_tracker(self, face: Face) -> str:
        """Describe a person for Home Assistant's people: `home` while the person is here."""
        topic = self.topics.name_person(face.id)
        return self._describe_entity(
            f"person_{face.id}_here",
            f"{face.name} here",
            topic,
            value_template="{{ 'home' if value_json.here else 'not_home' }}",
            json_attributes_topic=topic,
            source_type="router",
        )

    def _describe_entity(self, key: str, name: str, topic: str, **fields: Any) -> str:
        """Return the description of an entity whose state is at `topic`, as JSON.

        `fields`: further fields, of the entity's component.
        """
        book = self.topics.book
        device = {
            "identifiers": [f"regulars_{book}"],
            "name": name_device(self.tenant),
            "manufacturer": "Regulars",
            "sw_version": self.version,
            "configuration_url": self.url,
        }
        return _write_json(
            {
                "name": name,
                "unique_id": f"regulars_{book}_{key}",
                "state_topic": topic,
                "availability_topic": self.topics.available,
                "qos": 1,
                "device": device,
                "origin": {"name": "regulars", "sw_version": self.version},
                **fields,
            }
        )


def write_camera_event(event: Event, now: datetime, face: Face | None) -> str:
    """Say that something happened at a camera. `face`: whose name may be told; None: nobody's."""
    members = {
        "event_type": event.type,
        "id": event.id,
        "at": event.at.isoformat(),
        "late": now - event.at > LATE,
        "camera": event.camera,
        "group": event.group,
        "visit": event.data.get("arrive_count"),
    }
    return _write_json(members | ({"name": face.name, "face": face.id} if face else {}))


def write_figures(totals: ArrivalTotals, counted: Mapping[str, int | None]) -> str:
    """Say how many came: visits without staff, the people, and each kind of visit.

    `counted`: what cameras counted beside them, by name.
    """
    kinds = {kind: totals.kinds.get(kind, 0) for kind in ("new", "returning", "known")}
    return _write_json(
        {
            "visits": totals.arrivals,
            "people": totals.persons,
            **kinds,
            "staff": totals.staff,
            **counted,
        }
    )


def list_entries(entries: Entries | None) -> dict[str, int | None]:
    """List the counts of cameras by name; None if nothing was watched yet."""
    names = {"entries": "in_", "exits": "out"}
    names |= {f"entries_{name}": name for name in ("known", "not_known", "faceless")}
    counted = {name: getattr(entries, field, None) for name, field in names.items()}
    return counted | _list_minutes("entries_", entries)


def _list_minutes(prefix: str, counted: Entries | Opening | None) -> dict[str, int | None]:
    """Name the minutes that were watched, and those that were to be; None: nobody watched."""
    if counted is None:
        return {f"{prefix}watched_minutes": None, f"{prefix}open_minutes": None}
    return {
        f"{prefix}watched_minutes": counted.watched_s // 60,
        f"{prefix}open_minutes": counted.open_s // 60,
    }


def write_place(place: Place) -> str:
    """Say how many are inside a place, and whether it is full."""
    of_today: dict[str, int | None] = {"in": 0, "out": 0}
    if place.open and place.openings:
        opening = place.openings[-1]
        of_today = {"in": opening.in_, "out": opening.out, **_list_minutes("", opening)}
    return _write_json({"inside": place.inside, "full": place.full, **of_today})


def is_older(event: Event, face: Face) -> bool:
    """Return whether the face has come again since the event: then it does not say who saw the
    person last.

    A camera that was offline sends old pictures late, so events are told in any order of time.
    `face`: as it was read after the event.
    """
    return face.arrive_time is not None and event.at < face.arrive_time


def says_here(payload: bytes) -> bool:
    """Tell whether a person's state means that the person is here."""
    try:
        state = json.loads(payload)
    except (ValueError, RecursionError):
        return False
    return isinstance(state, dict) and state.get("here") is True


class Visit(Struct, frozen=True):
    """A person's last visit.

    `camera`: where it began, `at`; `until`: when it ends if nobody sees that person again.
    """

    camera: str
    at: datetime
    group: str | None
    visit: int | None
    until: datetime

    @classmethod
    def of_event(cls, event: Event, gap: timedelta) -> Visit:
        """Begin the visit that an event tells. `gap`: of its camera, after which a visit ends."""
        visit = event.data.get("arrive_count")
        return cls(str(event.camera), event.at, event.group, visit, event.at + gap)

    @classmethod
    def of_arrival(cls, arrival: FaceArrival, gap: timedelta) -> Visit:
        """Parse a visit of the book, with the last time that the person was seen in it."""
        until = arrival.last + gap
        return cls(arrival.camera, arrival.first, arrival.group, arrival.visit, until)

    def write(self, now: datetime) -> str:
        """Say which camera saw somebody, and whether that person is `here` now."""
        return _write_json(
            {
                "camera": self.camera,
                "at": self.at.isoformat(),
                "group": self.group,
                "visit": self.visit,
                "here": now < self.until,
            }
        )


def _write_json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
