"""Faces with some room are sent in place of the whole frame, and the service says the same of
them."""

import hashlib
import io
import os
import time
from pathlib import Path

import pytest
from PIL import Image
from regulars_edge import config
from regulars_edge.choose.by_face import BestShot, WithFaces, cut_parts, cut_view
from regulars_edge.choose.faces import Detector, Face, FaceFinder
from regulars_edge.errors import Misconfigured
from regulars_edge.frames import Frame
from regulars_edge.sources.video import DecodedFrame
from regulars_edge.spool.model import Stamp
from rig import pictures
from rig.film import decoded
from rig.real import Regulars
from rig.uploader import upload

ROOM = 0.5


def face(x: float, y: float, size: float = 40.0) -> Face:
    eyes = ((x + size * 0.3, y + 10), (x + size * 0.7, y + 10), (x + size * 0.5, y + 20))
    return Face((x, y, size, size), eyes, 0.9)


class Told:
    def __init__(self, *rows: list[Face]) -> None:
        self._rows = iter(rows)

    def find_faces(self, frame: Frame) -> list[Face]:
        return next(self._rows)


def frame(at_ms: int = 0) -> Frame:
    return decoded(Image.effect_noise((400, 300), 60).convert("RGB"), Stamp(stated_ms=at_ms))


