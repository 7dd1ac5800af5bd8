"""Frigate's pictures become captures, and the names of those who are recognised go back as
sub-labels.

Frigate keeps what it saw, so nothing is kept here: what came while somebody was away is asked of
Frigate, and what became of it of the service, whose captures bear the event as their `track`.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct, field
from regulars_client import Regulars, codes, models
from regulars_client.errors import ApiError

from regulars_mqtt.frigate import Away, Frigate, FrigateEvent, NotFrigates, Refused, parse_event

PREFIX = "frigate"
"""Of Frigate's topics, unless its `mqtt.topic_prefix` says another."""

QUIET_S = 24 * 3600.0
"""After so long without a message the log says so: Frigate may have another prefix."""
BACK_S = 24 * 3600.0
"""How far back it looks for people who came while Frigate, the broker, the service or this program
was away."""

EVERY_S, NEXT_TRY_S = 0.5, 10.0
"""Seconds between two looks at what is due, and until a picture that was not sent is tried
again."""
SETTLED_S = 600.0
"""So long a capture may take until it is resolved, and a name until Frigate takes it."""

MOST_PICTURES = 10
"""Of one person while they stay; then one more at the end, which is the best."""

TRIES_AT_END, NO_PICTURE_S = 5, 2.0
"""Frigate writes the picture of somebody who has gone a moment after it says so."""

SAY_EVERY_S = 60.0
"""How often the log tells of messages that are none, in s."""
_REMEMBERED = 2000
"""Tracks that are remembered, so that each is sent once."""

_OF_ALL = (codes.WrongCredentials, codes.NotAllowed, codes.TenantDisabled, codes.TooManyRequests)
"""Refusals that concern not only one picture or camera."""

_log = logging.getLogger(__name__)


class _Person(Struct):
    """The pictures sent of one event of Frigate."""

    times: set[float] = field(default_factory=set)
    digest: str = ""
    score: float = 0.0
    """Of the name that Frigate has."""


class _DueSnapshot(Struct):
    """A picture that Frigate has of an event, and that is to be sent to the service."""

    event: FrigateEvent
    at: float
    """When it is sent, by the monotonic clock."""
    tries: int = 0


class _Label(Struct, frozen=True):
    """A name that Frigate gets as soon as the capture is resolved.

    `until`: when it is given up, by the same clock.
    """

    event_id: str
    capture_id: str
    camera: str
    until: float


