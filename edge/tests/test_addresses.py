"""A camera that gets another address from its router is found by its card."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from regulars_edge.addresses import AGAIN_S, ARP, AWAY_S, Addresses, Neighbour, read_neighbours
from regulars_edge.check import look_for_camera
from regulars_edge.cli import main
from regulars_edge.clock import Clock
from regulars_edge.config import CameraConfig, parse_config
from regulars_edge.errors import SourceFailed
from regulars_edge.run import Uploader
from regulars_edge.setup.onvif import Device
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Memory
from regulars_edge.spool.spool import read_view_beside
from rig.camera import Camera

CARD, OTHER_CARD = "ec:71:db:00:00:09", "ec:71:db:00:00:0a"
HALL = CameraConfig("hall", "rtsp", "rtsp://admin:a@192.168.7.9:8554/live")
DOOR = CameraConfig("door", "snapshot", "https://192.168.7.10/shot.jpg")


class Told:
    """A capture, as far as this is about it."""

    def __init__(self, settings: CameraConfig) -> None:
        self.settings = settings
        self.alive_at = self.gave_at = 0.0
        self.moved_to: list[str] = []

    def move_to(self, host: str) -> None:
        self.settings = self.settings.move_to(host)
        self.moved_to.append(host)


class Network:
    """A box with two cameras in a network: where each card is now, and which of the machines there
    answer a search."""

    def __init__(self, *cameras: CameraConfig) -> None:
        self.cards = {"192.168.7.9": CARD, "192.168.7.10": OTHER_CARD, "192.168.7.1": "aa:bb"}
        self.silent: set[str] = {"192.168.7.1"}
        self.kept, self.searches, self.now = [""], list[set[str]](), 0.0
        self.cameras = cameras or (HALL, DOOR)
        self.start()

    def start(self) -> None:
        """Start the box, with what the last one kept."""
        memory = Memory(self.kept.append, self.kept[-1])
        self.addresses = Addresses(self.cameras, memory, self.read_neighbours, self.search)
        self.captures = [Told(self.addresses.move(camera)) for camera in self.cameras]
        self.began_at = self.now

    def read_neighbours(self) -> list[Neighbour]:
        """The kernel's table, on a box that is in the network by cable and by Wi-Fi."""
        return [
            Neighbour(address, card, interface)
            for address, card in self.cards.items()
            for interface in ("eth0", "wlan0")
        ]

    def search(self, interfaces: Iterable[str]) -> list[Device]:
        self.searches.append({*interfaces})
        return [Device(at, "", "") for at in self.cards if at not in self.silent]

    def run(self, seconds: float, *well: str, at_rest: str = "") -> None:
        """Go on for so long, while these cameras give pictures, and one rests."""
        for _ in range(round(seconds / 30)):
            self.now += 30
            for camera, capture in zip(self.cameras, self.captures, strict=True):
                if camera.name in (*well, at_rest):
                    capture.alive_at = self.now
                if camera.name in well:
                    capture.gave_at = self.now
            self.addresses.look(self.captures, self.now, self.began_at)  # type: ignore[arg-type] - Told has the members of Capture that `look` reads

    def move(self, address: str, other: str) -> None:
        self.cards[other] = self.cards.pop(address)


def test_a_camera_is_found_at_its_new_address_and_still_is_after_a_restart() -> None:
    network = Network()
    network.run(60, "hall", "door")
    network.move("192.168.7.9", "192.168.7.23")
    network.run(AWAY_S - 30, "door")
    assert network.searches == [], "it may just be slow"
    network.run(60, "door")
    assert network.captures[0].moved_to == ["192.168.7.23"]
    assert network.captures[1].moved_to == []
    assert network.searches == [{"eth0", "wlan0"}]
    network.start()
    moved = network.addresses.move(HALL)
    assert moved == replace(HALL, place="rtsp://admin:a@192.168.7.23:8554/live")
    assert network.addresses.move(DOOR) == DOOR
    network.run(60, "hall", "door")
    network.move("192.168.7.23", "192.168.7.9")
    network.run(AWAY_S + AGAIN_S, "door")
    assert network.captures[0].moved_to == ["192.168.7.9"], "and back"


def test_what_has_a_cameras_address_at_night_is_not_taken_for_it_in_the_morning() -> None:
    network = Network()
    network.run(60, "hall", "door")
    network.run(120, "door", at_rest="hall")
    network.move("192.168.7.9", "192.168.7.23")
    network.cards["192.168.7.9"] = "a phone's"
    network.run(8 * 3_600, "door", at_rest="hall")
    network.run(AWAY_S + AGAIN_S, "door")
    assert network.captures[0].moved_to == ["192.168.7.23"]


def test_a_camera_that_is_rarely_asked_is_not_searched_for() -> None:
    network = Network(replace(DOOR, interval_s=600.0))
    for _ in range(6):
        network.run(30, "door")
        network.run(570)
    assert network.searches == []


@pytest.mark.parametrize(
    "happens",
    [
        lambda network: network.cards.pop("192.168.7.9"),
        lambda network: network.silent.add("192.168.7.9"),
        lambda network: network.cards.update({"192.168.7.30": CARD, "192.168.7.31": CARD}),
        lambda network: network.cards.update({"192.168.7.9": "another's", "192.168.7.30": "its"}),
    ],
    ids=["off", "silent", "two places", "another card"],
)
def test_what_is_not_surely_the_camera_is_not_asked(
    happens: Callable[[Network], object],
) -> None:
    network = Network()
    network.run(60, "hall", "door")
    happens(network)
    network.run(3 * AGAIN_S, "door")
    assert network.captures[0].moved_to == []
    assert len(network.searches) <= 4, "not at each look"


