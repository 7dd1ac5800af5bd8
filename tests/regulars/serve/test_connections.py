"""Clients that send nothing, or drop by drop, keep nobody else out and do not keep the server from
stopping."""

import gc
import http.client
import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import cast

import pytest

from regulars.serve.connections import (
    OTHER_FILES,
    Arrivals,
    Connection,
    ConnectionLimiter,
    Timeouts,
    count_places,
)
from tests.support.box.apps import echo_app, served
from tests.support.waiting import PATIENCE_S

HEAD = (
    b"POST /length HTTP/1.1\r\nHost: box\r\nContent-Type: application/json\r\nContent-Length: "
    b"100000\r\n\r\n"
)
ASKING = HEAD.replace(b"Host:", b"Expect: 100-continue\r\nHost:")
HASTY = Timeouts(new_s=0.3, head_s=0.6, body_s=0.6, bytes_a_second=20_000, kept_s=20)
ENDLESS = Timeouts(new_s=10 * PATIENCE_S, head_s=10 * PATIENCE_S, body_s=10 * PATIENCE_S)
"""Longer than a client waits: so nobody gets in because a crowd's time is over."""
RESETS = b"\1\0\0\0\0\0\0\0"
"""SO_LINGER of no time: closing resets the connection."""
BRISK = Timeouts(new_s=2, head_s=2, body_s=2, bytes_a_second=10_000, kept_s=75)
"""For clients that do as they should, on a machine that may be busy."""


@contextmanager
def crowd(host: str, port: int, size: int, sends: bytes = b"") -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection((host, port), timeout=PATIENCE_S))
            for _ in range(size)
        ]
        for one in sockets:
            if sends:
                one.sendall(sends)
        yield sockets


