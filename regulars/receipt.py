"""`regulars receipt`: check what a tenant has signed, without the service."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chalicelib.core.errors import InvalidInput
from regulars.errors import DamagedFile, OperatorError
from regulars.options import PATH, services_of, storage_options

if TYPE_CHECKING:
    from chalicelib.core.signing import Renewal


@click.group(no_args_is_help=False, short_help="Check signed receipts of erasures.")
def receipt() -> None:
    """Check the receipt of an erasure, and print the key that receipts are checked with.

    \b
    Examples:
      regulars receipt key --tenant shop-12
      regulars receipt verify erasure.json --key 3f0c...
    """


@receipt.command(short_help="Check a receipt, offline.")
@click.argument("file", type=PATH)
@click.option("--key", metavar="KEY", help="The signer's public key in base64, or its fingerprint.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S.%f%z"]),
    metavar="TIME",
    help="When that key was renewed, as `regulars receipt key` prints it.",
)
def verify(file: Path, key: str | None, until: datetime | None) -> None:
    """Check a receipt, offline: that it is as it was signed and, with --key, by whom.

    The exit code is 1 if it was changed, signed with another key, or says a time after --until.
    """
    from chalicelib.core import signing
    from chalicelib.core.values import time_text

    try:
        statement, public_key = signing.verified(json.loads(file.read_bytes()))
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"{file} is no receipt: it is not JSON") from error
    except InvalidInput as error:
        raise DamagedFile(f"{file}: {error}") from error
    print(json.dumps(statement, indent=2, ensure_ascii=False, sort_keys=True))
    found = signing.fingerprint(public_key)
    if until is not None and str(statement.get("done_at", "~")) > time_text(until):
        raise OperatorError(f"{file} says a time after {time_text(until)}, when its key was renewed: do not trust it")
    if key is None:
        print(f"it is as it was signed, with the key of this fingerprint: {found}")
        print("whose key that is, `regulars receipt key --tenant NAME` or GET /v1/signing-key of the signer says")
    elif _fingerprint(key) == found:
        print("it is as it was signed, with the key that you gave")
    else:
        raise OperatorError(f"{file} is as it was signed, but with another key: its fingerprint is {found}")


@receipt.command(short_help="Print a tenant's public keys.")
@click.option("--tenant", required=True, metavar="NAME", help="Whose key.")
@storage_options
def key(tenant: str, data: Path | None, stage: str | None) -> None:
    """Print a tenant's public key and its fingerprint, and those of the keys before it, the newest first.

    Hand them to those who will check receipts.
    """
    from chalicelib.core.signing import fingerprint, renewal_of

    with services_of(data, stage) as services:
        keys = services.audit.signing.public_keys(services.tenants.named(tenant).name)
    print(f"public key   {base64.b64encode(keys.current).decode()}")
    print(f"fingerprint  {fingerprint(keys.current)}")
    for document in reversed(keys.renewals):
        print(f"before that  {earlier(renewal_of(document))}")


def earlier(renewal: Renewal) -> str:
    """Describe the key that a renewal ended: its fingerprint, when it was in use, and if it signed the next one."""
    from chalicelib.core.signing import fingerprint

    vouches = "it signed the next key, too" if renewal.is_vouched else "it was lost, and did not sign the next key"
    return f"{fingerprint(renewal.old)}, from {renewal.since} to {renewal.until}; {vouches}"


def _fingerprint(text: str) -> str:
    from chalicelib.core import signing

    is_fingerprint = len(text) == 64 and set(text.lower()) <= set("0123456789abcdef")
    return text.lower() if is_fingerprint else signing.fingerprint(signing.public_key_from(text))
