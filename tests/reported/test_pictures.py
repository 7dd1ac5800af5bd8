"""Reports of what pictures are, from users of other face services, replayed with the real models.
The page: docs/reported.md."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageDraw

from testing.reported import replays
from tests.support.api.compreface.client import RECOGNITION
from tests.support.house import House
from tests.support.pictures import photos


def open_photo(name: str = photos.PORTRAIT) -> Image.Image:
    """Open a photo of somebody, small enough to be quick."""
    image = Image.open(photos.FOLDER / name).convert("RGB")
    image.thumbnail((700, 700))
    return image


def jpeg(image: Image.Image, **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, **{"format": "JPEG", "quality": 92, **how})
    return out.getvalue()


def boxes(real: House, data: bytes) -> list[dict[str, float]]:
    reply = real.v1().send("POST", "/v1/detect", data, content_type="image/jpeg")
    assert reply.status == 200, reply
    return [one["box"] for one in reply.json["faces"]]


def face_of(
    real: House, name: str = photos.PORTRAIT
) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """Open a photo, and find the left, top, right and lower side of its face."""
    image = open_photo(name)
    (box, *_) = boxes(real, jpeg(image))
    left, top = box["x"], box["y"]
    return image, (int(left), int(top), int(left + box["width"]), int(top + box["height"]))


def cut(image: Image.Image, face: tuple[int, int, int, int], side: str, part: float) -> Image.Image:
    """Cut a picture so that its edge takes so much of the face away."""
    left, top, right, low = face
    wide, high = (right - left) * part, (low - top) * part
    kept = {
        "left": (left + wide, 0, image.width, image.height),
        "right": (0, 0, right - wide, image.height),
        "chin": (0, 0, image.width, low - high),
        "forehead": (0, top + high, image.width, image.height),
    }[side]
    return image.crop(tuple(int(one) for one in kept))


@replays(20, "sharp 1444", "deepface 1307")
def test_a_box_leaves_the_picture_in_amazons_dialect_alone(real: House) -> None:
    image, (left, top, right, low) = face_of(real)
    data = jpeg(image.crop((left + (right - left) // 3, max(top - 60, 0), right + 60, low + 60)))
    (amazon, *_) = real.amazon().detect_faces(Image={"Bytes": data})["FaceDetails"]
    assert amazon["BoundingBox"]["Left"] < 0
    (deepstack, *_) = real.deepstack().call("", {"image": data}).json["predictions"]
    (compreface, *_) = real.compreface().form(f"{RECOGNITION}/recognize", file=data).json["result"]
    assert (deepstack["x_min"], compreface["box"]["x_min"]) == (0, 0)


@replays(29, "deepface 1515", "wagtail 729")
def test_of_a_phones_picture_with_a_second_one_the_first_counts(real: House) -> None:
    image, black = open_photo(), Image.new("RGB", (100, 100))
    data = jpeg(image, format="MPO", save_all=True, append_images=[black])
    assert len(boxes(real, data)) == 1
    assert len(real.compreface().form(f"{RECOGNITION}/recognize", file=data).json["result"]) == 1


@replays(30, "photoprism 5616", "fgallery 26")
def test_a_colour_profile_that_is_wrong_is_passed_over(real: House) -> None:
    image = open_photo()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    longer = (len(profile) * 7).to_bytes(4, "big") + profile[4:]
    for data in (
        jpeg(image, icc_profile=longer),
        jpeg(image.convert("L"), icc_profile=profile),
        jpeg(image, icc_profile=profile + bytes(300_000)),
    ):
        assert len(boxes(real, data)) == 1


def glue_pictures(image: Image.Image) -> bytes:
    return jpeg(image) + jpeg(Image.new("RGB", (64, 64)))


def with_long_exif(image: Image.Image) -> bytes:
    segment = b"\xff\xe1" + (65_000).to_bytes(2, "big") + b"Exif\0\0" + bytes(64_992)
    data = jpeg(image)
    return data[:2] + segment * 20 + data[2:]


def on_its_side(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(image.transpose(Image.Transpose.ROTATE_90), exif=exif)


@replays(31, "resizer 111", "face_recognition 553", "face_recognition 381")
@pytest.mark.parametrize(
    "make", [lambda one: jpeg(one.convert("CMYK")), on_its_side, with_long_exif, glue_pictures]
)
def test_odd_jpegs_are_read_upright(real: House, make: Callable[[Image.Image], bytes]) -> None:
    image, (left, top, *_) = face_of(real)
    (box,) = boxes(real, make(image))
    assert abs(box["x"] - left) < 25
    assert abs(box["y"] - top) < 25


@replays(42, "human 527", "face_recognition 521")
@pytest.mark.parametrize("colour", ["black", "saddlebrown"], ids=["sunglasses", "a band of skin"])
def test_strangers_in_the_same_glasses_are_nobody(real: House, colour: str) -> None:
    client = real.compreface()

    def draw_mask(name: str) -> bytes:
        image, (left, top, right, low) = face_of(real, name)
        eyes = (left - 8, top + (low - top) * 0.28, right + 8, top + (low - top) * 0.52)
        ImageDraw.Draw(image).rectangle(eyes, fill=colour)
        return jpeg(image)

    client.form(f"{RECOGNITION}/faces?subject=Ann", file=jpeg(open_photo(photos.PORTRAITS[0])))
    for name in photos.PORTRAITS[1:]:
        reply = client.form(f"{RECOGNITION}/recognize", file=draw_mask(name))
        found = [one for face in reply.json.get("result", ()) for one in face["subjects"]]
        assert all(one["similarity"] < 0.5 for one in found), found


@replays(43, "CompreFace 1056", "immich 28966")
def test_a_picture_on_its_side_shows_somebody_or_is_told_to_show_nobody(real: House) -> None:
    turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    found = [
        len(boxes(real, jpeg(open_photo(name).transpose(turn))))
        for pair in photos.PAIRS
        for name in pair
        for turn in turns
    ]
    assert max(found) == 1
    assert 10 <= sum(found) <= 14, "the page says 12; some score just about the detector's limit"
    client, shown = real.compreface(), jpeg(open_photo().transpose(turns[0]))
    assert client.form(f"{RECOGNITION}/recognize", file=shown).json["code"] == 28


@replays(44, "insightface 2165", "immich 27526")
@pytest.mark.parametrize("side", [200, 1_080])
@pytest.mark.parametrize("part", [1.0, 0.8], ids=["the box", "four fifths of it"])
def test_a_face_that_fills_its_picture_is_found(real: House, side: int, part: float) -> None:
    image, (left, top, right, low) = face_of(real)
    less_x, less_y = int((right - left) * (1 - part) / 2), int((low - top) * (1 - part) / 2)
    face = image.crop((left + less_x, top + less_y, right - less_x, low - less_y))
    assert len(boxes(real, jpeg(face.resize((side, side * face.height // face.width))))) == 1


@replays(45, "retinaface 98", "deepface 1307")
@pytest.mark.parametrize(
    ("side", "part"), [("left", 0.5), ("right", 0.33), ("chin", 0.25), ("forehead", 0.3)]
)
def test_a_face_that_the_edge_cuts_is_found(real: House, side: str, part: float) -> None:
    assert len(boxes(real, jpeg(cut(*face_of(real), side, part)))) == 1


@replays(46, "onnxruntime 7207", "frigate 22620")
def test_a_box_without_a_home_and_with_a_senseless_zone_starts_quietly(tmp_path: Path) -> None:
    """On one core, too. What it logs is its own: no library complains."""
    serve = ["serve", "--port", "0", "--data", str(tmp_path / "data")]
    on_one_core = f"import os; os.sched_setaffinity(0, [{min(os.sched_getaffinity(0))}])"
    command = [
        sys.executable,
        "-c",
        f"{on_one_core}; from regulars.cli import main; raise SystemExit(main({serve}))",
    ]
    bare = {"PATH": os.environ["PATH"], "TZ": "Nowhere/At-all", "HOME": "/nonexistent"}
    log = tmp_path / "log"
    with (
        log.open("wb") as stream,
        subprocess.Popen(command, env=bare, stdout=subprocess.PIPE, stderr=stream) as process,
    ):
        assert process.stdout is not None
        began = next((line for line in process.stdout if line.startswith(b"ready ")), None)
        process.terminate()
        assert process.wait(30) == 0
    assert began, log.read_text()
    assert "affinity" not in log.read_text()
    assert "Traceback" not in log.read_text()