def is_closed(client: socket.socket, drop: bytes, every_s: float = 0.1) -> bool:
    """Whether the server closes a connection on which `drop` comes again and again."""
    end = time.monotonic() + PATIENCE_S
    client.settimeout(every_s)
    while time.monotonic() < end:
        try:
            if drop:
                client.sendall(drop)
            if client.recv(100) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def assert_answered(host: str, port: int) -> None:
    """Send a request on a connection of its own, and read its answer."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
    connection.request("POST", "/length", b"12", {"Content-Type": "application/json"})
    assert json.loads(connection.getresponse().read()) == {"length": 2}
    connection.close()


@pytest.mark.parametrize(
    "sends", [b"", b"GET", HEAD + b"x"], ids=["nothing", "half a head", "half a body"]
)
def test_a_crowd_that_sends_no_request_keeps_nobody_out(sends: bytes) -> None:
    with (
        served(echo_app(), connections=40, patience=ENDLESS) as (host, port, _),
        crowd(host, port, 120, sends),
    ):
        for _ in range(5):
            assert_answered(host, port)


class Guest:
    """A connection that sends nothing.

    Like asyncio's, it is lost only a moment after it was aborted.
    """

    is_there, since = True, 0.0

    def __init__(self, sender: str = "192.0.2.1", used: float = 0.5) -> None:
        self.sender, self._used = sender, used

    def measure_used_share(self, _patience: Timeouts, _now: float) -> float:
        return self._used

    def abort(self) -> None:
        self.is_there = False


def test_a_crowd_that_comes_at_once_takes_no_more_than_all_places() -> None:
    limiter = ConnectionLimiter(40, Timeouts())
    guests = [Guest() for _ in range(400)]
    for guest in guests:
        limiter.enter(cast(Connection, guest))
    assert 30 <= sum(guest.is_there for guest in guests) <= 40


@pytest.mark.parametrize("used", [0.1, 0.0], ids=["waits for a request", "is being answered"])
def test_whoever_has_most_connections_gives_some_back_and_nobody_else_does(used: float) -> None:
    limiter = ConnectionLimiter(40, Timeouts())
    shop = [Guest("192.0.2.1", 0.9) for _ in range(10)]
    crowd = [Guest("198.51.100.1", used) for _ in range(400)]
    for guest in (*shop[:5], *crowd, *shop[5:]):
        limiter.enter(cast(Connection, guest))
    assert all(guest.is_there for guest in shop)
    assert 20 <= sum(guest.is_there for guest in crowd) <= 40


def test_300_idle_connections_are_no_crowd() -> None:
    with served(echo_app(), patience=ENDLESS) as (host, port, _), crowd(host, port, 300) as idle:
        assert_answered(host, port)
        idle[0].settimeout(0.2)
        with pytest.raises(TimeoutError):
            idle[0].recv(1)


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b""),
        (b"", b"G"),
        (b"", b"\r\n"),
        (HEAD, b"x"),
        (ASKING, b"x"),
    ],
    ids=["nothing", "a head", "empty lines", "a body", "a body that was asked for"],
)
def test_a_connection_is_not_kept_for_who_sends_drop_by_drop(first: bytes, drop: bytes) -> None:
    with (
        served(echo_app(), patience=HASTY) as (host, port, _),
        socket.create_connection((host, port)) as client,
    ):
        client.sendall(first)
        assert is_closed(client, drop)


def test_a_kept_connection_may_pause() -> None:
    with served(echo_app(), patience=BRISK) as (host, port, _):
        connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
        for pause_s in (0.0, 2.5, 0.0):
            time.sleep(pause_s)
            connection.request("POST", "/length", b"12", {"Content-Type": "application/json"})
            assert json.loads(connection.getresponse().read()) == {"length": 2}
        connection.close()


def test_connections_that_are_reset_after_their_answer_are_forgotten() -> None:
    """Asyncio itself forgets cancelled timers when they are more than a hundred, and more than half
    of all."""
    with served(echo_app()) as (host, port, _):
        for _ in range(400):
            with socket.create_connection((host, port), timeout=PATIENCE_S) as client:
                client.sendall(b"GET /echo HTTP/1.1\r\nHost: box\r\n\r\n")
                assert client.recv(10_000).startswith(b"HTTP/1.1 200")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
        end = time.monotonic() + PATIENCE_S
        while (kept := kept_connections()) > 200 and time.monotonic() < end:
            time.sleep(0.1)
        assert kept <= 200


def kept_connections() -> int:
    gc.collect()
    return sum(isinstance(one, Connection) for one in gc.get_objects())


def test_a_slow_upload_has_the_time_that_its_size_takes() -> None:
    with (
        served(echo_app(), patience=BRISK) as (host, port, _),
        socket.create_connection((host, port)) as client,
    ):
        client.sendall(HEAD)
        for _ in range(10):  # 2.5 s, at four times the rate that is asked for
            client.sendall(bytes(10_000))
            time.sleep(0.25)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sends", [b"", b"GET", HEAD + b"x"], ids=["nothing", "half a head", "half a body"]
)
def test_a_request_that_is_not_whole_does_not_delay_the_end(sends: bytes) -> None:
    with ExitStack() as stack, served(echo_app(), drain_s=10 * PATIENCE_S) as (host, port, _):
        client = stack.enter_context(socket.create_connection((host, port)))
        client.sendall(sends)
        time.sleep(0.2)


def test_a_request_that_comes_whole_just_after_the_stop_is_answered() -> None:
    with (
        served(echo_app()) as (host, port, stop),
        socket.create_connection((host, port), timeout=PATIENCE_S) as client,
    ):
        client.sendall(ASKING)
        assert client.recv(1000).startswith(b"HTTP/1.1 100"), "the server has the head"
        client.sendall(bytes(99_000))
        stop.set()
        time.sleep(0.2)
        client.sendall(bytes(1000))
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_client_that_offers_http_2_keeps_its_body_and_its_connection() -> None:
    """As Java's does by itself, unless it is told that the server speaks HTTP/1.1."""
    headers = {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABk",
    }
    with served(echo_app()) as (host, port, _):
        connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
        for _again in range(2):
            connection.request(
                "POST", "/length", b"12", {"Content-Type": "application/json", **headers}
            )
            assert json.loads(connection.getresponse().read()) == {"length": 2}
            assert connection.sock is not None, "it was closed"
        connection.close()


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard > 1100
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (600, hard))
        assert count_places(500) == 500
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 500 + OTHER_FILES
        assert hard == resource.RLIM_INFINITY or count_places(hard) == hard - OTHER_FILES
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_senders_take_turns_to_be_let_in_and_who_gave_up_costs_no_turn() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as stack:
        arrivals = Arrivals()

        def arrive(sender: str) -> socket.socket:
            client = stack.enter_context(socket.create_connection(listening.getsockname()))
            sock, _ = listening.accept()
            arrivals.add(stack.enter_context(sock), (sender, 1))
            return client

        crowd = [arrive("198.51.100.1") for _ in range(20)]
        arrive("192.0.2.1")
        for client in crowd[1:10]:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
        assert [sender for _, sender in arrivals.take_some()] == ["198.51.100.1", "192.0.2.1"]
        assert [len([*arrivals.take_some()]) for _ in range(11)] == [1] * 10 + [0]
        assert arrivals.number == 0
        waits = arrive("192.0.2.1")
        arrivals.close()
        assert waits.recv(1) == b""
