from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from chalicelib.book.vision.pictures import image as image_reading
from chalicelib.bootstrap import build
from chalicelib.domain.pictures import DetectedFace, PictureRules
from tests.support.api.gateway import Part
from tests.support.api.stage import Stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.fakes import FakeClock, FakeVision, Person, picture

ANN, BOB = picture(Person(1)), picture(Person(2))


@pytest.mark.shows("sunmi", "a picture is a file of a multipart form")
def test_a_picture_is_required_and_is_a_file(camera: CameraClient) -> None:
    assert camera.call("getFaceByPicture")["code"] == 2
    assert camera.call("getFaceByPicture", {"pic": "abc"})["code"] == 2
    assert (
        camera.signed("getFaceByPicture", files=[Part("photo", ANN, "a.jpg")]).answer()["code"] == 2
    )


@pytest.mark.shows("sunmi", "The headers X-Regulars-Score")
def test_headers_tell_what_it_was_decided_by(camera: CameraClient) -> None:
    request = camera.signed("getFaceByPicture", files=[Part("pic", ANN, "a.jpg")])
    empty = request.sent().headers
    assert "x-regulars-score" not in empty
    assert empty["x-regulars-gallery-size"] == "0"
    camera.add_face("stranger", BOB)
    missed = request.sent().headers
    assert "x-regulars-score" not in missed, (
        "nobody reached the threshold, and nobody else was looked at"
    )
    assert float(missed["x-regulars-threshold"]) > 0
    camera.add_face("stranger", ANN)
    found = request.sent().headers
    assert float(found["x-regulars-score"]) >= float(found["x-regulars-threshold"])
    assert found["x-regulars-gallery-size"] == "2"


class BlindVision(FakeVision):
    """Reads pictures for what they are, and sees nobody in them."""

    def read_picture(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        return image_reading.read_picture(picture, rules)

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        return []


def encoded(size: tuple[int, int], file_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, file_format)
    return buffer.getvalue()


@pytest.fixture
def why(stage: Stage, camera: CameraClient, clock: FakeClock) -> Iterator[WhyNot]:
    blind = BlindVision()
    stage.services = build(stage.services.settings, clock=clock, vision=lambda: blind)
    yield WhyNot(camera)
    stage.services.close()


class WhyNot:
    """Asks for a picture's person with real picture reading; answers the msg of code 210."""

    def __init__(self, camera: CameraClient) -> None:
        self._camera = camera

    def __call__(self, pic: bytes) -> str:
        answer = self._camera.call("getFaceByPicture", pic=pic)
        assert answer["code"] == 210
        return str(answer["msg"])


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (1, 1), (1920, 1)])
def test_pictures_up_to_1920_by_1080_are_looked_at_in_either_orientation(
    why: WhyNot, size: tuple[int, int]
) -> None:
    assert "no face" in why(encoded(size))


@pytest.mark.parametrize(
    "size", [(1921, 1080), (1920, 1081), (1081, 1920), (1080, 1921), (1500, 1500)]
)
def test_larger_pictures_are_210(why: WhyNot, size: tuple[int, int]) -> None:
    assert "1920x1080" in why(encoded(size))


def test_jpg_and_png_are_taken_and_bmp_is_not(why: WhyNot) -> None:
    assert "no face" in why(encoded((64, 64), "JPEG"))
    assert "BMP" in why(encoded((64, 64), "BMP"))


@pytest.mark.shows("sunmi", "1 MB is 1,048,576 bytes.")
def test_one_megabyte_is_1048576_bytes(why: WhyNot) -> None:
    png = encoded((64, 64))
    assert "no face" in why(png + b"\0" * (1_048_576 - len(png)))
    assert "1048576" in why(png + b"\0" * (1_048_577 - len(png)))
