"""Passkeys: what a browser is asked, and whether its answer is right (W3C WebAuthn 3), by Yubico's
fido2.

A passkey is good on the host name that it was made on. The device has unlocked it each time, by
finger, face or PIN.
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

from chalicelib.auth.addresses import parse_address
from chalicelib.auth.roles import Passkey
from chalicelib.domain.errors import InvalidInput, WrongCredentials

_LOCAL = "localhost"

algorithms: tuple[int, ...] = tuple(CoseKey.supported_algorithms())
"""Numbers of the signatures that are understood (IANA's COSE Algorithms)."""


class Site(NamedTuple):
    """The origin of the page that asks, and its host name."""

    origin: str
    host: str


def parse_site(origin: str) -> Site:
    """Read an origin such as `https://box.example:8443`.

    Raises InvalidInput if browsers make no passkeys there.
    """
    url = urlsplit(origin)
    host = url.hostname or ""
    if (url.scheme != "https" and host != _LOCAL) or parse_address(host):
        raise InvalidInput(
            f"there are no passkeys on {origin[:100]}: browsers make them on https and a host name "
            "only, such as "
            "https://box.example; take a password here"
        )
    return Site(origin, host)


def check_registration(
    site: Site, challenge: str, response: Mapping[str, Any], now: datetime
) -> Passkey:
    """Check the answer to "make a passkey" and return that. Raises WrongCredentials."""
    try:
        registration = _make_server(site).register_complete(_make_state(challenge), response)
        data = registration.credential_data
        if data is None:
            raise ValueError("no credential in it")
        return Passkey(
            websafe_encode(data.credential_id), site.host, bytes(data), registration.counter, now
        )
    except Exception as error:  # what a stranger sent goes through the library's parsers
        raise _make_refusal(error) from error


def parse_signer(response: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return the passkey that signed, and the user it was made for, both as the response claims.

    Raises WrongCredentials.
    """
    try:
        answer = AuthenticationResponse.from_dict(response)
        return websafe_encode(answer.raw_id), answer.response.user_handle or b""
    except Exception as error:
        raise _make_refusal(error) from error


def check_sign_in(
    site: Site, challenge: str, passkeys: Sequence[Passkey], response: Mapping[str, Any]
) -> Passkey:
    """Check the answer to "sign in" and return the passkey that gave it, with its new counter.

    Raises WrongCredentials if none of these gave it on this site, or if its counter says that it
    was copied.
    """
    passkeys_here = {passkey.id: passkey for passkey in passkeys if passkey.host == site.host}
    try:
        credentials = [AttestedCredentialData(passkey.data) for passkey in passkeys_here.values()]
        answer = AuthenticationResponse.from_dict(response)
        credential = _make_server(site).authenticate_complete(
            _make_state(challenge), credentials, response
        )
        passkey = passkeys_here[websafe_encode(credential.credential_id)]
        counter = answer.response.authenticator_data.counter
    except Exception as error:  # what a stranger sent goes through the library's parsers
        raise _make_refusal(error) from error
    if (counter or passkey.counter) and counter <= passkey.counter:
        raise WrongCredentials(
            "this passkey was used elsewhere since, so it may be a copy: ask for a new link, and "
            "remove this passkey"
        )
    return replace(passkey, counter=counter)


def parse_challenge(response: Mapping[str, Any]) -> str:
    """Read which challenge was signed. Raises WrongCredentials."""
    try:
        client_data = response["response"]["clientDataJSON"]
        return websafe_encode(CollectedClientData(websafe_decode(client_data)).challenge)
    except Exception as error:
        raise _make_refusal(error) from error


def _make_server(site: Site) -> Fido2Server:
    party = PublicKeyCredentialRpEntity(id=site.host, name="Regulars")
    return Fido2Server(party, verify_origin=lambda origin: origin == site.origin)


def _make_state(challenge: str) -> Mapping[str, Any]:
    return {"challenge": challenge, "user_verification": UserVerificationRequirement.REQUIRED}


def _make_refusal(error: Exception) -> WrongCredentials:
    reason = f" ({error})" if isinstance(error, ValueError) and str(error).isprintable() else ""
    return WrongCredentials(
        f"this passkey does not sign in here{reason[:100]}: try once more, or ask for a new link"
    )
