import json
import os
import shutil
import socket
import subprocess
import threading
import tracemalloc
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from regulars_edge import run
from regulars_edge.capture import HANGS_S
from regulars_edge.choose.chooser import Moving
from regulars_edge.config import SPOOL_VARIABLE, CameraConfig
from regulars_edge.errors import SourceFailed
from regulars_edge.frames import EncodedFrame, Frame
from regulars_edge.http import Address, Http, Timeouts
from regulars_edge.picture import JPEG, is_whole
from regulars_edge.sources.folder import QUIET_MS, FolderSource
from regulars_edge.sources.snapshot import SnapshotSource
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Limits, Origin, Stamp
from rig import pictures
from rig.bomb import bomb
from rig.box import SNAPSHOT, Box, until
from rig.camera import Camera
from rig.clock import FakeClock
from rig.server import Handler, Served
from rig.spooled import add, capture_of
from rig.standin import StandIn
from rig.uploader import ENTRY


@pytest.mark.parametrize(
    "size", [(60_000, 60_000), (7_000, 7_000)], ids=["a bomb for Pillow", "within its limit"]
)
def test_a_picture_that_claims_to_be_huge_is_not_decoded(size: tuple[int, int]) -> None:
    frame = EncodedFrame(bomb(*size), Stamp(stated_ms=1))
    for look in (frame.image, lambda: frame.grey((64, 48))):
        with pytest.raises(OSError, match=r"pixels|bomb"):
            look()
    assert list(Moving(0.01).choose([frame])) == []
    assert not is_whole(JPEG, bomb(*size) + bytes(100)), "nor to see whether it was cut off"


def test_a_thread_that_fails_begins_again_and_the_box_goes_on(
    box: Box, stand_in: StandIn, tmp_path: Path
) -> None:
    """`faces` without a model, a password file that is gone: what one camera lacks is that
    camera's."""
    good = Camera()
    box.configure(
        SNAPSHOT.format(host=good.host)
        + f'[[camera]]\nname = "yard"\nsource = "snapshot"\nurl = "http://127.0.0.1:9/"\n'
        f'password_file = "{tmp_path / "gone"}"\nuser = "admin"\n'
    )
    box.start()
    until(lambda: len(stand_in.captures("door")) > 3, said=box.log)
    until(lambda: box.log().count("take 1 (yard) failed") > 1, said=box.log)
    assert str(tmp_path / "gone") in box.log()
    assert box.stop() == 0
    good.stop()


def test_a_film_in_a_drop_is_not_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: FakeClock
) -> None:
    """Cameras drop films beside their pictures.

    600 MB that were read at each look ended the box.
    """
    drop = tmp_path / "ftp"
    drop.mkdir()
    for name, head in (("clip.mp4", b"\0\0\0\x20ftypisom"), ("huge.jpg", pictures.jpeg(1)[:100])):
        (drop / name).write_bytes(head)
        os.truncate(drop / name, 600 * 2**20)
        os.utime(drop / name, ns=(clock.wall_ms() * 1_000_000,) * 2)
    source = FolderSource(drop, clock)
    tracemalloc.start()
    for _ in range(4):
        assert list(source.look()) == []
        clock.pass_(QUIET_MS)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**20
    assert caplog.text.count("clip.mp4: neither JPEG nor PNG") == 1
    assert caplog.text.count("huge.jpg: 629145600 bytes, and a picture has at most") == 1


class Dripping(Served):
    """An answer whose head never ends."""

    def __init__(self) -> None:
        self.over = threading.Event()
        super().__init__(_Drips)

    def stop(self) -> None:
        self.over.set()
        super().stop()


