"""`regulars mqtt --check`: a table of brokers, and what it says of each."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from regulars_client.errors import OperatorError
from regulars_mqtt.broker import Broker
from regulars_mqtt.checking import check_broker
from regulars_mqtt.command import BrokerOptions

from regulars.cli import main
from testing.ports import free_port
from tests.support.mqtt.mosquitto import mosquitto

SHORT_S = 1.5


class Here(NamedTuple):
    folder: Path
    opened: ExitStack


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    with ExitStack() as opened:
        yield Here(tmp_path, opened)


def at(port: int) -> Callable[[], Broker]:
    return BrokerOptions(f"mqtt://127.0.0.1:{port}", None, None, None, "").connect_briefly


def brokered(*settings: str) -> Callable[[Here], int]:
    return lambda here: here.opened.enter_context(mosquitto(here.folder / "broker", *settings)).port


def denied(here: Here) -> int:
    rights = here.folder / "rights"
    rights.write_text("topic read nothing\n")
    return brokered("allow_anonymous true", f"acl_file {rights}")(here)


def late(here: Here) -> int:
    broker = here.opened.enter_context(mosquitto(here.folder / "broker"))
    return here.opened.enter_context(broker.slow_port(3.0))


def silent(here: Here) -> int:
    """A port at which a connection waits for ever."""
    return here.opened.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]


def hanging_up(here: Here) -> int:
    return here.opened.enter_context(_hanging_up())


@contextmanager
def _hanging_up() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


FAULTS: dict[str, tuple[Callable[[Here], int], str]] = {
    "refused": (lambda _: free_port(), "cannot be reached; it is tried again: set --broker"),
    "sign-in refused": (
        brokered("allow_anonymous false"),
        "refuses the connection: Not authorized: set --broker",
    ),
    "silent": (silent, "says nothing: set --broker"),
    "hangs up": (hanging_up, "hangs up before it answers"),
    "slow": (late, "set --broker"),
    "no rights": (denied, "allow this user to write and read that topic"),
    "retains nothing": (
        brokered("allow_anonymous true", "retain_available false"),
        "allow retained messages",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_with_a_broker_is_named_with_what_mends_it(here: Here, name: str) -> None:
    start, says = FAULTS[name]
    with pytest.raises(OperatorError, match=says):
        check_broker(at(start(here)), SHORT_S)


def test_a_broker_that_is_well_is_said_so(here: Here, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"mqtt://127.0.0.1:{brokered()(here)}"
    assert main(["mqtt", "--broker", url, "--check"]) == 0
    assert "filled, emptied and filled again" in capsys.readouterr().out
    for other in (["--mailbox", "home"], ["--forget", "shop"]):
        assert main(["mqtt", "--broker", url, "--check", *other]) == 2


@pytest.mark.parametrize("may_read", [True, False])
def test_no_retained_message_is_left(here: Here, may_read: bool) -> None:
    rights = here.folder / "rights"
    rights.write_text(f"topic {'readwrite' if may_read else 'write'} regulars-check/#\n")
    settings = ("allow_anonymous true", f"acl_file {rights}")
    broker = here.opened.enter_context(mosquitto(here.folder / "broker", *settings))
    if may_read:
        check_broker(at(broker.port), SHORT_S)
    else:
        with pytest.raises(OperatorError):
            check_broker(at(broker.port), SHORT_S)
    broker.rest()
    assert b"regulars-check" not in (broker.folder / "mosquitto.db").read_bytes()
