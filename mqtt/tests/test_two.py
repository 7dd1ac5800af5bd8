"""Two of each at one broker: boxes whose tenants have one name, versions, and programs of one
mailbox."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from regulars_mqtt import bridge
from regulars_mqtt.broker import Address, Broker
from regulars_mqtt.command import describe_book
from regulars_mqtt.turns import Turns

from regulars.cli import main
from tests.support.box.box import serving
from tests.support.mqtt.mosquitto import Listener, Mosquitto
from tests.support.mqtt.shop import Shop, told
from tests.support.waiting import until


@pytest.fixture
def other_shop(tmp_path: Path) -> Iterator[Shop]:
    """Another box, whose first tenant is called `shop`, too."""
    with serving(tmp_path / "other") as box:
        shop = Shop(box)
        with shop.client:
            yield shop


def book_of(shop: Shop) -> str:
    return shop.box.services.tenants.read_stored("shop").book_id


def described(listener: Listener, book: str) -> set[str]:
    """The names of the people and cameras that Home Assistant has of a book."""
    return {
        config["name"]
        for topic, config in listener.configs().items()
        if f"/regulars_{book}/" in topic and config["unique_id"].startswith(f"regulars_{book}_")
    }


def forget(broker: Mosquitto, whom: str) -> int:
    return main(["mqtt", "--broker", f"mqtt://127.0.0.1:{broker.port}", "--forget", whom])


def test_two_boxes_whose_tenants_have_one_name_keep_their_people(
    shop: Shop,
    other_shop: Shop,
    broker: Mosquitto,
    listener: Listener,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = {"Ann": 1, "Bo": 2, "Cy": 3}
    for each, place in ((shop, "Berlin"), (other_shop, "Hamburg")):
        for name, who in names.items():
            each.enrol(f"{name} of {place}", who)
            each.arrives(who)
    expected = {
        book_of(each): {
            *("Front door", "Visits today"),
            *(f"{name} of {place}{end}" for name in names for end in ("", " here")),
        }
        for each, place in ((shop, "Berlin"), (other_shop, "Hamburg"))
    }

    def are_described() -> bool:
        return {book: described(listener, book) for book in expected} == expected

    with (
        told(shop, broker, names=True, book=book_of(shop)),
        told(other_shop, broker, names=True, book=book_of(other_shop)),
    ):
        until(are_described)
        for each in (shop, other_shop):  # after another look at all faces by both
            each.client.change_camera("door", name="Door")
        expected = {book: {*people - {"Front door"}, "Door"} for book, people in expected.items()}
        until(are_described)
    assert forget(broker, "shop") == 1
    said = capsys.readouterr().err
    assert all(f"{book_of(each)} ({each.box.url})" in said for each in (shop, other_shop))
    assert forget(broker, book_of(shop)) == 0
    until(lambda: not described(listener, book_of(shop)))
    assert described(listener, book_of(other_shop)) == expected[book_of(other_shop)]
    assert forget(broker, "shop") == 0
    until(lambda: not listener.retained)


def test_the_program_has_the_topics_of_its_book_and_asks_no_other(
    shop: Shop, other_shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with shop.box.client() as service:
        descriptions = describe_book(service, "homeassistant")
        assert (descriptions.topics.book, descriptions.tenant) == (book_of(shop), "shop")
        assert f"regulars/{book_of(shop)}/" in caplog.text
        shop.box.services.tenants.begin_life("shop")  # as a restore does
        assert service.list_cameras().cameras


@contextmanager
def at_work(broker: Mosquitto, name: str, done: list[str]) -> Iterator[Turns]:
    """A program of one mailbox that notes each step that it does."""
    stop = threading.Event()
    connection = Broker(Address("127.0.0.1", broker.port, False), name, "regulars/b/available")
    turns = Turns(connection, "regulars/b/bridges/1", every_s=0.2, settle_s=0.2)

    def work() -> float:
        done.append(name)
        return 0.02

    thread = threading.Thread(
        target=bridge.run, args=(connection, [turns.step, turns.guard(work)], stop, 0.2)
    )
    thread.start()
    try:
        yield turns
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def test_of_two_programs_of_one_mailbox_the_second_says_so_and_waits_until_the_first_has_ended(
    broker: Mosquitto, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    done: list[str] = []
    first = at_work(broker, "first", done)
    with first:
        until(lambda: "first" in done)
        with at_work(broker, "second", done):
            until(lambda: "tells this mailbox already" in caplog.text)
            so_far = len(done)
            until(lambda: len(done) > so_far + 20)
            assert set(done) == {"first"}
        until(lambda: listener.retained.get("regulars/b/available") == "online")
        with at_work(broker, "second", done):
            until(lambda: caplog.text.count("tells this mailbox already") == 2)
            first.gen.close()  # it ends as by SIGTERM
            until(lambda: "second" in done)
            assert "this one goes on" in caplog.text
    assert "taken" not in (broker.folder / "log").read_text()
    assert "already connected" not in (broker.folder / "log").read_text()


def test_two_that_start_at_once_do_not_both_work(broker: Mosquitto) -> None:
    done: list[str] = []
    with at_work(broker, "a", done) as a, at_work(broker, "b", done) as b:
        until(lambda: a.is_mine != b.is_mine)
        done.clear()
        until(lambda: len(done) > 20)
        assert len(set(done)) == 1


@pytest.mark.parametrize(
    "said", [b"", b"{", b"[]", b'{"rank": "0"}', b'{"rank": [], "host": 1}', b"[" * 100_000]
)
def test_what_others_write_there_stops_nothing(
    broker: Mosquitto, listener: Listener, said: bytes
) -> None:
    done: list[str] = []
    with at_work(broker, "first", done):
        listener.client.publish("regulars/b/bridges/1", said, 1)
        until(lambda: len(done) > 3)
