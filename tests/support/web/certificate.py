"""A certificate of 127.0.0.1 that vouches for itself."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="no certificates without the package cryptography")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def certificate(
    folder: Path,
    serial: int = 1,
    passphrase: bytes | None = None,
    *,
    days: int = 30,
    host: str | None = None,
) -> tuple[Path, Path]:
    """Its file and its key's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "box")]), datetime.now(UTC)
    kind = x509.RFC822Name if host and "@" in host else x509.DNSName
    named = kind(host) if host else x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(
            name,
            name,
            key.public_key(),
            serial,
            now - timedelta(days=9),
            now + timedelta(days=days),
        )
        .add_extension(x509.SubjectAlternativeName([named]), False)
        .sign(key, hashes.SHA256())
    )
    locked = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    pem = serialization.Encoding.PEM
    (folder / "chain.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, locked)
    )
    return folder / "chain.pem", folder / "key.pem"
