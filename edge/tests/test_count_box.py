"""A camera of a box that counts: its settings, one decoding for all, what commands say of it."""

import io
import json
import re
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest
from regulars_edge.capture import make_chooser, make_counter, make_small_camera, make_source
from regulars_edge.choose.faces import Face, FaceFinder
from regulars_edge.clock import Clock, Moment
from regulars_edge.config import CameraConfig, Config, parse_config
from regulars_edge.count.line import parse_line
from regulars_edge.count.people import Body
from regulars_edge.errors import Misconfigured
from regulars_edge.frames import Frame
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Stamp
from regulars_edge.troubles import Trouble
from regulars_edge.update import EXTRAS
from rig.box import BARE_SNAPSHOT, Box, until
from rig.camera import Camera
from rig.counting import Noted
from rig.figures import empty_room, film, seen
from rig.film import decoded, encoded
from rig.lacking import lack
from rig.spooled import capture_of
from rig.standin import StandIn
from rig.uploader import ENTRY, called
from rig.walkers import Walk, straight

LINE = [[0.1, 0.5], [0.9, 0.5]]
DOWN: Walk = straight(200, 55, 310, 80)
UP: Walk = straight(420, 310, 55, 80)


def configured(**more: object) -> CameraConfig:
    row = {"name": "door", "source": "rtsp", "url": "rtsp://10.0.0.9/live", "count": LINE, **more}
    return parse_config({"server": {"url": "http://x"}, "camera": [row]}).cameras[0]


def test_a_small_stream_wakes_for_what_moves_at_the_line() -> None:
    """Though it is outside of the zones, which are where faces count."""
    zones = [[0.0, 0.0, 0.2, 0.2]]
    small_url = "rtsp://10.0.0.9/sub"
    counting = make_small_camera(configured(motion_url=small_url, send="motion", zones=zones))
    assert counting is not None
    assert (counting.zones, counting.count) == (None, None)


def test_the_line_is_set_by_the_file_or_by_the_service() -> None:
    """The service's counts in place of the file's, as most settings do."""
    camera = configured()
    assert camera.count == parse_line(LINE)
    other = [[0.0, 0.4], [1.0, 0.4]]
    assert camera.with_settings({"count": other}).count == parse_line(other)
    assert camera.with_settings({"count": None}).count == parse_line(LINE)
    with pytest.raises(Misconfigured, match="too near to the picture's edge"):
        camera.with_settings({"count": [[0.0, 0.99], [1.0, 0.99]]})


@pytest.mark.parametrize(("source", "place"), [("folder", "folder"), ("video", "file")])
def test_files_are_not_counted(source: str, place: str) -> None:
    with pytest.raises(Misconfigured, match="count is of cameras that are watched"):
        parse_config(
            {
                "server": {"url": "http://x"},
                "camera": [{"name": "x", "source": source, place: "/tmp/x", "count": LINE}],
            }
        )


def test_counting_takes_more_frames_than_are_sent() -> None:
    camera = configured(interval_s=1.0, send="all")
    source = make_source(camera, Config(url="http://x", spool=Path("/tmp")), Clock())
    assert source.interval_s == 0.2  # type: ignore[attr-defined]
    counter = make_counter(camera, Noted())
    frames = [picture(number / 5) for number in range(25)]
    sent = list(make_chooser(camera, counter=counter).choose(iter(frames)))
    assert [frame.stamp.moment.boot_ms for frame in sent] == [0, 1000, 2000, 3000, 4000]  # type: ignore[union-attr]


def picture(at: float) -> Frame:
    moment = Moment("boot", round(1000 * at), round(1000 * at))
    return decoded(seen([DOWN, UP], at), Stamp(moment))


def test_people_are_counted_behind_the_masks_and_faces_are_looked_for_once() -> None:
    """Of two who cross, a mask hides one; and the choice of shots finds the faces that it needs."""
    camera = configured(send="best_shot", masks=[[0.5, 0.0, 1.0, 1.0]])
    minutes = Noted()
    counter = make_counter(camera, minutes)
    assert counter is not None
    finder = counter.faces
    assert isinstance(finder, FaceFinder)
    looked: list[object] = []

    class Counted:
        def find_faces_in(self, pixels: object, area: object) -> list[Face]:
            looked.append(area)
            return []

    finder.detector = Counted()  # type: ignore[assignment]
    frames = [picture(number / 5) for number in range(17)]
    assert list(make_chooser(camera, counter=counter).choose(iter(frames))) == []
    assert [crossing.way for crossing in minutes.crossings] == ["in"]
    assert 10 <= len(looked) <= len(frames)


