"""Two of everything: shops of one service, services, lives of a book, keys, folders. Pictures go
where they were taken for, and are called there only if they were seen there.
"""

import json
import os
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from regulars_edge import SPOOL
from regulars_edge.camera_uploader import CameraUploader
from regulars_edge.clock import Clock, ServiceTime
from regulars_edge.errors import Busy
from regulars_edge.http import Http
from regulars_edge.logs import Tally
from regulars_edge.picture import parse_content
from regulars_edge.service import Service
from regulars_edge.sources.folder import FolderSource
from regulars_edge.spool import database
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Limits, MinutePart, State, name_shop
from regulars_edge.spool.spool import Spool
from rig import pictures
from rig.box import until
from rig.clock import FakeClock
from rig.health import health_of
from rig.real import Regulars, captures
from rig.spooled import STATED_MS, add, capture_of, content
from rig.standin import StandIn
from rig.uploader import Zygote, environment

from chalicelib.bootstrap import build
from chalicelib.domain.model import Profile
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.settings import Settings

AT_ONCE = ("--give-up-after", "0", "--no-progress")


class Laptop:
    """An uploader whose spool several shops share."""

    def __init__(self, folder: Path, zygote: Zygote) -> None:
        self.zygote, self.spool = zygote, folder / "spool"

    def call(self, *argv: str, key: str = "") -> tuple[int, str]:
        """Return how the command ended, and what it said."""
        self.start(*argv, key=key)
        return self.zygote.ended(), self.read_log()

    def start(self, *argv: str, key: str = "") -> int:
        """Start a command and return its pid; `zygote.ended` waits for it."""
        self.zygote.log.unlink(missing_ok=True)
        return self.zygote.start(argv, environment(key, self.spool))

    def read_log(self) -> str:
        return self.zygote.log.read_text()

    def upload(self, folder: Path, url: str, key: str) -> tuple[int, str]:
        return self.call("upload", str(folder), "--url", url, "--camera", "door", *AT_ONCE, key=key)

    def count_waiting(self) -> dict[str, int]:
        """Count what waits, by the URL that `status` names."""
        code, said = self.call("status", "--json")
        assert code == 0, said
        return {row["url"]: row["pictures"] for row in json.loads(said)["waiting"]}


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    zygote = Zygote(tmp_path_factory.mktemp("laptop") / "log")
    yield zygote
    zygote.close()


@pytest.fixture
def laptop(tmp_path: Path, zygote: Zygote) -> Laptop:
    return Laptop(tmp_path, zygote)


@pytest.fixture
def shops() -> Iterator[tuple[StandIn, StandIn, StandIn]]:
    """A shop, a second shop of the same service, and a shop of another one. All keys differ."""
    first, second, other = StandIn(), StandIn(), StandIn()
    second.key, other.key = "tenant-key-2", "tenant-key-3"
    first.beside = [second]
    second_url, second.url = second.url, first.url
    yield first, second, other
    second.url = second_url
    for shop in (first, second, other):
        shop.stop()


def fill(folder: Path, start: int) -> set[str]:
    """Put three pictures into a folder, and return their digests."""
    pictures.fill(folder, 3, start=start)
    return {sha256 for sha256, _ in pictures.expected(folder)}


def there(shop: StandIn) -> set[str]:
    return {str(row["sha256"]) for row in shop.captures()}


