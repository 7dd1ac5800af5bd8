"""Erasure of one of two people in a real picture, with the real models: only the other is
recognised afterwards."""

import io
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.captures import Capture
from chalicelib.domain.model import Profile
from chalicelib.privacy.erasure_progress import SETTLED
from chalicelib.services import Services
from chalicelib.storage import keys
from tests.support.api.stage import make_stage
from tests.support.api.v1.client import V1Client
from tests.support.book.tenants import KEEPING
from tests.support.consistency.consistency import list_disagreements
from tests.support.examples import parametrize
from tests.support.fakes import FakeClock
from tests.support.pictures.photos import OTHER, OTHER_AGAIN, PORTRAIT, PORTRAIT_AGAIN, TWO
from tests.support.pictures.rules import RULES

OF_TWO = ("people/neighbour_2.jpg", "people/stranger_2.jpg")
"""Other photos of the two people in TWO."""


@dataclass
class Shop:
    services: Services
    pipeline: FacePipeline
    clock: FakeClock

    def __post_init__(self) -> None:
        credentials = self.services.tenants.add("shop", Profile.CLOUD, KEEPING)
        self.v1 = V1Client(make_stage(self.services).app, credentials.api_key)
        self.tenant = self.services.tenants.get_by_name("shop")
        self.v1.add_camera("door", id="door")

    def enrol(self, photo: bytes) -> str:
        return self.services.enrolment.enrol_largest_face(
            self.tenant, "regular", photo, RULES, is_somebody_else=True
        ).faceid

    def see(self, data: bytes) -> Capture:
        return self.v1.take(self.services, data, minutes_ago=1)

    def erase(self, faceid: str) -> dict[str, int]:
        """Erase a person over v1, and let the steps be done; what the receipt counts."""
        id_ = self.v1.send("DELETE", f"/v1/faces/{faceid}", query={"erase": "true"}).json["id"]
        self.clock.advance(SETTLED)
        self.services.erasure.steps.continue_all(self.tenant)
        return self.v1.done("GET", f"/v1/erasures/{id_}")["receipt"]["statement"]["counts"]

    def known(self, picture: bytes) -> set[str]:
        """Who is recognised in a picture."""
        faces = self.services.recognition.face_analysis.identify_faces(
            self.tenant, picture, RULES
        ).faces
        return {face.match.face.faceid for face in faces if face.match}


@pytest.fixture
def shop(real_services: Services, pipeline: FacePipeline, clock: FakeClock) -> Shop:
    return Shop(real_services, pipeline, clock)


def side_by_side(photos: Path) -> bytes:
    """Two portraits in one picture."""
    left, right = (Image.open(photos / name).convert("RGB") for name in (PORTRAIT, OTHER))
    both = Image.new("RGB", (left.width + right.width, max(left.height, right.height)))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    made = io.BytesIO()
    both.save(made, "JPEG", quality=92)
    return made.getvalue()


@parametrize(("shown", "erased"), [*product((TWO, "portraits"), (0, 1))], gate=1)
def test_the_other_is_still_known_in_the_picture_and_the_erased_one_is_not(
    shop: Shop, photos: Path, shown: str, erased: int
) -> None:
    before = (photos / TWO).read_bytes() if shown == TWO else side_by_side(photos)
    again = [
        (photos / name).read_bytes()
        for name in (OF_TWO if shown == TWO else (PORTRAIT_AGAIN, OTHER_AGAIN))
    ]
    faceids = [shop.enrol(photo) for photo in again]
    capture = shop.see(before)
    number = {one.faceid: one.number for one in capture.sightings}
    gone, other = faceids[erased], faceids[1 - erased]
    assert set(number) == {gone, other}
    crops = {one: keys.crop("shop", "door", capture.id, number[one]) for one in faceids}
    for one in faceids:
        shop.services.captures.pictures.get_crop_url(shop.tenant, "door", capture.id, number[one])

    assert shop.erase(gone) == {"observations": 2, "captures_deleted": 0, "captures_hidden": 1}

    after = shop.services.ports.storage.uploads.get(
        keys.capture_picture("shop", "door", capture.id)
    )
    assert after is not None
    assert shop.known(after) == {other}
    assert shop.services.ports.storage.uploads.size(crops[gone]) is None
    shop.services.captures.pictures.get_crop_url(shop.tenant, "door", capture.id, number[other])
    assert shop.services.ports.storage.uploads.size(crops[other])
    enrolled_anew = shop.enrol(again[erased])
    assert shop.known(before) == {enrolled_anew, other}
    assert shop.known(after) == {other}
    assert nearest(shop, before, before, again[erased]) > threshold(shop, before)
    assert nearest(shop, before, after, again[erased]) < threshold(shop, before)
    assert nearest(shop, before, after, again[1 - erased]) > threshold(shop, before)
    assert list(list_disagreements(shop.services, "shop")) == []


def threshold(shop: Shop, picture: bytes) -> float:
    return max(
        face.decision.threshold
        for face in shop.services.recognition.face_analysis.identify_faces(
            shop.tenant, picture, RULES
        ).faces
    )


def nearest(shop: Shop, before: bytes, after: bytes, photo: bytes) -> float:
    """How alike the person of a photo and any face of a stored picture are at best, for somebody
    who tries hard: also at the places where the faces were in the picture as it came, and however
    poor they are."""
    pipeline = shop.pipeline
    was, now, alone = (pipeline.read_picture(data, RULES) for data in (before, after, photo))
    assert was.shape == now.shape
    [person] = pipeline.embed(alone, pipeline.detect(alone)[:1])
    return float(
        np.max(pipeline.embed(now, [*pipeline.detect(was), *pipeline.detect(now)]) @ person)
    )
