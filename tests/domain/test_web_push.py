"""Web Push against the vectors of its standards, and as a browser reads it."""

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from chalicelib.book.web_push import choose_subject, encrypt, new_key, public_key, write_push
from chalicelib.domain.channels import Channel, Way, from_base64url
from chalicelib.domain.errors import InvalidInput

# RFC 8291, Appendix A.
BROWSER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
SECRET = "BTBZMqHH6r4Tts7J_aSIgg"
SENDER = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SENT = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
    "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)
AT = datetime(2026, 11, 20, 10, 22, tzinfo=UTC)


def test_what_is_sent_is_the_example_of_the_standard() -> None:
    text = b"When I grow up, I want to be a watermelon"
    salt = from_base64url("DGv6ra1nlYgDCS1FRnbzlw")
    made = encrypt(text, from_base64url(BROWSER), from_base64url(SECRET), SENDER, salt)
    assert made == from_base64url(SENT)


def test_each_message_is_encrypted_by_another_key() -> None:
    once, again = (
        encrypt(b"here", from_base64url(BROWSER), from_base64url(SECRET)) for _ in range(2)
    )
    assert once[:16] != again[:16]
    assert once[21:86] != again[21:86]


def test_the_push_service_knows_the_sender_by_a_signed_token() -> None:
    key = new_key()
    channel = Channel(Way.PUSH, "https://push.example:8443/abc?d=e", p256dh=BROWSER, auth=SECRET)
    post = write_push(channel, {"text": "安 is here"}, key, "https://box.example", AT)
    assert post.url == channel.url
    scheme, token, public = post.headers["Authorization"].replace(",", "").split()
    assert (scheme, public) == ("vapid", f"k={public_key(key)}")
    signed, _, signature = token.removeprefix("t=").rpartition(".")
    raw = from_base64url(signature)
    numbers = (int.from_bytes(half, "big") for half in (raw[:32], raw[32:]))
    point = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), from_base64url(public_key(key))
    )
    point.verify(encode_dss_signature(*numbers), signed.encode(), ec.ECDSA(SHA256()))
    claims = json.loads(from_base64url(signed.partition(".")[2]))
    assert claims == {
        "aud": "https://push.example:8443",
        "sub": "https://box.example",
        "exp": int(AT.timestamp()) + 43_200,
    }


@pytest.mark.parametrize("text", ["😀" * 1000, '"' * 1000, "\x01" * 1000, "安" * 1000, "is here"])
@pytest.mark.parametrize("title", ["shop", "😀" * 200])
def test_a_message_of_any_letters_fits_into_what_push_services_take(text: str, title: str) -> None:
    channel = Channel(Way.PUSH, "https://push.example/abc", p256dh=BROWSER, auth=SECRET)
    for each in (text, "a" + text, f"ab{text}"):
        post = write_push(
            channel, {"title": title, "text": each}, new_key(), "https://box.example", AT
        )
        assert len(post.body) <= 4096


def test_a_key_that_is_no_point_is_refused() -> None:
    with pytest.raises(InvalidInput, match="subscribe it again"):
        encrypt(b"here", b"\x04" + bytes(64), from_base64url(SECRET))


REAL = "https://box.shop.fr"
UNREAL = [
    *("https://regulars.invalid", "https://box.local", "https://localhost:8000", "https://box"),
    *("https://10.0.0.2", "https://[fd00::2]:8443", "https://box.fritz.lan", "https://a.internal"),
    *("https://box.example", "https://www.example.com", "https://box.home.arpa", "https://a..b"),
    *("http://box.shop.fr", "https://", "https://[", "", None),
]


@pytest.mark.parametrize(
    ("contact", "urls", "subject"),
    [
        ("privacy@shop.fr", [REAL], "mailto:privacy@shop.fr"),
        ("privacy@shop.fr", [], "mailto:privacy@shop.fr"),
        ("privacy@shop.local", [REAL], REAL),
        ("privacy@localhost", ["https://box.local", REAL], REAL),
        ("privacy@shop.example", [REAL], REAL),
        ("Mrs Lee, 030 1234", [f"{REAL}:8443/book"], REAL),
        ("", ["https://box.tail1.ts.net"], "https://box.tail1.ts.net"),
        ("", ["https://xn--bcher-kva.de"], "https://xn--bcher-kva.de"),
        ("", ["https://a1b2.execute-api.eu-central-1.amazonaws.com"], None),
        ("", UNREAL, ""),
    ],
)
def test_a_sender_names_who_is_real_or_nobody(
    contact: str, urls: list[str], subject: str | None
) -> None:
    assert choose_subject(contact, *urls) == (urls[0] if subject is None else subject)


def test_a_sender_whom_nobody_can_ask_names_nobody() -> None:
    channel = Channel(Way.PUSH, "https://push.example/a", p256dh=BROWSER, auth=SECRET)
    token = write_push(channel, {"text": "x"}, new_key(), "", AT).headers["Authorization"]
    assert set(json.loads(from_base64url(token.split(".")[1]))) == {"aud", "exp"}