class _Drips(Handler):
    def answer(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.server.owner.over.wait(0.05):
            self.wfile.write(b"X")


def test_a_head_that_never_ends_is_given_up() -> None:
    camera, clock = Dripping(), FakeClock()
    source = SnapshotSource(
        Http(clock, Timeouts(whole_s=0.3)), lambda: Address.read(camera.url), clock, 1
    )
    with pytest.raises(SourceFailed, match=r"the head of its answer was not whole after 0\.3 s"):
        source.take_picture()
    camera.stop()


@pytest.mark.parametrize("tail", [b"", b"\0\0\0", b"its maker's own bytes"])
def test_half_a_snapshot_is_not_taken(tail: bytes, camera: Camera, clock: FakeClock) -> None:
    source = SnapshotSource(Http(clock), lambda: Address.read(f"http://{camera.host}/"), clock, 1)
    camera.gives = lambda number: pictures.jpeg(number)[:700]
    with pytest.raises(SourceFailed, match="was cut off"):
        source.take_picture()
    camera.gives = lambda number: pictures.jpeg(number) + tail
    assert source.take_picture().encode_picture() == pictures.jpeg(2) + tail


def test_a_metrics_port_that_is_taken_stops_nothing_and_is_taken_when_it_is_free(
    box: Box, stand_in: StandIn, camera: Camera
) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        box.configure(SNAPSHOT.format(host=camera.host), f"[metrics]\nport = {port}\n")
        box.start()
        until(lambda: f"port {port} is taken" in box.log(), said=box.log)
        until(lambda: len(stand_in.captures()) > 3, said=box.log)

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    until(answers, said=box.log)
    assert box.stop() == 0


def test_pictures_of_a_camera_that_is_not_configured_any_more_hold_up_nobody(
    box: Box, stand_in: StandIn, camera: Camera
) -> None:
    """With a key for each camera there is no key for what is left of it: it is kept, and said."""
    stand_in.books.cameras["door"] = {
        "id": "door",
        "name": "door",
        "api_key": "key-of-door",
        "enabled": True,
    }
    with spools.open_spool(box.folder / "spool") as spool:
        add(spool, 7, origin=Origin("gone", "s"))
    own = box.folder / "door_key"
    own.write_text("key-of-door")
    own.chmod(0o600)
    box.configure(SNAPSHOT.format(host=camera.host) + f'api_key_file = "{own}"\n')
    box.toml.write_text(box.toml.read_text().replace(f'api_key_file = "{box.key_file}"\n', "", 1))
    box.start({"REGULARS_API_KEY": ""})
    until(lambda: len(stand_in.captures("door")) > 3, said=box.log)
    until(lambda: "gone: no API key" in box.log(), said=box.log)
    assert box.stop() == 0


@pytest.mark.parametrize("command", ["run", "upload"])
def test_a_spool_that_cannot_be_written_may_heal(box: Box, tmp_path: Path, command: str) -> None:
    """A card that was remounted read-only: exit code 2 would keep systemd from ever trying
    again."""
    box.configure(SNAPSHOT.format(host="127.0.0.1:9"))
    (tmp_path / "spool").write_text("no folder")
    more = [] if command == "run" else [str(tmp_path), "--camera", "door"]
    done = box.call(command, *more)
    assert done.returncode == 6, done.stderr
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize("is_open", [True, False], ids=["the uploader hangs", "it has stopped"])
def test_status_reads_the_spool_of_a_card_that_is_read_only(tmp_path: Path, is_open: bool) -> None:
    folder, card = tmp_path / "spool", tmp_path / "card"
    folder.mkdir()
    card.mkdir()
    with (
        mount("--bind", "--read-only", str(folder), str(card)),
        ExitStack() as uploader,
    ):
        add(uploader.enter_context(spools.open_spool(folder)), 1)
        if not is_open:
            uploader.close()
        done = subprocess.run(
            [ENTRY, "status", "--json"],
            env={**os.environ, SPOOL_VARIABLE: str(card)},
            capture_output=True,
            text=True,
            check=True,
        )
    assert json.loads(done.stdout)["cameras"]["door"]["unsent"] == 1


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="nobody else may own a folder"
)
def test_check_says_of_a_spool_that_another_user_owns_that_it_is_for_this_user(box: Box) -> None:
    box.configure(SNAPSHOT.format(host="127.0.0.1:9"))
    folder = box.folder / "spool"
    with spools.open_spool(folder):
        pass
    folder.chmod(0o700)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 1, 1)
    done = subprocess.run(
        [
            "setpriv",
            "--bounding-set=-dac_override,-dac_read_search",
            "--inh-caps=-all",
            "--reuid=0",
            str(ENTRY),
            "check",
            "--config",
            str(box.toml),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if "setpriv" in done.stderr:
        pytest.skip(done.stderr)
    assert "give it to this user" in done.stdout
    assert (done.returncode, done.stderr) == (1, "")


@contextmanager
def mount(*argv: str) -> Iterator[None]:
    """Mount what `mount` is told, in the block; skip the test if nothing may be mounted here."""
    done = subprocess.run(["mount", *argv], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk may be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", argv[-1]], check=True)


@pytest.fixture(params=["24m", "48m"])
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A small disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with mount("-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(folder)):
        yield folder


def test_a_disk_that_something_else_fills_twice_goes_on_sending(
    disk: Path, box: Box, stand_in: StandIn
) -> None:
    """Books that cannot grow cannot say that a picture is sent.

    So no room came back, and none was sent, ever.
    """
    (box.folder / "spool").symlink_to(disk)
    box.configure(f'[[camera]]\nname = "door"\nsource = "folder"\nfolder = "{box.folder}/ftp"\n')
    for sent in (30, 60):
        with spools.open_spool(disk, Limits(min_free_bytes=0)) as spool:
            for number in range(sent - 30, sent):
                add(spool, number, size=40_000)
        with (disk / "filler").open("ab", buffering=0) as stream, suppress(OSError):
            while True:
                stream.write(b"x" * 4096)
        box.start()
        until(lambda: len(stand_in.captures()) == sent, said=box.log)  # noqa: B023
        until(lambda: not list((disk / "pictures").rglob("*.jpg")), said=box.log)
        assert box.stop() == 0
        assert "is full" in box.log()
        assert (disk / "ballast").exists()


class Scripted:
    """A source that gives what a test says."""

    def __init__(self, *given: Callable[[], Frame | None]) -> None:
        self.given = list(given)

    def frames(self, stop: threading.Event) -> Iterator[Frame | None]:
        while self.given:
            yield self.given.pop(0)()


def frame(number: int) -> Frame:
    return EncodedFrame(pictures.jpeg(number), Stamp(stated_ms=1_700_000_000_000 + number * 10_000))


def test_that_the_source_is_back_is_said_once_and_not_while_the_spool_is_full(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    def fails() -> Frame:
        raise SourceFailed("no answer")

    source = Scripted(fails, *[lambda number=number: frame(number) for number in range(5)])
    with spools.open_spool(tmp_path / "spool", Limits(max_bytes=1500, min_free_bytes=0)) as spool:
        capture = capture_of(spool, source)
        capture.run(threading.Event())
    assert caplog.text.count("the source is back") == 1
    assert capture.finished


def test_the_watchdog_hears_of_a_source_that_hangs(tmp_path: Path) -> None:
    with spools.open_spool(tmp_path / "spool") as spool:
        capture = capture_of(spool, Scripted())
        now = run.time.monotonic()
        assert not capture.hangs(now + HANGS_S - 60)
        assert capture.hangs(now + HANGS_S + 60)
        hourly = replace(capture, config=CameraConfig("door", "snapshot", interval_s=3_600))
        assert not hourly.hangs(now + HANGS_S + 60), "it waits for its next picture"
        capture.run(threading.Event())
        assert not capture.hangs(now + HANGS_S + 60), "it has ended"
