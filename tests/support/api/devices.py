"""A device that keeps passkeys, as a browser's page talks to it: WebAuthn by hand, so that each
part can be wrong."""

import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256
from fido2.utils import websafe_encode

from tests.support.api.gateway import Reply
from tests.support.api.v1.client import HOST, V1Client

PRESENT, UNLOCKED, WITH_KEY = 1, 4, 64

BY_HTTPS = {"X-Forwarded-Proto": "https", "Origin": f"https://{HOST}"}
"""Headers by which a page of the tests' service asks."""


def invitation_of(member: dict[str, Any]) -> str:
    """What the link in an answer invites by."""
    return str(member["url"].partition("#invitation=")[2])


def ask(v1: V1Client, invitation: str | None = None) -> Reply:
    """A page asks for a challenge."""
    return v1.with_key(None).send(
        "POST", "/v1/session/challenge", {"invitation": invitation}, headers=BY_HTTPS
    )


def asked(v1: V1Client, invitation: str | None = None) -> dict[str, Any]:
    """The challenge that a page gets."""
    reply = ask(v1, invitation)
    assert reply.status == 201, reply
    return reply.json


def sign_in(v1: V1Client, body: dict[str, Any], **headers: str) -> Reply:
    return v1.with_key(None).send("POST", "/v1/session", body, headers={**BY_HTTPS, **headers})


@dataclass
class Device:
    """`origin`: of the page that asks it; `host`: on which its passkey is good (the RP ID)."""

    origin: str = BY_HTTPS["Origin"]
    host: str = "box.example"
    counter: int = 0
    counts: bool = True
    handle: str = ""
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def make(self, asked: dict[str, Any], flags: int = PRESENT | UNLOCKED) -> dict[str, Any]:
        """Make the passkey that a `Challenge` asks for, as v1 is sent it."""
        self.handle = asked["user_handle"]
        public = cbor.encode(ES256.from_cryptography_key(self.key.public_key()))
        credential = bytes(16) + struct.pack(">H", len(self.id)) + self.id + public
        data = self._data(flags | WITH_KEY) + credential
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", asked["challenge"])
        return {
            "id": websafe_encode(self.id),
            "client_data": websafe_encode(client_data),
            "attestation": websafe_encode(attestation),
        }

    def sign(self, asked: dict[str, Any], flags: int = PRESENT | UNLOCKED) -> dict[str, Any]:
        """Sign in, as v1 is sent it."""
        self.counter += self.counts
        data, client_data = self._data(flags), self._client_data("webauthn.get", asked["challenge"])
        signature = self.key.sign(
            data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256())
        )
        return {
            "id": websafe_encode(self.id),
            "client_data": websafe_encode(client_data),
            "authenticator_data": websafe_encode(data),
            "signature": websafe_encode(signature),
            "user_handle": self.handle,
        }

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.host.encode()).digest() + struct.pack(">BI", flags, self.counter)

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()


def device(number: int) -> Device:
    """Make a device that is the same in each process. It counts nothing, as synced passkeys do."""
    return Device(
        counts=False, id=bytes([number] * 16), key=ec.derive_private_key(number, ec.SECP256R1())
    )


def with_passkey(v1: V1Client, name: str, device: Device, password: str) -> tuple[str, str]:
    """Invite an admin who has a passkey and a password; return the ids of the two, the person's
    first."""
    member = v1.done("POST", "/v1/members", {"name": name, "role": "admin"})
    first = invitation_of(member)
    assert sign_in(v1, {"invitation": first, "password": password}).status == 201
    again = invitation_of(v1.done("POST", f"/v1/members/{member['id']}/invitation"))
    assert (
        sign_in(v1, {"invitation": again, "passkey": device.make(asked(v1, again))}).status == 201
    )
    return member["id"], websafe_encode(device.id)
