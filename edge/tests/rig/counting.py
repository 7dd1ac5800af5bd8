"""A camera that counts, without a network that looks: people are drawn, and told to the counter."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from regulars_edge.camera_uploader import CameraUploader
from regulars_edge.choose.faces import Face
from regulars_edge.clock import Moment, ServiceTime
from regulars_edge.count import counter
from regulars_edge.count.film import FilmKeeper
from regulars_edge.count.line import CountLine, Crossing
from regulars_edge.count.minutes import SpooledMinutes
from regulars_edge.count.people import Body
from regulars_edge.frames import Frame
from regulars_edge.http import Http
from regulars_edge.pace import ALWAYS
from regulars_edge.service import Service
from regulars_edge.spool.model import Stamp
from regulars_edge.spool.spool import Spool

from rig.walkers import ACROSS, SIZE_PX, Walk, seen

GREY, PERSON = (120, 120, 120), (220, 200, 180)


class Drawn(Frame):
    """A picture without the detour by a JPEG."""

    def __init__(
        self, picture: Image.Image, at_ms: int, size_px: tuple[int, int] = SIZE_PX
    ) -> None:
        """`size_px`: how large the camera's picture is, of which `picture` is a small one."""
        self.picture, self.size = picture, size_px
        self.stamp = Stamp(Moment("boot", at_ms, at_ms))

    def image(self) -> Image.Image:
        return self.picture

    def encode_picture(self) -> bytes:
        raise OSError("it is looked at only")

    def shrink(self, size_px: tuple[int, int], mode: str) -> Image.Image:
        return self.picture.convert(mode).resize(size_px, Image.Resampling.BOX)


def room(walks: Sequence[Walk], at: float, light: float = 1.0, noise: float = 0.0) -> Image.Image:
    """Draw who is there at a time in s into a small grey room; `noise`: its deviation in levels."""
    small = Image.new("RGB", (160, 160), tuple(round(light * level) for level in GREY))
    draw, scale = ImageDraw.Draw(small), small.width / SIZE_PX[0]
    for each in seen(walks, at):
        x, y, width, height = (scale * number for number in each.box_xywh)
        draw.rectangle(
            (x, y, x + width, y + height), tuple(round(light * level) for level in PERSON)
        )
    if not noise:
        return small
    grain = np.random.default_rng(round(1000 * at)).normal(0, noise, (*small.size, 1))
    return Image.fromarray((np.asarray(small) + grain).clip(0, 255).astype(np.uint8))


class KnownPeople:
    """Finds whom it is told, and counts how often it is asked; `lights`: how bright it was."""

    canvas_px = (160, 160)

    def __init__(self) -> None:
        self.bodies: list[Body] = []
        self.bodies_of: Callable[[list[Body]], list[Body]] = list
        """Whom of those who are there it finds."""
        self.lights: list[int] = []

    def find_bodies(self, canvas: Image.Image, size_px: tuple[int, int]) -> list[Body]:
        assert size_px == SIZE_PX
        self.lights.append(canvas.convert("L").getextrema()[1])
        return self.bodies


class KnownFaces:
    """Finds the faces that it is told."""

    def __init__(self) -> None:
        self.faces: list[Face] = []

    def find_faces(self, frame: Frame) -> list[Face]:
        return self.faces


class Noted:
    """Minutes that a test reads."""

    def __init__(self) -> None:
        self.crossings: list[Crossing] = []
        self.watched_ms = 0
        self.lost = Counter[str]()
        """In ms by reason."""
        self.late_faces_ms: list[int] = []

    def watch(self, at_ms: int, watched_ms: int) -> None:
        self.watched_ms += watched_ms

    def doubt(self, at_ms: int, lost_ms: int, why: str) -> None:
        self.lost[why] += lost_ms

    def cross(self, crossing: Crossing) -> None:
        self.crossings.append(crossing)

    def add_face(self, entered_ms: int) -> None:
        self.late_faces_ms.append(entered_ms)

    def flush(self) -> None:
        """Nothing is stored."""


class Door:
    """A counter that sees people walk."""

    def __init__(
        self, minutes: Any = None, line: CountLine = ACROSS, film: FilmKeeper | None = None
    ) -> None:
        self.people, self.faces = KnownPeople(), KnownFaces()
        self.minutes = Noted() if minutes is None else minutes
        self.counter = counter.Counter(line, self.people, self.minutes, self.faces, film=film)  # type: ignore[arg-type]
        self.change: Callable[[Frame], Frame] = lambda frame: frame
        """What is done to a picture before it is looked at."""

    def show(
        self,
        walks: Sequence[Walk],
        seconds: float,
        begins_ms: int = 0,
        *,
        light: float = 1.0,
        noise: float = 0.0,
        rate: float = 5,
    ) -> None:
        """Show so many seconds of people; `begins_ms`: the boot clock at the walks' 0 s."""
        for number in range(round(seconds * rate)):
            at = number / rate
            self.people.bodies = self.people.bodies_of(seen(walks, at))
            picture = room(walks, at, light, noise)
            self.counter.look(self.change(Drawn(picture, begins_ms + round(1000 * at))))


class CountingBox:
    """A box whose camera counts: spool, clock, and what tells the service."""

    def __init__(self, spool: Spool, service: Any, clock: Any) -> None:
        """`service`: a stand-in, or the service; `clock`: a test's, or the machine's."""
        self.spool, self.clock, self.service_time = spool, clock, ServiceTime(clock)
        self.key, self.hours = service.key, ALWAYS
        api = Service(
            Http(clock), service.url, lambda: self.key, self.service_time, makes_cameras=True
        )
        self.uploader = CameraUploader(spool, api, "door", self.service_time)
        self.teller = self.uploader.teller
        self.teller.now = lambda: clock.boot_ms() / 1000
        self.film_sender = self.uploader.film_sender
        self.film_sender.now = self.teller.now
        self.minutes = SpooledMinutes(
            lambda part: spool.add_counts("door", part, self.hours),
            lambda: self.service_time.best_ms() - clock.boot_ms(),
        )

    def count(
        self, ways: str, *, apart_ms: int = 1_000, face: bool = False, watched_ms: int = 60_000
    ) -> None:
        """Count people as time passes: `i` comes in, `o` goes out, `.` is nobody.

        `watched_ms`: of the minute in which each of them is; usually it is watched to its end.
        """
        for way in ways:
            self.clock.pass_(apart_ms)
            at_ms = self.clock.boot_ms()
            self.minutes.watch(at_ms, watched_ms)
            if way != ".":
                self.minutes.cross(Crossing(at_ms, "in" if way == "i" else "out", face))

    def tell(self, after_ms: int = 61_000) -> None:
        """Let time pass, and tell what is due then."""
        self.minutes.flush()
        self.clock.pass_(after_ms)
        self.spool.remember_anchor(self.service_time.anchor)
        self.uploader.make_round()
        self.teller.tell_due()
