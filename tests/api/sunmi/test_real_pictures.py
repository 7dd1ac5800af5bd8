import io
from pathlib import Path

import pytest
from PIL import Image

from chalicelib.domain.model import Profile
from chalicelib.services import Services
from tests.api.sunmi.walk import call, walk
from tests.support.api.stage import make_stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.book.recount import disagreements
from tests.support.book.tenants import KEEPING
from tests.support.fakes import FakeClock
from tests.support.pictures import photos as at_hand


@pytest.fixture
def shop(real_services: Services, clock: FakeClock) -> CameraClient:
    credentials = real_services.tenants.add("shop", Profile.CAMERA, KEEPING)
    return CameraClient(
        make_stage(real_services).app, credentials.app_id, credentials.app_key, clock
    )


def test_people_are_found_moved_and_replaced_by_their_pictures(
    shop: CameraClient, real_services: Services, photos: Path
) -> None:
    def of(name: str) -> bytes:
        return (photos / name).read_bytes()

    add = {"group_name": "regular", "faceid": "7"}
    walk(
        shop,
        [
            call("addFace", add, pic=of(at_hand.OTHER)).gets(0, faceid="7"),
            call("getFaceByPicture", pic=of(at_hand.OTHER_AGAIN)).gets(
                0, faceid="7", group_name="regular"
            ),
            call("getFaceByPicture", pic=of(at_hand.PORTRAIT_AGAIN)).gets(283),
            call("addFace", add, facdid="7", new_group_name="stranger").gets(2),
            call("addFace", group_name="regular", facdid="7", new_group_name="stranger").gets(0),
            call("getFaceByPicture", pic=of(at_hand.OTHER_AGAIN)).gets(
                0, faceid="7", group_name="stranger"
            ),
            call("updateFace", group_name="stranger", faceid="7", pic=of(at_hand.PORTRAIT)).gets(0),
            call("getFaceByPicture", pic=of(at_hand.PORTRAIT_AGAIN)).gets(0, faceid="7"),
            call("getFaceByPicture", pic=of(at_hand.OTHER_AGAIN)).gets(283),
            call("deleteFace", group_name="stranger", num="1", faceid_list="[“7”]").gets(
                0, success_list=["7"]
            ),
            call("getFaceByPicture", pic=of(at_hand.PORTRAIT_AGAIN)).gets(283),
        ],
    )
    assert disagreements(real_services, real_services.tenants.list_all()[0]) == []


def test_png_is_taken_as_jpg_is_and_a_turned_picture_too(shop: CameraClient, photos: Path) -> None:
    person = photos / at_hand.OTHER
    walk(
        shop,
        [
            call(
                "addFace", group_name="stranger", faceid="7", pic=encoded(person, "PNG", (480, 480))
            ).gets(0),
            call("getFaceByPicture", pic=encoded(person, "JPEG", orientation=6)).gets(
                0, faceid="7"
            ),
        ],
    )


def encoded(
    path: Path, file_format: str, size: tuple[int, int] | None = None, orientation: int = 1
) -> bytes:
    """The picture in another format or size; `orientation`: stored turned, with the EXIF tag that
    says so."""
    image = Image.open(path).convert("RGB")
    image = image.resize(size) if size else image
    exif = Image.Exif()
    if orientation == 6:
        image = image.transpose(Image.Transpose.ROTATE_90)
        exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, file_format, **({"exif": exif} if orientation != 1 else {}))
    return buffer.getvalue()
