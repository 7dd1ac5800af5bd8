"""The most hostile files that stay within a request's limits, by kind: who reads one may not take
over a second or 200 MB."""

import base64
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from tests.support.workbook import MAIN, make_workbook

Maker = Callable[[], bytes]
SHEET, TEXTS, STYLES = "xl__worksheets__sheet1.xml", "xl__sharedStrings.xml", "xl__styles.xml"
MIB = 2**20
GREY = (128, 128, 128)
"""A JPEG that ends so is decoded twice."""


# --- pictures
# --------------------------------------------------------------------------------------------------


def encode(picture: Image.Image, file_format: str, **options: object) -> bytes:
    target = io.BytesIO()
    picture.save(target, file_format, **options)  # type: ignore[arg-type]  # passed on
    return target.getvalue()


def flat(width: int, height: int, mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (width, height), GREY).convert(mode)


@cache
def noise(width: int, height: int) -> NDArray[np.uint8]:
    tile = np.random.default_rng(1).integers(0, 255, (1024, 1024, 3), np.uint8)
    return np.tile(tile, (-(-height // 1024), -(-width // 1024), 1))[:height, :width]


def noise_jpeg(width: int, height: int, **options: object) -> bytes:
    picture = Image.fromarray(noise(width, height))
    picture.paste(GREY, (0, height - 16, width, height))
    return encode(picture, "JPEG", **options)


def scans(count: int, width: int, height: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    data = encode(flat(width, height), "JPEG", progressive=True, subsampling=0)
    last = data.rindex(b"\xff\xda")
    more = count - data.count(b"\xff\xda")
    return data[:-2] + data[last:-2] * more + data[-2:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    side: int,
    depth: int,
    colour: int,
    rows: bytes,
    *,
    interlace: int = 0,
    piece: int = 20 * MIB,
    more: bytes = b"",
) -> bytes:
    head = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, interlace)
    pieces = [rows[at : at + piece] for at in range(0, len(rows), piece)]
    data = b"".join(chunk(b"IDAT", one) for one in pieces)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + data + chunk(b"IEND", b"")


def paeth(size: int, height: int) -> bytes:
    """Rows that are each predicted by the one above."""
    return zlib.compress((b"\x04" + bytes(size)) * height)


def noise_rgba() -> bytes:
    """Rows of few values, which take long to unpack, in a file of nearly 20 MB."""
    few = np.random.default_rng(1).integers(0, 4, (4096, 4096 * 4), np.uint8)
    few[3500:] = 0
    return zlib.compress(b"".join(b"\x04" + row.tobytes() for row in few), 1)


def heic(picture: Image.Image, quality: int) -> bytes:
    target = io.BytesIO()
    pillow_heif.from_pillow(picture).save(target, quality=quality)
    return target.getvalue()


PALETTE = chunk(b"PLTE", bytes(768)) + chunk(b"tRNS", bytes(256))
PICTURES: dict[str, dict[str, Maker]] = {
    "JPEG": {
        "67 megapixels": lambda: encode(flat(8192, 8192), "JPEG", subsampling=0),
        "67 megapixels of noise": lambda: noise_jpeg(8192, 8192, subsampling=0, quality=8),
        "as many bytes as may be": lambda: noise_jpeg(4096, 4096, subsampling=0, quality=60),
        "as many pixels as are not reduced": lambda: noise_jpeg(5472, 3648, quality=60),
        "progressive": lambda: scans(10, 4096, 3072),
        "progressive, of four colours": lambda: encode(
            flat(2600, 2600, "CMYK"), "JPEG", progressive=True, subsampling=0
        ),
        "forty scans": lambda: scans(40, 2048, 1536),
        "twenty thousand segments": lambda: (
            b"\xff\xd8"
            + (b"\xff\xe5\x03\xe8" + bytes(998)) * 19_000
            + encode(flat(64, 64), "JPEG")[2:]
        ),
    },
    "PNG": {
        "sixteen bits and transparency": lambda: png(4096, 16, 6, paeth(4096 * 8, 4096)),
        "interlaced": lambda: png(4096, 16, 6, zlib.compress(bytes(4096 * 8193 * 8)), interlace=1),
        "noise": lambda: png(4096, 8, 6, noise_rgba()),
        "sixteen bits of grey": lambda: png(4096, 16, 0, paeth(4096 * 2, 4096)),
        "a palette": lambda: png(4096, 8, 3, paeth(4096, 4096), more=PALETTE),
        "one bit": lambda: encode(Image.new("1", (4096, 4096)), "PNG"),
        "tiny pieces": lambda: png(4096, 16, 6, paeth(4096 * 8, 4096), piece=8),
        "a colour profile": lambda: encode(flat(4096, 4096), "PNG", icc_profile=bytes(200 * MIB)),
    },
    "BMP": {
        "one bit": lambda: encode(Image.new("1", (4096, 4096)), "BMP"),
        "colours": lambda: encode(flat(2640, 2640), "BMP"),
    },
    "GIF": {
        "transparent": lambda: encode(flat(4096, 4096, "P"), "GIF", transparency=0),
        "noise": lambda: encode(Image.fromarray(noise(3800, 3800)[:, :, 0]), "GIF"),
        "many frames": lambda: encode(
            flat(4096, 4096, "P"),
            "GIF",
            save_all=True,
            append_images=[flat(8, 8, "P")] * 2000,
        ),
    },
    "WEBP": {
        "transparent": lambda: encode(flat(4032, 3024, "RGBA"), "WEBP", method=0),
        "noise": lambda: encode(Image.fromarray(noise(4032, 3024)), "WEBP", method=0, quality=9),
        "without loss": lambda: encode(
            Image.fromarray(noise(4032, 3024) & 1), "WEBP", lossless=True, method=0, quality=0
        ),
        "moving": lambda: encode(
            flat(4032, 3024), "WEBP", save_all=True, append_images=[flat(4032, 3024)] * 3, method=0
        ),
    },
    "HEIC": {
        "24 megapixels": lambda: heic(flat(5712, 4284), 80),
        "transparent": lambda: heic(flat(4096, 4096, "RGBA"), 80),
        "noise": lambda: heic(Image.fromarray(noise(2560, 2560)), 80),
    },
}

# --- tables
# --------------------------------------------------------------------------------------------------


def book(body: str, after: str = "", **others: str) -> bytes:
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData>{after}</worksheet>'
    return make_workbook([["path"]], **{SHEET: sheet}, **others)


def people(count: int) -> bytes:
    rows = "".join(
        f'<row r="{n}" spans="1:5"><c r="A{n}" t="s"><v>{n - 1}</v></c><c r="B{n}"><v>{n}</v></c>'
        f'<c r="C{n}" t="s"><v>{n % 9}</v></c><c r="D{n}" s="1"><v>{45_000 + n}</v></c>'
        f'<c r="E{n}" t="s"><v>{n % 7}</v></c></row>'
        for n in range(1, count + 1)
    )
    texts = "".join(f"<si><t>{'path' if n == 0 else n}</t></si>" for n in range(count))
    return book(rows, **{TEXTS: f"<sst>{texts}</sst>"})


def merge_columns(count: int, rows: int) -> bytes:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    names = [f"{first}{second}" for first in letters for second in letters][:count]
    cells = "".join(f'<mergeCell ref="{name}1:{name}1048576"/>' for name in names)
    filled = "".join(f'<c r="{name}1"><v>1</v></c>' for name in names)
    return book(f'<row r="1">{filled}</row>{"<row/>" * rows}', f"<mergeCells>{cells}</mergeCells>")


def parts_at_one_place() -> bytes:
    """A zip all of whose parts are the same bytes, so that a short file has many large ones."""
    target = io.BytesIO(book("<row/>" * 190_000))
    with zipfile.ZipFile(target, "a") as opened:
        sheet = opened.getinfo("xl/worksheets/sheet1.xml")
        for path in ("xl/sharedStrings.xml", "xl/styles.xml"):
            info = opened.getinfo(path)
            info.header_offset, info.CRC = sheet.header_offset, sheet.CRC
            info.compress_size, info.file_size = sheet.compress_size, sheet.file_size
        opened.writestr("more", b"")
    return target.getvalue()


MANY_ATTRIBUTES = "<c " + " ".join(f"a{n}=''" for n in range(25_000)) + "/>"
CELLS = "".join(f"<c><v>{n}.5</v></c>" for n in range(300))
WORKBOOKS: dict[str, Maker] = {
    "25,000 people": lambda: people(25_000),
    "elements": lambda: book("<c/>" * 690_000),
    "rows": lambda: book("<row/>" * 199_000),
    "rows of a cell": lambda: book("<row><c><v>1</v></c></row>" * 115_000),
    "days": lambda: book(
        f"<row>{CELLS}</row>" * 570, **{STYLES: "<s><cellXfs><xf numFmtId='22'/></cellXfs></s>"}
    ),
    "texts in cells": lambda: book('<row><c t="inlineStr"><is><t>a</t></is></c></row>' * 86_000),
    "shared texts": lambda: book(
        "", **{TEXTS: f"<sst>{'<si><t>_x0041_</t></si>' * 130_000}</sst>"}
    ),
    "attributes": lambda: book("<c a='' b='' c='' d=''/>" * 170_000),
    "an element of attributes": lambda: book(MANY_ATTRIBUTES * 25),
    "merged columns": lambda: merge_columns(600, 165),
    "nested rows": lambda: book("<row>" * 340_000 + "</row>" * 340_000),
    "long texts": lambda: book("<row><c><v>" + "1" * 15 * MIB + "</v></c></row>"),
    "many long texts": lambda: book(("<c><v>" + "1" * 200_000 + "</v></c>") * 75),
    "an endless text": lambda: book("x" * 15 * MIB),
    "lines": lambda: book(("\n" * 200_000 + "<c/>") * 3),
    "references": lambda: book(("&#65;" * 50_000 + "<c/>") * 13),
    "a bomb": lambda: book(" " * 1000 * MIB),
    "formats": lambda: book("", **{STYLES: f"<s>{'<numFmt/>' * 9_900}{'<a/>' * 600_000}</s>"}),
    "parts at one place": parts_at_one_place,
}
TABLES: dict[str, Maker] = {
    "rows": lambda: b"path\n" * 199_000,
    "cells": lambda: (b"a;" * 999 + b"a\n") * 499,
    "long cells": lambda: b"path\n" + (b"x" * 40_000 + b"\n") * 205,
    "lines in a cell": lambda: b'path\n"' + b"\n" * 8_300_000 + b'"',
    "quotes": lambda: b'path\n"' + b'""' * 4_150_000 + b'"',
    "an open quote": lambda: b'"' * 8_300_001,
    "blanks": lambda: b"path\n" + b" " * 8_300_000,
    "formulas": lambda: b"path\n" + b'="1"\n' * 190_000,
    "Windows-1252": lambda: b"path;n\n" + "Jörg;Müßig é\n".encode("cp1252") * 190_000,
    "GB18030": lambda: b"path;n\n" + "小明;大门口\n".encode("gb18030") * 190_000,
    "no letters": lambda: b"path\n" + bytes(range(128, 256)) * 65_000,
    "UTF-16": lambda: "path\n".encode("utf-16") + "会\n".encode("utf-16-le") * 199_000,
    "unseen signs": lambda: b"path\n" + ("\u200b" * 20_000 + "x\n").encode() * 135,
    "empty cells": lambda: (b";" * 998 + b"\n") * 8_000,
}

# --- bodies
# --------------------------------------------------------------------------------------------------

JSON_BODIES: dict[str, Maker] = {
    "a picture": lambda: json.dumps(
        {"picture": base64.b64encode(bytes(20 * MIB)).decode()}
    ).encode(),
    "nested lists": lambda: b'{"picture": ' + b"[" * 900 + b"]" * 900 + b"}",
    "deep": lambda: b'{"a":' * (4 * MIB),
    "commas": lambda: b'{"a": [' + b"{}," * 19_990 + b"{}]}",
    "many commas": lambda: b'{"a": [' + b"0," * (12 * MIB) + b"0]}",
    "names": lambda: b"{" + b",".join(b'"%d": {"%d":[[]]}' % (n, n) for n in range(19_990)) + b"}",
    "escapes": lambda: b'{"picture": "' + b"\\u0041" * (4 * MIB) + b'"}',
    "a long number": lambda: b'{"a": ' + b"9" * (26 * MIB) + b"}",
    "white space": lambda: b'{"a":' + b" " * (26 * MIB) + b"1}",
    "half pairs": lambda: b'{"a": "' + b"\\ud800" * (4 * MIB) + b'"}',
    "blobs": lambda: b'{"picture": "' + b"A\\n" * (8 * MIB) + b'"}',
}


def pad(data: bytes, most: int) -> bytes:
    return data[:most]


def form(*parts: bytes) -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


FILE = b'Content-Disposition: form-data; name="picture"; filename="a.jpg"\r\n'
FORMS: dict[str, Maker] = {
    "a picture": lambda: form(FILE + b"\r\n" + bytes(20 * MIB)),
    "false ends": lambda: form(FILE + b"\r\n" + b"\r\n--" * (6 * MIB)),
    "lines": lambda: form(FILE + b"\r\n" + b"\r\n" * (13 * MIB)),
    "returns": lambda: form(FILE + b"\r\n" + b"\r" * (26 * MIB)),
    "quoted printable": lambda: form(
        FILE + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=41" * (8 * MIB)
    ),
    "base64": lambda: form(
        FILE + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QQ\n=" * (6 * MIB)
    ),
    "empty parts": lambda: form(*[b"\r\n"] * 1_000_000),
    "headers": lambda: form(b"a: b\r\n" * 1_000_000 + b"\r\n"),
    "no end": lambda: b"-" * (26 * MIB),
}
PAIRS: dict[str, Maker] = {
    "escapes": lambda: b"a=" + b"%41" * 174_000,
    "pairs": lambda: b"a&" * 260_000,
    "signs": lambda: b"a=" + b"+" * 520_000,
}
BASE64: dict[str, Maker] = {
    "digits": lambda: base64.b64encode(bytes(20 * MIB)),
    "lines": lambda: b"Q\n" * (13 * MIB),
    "commas": lambda: b"data:" + b"," * (26 * MIB),
}
XML: dict[str, Maker] = {
    "elements": lambda: b"<a>" + b"<a/>" * 260_000 + b"</a>",
    "deep": lambda: b"<a>" * 149_000 + b"</a>" * 149_000,
    "attributes": lambda: b"<a " + b" ".join(b'a%d=""' % n for n in range(90_000)) + b"/>",
    "lines": lambda: b"<a>" + b"\n" * 1_000_000 + b"</a>",
    "references": lambda: b"<a>" + b"&#65;" * 200_000 + b"</a>",
    "entities": lambda: b"<!DOCTYPE a [<!ENTITY b '" + b"b" * 99 + b"'>]><a>&b;</a>",
}
LISTS: dict[str, Maker] = {
    "events": lambda: (
        b"["
        + b",".join(b'{"id":"%d","camera":"door","start_time":1}' % n for n in range(300_000))
        + b"]"
    ),
    "lists": lambda: b"[" + b"[]," * (5 * MIB) + b"[]]",
    "deep": lambda: b"[" * (16 * MIB),
}

FILES: dict[str, dict[str, Maker]] = {
    **PICTURES,
    "workbook": WORKBOOKS,
    "CSV": TABLES,
    "JSON of v1": JSON_BODIES,
    "JSON of Rekognition": {
        name: partial(lambda make: pad(make(), 14 * MIB), make)
        for name, make in JSON_BODIES.items()
    }
    | {
        "lists": lambda: b'{"FaceIds": [' + b"[]," * (4 * MIB) + b"[]]}",
        "faces": lambda: b'{"FaceIds": [' + b'"",' * (4 * MIB) + b'""]}',
    },
    "form": FORMS,
    "form in a URL's way": PAIRS,
    "base64": BASE64,
    "XML of a camera": XML,
    "list of Frigate": LISTS,
}
"""By kind of file and what is hostile, a maker."""
