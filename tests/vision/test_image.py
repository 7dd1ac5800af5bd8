"""Picture bytes to upright pixels: every kind of file that is let in, and a clear word for every one that is not."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from chalicelib.core.errors import Unusable
from chalicelib.vision.pictures.containers import MAX_PARTS, pixels_and_orientation
from chalicelib.vision.pictures.image import read
from tests.vision.album import ANY_PICTURE

WIDTH, HEIGHT = 48, 32
COLOUR = (200, 120, 40)


def picture(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Smooth, without a symmetry: red grows to the right, green downwards, blue along the diagonal."""
    x, y = np.meshgrid(np.linspace(20, 220, width), np.linspace(30, 200, height))
    return Image.fromarray(np.stack([x, y, (x + y) / 2], axis=2).astype(np.uint8))


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, file_format, **options)  # type: ignore[arg-type]
    return target.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG written by hand, for what Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in chunks)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    """The PNG with one more chunk after its header."""
    return data[:33] + chunk(kind, body) + data[33:]


def with_segment(data: bytes, marker: int, body: bytes) -> bytes:
    """The JPEG with one more application segment at its head."""
    return data[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + data[2:]


def pixel(data: bytes) -> NDArray[np.int64]:
    return read(data, ANY_PICTURE)[5, 5].astype(int)


_TURNED = Image.Exif()
_TURNED[0x0112] = 6

JPEGS = [
    {},
    {"subsampling": 0},
    {"optimize": True},
    {"progressive": True},
    {"restart_marker_rows": 1},
    {"restart_marker_blocks": 3},
    {"restart_marker_rows": 1, "progressive": True},
]
"""Ways to write one."""


class TestKindsOfPictures:
    @pytest.mark.parametrize("options", JPEGS)
    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    @pytest.mark.parametrize("size", [(300, 200), (17, 33)])
    def test_a_jpeg_that_ends_in_the_middle_grey_is_read_as_any(
        self, options: dict[str, object], mode: str, size: tuple[int, int]
    ) -> None:
        """Which is what a decoder leaves where there is no data."""
        for face in (picture(8, 8), Image.new("L", (1, 1), 128)):
            image = Image.new("RGB", size, (128, 128, 128))
            image.paste(face.convert("RGB"))
            data = encoded(image.convert(mode), "JPEG", **options)
            assert read(data, ANY_PICTURE)[-1, -1].tolist() in ([127] * 3, [128] * 3)

    @pytest.mark.parametrize(
        ("file_format", "options"),
        [
            ("JPEG", {"quality": 95, "subsampling": 0}),
            ("JPEG", {"quality": 95, "subsampling": 2, "progressive": True}),
            ("PNG", {}),
            ("PNG", {"optimize": True}),
            ("BMP", {}),
        ],
    )
    def test_colours_come_back(self, file_format: str, options: dict[str, object]) -> None:
        seen = read(encoded(picture(), file_format, **options), ANY_PICTURE)
        assert seen.shape == (HEIGHT, WIDTH, 3)
        assert seen.dtype == np.uint8
        assert seen.flags["C_CONTIGUOUS"]
        assert np.abs(seen.astype(int) - np.asarray(picture())).max() <= (0 if file_format != "JPEG" else 12)

    @pytest.mark.parametrize(
        ("file_format", "mode"),
        [("PNG", mode) for mode in ("1", "L", "P", "RGB", "LA", "RGBA")]
        + [("BMP", mode) for mode in ("1", "L", "P", "RGB", "RGBA")],
    )
    def test_every_mode_is_rgb(self, mode: str, file_format: str) -> None:
        image = Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode)
        assert read(encoded(image, file_format), ANY_PICTURE).tolist() == [[[255, 255, 255]] * 8] * 8

    @pytest.mark.parametrize("mode", ["L", "CMYK"])
    def test_grey_and_cmyk_jpegs_are_rgb(self, mode: str) -> None:
        image = Image.new("RGB", (16, 16), COLOUR).convert(mode)
        want = np.asarray(image.convert("RGB"))[5, 5].astype(int)
        assert np.abs(pixel(encoded(image, "JPEG", quality=95)) - want).max() <= 3

    def test_sixteen_bit_grey_keeps_its_upper_byte(self) -> None:
        row = b"\x00" + struct.pack(">8H", *[0x8040] * 8)
        assert pixel(png(8, 8, 16, 0, row * 8)).tolist() == [0x80] * 3

    def test_sixteen_bit_colour_keeps_its_upper_bytes(self) -> None:
        row = b"\x00" + struct.pack(">24H", *[0xC800, 0x7800, 0x2800] * 8)
        assert pixel(png(8, 8, 16, 2, row * 8)).tolist() == [0xC8, 0x78, 0x28]

    def test_transparency_shows_white_paper(self) -> None:
        image = Image.new("RGBA", (8, 8), (*COLOUR, 0))
        image.putpixel((5, 5), (*COLOUR, 255))
        seen = read(encoded(image, "PNG"), ANY_PICTURE)
        assert seen[5, 5].tolist() == list(COLOUR)
        assert seen[0, 0].tolist() == [255, 255, 255]

    def test_a_palette_with_transparency_is_read_without_a_warning(self) -> None:
        image = Image.new("P", (8, 8), 1)
        image.putpalette([0, 0, 0, *COLOUR])
        assert pixel(encoded(image, "PNG", transparency=b"\x00\xff")).tolist() == list(COLOUR)
        assert pixel(encoded(image, "PNG", transparency=b"\xff\x00")).tolist() == [255, 255, 255]

    def test_of_an_animated_png_the_first_picture_counts(self) -> None:
        first, second = Image.new("RGB", (8, 8), COLOUR), Image.new("RGB", (8, 8), (0, 0, 0))
        assert pixel(encoded(first, "PNG", save_all=True, append_images=[second])).tolist() == list(COLOUR)

    def test_of_a_jpeg_with_several_pictures_the_first_counts(self) -> None:
        first, second = Image.new("RGB", (16, 16), COLOUR), Image.new("RGB", (16, 16), (0, 0, 0))
        data = encoded(first, "MPO", save_all=True, append_images=[second], quality=95)
        assert np.abs(pixel(data) - COLOUR).max() <= 3

    @pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1)])
    def test_a_single_pixel_is_a_picture(self, size: tuple[int, int]) -> None:
        for file_format in ("JPEG", "PNG", "BMP"):
            seen = read(encoded(Image.new("RGB", size, COLOUR), file_format), ANY_PICTURE)
            assert seen.shape == (size[1], size[0], 3)


