"""IMAGE_TYPE 1: a picture that is fetched, and what becomes of an operation whose picture is not to
be had."""

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.api.icredit.routes import PICTURES, PICTURES_BY_URL
from chalicelib.bootstrap import build
from chalicelib.domain.errors import Busy, StorageUnavailable, Unusable
from chalicelib.domain.pictures import PictureRules
from chalicelib.services import Services
from tests.api.icredit.conftest import ANN_URL
from tests.api.icredit.contract import Shop
from tests.support.api.icredit.client import failure, persons
from tests.support.fakes import FakePictures, FakeVision, Person, picture

ENROL = {"CONTROL_TYPE": "0", "IMAGE_TYPE": "1", "PERSON_GROUP_LABEL": "vip"}
SEARCH = ENROL | {"CONTROL_TYPE": "1"}
AWAY = "https://pictures.example/away.jpg"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (
            Unusable("the URL's host has no address, or one that is not public: use another"),
            "UNUSABLE_IMAGE",
        ),
        (Busy("pictures are fetched from as many URLs as may be at a time: try again"), "BUSY"),
        (StorageUnavailable("storage does not answer: try again"), "STORAGE_UNAVAILABLE"),
    ],
)
def test_a_fetch_that_fails_fails_the_operation_in_its_own_words(
    floor: Shop, error: Unusable | Busy | StorageUnavailable, code: str
) -> None:
    pictures = FakePictures({AWAY: error})
    floor.fetch_with(pictures)
    for fields in (ENROL, SEARCH):
        answer = floor.market.manage(**fields, IMAGE=AWAY)
        assert failure(answer) == code
        assert answer["ERROR_MSG"] == str(error)
    assert "vip" not in floor.camera.groups()


def test_what_is_fetched_and_is_no_picture_fails(floor: Shop) -> None:
    floor.fetch_with(FakePictures({AWAY: b"<html>"}))
    assert failure(floor.market.manage(**ENROL, IMAGE=AWAY)) == "UNUSABLE_IMAGE"


@pytest.mark.shows("icredit", "the parameters, then the picture")
@pytest.mark.shows("icredit", "of several faults in the parameters any one may be told")
@pytest.mark.parametrize(
    "fields",
    [
        {"CONTROL_TYPE": "0", "IMAGE_TYPE": "1", "IMAGE": ANN_URL},
        {**ENROL, "IMAGE": ANN_URL, "LABLE_A": "x" * 101},
        {**ENROL, "IMAGE": ANN_URL, "LABLE_A": "a", "LABEL_A": "b"},
        {**ENROL, "IMAGE": ""},
        {**ENROL, "IMAGE": ANN_URL, "CONTROL_TYPE": "2"},
        {**ENROL, "IMAGE": ANN_URL, "CONTROL_TYPE": "3"},
    ],
)
def test_nothing_is_fetched_for_a_request_that_fails_anyway(
    floor: Shop, fields: dict[str, str]
) -> None:
    assert failure(floor.market.manage(**fields)) == "INVALID_PARAMETER"
    assert floor.pictures.fetched == []


class RecordingVision(FakeVision):
    def __init__(self) -> None:
        self.rules: list[PictureRules] = []

    def read_picture(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        self.rules.append(rules)
        return super().read_picture(picture, rules)


def test_a_fetched_picture_may_have_the_2_mb_that_an_encoded_one_has_as_text(
    services: Services, floor: Shop
) -> None:
    vision = RecordingVision()
    seeing = build(services.settings, clock=floor.clock, vision=lambda: vision)
    floor.services.recognition.face_analysis = seeing.recognition.face_analysis
    assert persons(floor.market.manage(**SEARCH, IMAGE=ANN_URL)) == []
    assert persons(floor.market.search("vip", picture(Person(1)))) == []
    seeing.close()
    assert vision.rules == [PICTURES_BY_URL, PICTURES]
    assert (PICTURES_BY_URL.max_bytes, PICTURES.max_bytes) == (2 * 1024 * 1024, 1_572_864)
