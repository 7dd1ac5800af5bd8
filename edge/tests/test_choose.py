"""Which frames are worth sending."""

from __future__ import annotations

import io
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFilter
from regulars_edge.choose.by_face import BestShot, WithFaces
from regulars_edge.choose.chooser import Moving
from regulars_edge.choose.faces import Counting, Detector, Face, Still, worth
from regulars_edge.clock import Moment
from regulars_edge.sources.source import DecodedFrame, EncodedFrame, Frame
from regulars_edge.spool.model import Stamp


def at(ms: int) -> Stamp:
    return Stamp(Moment("boot", ms, ms))


def scene(box_x: int | None, light: int = 0) -> Image.Image:
    """A noisy room, and somebody in it."""
    picture = Image.effect_noise((160, 120), 12).convert("RGB")
    picture = Image.blend(picture, Image.new("RGB", (160, 120), (90 + light, 90 + light, 90 + light)), 0.5)
    if box_x is not None:
        ImageDraw.Draw(picture).rectangle((box_x, 30, box_x + 25, 100), (230, 210, 190))
    return picture


def encoded(picture: Image.Image, ms: int) -> EncodedFrame:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    return EncodedFrame(out.getvalue(), at(ms))


@pytest.mark.parametrize("kind", ["encoded", "decoded"])
def test_motion_is_seen_and_noise_and_slow_light_are_not(kind: str) -> None:
    scenes = [scene(None, light=number) for number in range(10)]
    scenes += [scene(20 + 10 * number, light=10) for number in range(4)]
    frames: list[Frame] = [
        encoded(picture, number * 1000) if kind == "encoded" else DecodedFrame(picture, at(number * 1000))
        for number, picture in enumerate(scenes)
    ]
    chosen = list(Moving(0.01).choose(frames))
    assert [frame in chosen for frame in frames] == [False] * 10 + [True] * 4


def test_half_a_picture_is_no_motion() -> None:
    whole = encoded(scene(None), 0)
    broken = EncodedFrame(b"\xff\xd8\xff\xe0 and nothing more", at(1))
    assert list(Moving(0.01).choose([whole, broken, whole])) == []


@pytest.fixture
def detector() -> Detector:
    pytest.importorskip("onnxruntime")
    return Detector()


def test_faces_are_found_where_they_are(detector: Detector, faces: Path, portraits: list[Path]) -> None:
    """Boxes of people: the face holds the eyes above the mouth; places without people have none."""
    for path in portraits:
        found = detector.faces(Image.open(path).convert("RGB"))
        assert len(found) == 1, path
        (left_eye, right_eye, nose, *mouth) = found[0].landmarks
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_eye[1] < nose[1] < mouth[0][1]
    nobody = [path for path in (faces / "noface").iterdir() if "lion" not in path.name and "dog" not in path.name]
    assert sum(len(detector.faces(Image.open(path).convert("RGB"))) for path in nobody) <= 1


def test_only_frames_with_a_large_enough_face_are_sent(detector: Detector, portraits: list[Path]) -> None:
    person = Image.open(portraits[1]).convert("RGB")
    nobody = Image.new("RGB", person.size, "teal")
    frames: list[Frame] = [DecodedFrame(picture, at(0)) for picture in (person, nobody)]
    assert [one.encoded() for one in WithFaces(Counting(detector, 40)).choose(frames)] == [frames[0].encoded()]
    assert list(WithFaces(Counting(detector, 4000)).choose(frames)) == []


def test_a_sharp_large_frontal_face_is_worth_more(detector: Detector, portraits: list[Path]) -> None:
    person = Image.open(portraits[1]).convert("RGB")
    (face,) = detector.faces(person)
    blurred = person.filter(ImageFilter.GaussianBlur(person.width / 60))
    aside = Face(face.box_xywh, (face.landmarks[0], face.landmarks[1], face.landmarks[0]), face.score)
    small = Face((*face.box_xywh[:2], 30, 40), face.landmarks, face.score)
    assert worth(person, face) > 2 * worth(blurred, face)
    assert worth(person, face) > 2 * worth(person, aside)
    assert worth(person, face) > worth(person, small)


class Told:
    """A detector that is told what to see, by the frame's brightness."""

    def __init__(self, rows: dict[int, list[Face]]) -> None:
        self._rows = rows

    def faces(self, image: Image.Image) -> list[Face]:
        return self._rows.get(image.getpixel((0, 0))[0], [])  # type: ignore[index]


def walk(rows: list[list[Face]], step_ms: int = 500) -> tuple[BestShot, list[Frame]]:
    frames: list[Frame] = []
    for number in range(len(rows)):
        picture = Image.effect_noise((200, 200), 60).convert("RGB")
        picture.putpixel((0, 0), (number, 0, 0))
        frames.append(DecodedFrame(picture, at(number * step_ms)))
    return BestShot(Told(dict(enumerate(rows))), 10.0), frames


