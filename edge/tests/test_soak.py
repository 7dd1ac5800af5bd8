"""Eight sources misbehave for a day, by a seeded script, in simulated time: nothing is lost, double
or untold.

The uploader's own loops, spool and HTTP run as they are (rig/stage.py). The script breaks cameras,
network, service, clocks and room, and stops and boots the box; it knows each picture that a camera
gave, and when.
"""

import gc
import itertools
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from regulars_edge.camera_uploader import CameraUploader
from regulars_edge.capture import Capture, Wiring
from regulars_edge.choose.by_face import BestShot
from regulars_edge.choose.chooser import Areas, ChangeFirst, Chooser, Everything, Moving, Prepared
from regulars_edge.choose.faces import Face
from regulars_edge.clock import ServiceTime, parse_moment
from regulars_edge.config import CameraConfig
from regulars_edge.errors import SourceFailed
from regulars_edge.frames import EncodedFrame, Frame
from regulars_edge.http import Address, Answer, Http, Timeouts
from regulars_edge.logs import Dropped, Tally
from regulars_edge.pace import Backoff, PerMinute
from regulars_edge.service import Service
from regulars_edge.sources.folder import FolderSource
from regulars_edge.sources.snapshot import SnapshotSource
from regulars_edge.sources.source import Source
from regulars_edge.sources.video import VideoFileSource
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Limits, Stamp
from regulars_edge.spool.spool import SAME_TIME_MS, Spool
from rig import pictures
from rig.apart import StandInApart
from rig.bomb import bomb
from rig.camera import PASSWORD, USER, Camera
from rig.clock import FakeClock
from rig.film import numbered
from rig.health import health_of
from rig.stage import Event, Stage
from rig.weather import MISHAPS, Weather

DAY_S, UNITS = 86_400, 24
"""The script is written in twenty-fourths of its time, so that the short form has all of it."""
DARK, BRIGHT = (40, 40, 40), (220, 220, 220)


