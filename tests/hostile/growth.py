"""The worst inputs known to each parser of what strangers send, and what these cost: `make growth`.

A quadratic parser takes sixteen times as long for four times the input. The gate counts lines and
bytes instead of time (test_growth.py): that is the same on each machine, and does not see what one
call of a library does. This does.
"""

import gc
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial

from chalicelib.api.forms import MAX_BOUNDARY, parse_form
from chalicelib.api.http import JSON, MediaType
from chalicelib.api.icredit.request import Parameters, decode_base64, parse_parameters
from chalicelib.api.sunmi.request import Parameters as SunmiParameters
from chalicelib.api.sunmi.request import SignedForm, is_signed, parse_list
from chalicelib.api.v1.cameras import NewCamera
from chalicelib.api.v1.captures import CapturesWanted
from chalicelib.api.v1.times import parse_time, parse_time_parameter
from chalicelib.api.v1.wire import parse_body, parse_finite_object, parse_query
from chalicelib.book.cameras import legal_camera_name
from chalicelib.book.vision.pictures.containers import drop_metadata, insert_noise, split_views
from chalicelib.domain.errors import RegularsError
from chalicelib.domain.names import legal_group_name, normalise_name
from chalicelib.storage.items import PageTokens
from regulars.serve.lanes import SMALL_BYTES, UNPROVED, Budget, Holding

MOST = 8
"""Times as long as for a quarter of the input: four, and up to seven were seen when caches were
full."""
LEAST_S = 0.015
"""Shorter runs are not compared: a refusal after the first bytes costs nothing, and caches weigh
more than inputs."""
TRIES = 40

URLENCODED = MediaType("application/x-www-form-urlencoded")
DASHES = b"-" * MAX_BOUNDARY
MULTIPART = MediaType("multipart/form-data", boundary=DASHES)
LINE = b"--" + DASHES
HEAD = LINE + b'\r\nContent-Disposition: form-data; name="a"\r\n'
EXIF = b"\xff\xe1\x00\x10Exif\x00\x00II*\x00\x08\x00\x00\x00"
INDEX = b"\xff\xe2\x00\x1cMPF\x00II*\x00\x08\x00\x00\x00\x01\x00\x02\xb0\x07\x00\x30\x00\x00\x00"
"""Of three pictures, and cut short."""
SCAN = b"\xff\xda\x00\x02"
TOKENS = PageTokens("any")


def members(n: int, *, again: bool = False) -> bytes:
    names = [f'"{number:x}":"0"' for number in range(n)]
    return ("{" + ",".join([*names, *names[-1:]] if again else names) + "}").encode()


def unknown_members(body: bytes) -> object:
    return parse_body(body, NewCamera)


def form(n: int, name: str = "timestamp", text: str = "9") -> SignedForm:
    public = {"app_id": "a", "random": "123456", "timestamp": "1", "sign": "x"} | {name: text * n}
    body = "&".join(f"{key}={value}" for key, value in public.items()).encode()
    return SignedForm.read(parse_form(URLENCODED, body))


def of_jpeg(n: int, part: bytes, begin: bytes = b"") -> object:
    return drop_metadata(b"\xff\xd8" + begin + part * n, "JPEG")


def of_part(n: int, head: bytes, part: bytes) -> object:
    return parse_form(MULTIPART, HEAD + head + b"\r\n" + part * n + b"\r\n" + LINE + b"--\r\n")


