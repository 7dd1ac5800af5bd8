"""A whole box with streams: its memory, and how its process ends while cameras still send."""

import io
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from rig.box import Box, until
from rig.camera import Camera
from rig.film import RATE as FILM_RATE
from rig.film import numbered
from rig.standin import StandIn

pytest.importorskip("av")
from rig.rtsp import Rtsp, h264

UNIT = Path(__file__).parents[1] / "systemd" / "regulars-edge.service"
PLAY = Path(__file__).parent / "rig" / "play_rtsp.py"
RATE = 10
SIZES_PX = {
    "large": (3840, 2160),
    "second": (1920, 1080),
    "third": (1920, 1080),
    "fourth": (1920, 1080),
}
SENDS = {"large": "best_shot", "second": "all", "third": "motion", "fourth": "faces"}


def film(
    path: Path, size_px: tuple[int, int], portraits: Sequence[Path], number: int = 2 * RATE
) -> Path:
    """Some people walk through the picture, each with a face of about a tenth of its height."""
    noise, side = Image.effect_noise(size_px, 30).convert("RGB"), size_px[1] // 4
    faces = [Image.open(file).convert("RGB").resize((side, side)) for file in portraits]
    scenes = []
    for at in range(number):
        scene = noise.copy()
        for row, face in enumerate(faces):
            scene.paste(face, (round(at / number * (size_px[0] - side)), row * side))
        scenes.append(scene)
    return h264(path, scenes, RATE)


@contextmanager
def playing(films: Sequence[Path]) -> Iterator[list[str]]:
    """Play the films by RTSP, in a process of their own; give their addresses."""
    command = [sys.executable, str(PLAY), str(RATE), *map(str, films)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield [process.stdout.readline().strip() for _ in films]
        finally:
            process.kill()


def four_streams_one_of_them_4k_with_faces_chosen(
    box: Box, stand_in: StandIn, portraits: list[Path], tmp_path: Path, seconds: float
) -> None:
    films = {
        size: film(tmp_path / f"{size[0]}.h264", size, portraits[:4])
        for size in {*SIZES_PX.values()}
    }
    with playing([films[size] for size in SIZES_PX.values()]) as urls:
        box.configure(
            "".join(
                f'[[camera]]\nname = "{name}"\nsource = "rtsp"\nurl = "{url}"\nsend = "{send}"\n'
                "track_s = 2\n"
                for (name, send), url in zip(SENDS.items(), urls, strict=True)
            ),
        )
        box.start()
        assert box.running is not None
        until(lambda: {row["camera"] for row in stand_in.captures()} == set(SENDS), 300, box.log)
        time.sleep(seconds)
        stays_below_the_units_memory(box, stand_in, SENDS)


def stays_below_the_units_memory(box: Box, stand_in: StandIn, cameras: Iterable[str]) -> None:
    most_mb = int(re.findall(r"^MemoryMax=(\d+)M$", UNIT.read_text(), re.MULTILINE)[0])
    status = Path(f"/proc/{box.running.pid}/status").read_text()
    assert box.stop() == 0, box.log()
    peak_mb = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024
    count = {name: sum(row["camera"] == name for row in stand_in.captures()) for name in cameras}
    print(f"\n{peak_mb:.0f} MB at most, of {most_mb}; pictures: {count}")
    assert peak_mb < most_mb


FISHEYE_PX = 7300, 5440
"""39.7 million pixels, of the 40 that are taken."""
WAYS = {
    "masked": "masks = [[[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]]",
    "motion": 'send = "motion"',
    "faces": 'send = "faces"',
    "best": 'send = "best_shot"\ntrack_s = 2',
}
"""What a camera is told, by its name."""


def fisheyes(portraits: Sequence[Path]) -> list[bytes]:
    """Make the largest pictures that are taken, of two people who change places, with every colour
    at every pixel."""
    noise, side = Image.effect_noise(FISHEYE_PX, 20).convert("RGB"), FISHEYE_PX[1] // 4
    faces = [Image.open(file).convert("RGB").resize((side, side)) for file in portraits[:2]]
    found = []
    for left, right in (faces, faces[::-1]):
        scene = noise.copy()
        scene.paste(left, (side, side))
        scene.paste(right, (FISHEYE_PX[0] - 2 * side, side))
        out = io.BytesIO()
        scene.save(out, "JPEG", quality=80, subsampling=0)
        found.append(out.getvalue())
    return found


def four_pictures_of_40_million_pixels(
    box: Box, stand_in: StandIn, portraits: list[Path], _folder: Path, seconds: float
) -> None:
    pictures = fisheyes(portraits)
    cameras = {name: Camera() for name in WAYS}
    for camera in cameras.values():
        # no two are the same file
        camera.gives = lambda number: pictures[number % 2] + number.to_bytes(4, "big")
    box.configure(
        "".join(
            f'[[camera]]\nname = "{name}"\nsource = "snapshot"\nurl = "http://{camera.host}/"\n'
            f"{WAYS[name]}\n"
            for name, camera in cameras.items()
        ),
    )
    try:
        box.start()
        until(lambda: {row["camera"] for row in stand_in.captures()} == set(WAYS), 300, box.log)
        time.sleep(seconds)
        stays_below_the_units_memory(box, stand_in, WAYS)
    finally:
        for camera in cameras.values():
            camera.stop()


@pytest.mark.parametrize(
    "sources",
    [four_streams_one_of_them_4k_with_faces_chosen, four_pictures_of_40_million_pixels],
)
def test_all_that_a_box_may_have_stays_below_the_units_memory(
    sources: Callable[..., None],
    box: Box,
    stand_in: StandIn,
    portraits: list[Path],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    sources(box, stand_in, portraits, tmp_path, request.config.getoption("--edge-memory-s"))


SLOW_TO_LEAVE = """
import ctypes, sys
libc = ctypes.CDLL(None)
# as a library that takes long to clean up behind Python's back
libc.__cxa_atexit(libc.usleep, 1_000_000, None)
from regulars_edge.cli import command
command()
"""


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[Rtsp]:
    camera = Rtsp(
        h264(tmp_path / "film.h264", [numbered(number) for number in range(FILM_RATE)], FILM_RATE),
        FILM_RATE,
    )
    yield camera
    camera.stop()


def test_it_ends_in_peace_while_a_stream_is_read_and_a_library_takes_long_to_clean_up(
    camera: Rtsp, stand_in: StandIn, box: Box
) -> None:
    box.configure(
        f'[[camera]]\nname = "door"\nsource = "rtsp"\nurl = "{camera.url}"\ninterval_s = 0.2\n'
    )
    box.start(entry=[sys.executable, "-c", SLOW_TO_LEAVE])
    until(lambda: len(stand_in.captures()) > 2, said=box.log)
    assert box.stop() == 0, box.log()