class Given:
    """What the cameras gave, and when: a picture's digest and the true time in ms, in files, for
    memory is measured."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self._folder, self._clock = folder, clock
        folder.mkdir()

    def note(self, camera: str, data: bytes) -> bytes:
        with (self._folder / camera).open("a") as file:
            file.write(f"{sha256(data).hexdigest()} {self._clock.true_ms}\n")
        return data

    def of(self, camera: str) -> dict[str, int]:
        file = self._folder / camera
        rows = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
        return {digest: int(at_ms) for digest, at_ms in rows}


class Passers:
    """A detector that sees somebody pass now and then."""

    def __init__(self) -> None:
        self._looked = 0

    def find_faces(self, frame: Frame) -> list[Face]:
        self._looked += 1
        marks = ((5.0, 5.0), (9.0, 5.0), (7.0, 7.0), (5.0, 9.0), (9.0, 9.0))
        return [Face((2.0, 2.0, 10.0, 10.0), marks, 0.9)] if self._looked % 25 < 6 else []


@dataclass
class Day:
    """What the script turns, and what all of it needs."""

    folder: Path
    units_s: float
    clock: FakeClock
    stage: Stage
    weather: Weather
    given: Given
    began_s: float
    seed: int
    rng: random.Random = field(init=False)
    number: Iterator[int] = field(default_factory=itertools.count)
    life_ends_s: float = 0.0
    cut: int = 0
    answers: dict[bytes, str] = field(default_factory=dict)
    """The camera of each whole picture that is on its way as an answer, by its digest."""
    film_times: dict[bytes, list[int]] = field(default_factory=dict)
    """When each picture of the films was noted, by its digest."""

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def picture(self) -> bytes:
        """A picture that is dark, or now and then bright."""
        return pictures.jpeg(next(self.number), 1000, self.rng.choices((DARK, BRIGHT), (4, 1))[0])

    def until(self, unit: float) -> None:
        self.stage.sleep(self.began_s + unit * self.units_s - self.stage.now_s())


# the cameras


def snapshots(day: Day, name: str, camera: Camera, share_bad: float = 0.15) -> None:
    """Let the camera answer with errors, halves and bombs."""

    def gives(_: int) -> bytes:
        whole, draw = day.picture(), day.rng.random()
        if draw < share_bad:
            return (b"<html>", whole[:-30], b"")[int(draw / share_bad * 3)]
        if draw < share_bad + 0.02:
            whole = bomb(60_000, 60_000, next(day.number))
        day.answers[sha256(whole).digest()] = name
        return whole

    camera.gives = gives


class CameraHttp(Http):
    """Notes a camera's picture when its last byte is here: one that comes when nobody waits for it
    any more is not given."""

    def __init__(self, day: Day, *more: Any) -> None:
        super().__init__(day.clock, *more)
        self._day = day

    def exchange(self, *request: Any, **more: Any) -> Answer:
        answer = super().exchange(*request, **more)
        if name := self._day.answers.pop(sha256(answer.body).digest(), None):
            self._day.given.note(name, answer.body)
        return answer


class DriverError(Exception):
    pass


class Stream:
    """A stream that ends, fails in ways that nobody has thought of, and is silent."""

    def __init__(self, day: Day, name: str) -> None:
        self._day, self._name = day, name

    def frames(self, stop: Event) -> Iterator[Frame | None]:
        day = self._day
        while not stop.wait(2):
            draw = day.rng.random()
            if draw < 0.004:
                raise SourceFailed("the stream has ended")
            if draw < 0.006:
                raise DriverError("a camera's own error")
            if draw < 0.05:
                yield None
                continue
            yield EncodedFrame(
                day.given.note(self._name, day.picture()), Stamp(parse_moment(day.clock))
            )


class Film:
    """A film's frames are what they are; the script notes them as they come.

    Behind damage some look the same: within SAME_TIME_MS they are one picture. One that waits for
    room when the box stops is not taken: the film is read again, if no other is in its place by
    then.
    """

    def __init__(self, day: Day, name: str, source: Source) -> None:
        self._day, self._name, self._source = day, name, source

    def frames(self, stop: Event) -> Iterator[Frame | None]:
        for frame in self._source.frames(stop):
            yield frame
            if frame is not None and not stop.is_set():
                self._note(frame.encode_picture(), frame.stamp.stated_ms or 0)

    def _note(self, data: bytes, at_ms: int) -> None:
        times = self._day.film_times.setdefault(sha256(data).digest(), [])
        if all(abs(at_ms - before_ms) > SAME_TIME_MS for before_ms in times):
            times.append(at_ms)
            self._day.given.note(self._name, data + str(at_ms).encode())


def drop_files(day: Day, name: str, drop: Path, over: Event) -> None:
    """Files as cameras drop them: in two halves, cut off, twice, with wrong times, beside films and
    unfinished ones."""
    drop.mkdir()
    while not over.wait(day.rng.uniform(10, 50)):
        data, path = day.picture(), drop / f"{next(day.number)}.jpg"
        kind = day.rng.choice(("whole", "whole", "halves", "cut", "film", "twice", "future", "tmp"))
        if not drop.exists() or (kind == "cut" and day.stage.now_s() > day.life_ends_s - 200):
            continue
        if kind == "cut":
            path.with_suffix(".cut.jpg").write_bytes(data[:-30])
            day.cut += 1
            continue
        if kind == "film":
            path.with_suffix(".mp4").write_bytes(b"\0\0\0\x20ftypisom" + data)
            continue
        if kind == "halves":
            path.write_bytes(data[:500])
            day.stage.sleep(day.rng.uniform(1, 12))
        part = path.with_name(f"{path.name}.part") if kind == "tmp" else path
        if not drop.exists():
            continue
        part.write_bytes(data)
        now_s = day.clock.wall_ms() / 1000 + (7_200 if kind == "future" else 0)
        os.utime(part, (now_s, now_s))
        part.rename(path)
        if kind == "twice":
            path.with_name(f"again-{path.name}").write_bytes(data)
            os.utime(path.with_name(f"again-{path.name}"), (now_s + 1, now_s + 1))
        day.given.note(name, data)


def sync_files(day: Day, name: str, drop: Path, over: Event) -> None:
    """Files come in lots, with the times that they have; the folder is on a share that goes away
    now and then."""
    drop.mkdir()
    away = drop.with_name("unmounted")
    while not over.wait(day.rng.uniform(60, 400)):
        if day.rng.random() < 0.1:
            drop.rename(away)
            day.stage.sleep(day.rng.uniform(10, 300))
            away.rename(drop)
        for _ in range(day.rng.randrange(12)):
            data = day.picture()
            file = drop.with_name("to come")
            file.write_bytes(data)
            taken_s = day.clock.true_ms / 1000 - day.rng.uniform(0, 86_400)
            os.utime(file, (taken_s, taken_s))
            file.rename(drop / f"{next(day.number)}.jpg")
            day.given.note(name, data)


def films(day: Day, film: Path, over: Event) -> None:
    """Put another film in its place now and then; some are cut off, of some a stretch is noise."""
    from rig.rtsp import h264

    while True:
        first = next(day.number) * 40 % 60_000
        h264(film.with_suffix(".new.mp4"), [numbered(first + at) for at in range(30)], 1, every=10)
        data = bytearray(film.with_suffix(".new.mp4").read_bytes())
        draw = day.rng.random()
        if draw < 0.2:
            del data[len(data) // 2 :]
        elif draw < 0.5:
            middle = len(data) // 2
            data[middle : middle + 300] = day.rng.randbytes(300)
        film.with_suffix(".new.mp4").write_bytes(data)
        os.utime(film.with_suffix(".new.mp4"), (day.stage.now_s(),) * 2)
        film.with_suffix(".new.mp4").rename(film)
        if over.wait(day.units_s * 0.8):
            return


# the box


@dataclass(frozen=True)
class Station:
    name: str
    source: Callable[[], Source]
    chooser: Callable[[], Chooser] = Everything
    per_minute: int | None = None
    waits: bool = False
    ends: bool = False


class Box:
    """Wires the uploader's parts as run.Box does, in the stage's time, for one life of its
    process."""

    def __init__(
        self, day: Day, stations: list[Station], key: str, tallies: dict[str, Tally]
    ) -> None:
        self._day, self._stations, self._key, self._tallies = day, stations, key, tallies

    @contextmanager
    def alive(self, limits: Limits) -> Iterator[Spool]:
        day, stage = self._day, self._day.stage
        others = stage.playing
        with spools.open_spool(day.folder / "spool", limits, day.clock) as spool:
            stop = stage.event()
            service_time = ServiceTime(day.clock, spool.read_anchor())
            http = Http(day.clock)
            for station in self._stations:
                service = Service(
                    http, day.weather.url, lambda: self._key, service_time, makes_cameras=True
                )
                self._begin(station, spool, service, service_time, stop)
            stage.begin(partial(self._sweep, spool, service_time, stop))
            yield spool
            stop.set()
            while stage.playing > others:
                stage.sleep(1)
            for reason, camera in spool.dropped:
                self._tallies[camera].add(reason)

    def _begin(
        self,
        station: Station,
        spool: Spool,
        service: Service,
        service_time: ServiceTime,
        stop: Event,
    ) -> None:
        day, tally = self._day, self._tallies[station.name]
        uploader = CameraUploader(
            spool,
            service,
            station.name,
            service_time,
            now=day.stage.now_s,
            backoff=Backoff(rng=random.Random(day.seed)),
            wake=day.stage.event(),  # type: ignore[arg-type]  # an event of simulated time
        )
        uploader.dropped = tally
        day.stage.begin(partial(self._guarded, uploader.run, stop))
        day.stage.begin(partial(self._guarded, health_of(uploader).run, stop))

        def take() -> None:
            while not stop.is_set():
                per_minute = PerMinute(station.per_minute, day.stage.now_s)
                wiring = Wiring(station.source(), station.chooser(), per_minute, lambda: True)
                config = CameraConfig(station.name, "folder" if station.waits else "snapshot")
                capture = Capture(
                    config, partial(lambda made, _: made, wiring), spool, tally, uploader.wake.set
                )
                self._guarded(capture.run, stop)
                if station.ends:
                    stop.wait(day.units_s / 3)

        day.stage.begin(take)

    @staticmethod
    def _guarded(work: Callable[[Any], None], stop: Event) -> None:
        """As run.Box does: what fails begins again."""
        while not stop.is_set():
            try:
                work(stop)
                return
            except DriverError:
                stop.wait(5)

    def _sweep(self, spool: Spool, service_time: ServiceTime, stop: Event) -> None:
        while not stop.wait(self._day.units_s / 4):
            spool.sweep()
            if service_time.anchor is not None:
                spool.remember_anchor(service_time.anchor)


def memory_mb() -> float:
    gc.collect()
    rows = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text().splitlines()
        if ":" in line
    )
    return int(rows["VmRSS"].split()[0]) / 1024


LEFT_HALF = Areas((((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),))


class Nothing:
    """A camera that is switched off."""

    def frames(self, stop: Event) -> Iterator[Frame | None]:
        while not stop.wait(60):
            yield None


def left_hidden(frame: Frame) -> Prepared:
    return Prepared(frame, LEFT_HALF)


def stations(day: Day, cameras: dict[str, Camera]) -> list[Station]:
    """The eight of them."""
    http, place = CameraHttp(day), day.folder

    def asked(name: str, interval_s: float) -> Callable[[], Source]:
        address = Address.read(f"http://{cameras[name].host}/", USER, PASSWORD)
        return lambda: SnapshotSource(http, lambda: address, day.clock, interval_s)

    def film() -> Source:
        return Film(day, "film", VideoFileSource(place / "film.mp4", 1))

    return [
        Station("drop", lambda: FolderSource(place / "drop", day.clock, interval_s=5), waits=True),
        Station(
            "synced",
            lambda: FolderSource(place / "sync", day.clock, interval_s=9, after=place / "moved"),
            waits=True,
        ),
        Station("snap", asked("snap", 30)),
        Station("fast", asked("fast", 8), per_minute=5),
        Station("motion", asked("motion", 30), partial(Moving, 0.01)),
        Station("masked", asked("masked", 30), partial(ChangeFirst, Everything(), left_hidden)),
        Station("stream", partial(Stream, day, "stream"), lambda: BestShot(Passers(), 10)),
        Station("film", film, waits=True, ends=True),
    ]


def script(day: Day, cameras: dict[str, Camera], url: str) -> dict[float, Callable[[], None]]:
    """What happens at which twenty-fourth of the time."""

    def network(goes_to: str | None) -> Callable[[], None]:
        return partial(setattr, day.weather, "goes_to", goes_to)

    def wall(error_s: float) -> Callable[[], None]:
        return partial(setattr, day.clock, "wall_error_ms", round(error_s * 1000))

    def busy(share: float, mishaps: tuple[str, ...]) -> Callable[[], None]:
        return lambda: vars(day.weather).update(share=share, mishaps=mishaps)

    return {
        2.0: network(None),
        3.5: network(url),
        4.5: partial(setattr, cameras["snap"], "stopped", True),
        5.5: partial(setattr, cameras["snap"], "stopped", False),
        6.0: wall(3 * 3600),
        8.0: network(None),
        11.0: network(url),
        12.0: wall(-86_400),
        14.0: partial(setattr, cameras["fast"], "password", "another"),
        14.5: partial(setattr, cameras["fast"], "password", PASSWORD),
        15.0: busy(1.0, ("busy",)),
        15.5: busy(0.1, KINDS),
        16.0: wall(-56 * 365 * 86_400),
        17.0: network(None),
        17.5: network(url),
        20.0: wall(0),
        21.0: network(None),
        22.5: network(url),
    }


KINDS = tuple(one for one in MISHAPS if one != "slow")


def test_eight_sources_misbehave_for_a_day_and_nothing_is_lost_double_or_untold(
    tmp_path: Path, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "regulars_edge")  # its lines would be the memory that grows
    hours, seed = map(request.config.getoption, ("--edge-soak-hours", "--edge-soak-seed"))
    began, clock = time.monotonic(), FakeClock(wall_error_ms=4_000)
    service = StandInApart(clock.true_ms)
    stage = Stage(clock, partial(setattr, service.now_ms, "value"))
    weather = Weather(service.url, share=0.1, seed=seed, mishaps=KINDS)
    given = Given(tmp_path / "given", clock)
    day = Day(tmp_path, hours * 3600 / UNITS, clock, stage, weather, given, stage.now_s(), seed)
    cameras = {name: Camera("Digest") for name in ("snap", "fast", "motion", "masked")}
    for name, camera in cameras.items():
        snapshots(day, name, camera)
    eight = stations(day, cameras)
    tallies = {one.name: Tally(one.name, stage.now_s) for one in eight}
    happens = script(day, cameras, service.url)
    over = stage.event()
    for work in (
        partial(drop_files, day, "drop", tmp_path / "drop"),
        partial(sync_files, day, "synced", tmp_path / "sync"),
    ):
        stage.begin(partial(work, over))
    stage.begin(partial(films, day, tmp_path / "film.mp4", over))
    stage.sleep(1)
    memory_mbs = []
    room = round(1_000_000 * hours / 24)
    for first, last, drops_oldest in (
        (0, 7, False),
        (7, 13, True),
        (13, 19, False),
        (19, 24, True),
    ):
        limits = Limits(room, 1, drops_oldest, unsent_days=2.2 * day.units_s / 86_400)
        day.life_ends_s = day.began_s + last * day.units_s
        tidy(tmp_path / "drop")
        with Box(day, eight, service.key, tallies).alive(limits):
            for at in sorted(
                {*range(first + 1, last + 1), *(at for at in happens if first <= at < last)}
            ):
                day.until(at)
                happens.get(at, int)()
                if at == int(at):
                    memory_mbs.append(memory_mb())
        assert stage.failed == []
        clock.boot_again(f"boot after {last}", off_ms=600_000)
    over.set()
    stage.sleep(day.units_s + 600)
    tidy(tmp_path / "drop")
    assert (stage.playing, stage.failed) == (0, [])
    still = [
        Station(one.name, one.source if one.waits and not one.ends else Nothing, waits=True)
        for one in eight
    ]
    with Box(day, still, service.key, tallies).alive(Limits(min_free_bytes=1)) as spool:
        for _ in range(2_000):
            stage.sleep(30)
            if spool.count_unsent() == 0 and not list((tmp_path / "sync").glob("*.jpg")):
                break
        stage.sleep(300)
        assert spool.count_unsent() == 0
        sql = "SELECT camera, sha256, captured_at_ms FROM pictures WHERE state = 2"
        set_aside = {
            (camera, sha256.hex(), at_ms) for camera, sha256, at_ms in spool.books.read_rows(sql)
        }
    there = service.captures()
    service.stop()
    weather.stop()
    for camera in cameras.values():
        camera.stop()
    took_s = time.monotonic() - began
    print(
        f"\n{hours:g} hours in {took_s:.0f} s, {len(there)} captures, {sum(weather.met.values())} "
        "mishaps"
    )
    print("memory in MB:", *(f"{one:.0f}" for one in memory_mbs))
    for one in eight:
        rows = [row for row in there if row["camera"] == one.name]
        arrived = sum((one.name, row["sha256"], taken_ms(row)) in set_aside for row in rows)
        account(
            one.name, rows, given.of(one.name), dict(tallies[one.name].counts()), arrived, day.cut
        )
    for first, last in itertools.pairwise((7, 13, 19, 24)):
        assert max(memory_mbs[first:last]) - memory_mbs[first] < 8, "memory is flat within a life"


def test_a_picture_that_comes_when_nobody_waits_for_it_is_not_given(
    tmp_path: Path, camera: Camera
) -> None:
    clock, gone, said = FakeClock(), threading.Event(), threading.Event()
    day = Day(
        tmp_path,
        1.0,
        clock,
        Stage(clock),
        Weather(None),
        Given(tmp_path / "given", clock),
        0.0,
        seed=1,
    )
    snapshots(day, "late", camera, share_bad=0.0)
    gives = camera.gives

    def gives_late(number: int) -> bytes:
        data = gives(number)
        gone.wait(30)
        said.set()
        return data

    camera.gives = gives_late
    address = Address.read(f"http://{camera.host}/")
    http = CameraHttp(day, Timeouts(silence_s=0.1))
    with pytest.raises(SourceFailed, match="does not answer"):
        SnapshotSource(http, lambda: address, clock, 30).take_picture()
    gone.set()
    assert said.wait(30)
    day.weather.stop()
    assert (camera.given, day.given.of("late")) == (1, {})


def taken_ms(row: dict[str, Any]) -> int:
    return round(datetime.fromisoformat(row["captured_at"]).timestamp() * 1000)


def tidy(drop: Path) -> None:
    """Take away the files that were cut off: a new process looks at them again, and counts them
    again."""
    for left in drop.glob("*.cut.jpg"):
        left.unlink()


def account(
    name: str,
    rows: list[dict[str, Any]],
    given: dict[str, int],
    told: dict[Dropped, int],
    arrived: int,
    cut: int,
) -> None:
    """Compare. `arrived`: those that were put, and dropped in an outage before anybody heard that
    they were there."""
    print(
        f"{name:8} {len(given):6} given {len(rows):6} there {arrived:3}",
        *(f"{why} {told[why]}" for why in told),
    )
    if name == "drop":
        assert told.pop(Dropped.DAMAGED, 0) == cut, (
            "files that were cut off, which the script does not count as given"
        )
    assert len(rows) - arrived + sum(told.values()) == len(given), (
        f"{name}: lost without a word, or told twice"
    )
    assert len({row["id"] for row in rows}) == len(rows)
    if name not in ("masked", "film"):  # whose pictures are made here
        first_digests = {row["first_sha256"] for row in rows}
        assert len(first_digests) == len(rows), f"{name}: double"
        assert first_digests <= set(given), f"{name}: what no camera gave"
    if name in ("snap", "fast", "motion", "stream"):
        off_ms = [abs(taken_ms(row) - given[row["first_sha256"]]) for row in rows]
        assert max(off_ms) <= 1_000, f"{name}: times of capture"
