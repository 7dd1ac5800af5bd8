import io
import math
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps
from regulars_edge.choose.by_face import BestShot, WithFaces
from regulars_edge.choose.chooser import Moving
from regulars_edge.choose.faces import (
    SMALLEST_FACE_PX,
    Area,
    Detector,
    Face,
    FaceFinder,
    judge_worth,
)
from regulars_edge.clock import Moment
from regulars_edge.frames import (
    HELD_BYTES,
    WAITING_FRAMES,
    EncodedFrame,
    Frame,
    Pixels,
    encode_jpeg,
)
from regulars_edge.sources.video import DecodedFrame
from regulars_edge.spool.model import Stamp
from rig.film import decoded


def at(ms: int) -> Stamp:
    return Stamp(Moment("boot", ms, ms))


def scene(box_x: int | None, light: int = 0) -> Image.Image:
    """A noisy room, and somebody in it."""
    picture = Image.effect_noise((160, 120), 12).convert("RGB")
    picture = Image.blend(
        picture, Image.new("RGB", (160, 120), (90 + light, 90 + light, 90 + light)), 0.5
    )
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
        encoded(picture, number * 1000)
        if kind == "encoded"
        else decoded(picture, at(number * 1000))
        for number, picture in enumerate(scenes)
    ]
    chosen = list(Moving(0.01).choose(frames))
    assert [frame in chosen for frame in frames] == [False] * 10 + [True] * 4


