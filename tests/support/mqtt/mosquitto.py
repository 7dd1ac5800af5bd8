"""A real broker, mosquitto, that a test may take away, and one who listens to it."""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from testing.needs import needed
from testing.ports import free_port
from tests.support.waiting import until

USER, PASSWORD = "regulars", "correct-horse-battery"


@dataclass
class Mosquitto:
    """`settings`: lines of its configuration. It keeps what it retains over a restart."""

    folder: Path
    settings: tuple[str, ...] = ("allow_anonymous true",)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        if not self.port:
            self.port = free_port()
        lines = [
            f"listener {self.port} 127.0.0.1",
            "user root",
            "persistence true",
            f"persistence_location {self.folder}/",
        ]
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join([*lines, *self.settings]) + "\n")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [needed("mosquitto"), "-c", str(config)], stdout=log, stderr=log
            )
        until(self._answers)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def rest(self) -> None:
        """Stop with nothing on its way: a message that nobody has acknowledged stays in its file
        until a start."""
        self.stop()
        self.start()
        with listening(self):
            pass  # now it would write its file at a signal: before, it would die
        self.stop()

    @contextmanager
    def slow_port(self, late_s: float) -> Iterator[int]:
        """Another port, for one connection after the other, whose answers but the first are
        late."""
        with socket.create_server(("127.0.0.1", 0)) as server:

            def serve() -> None:
                with suppress(OSError):
                    while True:
                        client, _ = server.accept()
                        with client, socket.create_connection(("127.0.0.1", self.port)) as own:
                            threading.Thread(
                                target=_pass_on, args=(client, own, 0.0), daemon=True
                            ).start()
                            own.settimeout(20)
                            client.sendall(own.recv(65536))
                            _pass_on(own, client, late_s)

            passing = threading.Thread(target=serve)
            passing.start()
            yield server.getsockname()[1]
            server.shutdown(socket.SHUT_RDWR)
            passing.join(20)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _pass_on(source: socket.socket, target: socket.socket, late_s: float) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            time.sleep(late_s)
            target.sendall(data)


@contextmanager
def mosquitto(folder: Path, *settings: str) -> Iterator[Mosquitto]:
    broker = Mosquitto(folder, settings or ("allow_anonymous true",))
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@dataclass
class Listener:
    """Hears everything, as Home Assistant does.

    `retained`: what a new listener would be told, by topic.
    """

    client: Client
    heard: list[tuple[str, str]] = field(default_factory=list)
    retained: dict[str, str] = field(default_factory=dict)
    is_ready: threading.Event = field(default_factory=threading.Event)

    def events(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(payload) for at, payload in [*self.heard] if at == topic]

    def configs(self) -> dict[str, dict[str, Any]]:
        return {
            at: json.loads(text) for at, text in [*self.retained.items()] if at.endswith("/config")
        }


@contextmanager
def listening(broker: Mosquitto, user: str | None = None) -> Iterator[Listener]:
    client = Client(CallbackAPIVersion.VERSION2)
    listener = Listener(client)

    def heard(_client: Client, _data: Any, message: MQTTMessage) -> None:
        text = message.payload.decode(errors="replace")
        listener.heard.append((message.topic, text))
        if (
            message.topic.endswith(("/config", "/available", "/today"))
            or "/people/" in message.topic
            or "/places/" in message.topic
        ):
            listener.retained[message.topic] = text
            if not text:
                del listener.retained[message.topic]

    client.on_connect = lambda client, *_: client.subscribe("#", 1)
    client.on_subscribe = lambda *_: listener.is_ready.set()
    client.on_message = heard
    client.reconnect_delay_set(1, 1)
    if user:
        client.username_pw_set(user, PASSWORD)
    client.connect_async("127.0.0.1", broker.port)
    client.loop_start()
    assert listener.is_ready.wait(20)
    try:
        yield listener
    finally:
        client.disconnect()
        client.loop_stop()