CASES: dict[str, tuple[int, Callable[[int], Callable[[], object]]]] = {
    # JSON
    "a member twice, v1": (4_000, lambda n: partial(parse_finite_object, members(n, again=True))),
    "a member twice, iCREDIT": (
        4_000,
        lambda n: partial(parse_parameters, MediaType(JSON), members(n, again=True)),
    ),
    "unknown members": (2_500, lambda n: partial(unknown_members, members(n))),
    "nested lists": (40_000, lambda n: lambda: parse_finite_object(b"[" * n)),
    "nested objects": (40_000, lambda n: lambda: parse_finite_object(b'{"a":' * n)),
    "a long number": (100_000, lambda n: lambda: parse_finite_object(b'{"a":' + b"9" * n + b"}")),
    "a long fraction": (
        100_000,
        lambda n: lambda: parse_finite_object(b'{"a":0.' + b"9" * n + b"}"),
    ),
    "escapes": (20_000, lambda n: lambda: parse_finite_object(b'{"a":"' + rb"\u00e9" * n + b'"}')),
    "half characters": (
        20_000,
        lambda n: lambda: parse_finite_object(b'{"a":"' + rb"\ud800" * n + b'"}'),
    ),
    # urlencoded forms, and what stands in their values
    "percent signs": (20_000, lambda n: lambda: parse_form(URLENCODED, b"a=" + b"%" * n)),
    "escaped bytes": (10_000, lambda n: lambda: parse_form(URLENCODED, b"a=" + b"%e4%bc%9a" * n)),
    "ampersands": (100_000, lambda n: lambda: parse_form(URLENCODED, b"&" * n)),
    "equals signs": (100_000, lambda n: lambda: parse_form(URLENCODED, b"=" * n)),
    "a picture escaped twice": (10_000, lambda n: lambda: decode_base64("%2541" * n)),
    "a picture of spaces": (100_000, lambda n: lambda: decode_base64(" " * n)),
    "a picture of line breaks": (100_000, lambda n: lambda: decode_base64("\r\n" * n)),
    "a data URL": (100_000, lambda n: lambda: decode_base64("data:" + ":" * n)),
    "digits": (
        100_000,
        lambda n: lambda: SunmiParameters({"n": "9" * n}, {}, frozenset()).parse_number("n"),
    ),
    "zeros": (
        100_000,
        lambda n: lambda: SunmiParameters({"n": "-" + "0" * n}, {}, frozenset()).parse_number("n"),
    ),
    "seconds": (100_000, lambda n: lambda: Parameters({"n": "9" * n}).parse_seconds("n")),
    "a list of commas": (40_000, lambda n: lambda: parse_list("list", "," * n)),
    "a list of quotes": (100_000, lambda n: lambda: parse_list("list", "\u201c" * n)),
    "a list of brackets": (100_000, lambda n: lambda: parse_list("list", "[" * n)),
    # multipart forms
    "dashes": (100_000, lambda n: lambda: parse_form(MULTIPART, b"-" * n)),
    "dashes in a part": (100_000, lambda n: lambda: of_part(n, b"", b"-")),
    "lines of dashes": (4_000, lambda n: lambda: of_part(n, b"", b"\r\n" + LINE[:-1])),
    "boundaries with blanks": (4_000, lambda n: lambda: of_part(n, b"", b"\r\n" + LINE + b" \t x")),
    "line breaks": (100_000, lambda n: lambda: of_part(n, b"", b"\r\n")),
    "headers": (100_000, lambda n: lambda: of_part(n, b"a:\r\n" * n, b"")),
    "folded headers": (100_000, lambda n: lambda: of_part(n, b"a:b\r\n " * n, b"")),
    "a header without an end": (100_000, lambda n: lambda: parse_form(MULTIPART, HEAD + b"a" * n)),
    "parts": (10_000, lambda n: lambda: parse_form(MULTIPART, (HEAD + b"\r\n\r\n") * n)),
    "quoted-printable": (
        50_000,
        lambda n: (
            lambda: of_part(n, b"Content-Transfer-Encoding: quoted-printable\r\n", b"=\r\n=3D")
        ),
    ),
    "base64": (
        100_000,
        lambda n: lambda: of_part(n, b"Content-Transfer-Encoding: base64\r\n", b"=AAAA"),
    ),
    # signatures and times
    "a timestamp of digits": (100_000, lambda n: lambda: form(n)),
    "a sign": (100_000, lambda n: partial(is_signed, [("a", "b")], "key", "x" * n)),
    "a name of blanks": (20_000, lambda n: lambda: form(n, "+" * n + "a", "+")),
    "a time of digits": (100_000, lambda n: lambda: parse_time("2" * n)),
    "a number as time": (1_000, lambda n: partial(parse_time, 10**n)),
    "a query's number": (
        100_000,
        lambda n: lambda: parse_query({"limit": ["9" * n]}, CapturesWanted),
    ),
    "a query's time": (100_000, lambda n: lambda: parse_time_parameter("9" * n)),
    # tokens
    "a token": (100_000, lambda n: lambda: TOKENS.parse_position("A" * n, str)),
    "a token without padding": (100_000, lambda n: lambda: TOKENS.parse_position("=" * n, str)),
    "a forged number": (
        100_000,
        lambda n: lambda: TOKENS.parse_position(TOKENS.make_token("9" * n), int),
    ),
    # connections
    "bodies that come at once": (250, lambda n: lambda: bodies_at_once(n)),
    # names
    "a composed name": (4_000, lambda n: lambda: normalise_name(marks(n), 96)),
    "a group's name": (4_000, lambda n: lambda: legal_group_name(marks(n))),
    "a camera's name": (4_000, lambda n: lambda: legal_camera_name(marks(n))),
    # pictures
    "JPEG segments": (50_000, lambda n: lambda: of_jpeg(n, b"\xff\xdb\x00\x02")),
    "JPEG comments": (50_000, lambda n: lambda: of_jpeg(n, b"\xff\xfe\x00\x02")),
    "JPEG without lengths": (100_000, lambda n: lambda: of_jpeg(n, b"\xff\xd0")),
    "JPEG padding": (100_000, lambda n: lambda: of_jpeg(n, b"\xff")),
    "JPEG runs of padding": (1_000, lambda n: lambda: of_jpeg(n, b"\xff" * 1000 + b"\x00")),
    "JPEG junk": (100_000, lambda n: lambda: of_jpeg(n, b"\x00")),
    "JPEG stuffing": (100_000, lambda n: lambda: of_jpeg(n, b"\xff\x00")),
    "JPEG Exif": (20_000, lambda n: lambda: of_jpeg(n, EXIF)),
    "JPEG indexes": (20_000, lambda n: lambda: of_jpeg(n, INDEX)),
    "views of a JPEG": (20_000, lambda n: lambda: split_views(b"\xff\xd8" + INDEX * n + SCAN)),
    "JPEG scans": (
        2_000,
        lambda n: lambda: insert_noise(b"\xff\xd8" + (SCAN + b"\x00\xff\xd0") * n),
    ),
    "JPEG segments after a scan": (
        50_000,
        lambda n: lambda: insert_noise(SCAN + b"\x00" + b"\xff\xfe\x00\x02" * n),
    ),
    "bytes behind a PNG": (
        100_000,
        lambda n: (
            lambda: drop_metadata(b"\x89PNG\r\n\x1a\n" + bytes(4) + b"IEND    " + bytes(n), "PNG")
        ),
    ),
    "PNG chunks": (
        50_000,
        lambda n: (
            lambda: drop_metadata(
                b"\x89PNG\r\n\x1a\n" + bytes(4) + b"tEXt" + b"    " + (bytes(4) + b"tEXt    ") * n,
                "PNG",
            )
        ),
    ),
}


