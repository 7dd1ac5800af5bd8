import io
import struct
import subprocess
import sys
import tracemalloc
import zlib
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image, ImageOps

from chalicelib.book.vision.pictures.containers import MAX_PARTS, drop_metadata
from chalicelib.book.vision.pictures.image import MOST, read_picture, read_size
from chalicelib.domain.captures import RULES as CAPTURES
from chalicelib.domain.captures import Capture, CaptureState
from chalicelib.domain.errors import Unusable
from chalicelib.domain.pictures import PictureRules, Sides
from tests.support.examples import parametrize
from tests.support.pictures.album import ANY_PICTURE
from tests.support.pictures.rules import KINDS, RULES

WIDTH, HEIGHT = 48, 32
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
COLOUR = (200, 120, 40)


def picture(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Smooth, without a symmetry: red grows to the right, green downwards, blue along the
    diagonal."""
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
    return read_picture(data, ANY_PICTURE)[5, 5].astype(int)


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
MODES = ["RGB", "L", "CMYK"]


def turns(count: int, *columns: list[Any]) -> list[tuple[Any, ...]]:
    """Rows that take each column in turn, the last one slower if it is as long as the one
    before."""
    return [
        (*(one[n % len(one)] for one in columns[:-1]), columns[-1][n // 3 % len(columns[-1])])
        for n in range(count)
    ]


class TestKindsOfPictures:
    @pytest.mark.parametrize(
        ("options", "mode", "size"), turns(10, JPEGS, MODES, [(300, 200), (17, 33)])
    )
    def test_a_jpeg_that_ends_in_the_middle_grey_is_read_as_any(
        self, options: dict[str, object], mode: str, size: tuple[int, int]
    ) -> None:
        """Which is what a decoder leaves where there is no data."""
        for face in (picture(8, 8), Image.new("L", (1, 1), 128)):
            image = Image.new("RGB", size, (128, 128, 128))
            image.paste(face.convert("RGB"))
            data = encoded(image.convert(mode), "JPEG", **options)
            assert read_picture(data, ANY_PICTURE)[-1, -1].tolist() in ([127] * 3, [128] * 3)

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
        seen = read_picture(encoded(picture(), file_format, **options), ANY_PICTURE)
        assert seen.shape == (HEIGHT, WIDTH, 3)
        assert seen.dtype == np.uint8
        assert seen.flags["C_CONTIGUOUS"]
        assert np.abs(seen.astype(int) - np.asarray(picture())).max() <= (
            0 if file_format != "JPEG" else 12
        )

    @pytest.mark.parametrize(
        ("file_format", "mode"),
        [("PNG", mode) for mode in ("1", "L", "P", "RGB", "LA", "RGBA")]
        + [("BMP", mode) for mode in ("1", "L", "P", "RGB", "RGBA")],
    )
    def test_every_mode_is_rgb(self, mode: str, file_format: str) -> None:
        image = Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode)
        assert (
            read_picture(encoded(image, file_format), ANY_PICTURE).tolist()
            == [[[255, 255, 255]] * 8] * 8
        )

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
        seen = read_picture(encoded(image, "PNG"), ANY_PICTURE)
        assert seen[5, 5].tolist() == list(COLOUR)
        assert seen[0, 0].tolist() == [255, 255, 255]

    def test_a_palette_with_transparency_is_read_without_a_warning(self) -> None:
        image = Image.new("P", (8, 8), 1)
        image.putpalette([0, 0, 0, *COLOUR])
        assert pixel(encoded(image, "PNG", transparency=b"\x00\xff")).tolist() == list(COLOUR)
        assert pixel(encoded(image, "PNG", transparency=b"\xff\x00")).tolist() == [255, 255, 255]

    def test_of_an_animated_png_the_first_picture_counts(self) -> None:
        first, second = Image.new("RGB", (8, 8), COLOUR), Image.new("RGB", (8, 8), (0, 0, 0))
        assert pixel(encoded(first, "PNG", save_all=True, append_images=[second])).tolist() == list(
            COLOUR
        )

    def test_of_a_jpeg_with_several_pictures_the_first_counts(self) -> None:
        first, second = Image.new("RGB", (16, 16), COLOUR), Image.new("RGB", (16, 16), (0, 0, 0))
        data = encoded(first, "MPO", save_all=True, append_images=[second], quality=95)
        assert np.abs(pixel(data) - COLOUR).max() <= 3

    @pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1)])
    def test_a_single_pixel_is_a_picture(self, size: tuple[int, int]) -> None:
        for file_format in ("JPEG", "PNG", "BMP"):
            seen = read_picture(encoded(Image.new("RGB", size, COLOUR), file_format), ANY_PICTURE)
            assert seen.shape == (size[1], size[0], 3)


class TestWhatIsRefused:
    def refused(self, data: bytes, **rules: object) -> str:
        with pytest.raises(Unusable) as caught:
            read_picture(data, replace(ANY_PICTURE, **rules))  # type: ignore[arg-type]
        return str(caught.value)

    def test_nothing(self) -> None:
        assert self.refused(b"") == "the picture is empty; send a JPG or PNG or BMP file"

    @pytest.mark.parametrize("file_format", ["GIF", "TIFF", "WEBP", "ICO", "PPM"])
    def test_other_formats(self, file_format: str) -> None:
        named = (
            f"a {file_format} file"
            if file_format in ("GIF", "TIFF", "WEBP")
            else "no picture that can be read"
        )
        assert (
            self.refused(encoded(picture(), file_format))
            == f"this is {named}; send a JPG or PNG or BMP file"
        )

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
            (b"<html>not a picture</html>", "no picture that can be read"),
        ],
    )
    def test_a_file_of_another_kind_is_named(self, begin: bytes, named: str) -> None:
        assert self.refused(begin + bytes(64)) == f"this is {named}; send a JPG or PNG or BMP file"

    def test_a_format_that_the_caller_does_not_take(self) -> None:
        message = self.refused(encoded(picture(), "BMP"), formats=frozenset({"JPEG", "PNG"}))
        assert message == "this is a BMP file; send a JPG or PNG file"

    def test_too_many_bytes(self) -> None:
        assert "send at most 100" in self.refused(encoded(picture(), "PNG"), max_bytes=100)

    @pytest.mark.parametrize("size", [(1921, 1080), (1080, 1921), (1920, 1081), (1081, 1920)])
    def test_too_many_pixels_in_either_orientation(self, size: tuple[int, int]) -> None:
        limits = {"max_long_side_px": 1920, "max_short_side_px": 1080}
        assert "send at most 1920x1080" in self.refused(
            encoded(Image.new("L", size), "PNG"), **limits
        )

    @pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (1080, 1080)])
    def test_the_largest_allowed_picture_is_read(self, size: tuple[int, int]) -> None:
        rules = replace(ANY_PICTURE, max_long_side_px=1920, max_short_side_px=1080)
        assert read_picture(encoded(Image.new("L", size), "PNG"), rules).shape == (
            size[1],
            size[0],
            3,
        )

    def test_too_few_pixels(self) -> None:
        assert "at least 15" in self.refused(
            encoded(Image.new("L", (400, 14)), "PNG"), min_short_side_px=15
        )

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
        assert "60000x60000 pixels" in self.refused(bytes(data))

    def test_a_jpeg_of_thousands_of_scans(self) -> None:
        data = encoded(picture(), "JPEG", progressive=True)
        last = data.rindex(b"\xff\xda")
        assert "at most 40" in self.refused(data[:-2] + data[last:-2] * 5_000 + data[-2:])

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
        assert "damaged or cut short" in self.refused(data)

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
        assert read_picture(data, ANY_PICTURE).shape == (64, 64, 3)
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
        tracemalloc.stop()

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "BMP"])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_a_file_cut_short(self, file_format: str, share: float) -> None:
        data = encoded(picture(300, 200), file_format)
        assert "damaged or cut short" in self.refused(data[: int(len(data) * share)])

    @pytest.mark.parametrize(
        ("options", "mode", "size"),
        turns(12, JPEGS, MODES, [(400, 300), (1000, 200), (300, 224), (4000, 3000)]),
    )
    def test_a_jpeg_whose_header_tells_of_more_than_it_has(
        self, options: dict[str, object], mode: str, size: tuple[int, int]
    ) -> None:
        data = bytearray(encoded(picture(300, 200).convert(mode), "JPEG", **options))
        frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        data[frame + 5 : frame + 9] = struct.pack(">HH", size[1], size[0])
        assert "damaged or cut short" in self.refused(bytes(data))

    @pytest.mark.parametrize(("options", "mode", "share"), turns(9, JPEGS, MODES, [0.5, 0.7, 0.8]))
    def test_a_jpeg_cut_short_that_somebody_gave_an_end(
        self, options: dict[str, object], mode: str, share: float
    ) -> None:
        """A progressive one that is cut behind its first scan is a picture, only a coarse one,
        which is smoothed."""
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

    @pytest.mark.parametrize("file_format", ["PNG", "BMP", "GIF", "WEBP", "HEIC"])
    def test_more_pixels_than_a_format_is_read_with_in_a_second(self, file_format: str) -> None:
        large = Image.new("1", (5000, 4900))
        data = heic(large.convert("L")) if file_format == "HEIC" else encoded(large, file_format)
        said = self.refused(data, formats=frozenset({file_format}))
        most = f"{MOST[file_format].pixels / 1e6:.1f} million"
        assert said.endswith(f"file has 5000x4900 pixels; send at most {most}, or save it as JPG")

    def test_more_bytes_than_a_format_is_read_with_in_a_second(self) -> None:
        data = encoded(picture(), "WEBP") + bytes(MOST["WEBP"].size)
        assert "send at most 4194304" in self.refused(data, formats=frozenset({"WEBP"}))

    def test_more_scans_than_so_many_pixels_may_have(self) -> None:
        def save(width: int, height: int) -> bytes:
            return encoded(Image.new("RGB", (width, height)), "JPEG", progressive=True)

        assert "has several scans and 4100x3100 pixels" in self.refused(save(4100, 3100))
        data = save(4000, 3000)
        assert read_picture(data, ANY_PICTURE).shape == (3000, 4000, 3)
        last = data.rindex(b"\xff\xda")
        assert "at most 10, as all" in self.refused(data[:-2] + data[last:-2] * 9 + data[-2:])

    @pytest.mark.parametrize("marker", [0xC9, 0xCA, 0xCC])
    def test_a_jpeg_of_arithmetic_coding(self, marker: int) -> None:
        data = encoded(picture(), "JPEG").replace(b"\xff\xc0", bytes((0xFF, marker)), 1)
        assert "damaged or cut short" in self.refused(data)


class TestMetadata:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
    def test_exif_orientation_is_undone(self, orientation: int, file_format: str) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"quality": 95, "subsampling": 0} if file_format == "JPEG" else {}
        data = encoded(picture(), file_format, exif=exif, **options)
        want = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
        assert np.array_equal(read_picture(data, ANY_PICTURE), want)

    @pytest.mark.parametrize("value", [0, 9, 65535])
    def test_an_orientation_that_is_none_is_upright(self, value: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = value
        assert read_picture(encoded(picture(), "JPEG", exif=exif), ANY_PICTURE).shape == (
            HEIGHT,
            WIDTH,
            3,
        )

    @given(
        st.binary(max_size=80),
        st.sampled_from([b"Exif\x00\x00II*\x00", b"Exif\x00\x00MM\x00*", b"Exif\x00\x00"]),
    )
    @settings(max_examples=60, deadline=None)
    def test_any_exif_leaves_the_picture_readable(self, noise: bytes, head: bytes) -> None:
        data = with_segment(encoded(picture(), "JPEG"), 0xE1, head + noise)
        assert sorted(read_picture(data, ANY_PICTURE).shape) == [3, HEIGHT, WIDTH]

    @pytest.mark.parametrize(
        "junk", [b"\x00", b"junk", b"\xff\x00", b"\xff" * 2000, b"\xff\xd0", b"\xff\x01"]
    )
    def test_what_decoders_skip_between_segments_lets_no_metadata_through(
        self, junk: bytes
    ) -> None:
        data = encoded(picture(), "JPEG")
        exif = with_segment(data, 0xE1, b"Exif\x00\x00II*\x00" + bytes(60))[2 : -len(data) + 2]
        for place in (data.index(b"\xff\xdb"), data.index(b"\xff\xda")):
            pixels, _ = drop_metadata(data[:place] + junk + exif + data[place:], "JPEG")
            assert pixels == data
            assert np.array_equal(
                read_picture(data[:place] + junk + exif + data[place:], ANY_PICTURE),
                read_picture(data, ANY_PICTURE),
            )

    @pytest.mark.parametrize(
        "marker", [b"\xff\xd8", b"\xff\xd9", b"\xff\xe1\x00\x00", b"\xff\xe1\x00\x01"]
    )
    def test_a_head_that_makes_no_sense_lets_no_metadata_through(self, marker: bytes) -> None:
        data = encoded(picture(), "JPEG")
        with pytest.raises(Unusable, match="damaged"):
            read_picture(data[:2] + marker + data[2:], ANY_PICTURE)

    def test_dropped_parts_count_too(self) -> None:
        comments = encoded(picture(), "JPEG")
        comments = comments[:2] + b"\xff\xfe\x00\x02" * MAX_PARTS + comments[2:]
        texts = encoded(picture(), "PNG")
        texts = texts[:33] + chunk(b"tEXt", b"") * MAX_PARTS + texts[33:]
        for data in (comments, texts):
            with pytest.raises(Unusable, match="damaged"):
                read_picture(data, ANY_PICTURE)

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
        assert np.array_equal(read_picture(data, ANY_PICTURE), np.asarray(picture()))


_PEAK = """
import re, sys
from contextlib import nullcontext
from msgspec.structs import replace
from pathlib import Path
import pi_heif
from PIL import JpegImagePlugin, PngImagePlugin
from chalicelib.book.vision.pictures.image import read_picture
from regulars.serve import arenas
from tests.support.pictures.album import ANY_PICTURE
arenas.give_large_blocks_back()
data, promised = Path(sys.argv[1]).read_bytes(), []
kinds = ANY_PICTURE.formats | {"WEBP", "HEIC", "GIF"}
bound = {"most_pixels": int(sys.argv[2])} if sys.argv[2:] else {}
rules = replace(ANY_PICTURE, formats=kinds, **bound)
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
before = peak()
read_picture(data, rules, lambda size: promised.append(size) or nullcontext())
print(peak() - before - 3 * len(data), *promised)
"""
SIDE = 2_048
OTHER_BYTES = 16_000_000
"""What decoding takes besides, however large the picture is, and what the C library keeps of its
small blocks."""


def require_promised(data: bytes, folder: Path, *most_pixels: int) -> None:
    """Read the picture in a process of its own, which takes no more memory than was promised."""
    (folder / "picture").write_bytes(data)
    asked = [sys.executable, "-c", _PEAK, str(folder / "picture"), *map(str, most_pixels)]
    taken, promised = map(
        int, subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    )
    assert taken <= promised + OTHER_BYTES


@parametrize(
    ("mode", "options", "ends_grey"),
    [
        ("RGB", {}, True),
        ("RGB", {"subsampling": 0, "progressive": True}, True),
        ("L", {}, False),
        ("CMYK", {"subsampling": 0, "progressive": True}, True),
        ("RGBA", None, False),
    ],
    gate=2,
)
def test_a_picture_takes_no_more_memory_than_was_promised_for_it(
    mode: str, options: dict[str, object] | None, ends_grey: bool, tmp_path: Path
) -> None:
    """If it ends in the grey that a decoder leaves, it is decoded twice."""
    image = picture(SIDE, SIDE)
    if ends_grey:
        image.paste((128, 128, 128), (0, SIDE - 64, SIDE, SIDE))
    options = {"exif": _TURNED, **options} if options is not None else None
    data = (
        encoded(image.convert(mode), "PNG")
        if options is None
        else encoded(image.convert(mode), "JPEG", **options)
    )
    require_promised(data, tmp_path)


def test_a_jpeg_of_a_camera_is_promised_less_than_one_of_several_scans() -> None:
    def promised(data: bytes) -> float:
        asked: list[int] = []
        read_picture(data, ANY_PICTURE, lambda size: asked.append(size) or nullcontext())  # type: ignore[func-returns-value]
        return asked[0] / (WIDTH * HEIGHT)

    assert promised(encoded(picture(), "JPEG")) == promised(encoded(picture(), "PNG")) == 8
    assert promised(encoded(picture(), "JPEG", progressive=True)) == 14


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


@pytest.mark.parametrize(
    "options", [{"lossless": True}, {"quality": 95}, {"quality": 95, "exif": turned(1)}]
)
def test_a_webp_is_read(options: dict[str, object]) -> None:
    seen = read_picture(encoded(picture(), "WEBP", **options), RULES)
    assert seen.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(seen.astype(int) - np.asarray(picture())).max() <= (
        0 if "lossless" in options else 12
    )


@pytest.mark.parametrize("lossless", [True, False])
def test_behind_a_transparent_webp_is_white_paper(lossless: bool) -> None:
    image = Image.new("RGBA", (16, 16), (*COLOUR, 0))
    image.paste((*COLOUR, 255), (0, 0, 8, 16))
    seen = read_picture(
        encoded(image, "WEBP", lossless=lossless, quality=95, exif=turned(1)), RULES
    )
    assert np.abs(seen[8, 3].astype(int) - COLOUR).max() <= 8
    assert seen[8, 14].min() >= 247


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_webp_is_turned_upright(orientation: int) -> None:
    data = encoded(picture(), "WEBP", lossless=True, exif=turned(orientation))
    want = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    assert np.array_equal(read_picture(data, RULES), want)
    assert read_size(data, RULES) == (want.shape[1], want.shape[0])


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "WEBP"])
def test_of_an_animation_the_first_picture_counts(file_format: str) -> None:
    """Whatever its places and its transparency; of what comes later, nothing is read."""
    rules = PictureRules(frozenset({file_format}), 1 << 20, 8192, 8192)
    others = [Image.new("RGB", (WIDTH, HEIGHT), (number, 0, 0)) for number in range(40)]
    lossless = {"lossless": True} if file_format == "WEBP" else {}
    data = encoded(
        picture(), file_format, save_all=True, append_images=others, duration=50, **lossless
    )
    assert Image.open(io.BytesIO(data)).n_frames == 41
    assert read_size(data, rules) == (WIDTH, HEIGHT)
    still = read_picture(encoded(picture(), file_format, **lossless), rules)
    assert np.array_equal(read_picture(data, rules), still)


def test_a_webp_that_moves_is_turned_upright_and_stands_on_white_paper() -> None:
    image = Image.new("RGBA", (16, 16), (*COLOUR, 0))
    image.paste((*COLOUR, 255), (0, 0, 8, 16))
    later = Image.new("RGBA", (16, 16), (0, 0, 0, 255))
    how = {"save_all": True, "append_images": [later], "lossless": True}
    seen = read_picture(encoded(image, "WEBP", exif=turned(6), **how), RULES)
    assert seen[3, 8].tolist() == list(COLOUR)
    assert seen[14, 8].min() == 255


def test_a_damaged_animation_is_told() -> None:
    whole = encoded(
        picture(), "WEBP", save_all=True, append_images=[Image.new("RGB", (WIDTH, HEIGHT))]
    )
    first = whole.index(b"ANMF")
    broken = [
        whole[: first + 40],
        whole.replace(b"ANIM", b"NONE"),
        whole[:first] + b"ANMF" + b"\xff" * 40,
    ]
    for data in (*broken, whole.replace(b"ANMF", b"NONE")):
        with pytest.raises(Unusable, match=r"the WEBP file is damaged or cut short"):
            read_picture(data, RULES)


@pytest.mark.parametrize("lossless", [True, False])
def test_a_webp_that_tells_of_a_huge_picture_is_refused_before_its_canvas_is_made(
    lossless: bool,
) -> None:
    plain = bytearray(encoded(Image.new("RGB", (64, 64)), "WEBP", lossless=lossless))
    plain[(21 if lossless else 26) : (25 if lossless else 30)] = (
        b"\xff\xff\xff\x0f" if lossless else b"\xff\x3f\xff\x3f"
    )
    with pytest.raises(Unusable, match=r"16384x16384|16383x16383"):
        read_picture(bytes(plain), RULES)
    extended = bytearray(encoded(Image.new("RGBA", (64, 64), (1, 2, 3, 4)), "WEBP", lossless=False))
    assert extended[12:16] == b"VP8X"
    extended[24:30] = b"\xff\xff\xff" * 2
    with pytest.raises(Unusable, match="16777216x16777216"):
        read_picture(bytes(extended), RULES)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["WEBP", "HEIC"])
def test_a_file_cut_short_is_refused(kind: str, share: float) -> None:
    image = picture(300, 200)
    data = encoded(image, "WEBP") if kind == "WEBP" else heic(image)
    with pytest.raises(Unusable, match=f"the {kind} file is damaged or cut short"):
        read_picture(data[: int(len(data) * share)], RULES)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_of_an_iphone_is_read_upright(orientation: int) -> None:
    image = picture(120, 80)
    data = heic(image, orientation)
    want = np.asarray(
        image if orientation == 1 else ImageOps.exif_transpose(_with(image, orientation))
    )
    seen = read_picture(data, RULES)
    assert seen.shape == want.shape
    assert np.abs(seen.astype(int) - want).mean() < 3
    assert read_size(data, RULES) == (want.shape[1], want.shape[0])


def _with(image: Image.Image, orientation: int) -> Image.Image:
    return Image.open(io.BytesIO(encoded(image, "PNG", exif=turned(orientation))))


def test_heic_and_webp_are_refused_by_those_who_do_not_take_them() -> None:
    for data, name in ((heic(picture(64, 64)), "HEIC"), (encoded(picture(), "WEBP"), "WEBP")):
        with pytest.raises(Unusable, match=f"this is a {name} file; send a JPG or PNG or BMP file"):
            read_picture(data, ANY_PICTURE)


_WITHOUT = """
import sys
sys.modules["pi_heif"] = None
from tests.book.vision.test_image import RULES
from chalicelib.domain.errors import Unusable
from chalicelib.book.vision.pictures.image import read_picture
try:
    read_picture(open(sys.argv[1], "rb").read(), RULES)
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
    def test_they_are_reduced_while_they_are_decoded(
        self, factor: int, step: int, options: dict[str, object]
    ) -> None:
        large = picture(WIDTH * factor, HEIGHT * factor)
        data = encoded(large, "JPEG", quality=95, exif=turned(6), **options)
        seen = read_picture(data, self.rules)
        assert seen.shape == (-(-WIDTH * factor // step), -(-HEIGHT * factor // step), 3)
        assert read_size(data, self.rules) == (HEIGHT * factor, WIDTH * factor)
        want = np.asarray(
            large.resize((seen.shape[0], seen.shape[1]), Image.Resampling.BOX)
        ).transpose(1, 0, 2)
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
        seen = read_picture(data, self.rules)
        assert seen.shape == (-(-large.height // step), -(-large.width // step), 3)
        assert read_size(data, self.rules) == large.size
        want = np.asarray(
            large.convert("RGB").resize((seen.shape[1], seen.shape[0]), Image.Resampling.BOX)
        )
        assert np.abs(seen.astype(int) - want).mean() < 3

    @pytest.mark.parametrize("share", [0.5, 0.8])
    @pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}])
    def test_one_that_is_cut_short_is_refused(
        self, share: float, options: dict[str, object]
    ) -> None:
        data = encoded(picture(WIDTH * 8, HEIGHT * 8), "JPEG", **options)
        cut = data[: int(len(data) * share)].rstrip(b"\xff") + b"\xff\xd9"
        with pytest.raises(Unusable, match="damaged or cut short"):
            read_picture(cut, self.rules)

    def test_one_that_ends_in_the_middle_grey_is_read(self) -> None:
        large = picture(WIDTH * 4, HEIGHT * 4)
        large.paste((128, 128, 128), (0, HEIGHT * 2, WIDTH * 4, HEIGHT * 4))
        for options in ({}, {"progressive": True}):
            assert (
                read_picture(encoded(large, "JPEG", **options), self.rules)[-1, -1].tolist()
                == [128] * 3
            )


@parametrize("kind", ["lossless webp", "transparent webp", "heic", "jpeg", "cmyk"], gate=2)
def test_a_reduced_picture_takes_no_more_memory_than_was_promised_for_it(
    kind: str, tmp_path: Path
) -> None:
    """JPEGs are reduced to a half."""
    image = picture(SIDE, SIDE)
    data = {
        "lossless webp": lambda: encoded(image, "WEBP", lossless=True, exif=turned(6)),
        "transparent webp": lambda: encoded(image.convert("RGBA"), "WEBP", exif=turned(6)),
        "heic": lambda: heic(image, 6),
        "jpeg": lambda: encoded(image, "JPEG", exif=turned(6)),
        "cmyk": lambda: encoded(
            image.convert("CMYK"), "JPEG", progressive=True, subsampling=0, exif=turned(6)
        ),
    }[kind]()
    require_promised(data, tmp_path, SIDE * SIDE // 4)


def test_a_photograph_of_fifty_megapixels_takes_the_room_of_twelve() -> None:
    asked: list[int] = []

    def room(needed: int) -> nullcontext[None]:
        asked.append(needed)
        return nullcontext()

    data = encoded(Image.new("RGB", (8160, 6120), COLOUR), "JPEG")
    assert read_picture(data, replace(RULES, most_pixels=1 << 24), room).shape == (3060, 4080, 3)
    assert asked == [4080 * 3060 * 8]


def test_a_capture_is_decoded_to_the_sides_in_which_its_boxes_lie() -> None:
    """A former version reduced none; faces are hidden at these places."""
    data = encoded(Image.new("L", (5001, 4001)), "JPEG", exif=turned(6))
    reduced = read_picture(data, CAPTURES)
    assert reduced.shape == (2501, 2001, 3)
    for sides in (Sides(4001, 5001), Sides(2001, 2501)):
        capture = Capture("", "", NOON, "", 0, "", CaptureState.RESOLVED, sides=sides)
        assert read_picture(data, capture.rules).shape == (sides.height, sides.width, 3)


def test_heic_whose_decoder_finds_no_width_is_refused() -> None:
    """The box of its coded sides says 64 x 64; in the parameters of its codec no side is left."""
    data = heic(picture(40, 30))
    damaged = data.replace(bytes.fromhex("a0208105"), bytes.fromhex("a020ffff"))
    assert damaged != data
    with pytest.raises(Unusable, match="the HEIC file is damaged or cut short"):
        read_picture(damaged, RULES)


def test_of_a_gif_the_first_picture_is_read_within_what_was_promised(tmp_path: Path) -> None:
    rules = replace(RULES, formats=KINDS | {"GIF"})
    first, second = (Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("red", "blue"))
    moving = encoded(first, "GIF", save_all=True, append_images=[second])
    assert read_picture(moving, rules)[5, 5].tolist() == [255, 0, 0] or read_picture(moving, rules)[
        5, 5
    ].tolist() == [
        254,
        0,
        0,
    ]
    require_promised(encoded(picture(SIDE, SIDE), "GIF"), tmp_path)
    whole = bytearray(encoded(picture(SIDE, SIDE), "GIF"))
    frame = whole.index(b"," + bytes(4))
    whole[frame + 5 : frame + 9] = struct.pack("<HH", 50_000, 50_000)  # larger than its canvas
    with pytest.raises(Unusable, match="the GIF file is damaged or cut short"):
        read_picture(bytes(whole), rules)
    with pytest.raises(Unusable, match="the GIF file is damaged or cut short"):
        read_picture(moving[:60], rules)
