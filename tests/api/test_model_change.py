"""A tenant's model is changed by a process of its own: what clients of the one that serves are
told."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.bootstrap import build
from chalicelib.domain.model import Credentials, Profile
from chalicelib.domain.pictures import DetectedFace
from chalicelib.services import Services
from chalicelib.settings import Settings
from tests.support.api.icredit.client import MarketClient, persons
from tests.support.api.icredit.client import tokens as tokens_of
from tests.support.api.stage import make_stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.book.tenants import KEEPING
from tests.support.fakes import (
    REFUSING_VISIONS,
    RULES,
    FakeClock,
    FakeVision,
    OtherVision,
    Person,
    photo,
    picture,
)

OLD, NEW = FakeVision(), OtherVision()


class Interrupted(FakeVision):
    """A vision before whose next embedding something happens."""

    def __init__(self) -> None:
        self.first: list[Callable[[], None]] = []

    def embed(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> NDArray[np.float32]:
        if self.first:
            self.first.pop(0)()
        return super().embed(image, faces)


class InterruptedOther(Interrupted, OtherVision): ...


@dataclass
class Shop:
    """The process that serves a data folder by the model `old`, and clients of each dialect."""

    folder: Path
    clock: FakeClock
    old: FakeVision = field(default_factory=Interrupted)
    new: OtherVision = field(default_factory=InterruptedOther)

    def __post_init__(self) -> None:
        self.services = self.process()
        known: Credentials = self.services.tenants.add("shop", Profile.CAMERA, KEEPING)
        app = make_stage(self.services).app
        self.camera = CameraClient(app, known.app_id, known.app_key, self.clock)
        self.market = MarketClient(app, known.appcode)
        self.v1 = V1Client(app, known.api_key)

    def process(self) -> Services:
        visions = {self.old.model: self.old, self.new.model: self.new}
        return build(
            Settings(storage=self.folder),
            clock=self.clock,
            vision=lambda: self.old,
            vision_of=visions.__getitem__,
        )

    def change_elsewhere(self, old: FakeVision = OLD, new: FakeVision = NEW) -> None:
        with closing(self.process()) as operators:
            outcome = operators.reembedding.change_model("shop", old, new)
            assert (outcome.switched, outcome.failures) == (True, {})

    def change_during_the_next_request(self) -> None:
        self.old.first = [self.change_elsewhere]

    def change_twice_during_the_next_request(self) -> None:
        self.change_during_the_next_request()
        self.new.first = [lambda: self.change_elsewhere(NEW, OLD)]

    def close(self) -> None:
        self.services.close()


@pytest.fixture
def shop(tmp_path: Path, clock: FakeClock) -> Iterator[Shop]:
    with closing(Shop(tmp_path / "data", clock)) as shop:
        yield shop


def add(shop: Shop, *seeds: int) -> list[str]:
    answers = [shop.camera.add_face("regular", picture(Person(seed))) for seed in seeds]
    assert [answer["code"] for answer in answers] == [0] * len(seeds), answers
    return [answer["data"]["faceid"] for answer in answers]


def update(shop: Shop, faceid: str, seed: int) -> None:
    fields = {"group_name": "regular", "faceid": faceid}
    answer = shop.camera.call("updateFace", fields, picture(Person(seed)))
    assert answer["code"] == 0, answer


def found(shop: Shop, seed: int) -> str:
    answer = shop.camera.call("getFaceByPicture", pic=picture(Person(seed, side_px=90)))
    assert answer["code"] == 0, answer
    return str(answer["data"]["faceid"])


def search(shop: Shop, faceid: str) -> None:
    assert found(shop, 1) == faceid


def enrol(shop: Shop, _: str) -> None:
    add(shop, 2)


def replace_picture(shop: Shop, faceid: str) -> None:
    update(shop, faceid, 1)


def enrol_all(shop: Shop, _: str) -> None:
    assert len(tokens_of(shop.market.enrol("vip", picture(Person(3, 90), Person(4, 80))))) == 2


def vouch(shop: Shop, faceid: str) -> None:
    data = photo(1, side_px=70)
    shop.v1.done("POST", f"/v1/faces/{faceid}/pictures", {"picture": data, "trust": True})


STEPS: tuple[Callable[[Shop, str], None], ...] = (search, enrol, replace_picture, enrol_all, vouch)


@pytest.mark.parametrize(("first", "then"), [*zip(STEPS, [*STEPS[1:], STEPS[0]], strict=True)])
def test_whatever_comes_first_behind_the_change_succeeds_and_so_does_the_next(
    shop: Shop, first: Callable[[Shop, str], None], then: Callable[[Shop, str], None]
) -> None:
    [faceid] = add(shop, 1)
    shop.change_elsewhere()
    first(shop, faceid)
    then(shop, faceid)
    [late] = add(shop, 5)
    update(shop, late, 6)
    assert (found(shop, 1), found(shop, 6)) == (faceid, late)


@pytest.mark.parametrize("step", STEPS)
def test_a_request_in_whose_middle_the_model_changes_succeeds(
    shop: Shop, step: Callable[[Shop, str], None]
) -> None:
    [faceid] = add(shop, 1)
    shop.change_during_the_next_request()
    step(shop, faceid)
    assert shop.services.tenants.get_by_name("shop").model == NEW.model
    assert found(shop, 1) == faceid


def test_such_a_request_is_counted_once(shop: Shop) -> None:
    shop.services.tenants.change_settings("shop", {"requests_a_day": 1})
    shop.change_during_the_next_request()
    assert len(persons(shop.market.enrol("vip", picture(Person(3))))) == 1
    assert shop.services.tenants.get_by_name("shop").model == NEW.model


def refused_camera(shop: Shop, _: str) -> None:
    assert shop.camera.add_face("regular", picture(Person(2)))["code"] == 220


def refused_market(shop: Shop, _: str) -> None:
    assert "BUSY" in str(shop.market.enrol("vip", picture(Person(2))))


def refused_v1(shop: Shop, faceid: str) -> None:
    data = photo(1, side_px=70)
    shop.v1.failed(429, "POST", f"/v1/faces/{faceid}/pictures", {"picture": data, "trust": True})


@pytest.mark.parametrize("refused", [refused_camera, refused_market, refused_v1])
def test_a_request_in_whose_middle_the_model_changes_twice_is_told_to_come_again(
    shop: Shop, refused: Callable[[Shop, str], None]
) -> None:
    [faceid] = add(shop, 1)
    shop.change_twice_during_the_next_request()
    refused(shop, faceid)
    [late] = add(shop, 2)
    assert (found(shop, 1), found(shop, 2)) == (faceid, late)


def test_many_at_once_behind_a_search_all_succeed(shop: Shop) -> None:
    [faceid] = add(shop, 1)
    shop.change_elsewhere()
    search(shop, faceid)
    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(lambda seed: add(shop, seed)[0], range(10, 26)))
    assert [found(shop, seed) for seed in range(10, 26)] == added


def asks(shop: Shop) -> None:
    """Of all that is enrolled."""
    shop.services.tenants.change_settings("shop", {"least_liveness": 0.5})
    shop.services.tenants.change_settings("shop", {"enrol_quality": 60})


@pytest.fixture(params=REFUSING_VISIONS)
def refusing(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Shop]:
    """A shop whose old model refused everybody when it was asked last, of whom the new one has
    nothing to complain."""
    with closing(Shop(tmp_path / "data", clock, old=request.param())) as shop:
        asks(shop)
        assert shop.camera.add_face("regular", picture(Person(1)))["code"] != 0
        shop.change_elsewhere()
        yield shop


def put_in(shop: Shop, seed: int) -> str:
    """By a process that knows of the change."""
    with closing(shop.process()) as elsewhere:
        tenant = elsewhere.tenants.get_by_name("shop")
        return elsewhere.enrolment.enrol_largest_face(
            tenant, "regular", picture(Person(seed)), RULES
        ).faceid


class TestARefusalByTheOldModel:
    """Is no answer, since the new one has not been asked."""

    def test_add_face(self, refusing: Shop) -> None:
        [faceid] = add(refusing, 1)
        assert found(refusing, 1) == faceid

    def test_update_face(self, refusing: Shop) -> None:
        faceid = put_in(refusing, 1)
        update(refusing, faceid, 2)
        assert found(refusing, 2) == faceid

    def test_get_face_by_picture(self, refusing: Shop) -> None:
        faceid = put_in(refusing, 1)
        assert found(refusing, 1) == faceid

    def test_an_enrolment_of_all(self, refusing: Shop) -> None:
        assert (
            len(persons(refusing.market.enrol("vip", picture(Person(1, 90), Person(2, 80))))) == 2
        )

    def test_a_search_for_all(self, refusing: Shop) -> None:
        faceid = put_in(refusing, 1)
        assert tokens_of(refusing.market.search("regular", picture(Person(1)))) == [faceid]

    @pytest.mark.parametrize("control_type", ["0", "1"])
    def test_a_token(self, refusing: Shop, control_type: str) -> None:
        """Whose face has no template of the old model."""
        faceid = put_in(refusing, 1)
        fields = {
            "CONTROL_TYPE": control_type,
            "IMAGE_TYPE": "3",
            "IMAGE": faceid,
            "PERSON_GROUP_LABEL": "regular",
        }
        assert tokens_of(refusing.market.manage(**fields)) == [faceid]

    @pytest.mark.parametrize("trust", [False, True])
    def test_a_further_picture(self, refusing: Shop, trust: bool) -> None:
        faceid = put_in(refusing, 1)
        data = photo(1, side_px=70)
        body: dict[str, Any] = {"picture": data, "trust": trust}
        assert refusing.v1.done("POST", f"/v1/faces/{faceid}/pictures", body)["id"]


def test_a_further_picture_of_a_face_that_the_old_model_never_knew(shop: Shop) -> None:
    add(shop, 1)
    shop.change_elsewhere()
    faceid = put_in(shop, 2)
    data = photo(2, side_px=70)
    assert shop.v1.done("POST", f"/v1/faces/{faceid}/pictures", {"picture": data})["id"]


@pytest.mark.parametrize("control_type", ["0", "1"])
def test_a_token_of_a_face_that_the_old_model_never_knew(shop: Shop, control_type: str) -> None:
    add(shop, 1)
    shop.change_elsewhere()
    faceid = put_in(shop, 2)
    fields = {
        "CONTROL_TYPE": control_type,
        "IMAGE_TYPE": "3",
        "IMAGE": faceid,
        "PERSON_GROUP_LABEL": "regular",
    }
    assert tokens_of(shop.market.manage(**fields)) == [faceid]


def test_a_refusal_by_the_present_model_stands(shop: Shop) -> None:
    add(shop, 1)
    shop.change_elsewhere()
    asks(shop)
    assert (
        "liveness 0.20 of 0.50"
        in shop.camera.add_face("regular", picture(Person(2, liveness=0.2)))["msg"]
    )
    assert "no face was found" in shop.camera.add_face("regular", picture())["msg"]
