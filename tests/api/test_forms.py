from functools import partial
from urllib.parse import quote

import pytest

from chalicelib.api.forms import MAX_FIELDS, Form, parse_form
from chalicelib.api.http import FORMS, HttpRequest, MediaType
from chalicelib.api.http import Part as ReadPart
from chalicelib.api.multipart import MAX_PARTS
from chalicelib.domain.errors import InvalidInput, RegularsError
from testing.cost import cost
from tests.support.api.gateway import BOUNDARY, Part, multipart

URLENCODED = MediaType("application/x-www-form-urlencoded")
MULTIPART = MediaType("multipart/form-data", boundary=BOUNDARY.encode())


def test_urlencoded_fields_keep_order_repeats_and_empty_values() -> None:
    form = parse_form(URLENCODED, b"b=2&a=1&b=&c&&=x&d=1=2;3")
    assert form.fields == (("b", "2"), ("a", "1"), ("b", ""), ("c", ""), ("", "x"), ("d", "1=2;3"))


def test_plus_and_percent_are_decoded_once() -> None:
    assert parse_form(URLENCODED, b"a+b=c+d%2Be%2526").fields == (("a b", "c d+e%26"),)


def test_utf_8_may_be_escaped_or_raw() -> None:
    assert parse_form(URLENCODED, "会=员&".encode() + b"%E4%BC%9A2=%E5%91%98").fields == (
        ("会", "员"),
        ("会2", "员"),
    )


@pytest.mark.parametrize("charset", ["gbk", "GB2312", "gb18030"])
def test_a_declared_charset_is_honoured(charset: str) -> None:
    content_type = f"application/x-www-form-urlencoded; charset={charset}"
    request = HttpRequest("POST", "/x", {"content-type": content_type}, {}, b"", is_base64=False)
    assert parse_form(request.parse_media_type(FORMS), "会=员".encode("gbk")).fields == (
        ("会", "员"),
    )


@pytest.mark.parametrize("body", [b"a=%ff", b"%ff=a", b"a=%ed%a0%80", b"a=\xe4\xbc"])
def test_what_is_not_in_the_charset_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="UTF-8"):
        parse_form(URLENCODED, body)


def test_multipart_keeps_fields_and_files_apart() -> None:
    parts = [
        Part("name", "会员".encode()),
        Part("pic", b"\x00\xff\r\n--", "11024.jpg", ("Content-Type: image/jpeg",)),
        Part("name", b""),
        Part("list", b"", ""),
    ]
    assert parse_form(MULTIPART, multipart(parts)) == Form(
        fields=(("name", "会员"), ("name", "")),
        uploads=(
            ReadPart("pic", "11024.jpg", "image/jpeg", "", b"\x00\xff\r\n--"),
            ReadPart("list", "", "", "", b""),
        ),
    )


def test_a_part_may_declare_its_own_charset() -> None:
    part = Part("name", "会员".encode("gbk"), headers=("Content-Type: text/plain; charset=GBK",))
    assert parse_form(MULTIPART, multipart([part])).fields == (("name", "会员"),)


def test_a_files_bytes_are_never_decoded() -> None:
    data = bytes(range(256)) * 8
    assert parse_form(MULTIPART, multipart([Part("pic", data, "图.jpg")])).uploads[0].data == data


def test_the_longest_name_of_a_file_may_be_written_twice() -> None:
    name = "图" * 255
    disposition = (
        f"Content-Disposition: form-data; name=pic; filename=\"x\"; filename*=UTF-8''{quote(name)}"
    )
    part = f"--{BOUNDARY}\r\n{disposition}\r\n\r\nbytes\r\n--{BOUNDARY}--\r\n".encode()
    assert parse_form(MULTIPART, part).uploads[0].data == b"bytes"


def test_a_large_file_stays_whole() -> None:
    data = b"\r\n--" * 800_000
    assert parse_form(MULTIPART, multipart([Part("pic", data, "a.jpg")])).uploads[0].data == data


PLAIN = multipart([Part("a", b"1"), Part("pic", b"\xff\xd8", "p.jpg")])
LINE = f"--{BOUNDARY}".encode()


