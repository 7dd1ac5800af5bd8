"""Pictures as people have them: WebP, those of iPhones, and photographs of many megapixels."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from chalicelib.core.errors import Unusable
from chalicelib.core.pictures import PictureRules
from chalicelib.vision.pictures.image import read, size
from tests.vision.album import ANY_PICTURE
from tests.vision.test_image import COLOUR, HEIGHT, OTHER_BYTES, WIDTH, encoded, picture

KINDS = frozenset({"JPEG", "PNG", "BMP", "WEBP", "HEIC"})
RULES = PictureRules(KINDS, 1 << 25, 8192, 8192)


def heic(image: Image.Image, orientation: int = 1, quality: int = 90) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    target = io.BytesIO()
    pillow_heif.from_pillow(image).save(target, quality=quality, exif=exif.tobytes())
    return target.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 95}, {"quality": 95, "exif": turned(1)}])
def test_a_webp_is_read(options: dict[str, object]) -> None:
    seen = read(encoded(picture(), "WEBP", **options), RULES)
    assert seen.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(seen.astype(int) - np.asarray(picture())).max() <= (0 if "lossless" in options else 12)


@pytest.mark.parametrize("lossless", [True, False])
def test_behind_a_transparent_webp_is_white_paper(lossless: bool) -> None:
    image = Image.new("RGBA", (16, 16), (*COLOUR, 0))
    image.paste((*COLOUR, 255), (0, 0, 8, 16))
    seen = read(encoded(image, "WEBP", lossless=lossless, quality=95, exif=turned(1)), RULES)
    assert np.abs(seen[8, 3].astype(int) - COLOUR).max() <= 8
    assert seen[8, 14].min() >= 247


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_webp_is_turned_upright(orientation: int) -> None:
    data = encoded(picture(), "WEBP", lossless=True, exif=turned(orientation))
    want = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    assert np.array_equal(read(data, RULES), want)
    assert size(data, RULES) == (want.shape[1], want.shape[0])


def test_a_webp_that_moves_is_refused() -> None:
    data = encoded(picture(), "WEBP", save_all=True, append_images=[Image.new("RGB", (WIDTH, HEIGHT))])
    with pytest.raises(Unusable, match="the WEBP file is an animation; send a picture that does not move"):
        read(data, RULES)


@pytest.mark.parametrize("lossless", [True, False])
def test_a_webp_that_tells_of_a_huge_picture_is_refused_before_its_canvas_is_made(lossless: bool) -> None:
    plain = bytearray(encoded(Image.new("RGB", (64, 64)), "WEBP", lossless=lossless))
    plain[(21 if lossless else 26) : (25 if lossless else 30)] = (
        b"\xff\xff\xff\x0f" if lossless else b"\xff\x3f\xff\x3f"
    )
    with pytest.raises(Unusable, match=r"16384x16384|16383x16383"):
        read(bytes(plain), RULES)
    extended = bytearray(encoded(Image.new("RGBA", (64, 64), (1, 2, 3, 4)), "WEBP", lossless=False))
    assert extended[12:16] == b"VP8X"
    extended[24:30] = b"\xff\xff\xff" * 2
    with pytest.raises(Unusable, match="16777216x16777216"):
        read(bytes(extended), RULES)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["WEBP", "HEIC"])
def test_a_file_cut_short_is_refused(kind: str, share: float) -> None:
    image = picture(300, 200)
    data = encoded(image, "WEBP") if kind == "WEBP" else heic(image)
    with pytest.raises(Unusable, match=f"the {kind} file is damaged or cut short"):
        read(data[: int(len(data) * share)], RULES)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_of_an_iphone_is_read_upright(orientation: int) -> None:
    image = picture(120, 80)
    data = heic(image, orientation)
    want = np.asarray(image if orientation == 1 else ImageOps.exif_transpose(_with(image, orientation)))
    seen = read(data, RULES)
    assert seen.shape == want.shape
    assert np.abs(seen.astype(int) - want).mean() < 3
    assert size(data, RULES) == (want.shape[1], want.shape[0])


def _with(image: Image.Image, orientation: int) -> Image.Image:
    return Image.open(io.BytesIO(encoded(image, "PNG", exif=turned(orientation))))


def test_heic_and_webp_are_refused_by_those_who_do_not_take_them() -> None:
    for data, name in ((heic(picture(64, 64)), "HEIC"), (encoded(picture(), "WEBP"), "WEBP")):
        with pytest.raises(Unusable, match=f"this is a {name} file; send a JPG or PNG or BMP file"):
            read(data, ANY_PICTURE)


_WITHOUT = """
import sys
sys.modules["pi_heif"] = None
from tests.vision.test_picture_kinds import RULES
from chalicelib.core.errors import Unusable
from chalicelib.vision.pictures.image import read
try:
    read(open(sys.argv[1], "rb").read(), RULES)
except Unusable as error:
    print(error)