@pytest.mark.parametrize("is_known", [True, False], ids=["answered before", "never answered"])
@pytest.mark.parametrize("place", [1, 2], ids=["second shop", "other service"])
def test_what_waits_for_one_shop_goes_to_no_other(
    laptop: Laptop,
    shops: tuple[StandIn, StandIn, StandIn],
    tmp_path: Path,
    place: int,
    is_known: bool,
) -> None:
    first, other = shops[0], shops[place]
    for_first, for_other = fill(tmp_path / "a", 0), fill(tmp_path / "b", 3)
    if is_known:
        (tmp_path / "empty").mkdir()
        assert laptop.upload(tmp_path / "empty", first.url, first.key)[0] == 0
    first.is_down = True
    assert laptop.upload(tmp_path / "a", first.url, first.key)[0] == 4
    first.is_down = False
    code, said = laptop.upload(tmp_path / "b", other.url, other.key)
    assert (code, there(other)) == (1, for_other), said
    assert f"3 pictures wait for another shop at {first.url}" in said
    assert laptop.count_waiting() == {first.url: 3}
    assert f"door: 3 pictures wait for another shop at {first.url}" in laptop.call("status")[1]
    code, said = laptop.upload(tmp_path / "a", first.url, first.key)
    assert (code, there(first)) == (0, for_first), said
    assert laptop.count_waiting() == {}
    assert {one.puts for shop in shops for one in shop.books.captures.values()} == {1}


def test_pictures_are_called_there_only_if_they_were_seen_in_this_book_and_life(
    laptop: Laptop, shops: tuple[StandIn, StandIn, StandIn], tmp_path: Path
) -> None:
    sent = fill(tmp_path / "in", 0)
    shutil.copytree(tmp_path / "in", tmp_path / "copied")

    def assert_all_there(shop: StandIn, folder: str = "in") -> None:
        code, said = laptop.upload(tmp_path / folder, shop.url, shop.key)
        assert (code, there(shop)) == (0, sent), said
        assert "3 pictures are at the service" in said

    for shop in shops:
        assert_all_there(shop)
    for shop in shops:
        assert_all_there(shop, "copied")
    first = shops[0]
    assert [len(shop.offered) for shop in shops] == [3, 3, 3], (
        "what was seen there is not asked again"
    )
    first.restore()
    assert_all_there(first)
    # a life that has the pictures: they are asked for, and not put
    first.book = f"{first.book[:16]}.another"
    assert_all_there(first)
    assert (len(first.offered), {one.puts for one in first.books.captures.values()}) == (9, {1})
    first.restore()
    first.is_down = True
    code, _ = laptop.upload(tmp_path / "in", first.url, first.key)
    assert code == 4, "nobody has said that they are there"


def test_a_book_that_is_restored_while_pictures_are_put_is_asked_anew(
    laptop: Laptop, stand_in: StandIn, tmp_path: Path
) -> None:
    sent = fill(tmp_path / "in", 0)
    puts: list[str] = []

    def restore_once(id_: str) -> None:
        puts.append(id_)
        if len(puts) == 3:
            stand_in.restore()

    stand_in.on_stored = restore_once
    code, said = laptop.upload(tmp_path / "in", stand_in.url, stand_in.key)
    assert (code, there(stand_in)) == (0, sent), said


def test_a_service_whose_book_is_another_each_time_gets_no_endless_upload(
    laptop: Laptop, stand_in: StandIn, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 0)
    stand_in.on_answer = lambda: setattr(
        stand_in, "book", f"00112233445566ff.{os.urandom(4).hex()}"
    )
    code, said = laptop.upload(tmp_path / "in", stand_in.url, stand_in.key)
    assert (code, "each time it was asked" in said, "0 pictures are at" in said) == (
        4,
        True,
        True,
    ), said


def test_a_kill_between_offer_and_put_while_the_configuration_changes(
    laptop: Laptop, shops: tuple[StandIn, StandIn, StandIn], tmp_path: Path
) -> None:
    first, _, other = shops
    for_first, for_other = fill(tmp_path / "a", 0), fill(tmp_path / "b", 3)
    arrived, killed = threading.Event(), threading.Event()

    def wait_for_the_kill(_id: str) -> None:
        arrived.set()
        killed.wait(timeout=60)

    first.on_put = wait_for_the_kill
    argv = ("upload", str(tmp_path / "a"), "--url", first.url, "--camera", "door", *AT_ONCE)
    pid = laptop.start(*argv, key=first.key)
    assert arrived.wait(timeout=60)
    os.kill(pid, signal.SIGKILL)
    assert laptop.zygote.ended() == -signal.SIGKILL
    first.on_put = id
    first.restore()
    killed.set()
    assert laptop.upload(tmp_path / "b", other.url, other.key)[0] == 1
    assert there(other) == for_other
    code, said = laptop.upload(tmp_path / "a", first.url, first.key)
    assert (code, there(first)) == (0, for_first), said