@pytest.mark.parametrize(
    "body",
    [
        b"This is a message with multiple parts.\r\n" + PLAIN,
        b"\r\n\r\n" + PLAIN,
        LINE + b"x is no boundary yet\r\n" + PLAIN,
        PLAIN.replace(LINE + b"\r\n", LINE + b" \t\r\n"),
        PLAIN.replace(LINE + b"--", LINE + b"-- \t"),
        PLAIN.removesuffix(b"\r\n"),
        PLAIN + b"epilogue\r\n" + LINE + b"\r\nnot a part",
        PLAIN.replace(b"form-data; name", b"form-data;\r\n name"),
        PLAIN.replace(b"Content-Disposition: form-data", b"content-disposition:form-data"),
    ],
    ids=[
        "preamble",
        "empty lines",
        "almost",
        "padding",
        "padded end",
        "no last line",
        "epilogue",
        "folded",
        "case",
    ],
)
def test_whatever_rfc_2046_lets_stand_around_the_parts_is_passed_over(body: bytes) -> None:
    form = parse_form(MULTIPART, body)
    assert form.fields == (("a", "1"),)
    assert [(upload.name, upload.filename, upload.data) for upload in form.uploads] == [
        ("pic", "p.jpg", b"\xff\xd8")
    ]


def test_a_part_may_have_eight_headers() -> None:
    part = Part("a", b"1", headers=tuple(f"X-{n}: {'x' * 100}" for n in range(7)))
    assert parse_form(MULTIPART, multipart([part])).fields == (("a", "1"),)


@pytest.mark.parametrize(
    ("parameter", "filename"),
    [
        ("filename*=UTF-8''%e5%9b%be.jpg", "图.jpg"),
        ('filename="a.jpg"; filename*=' + "UTF-8''a.jpg", "a.jpg"),
    ],
)
def test_an_extended_file_name_makes_a_file(parameter: str, filename: str) -> None:
    body = multipart([Part("pic", b"\xff\xd8")]).replace(
        b'name="pic"', b'name="pic"; ' + parameter.encode()
    )
    assert parse_form(MULTIPART, body).uploads == (ReadPart("pic", filename, "", "", b"\xff\xd8"),)


@pytest.mark.shows(
    "sunmi",
    "A part of a multipart form is a file if it has a file name, or a content type that is no "
    "text.",
)
@pytest.mark.parametrize(
    "content_type", ["image/jpeg", "Application/Octet-Stream", "image/png; x=y"]
)
def test_a_part_of_a_type_that_is_no_text_is_a_file_without_a_name_too(content_type: str) -> None:
    part = Part("pic", b"\xff\xd8", headers=(f"Content-Type: {content_type}",))
    media_type = content_type.partition(";")[0].lower()
    assert parse_form(MULTIPART, multipart([part])) == Form(
        uploads=(ReadPart("pic", None, media_type, "", b"\xff\xd8"),)
    )


def test_a_file_that_has_neither_name_nor_type_is_told_what_it_lacks() -> None:
    with pytest.raises(InvalidInput, match="a file has a file name"):
        parse_form(MULTIPART, multipart([Part("pic", b"\xff\xd8")]))


@pytest.mark.parametrize(
    "content_type", ["text/plain", "TEXT/PLAIN; charset=utf-8", "application/json", ""]
)
def test_a_part_of_text_without_a_file_name_is_a_field(content_type: str) -> None:
    part = Part("list", b"[1]", headers=(f"Content-Type: {content_type}",))
    assert parse_form(MULTIPART, multipart([part])).fields == (("list", "[1]"),)


@pytest.mark.parametrize("charset", ["gbk", "utf-8"])
def test_names_are_in_the_declared_charset(charset: str) -> None:
    media_type = MediaType("multipart/form-data", charset, BOUNDARY.encode())
    names = [chr(code) * 5 for code in range(0x4E00, 0x9FA6, 557)]
    body = multipart([*(Part(name, b"1") for name in names), Part("pic", b"2", "图.jpg")])
    form = parse_form(media_type, body.decode().encode(charset))
    assert [name for name, _ in form.fields] == names
    assert form.uploads == (ReadPart("pic", "图.jpg", "", "", b"2"),)