"""


def test_without_the_library_a_heic_file_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(heic(picture(64, 64)))
    asked = [sys.executable, "-c", _WITHOUT, str(tmp_path / "picture")]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    lacks = "for which this service has no library (the extra `heic`)"
    assert said == f"this is a HEIC file, {lacks}; send a JPG or PNG or BMP or WEBP file\n"


class TestLargePhotographs:
    rules = replace(RULES, most_pixels=WIDTH * HEIGHT)

    @pytest.mark.parametrize(("factor", "step"), [(1, 1), (2, 2), (3, 4), (4, 4), (8, 8), (11, 8)])
    @pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
    def test_they_are_reduced_while_they_are_decoded(self, factor: int, step: int, options: dict[str, object]) -> None:
        large = picture(WIDTH * factor, HEIGHT * factor)
        data = encoded(large, "JPEG", quality=95, exif=turned(6), **options)
        seen = read(data, self.rules)
        assert seen.shape == (-(-WIDTH * factor // step), -(-HEIGHT * factor // step), 3)
        assert size(data, self.rules) == (HEIGHT * factor, WIDTH * factor)
        want = np.asarray(large.resize((seen.shape[0], seen.shape[1]), Image.Resampling.BOX)).transpose(1, 0, 2)
        assert np.abs(seen[:, ::-1].astype(int) - want).mean() < 3

    @pytest.mark.parametrize("file_format", ["PNG", "BMP", "WEBP", "HEIC"])
    @pytest.mark.parametrize(("factor", "step"), [(1, 1), (2, 2), (3, 4)])
    def test_others_are_reduced_behind_it(self, file_format: str, factor: int, step: int) -> None:
        large = picture(WIDTH * factor, HEIGHT * factor)
        data = heic(large) if file_format == "HEIC" else encoded(large, file_format)
        self.require_reduced(data, large, step)

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "1", "I;16"])
    def test_a_png_of_any_mode_is_reduced(self, mode: str) -> None:
        large = picture(WIDTH * 2, HEIGHT * 2).convert("L" if mode == "I;16" else mode)
        if mode == "I;16":
            data = encoded(Image.fromarray(np.asarray(large).astype(np.uint16) << 8), "PNG")
        else:
            data = encoded(large, "PNG")
        self.require_reduced(data, large, 2)

    def require_reduced(self, data: bytes, large: Image.Image, step: int) -> None:
        seen = read(data, self.rules)
        assert seen.shape == (-(-large.height // step), -(-large.width // step), 3)
        assert size(data, self.rules) == large.size
        want = np.asarray(large.convert("RGB").resize((seen.shape[1], seen.shape[0]), Image.Resampling.BOX))
        assert np.abs(seen.astype(int) - want).mean() < 3

    @pytest.mark.parametrize("share", [0.5, 0.8])
    @pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}])
    def test_one_that_is_cut_short_is_refused(self, share: float, options: dict[str, object]) -> None:
        data = encoded(picture(WIDTH * 8, HEIGHT * 8), "JPEG", **options)
        cut = data[: int(len(data) * share)].rstrip(b"\xff") + b"\xff\xd9"
        with pytest.raises(Unusable, match="damaged or cut short"):
            read(cut, self.rules)

    def test_one_that_ends_in_the_middle_grey_is_read(self) -> None:
        large = picture(WIDTH * 4, HEIGHT * 4)
        large.paste((128, 128, 128), (0, HEIGHT * 2, WIDTH * 4, HEIGHT * 4))
        for options in ({}, {"progressive": True}):
            assert read(encoded(large, "JPEG", **options), self.rules)[-1, -1].tolist() == [128] * 3


_PEAK = """
import re, sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
import pi_heif
from chalicelib.vision.pictures.image import read
from regulars.serve import arenas
from tests.vision.test_picture_kinds import RULES
arenas.give_large_blocks_back()
data, promised = Path(sys.argv[1]).read_bytes(), []
rules = replace(RULES, most_pixels=int(sys.argv[2]))
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
before = peak()
read(data, rules, lambda size: promised.append(size) or nullcontext())
print(peak() - before - 3 * len(data), *promised)
"""
SIDE = 2_048


@pytest.mark.parametrize("kind", ["webp", "lossless webp", "transparent webp", "heic", "jpeg", "progressive", "cmyk"])
def test_a_picture_takes_no_more_memory_than_was_promised_for_it(kind: str, tmp_path: Path) -> None:
    """JPEGs are reduced to a half."""
    image = picture(SIDE, SIDE)
    data = {
        "webp": lambda: encoded(image, "WEBP", exif=turned(6)),
        "lossless webp": lambda: encoded(image, "WEBP", lossless=True, exif=turned(6)),
        "transparent webp": lambda: encoded(image.convert("RGBA"), "WEBP", exif=turned(6)),
        "heic": lambda: heic(image, 6),
        "jpeg": lambda: encoded(image, "JPEG", exif=turned(6)),
        "progressive": lambda: encoded(image, "JPEG", progressive=True, subsampling=0, exif=turned(6)),
        "cmyk": lambda: encoded(image.convert("CMYK"), "JPEG", progressive=True, subsampling=0, exif=turned(6)),
    }[kind]()
    (tmp_path / "picture").write_bytes(data)
    asked = [sys.executable, "-c", _PEAK, str(tmp_path / "picture"), str(SIDE * SIDE // 4)]
    taken, promised = map(int, subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split())
    assert taken <= promised + OTHER_BYTES


def test_a_photograph_of_fifty_megapixels_takes_the_room_of_twelve() -> None:
    asked: list[int] = []

    def room(needed: int) -> nullcontext[None]:
        asked.append(needed)
        return nullcontext()

    data = encoded(Image.new("RGB", (8160, 6120), COLOUR), "JPEG")
    assert read(data, replace(RULES, most_pixels=1 << 24), room).shape == (3060, 4080, 3)
    assert asked == [4080 * 3060 * 11]