def bodies_at_once(n: int) -> None:
    with ExitStack() as stack:
        budget = Budget(10**9)
        bodies = [stack.enter_context(Holding(budget, UNPROVED, 1, lambda: None)) for _ in range(n)]
        for body in bodies * 4:
            body.grow(SMALL_BYTES // 2)


def marks(n: int) -> str:
    """A letter with combining marks in the worst order for NFC."""
    return "a" + "\u0301\u0323" * n


def seconds(work: Callable[[], object]) -> float:
    """The processor's time, which other processes lengthen only by emptying the caches."""
    gc.collect()
    began = time.thread_time()
    with suppress(RegularsError, ValueError):
        work()
    return time.thread_time() - began


def least_seconds(case: str) -> tuple[float, float]:
    """The least times for an input and for four times of it; both are taken again until they are in
    proportion."""
    n, make = CASES[case]
    small, large = make(n), make(4 * n)
    least_small = least_large = float("inf")
    for _ in range(TRIES):
        least_small, least_large = (
            min(least_small, seconds(small)),
            min(least_large, seconds(large)),
        )
        if is_in_proportion(least_small, least_large):
            break
    return least_small, least_large


def is_in_proportion(small_s: float, large_s: float) -> bool:
    return large_s < max(MOST * small_s, LEAST_S)


def main() -> int:
    """Print the times of all cases; return 1 if one grows faster than its input."""
    code = 0
    for case in CASES:
        small_s, large_s = least_seconds(case)
        well = is_in_proportion(small_s, large_s)
        code |= not well
        said = "ok" if well else "GROWS"
        print(
            f"{said:6} {case:30} {small_s * 1000:8.1f} ms, four times of it {large_s * 1000:8.1f} "
            "ms",
            flush=True,
        )
    return code


if __name__ == "__main__":
    sys.exit(main())