def test_a_file_name_in_another_charset_is_no_reason_to_refuse_the_file() -> None:
    body = multipart([Part("pic", b"2", "照片.jpg")]).decode().encode("gbk")
    assert [(upload.name, upload.data) for upload in parse_form(MULTIPART, body).uploads] == [
        ("pic", b"2")
    ]


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [("base64", b"/9g=\r\n"), ("Quoted-Printable", b"=FF=D8"), ("binary", b"\xff\xd8")],
)
def test_a_transfer_encoding_is_undone(encoding: str, sent: bytes) -> None:
    part = Part("pic", sent, "a.jpg", (f"Content-Transfer-Encoding: {encoding}",))
    assert parse_form(MULTIPART, multipart([part])).uploads[0].data == b"\xff\xd8"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b"-" * 2000 + b"\r\n" + PLAIN,
        multipart([Part("a", b"1")], end=False),
        multipart([Part("a", b"1")])[:-6],
        multipart([Part("a", b"1")]).replace(b'; name="a"', b""),
        multipart([Part("a", b"1")]).replace(b'name="a"', b'name="\xff"'),
        multipart([Part("a", b"1")]).replace(
            b"Content-Disposition: form-data", b"Content-Disposition; form-data"
        ),
        multipart([Part("a", b"1", headers=(f"X-Long: {'x' * 4_100}",))]),
        multipart([Part("a", b"1", headers=tuple(f"X-{n}: 1" for n in range(8)))]),
        multipart([Part(str(n), b"1", headers=(f"X-Long: {'x' * 900}",)) for n in range(20)]),
        multipart([Part("a", b"\xff")]),
        multipart([Part("a", b"not base64!", headers=("Content-Transfer-Encoding: base64",))]),
    ],
)
def test_damaged_multipart_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_form(MULTIPART, body)


@pytest.mark.parametrize("boundary", [b"", b"x" * 71])
def test_a_boundary_is_needed(boundary: bytes) -> None:
    with pytest.raises(InvalidInput, match="boundary"):
        parse_form(MediaType("multipart/form-data", boundary=boundary), b"--x--")


def test_a_boundary_may_have_70_characters() -> None:
    body = PLAIN.replace(BOUNDARY.encode(), b"x" * 70)
    assert parse_form(MediaType("multipart/form-data", boundary=b"x" * 70), body).fields == (
        ("a", "1"),
    )


@pytest.mark.shows("sunmi", "A form has up to 200 parameters, a multipart form up to 40")
def test_the_number_of_parameters_is_limited() -> None:
    def urlencoded(number: int) -> Form:
        return parse_form(URLENCODED, "&".join(f"{n}=" for n in range(number)).encode())

    def in_parts(number: int) -> Form:
        form = parse_form(
            MULTIPART, multipart(Part(str(n), b"", "f" if n % 2 else None) for n in range(number))
        )
        return Form(form.fields + tuple((one.name, "") for one in form.uploads))

    for read, most in ((urlencoded, MAX_FIELDS), (in_parts, MAX_PARTS)):
        assert len(read(most).fields) == most
        with pytest.raises(InvalidInput, match=f"may have {most} parameters"):
            read(most + 1)


@pytest.mark.parametrize("unit", [b";", b'\\"', b"; a*0=x", b"; a=b"])
def test_a_form_that_nobody_signed_costs_little_work(unit: bytes) -> None:
    heads = [b'Content-Disposition: form-data; name="%d"' % n for n in range(MAX_PARTS)]
    form = MediaType("multipart/form-data", boundary=b"b")
    costs = []
    for size in (300, 900, 8000):
        parts = [
            b"--b\r\n" + head + unit * (size // len(unit)) + b"\r\n\r\nx\r\n" for head in heads
        ]
        costs.append(cost(partial(parse_form, form, b"".join(parts) + b"--b--\r\n"), RegularsError))
    assert costs[2].lines <= costs[0].lines + 1_000, (
        "a longer head is refused as soon as a short one"
    )