class TestWhatIsRefused:
    def refused(self, data: bytes, **rules: object) -> str:
        with pytest.raises(Unusable) as caught:
            read(data, replace(ANY_PICTURE, **rules))  # type: ignore[arg-type]
        return str(caught.value)

    def test_nothing(self) -> None:
        assert self.refused(b"") == "the picture is empty; send a JPG or PNG or BMP file"

    @pytest.mark.parametrize("file_format", ["GIF", "TIFF", "WEBP", "ICO", "PPM"])
    def test_other_formats(self, file_format: str) -> None:
        assert "send a JPG or PNG or BMP file" in self.refused(encoded(picture(), file_format))

    def test_text(self) -> None:
        assert "no picture that can be read" in self.refused(b"<html>not a picture</html>")

    @pytest.mark.parametrize(
        ("begin", "named"),
        [
            (b"GIF89a\x01\x00", "a GIF file"),
            (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "a WEBP file"),
            (b"RIFF\x24\x00\x00\x00WAVEfmt ", "no picture that can be read"),
            (b"II*\x00\x08\x00\x00\x00", "a TIFF file"),
            (b"MM\x00*\x00\x00\x00\x08", "a TIFF file"),
            (b"\x00\x00\x00\x20ftypavif\x00\x00\x00\x00avifmif1miaf", "an AVIF file"),
            (b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avif", "an AVIF file"),
            (b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00mif1heic", "a HEIC file"),
            (b"\x00\x00\x00\x1cftypmp42\x00\x00\x00\x00mp42isom", "no picture that can be read"),
            (b"\x00\x00\x00\x1cftyp", "no picture that can be read"),
            (b"%PDF-1.7", "a PDF file"),
        ],
    )
    def test_a_file_of_another_kind_is_named(self, begin: bytes, named: str) -> None:
        assert self.refused(begin + bytes(64)) == f"this is {named}; send a JPG or PNG or BMP file"

    @pytest.mark.parametrize(("file_format", "named"), [("GIF", "GIF"), ("TIFF", "TIFF"), ("WEBP", "WEBP")])
    def test_a_whole_file_of_another_kind_is_named(self, file_format: str, named: str) -> None:
        assert self.refused(encoded(picture(), file_format)).startswith(f"this is a {named} file; send a ")

    def test_a_format_that_the_caller_does_not_take(self) -> None:
        message = self.refused(encoded(picture(), "BMP"), formats=frozenset({"JPEG", "PNG"}))
        assert message == "this is a BMP file; send a JPG or PNG file"

    def test_too_many_bytes(self) -> None:
        assert "send at most 100" in self.refused(encoded(picture(), "PNG"), max_bytes=100)

    @pytest.mark.parametrize("size", [(1921, 1080), (1080, 1921), (1920, 1081), (1081, 1920)])
    def test_too_many_pixels_in_either_orientation(self, size: tuple[int, int]) -> None:
        limits = {"max_long_side_px": 1920, "max_short_side_px": 1080}
        assert "send at most 1920x1080" in self.refused(encoded(Image.new("L", size), "PNG"), **limits)

    @pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (1080, 1080)])
    def test_the_largest_allowed_picture_is_read(self, size: tuple[int, int]) -> None:
        rules = replace(ANY_PICTURE, max_long_side_px=1920, max_short_side_px=1080)
        assert read(encoded(Image.new("L", size), "PNG"), rules).shape == (size[1], size[0], 3)

    def test_too_few_pixels(self) -> None:
        assert "at least 15" in self.refused(encoded(Image.new("L", (400, 14)), "PNG"), min_short_side_px=15)

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "BMP"])
    def test_a_bomb_before_a_byte_of_it_is_decoded(self, file_format: str) -> None:
        data = bytearray(encoded(Image.new("L", (64, 64)), file_format))
        if file_format == "PNG":
            data[16:24] = struct.pack(">II", 60_000, 60_000)
            data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        elif file_format == "BMP":
            data[18:26] = struct.pack("<ii", 60_000, 60_000)
        else:
            frame = data.index(b"\xff\xc0")
            data[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
        began = time.thread_time()
        assert "60000x60000 pixels" in self.refused(bytes(data))
        assert time.thread_time() - began < 0.5

    def test_a_jpeg_of_thousands_of_scans(self) -> None:
        data = encoded(picture(), "JPEG", progressive=True)
        last = data.rindex(b"\xff\xda")
        began = time.thread_time()
        assert "at most 40" in self.refused(data[:-2] + data[last:-2] * 5_000 + data[-2:])
        assert time.thread_time() - began < 0.5

    @pytest.mark.parametrize(
        "data",
        [
            b"\xff\xd8" + b"\xff\xdb\x00\x02" * 1_000_000 + b"\xff\xd9",
            b"\xff\xd8" + b"\xff" * 4_000_000,
            b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e" * 300_000,
        ],
        ids=["segments", "padding", "chunks"],
    )
    def test_a_file_of_nothing_but_its_own_structure(self, data: bytes) -> None:
        began = time.thread_time()
        assert "damaged or cut short" in self.refused(data)
        assert time.thread_time() - began < 2

    @pytest.mark.parametrize("compression", [1, 2])
    def test_a_run_length_encoded_bmp(self, compression: int) -> None:
        data = bytearray(encoded(Image.new("P", (64, 64)), "BMP"))
        data[28] = 8 if compression == 1 else 4
        data[30] = compression
        message = "the BMP file is compressed (RLE); save it without compression, or as PNG"
        assert self.refused(bytes(data)) == message

    def test_a_few_bytes_that_inflate_without_end_are_read_as_far_as_the_picture_goes(self) -> None:
        data = png(64, 64, 8, 2, bytes(1 << 26))
        assert len(data) < 1 << 17
        tracemalloc.start()
        assert read(data, ANY_PICTURE).shape == (64, 64, 3)
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
        tracemalloc.stop()

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "BMP"])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_a_file_cut_short(self, file_format: str, share: float) -> None:
        data = encoded(picture(300, 200), file_format)
        assert "damaged or cut short" in self.refused(data[: int(len(data) * share)])

    @pytest.mark.parametrize("options", JPEGS)
    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    @pytest.mark.parametrize("size", [(400, 300), (1000, 200), (300, 224), (4000, 3000)])
    def test_a_jpeg_whose_header_tells_of_more_than_it_has(
        self, options: dict[str, object], mode: str, size: tuple[int, int]
    ) -> None:
        data = bytearray(encoded(picture(300, 200).convert(mode), "JPEG", **options))
        frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        data[frame + 5 : frame + 9] = struct.pack(">HH", size[1], size[0])
        assert "damaged or cut short" in self.refused(bytes(data))

    @pytest.mark.parametrize("options", JPEGS)
    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    @pytest.mark.parametrize("share", [0.5, 0.7, 0.8])
    def test_a_jpeg_cut_short_that_somebody_gave_an_end(
        self, options: dict[str, object], mode: str, share: float
    ) -> None:
        """A progressive one that is cut behind its first scan is a picture, only a coarse one, which is smoothed."""
        data = encoded(picture(300, 200).convert(mode), "JPEG", **options)
        if options.get("progressive"):
            begin = data.index(b"\xff\xda")
            end = data.index(b"\xff\xc4", begin)
            data = data[: begin + int((end - begin) * share)]
        else:
            data = data[: int(len(data) * share)]
        assert "damaged or cut short" in self.refused(data.rstrip(b"\xff") + b"\xff\xd9")

    @pytest.mark.parametrize("head", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM"])
    def test_a_head_without_a_picture(self, head: bytes) -> None:
        assert "damaged or cut short" in self.refused(head)
        assert "damaged or cut short" in self.refused(head + b"\x00" * 100)


class TestMetadata:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
    def test_exif_orientation_is_undone(self, orientation: int, file_format: str) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"quality": 95, "subsampling": 0} if file_format == "JPEG" else {}
        data = encoded(picture(), file_format, exif=exif, **options)
        want = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
        assert np.array_equal(read(data, ANY_PICTURE), want)

    @pytest.mark.parametrize("value", [0, 9, 65535])
    def test_an_orientation_that_is_none_is_upright(self, value: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = value
        assert read(encoded(picture(), "JPEG", exif=exif), ANY_PICTURE).shape == (HEIGHT, WIDTH, 3)

    @given(st.binary(max_size=80), st.sampled_from([b"Exif\x00\x00II*\x00", b"Exif\x00\x00MM\x00*", b"Exif\x00\x00"]))
    @settings(max_examples=60, deadline=None)
    def test_any_exif_leaves_the_picture_readable(self, noise: bytes, head: bytes) -> None:
        data = with_segment(encoded(picture(), "JPEG"), 0xE1, head + noise)
        assert sorted(read(data, ANY_PICTURE).shape) == [3, HEIGHT, WIDTH]

    @pytest.mark.parametrize("junk", [b"\x00", b"junk", b"\xff\x00", b"\xff" * 2000, b"\xff\xd0", b"\xff\x01"])
    def test_what_decoders_skip_between_segments_lets_no_metadata_through(self, junk: bytes) -> None:
        data = encoded(picture(), "JPEG")
        exif = with_segment(data, 0xE1, b"Exif\x00\x00II*\x00" + bytes(60))[2 : -len(data) + 2]
        for place in (data.index(b"\xff\xdb"), data.index(b"\xff\xda")):
            pixels, _ = pixels_and_orientation(data[:place] + junk + exif + data[place:], "JPEG")
            assert pixels == data
            assert np.array_equal(read(data[:place] + junk + exif + data[place:], ANY_PICTURE), read(data, ANY_PICTURE))

    @pytest.mark.parametrize("marker", [b"\xff\xd8", b"\xff\xd9", b"\xff\xe1\x00\x00", b"\xff\xe1\x00\x01"])
    def test_a_head_that_makes_no_sense_lets_no_metadata_through(self, marker: bytes) -> None:
        data = encoded(picture(), "JPEG")
        with pytest.raises(Unusable, match="damaged"):
            read(data[:2] + marker + data[2:], ANY_PICTURE)

    def test_dropped_parts_count_too(self) -> None:
        comments = encoded(picture(), "JPEG")
        comments = comments[:2] + b"\xff\xfe\x00\x02" * MAX_PARTS + comments[2:]
        texts = encoded(picture(), "PNG")
        texts = texts[:33] + chunk(b"tEXt", b"") * MAX_PARTS + texts[33:]
        for data in (comments, texts):
            with pytest.raises(Unusable, match="damaged"):
                read(data, ANY_PICTURE)

    def test_profiles_texts_and_animations_are_not_looked_into(self) -> None:
        inflating = zlib.compress(bytes(1 << 20))
        data = encoded(picture(), "PNG")
        for kind, body in [
            (b"iCCP", b"x\x00\x00" + inflating),
            (b"zTXt", b"x\x00\x00" + inflating),
            (b"acTL", b"\x00\x00"),
            (b"eXIf", b"II*\x00" + b"\xff" * 40),
        ]:
            data = with_chunk(data, kind, body)
        assert np.array_equal(read(data, ANY_PICTURE), np.asarray(picture()))


_PEAK = """
import re, sys
from contextlib import nullcontext
from pathlib import Path
from PIL import JpegImagePlugin, PngImagePlugin
from chalicelib.vision.pictures.image import read
from regulars.serve import arenas
from tests.vision.album import ANY_PICTURE
arenas.give_large_blocks_back()
data, promised = Path(sys.argv[1]).read_bytes(), []
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
before = peak()
read(data, ANY_PICTURE, lambda size: promised.append(size) or nullcontext())
print(peak() - before - 3 * len(data), *promised)
"""
SIDE = 2_048
OTHER_BYTES = 16_000_000
"""What decoding takes besides, however large the picture is, and what the C library keeps of its small blocks."""


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {}),
        ("RGB", {"subsampling": 0, "progressive": True}),
        ("L", {}),
        ("CMYK", {"subsampling": 0, "progressive": True}),
        ("RGBA", None),
    ],
)
@pytest.mark.parametrize("ends_grey", [False, True])
def test_a_picture_takes_no_more_memory_than_was_promised_for_it(
    mode: str, options: dict[str, object] | None, ends_grey: bool, tmp_path: Path
) -> None:
    """If it ends in the grey that a decoder leaves, it is decoded twice."""
    image = picture(SIDE, SIDE)
    if ends_grey:
        image.paste((128, 128, 128), (0, SIDE - 64, SIDE, SIDE))
    options = {"exif": _TURNED, **options} if options is not None else None
    data = encoded(image.convert(mode), "PNG") if options is None else encoded(image.convert(mode), "JPEG", **options)
    (tmp_path / "picture").write_bytes(data)
    said = subprocess.run(
        [sys.executable, "-c", _PEAK, str(tmp_path / "picture")], capture_output=True, text=True, check=True
    ).stdout
    taken, promised = map(int, said.split())
    assert taken <= promised + OTHER_BYTES


def test_a_jpeg_of_a_camera_is_promised_half_of_what_others_may_take() -> None:
    def promised(data: bytes) -> float:
        asked: list[int] = []
        read(data, ANY_PICTURE, lambda size: asked.append(size) or nullcontext())  # type: ignore[func-returns-value]
        return asked[0] / (WIDTH * HEIGHT)

    assert promised(encoded(picture(), "JPEG")) <= 11
    assert promised(encoded(picture(), "JPEG", progressive=True)) == promised(encoded(picture(), "PNG")) == 18
