"""A browser that is pushed to, as in RFC 8291, Appendix A: its subscription, and what it reads."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chalicelib.domain.channels import from_base64url

SUBSCRIPTION = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-"
    "AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}
_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"


def decrypt(body: bytes) -> bytes:
    """Read a push of one record that was encrypted for the subscription."""
    salt, sender, record = body[:16], body[21:86], body[86:]
    number = int.from_bytes(from_base64url(_PRIVATE), "big")
    curve: Any = ec.SECP256R1()
    point = ec.EllipticCurvePublicKey.from_encoded_point(curve, sender)
    agreed = ec.derive_private_key(number, curve).exchange(ec.ECDH(), point)
    receiver = from_base64url(SUBSCRIPTION["p256dh"])
    info = b"WebPush: info\x00" + receiver + sender
    shared = HKDF(SHA256(), 32, from_base64url(SUBSCRIPTION["auth"]), info).derive(agreed)
    key, nonce = (
        HKDF(SHA256(), size, salt, b"Content-Encoding: " + name + b"\x00").derive(shared)
        for name, size in ((b"aes128gcm", 16), (b"nonce", 12))
    )
    return AESGCM(key).decrypt(nonce, record, None).removesuffix(b"\x02")
