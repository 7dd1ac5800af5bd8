"""Publishes the events of a mailbox to a broker, and keeps Home Assistant's entities as the cameras
and people are.

An event stays in the mailbox until the broker has confirmed it. So neither's absence loses one, for
the 30 days that a mailbox keeps them. Which entities there are is asked of the broker, which
retains their descriptions: there is no file.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from regulars_client import Regulars
from regulars_client.codes import NotFound
from regulars_client.models import Camera, Event, Face

from regulars_mqtt import discovery
from regulars_mqtt.broker import Broker
from regulars_mqtt.discovery import Descriptions, Visit
from regulars_mqtt.frigate import Away

EVERY_S = 1.0
"""Between two looks into the mailbox, if there was nothing."""

CONFIRMED_S = 0.05
"""Between two looks whether the broker has confirmed; no more is told before."""

AT_ONCE = 100
"""The most that a mailbox shows or takes, and that a list of faces is asked for, in a call."""

TIDY_S = 60.0
"""How often deleted and renamed faces are updated in Home Assistant, and how many came today."""

_SETTLE_S = 1.0
"""In this time after a connection the broker sends its retained messages."""

_ECHO_S = 5.0
"""Time in which a broker tells a listener what was said."""
_UNHEARD = (
    "the broker takes what is told, and nobody hears it: let this user write and read `regulars/#` "
    "and Home Assistant's prefix"
)

RESTORED = timedelta(days=7)
"""How far back a broker that has forgotten people is told who came last."""

_MOST_RESTORED = 2_000
"""Visits that are looked through for that, newest first."""

_EVER = datetime(1970, 1, 1, tzinfo=UTC)

_MOST_NOTED, _LONGEST_TOPIC = 10_000, 300
"""Topics that are noted beside those that were told, of each kind, and their length: anybody at the
broker may write there, and each is asked of the service."""

_MOST_TAKEN_AWAY = 500
"""Topics that one look takes away, own ones first: more would hold up what is told meanwhile."""

_REMEMBERED = 10_000
"""Events that are remembered, so that none is published twice."""


class _Notes:
    """Notes of what the broker has at some patterns of topics, up to a bound.

    What finds no room is asked for again once there is some: else a person's name, of whom nobody
    told any more, would stay at the broker.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = patterns
        self.values: dict[str, bool] = {}
        self._has_left_out = False

    def note(self, name: str, value: bool, most: int) -> None:
        if name in self.values or len(self.values) < most:
            self.values[name] = value
        else:
            self._has_left_out = True

    def begin_again(self, most: int) -> bool:
        """Tell, once, whether something was left out for which there is room now."""
        has_room = self._has_left_out and len(self.values) < most
        if has_room:
            self._has_left_out = False
        return has_room