class Snapshots:
    """`gives_names`: whether Frigate receives the person's name.

    `count_connections`: how often the broker was there anew.

    `prefix`: of Frigate's topics. `no_picture_s`: after which time a picture is asked for again
    that Frigate did not have yet. `quiet_s`: as QUIET_S.
    """

    def __init__(
        self,
        service: Regulars,
        frigate: Frigate,
        *,
        gives_names: bool,
        count_connections: Callable[[], int],
        prefix: str = PREFIX,
        no_picture_s: float = NO_PICTURE_S,
        quiet_s: float = QUIET_S,
    ) -> None:
        """Keep the service and Frigate; nobody was seen yet."""
        self._service, self._frigate, self._gives_names = service, frigate, gives_names
        self._count_connections = count_connections
        self._no_picture_s, self._quiet_s = no_picture_s, quiet_s
        self.topic = f"{prefix}/events"
        self._heard_at = time.monotonic()
        self._caught_up_connection = 0
        self._book = service.book
        self._unread_count, self._next_unread_at = 0, 0.0
        self._lock = threading.Lock()
        self._snapshots: dict[str, _DueSnapshot] = {}
        """Those that are to be sent, by event. A newer one replaces one that was not sent yet."""
        self._people: OrderedDict[str, _Person] = OrderedDict()
        self._labels: list[_Label] = []

    def take_message(self, topic: str, payload: bytes) -> None:
        """Take a message at `topic`, Frigate's events; in the connection's thread."""
        self._heard_at = time.monotonic()
        try:
            event = parse_event(payload)
        except NotFrigates as error:
            self._say_unread(topic, error)
            return
        if event is not None:
            self._add_due_snapshot(event)

    def _say_unread(self, topic: str, error: NotFrigates) -> None:
        """Log a message that is none, but now and then if there are many: anybody at the broker may
        send them."""
        self._unread_count += 1
        if time.monotonic() >= self._next_unread_at:
            _log.warning("%s: %s (%d such messages so far)", topic, error, self._unread_count)
            self._next_unread_at = time.monotonic() + SAY_EVERY_S

    def step(self) -> float:
        """Send the pictures that are due, and give Frigate the names that are known by now.

        After a new connection to the broker, Frigate is first asked for the events that were
        missed. So it is if the book has another life, as after a restore: then the pictures of
        before are perhaps not there. Returns the seconds until the next step. Raises Away, and
        RegularsError of the client.
        """
        self._say_quiet()
        if self._book not in (None, self._service.book):
            self._people.clear()
            self._caught_up_connection = 0
        self._book = self._service.book
        try:
            if self._caught_up_connection != self._count_connections():
                connection_number = self._count_connections()
                self._catch_up()
                self._caught_up_connection = connection_number
            for snapshot in self._list_due_snapshots():
                self._send(snapshot)
            for label in [*self._labels]:
                self._give_back(label)
        except Away:
            self._caught_up_connection = 0  # what it saw meanwhile was perhaps not told
            raise
        return EVERY_S

    def _say_quiet(self) -> None:
        """Log once in `quiet_s` that nothing came."""
        if time.monotonic() - self._heard_at >= self._quiet_s:
            _log.warning(
                "no message came at %s for %.0f hours: if Frigate's mqtt.topic_prefix is another, "
                "name it by --frigate-topic",
                self.topic,
                self._quiet_s / 3600,
            )
            self._heard_at = time.monotonic()

    def _add_due_snapshot(self, event: FrigateEvent) -> None:
        with self._lock:
            self._snapshots[event.id] = _DueSnapshot(event, time.monotonic())
            while len(self._snapshots) > _REMEMBERED:
                self._snapshots.pop(next(iter(self._snapshots)))

    def _list_due_snapshots(self) -> list[_DueSnapshot]:
        with self._lock:
            return [
                snapshot for snapshot in self._snapshots.values() if snapshot.at <= time.monotonic()
            ]

    def _forget_snapshot(self, snapshot: _DueSnapshot) -> None:
        """Forget a picture that was sent or given up, unless the event has a newer one by now."""
        with self._lock:
            if self._snapshots.get(snapshot.event.id) is snapshot:
                del self._snapshots[snapshot.event.id]

    def _catch_up(self) -> None:
        """Ask Frigate for the people of the last BACK_S seconds, and send those of whom the service
        has no picture."""
        since_s = time.time() - BACK_S
        try:
            ended_events = [
                event for event in self._frigate.list_ended(since_s) if event.id not in self._people
            ]
        except (NotFrigates, Refused) as error:
            _log.error("who came before cannot be asked of Frigate: %s", error)
            return
        known_tracks = set()
        for camera in {event.camera for event in ended_events}:
            try:
                captures = self._service.list_captures(
                    camera=camera, from_=datetime.fromtimestamp(since_s, UTC), limit=1000
                )
                known_tracks |= {capture.track for capture in captures}
            except codes.CameraNotFound:
                continue
        missed = [event for event in ended_events if event.id not in known_tracks]
        for event in missed:
            self._add_due_snapshot(event)
        if missed:
            _log.info("%d people came to Frigate's cameras meanwhile", len(missed))

    def _send(self, snapshot: _DueSnapshot) -> None:
        """Fetch the event's picture from Frigate and send it to the service, unless that has it
        already.

        An event gets MOST_PICTURES, and one at its end. If Frigate has no picture yet, it is asked
        again later.
        """
        event = snapshot.event
        snapshot.at = time.monotonic() + NEXT_TRY_S  # if it fails, the others come first
        person = self._provide_person(event.id)
        if event.at in person.times or (len(person.times) >= MOST_PICTURES and not event.ended):
            self._forget_snapshot(snapshot)
            return
        try:
            picture = self._frigate.fetch_snapshot(event.id)
        except Refused as error:
            self._put_off(snapshot, error)
            return
        digest = hashlib.sha256(picture).hexdigest()
        if digest != person.digest:
            capture = self._store_picture(event, picture)
            if capture is not None and self._gives_names:
                gives_up_at = time.monotonic() + SETTLED_S
                self._labels.append(_Label(event.id, capture.id, capture.camera, gives_up_at))
        person.digest = digest
        person.times.add(event.at)
        self._forget_snapshot(snapshot)

    def _put_off(self, snapshot: _DueSnapshot, error: Refused) -> None:
        snapshot.tries += 1
        if snapshot.event.ended and snapshot.tries < TRIES_AT_END:
            snapshot.at = time.monotonic() + self._no_picture_s
            return
        if snapshot.event.ended:
            _log.warning("%s: there is no picture of this person: %s", snapshot.event.camera, error)
        self._forget_snapshot(snapshot)

    def _store_picture(self, event: FrigateEvent, picture: bytes) -> models.Capture | None:
        """Store a picture in the service, which gets the camera first if it has none of this name.

        None if the service refuses this picture; the reason is logged. Raises what concerns all
        pictures.
        """
        captured_at = datetime.fromtimestamp(event.at, UTC)
        try:
            try:
                return self._service.take_capture(
                    picture=picture, camera=event.camera, captured_at=captured_at, track=event.id
                )
            except codes.CameraNotFound:
                self._service.add_camera(id=event.camera, name=event.camera)
                _log.info("%s: the camera was not there and has been made", event.camera)
                return self._service.take_capture(
                    picture=picture, camera=event.camera, captured_at=captured_at, track=event.id
                )
        except ApiError as error:
            if error.status >= 500 or isinstance(error, _OF_ALL):
                raise
            _log.error("%s: the service takes no picture of this person: %s", event.camera, error)
            return None

    def _give_back(self, label: _Label) -> None:
        """Give Frigate the name of the largest face in the capture, once that is resolved.

        Only a better score than before replaces a name. If the capture is not resolved in time, it
        is given up.
        """
        try:
            capture = self._service.get_capture(label.capture_id, camera=label.camera)
        except codes.NotFound:  # deleted meanwhile
            self._labels.remove(label)
            return
        if capture.state in ("wanted", "stored") and time.monotonic() < label.until:
            return
        face = capture.sightings[0] if capture.state == "resolved" and capture.sightings else None
        if (
            face is not None
            and face.resolution == "matched"
            and face.name
            and face.score is not None
        ):
            person = self._provide_person(label.event_id)
            if face.score > person.score:
                try:
                    self._frigate.set_label(label.event_id, face.name, face.score)
                except Refused as error:
                    _log.error("%s: the name is not taken: %s", label.camera, error)
                person.score = face.score
        self._labels.remove(label)

    def _provide_person(self, event_id: str) -> _Person:
        person = self._people.setdefault(event_id, _Person())
        self._people.move_to_end(event_id)
        if len(self._people) > _REMEMBERED:
            self._people.popitem(last=False)
        return person