def moments(chosen: Iterable[Frame]) -> list[int]:
    return [frame.stamp.moment.boot_ms for frame in chosen if frame.stamp.moment]


def face(x: float, size: float, score: float = 0.9) -> Face:
    eyes = ((x + size * 0.3, 40.0), (x + size * 0.7, 40.0), (x + size * 0.5, 60.0))
    return Face((x, 10, size, size), eyes, score)


def test_one_frame_a_track_the_best_one_when_the_face_is_gone() -> None:
    chooser, frames = walk([[face(10, 40)], [face(14, 60)], [face(18, 90)], [face(30, 70)], *[[]] * 6])
    seen: list[int] = []

    def told() -> Iterator[Frame]:
        for number, frame in enumerate(frames):
            seen.append(number)
            yield frame

    assert moments(chooser.choose(told())) == [1000]
    assert seen[-1] == 9


def test_two_people_have_two_tracks() -> None:
    chooser, frames = walk([[face(0, 60), face(120, 50)], [face(2, 50), face(122, 70)], *[[]] * 6])
    assert moments(chooser.choose(frames)) == [0, 500]


def test_two_faces_at_their_best_in_one_frame_send_it_once() -> None:
    chooser, frames = walk([[face(0, 60), face(120, 60)], *[[]] * 6])
    assert moments(chooser.choose(frames)) == [0]


def test_who_stays_is_sent_every_ten_seconds() -> None:
    chooser, frames = walk([[face(10, 60)]] * 45)
    assert len(list(chooser.choose(frames))) == 3, "after 10 s, after 20 s, and at the end"


def test_all_pictures_of_who_stays_are_of_one_track_and_another_face_has_another() -> None:
    chooser, frames = walk([[face(10, 60)]] * 45 + [[face(150, 50)]] * 3)
    tracks = Counter(frame.track for frame in chooser.choose(frames))
    assert sorted(tracks.values()) == [1, 3]
    assert "" not in tracks


def test_who_goes_just_after_being_sent_is_not_sent_again() -> None:
    chooser, frames = walk([[face(10, 60)]] * 21 + [[]] * 6)
    assert len(list(chooser.choose(frames))) == 1


class Asked:
    """A detector that counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    def faces(self, image: Image.Image) -> list[Face]:
        self.times += 1
        return [face(float(self.times), 40)]


def test_a_detector_is_asked_only_if_something_has_changed() -> None:
    asked = Asked()
    still = Still(asked)
    room = Image.effect_noise((1280, 720), 20).convert("RGB")
    grains = [Image.effect_noise(room.size, 15).convert("RGB") for _ in range(3)]
    assert [still.faces(Image.blend(room, grain, 0.3)) for grain in grains] == [[face(1.0, 40)]] * 3
    somebody = room.copy()
    somebody.paste("white", (700, 300, 740, 340))
    assert still.faces(somebody) == still.faces(somebody) == [face(2.0, 40)]
    assert still.faces(room) == [face(3.0, 40)]


def test_light_that_changes_slowly_is_seen_in_time() -> None:
    asked = Asked()
    still = Still(asked)
    for light in range(60, 120):
        still.faces(Image.new("RGB", (640, 360), (light, light, light)))
    assert asked.times == 4, "each 16 grey levels"


def test_best_shots_of_a_real_film(detector: Detector, faces: Path) -> None:
    """People walk past a camera: far fewer pictures than frames, each with a face."""
    import threading

    from regulars_edge.sources.video import VideoFileSource

    pytest.importorskip("av")
    film = faces / "video" / "face-demographics-walking.mp4"
    if not film.is_file():
        pytest.skip("the films are in no package registry")
    looked = [frame for frame in VideoFileSource(film, 0.5, begins_ms=0).frames(threading.Event()) if frame]
    chosen = list(BestShot(Counting(detector, 20), 10.0).choose(looked))
    assert 1 <= len(chosen) < len(looked) / 3
    assert all(detector.faces(frame.image()) for frame in chosen)


def test_of_the_frames_that_are_held_only_jpegs_stay_in_memory() -> None:
    """Four faces in a 4K picture would be 100 MB of pixels."""
    chooser, _ = walk([[face(30.0 * number, 60) for number in range(4)]] * 4)
    pixels: list[weakref.ref[Frame]] = []

    def told() -> Iterator[Frame]:
        for number in range(4):
            picture = Image.effect_noise((200, 200), 60).convert("RGB")
            picture.putpixel((0, 0), (number, 0, 0))
            frame = DecodedFrame(picture, at(number * 500))
            pixels.append(weakref.ref(frame))
            yield frame
            del frame
            assert sum(one() is not None for one in pixels) <= 1, "the one that is looked at"

    assert list(chooser.choose(told()))