class Publisher:
    """Publisher of a tenant's events, cameras and people.

    `names`: whether people are named, with an entity each; if not, the entities that there are go.
    `tidy_s`: seconds between two looks for faces that were deleted or renamed.
    """

    def __init__(
        self,
        service: Regulars,
        mailbox: str,
        broker: Broker,
        descriptions: Descriptions,
        *,
        names: bool,
        tidy_s: float = TIDY_S,
    ) -> None:
        """Keep the service, the mailbox and the topics."""
        self._service, self._mailbox, self._broker = service, mailbox, broker
        self._descriptions, self._topics = descriptions, descriptions.topics
        self._shows_names = names
        self._tidy_s = tidy_s
        self._noted_topics = _Notes((self._topics.configs, self._topics.place_configs))
        """Topics of the descriptions that the broker has."""
        self._published: dict[str, str] = {}
        """The descriptions that were sent over this connection, by topic."""
        self._connection_number, self._tidy_at = 0, 0.0
        self._event_ids: dict[str, None] = {}
        """Ids of events that were sent, oldest first."""
        self._unconfirmed_ids: dict[int, str] = {}
        """Ids of events that are not confirmed yet, by the number of their message."""
        self._gaps: dict[str, timedelta] = {}
        """The time after which a visit ends, by the id of its camera."""
        self._present: dict[str, Visit] = {}
        """The visits that have not ended, by the id of the face."""
        self._must_restore, self._restored_at = False, float("-inf")
        """Whether the broker may have forgotten people. However often it goes, it is told them once
        in `tidy_s` at most."""
        self._untold_visits: dict[str, Visit | None] = {}
        """Messages that a new connection is still to be told, by the id of the face."""
        self._noted_states = _Notes((self._topics.name_person("+"),))
        """Whether a person is here by the state that the broker has, by the id of the face."""
        self._confirmed_ids: list[str] = []
        """Ids of events that are confirmed and still in the mailbox."""
        for pattern in self._noted_topics.patterns:
            broker.listen(pattern, self._note_topic)
        for pattern in self._noted_states.patterns:
            broker.listen(pattern, self._note_state)

    def step(self) -> float:
        """Tell the new events; return the seconds until the next step.

        Raises RegularsError of the client, and Away if the broker throws away what is told.
        """
        self._acknowledge()
        if not self._broker.is_connected:
            return EVERY_S
        if self._unconfirmed_ids:
            return CONFIRMED_S
        self._keep_entities()
        if unheard_s := self._broker.unheard_s:
            if unheard_s > _ECHO_S:
                raise Away(_UNHEARD)
            return CONFIRMED_S
        page = next(
            self._service.list_deliveries(self._mailbox, state="pending", limit=AT_ONCE).pages()
        )
        fresh = [
            delivery.event
            for delivery in page.deliveries
            if delivery.event.id not in self._event_ids
        ]
        faces = self._read_named_faces(
            {str(event.data.get("faceid")) for event in fresh if "faceid" in event.data}
        )
        for event in sorted(fresh, key=lambda event: event.at):
            self._tell(event, faces.get(str(event.data.get("faceid"))))
        return CONFIRMED_S if self._unconfirmed_ids else EVERY_S

    def _acknowledge(self) -> None:
        for number in self._broker.take_confirmations():
            event = self._unconfirmed_ids.pop(number, None)
            if event is not None:
                self._confirmed_ids.append(event)
        while self._confirmed_ids:
            self._service.acknowledge(self._mailbox, ids=self._confirmed_ids[:AT_ONCE])
            del self._confirmed_ids[:AT_ONCE]

    def _tell(self, event: Event, face: Face | None) -> None:
        """Publish an event and, if the face may be named, its person.

        One without a camera is only acknowledged.
        """
        self._event_ids[event.id] = None
        if len(self._event_ids) > _REMEMBERED:
            del self._event_ids[next(iter(self._event_ids))]
        if event.camera is None or event.type not in discovery.EVENTS:
            self._confirmed_ids.append(event.id)
            return
        if face is not None:
            for topic, description in self._describe_face(face).items():
                self._describe(topic, description)
            if not discovery.is_older(event, face):
                visit = Visit.of_event(event, self._find_gap(event.camera))
                is_over = visit.until <= datetime.now(UTC)  # if told late, it may go on
                last_visit = self._read_visit(face.id, event.at) if is_over else visit
                self._tell_visit(face.id, last_visit)
        payload = discovery.write_camera_event(event, datetime.now(UTC), face)
        self._unconfirmed_ids[
            self._broker.tell(self._topics.name_camera(event.camera), payload)
        ] = event.id

    def _keep_entities(self) -> None:
        """Describe the cameras and people anew if they changed, and take away those that are
        gone.

        A broker may have forgotten all: after a connection people's states are written from the
        book.
        """
        if self._connection_number != self._broker.connections:
            self._connection_number = self._broker.connections
            self._tidy_at = time.monotonic() + min(_SETTLE_S, self._tidy_s)
            self._published.clear()
            self._must_restore = self._shows_names
        if time.monotonic() < self._tidy_at:
            return
        cameras = self._service.list_cameras().cameras
        self._gaps = _list_gaps(cameras)
        if self._must_restore and time.monotonic() >= self._restored_at + self._tidy_s:
            self._untold_visits = self._read_last_visits()
            self._must_restore, self._restored_at = False, time.monotonic()
        topics_at_broker = self._noted_topics.values.copy().keys() | self._published.keys()
        described_faces = {
            face_id for topic in topics_at_broker if (face_id := self._topics.find_face(topic))
        }
        states = self._noted_states.values.copy()
        faces = self._read_named_faces(
            described_faces | states.keys() | self._untold_visits.keys() | self._present.keys()
        )
        payload_by_topic = {
            self._topics.name_camera_config(camera.id): self._descriptions.describe_camera(camera)
            for camera in cameras
        }
        for face in faces.values():
            payload_by_topic |= self._describe_face(face)
        counted = self._tell_places(payload_by_topic)
        payload_by_topic[self._topics.today_config] = self._descriptions.describe_today()
        gone = sorted(
            topics_at_broker - payload_by_topic.keys(),
            key=lambda topic: topic not in self._published,
        )
        for topic in gone[:_MOST_TAKEN_AWAY]:
            self._take_away(topic)
        for face_id in islice(states.keys() - faces.keys(), _MOST_TAKEN_AWAY):
            self._broker.tell(self._topics.name_person(face_id), "", retain=True)
        self._tell_today(counted)
        # Descriptions first: by them another start finds whose state is to be taken away.
        for topic, payload in payload_by_topic.items():
            self._describe(topic, payload)
        for face_id in self._untold_visits.keys() & faces.keys():
            self._tell_visit(face_id, self._untold_visits[face_id])
        self._untold_visits = {}
        self._end_visits(faces)
        for notes in (self._noted_topics, self._noted_states):
            if notes.begin_again(self._most_noted):
                self._broker.ask_again(notes.patterns)
        self._tidy_at = time.monotonic() + self._tidy_s

    def _find_gap(self, camera: str) -> timedelta:
        """Return the time after which a visit to a camera ends; 0 if there is no such camera."""
        if camera not in self._gaps:  # it is younger than the last look
            self._gaps = _list_gaps(self._service.list_cameras().cameras)
        return self._gaps.get(camera, timedelta())

    def _read_last_visits(self) -> dict[str, Visit | None]:
        """Return what a new connection has to be told: the last visit of each named person of the
        last days, and of whom the broker has as here; None: there is none any more."""
        arrivals = self._service.list_arrivals(
            from_=datetime.now(UTC) - RESTORED, staff=True, limit=AT_ONCE
        )
        last_visits: dict[str, Visit | None] = {}
        for arrival in islice(arrivals, _MOST_RESTORED):  # newest first
            if arrival.name:
                visit = Visit.of_arrival(arrival, self._find_gap(arrival.camera))
                last_visits.setdefault(arrival.face, visit)
        states = self._noted_states.values.copy()
        said_here = {face_id for face_id, is_here in states.items() if is_here}
        for face_id in self._read_named_faces(said_here - last_visits.keys()):
            last_visits[face_id] = self._read_visit(face_id, _EVER)
        return last_visits

    def _end_visits(self, faces: Mapping[str, Face]) -> None:
        """Tell of who is not here any more.

        Of somebody who is not among `faces`, and may not be named any more, nothing is told.
        """
        now = datetime.now(UTC)
        for face_id in self._present.keys() - faces.keys():
            del self._present[face_id]
        for face_id, visit in [*self._present.items()]:
            if visit.until <= now:
                self._tell_visit(face_id, self._read_visit(face_id, visit.at))

    def _read_visit(self, face_id: str, since: datetime) -> Visit | None:
        """Return the person's last visit as it is now: somebody may have been seen again in it.

        None: there is none any more, since it was another person's.
        """
        arrivals = self._service.list_arrivals(face=face_id, from_=since, staff=True, limit=1)
        newest = next(iter(arrivals), None)
        if newest is None:
            return None
        return Visit.of_arrival(newest, self._find_gap(newest.camera))

    def _tell_visit(self, face_id: str, visit: Visit | None) -> None:
        """Write a person's last visit, and remember it until its end is told; None: take away what
        was written."""
        now, topic = datetime.now(UTC), self._topics.name_person(face_id)
        self._present.pop(face_id, None)
        if visit is None:
            self._broker.tell(topic, "", retain=True)
            return
        if now < visit.until:
            self._present[face_id] = visit
        self._broker.tell(topic, visit.write(now), retain=True)

    def _describe_face(self, face: Face) -> dict[str, str]:
        """Return the descriptions of a person's two entities, by their topics."""
        return {
            self._topics.name_person_config(face.id): self._descriptions.describe_person(face),
            self._topics.name_tracker_config(face.id): self._descriptions.describe_tracker(face),
        }

    def _tell_places(self, payload_by_topic: dict[str, str]) -> Mapping[str, int | None]:
        """Tell how many are inside each place, and return who came in today; nothing, if no camera
        counts.

        Add the descriptions of places and entries to `payload_by_topic`.
        """
        try:
            places = self._service.list_places().places
        except NotFound:
            return {}  # the service is of a version that knows no places
        entries = self._service.get_statistics(entries=True).entries
        for place in places:
            topic = self._topics.name_place_config(place.id)
            payload_by_topic[topic] = self._descriptions.describe_place(place)
            self._broker.tell(
                self._topics.name_place(place.id), discovery.write_place(place), retain=True
            )
        if entries is None and not places:
            return {}
        topic = self._topics.name_place_config("entries")
        payload_by_topic[topic] = self._descriptions.describe_entries()
        return discovery.list_entries(entries)

    def _tell_today(self, counted: Mapping[str, int | None]) -> None:
        totals = next(self._service.list_arrivals(limit=1, totals=True).pages()).totals
        if totals is not None:
            self._broker.tell(
                self._topics.today, discovery.write_figures(totals, counted), retain=True
            )

    def _read_named_faces(self, ids: Iterable[str]) -> dict[str, Face]:
        """Return those of the faces that are there, have a name and may be told by it."""
        wanted_ids: Sequence[str] = sorted(ids) if self._shows_names else []
        chunks = [
            list(wanted_ids[begin : begin + AT_ONCE])
            for begin in range(0, len(wanted_ids), AT_ONCE)
        ]
        faces = [
            face for chunk in chunks for face in self._service.list_faces(ids=chunk, limit=AT_ONCE)
        ]
        return {face.id: face for face in faces if face.name}

    def _describe(self, topic: str, payload: str) -> None:
        if self._published.get(topic) != payload:
            self._broker.tell(topic, payload, retain=True)
            self._published[topic] = payload

    def _take_away(self, topic: str) -> None:
        face = self._topics.find_face(topic)
        if face is not None:
            self._broker.tell(self._topics.name_person(face), "", retain=True)
        if (place := self._topics.find_place(topic)) is not None:
            self._broker.tell(self._topics.name_place(place), "", retain=True)
        self._broker.tell(topic, "", retain=True)
        self._published.pop(topic, None)

    @property
    def _most_noted(self) -> int:
        return _MOST_NOTED + len(self._published)

    def _note_topic(self, topic: str, payload: bytes) -> None:
        if not payload:
            self._noted_topics.values.pop(topic, None)
        elif len(topic) <= _LONGEST_TOPIC:
            self._noted_topics.note(topic, True, self._most_noted)

    def _note_state(self, topic: str, payload: bytes) -> None:
        face_id = self._topics.find_person(topic)
        if face_id is None:
            return
        if not payload:
            self._noted_states.values.pop(face_id, None)
        else:
            self._noted_states.note(face_id, discovery.says_here(payload), self._most_noted)


def _list_gaps(cameras: Iterable[Camera]) -> dict[str, timedelta]:
    return {camera.id: timedelta(seconds=camera.gap_s) for camera in cameras}