@pytest.mark.parametrize("noise", [2, 8])
def test_motion_is_seen_in_dim_light_and_its_noise_is_not(noise: int) -> None:
    """A tenth of daylight, and light that flickers from frame to frame."""

    def dim(box_x: int | None, flicker: int) -> DecodedFrame:
        room = Image.new("L", (640, 480), 150)
        if box_x is not None:
            ImageDraw.Draw(room).rectangle((box_x, 120, box_x + 100, 400), 30)
        dark = room.point(lambda grey: grey // 10 + 8 + flicker)
        grain = Image.effect_noise(room.size, noise)
        return decoded(ImageChops.add(dark, grain, 1, -128).convert("RGB"), at(0))

    empty = [dim(None, flicker) for flicker in (0, 3, 0, 2, 3, 0)]
    people = [dim(100 * number, 1) for number in range(4)]
    chosen = list(Moving(0.01).choose([*empty, *people]))
    assert [frame in chosen for frame in (*empty, *people)] == [False] * 6 + [True] * 4


def test_half_a_picture_is_no_motion() -> None:
    whole = encoded(scene(None), 0)
    broken = EncodedFrame(b"\xff\xd8\xff\xe0 and nothing more", at(1))
    assert list(Moving(0.01).choose([whole, broken, whole])) == []


@pytest.fixture
def detector() -> Detector:
    pytest.importorskip("onnxruntime")
    return Detector()


def test_faces_are_found_where_they_are(
    detector: Detector, faces: Path, portraits: list[Path]
) -> None:
    """Boxes of people: the face holds the eyes above the mouth; places without people have none."""
    for path in portraits:
        found = detector.find_faces(Image.open(path).convert("RGB"))
        assert len(found) == 1, path
        (left_eye, right_eye, nose, *mouth) = found[0].landmarks
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_eye[1] < nose[1] < mouth[0][1]
    nobody = (faces / "noface").iterdir()
    assert sum(len(detector.find_faces(Image.open(path).convert("RGB"))) for path in nobody) == 0


def test_only_frames_with_a_large_enough_face_are_sent(
    detector: Detector, portraits: list[Path]
) -> None:
    person = Image.open(portraits[1]).convert("RGB")
    nobody = Image.new("RGB", person.size, "teal")
    frames: list[Frame] = [decoded(picture, at(0)) for picture in (person, nobody)]
    assert [one.encode_picture() for one in WithFaces(FaceFinder(detector, 40)).choose(frames)] == [
        frames[0].encode_picture()
    ]
    assert list(WithFaces(FaceFinder(detector, 4000)).choose(frames)) == []


def test_a_sharp_large_frontal_face_is_worth_more(
    detector: Detector, portraits: list[Path]
) -> None:
    person = Image.open(portraits[1]).convert("RGB")
    (face,) = detector.find_faces(person)
    blurred = person.filter(ImageFilter.GaussianBlur(person.width / 60))
    aside = Face(
        face.box_xywh, (face.landmarks[0], face.landmarks[1], face.landmarks[0]), face.score
    )
    small = Face((*face.box_xywh[:2], 30, 40), face.landmarks, face.score)
    assert judge_worth(person, face) > 2 * judge_worth(blurred, face)
    assert judge_worth(person, face) > 2 * judge_worth(person, aside)
    dim = person.point(lambda grey: grey // 4)
    assert judge_worth(person, face) > 1.5 * judge_worth(dim, face)
    noise = Image.effect_noise(person.size, 40).convert("RGB")
    assert judge_worth(ImageChops.add(blurred, noise, 1, -128), face) < judge_worth(person, face)
    assert judge_worth(person, face) > judge_worth(person, small)


class Told:
    """A detector that is told what to see, by the frame's brightness."""

    def __init__(self, rows: dict[int, list[Face]]) -> None:
        self._rows = rows

    def find_faces(self, frame: Frame) -> list[Face]:
        return self._rows.get(frame.pixels.crop((0, 0, 1, 1)).getpixel((0, 0))[0], [])  # type: ignore[index]  # "L": one number


def waves(size_px: tuple[int, int]) -> Image.Image:
    """A picture that is sharp across and down, wherever a face is; noise would be none."""
    lines = Image.new("L", (size_px[0], 1))
    lines.putdata([60 + 60 * (x // 7 % 2) for x in range(size_px[0])])
    columns = Image.new("L", (1, size_px[1]))
    columns.putdata([60 + 60 * (y // 7 % 2) for y in range(size_px[1])])
    return ImageChops.add(lines.resize(size_px), columns.resize(size_px)).convert("RGB")


def walk(
    rows: list[list[Face]], step_ms: int = 500, *, early: bool = False
) -> tuple[BestShot, list[Frame]]:
    frames: list[Frame] = []
    for number in range(len(rows)):
        picture = waves((200, 200))
        picture.putpixel((0, 0), (number, 0, 0))
        frames.append(decoded(picture, at(number * step_ms)))
    return BestShot(Told(dict(enumerate(rows))), 10.0, early=early), frames


def moments(chosen: Iterable[Frame]) -> list[int]:
    return [frame.stamp.moment.boot_ms for frame in chosen if frame.stamp.moment]


def face(x: float, size: float, score: float = 0.9) -> Face:
    eyes = ((x + size * 0.3, 40.0), (x + size * 0.7, 40.0), (x + size * 0.5, 60.0))
    return Face((x, 10, size, size), eyes, score)


def test_one_frame_a_track_the_best_one_when_the_face_is_gone() -> None:
    chooser, frames = walk(
        [[face(10, 40)], [face(14, 60)], [face(18, 90)], [face(30, 70)], *[[]] * 6]
    )
    seen: list[int] = []

    def told() -> Iterator[Frame]:
        for number, frame in enumerate(frames):
            seen.append(number)
            yield frame

    assert moments(chooser.choose(told())) == [1000]
    assert seen[-1] == 9


def list_views(frame: Frame) -> list[tuple[int, int]]:
    """The sizes of the further pictures in a frame's file, as Pillow reads them."""
    sizes = []
    with Image.open(io.BytesIO(frame.encode_picture())) as picture:
        for number in range(1, getattr(picture, "n_frames", 1)):
            picture.seek(number)
            picture.load()
            sizes.append(picture.size)
    return sizes


def test_two_views_of_other_moments_go_with_the_best_frame() -> None:
    rows = [[face(10, 40 + number)] for number in range(12)]
    chooser, frames = walk([*rows, *[[]] * 6], step_ms=250)
    (best,) = chooser.choose(frames)
    assert moments([best]) == [2500]
    assert len(list_views(best)) == 2
    assert all(max(size) <= 200 for size in list_views(best))
    with Image.open(io.BytesIO(best.encode_picture())) as picture:
        assert picture.size == (200, 200), "other programs show the best frame"


def test_moments_of_views_are_apart() -> None:
    for step_ms, views in ((100, 0), (200, 1), (500, 2)):
        chooser, frames = walk([[face(10, 60)]] * 4 + [[]] * 25, step_ms)
        (best,) = chooser.choose(frames)
        assert len(list_views(best)) == views


def test_who_is_seen_once_has_no_views() -> None:
    chooser, frames = walk([[face(10, 60)], *[[]] * 6])
    (best,) = chooser.choose(frames)
    assert list_views(best) == []


def test_nobody_else_is_in_a_view() -> None:
    """They walk side by side, and one of them goes on alone."""
    chooser, frames = walk([[face(0, 60), face(80, 60)]] * 6 + [[]] * 6)
    (best,) = chooser.choose(frames)
    assert list_views(best) == []


def test_a_poor_face_goes_out_once() -> None:
    poor = [[face(10, 18)], [face(11, 20)], [face(12, 19)], [face(13, 19)]]
    chooser, frames = walk([*poor, *[[]] * 6])
    assert moments(chooser.choose(frames)) == [500]


def test_early_sends_a_good_frame_at_once_and_a_better_one_in_the_end() -> None:
    chooser, frames = walk(
        [[face(10, 26)], [face(12, 40)], [face(14, 60)], [face(14, 58)], *[[]] * 6], early=True
    )
    given: list[int] = []
    came: list[tuple[int, list[int]]] = []
    for frame in chooser.choose(given.append(at) or one for at, one in enumerate(frames)):  # type: ignore[func-returns-value]
        came.append((len(given) - 1, moments([frame])))
    assert came == [(1, [500]), (8, [1000])]


def test_two_faces_at_their_best_in_one_frame_send_it_once() -> None:
    chooser, frames = walk([[face(0, 60), face(120, 60)], *[[]] * 6])
    assert moments(chooser.choose(frames)) == [0]


@pytest.mark.parametrize("early", [False, True])
def test_a_frame_is_sent_once_if_of_two_faces_in_it_one_leaves_earlier(early: bool) -> None:
    """The one who stays has as good a frame a moment later, which would have replaced a worse
    one."""
    both, one = [face(0, 60), face(120, 60)], [face(120, 60)]
    chooser, frames = walk([both, *[one] * 8, *[[]] * 6], early=early)
    sent = moments(chooser.choose(frames))
    assert sent == [0]


def test_who_stays_beside_somebody_who_left_has_a_better_frame_sent() -> None:
    both, one = [face(0, 60), face(120, 60)], [face(120, 60)]
    chooser, frames = walk([both, *[one] * 8, [face(122, 75)], *[[]] * 6])
    assert moments(chooser.choose(frames)) == [0, 4500]


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


def looked(picture: Image.Image) -> Frame:
    return decoded(picture, at(0))


class Asked:
    """A detector that counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    def find_faces_in(self, pixels: Pixels, area: Area) -> list[Face]:
        self.times += 1
        self.area = area
        return [face(float(self.times), 40)]


def test_a_detector_is_asked_only_if_something_has_changed() -> None:
    asked = Asked()
    still = FaceFinder(asked)
    room = Image.effect_noise((1280, 720), 20).convert("RGB")
    grains = [Image.effect_noise(room.size, 15).convert("RGB") for _ in range(3)]
    assert [still.find_faces(looked(Image.blend(room, grain, 0.3))) for grain in grains] == [
        [face(1.0, 40)]
    ] * 3
    assert asked.area == (0, 0, 1280, 720)
    somebody = room.copy()
    somebody.paste("white", (20, 10, 60, 50))
    assert (
        still.find_faces(looked(somebody)) == still.find_faces(looked(somebody)) == [face(2.0, 40)]
    )
    left, top, right, bottom = asked.area
    assert (left, top) == (0, 0)
    assert 60 < right < 200, "what has changed, and the face beside it"
    assert 50 < bottom < 200
    assert still.find_faces(looked(room)) == [face(3.0, 40)]


def test_a_face_beside_what_has_changed_stays() -> None:
    asked = Asked()
    still = FaceFinder(asked)
    room = Image.effect_noise((1280, 720), 20).convert("RGB")
    still.find_faces(looked(room))
    room.paste("white", (900, 500, 960, 560))
    assert still.find_faces(looked(room)) == [face(1.0, 40), face(2.0, 40)]


def test_all_of_a_4k_picture_is_seen_as_finely_as_faces_are_recognised(
    detector: Detector, portraits: list[Path]
) -> None:
    """Three people with 18 pixels between the eyes come into an empty room."""
    counting = FaceFinder(detector, SMALLEST_FACE_PX)
    room = Image.effect_noise((3840, 2160), 12).convert("RGB")
    assert counting.find_faces(looked(room)) == []
    for at, path in enumerate(portraits):
        portrait = Image.open(path).convert("RGB")
        (found,) = detector.find_faces(portrait)
        small = ImageOps.scale(portrait, 18 / math.dist(*found.landmarks[:2]))
        room.paste(small, (300 + 1120 * at, 700 + 100 * at))
        assert len(counting.find_faces(looked(room))) == at + 1


def test_in_4k_most_faces_with_14_pixels_between_the_eyes_are_found(
    detector: Detector, portraits: list[Path]
) -> None:
    room = Image.effect_noise((3840, 2160), 12).convert("RGB")
    for down, path in enumerate(portraits[:3]):
        portrait = Image.open(path).convert("RGB")
        (found,) = detector.find_faces(portrait)
        small = ImageOps.scale(portrait, 14 / math.dist(*found.landmarks[:2]))
        for across in range(8):
            room.paste(small, (100 + 461 * across + 13 * down, 200 + 607 * down + 17 * across))
    counting = FaceFinder(detector, SMALLEST_FACE_PX)
    assert (
        len(
            counting.find_faces(
                looked(
                    ImageChops.add(
                        room, Image.effect_noise(room.size, 6).convert("RGB"), offset=-128
                    )
                )
            )
        )
        >= 20
    )


def test_what_has_changed_in_a_camera_picture_that_lies_on_its_side_is_looked_at_upright() -> None:
    asked, exif = Asked(), Image.Exif()
    exif[0x0112] = 6  # turn it to the right
    room = Image.new("RGB", (480, 640), "grey")
    still = FaceFinder(asked)
    for corner in ("grey", "white"):
        room.paste(corner, (0, 0, 100, 100))
        out = io.BytesIO()
        room.transpose(Image.Transpose.ROTATE_90).save(out, "JPEG", exif=exif)
        still.find_faces(EncodedFrame(out.getvalue(), at(0)))
    assert asked.area[:2] == (0, 0)
    assert max(asked.area[2:]) < 200


def test_nothing_is_decoded_of_a_picture_in_which_nothing_has_changed() -> None:
    still, room = FaceFinder(Asked()), Image.effect_noise((640, 360), 12).convert("RGB")
    first, second = (EncodedFrame(encode_jpeg(room), at(0)) for _ in range(2))
    assert still.find_faces(first) == still.find_faces(second)
    assert ("pixels" in vars(first), "pixels" in vars(second)) == (True, False)


@pytest.mark.parametrize("kind", ["encoded", "decoded"])
def test_faces_are_looked_for_anew_when_a_camera_changes_its_size(
    detector: Detector, portraits: list[Path], kind: str
) -> None:
    """Somebody stands still meanwhile."""
    room = Image.effect_noise((1280, 720), 12).convert("RGB")
    room.paste(ImageOps.contain(Image.open(portraits[0]).convert("RGB"), (400, 400)), (800, 250))
    counting = FaceFinder(detector, SMALLEST_FACE_PX)
    chooser = BestShot(counting, longest_s=10, room=0.5)
    sizes = [(1280, 720)] * 2 + [(640, 360)] * 3 + [(1280, 720)] * 2
    pictures = [room.resize(size) for size in sizes]
    frames: list[Frame] = [
        encoded(picture, 500 * number) if kind == "encoded" else decoded(picture, at(500 * number))
        for number, picture in enumerate(pictures)
    ]
    sent = [
        Image.open(io.BytesIO(one.encode_picture())).convert("RGB")
        for one in chooser.choose(frames)
    ]
    assert sent
    assert all(len(detector.find_faces(picture)) == 1 for picture in sent)


class Heavy(EncodedFrame):
    """A frame of a small picture and three megabytes."""

    def __init__(self, at_ms: int, person: int) -> None:
        picture = waves((1500, 60))
        picture.putpixel((0, 0), (person, 0, 0))
        super().__init__(encode_jpeg(picture) + bytes(3 * 2**20), at(at_ms))
        self.pixels = picture


def test_of_a_crowd_before_a_large_camera_the_best_stay_within_the_bound_in_bytes() -> None:
    """Another face each time; each is worth more than the one before."""
    chooser = BestShot(
        Told({number: [face(60.0 * number, 40, 0.1 + number / 25)] for number in range(20)}), 10.0
    )
    sent = list(chooser.choose(Heavy(10 * number, number) for number in range(20)))
    assert len(sent) == HELD_BYTES // (3 * 2**20) == 10
    assert sorted(moments(sent)) == [10 * number for number in range(10, 20)]


def test_a_good_frame_that_finds_no_room_does_not_count_as_sent() -> None:
    others = [EncodedFrame(bytes(HELD_BYTES), at(0))]
    others[0].worth = 1.0
    WAITING_FRAMES.hold(others[0])
    chooser, frames = walk([[face(10, 90)], [face(12, 90)], *[[]] * 6], early=True)

    def told() -> Iterator[Frame]:
        yield frames[0]
        others.clear()
        yield from frames[1:]

    assert moments(chooser.choose(told())) == [500]


def test_light_that_changes_slowly_is_seen_in_time() -> None:
    asked = Asked()
    still = FaceFinder(asked)
    for light in range(60, 120):
        still.find_faces(looked(Image.new("RGB", (640, 360), (light, light, light))))
    assert asked.times == 5, "each 12 grey levels"


def test_of_the_frames_that_are_held_only_jpegs_stay_in_memory() -> None:
    """Four faces in a 4K picture would be 100 MB of pixels."""
    chooser, _ = walk([[face(30.0 * number, 60) for number in range(4)]] * 4)
    pixels: list[weakref.ref[Frame]] = []

    def told() -> Iterator[Frame]:
        for number in range(4):
            picture = Image.effect_noise((200, 200), 60).convert("RGB")
            picture.putpixel((0, 0), (number, 0, 0))
            frame = decoded(picture, at(number * 500))
            pixels.append(weakref.ref(frame))
            yield frame
            del frame
            assert sum(one() is not None for one in pixels) <= 1, "the one that is looked at"

    assert list(chooser.choose(told()))
