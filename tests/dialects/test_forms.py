"""Reading forms: order, repeats, files, charsets, limits, and bodies that are no forms."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.forms import MAX_FIELDS, Form, Upload, read_form
from chalicelib.api.http import FORMS, HttpRequest, MediaType
from chalicelib.core.errors import InvalidInput
from tests.dialects.gateway import BOUNDARY, Part, multipart

URLENCODED = MediaType("application/x-www-form-urlencoded")
MULTIPART = MediaType("multipart/form-data", boundary=BOUNDARY.encode())


def test_urlencoded_fields_keep_order_repeats_and_empty_values() -> None:
    form = read_form(URLENCODED, b"b=2&a=1&b=&c&&=x&d=1=2;3")
    assert form.fields == (("b", "2"), ("a", "1"), ("b", ""), ("c", ""), ("", "x"), ("d", "1=2;3"))


def test_plus_and_percent_are_decoded_once() -> None:
    assert read_form(URLENCODED, b"a+b=c+d%2Be%2526").fields == (("a b", "c d+e%26"),)


def test_utf_8_may_be_escaped_or_raw() -> None:
    assert read_form(URLENCODED, "会=员&".encode() + b"%E4%BC%9A2=%E5%91%98").fields == (("会", "员"), ("会2", "员"))


@pytest.mark.parametrize("charset", ["gbk", "GB2312", "gb18030"])
def test_a_declared_charset_is_honoured(charset: str) -> None:
    content_type = f"application/x-www-form-urlencoded; charset={charset}"
    request = HttpRequest("POST", "/x", {"content-type": content_type}, {}, b"", is_base64=False)
    assert read_form(request.media_type(FORMS), "会=员".encode("gbk")).fields == (("会", "员"),)


@pytest.mark.parametrize("body", [b"a=%ff", b"%ff=a", b"a=%ed%a0%80", b"a=\xe4\xbc"])
def test_what_is_not_in_the_charset_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_form(URLENCODED, body)


def test_multipart_keeps_fields_and_files_apart() -> None:
    parts = [
        Part("name", "会员".encode()),
        Part("pic", b"\x00\xff\r\n--", "11024.jpg", ("Content-Type: image/jpeg",)),
        Part("name", b""),
        Part("list", b"", ""),
    ]
    assert read_form(MULTIPART, multipart(parts)) == Form(
        fields=(("name", "会员"), ("name", "")),
        uploads=(Upload("pic", "11024.jpg", "image/jpeg", b"\x00\xff\r\n--"), Upload("list", "", "", b"")),
    )


def test_a_part_may_declare_its_own_charset() -> None:
    part = Part("name", "会员".encode("gbk"), headers=("Content-Type: text/plain; charset=GBK",))
    assert read_form(MULTIPART, multipart([part])).fields == (("name", "会员"),)


def test_a_files_bytes_are_never_decoded() -> None:
    data = bytes(range(256)) * 8
    assert read_form(MULTIPART, multipart([Part("pic", data, "图.jpg")])).uploads[0].data == data


def test_a_large_file_stays_whole() -> None:
    data = b"\r\n--" * 800_000
    assert read_form(MULTIPART, multipart([Part("pic", data, "a.jpg")])).uploads[0].data == data


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        multipart([Part("a", b"1")], end=False),
        multipart([Part("a", b"1")])[:-6],
        multipart([Part("a", b"1")]).replace(b'; name="a"', b""),
        multipart([Part("a", b"1")]).replace(b"Content-Disposition: form-data", b"Content-Disposition; form-data"),
        multipart([Part("a", b"1", headers=(f"X-Long: {'x' * 5000}",))]),
        multipart([Part("a", b"1", headers=tuple(f"X-{n}: 1" for n in range(20)))]),
        multipart([Part("a", b"\xff")]),
        multipart([Part("a", b"not base64!", headers=("Content-Transfer-Encoding: base64",))]),
    ],
)
def test_damaged_multipart_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_form(MULTIPART, body)


@pytest.mark.parametrize("boundary", [b"", b"x" * 300])
def test_a_boundary_is_needed(boundary: bytes) -> None:
    with pytest.raises(InvalidInput, match="boundary"):
        read_form(MediaType("multipart/form-data", boundary=boundary), b"--x--")


def test_the_number_of_parameters_is_limited() -> None:
    fits = [(str(n), "") for n in range(MAX_FIELDS)]
    assert len(read_form(URLENCODED, "&".join(f"{n}=" for n, _ in fits).encode()).fields) == MAX_FIELDS
    assert len(read_form(MULTIPART, multipart(Part(n, b"") for n, _ in fits)).fields) == MAX_FIELDS
    with pytest.raises(InvalidInput, match="200 parameters"):
        read_form(URLENCODED, "&".join(f"{n}=" for n in range(MAX_FIELDS + 1)).encode())
    with pytest.raises(InvalidInput, match="200 parameters"):
        read_form(MULTIPART, multipart(Part(str(n), b"", "f" if n % 2 else None) for n in range(MAX_FIELDS + 1)))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_invalid_input(body: bytes) -> None:
    for media_type in (URLENCODED, MULTIPART):
        with suppress(InvalidInput):
            read_form(media_type, body)


_pieces = st.sampled_from(
    [
        b"--" + BOUNDARY.encode(),
        b"--",
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b'Content-Disposition: form-data; name="a"',
        b'Content-Disposition: form-data; name="pic"; filename="a.jpg"',
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: quoted-printable",
        b"Content-Type: text/plain; charset=x",
        b"=0",
        b"value",
        b"\xff",
    ]
)


@given(st.lists(_pieces, max_size=16).map(b"".join))
def test_almost_multipart_is_a_form_or_invalid_input(body: bytes) -> None:
    with suppress(InvalidInput):
        read_form(MULTIPART, b"--" + BOUNDARY.encode() + b"\r\n" + body)
