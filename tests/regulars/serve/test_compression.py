import gzip

import pytest

from chalicelib.api.console_files import locate_folder
from regulars.serve.messages import LEAST_BYTES, Response, compress_response

LONG = b"{" + b" " * LEAST_BYTES + b"}"
JSON = ("Content-Type", "application/json; charset=utf-8")


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP;q=0.5", "*", "identity;q=0, gzip ; q=1"])
def test_a_long_text_is_compressed_for_who_takes_gzip(accepted: str) -> None:
    answer = compress_response(Response(200, (JSON,), LONG), accepted)
    headers = dict(answer.headers)
    assert (headers["Content-Encoding"], headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(answer.body) == LONG
    assert len(answer.body) < 100


def test_what_a_browser_keeps_for_good_is_made_as_small_as_it_gets() -> None:
    text = (locate_folder() / "style.css").read_bytes()
    once = compress_response(
        Response(200, (JSON, ("Cache-Control", "public, immutable")), text), "gzip"
    )
    assert gzip.decompress(once.body) == text
    assert len(once.body) < len(compress_response(Response(200, (JSON,), text), "gzip").body)


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "*;q=0", "gzip;q=x", "gzip;q=0, *"])
def test_for_others_it_stays_as_it_is(accepted: str) -> None:
    answer = compress_response(Response(200, (JSON,), LONG), accepted)
    assert answer.body == LONG
    assert dict(answer.headers)["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ((JSON,), LONG[: LEAST_BYTES - 1]),
        ((("Content-Type", "image/jpeg"),), LONG),
        ((), LONG),
        ((JSON, ("Content-Encoding", "br")), LONG),
    ],
)
def test_short_answers_pictures_and_what_is_compressed_stay_as_they_are(
    headers: tuple[tuple[str, str], ...], body: bytes
) -> None:
    answer = Response(200, headers, body)
    assert compress_response(answer, "gzip") == answer