@pytest.mark.parametrize("place", [1, 2], ids=["second shop", "other service"])
def test_a_box_that_is_moved_sends_new_pictures_to_the_new_shop_and_keeps_the_former_ones(
    laptop: Laptop, shops: tuple[StandIn, StandIn, StandIn], tmp_path: Path, place: int
) -> None:
    first, other = shops[0], shops[place]
    drop, toml = tmp_path / "ftp", tmp_path / "edge.toml"

    def run_at(shop: StandIn, done: Callable[[], object]) -> None:
        toml.write_text(f'''
            [server]
            url = "{shop.url}"
            make_cameras = true
            [metrics]
            port = 0
            [[camera]]
            name = "door"
            source = "folder"
            folder = "{drop}"
            interval_s = 0.1
        ''')
        pid = laptop.start("run", "--config", str(toml), key=shop.key)
        until(done, said=laptop.read_log)
        os.kill(pid, signal.SIGTERM)
        assert laptop.zygote.ended() == 0

    drop.mkdir()
    first.is_down = True
    for_first = fill(drop, 0)
    run_at(first, lambda: not list(drop.rglob("*.jpg")))
    first.is_down = False
    for_other = fill(drop, 3)
    run_at(other, lambda: there(other) >= for_other)
    assert f"door: 3 pictures wait for another shop at {first.url}" in laptop.read_log()
    assert (there(first), there(other)) == (set(), for_other)
    run_at(first, lambda: there(first) >= for_first)
    assert (there(first), there(other)) == (for_first, for_other)


def uploader_of(spool: Spool, url: str, key: Callable[[], str], clock: FakeClock) -> CameraUploader:
    time = ServiceTime(clock)
    service = Service(Http(clock), url, key, time, makes_cameras=True)
    return CameraUploader(spool, service, "door", time, now=lambda: clock.boot_ms() / 1000)


def make_rounds(uploader: CameraUploader, clock: FakeClock, rounds: int = 8) -> None:
    for _ in range(rounds):
        clock.pass_(round(uploader.make_round().wait_s * 1000))


@pytest.fixture
def spool(
    tmp_path: Path, clock: FakeClock, shops: tuple[StandIn, StandIn, StandIn]
) -> Iterator[Spool]:
    for shop in shops:
        shop.now_ms = lambda: clock.true_ms
    with spools.open_spool(tmp_path / "spool", clock=clock) as spool:
        yield spool


def digests(*numbers: int) -> set[str]:
    return {content(number)[1].sha256.hex() for number in numbers}


def test_a_key_that_becomes_another_shops_while_the_box_runs(
    spool: Spool, shops: tuple[StandIn, StandIn, StandIn], clock: FakeClock
) -> None:
    first, second, _ = shops
    key = {"now": first.key}
    uploader = uploader_of(spool, first.url, lambda: key["now"], clock)
    first.is_down = True
    add(spool, 1)
    make_rounds(uploader, clock)
    first.is_down = False
    (entry,) = spool.list_next("door", 9, 10**9)
    key["now"] = second.key
    # it changed between two lines of a round
    with pytest.raises(Busy, match="the key is another one now"):
        uploader.service.offer_pictures([entry])
    uploader.open_shop()
    add(spool, 2)
    make_rounds(uploader, clock)
    assert (there(first), there(second)) == (set(), digests(2))
    key["now"] = first.key
    make_rounds(uploader, clock)
    assert (there(first), there(second)) == (digests(1), digests(2))


