"""The connection to an MQTT broker. paho-mqtt connects again by itself and keeps what is not
confirmed until it is."""

from __future__ import annotations

import logging
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode
from regulars_client.errors import OperatorError

from regulars_mqtt.frigate import Away

QOS = 1
"""At least once: the broker confirms each message."""

ONLINE, OFFLINE = "online", "offline"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
"""Ports that are usual, if the address names none."""
_LONGEST_WAIT_S = 60
"""Longest wait before the broker is called again, in s."""
_GOODBYE_S = 2.0
"""How long the last message may take, in s."""

_log = logging.getLogger(__name__)


class Address(Struct, frozen=True):
    """The address of the broker. `tls`: its certificate is verified."""

    host: str
    port: int
    tls: bool

    @classmethod
    def of(cls, url: str) -> Address:
        """Read mqtt://HOST[:PORT] or mqtts://HOST[:PORT].

        Raises OperatorError, which never shows a password.
        """
        if "@" in url:
            raise OperatorError(
                "--broker holds no user and no password: --user and --password-file name them"
            )
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise OperatorError(f"--broker is no URL: {error}") from error
        if (
            parts.scheme not in _PORTS
            or not parts.hostname
            or parts.path.strip("/")
            or parts.query
            or parts.fragment
        ):
            raise OperatorError(
                f"--broker is mqtt://HOST[:PORT] or mqtts://HOST[:PORT], not {url!r}"
            )
        return cls(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "mqtts")


class Login(Struct, frozen=True):
    user: str
    password: str | None

    def __repr__(self) -> str:
        return "Login(...)"


