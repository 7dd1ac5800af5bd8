"""HTTP to the service and to cameras: the client's, with certificates as cameras have them."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regulars_client import http
from regulars_client.http import Address as Address
from regulars_client.http import Answer as Answer
from regulars_client.http import IsEnough as IsEnough
from regulars_client.http import Rest as Rest
from regulars_client.http import Timeouts as Timeouts
from regulars_client.http import explain_error as explain_error
from regulars_client.http import limit_time as limit_time
from regulars_client.http import proxies_of_environment as proxies_of_environment
from urllib3.util.ssl_match_hostname import CertificateError, match_hostname

from regulars_edge import __version__
from regulars_edge.errors import Misconfigured, Unreachable

SERVICE = (
    "the service",
    "If the service's certificate is your own, let ca_file of [server] name it",
)
CAMERA = (
    "the camera",
    "If the camera's certificate is its own, let ca_file name it; else ca_file its issuer's, and "
    "tls_name the name in it",
)
"""The certificate that is verified, and a hint for when its issuer is unknown."""


@dataclass(eq=False)
class Http(http.Http):
    """A client of HTTP that raises Unreachable and Misconfigured, and knows cameras (`whose`)."""

    no_answer = Unreachable
    not_configured = Misconfigured
    agent = f"regulars-edge/{__version__}"
    whose: tuple[str, str] = SERVICE

    def make_context(self) -> ssl.SSLContext:
        return camera_context(self.ca_file) if self.whose is CAMERA else super().make_context()


_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name."""
_OLD_KEYS = "DEFAULT:@SECLEVEL=1"
"""OpenSSL's ciphers, with keys of 1024 bits, as old cameras made them."""


class _CameraContext(ssl.SSLContext):
    """Verification of a camera's certificate by `ca_file`.

    `ca_file` may have the camera's certificate itself. Then the name and the dates in the
    certificate do not count, since cameras write into them what they like.
    """

    own_certificates: frozenset[bytes] = frozenset()


class _CameraSocket(ssl.SSLSocket):
    """A camera's connection, whose certificate's name and dates count unless the certificate is
    known."""

    def do_handshake(self, block: bool = False) -> None:
        """Raise SSLError for another's certificate."""
        super().do_handshake(block)
        context = self.context
        known = context.own_certificates if isinstance(context, _CameraContext) else ()
        certificate: Any = self.getpeercert()
        if self.getpeercert(binary_form=True) in known:
            return
        _require_dates(certificate, time.time())
        try:
            match_hostname(certificate, str(self.server_hostname), hostname_checks_common_name=True)
        except CertificateError as error:
            raise ssl.SSLCertVerificationError(1, f"CERTIFICATE_VERIFY_FAILED: {error}") from error


def _require_dates(certificate: Mapping[str, Any], now_s: float) -> None:
    """Raise SSLCertVerificationError, in OpenSSL's words, for a certificate that is not valid now,
    in s since 1970."""
    if now_s < ssl.cert_time_to_seconds(certificate["notBefore"]):
        raise ssl.SSLCertVerificationError(1, "certificate is not yet valid")
    if now_s > ssl.cert_time_to_seconds(certificate["notAfter"]):
        raise ssl.SSLCertVerificationError(1, "certificate has expired")


_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def camera_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return what verifies cameras' certificates, by `ca_file` or the system's.

    A camera's own certificate may be in `ca_file`, and the name may be the subject's alone: many
    make them so. Raises Misconfigured.
    """
    try:
        if ca_file is None:
            context = ssl.create_default_context()
        else:
            context = _CameraContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(ca_file)
            context.own_certificates = frozenset(
                map(ssl.PEM_cert_to_DER_cert, _PEM.findall(ca_file.read_text("latin-1")))
            )
            context.sslsocket_class = _CameraSocket
            context.check_hostname = False  # the socket does it, and looks at the dates
            context.verify_flags |= _NO_CHECK_TIME
            context.set_ciphers(_OLD_KEYS)
    except (OSError, ValueError) as error:
        raise Misconfigured(f"the certificates in {ca_file} cannot be read: {error}") from error
    context.hostname_checks_common_name = True
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
