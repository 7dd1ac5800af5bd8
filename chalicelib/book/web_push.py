"""Web Push: messages to subscribed browsers (RFC 8030), encrypted end to end (RFC 8291), from an
identified sender (RFC 8292).

cryptography is imported at the first push: a start of another function pays nothing for it.
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chalicelib.domain.channels import (
    MAIL_ADDRESS,
    PUSHED_FOR,
    Channel,
    Post,
    from_base64url,
)
from chalicelib.domain.errors import InvalidInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )

_RECORD_BYTES = 4096
"""Size of a record that the header names: a push is one record (RFC 8291, 4)."""
_MOST_BYTES = 3_072
"""Of a message: push services take 4,096 in all."""
_LAST = b"\x02"
"""The end of the last record (RFC 8188, 2)."""
_TOKEN_LASTS = timedelta(hours=12)
"""How long a sender's token holds: push services take none of more than 24 hours (RFC 8292, 2)."""
_UNREAL_ENDINGS = frozenset(
    {
        *("alt", "arpa", "corp", "example", "home", "internal", "intranet", "invalid", "lan"),
        *("local", "localdomain", "localhost", "onion", "private", "test"),
        *("example.com", "example.net", "example.org"),
    }
)
"""Ends of names that nobody on the internet answers to (RFC 2606, 6761, 6762, 8375, 9476)."""
_KEY_BITS = 256
"""Size of a private key, and of each half of a signature: the curve is P-256."""


def new_key() -> str:
    """Make the private key of a sender: its number, in base64url."""
    from cryptography.hazmat.primitives.asymmetric import ec

    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return _text(number.to_bytes(_KEY_BITS // 8, "big"))


def public_key(private: str) -> str:
    """Return the public key by which browsers identify a sender (`applicationServerKey`): 65 bytes
    in base64url."""
    return _text(_point(_private(private)))


def choose_subject(contact: str, *urls: str | None) -> str:
    """Choose the contact of a sender for push services; "" if there is no real one.

    `contact` is taken if it is a mail address, else the first of `urls` that is https. Apple's
    service refuses every push of a sender whose host cannot be real, such as `box.local`, and of
    one without a subject. Google's and Mozilla's take pushes without one (RFC 8292, 2.1).
    """
    if MAIL_ADDRESS.fullmatch(contact) and is_public_name(contact.rpartition("@")[2]):
        return f"mailto:{contact}"
    hosts = [_find_https_host(url or "") for url in urls]
    return next((f"https://{host}" for host in hosts if is_public_name(host)), "")


def _find_https_host(url: str) -> str:
    """Return the host of an https URL; "": it is none."""
    try:
        parts = urlsplit(url)
    except ValueError:  # such as https://[
        return ""
    return (parts.hostname or "") if parts.scheme == "https" else ""


def is_public_name(host: str) -> bool:
    """Tell whether a host name can be public: it is no IP address, and has no reserved ending."""
    labels = host.lower().rstrip(".").split(".")
    if len(labels) < 2 or not all(labels) or labels[-1].isdigit():
        return False
    return not _UNREAL_ENDINGS & {labels[-1], ".".join(labels[-2:])}


def write_push(
    channel: Channel, message: dict[str, str], private: str, subject: str, now: datetime
) -> Post:
    """Make the request to a browser's push service.

    `private`: the sender's key; `subject`: whom the service may ask, "" without. While a message
    waits there, the next one of its `tag` takes its place (RFC 8030, 5.4).

    Raises InvalidInput if the browser's key is no point of the curve.
    """
    target = urlsplit(channel.url)
    claims = {"aud": f"{target.scheme}://{target.netloc}", **({"sub": subject} if subject else {})}
    token = _signed_token(claims, private, now + _TOKEN_LASTS)
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
        "TTL": str(int(PUSHED_FOR.total_seconds())),
        "Urgency": "high",
        "Authorization": f"vapid t={token}, k={public_key(private)}",
        **({"Topic": message["tag"]} if message.get("tag") else {}),
    }
    return Post(
        channel.url,
        encrypt(_write_text(message), from_base64url(channel.p256dh), from_base64url(channel.auth)),
        headers,
    )


def check_browser_key(key: bytes) -> None:
    """Raise InvalidInput if a browser's public key is no point of the curve."""
    _point_of_browser(key)


def _point_of_browser(key: bytes) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    except ValueError:
        raise InvalidInput("p256dh is no key of a browser: subscribe it again") from None


def _write_text(message: Mapping[str, str]) -> bytes:
    """Write a message as JSON, its longest text cut until it fits: a letter takes up to 6 bytes."""
    text = json.dumps(message, ensure_ascii=False).encode()
    if len(text) <= _MOST_BYTES:
        return text
    longest = max(message, key=lambda name: len(message[name]))
    cut = max((len(text) - _MOST_BYTES) // 6, 1)
    return _write_text({**message, longest: message[longest][:-cut]})


def encrypt(
    text: bytes,
    receiver: bytes,
    secret: bytes,
    sender: str | None = None,
    salt: bytes | None = None,
) -> bytes:
    """Encrypt a text of up to 3 KiB for a browser: a header, and one record (RFC 8291, 3.4; RFC
    8188, 2.1).

    `receiver`: the browser's public key, 65 bytes; `secret`: its authentication secret, 16.
    `sender` and `salt`: new ones each time, but for a test. Raises InvalidInput if the browser's
    key is no point of the curve.
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sender_key, salt = _private(sender or new_key()), salt or os.urandom(16)
    sender_point = _point(sender_key)
    agreed_secret = sender_key.exchange(ec.ECDH(), _point_of_browser(receiver))
    shared_key = _derive(secret, agreed_secret, b"WebPush: info\x00" + receiver + sender_point, 32)
    key = _derive(salt, shared_key, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _derive(salt, shared_key, b"Content-Encoding: nonce\x00", 12)
    header = salt + _RECORD_BYTES.to_bytes(4, "big") + bytes([len(sender_point)]) + sender_point
    return header + AESGCM(key).encrypt(nonce, text + _LAST, None)


def _derive(salt: bytes, secret: bytes, info: bytes, size: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), size, salt, info).derive(secret)


def _signed_token(claims: dict[str, str], private: str, expires_at: datetime) -> str:
    """Make a JSON Web Token, signed by ES256 (RFC 7515)."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    parts = ({"typ": "JWT", "alg": "ES256"}, {**claims, "exp": int(expires_at.timestamp())})
    text = ".".join(_text(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    signature = decode_dss_signature(_private(private).sign(text.encode(), ec.ECDSA(SHA256())))
    return f"{text}.{_text(b''.join(half.to_bytes(_KEY_BITS // 8, 'big') for half in signature))}"


def _private(text: str) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(int.from_bytes(from_base64url(text), "big"), ec.SECP256R1())


def _point(private: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
