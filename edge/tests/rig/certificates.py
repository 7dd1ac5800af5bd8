"""Certificates as cameras make them: their own."""

import ssl
import subprocess
from pathlib import Path

from tests.support.needs import needed

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")  # made at once


def own_certificate(folder: Path, name: str, *, alone: bool = False) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate of an address, or of a name that stands in its subject alone; return it,
    and what shows it. `alone`: whether an address stands in the subject alone, too."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    is_named = name[0].isdigit() and not alone
    _run(
        *("req", "-x509", *_NEW_KEY, "-nodes", "-keyout", key, "-out", certificate),
        *("-subj", f"/CN={name}"),
        *(["-addext", f"subjectAltName=IP:{name}"] if is_named else []),
    )
    return certificate, _show(certificate, key)


def signed_certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate of a name that an authority has signed; return the authority's, and what
    shows the other."""
    authority, _ = own_certificate(folder, "authority")
    request, key, certificate = folder / "request", folder / "its-key.pem", folder / "its.pem"
    new = ("req", *_NEW_KEY, "-nodes", "-keyout", key, "-out", request)
    _run(*new, "-subj", f"/CN={name}")
    signer = ("-CA", authority, "-CAkey", folder / "key.pem", "-CAcreateserial")
    _run("x509", "-req", "-in", request, *signer, "-out", certificate)
    return authority, _show(certificate, key)


def _run(*words: object) -> None:
    needed("openssl")
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def _show(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