def test_a_book_that_is_another_all_at_once_refuses_and_the_pictures_wait(
    spool: Spool, shops: tuple[StandIn, StandIn, StandIn], clock: FakeClock
) -> None:
    """The same URL and key open another book, as if the address were another machine's."""
    first = shops[0]
    uploader = uploader_of(spool, first.url, lambda: first.key, clock)
    make_rounds(uploader, clock)
    former, first.book = first.book, "00112233445566ff.1"
    add(spool, 1)
    make_rounds(uploader, clock)
    assert (there(first), spool.count_totals()["door"].refused, spool.count_unsent()) == (
        set(),
        0,
        1,
    )
    assert [one.pictures for one in spool.list_waiting()] == [1]
    first.book = former
    uploader.asks = True
    make_rounds(uploader, clock)
    assert there(first) == digests(1)


def test_a_still_goes_to_the_shop_that_asked_for_it_only(
    spool: Spool, shops: tuple[StandIn, StandIn, StandIn], clock: FakeClock
) -> None:
    first, second, _ = shops
    service = uploader_of(spool, first.url, lambda: second.key, clock).service
    with pytest.raises(Busy, match="OtherBook"):
        service.give_still("door", pictures.jpeg(1), first.book[:16])


def test_pictures_taken_under_a_wrong_key_go_with_the_right_one(
    spool: Spool, shops: tuple[StandIn, StandIn, StandIn], clock: FakeClock
) -> None:
    first = shops[0]
    key = {"now": "mistyped"}
    uploader = uploader_of(spool, first.url, lambda: key["now"], clock)
    add(spool, 1)
    make_rounds(uploader, clock)
    key["now"] = first.key
    make_rounds(uploader, clock)
    assert there(first) == digests(1)
    key["now"] = "mistyped again"
    uploader.open_shop()
    add(spool, 2)
    make_rounds(uploader, clock)
    key["now"] = first.key
    make_rounds(uploader, clock)
    assert there(first) == digests(1, 2)


class Meanwhile:
    """Limits of a spool: something else happens while they are read."""

    min_free_bytes, drops_oldest, unsent_days, kept_days = 0, False, None, 30.0

    def __init__(self) -> None:
        self.happen: Callable[[], None] = lambda: None

    @property
    def max_bytes(self) -> int:
        happen, self.happen = self.happen, lambda: None
        happen()
        return 2**30


def test_a_book_that_becomes_known_while_a_picture_is_kept_gets_it(
    tmp_path: Path, shops: tuple[StandIn, StandIn, StandIn], clock: FakeClock
) -> None:
    first, limits = shops[0], Meanwhile()
    first.now_ms = lambda: clock.true_ms
    with spools.open_spool(tmp_path / "spool", cast(Limits, limits), clock) as spool:
        uploader = uploader_of(spool, first.url, lambda: first.key, clock)
        uploader.open_shop()
        limits.happen = lambda: make_rounds(uploader, clock, 2)
        add(spool, 1)
        assert spool.list_waiting() == []
        make_rounds(uploader, clock)
    assert there(first) == digests(1)


def test_a_picture_that_an_uploader_before_has_left_under_no_book_goes_at_the_next_start(
    tmp_path: Path, shops: tuple[StandIn, StandIn, StandIn], clock: FakeClock
) -> None:
    first = shops[0]
    first.now_ms = lambda: clock.true_ms
    for number in (1, 2):
        with spools.open_spool(tmp_path / "spool", clock=clock) as spool:
            uploader = uploader_of(spool, first.url, lambda: first.key, clock)
            make_rounds(uploader, clock)
            if number == 1:
                add(spool, number)
                with spool.books.writing() as db:
                    db.execute("UPDATE pictures SET shop = ?", (name_shop(first.url, first.key),))
    assert there(first) == digests(1)


def test_a_key_that_is_renewed_while_the_service_is_away(
    spool: Spool, shops: tuple[StandIn, StandIn, StandIn], clock: FakeClock
) -> None:
    first = shops[0]
    key = {"now": first.key}
    uploader = uploader_of(spool, first.url, lambda: key["now"], clock)
    make_rounds(uploader, clock)
    first.is_down = True
    add(spool, 1)
    first.key = key["now"] = "renewed"
    uploader.open_shop()
    add(spool, 2)
    make_rounds(uploader, clock)
    first.is_down = False
    make_rounds(uploader, clock)
    assert there(first) == digests(1, 2)