def sharp_frame(at_ms: int) -> Frame:
    """Bars across and down: as sharp everywhere, so that what a face is worth is its size alone."""
    picture = Image.new("RGB", (400, 300))
    picture.putdata([(60 * (x // 4 % 3 + y // 4 % 3),) * 3 for y in range(300) for x in range(400)])
    return decoded(picture, Stamp(stated_ms=at_ms))


def size_px(one: Frame) -> tuple[int, int]:
    return Image.open(io.BytesIO(one.encode_picture())).size


def test_a_crop_is_the_face_with_room_as_far_as_the_picture_goes() -> None:
    one = frame()
    found = cut_parts(one, [face(180, 180), face(0, 0), face(380, 280)], 0.5)
    assert [size_px(part.encoded) for part in found] == [(160, 160), (100, 100), (80, 80)]


def test_a_crop_shows_its_part_and_keeps_the_time() -> None:
    one = frame(17)
    (part,) = cut_parts(one, [face(100.4, 100.4)], 0.5)
    shown = Image.open(io.BytesIO(part.encoded.encode_picture()))
    meant = one.image().crop((40, 40, 201, 201))
    off = sum(abs(a - b) for a, b in zip(shown.tobytes(), meant.tobytes(), strict=True)) / len(
        meant.tobytes()
    )
    assert off < 10, "of 255, as JPEG rounds noise; another part is off by 60"
    assert part.encoded.stamp == one.stamp


def test_faces_close_together_share_a_crop_and_nobody_is_cut_in_half() -> None:
    one = frame()
    row = [face(10, 100), face(300, 100), face(80, 100), face(140, 100)]
    first, far, second, third = cut_parts(one, row, 0.5)
    assert first is second is third is not far
    assert size_px(first.encoded) == (240, 160)


def test_each_of_a_frames_faces_is_sent_once() -> None:
    crowd = [face(10, 100), face(80, 100), face(300, 100)]
    chosen = list(WithFaces(Told(crowd, []), 0.5).choose([frame(), frame(1)]))
    assert [size_px(one) for one in chosen] == [(180, 160), (160, 160)]
    assert len(list(WithFaces(Told(crowd)).choose([frame()]))) == 1, "the whole frame, once"


def test_the_best_shot_of_a_face_is_its_crop() -> None:
    rows = [[face(100, 100, 40), face(300, 100, 60)], [face(100, 100, 60), face(300, 100, 40)]]
    chosen = list(BestShot(Told(*rows), 10.0, 0.5).choose([sharp_frame(0), sharp_frame(200)]))
    assert sorted((one.stamp.stated_ms, size_px(one)) for one in chosen) == [
        (0, (150, 160)),
        (200, (160, 160)),
    ]


@pytest.mark.parametrize(
    ("room", "view_px"),
    [(0.05, 198), (0.5, 200), (2.0, 200), (None, 200)],
    ids=["little", "a view's", "much", "whole frames"],
)
def test_a_view_shows_no_more_around_a_face_than_a_crop(room: float | None, view_px: int) -> None:
    one = frame()
    view = cut_view(one, face(120, 70, 180), [], room)
    assert view is not None
    assert max(size_px(view.encoded)) == view_px


def test_crops_need_faces() -> None:
    camera = {
        "name": "yard",
        "source": "rtsp",
        "url": "rtsp://cam/live",
        "send": "motion",
        "crop_room": 0.5,
    }
    for more, complaint in (
        ({}, "crop_room needs send"),
        ({"send": "faces", "crop_room": 0.0}, "more than 0"),
    ):
        with pytest.raises(Misconfigured, match=complaint):
            config.parse_config(
                {"server": {"url": "https://regulars.example"}, "camera": [{**camera, **more}]}
            )


@pytest.fixture
def detector() -> FaceFinder:
    pytest.importorskip("onnxruntime")
    return FaceFinder(Detector(), 40)


def scene(portrait: Path, number: int) -> DecodedFrame:
    """Somebody within a picture of 1280 x 720, the face about 120 pixels wide."""
    room = Image.effect_noise((1280, 720), 30).convert("RGB")
    person = Image.open(portrait).convert("RGB")
    room.paste(
        person.resize((288, 288 * person.height // person.width)),
        (100 + 70 * number, 90 + 20 * number),
    )
    return decoded(room, Stamp(stated_ms=pictures.FIRST_MS + number * 3_600_000))


def sent(
    service: Regulars, folder: Path, frames: list[Frame]
) -> tuple[list[tuple[str, str | None]], list[float | None]]:
    """What the service says of the one face in each frame: resolution and face, and the score."""
    folder.mkdir()
    digests = []
    for number, one in enumerate(frames):
        data = one.encode_picture()
        digests.append(hashlib.sha256(data).hexdigest())
        path = folder / f"{number}.jpg"
        path.write_bytes(data)
        os.utime(path, ns=(one.stamp.stated_ms * 10**6,) * 2)
    done = upload(folder, service.url, service.key, folder.parent / "spool", camera="crops")
    assert done.returncode == 0, done.stdout
    deadline = time.monotonic() + 180
    while True:
        rows = {str(row["sha256"]): row for row in service.captures("crops")}
        found = [rows[digest] for digest in digests]
        if all(row["state"] == "resolved" for row in found):
            seen = [one for row in found for one in row["sightings"]]  # type: ignore[attr-defined]
            assert len(seen) == len(frames)
            return [(one["resolution"], one["face"]) for one in seen], [
                one["score"] for one in seen
            ]
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def test_the_service_knows_the_same_people_in_crops(
    detector: FaceFinder, portraits: list[Path], started_regulars: Regulars, tmp_path: Path
) -> None:
    first = portraits
    later = [path.with_name(path.name.replace("_1.", "_2.")) for path in first]
    who, _ = sent(
        started_regulars, tmp_path / "first", [scene(path, at) for at, path in enumerate(first)]
    )
    assert len({face for _, face in who if face}) == len(first), (
        "each is somebody, new or known by another test"
    )
    frames: list[Frame] = [scene(path, 10 + at) for at, path in enumerate(later)]
    crops = list(WithFaces(detector, ROOM).choose(frames))
    assert (
        sum(len(one.encode_picture()) for one in crops)
        < sum(len(one.encode_picture()) for one in frames) / 10
    )
    in_frames, scores = sent(started_regulars, tmp_path / "frames", frames)
    in_crops, scores_of_crops = sent(started_regulars, tmp_path / "crops", crops)
    assert in_crops == in_frames == [("matched", face) for _, face in who]
    # face-pack-3: 0.076
    assert max(abs(a - b) for a, b in zip(scores, scores_of_crops, strict=True) if a and b) < 0.1