def test_the_address_of_another_camera_is_not_taken_and_a_repeaters_card_tells_nothing() -> None:
    network = Network()
    network.cards["192.168.7.10"] = CARD
    network.run(60, "hall", "door")
    assert network.kept == [""]
    network.cards["192.168.7.10"] = OTHER_CARD
    network.run(60, "hall", "door")
    network.cards = {"192.168.7.10": CARD}
    network.run(3 * AGAIN_S)
    assert network.captures[0].moved_to == []


def test_all_channels_of_a_recorder_and_their_small_streams_move() -> None:
    small = "rtsp://192.168.7.9/small"
    channel = CameraConfig("two", "rtsp", "rtsp://192.168.7.9/two", motion_url=small)
    network = Network(HALL, channel)
    network.run(60, "hall", "two")
    network.move("192.168.7.9", "192.168.7.23")
    network.run(300)
    assert [capture.moved_to for capture in network.captures] == [["192.168.7.23"]] * 2
    network.start()
    assert network.addresses.move(channel).motion_url == "rtsp://192.168.7.23/small"


class Loopback:
    """A box whose one camera answers at 127.0.0.1 now, while edge.toml names 127.0.0.9."""

    def __init__(self, camera: Camera, noted: str) -> None:
        url = f"http://127.0.0.9:{camera.port}/shot.jpg"
        row = {"name": "hall", "source": "snapshot", "url": url}
        self.config = parse_config({"server": {"url": "http://127.0.0.1:9"}, "camera": [row]})
        memory = Memory(text=json.dumps({"127.0.0.9": [CARD, noted]}))
        self.addresses = Addresses(
            self.config.cameras,
            memory,
            lambda: [Neighbour("127.0.0.1", CARD, "lo")],
            lambda _: [Device("127.0.0.1", "", "")],
        )

    def look(self) -> str:
        return look_for_camera(self.addresses, self.config.cameras[0], self.config, Clock())


@pytest.mark.parametrize("noted", ["127.0.0.1", "127.0.0.9"], ids=["noted", "to be found"])
def test_check_asks_a_camera_where_the_uploader_has_found_it_or_would(
    camera: Camera, noted: str
) -> None:
    said = Loopback(camera, noted).look()
    assert f"bytes from snapshot http://127.0.0.1:{camera.port}/shot.jpg" in said
    assert said.endswith("Its router gave it this address: edge.toml may stay as it is")


def test_check_says_what_is_wrong_with_a_camera_that_is_found_nowhere(camera: Camera) -> None:
    lost = Loopback(camera, "127.0.0.9")
    lost.addresses.search = lambda _: []
    with pytest.raises(SourceFailed, match=r"127\.0\.0\.9.* does not answer"):
        lost.look()


def test_the_command_check_reads_what_the_uploader_has_noted(
    tmp_path: Path, camera: Camera, capsys: pytest.CaptureFixture[str]
) -> None:
    file, spool_folder = tmp_path / "edge.toml", tmp_path / "spool"
    file.write_text(f"""
        [server]
        url = "http://127.0.0.1:9"
        [spool]
        folder = "{spool_folder}"
        [[camera]]
        name = "hall"
        source = "snapshot"
        url = "http://127.0.0.9:{camera.port}/shot.jpg"
    """)
    with spools.open_spool(spool_folder) as spool:
        spool.keep_view("addresses", json.dumps({"127.0.0.9": [CARD, "127.0.0.1"]}))
        main(["check", "--config", str(file)])
    assert "ok   camera hall: " in capsys.readouterr().out


def test_what_the_uploader_has_noted_is_read_beside_it(tmp_path: Path) -> None:
    assert read_view_beside(tmp_path / "spool", "addresses") == "", "there is no spool yet"
    with spools.open_spool(tmp_path / "spool") as spool:
        assert read_view_beside(tmp_path / "spool", "addresses") == ""
        spool.keep_view("addresses", "{}")
        assert read_view_beside(tmp_path / "spool", "addresses") == "{}"


@pytest.mark.parametrize(
    "text", ["{", "[]", "7", '{"192.168.7.9": 1}', '{"192.168.7.9": ["a", "b"]}']
)
def test_a_memory_of_addresses_that_makes_no_sense_is_begun_anew(text: str) -> None:
    assert Addresses([HALL], Memory(str, text)).move(HALL) == HALL


def test_the_kernels_table_is_read(tmp_path: Path) -> None:
    file = tmp_path / "arp"
    assert read_neighbours(file) == [], "this system has none"
    file.write_text(
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        f"192.168.7.9      0x1         0x2         {CARD}     *        eth0\n"
        "192.168.7.77     0x1         0x0         00:00:00:00:00:00     *        wlan0\n"
    )
    assert read_neighbours(file) == [Neighbour("192.168.7.9", CARD, "eth0")]
    assert isinstance(read_neighbours(ARP), list), "whatever this machine has"


def test_a_box_asks_a_camera_where_it_was_found_before_and_keeps_its_other_settings(
    tmp_path: Path,
) -> None:
    row = {"name": "hall", "source": "snapshot", "url": "http://192.168.7.9:81/shot.jpg"}
    raw = {"server": {"url": "http://127.0.0.1:9"}, "camera": [row | {"interval_s": 7.0}]}
    with spools.open_spool(tmp_path / "spool") as spool:
        spool.keep_view("addresses", json.dumps({"192.168.7.9": [CARD, "192.168.7.23"]}))
        (capture,) = Uploader(parse_config(raw), spool, str).captures
        assert capture.config.place == "http://192.168.7.23:81/shot.jpg"
        capture.move_to("192.168.7.24")
        assert capture.settings.place == "http://192.168.7.24:81/shot.jpg"
        assert capture.settings.interval_s == 7.0
