import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from regulars_client.errors import PictureTooLarge
from regulars_client.pictures import MAX_BYTES, SHRUNK_SIDE_PX, in_base64, shrink_to_fit


def noise(width: int, height: int, kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(target, kind, **options)
    return target.getvalue()


def test_a_picture_that_fits_is_sent_byte_by_byte(tmp_path: Path) -> None:
    data = noise(40, 30, "JPEG")
    file = tmp_path / "one.jpg"
    file.write_bytes(data)
    assert base64.b64decode(in_base64(data)) == base64.b64decode(in_base64(file)) == data


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_larger_picture_is_made_smaller(kind: str) -> None:
    data = noise(3600, 2400, kind)
    assert len(data) > MAX_BYTES
    small = shrink_to_fit(data)
    assert len(small) <= MAX_BYTES
    with Image.open(io.BytesIO(small)) as made:
        assert made.format == "JPEG"
        assert max(made.size) <= SHRUNK_SIDE_PX
        assert made.width / made.height == pytest.approx(1.5, abs=0.01)


def test_a_picture_that_lies_is_stood_upright_when_it_is_made_smaller() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    with Image.open(
        io.BytesIO(shrink_to_fit(noise(3600, 2400, "JPEG", exif=exif, quality=95)))
    ) as made:
        assert made.height > made.width
        assert 0x0112 not in made.getexif()


@pytest.mark.parametrize("data", [b"\xff\xd8\xff" + bytes(MAX_BYTES), bytes(MAX_BYTES + 1)])
def test_what_cannot_be_made_smaller_is_refused(data: bytes) -> None:
    with pytest.raises(PictureTooLarge, match="bytes, and is no picture"):
        shrink_to_fit(data)
