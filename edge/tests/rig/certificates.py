"""Certificates as cameras make them: their own."""

import ssl
import subprocess
from pathlib import Path

from tests.support.needs import needed


def own_certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate of an address, or of a name that stands in its subject alone; return it,
    and what shows it."""
    needed("openssl")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        key,
        "-out",
        certificate,
    ]
    made += [
        "-subj",
        f"/CN={name}",
        *(["-addext", f"subjectAltName=IP:{name}"] if name[0].isdigit() else []),
    ]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context