@pytest.mark.parametrize(
    ("settings", "choice"),
    [
        ({"count": LINE}, "none"),
        ({"count": LINE, "send": "best_shot"}, "best_shot"),
        ({}, "all"),
        ({"send": "none"}, "none"),
        ({"count": LINE, "min_face_px": 30}, "none"),
    ],
)
def test_who_counts_sends_no_picture_unless_that_is_said(
    settings: dict[str, object], choice: str
) -> None:
    """Whether the file says it or the service."""
    bare = {"name": "door", "source": "rtsp", "url": "rtsp://10.0.0.9/live"}
    for row, later in (({**bare, **settings}, {}), (bare, settings)):
        [camera] = parse_config({"server": {"url": "http://x"}, "camera": [row]}).cameras
        assert camera.with_settings(later).choice == choice


@pytest.mark.parametrize(
    "wanted",
    [
        {"motion_url": "rtsp://10.0.0.9/sub"},
        {"motion_url": "rtsp://10.0.0.9/sub", "zones": [[0.0, 0.0, 0.5, 1.0]]},
        {"interval_s": 1.0},
        {"per_minute": 30},
        {"motion_share": 0.02},
    ],
)
def test_a_line_that_is_drawn_at_the_service_takes_no_pictures_that_the_file_wants(
    wanted: dict[str, object],
) -> None:
    row = {"name": "door", "source": "rtsp", "url": "rtsp://10.0.0.9/live", **wanted}
    [camera] = parse_config({"server": {"url": "http://x"}, "camera": [row]}).cameras
    assert camera.choice == camera.with_settings({"count": LINE}).choice == "all"
    assert camera.with_settings({"count": LINE, "send": "none"}).choice == "none"


def test_a_camera_that_sends_none_looks_at_all_frames_and_gives_none() -> None:
    minutes = Noted()
    camera = configured()
    counter = make_counter(camera, minutes)
    frames = [picture(number / 5) for number in range(17)]
    assert list(make_chooser(camera, counter=counter).choose(iter(frames))) == []
    assert sorted(crossing.way for crossing in minutes.crossings) == ["in", "out"]


@pytest.fixture
def looks() -> list[int]:
    """The numbers of the pictures that the camera has given."""
    return []


@pytest.fixture
def counted(box: Box, camera: Camera, looks: list[int]) -> Box:
    out = io.BytesIO()
    empty_room().save(out, "JPEG")

    def give(number: int) -> bytes:
        looks.append(number)
        return out.getvalue()

    camera.gives = give
    box.configure(BARE_SNAPSHOT.format(host=camera.host) + f"count = {LINE}\n")
    return box


def test_a_box_counts_and_tells_what_it_has_counted(
    counted: Box, stand_in: StandIn, looks: list[int]
) -> None:
    """It is stopped within a minute; what it had watched is in the spool, and `status` says it.

    No picture is sent, since the file says nothing of pictures.
    """
    counted.start()
    until(lambda: len(looks) >= 12, said=counted.log)
    assert counted.stop() == 0, counted.log()
    assert stand_in.captures() == []
    with spools.open_spool(counted.folder / "spool") as spool:
        [(watched_ms,)] = spool.books.read_rows("SELECT sum(watched_ms) FROM counts")
    assert watched_ms > 100
    text = counted.call("status").stdout
    # of one minute, or of two if another one began meanwhile
    assert re.search(
        "door: people in the last hour 0 in, 0 out; in a day 0 in, 0 out; [1-9] ", text
    )
    told = json.loads(counted.call("status", "--json").stdout)["people"]["door"]
    assert (told["in_day"], told["out_day"]) == (0, 0)


def test_check_says_how_often_it_can_look(counted: Box, stand_in: StandIn) -> None:
    said = counted.call("check").stdout
    assert re.search(r"counting at door: \d+\.\d looks a second, at 544x320; 5 are needed", said)
    assert "what leaves the box from door: no picture of whoever passes" in said


PAGE = Path(__file__).parents[2] / "docs" / "tasks" / "count.md"


