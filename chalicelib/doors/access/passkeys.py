"""Passkeys: what a browser is asked, and whether its answer is right (W3C WebAuthn 3), by Yubico's fido2.

A passkey is good on the host name that it was made on. The device has unlocked it each time, by finger, face or PIN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fido2.cose import CoseKey
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    CollectedClientData,
    PublicKeyCredentialRpEntity,
    UserVerificationRequirement,
)
from msgspec.structs import replace

from chalicelib.book.words.errors import InvalidInput, WrongCredentials
from chalicelib.doors.words.addresses import address_of
from chalicelib.doors.words.roles import Passkey

_LOCAL = "localhost"

algorithms: tuple[int, ...] = tuple(CoseKey.supported_algorithms())
"""Numbers of the signatures that are understood (IANA's COSE Algorithms)."""


class Site(NamedTuple):
    """The origin of the page that asks, and its host name."""

    origin: str
    host: str


def site_of(origin: str) -> Site:
    """Read an origin such as `https://box.example:8443`. Raises InvalidInput if browsers make no passkeys there."""
    url = urlsplit(origin)
    host = url.hostname or ""
    if (url.scheme != "https" and host != _LOCAL) or address_of(host):
        raise InvalidInput(
            f"there are no passkeys on {origin[:100]}: browsers make them on https and a host name only, such as "
            "https://box.example; take a password here"
        )
    return Site(origin, host)


def check_registration(site: Site, challenge: str, response: Mapping[str, Any], now: datetime) -> Passkey:
    """Check the answer to "make a passkey" and return that. Raises WrongCredentials."""
    try:
        found = _server(site).register_complete(_state(challenge), response)
        data = found.credential_data
        if data is None:
            raise ValueError("no credential in it")
        return Passkey(websafe_encode(data.credential_id), site.host, bytes(data), found.counter, now)
    except Exception as error:  # what a stranger sent goes through the library's parsers
        raise _refusal_error(error) from error


def handle(response: Mapping[str, Any]) -> bytes:
    """Read whose passkey signed, as it says itself. Raises WrongCredentials."""
    try:
        return AuthenticationResponse.from_dict(response).response.user_handle or b""
    except Exception as error:
        raise _refusal_error(error) from error


def check_sign_in(site: Site, challenge: str, passkeys: Sequence[Passkey], response: Mapping[str, Any]) -> Passkey:
    """Check the answer to "sign in" and return the passkey that gave it, with its new counter.

    Raises WrongCredentials if none of these gave it on this site, or if its counter says that it was copied.
    """
    here = {one.id: one for one in passkeys if one.host == site.host}
    try:
        known = [AttestedCredentialData(one.data) for one in here.values()]
        answer = AuthenticationResponse.from_dict(response)
        found = _server(site).authenticate_complete(_state(challenge), known, response)
        passkey, counter = here[websafe_encode(found.credential_id)], answer.response.authenticator_data.counter
    except Exception as error:
        raise _refusal_error(error) from error
    if (counter or passkey.counter) and counter <= passkey.counter:
        raise WrongCredentials(
            "this passkey was used elsewhere since, so it may be a copy: ask for a new link, and remove this passkey"
        )
    return replace(passkey, counter=counter)


def challenge_of(response: Mapping[str, Any]) -> str:
    """Read which challenge was signed. Raises WrongCredentials."""
    try:
        client_data = response["response"]["clientDataJSON"]
        return websafe_encode(CollectedClientData(websafe_decode(client_data)).challenge)
    except Exception as error:
        raise _refusal_error(error) from error


def _server(site: Site) -> Fido2Server:
    party = PublicKeyCredentialRpEntity(id=site.host, name="Regulars")
    return Fido2Server(party, verify_origin=lambda origin: origin == site.origin)


def _state(challenge: str) -> Mapping[str, Any]:
    return {"challenge": challenge, "user_verification": UserVerificationRequirement.REQUIRED}


def _refusal_error(error: Exception) -> WrongCredentials:
    said = f" ({error})" if isinstance(error, ValueError) and str(error).isprintable() else ""
    return WrongCredentials(f"this passkey does not sign in here{said[:100]}: try once more, or ask for a new link")
