from pathlib import Path

import pytest

from chalicelib.domain.model import Credentials, Profile
from chalicelib.services import Services
from tests.support.api.icredit.client import MarketClient, amounts, persons, tokens
from tests.support.api.stage import make_stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.book.tenants import KEEPING
from tests.support.fakes import FakeClock
from tests.support.pictures import photos as at_hand

EMOTIONS = {"HAPPY", "SAD", "ANGRY", "FEAR", "SURPRISE", "DISGUST", "NEUTRAL", "CONTEMPT"}


@pytest.fixture
def services(real_services: Services) -> Services:
    return real_services


@pytest.fixture
def shop(services: Services) -> Credentials:
    return services.tenants.add("shop", Profile.CLOUD, KEEPING)


@pytest.fixture
def market(services: Services, shop: Credentials) -> MarketClient:
    return MarketClient(make_stage(services).app, shop.appcode)


def test_a_person_enrolled_by_one_picture_is_found_observed_and_counted_by_another(
    market: MarketClient, photos: Path
) -> None:
    neutral, smiling, other = (
        (photos / name).read_bytes()
        for name in (at_hand.OTHER, at_hand.OTHER_AGAIN, at_hand.PORTRAIT_AGAIN)
    )
    (enrolled,) = persons(market.enrol("vip", neutral, LABLE_A="gold"))
    (found,) = persons(market.search("vip", smiling))
    assert (found["PERSON_TOKEN"], found["LABLE_A"]) == (enrolled["PERSON_TOKEN"], "gold")
    assert persons(market.search("vip", other)) == []
    for person in (enrolled, found):
        assert person["GENDER"] in {"MALE", "FEMALE", ""}
        assert 0 < int(person["AGE"]) < 100
        assert person["EMOTION_TYPE"] in EMOTIONS
        assert all(int(person[side]) >= 0 for side in ("LEFT", "TOP", "WIDTH", "HEIGHT"))
        if person["POSE"]:  # not every pack has a model of it
            assert len([float(angle) for angle in person["POSE"].split(",")]) == 3
    newest_first = persons(market.query())
    assert {person["PERSON_TOKEN"] for person in newest_first} == {enrolled["PERSON_TOKEN"]}
    assert amounts(market.analysis("0")) == {"202603": 2}
    assert amounts(market.analysis("0", DISTINCT="1")) == {"202603": 1}


def test_everybody_in_a_picture_is_enrolled_and_found_by_the_camera_too(
    market: MarketClient, shop: Credentials, clock: FakeClock, photos: Path
) -> None:
    everybody = (photos / at_hand.GROUP).read_bytes()
    enrolled = tokens(market.enrol("vip", everybody))
    assert len(set(enrolled)) == at_hand.GROUP_SIZE
    assert tokens(market.search("vip", everybody)) == enrolled
    camera = CameraClient(market.app, shop.app_id, shop.app_key, clock)
    one = (photos / at_hand.OTHER).read_bytes()
    assert camera.call("getFaceByPicture", pic=one)["data"]["faceid"] in enrolled
