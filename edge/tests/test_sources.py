import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from regulars_edge.errors import ExtraMissing, SourceFailed
from regulars_edge.http import Address, Http
from regulars_edge.logs import Dropped, Tally
from regulars_edge.sources.folder import QUIET_MS, FolderSource
from regulars_edge.sources.snapshot import SnapshotSource
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Limits
from rig import pictures
from rig.camera import Camera
from rig.clock import FakeClock
from rig.film import video
from rig.sources import stream
from rig.spooled import capture_of
from rig.user import unreadable


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "ftp"
    folder.mkdir()
    return folder


def write(path: Path, data: bytes, clock: FakeClock) -> None:
    """As a program on this machine does: the file's time is what the machine's clock says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, ns=(clock.wall_ms() * 1_000_000,) * 2)


def names(source: FolderSource, clock: FakeClock, pass_ms: int = 1_000) -> list[str]:
    found = [frame.mark.path.name for frame in source.look() if frame.mark]
    clock.pass_(pass_ms)
    return found


# a watched folder


def test_a_file_is_taken_when_it_is_whole_and_has_not_changed_between_two_looks(
    drop: Path, clock: FakeClock
) -> None:
    source = FolderSource(drop, clock)
    data = pictures.jpeg(1)
    write(drop / "a.jpg", data[:500], clock)
    assert [names(source, clock) for _ in range(3)] == [[], [], []], (
        "it does not end as a JPEG does"
    )
    write(drop / "a.jpg", data, clock)
    assert names(source, clock) == []
    assert names(source, clock) == ["a.jpg"]


def test_a_file_that_was_cut_for_good_stays_and_is_counted_and_one_with_more_behind_its_end_is_taken(  # noqa: E501
    drop: Path, clock: FakeClock, tmp_path: Path
) -> None:
    source, dropped = FolderSource(drop, clock), Tally("door")
    cut = pictures.jpeg_with_exif(1, "2026:03:04 05:06:07")[:-80]
    more = pictures.jpeg(2) + bytes(500)
    write(drop / "cut.jpg", cut, clock)
    write(drop / "more.jpg", more, clock)
    assert names(source, clock, QUIET_MS - 1_000) == []
    assert names(source, clock) == []
    with spools.open_spool(tmp_path / "spool", clock=clock) as spool:
        capture = capture_of(spool, source, waits=True, dropped=dropped)
        for _ in range(3):
            for frame in source.look():
                capture.take_picture(frame, threading.Event())
    assert [path.read_bytes() for path in (tmp_path / "spool").rglob("*.jpg")] == [more]
    assert [path.name for path in drop.iterdir()] == ["cut.jpg"]
    assert dropped.counts() == {Dropped.DAMAGED: 1}


def test_unfinished_names_and_what_is_no_picture_stay_where_they_are(
    drop: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    source = FolderSource(drop, clock)
    for name in (".hidden.jpg", "a.jpg.part", "b.tmp"):
        write(drop / name, pictures.jpeg(1), clock)
    write(drop / "readme.txt", b"text", clock)
    for _ in range(4):
        assert names(source, clock, QUIET_MS) == []
    assert len(list(drop.iterdir())) == 4
    assert caplog.text.count("neither JPEG nor PNG") == 1


def test_what_a_system_left_in_the_folder_is_named_once(
    drop: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    source = FolderSource(drop, clock)
    for name in ("@eaDir/1.jpg", "north/@eaDir/2.jpg", ".1.jpg", ".2.jpg"):
        write(drop / name, pictures.jpeg(1), clock)
    for _ in range(4):
        assert names(source, clock, QUIET_MS) == []
    for name in ("@eaDir", "names that begin with a dot"):
        assert caplog.text.count(f"passed over, since no person put it there: {name}\n") == 1


def test_the_oldest_file_comes_first_sub_folders_too(drop: Path, clock: FakeClock) -> None:
    for name in ("z/1.jpg", "a/2.jpg", "3.jpg"):
        write(drop / name, pictures.jpeg(ord(name[0])), clock)
        clock.pass_(1_000)
    source = FolderSource(drop, clock)
    names(source, clock)
    assert names(source, clock) == ["1.jpg", "2.jpg", "3.jpg"]


def test_a_files_time_is_corrected_with_the_clock_that_gave_it(
    drop: Path, clock: FakeClock
) -> None:
    """An hour ahead when the file was written, set right before it is taken, and back again."""
    source = FolderSource(drop, clock, interval_s=1)
    names(source, clock)
    for step_ms in (3_600_000, -3_600_000, 7_200_000):
        truth = clock.boot_ms()
        write(drop / "a.jpg", pictures.jpeg(step_ms), clock)
        clock.pass_(400)
        clock.wall_error_ms += step_ms
        names(source, clock)
        (frame,) = source.look()
        assert abs(frame.stamp.moment.boot_ms - truth) <= 1_400
        frame.release_file()


def test_a_file_goes_only_when_the_spool_has_it(
    drop: Path, clock: FakeClock, tmp_path: Path
) -> None:
    write(drop / "a.jpg", pictures.jpeg(1), clock)
    write(drop / "b.jpg", pictures.jpeg(2), clock)
    source = FolderSource(drop, clock)
    room_for_one = Limits(max_bytes=1_500, min_free_bytes=0)
    with spools.open_spool(tmp_path / "spool", room_for_one, clock) as spool:
        capture = capture_of(spool, source, waits=True)
        stop = threading.Event()
        stop.set()
        names(source, clock)
        for frame in source.look():
            capture.take_picture(frame, stop)
        assert [path.name for path in drop.iterdir()] == ["b.jpg"]
        assert spool.count_totals()["door"].turned_away == 1
        assert "no room" in str(capture.find_fault())


def test_a_file_whose_removal_a_kill_cut_off_is_known_again(
    drop: Path, clock: FakeClock, tmp_path: Path
) -> None:
    write(drop / "a.jpg", pictures.jpeg(1), clock)
    with spools.open_spool(tmp_path / "spool", clock=clock) as spool:
        for _ in range(2):
            source = FolderSource(drop, clock)
            names(source, clock)
            (frame,) = source.look()
            if drop.joinpath("a.jpg").exists():
                copy = (
                    drop.joinpath("a.jpg").read_bytes(),
                    drop.joinpath("a.jpg").stat().st_mtime_ns,
                )
            capture = capture_of(spool, source, waits=True)
            capture.take_picture(frame, threading.Event())
            assert list(drop.iterdir()) == []
            drop.joinpath("a.jpg").write_bytes(copy[0])  # as if it had never gone
            os.utime(drop / "a.jpg", ns=(copy[1], copy[1]))
        assert spool.count_totals()["door"].unsent == 1


def test_files_can_be_moved_away_in_place_of_removed(
    drop: Path, clock: FakeClock, tmp_path: Path
) -> None:
    source = FolderSource(drop, clock, after=tmp_path / "done")
    for data in (pictures.jpeg(1), pictures.jpeg(2)):
        write(drop / "day" / "a.jpg", data, clock)
        names(source, clock)
        (frame,) = source.look()
        frame.release_file()
    assert sorted(path.name for path in (tmp_path / "done" / "day").iterdir()) == [
        "a-2.jpg",
        "a.jpg",
    ]


def test_a_file_that_is_written_anew_meanwhile_is_not_taken_away(
    drop: Path, clock: FakeClock
) -> None:
    source = FolderSource(drop, clock)
    write(drop / "shot.jpg", pictures.jpeg(1), clock)
    names(source, clock)
    (frame,) = source.look()
    clock.pass_(10)
    write(drop / "shot.jpg", pictures.jpeg(2), clock)
    frame.release_file()
    assert (drop / "shot.jpg").read_bytes() == pictures.jpeg(2)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, clock: FakeClock) -> None:
    with pytest.raises(SourceFailed, match="cannot be read: No such file"):
        list(FolderSource(tmp_path / "nowhere", clock).look())


def test_a_folder_that_cannot_be_read_is_said_and_one_below_it_once(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    with unreadable("ftp") as folder:
        with pytest.raises(SourceFailed, match="cannot be read: Permission denied"):
            list(FolderSource(folder, clock).look())
        above = FolderSource(folder.parent, clock)
        assert [names(above, clock) for _ in range(3)] == [[], [], []]
    assert (
        caplog.text.count(f"{folder} cannot be read: Permission denied; its pictures are not sent")
        == 1
    )


# a snapshot URL


@pytest.mark.parametrize("asks_for", ["", "Basic", "Digest"])
def test_a_snapshot_is_fetched_with_the_authentication_that_the_camera_asks_for(
    asks_for: str, clock: FakeClock, camera: Camera
) -> None:
    camera.asks_for = asks_for
    address = Address.read(f"http://admin:p%40ss%20word@{camera.host}/shot.jpg?channel=1")
    source = SnapshotSource(Http(clock), lambda: address, clock, 0.01)
    frames = [source.take_picture() for _ in range(3)]
    assert [frame.encode_picture() for frame in frames] == [
        pictures.jpeg(number) for number in (1, 2, 3)
    ]
    assert camera.refused == (1 if asks_for else 0), "the challenge is remembered"
    assert frames[0].stamp.moment == clock.moment()


@pytest.mark.parametrize(
    "path", ["my shot.jpg", "küche.jpg", "a%2fb", "x/../shot.jpg", "shot?size=[640]|[480]", "s?a#b"]
)
def test_a_request_is_signed_as_it_is_sent_whatever_characters_its_path_has(
    path: str, clock: FakeClock, camera: Camera
) -> None:
    camera.asks_for = "Digest"
    address = Address.read(f"http://admin:p%40ss%20word@{camera.host}/{path}")
    SnapshotSource(Http(clock), lambda: address, clock, 1).take_picture()
    assert camera.refused == 1, "the one that brought the challenge"


@pytest.mark.parametrize(
    ("url", "broken", "said"),
    [
        ("http://admin:wrong@{}/", False, "refuses user and password"),
        ("http://admin:p%40ss%20word@{}/", True, "neither JPEG nor PNG"),
    ],
)
def test_a_snapshot_that_fails_is_said_without_the_password(
    url: str, broken: bool, said: str, clock: FakeClock, camera: Camera
) -> None:
    camera.asks_for = "Digest"
    camera.broken = broken
    source = SnapshotSource(Http(clock), lambda: Address.read(url.format(camera.host)), clock, 1)
    with pytest.raises(SourceFailed, match=said) as caught:
        source.take_picture()
    assert "wrong" not in str(caught.value)
    assert "p%40ss" not in str(caught.value)


# streams and files


@pytest.mark.parametrize("name", ["film.mp4", "film.avi"])
def test_a_film_gives_a_frame_an_interval_with_its_times_and_ends_when_its_file_was_written(
    tmp_path: Path, name: str
) -> None:
    from regulars_edge.sources.video import VideoFileSource

    file = video(tmp_path / name)
    os.utime(file, ns=(1_700_000_004_000_000_000,) * 2)
    frames = [frame for frame in VideoFileSource(file, 0.5).frames(threading.Event()) if frame]
    assert [frame.stamp.stated_ms for frame in frames] == [
        1_700_000_000_000 + 500 * number for number in range(8)
    ]
    assert frames[0].encode_picture()[:2] == b"\xff\xd8"


def test_what_is_no_film_is_said(tmp_path: Path, clock: FakeClock) -> None:
    from regulars_edge.sources.video import LiveSource, VideoFileSource

    pytest.importorskip("av")
    (tmp_path / "a.mp4").write_bytes(b"no film")
    with pytest.raises(SourceFailed, match="cannot be read"):
        list(VideoFileSource(tmp_path / "a.mp4", 1).frames(threading.Event()))
    with pytest.raises(
        SourceFailed, match=r"rtsp://127.0.0.1:9/live cannot be read: Connection refused$"
    ):
        list(stream("rtsp://admin:secret@127.0.0.1:9/live", clock=clock).frames(threading.Event()))
    with pytest.raises(SourceFailed, match="cannot be read"):
        list(LiveSource("/dev/no-camera", "v4l2", {}, clock, 1).frames(threading.Event()))


def test_a_live_stream_is_read_to_its_newest_frame_each_interval(tmp_path: Path) -> None:
    """A film in place of a camera; over HTTP, as MJPEG cameras stream."""
    from regulars_edge.clock import Clock
    from regulars_edge.sources.video import LiveSource

    source = LiveSource(str(video(tmp_path / "film.mp4")), None, {}, Clock(), 60)
    frames = []
    with pytest.raises(SourceFailed, match="has ended"):
        frames.extend(source.frames(threading.Event()))
    assert len(frames) == 1, "one within a minute"


def test_video_sources_say_what_to_install_where_pyav_is_missing() -> None:
    code = (
        "import sys, threading; sys.modules['av'] = None\n"
        "from regulars_edge.sources.video import VideoFileSource\nfrom pathlib import Path\n"
        "list(VideoFileSource(Path('x.mp4'), 1).frames(threading.Event()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "dist/regulars-edge.lock" in done.stderr
    assert ExtraMissing.__name__ in done.stderr
