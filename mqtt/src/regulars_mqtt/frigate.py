"""Frigate's interfaces, as 0.14 to 0.17 document them: its events over MQTT, its HTTP API on the
port without a login.

https://docs.frigate.video/integrations/mqtt/#frigateevents, https://docs.frigate.video/integrations/api/frigate-http-api/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Meta, Struct
from regulars_client.errors import NoAnswer
from regulars_client.http import Http, Timeouts

LONGEST_SUB_LABEL = 100
"""Characters of a sub label, as Frigate takes it."""
MOST_LISTED = 1000
"""Events of one list of Frigate's."""
MOST_BYTES = 20 * 2**20
"""Of a snapshot. One of 4K has about two million."""

MOST_LISTED_BYTES = 16 * 2**20
"""Bytes of a list of Frigate's that is read."""
_TIMEOUTS = Timeouts(connect_s=3.0, silence_s=10.0)
"""Seconds until Frigate takes the connection, and until it answers: it is in the same network."""

Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\Z")]
Seconds = Annotated[float, Meta(gt=0, lt=10**11)]
"""UNIX time."""

_Shape = TypeVar("_Shape")


class NotFrigates(ValueError):
    """A message that is not in Frigate's form."""


class Away(Exception):
    """Frigate does not answer, or not now; or the broker throws away what it is told."""


class Refused(Exception):
    """Frigate answered, and will not do this."""


class FrigateEvent(Struct, frozen=True):
    """A person that Frigate tracks.

    `at`: when the best picture so far was taken, in s. `ended`: the person has gone.
    """

    id: str
    camera: str
    at: float
    ended: bool


class _Snapshot(Struct):
    frame_time: Seconds


class _Tracked(Struct):
    id: Id
    camera: Name
    label: str
    frame_time: Seconds
    has_snapshot: bool = False
    false_positive: bool = False
    snapshot: _Snapshot | None = None


class _Message(Struct):
    type: Literal["new", "update", "end"]
    after: _Tracked


class _Data(Struct):
    snapshot_frame_time: Seconds | None = None
    """From 0.18 on."""


class _Listed(Struct):
    id: Id
    camera: Name
    start_time: Seconds
    end_time: Seconds | None = None
    has_snapshot: bool = False
    data: _Data | None = None


def parse_event(payload: bytes) -> FrigateEvent | None:
    """Parse a message at frigate/events; None if it is about no person with a picture.

    Raises NotFrigates.
    """
    message = _parse_json(payload, _Message)
    after = message.after
    if after.label != "person" or not after.has_snapshot or after.false_positive:
        return None
    picture_at_s = after.snapshot.frame_time if after.snapshot else after.frame_time
    return FrigateEvent(after.id, after.camera, picture_at_s, message.type == "end")


def parse_events(body: bytes) -> list[FrigateEvent]:
    """Read the answer to a question for events; return those that have ended.

    Raises NotFrigates.
    """
    listed_events: Sequence[_Listed] = _parse_json(body, list[_Listed])
    return [
        FrigateEvent(
            event.id,
            event.camera,
            (event.data and event.data.snapshot_frame_time) or event.start_time,
            ended=True,
        )
        for event in listed_events
        if event.has_snapshot and event.end_time is not None
    ]


def _parse_json(data: bytes, shape: type[_Shape]) -> _Shape:
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotFrigates(f"this is not in Frigate's form: {error}") from error


class Frigate:
    """Its HTTP API. Each call raises Away, Refused."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._http = Http(timeouts=_TIMEOUTS)

    def fetch_snapshot(self, event: str) -> bytes:
        """Return the best picture of a person so far, cut out, without Frigate's drawings."""
        query = {"crop": 1, "bbox": 0, "timestamp": 0, "quality": 90}
        return self._send_request(
            "GET", f"events/{event}/snapshot.jpg?{urlencode(query)}", MOST_BYTES
        )

    def list_ended(self, since_s: float) -> list[FrigateEvent]:
        """Return the people with pictures who have left since `since_s`.

        Raises NotFrigates.
        """
        query = {
            "labels": "person",
            "has_snapshot": 1,
            "include_thumbnails": 0,
            "limit": MOST_LISTED,
            "after": since_s,
        }
        return parse_events(
            self._send_request("GET", f"events?{urlencode(query)}", MOST_LISTED_BYTES)
        )

    def set_label(self, event: str, name: str, score: float) -> None:
        """Say who it is. `score` is told as more than 0 and at most 1, which Frigate wants."""
        body = {
            "subLabel": name[:LONGEST_SUB_LABEL],
            "subLabelScore": round(min(1.0, max(0.001, score)), 3),
        }
        self._send_request("POST", f"events/{event}/sub_label", MOST_BYTES, body)

    def _send_request(
        self, method: str, path: str, max_bytes: int, body: dict[str, object] | None = None
    ) -> bytes:
        """Return the answer's body, of up to `max_bytes` bytes.

        Raises Away if another try may succeed, Refused if not.
        """
        try:
            answer = self._http.exchange(
                method,
                f"{self._url}/api/{path}",
                {"Content-Type": "application/json"},
                None if body is None else msgspec.json.encode(body),
                2 * max_bytes,
                is_enough=lambda _, content: len(content) > max_bytes,
            )
        except NoAnswer as error:
            raise Away(f"Frigate does not answer: {error}") from error
        if answer.status >= 500 or answer.status == 429:
            raise Away(f"Frigate answered HTTP {answer.status} to {method} {path}")
        if answer.status != 200:
            raise Refused(f"Frigate answered HTTP {answer.status} to {method} {path}")
        if len(answer.body) > max_bytes:
            raise Refused(f"Frigate answered {method} {path} with more than {max_bytes} bytes")
        if answer.broke_off:
            raise Away(f"Frigate's answer to {method} {path} broke off")
        return answer.body
