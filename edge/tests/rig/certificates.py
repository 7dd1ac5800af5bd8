"""Certificates as cameras make them: their own."""

import ssl
import subprocess
from pathlib import Path

from testing.needs import needed

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")  # made at once


OLD_KEY = ("-newkey", "rsa:1024")


def own_certificate(
    folder: Path, name: str, *, alone: bool = False, new_key: tuple[str, ...] = _NEW_KEY
) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate of an address, or of a name that stands in its subject alone; return it,
    and what shows it. `alone`: whether an address stands in the subject alone, too."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    is_named = name[0].isdigit() and not alone
    _run(
        *("req", "-x509", *new_key, "-nodes", "-keyout", key, "-out", certificate),
        *("-subj", f"/CN={name}"),
        *(["-addext", f"subjectAltName=IP:{name}"] if is_named else []),
    )
    return certificate, _show(certificate, key)


def expired_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate of no address, that ended yesterday; return it, and what shows it."""
    former, _ = own_certificate(folder, "camera")
    certificate, key = folder / "expired.pem", folder / "key.pem"
    _run("x509", "-in", former, "-signkey", key, "-days", "-1", "-out", certificate)
    return certificate, _show(certificate, key)


def signed_certificate(folder: Path, name: str, days: int = 1) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate for a name, signed by an authority, for so many days from now.

    Return the authority's own certificate, and the context that shows the signed one.
    """
    authority, _ = own_certificate(folder, "authority")
    request, key, certificate = folder / "request", folder / "its-key.pem", folder / "its.pem"
    new = ("req", *_NEW_KEY, "-nodes", "-keyout", key, "-out", request)
    _run(*new, "-subj", f"/CN={name}")
    signer = ("-CA", authority, "-CAkey", folder / "key.pem", "-CAcreateserial")
    _run("x509", "-req", "-in", request, *signer, "-days", days, "-out", certificate)
    return authority, _show(certificate, key)


def _run(*words: object) -> None:
    needed("openssl")
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def _show(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=1")  # as cameras' old keys need it
    context.load_cert_chain(certificate, key)
    return context