class Broker:
    """One connection, which says at `available` whether it is there; "": nowhere.

    Messages are told by one thread.

    `client_id`: no other connection may have it, or the broker ends that one. `start` begins;
    `is_connected` says whether it is there now, `connections` how often it came about, `said` what
    the broker did last.
    """

    def __init__(
        self,
        address: Address,
        client_id: str,
        available: str,
        *,
        login: Login | None = None,
        ca: Path | None = None,
    ) -> None:
        """Make the client, which connects later. Raises OperatorError."""
        self._address, self._available = address, available
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        self._client.reconnect_delay_set(1, _LONGEST_WAIT_S)
        if available:
            self._client.will_set(available, OFFLINE, QOS, retain=True)
        if login is not None:
            self._client.username_pw_set(login.user, login.password)
        if address.tls:
            try:
                self._client.tls_set_context(ssl.create_default_context(cafile=ca))
            except (OSError, ssl.SSLError) as error:
                raise OperatorError(f"--ca-file {ca} cannot be used: {error}") from error
        self._confirmed: deque[int] = deque()
        self._client.on_connect = self._handle_connect
        self._client.on_disconnect = self._handle_disconnect
        why = ", or its certificate is not trusted" if address.tls else ""
        self._client.on_connect_fail = lambda *_: self._say(
            logging.WARNING, f"cannot be reached{why}; it is tried again"
        )
        self._client.on_publish = lambda _client, _data, number, *_: self._confirmed.append(number)
        self._client.on_subscribe = lambda *_: self._count_subscription()
        self._topics: list[str] = []
        self._is_open = False
        self._is_accepted, self._has_refused = False, False
        self._subscriptions = 0
        self._unheard_since: float | None = None
        self.said = ""
        self.connections = 0
        if available:
            self._listen(available, self._correct_availability)

    @property
    def is_connected(self) -> bool:
        return self._client.is_connected()

    @property
    def is_listening(self) -> bool:
        """Return whether the broker has confirmed all that `listen` asked for: then it sends what
        it retains."""
        return self.is_connected and self._subscriptions >= len(self._topics)

    @property
    def unheard_s(self) -> float:
        """Return for how long this connection has not heard what it said at `available`; 0: it
        has.

        A broker confirms also what it throws away, since this user may not write there.
        """
        since = self._unheard_since
        return 0.0 if since is None else time.monotonic() - since

    def listen(self, topic: str, hear: Callable[[str, bytes], object]) -> None:
        """Call `hear` with the topic and the payload of each message, in a thread of its own.

        Only before `start`.
        """
        self._listen(topic, lambda message: hear(message.topic, bytes(message.payload)))

    def _listen(self, topic: str, hear: Callable[[MQTTMessage], object]) -> None:
        def heard(_client: Client, _data: Any, message: MQTTMessage) -> None:
            try:
                hear(message)
            except Exception:  # else it would end the thread that holds the connection
                _log.exception("a message at %s could not be used", message.topic)

        self._topics.append(topic)
        self._client.message_callback_add(topic, heard)

    def ask_again(self, topics: Iterable[str]) -> None:
        """Have the broker send once more what it retains at topics that are listened to."""
        for topic in topics:
            self._client.subscribe(topic, QOS)

    def start(self) -> None:
        self._is_open = True
        self._client.connect_async(self._address.host, self._address.port)
        self._client.loop_start()

    def stop(self) -> None:
        """Say goodbye, so that the broker need not find out, and end the connection."""
        self._is_open = False
        if self._available and self.is_connected:
            with suppress(RuntimeError):  # the connection ends meanwhile
                self._client.publish(self._available, OFFLINE, QOS, retain=True).wait_for_publish(
                    _GOODBYE_S
                )
        self._client.disconnect()
        self._client.loop_stop()
        # Without these, nothing holds the client when this is dropped, and it closes its sockets at
        # once.
        for topic in self._topics:
            self._client.message_callback_remove(topic)
        self._client.on_connect = self._client.on_disconnect = self._client.on_connect_fail = None
        self._client.on_publish = self._client.on_subscribe = None

    def tell(self, topic: str, payload: str, *, retain: bool = False) -> int:
        """Send a message, or have it wait for the connection; return the number by which it is
        confirmed.

        Raises Away if each number is of a message that is not confirmed.
        """
        sent = self._client.publish(topic, payload, QOS, retain=retain)
        if sent.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            raise Away("the broker confirms nothing of what it is told")
        return sent.mid

    def tell_now(self, topic: str, payload: str) -> None:
        """Send a message that is of no use later: it is not confirmed, and dropped if there is no
        connection."""
        if self.is_connected:
            self._client.publish(topic, payload, 0)

    def take_confirmations(self) -> Iterator[int]:
        """Yield the numbers of the messages that the broker has confirmed since the last call."""
        while self._confirmed:
            yield self._confirmed.popleft()

    def _handle_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, *_: Any
    ) -> None:
        """Subscribe to the topics again, and then say that the bridge is there: the broker has
        forgotten both."""
        if reason.is_failure:
            self._say(logging.ERROR, f"refuses the connection: {reason}")
            self._has_refused = True
            return
        self._subscriptions = 0
        for topic in self._topics:
            client.subscribe(topic, QOS)
        if self._available:
            self._unheard_since = time.monotonic()
        if not self._topics:
            self._say_online()
        self.connections += 1
        self._is_accepted = True
        self._say(logging.INFO, "is connected")

    def _correct_availability(self, message: MQTTMessage) -> None:
        """Say once more that the bridge is there, if another one has said goodbye at the same
        topic.

        A retained message may be of an earlier connection. What was said and is not heard yet comes
        after this goodbye: then nothing is said, so that goodbyes without end cost little.
        """
        payload = bytes(message.payload)
        if payload == ONLINE.encode() and not message.retain:
            self._unheard_since = None
        if payload == OFFLINE.encode() and self._is_open and self._unheard_since is None:
            self._unheard_since = time.monotonic()
            self._say_online()

    def _count_subscription(self) -> None:
        self._subscriptions += 1
        if self._subscriptions == len(self._topics):
            self._say_online()  # earlier, a broker may send it back as a retained one alone

    def _say_online(self) -> None:
        if self._available:
            self._client.publish(self._available, ONLINE, QOS, retain=True)

    def _handle_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, *_: Any
    ) -> None:
        was_accepted, self._is_accepted = self._is_accepted, False
        has_refused, self._has_refused = self._has_refused, False
        if not reason.is_failure or has_refused:  # then it has said why
            return
        if was_accepted:
            said = f"has gone ({reason}); what is not confirmed is sent when it is back"
        else:
            said = f"hangs up before it answers ({reason}): see whether it speaks TLS at this port"
        self._say(logging.WARNING, said)

    def _say(self, level: int, text: str) -> None:
        """Log an act of the broker, once until it does something else."""
        if text != self.said:
            _log.log(level, "the broker %s:%d %s", self._address.host, self._address.port, text)
        self.said = text