def test_what_was_taken_for_a_mistyped_url_can_be_released(
    laptop: Laptop, stand_in: StandIn, tmp_path: Path
) -> None:
    sent = fill(tmp_path / "in", 0)
    assert laptop.upload(tmp_path / "in", "http://127.0.0.1:9", stand_in.key)[0] == 4
    shutil.rmtree(tmp_path / "in")
    (tmp_path / "in").mkdir()
    assert laptop.upload(tmp_path / "in", stand_in.url, stand_in.key)[0] == 1
    assert there(stand_in) == set()
    assert "3 pictures" in laptop.call("status", "--release", "http://127.0.0.1:9")[1]
    assert laptop.upload(tmp_path / "in", stand_in.url, stand_in.key)[0] == 0
    assert there(stand_in) == sent


def test_a_service_of_an_older_version_gets_pictures_as_before_with_one_warning(
    spool: Spool,
    shops: tuple[StandIn, StandIn, StandIn],
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, second, other = shops
    first.book = second.book = other.book = None
    key = {"now": first.key}
    uploader = uploader_of(spool, first.url, lambda: key["now"], clock)
    first.is_down = True
    add(spool, 1)
    make_rounds(uploader, clock)
    first.is_down = False
    moved = uploader_of(spool, other.url, lambda: other.key, clock)
    add(spool, 2)
    make_rounds(moved, clock)
    assert there(other) == digests(2), "URLs tell them apart"
    uploader = uploader_of(spool, first.url, lambda: key["now"], clock)
    make_rounds(uploader, clock)
    assert there(first) == digests(1)
    assert "cannot be told apart" not in caplog.text
    first.key = key["now"] = "renewed"
    add(spool, 3)
    make_rounds(uploader, clock)
    assert there(first) == digests(1, 3), "a new key makes nothing wait"
    assert caplog.text.count("cannot be told apart") == 1
    add(spool, 4)
    first.book = "00112233445566ff.1"  # it is updated
    make_rounds(uploader, clock)
    assert there(first) == digests(1, 3, 4)
    assert spool.list_waiting() == []


def test_settings_of_one_shop_are_not_anothers(
    spool: Spool, shops: tuple[StandIn, StandIn, StandIn], clock: FakeClock
) -> None:
    first, _, other = shops
    uploader = uploader_of(spool, first.url, lambda: first.key, clock)
    make_rounds(uploader, clock)
    spool.keep_settings("door", {"send": "motion"})
    assert health_of(uploader_of(spool, first.url, lambda: first.key, clock)).settings == {
        "send": "motion"
    }
    renewed = uploader_of(spool, first.url, lambda: "renewed", clock)
    assert health_of(renewed).settings == {"send": "motion"}, (
        "they hold until the service says whose key it is"
    )
    make_rounds(renewed, clock)
    assert health_of(uploader_of(spool, first.url, lambda: first.key, clock)).settings == {
        "send": "motion"
    }
    assert health_of(uploader_of(spool, other.url, lambda: other.key, clock)).settings == {}


def test_a_watched_folder_gives_a_file_that_is_back_to_the_shop_that_has_not_seen_it(
    spool: Spool, shops: tuple[StandIn, StandIn, StandIn], clock: FakeClock, tmp_path: Path
) -> None:
    (tmp_path / "ftp").mkdir()
    for shop in (shops[0], shops[2], shops[2]):
        pictures.put(tmp_path / "ftp" / "a.jpg", pictures.jpeg(1), pictures.FIRST_MS)
        uploader = uploader_of(spool, shop.url, lambda shop=shop: shop.key, clock)
        source = FolderSource(tmp_path / "ftp", clock)
        capture = capture_of(spool, source, waits=True, dropped=Tally("door"))
        capture.open_shop = uploader.open_shop
        for _ in range(2):
            for frame in source.look():
                capture.take_picture(frame, threading.Event())
            clock.pass_(1_000)
        make_rounds(uploader, clock)
    assert [len(shop.offered) for shop in shops] == [1, 0, 1]
    assert not list((tmp_path / "ftp").iterdir())


def test_copies_of_damaged_books_wait_for_their_shop(
    shops: tuple[StandIn, StandIn, StandIn], clock: FakeClock, tmp_path: Path
) -> None:
    first, _, other = shops
    for shop in shops:
        shop.now_ms = lambda: clock.true_ms
    with spools.open_spool(tmp_path, clock=clock) as spool:
        uploader_of(spool, first.url, lambda: first.key, clock)
        add(spool, 1)  # before an answer
        make_rounds(uploader_of(spool, other.url, lambda: other.key, clock), clock)
        add(spool, 2)  # after it
    for file in tmp_path.glob(f"{database.FILE}*"):
        file.unlink()
    with spools.open_spool(tmp_path, clock=clock) as spool:
        spool.take_in(threading.Event())
        for shop in (other, first):
            make_rounds(uploader_of(spool, shop.url, lambda shop=shop: shop.key, clock), clock)
    assert (there(first), there(other)) == (digests(1), digests(2))


_ROW: dict[str, Any] = {
    "camera": "door",
    "source": "upload",
    "content_type": "image/jpeg",
    "spooled_at_ms": STATED_MS,
}


def write_as_before(folder: Path, number: int, state: State, path: Path | None = None) -> None:
    """Write a row as the uploader did that knew no shops, and its copy."""
    data = path.read_bytes() if path else pictures.jpeg(number)
    found = parse_content(data)
    assert found is not None
    at_ms = path.stat().st_mtime_ns // 1_000_000 if path else STATED_MS + number
    row = {
        **_ROW,
        "sha256": found.sha256,
        "size": found.size,
        "state": state,
        "wall_ms": at_ms,
        "captured_at_ms": at_ms,
    }
    if state is State.NEW:
        row["file"] = f"{number:016d}_{at_ms}___door.jpg"
        (folder / "pictures" / row["file"]).write_bytes(data)
    else:
        row |= {"remote_id": f"r{number}", "finished_at_ms": STATED_MS}
    if path:
        row |= {"path": str(path), "mtime_ns": path.stat().st_mtime_ns}
    with closing(sqlite3.connect(folder / database.FILE)) as db, db:
        db.execute(f"INSERT INTO pictures ({', '.join(row)}) VALUES (:{', :'.join(row)})", row)


def test_a_spool_of_the_uploader_before_is_taken_over_and_can_go_back(
    laptop: Laptop, stand_in: StandIn, tmp_path: Path
) -> None:
    fill(tmp_path / "in", 0)
    files = sorted((tmp_path / "in").rglob("*.jpg"))
    (laptop.spool / "pictures").mkdir(parents=True)
    with closing(sqlite3.connect(laptop.spool / database.FILE)) as db:
        db.executescript(f"{database._TABLES} PRAGMA user_version={SPOOL}")
    write_as_before(laptop.spool, 1, State.NEW)
    for number, file in enumerate(files):
        write_as_before(laptop.spool, 10 + number, State.DONE, file)
    assert laptop.call("status")[0] == 0, "what it has not opened yet, it can show"
    code, said = laptop.upload(tmp_path / "in", stand_in.url, stand_in.key)
    sent = digests(1) | {sha256 for sha256, _ in pictures.expected(tmp_path / "in")}
    assert (code, there(stand_in)) == (0, sent), said
    write_as_before(laptop.spool, 2, State.NEW)  # it went back, and took one more
    code, said = laptop.upload(tmp_path / "in", stand_in.url, stand_in.key)
    assert (code, there(stand_in)) == (0, sent | digests(2)), said
    assert {one.puts for one in stand_in.books.captures.values()} == {1}


def test_two_shops_of_the_service_itself_and_a_new_life(
    started_regulars: Regulars, laptop: Laptop, tmp_path: Path
) -> None:
    """The header of `regulars serve`, not the stand-in's."""
    fill(tmp_path / "a", 700_000)
    fill(tmp_path / "b", 700_003)
    services = build(Settings(storage=started_regulars._data))
    second = services.tenants.add(
        "second-shop", Profile.CAMERA, TenantSettings(strangers="forget")
    ).api_key
    url, first = started_regulars.url, started_regulars.key
    assert laptop.upload(tmp_path / "a", "http://127.0.0.1:9", first)[0] == 4
    for _ in range(2):
        for folder, key in (("a", first), ("b", second)):
            code, said = laptop.upload(tmp_path / folder, url, key)
            assert ("3 pictures are at the service" in said, code) == (True, 1), said
            mine = set(pictures.there(captures(url, key, "door")))
            assert mine == pictures.expected(tmp_path / folder)
        services.tenants.begin_life("second-shop")


def count_for_another_shop(spool: Spool, url: str) -> None:
    """Count sixty minutes for the shop `a` at a URL, 2 in and up to 2 out in each."""
    began_ms = Clock().boot_ms() // 60_000 * 60_000
    spool.note_answer(url, "ka", f"{'a' * 16}.l1", opens=True)
    spool.open_camera("door", url, "ka")
    for ago in range(11, 71):
        for part in (30_000, 30_000):
            spool.add_counts("door", MinutePart(began_ms - 60_000 * ago, part, 1, ago % 2))


def test_a_folder_is_uploaded_whatever_minutes_wait(
    laptop: Laptop, shops: tuple[StandIn, StandIn, StandIn], tmp_path: Path
) -> None:
    pictures_there = fill(tmp_path / "a", 0)
    with spools.open_spool(laptop.spool) as spool:
        count_for_another_shop(spool, "http://127.0.0.1:8")
    code, said = laptop.upload(tmp_path / "a", shops[0].url, shops[0].key)
    assert (code, there(shops[0])) == (0, pictures_there), said
    assert "60 counted minutes (120 in, 60 out) wait for another shop" in said


def test_counted_minutes_that_wait_for_a_shop_are_listed_and_released(laptop: Laptop) -> None:
    first_url, other_url = "http://127.0.0.1:8", "http://127.0.0.1:9"
    began_ms = Clock().boot_ms() // 60_000 * 60_000
    with spools.open_spool(laptop.spool) as spool:
        count_for_another_shop(spool, first_url)
        spool.note_answer(other_url, "kb", f"{'b' * 16}.l1", opens=True)
        spool.open_camera("door", other_url, "kb")
        for ago in range(6, 9):
            spool.add_counts("door", MinutePart(began_ms - 60_000 * ago, 60_000, 1))
    waits = f"60 counted minutes (120 in, 60 out) wait for another shop at {first_url}"
    code, said = laptop.call("status")
    assert code == 0
    assert f"door: {waits}" in said
    assert "in a day 3 in, 0 out; 3 minutes untold" in said, "what is its shop's"
    [row] = json.loads(laptop.call("status", "--json")[1])["waiting"]
    figures = {name: row[name] for name in ("pictures", "minutes", "came_in", "went_out")}
    assert figures == {"pictures": 0, "minutes": 60, "came_in": 120, "went_out": 60}
    released = laptop.call("status", "--release", first_url)[1]
    assert "0 pictures and 60 counted minutes will be sent where the next ones are" in released
    assert "in a day 123 in, 60 out; 63 minutes untold" in laptop.call("status")[1]
    with spools.open_spool(laptop.spool) as spool:
        spool.open_camera("door", other_url, "kb")
        assert spool.list_waiting() == []
        told = spool.books.read_rows("SELECT DISTINCT shop, sum(came_in) FROM counts")
        assert told == [("b" * 16, 123)]