def test_the_pages_camera_counts() -> None:
    [block] = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    row = tomllib.loads(block)
    [camera] = parse_config({"server": {"url": "http://x"}, **row}).cameras
    assert camera.count == parse_line(LINE)


def test_a_film_shows_the_installer_who_crosses(tmp_path: Path) -> None:
    """By the page's command. The film with boxes and line is one that players open; one that is
    there stays."""
    command, *_ = re.findall(r"```\nregulars-edge (count --check .*)\n```", PAGE.read_text())
    pictures = [shown for _, shown in film([DOWN, UP], 3.4)]
    encoded(tmp_path / "door.mp4", pictures, rate=5)

    def count() -> "subprocess.CompletedProcess[str]":
        argv = [ENTRY, *command.split()]
        return subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = count()
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "door.mp4: in is downwards"
    assert sorted(line.split()[1] for line in lines[1:3]) == ["in", "out"]
    assert all(1.0 <= float(line.split()[0].partition(":")[2]) <= 3.0 for line in lines[1:3])
    assert lines[3].startswith("1 in, 1 out; 17 looks at ")
    import av

    made = tmp_path / "door.counted.mp4"
    with av.open(str(made)) as container:
        assert len(list(container.decode(video=0))) == pytest.approx(len(pictures), abs=1)
    assert made.stat().st_mode & 0o777 == 0o600, "it shows people"
    assert "delete it" in lines[-1]
    before = made.read_bytes()
    again = count()
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert made.read_bytes() == before


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_count_without_an_extra_says_how_it_is_installed(tmp_path: Path, extra: str) -> None:
    encoded(tmp_path / "door.mp4", [shown for _, shown in film([DOWN], 1.0)], rate=5)
    done = subprocess.run(
        [ENTRY, "count", "--check", "door.mp4", "--line", "0.1,0.5,0.9,0.5"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=lack(tmp_path, EXTRAS[extra]),
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"the extra `{extra}`" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "door.counted.mp4").exists()


def test_what_finds_people_says_how_numpy_is_installed(tmp_path: Path) -> None:
    """Whichever of the extra's packages lacks."""
    done = subprocess.run(
        [sys.executable, "-c", "import regulars_edge.count.people"],
        capture_output=True,
        text=True,
        check=False,
        env=lack(tmp_path, "numpy"),
    )
    assert "ExtraMissing" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--looks", "0"], "'0' is no number of looks: write 1 to 25"),
        (["--looks", "nan"], "'nan' is no number of looks"),
        (["--looks", "26"], "'26' is no number of looks"),
        (["--film", "nowhere/x.mp4"], "nowhere/x.mp4 cannot be written"),
    ],
)
def test_an_option_that_cannot_be_is_refused_before_the_film_is_read(
    tmp_path: Path, option: list[str], said: str
) -> None:
    (film := tmp_path / "door.mp4").touch()
    line = ["--line", "0.1,0.5,0.9,0.5"]
    done = called("count", "--check", str(film), *line, *option, key="", spool=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize("line", ["0,0.5", "0,0.5,1,x", "0,0.99,1,0.99"])
def test_a_line_on_the_command_line_is_refused_in_words(tmp_path: Path, line: str) -> None:
    done = called("count", "--check", "x.mp4", "--line", line, key="", spool=tmp_path)
    assert done.returncode == 2
    assert "is no line; write x1,y1,x2,y2" in done.stderr


class TallPeople:
    """Finds somebody who takes most of the picture's height."""

    canvas_px = (160, 90)

    def find_bodies(self, canvas: object, size_px: object) -> list[Body]:
        return [Body((200, 50, 120, 250), 0.9)]


def test_what_counts_says_why_it_does_not(tmp_path: Path) -> None:
    """The camera's fault has it, and so have its heartbeats."""
    camera = configured(count=[[0.0, 0.87], [1.0, 0.87]])
    counter = make_counter(camera, Noted())
    assert counter is not None
    with spools.open_spool(tmp_path) as spool:
        capture = capture_of(spool, [], make_chooser(camera, counter=counter), counter=counter)  # type: ignore[arg-type]
        assert capture.find_fault() is None
        counter.detector = TallPeople()  # type: ignore[assignment]
        capture._choose([picture(number / 5) for number in range(25)], threading.Event())
        assert "hang the camera higher, or turn the line" in str(capture.find_fault())
        assert capture.name_fault() is Trouble.NARROW
