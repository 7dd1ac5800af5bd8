"""A folder for uploads by clients, through the server of the one box: the embedded UploadStore.

A signed path allows one request for one object: it is the twin, on one box, of signed URLs on S3.
Its form is `/_blobs/<key>?expires=<UNIX seconds>&headers=<names>&signature=<hex>`: an HMAC over the
method, the prefix, the key, the expiry and the named headers with their values. Scheme and host are
not signed, because a box has several names. The prefix is the store's: that of captures, or of the
pictures of faces.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode

from chalicelib.domain.errors import (
    RegularsError,
    StaleRequest,
    StorageUnavailable,
    WrongCredentials,
)
from chalicelib.storage.box.blobs import FolderBlobStore
from chalicelib.storage.limits import (
    SIGNED_S,
    make_upload_headers,
    require_blob_key,
    require_expiry,
    signed_from,
)
from chalicelib.storage.ports import UPLOADED, Clock, PresignedRequest, Upload, picture_event
from chalicelib.telemetry import report_failure

PREFIX = "/_blobs/"
PICTURES_PREFIX = "/_pictures/"

_SECRETS = "secrets"
_FILE = "signed-paths"
_SECRET_BYTES = 32
"""Bytes of the key that signs URLs of uploads: those of HMAC-SHA-256."""
_S3_HEADER_PREFIX = "x-amz-"


class SignedPaths:
    """Signatures of the paths below `prefix` by `secret`, and their check."""

    def __init__(self, secret: bytes, clock: Clock, prefix: str = PREFIX) -> None:
        self._secret = secret
        self._clock = clock
        self.prefix = prefix

    def sign(self, method: str, key: str, headers: Mapping[str, str], expires_s: int) -> str:
        """Sign a request with these headers; return its path and query. Raises InvalidInput."""
        require_expiry(expires_s)
        return self._sign_path(method, key, headers, int(self._clock.now().timestamp()) + expires_s)

    def sign_for_hours(self, key: str) -> str:
        """Sign a GET that is good for one to two hours.

        The path is the same for an hour, so that caches keep it.
        """
        return self._sign_path(
            "GET", key, {}, int(signed_from(self._clock.now()).timestamp()) + SIGNED_S
        )

    def _sign_path(self, method: str, key: str, headers: Mapping[str, str], expires_at: int) -> str:
        require_blob_key(key)
        signed = {name.lower(): value for name, value in headers.items()}
        expires = str(expires_at)
        query = {
            "expires": expires,
            "headers": ";".join(sorted(signed)),
            "signature": self._signature(method, key, expires, signed),
        }
        return f"{self.prefix}{quote(key)}?{urlencode(query)}"

    def require_signed(self, method: str, key: str, query: str, headers: Mapping[str, str]) -> None:
        """Accept the request if `sign` signed it.

        `headers`: all headers of the request, by lower-case name.

        All S3 headers that were sent have to be signed. Raises WrongCredentials if the signature or
        a header is not as it was signed, StaleRequest if the URL has expired.
        """
        parameters = {
            name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()
        }
        names = parameters.get("headers", "").split(";") if parameters.get("headers") else []
        signed_headers = {name: headers[name] for name in names if name in headers}
        signature = self._signature(method, key, parameters.get("expires", ""), signed_headers)
        # A header that is not sent is missing in the signed text too, so the signatures differ.
        if not hmac.compare_digest(signature.encode(), parameters.get("signature", "").encode()):
            raise WrongCredentials(
                "the signature is not that of this method, path and headers: ask for a new URL"
            )
        if unsigned_names := [
            name
            for name in headers
            if name.startswith(_S3_HEADER_PREFIX) and name not in signed_headers
        ]:
            raise WrongCredentials(
                "headers were sent that are not signed: leave out "
                f"{', '.join(sorted(unsigned_names))}"
            )
        if self._clock.now().timestamp() > int(parameters["expires"]):
            raise StaleRequest("the URL has expired: ask for a new one")

    def _signature(self, method: str, key: str, expires: str, headers: Mapping[str, str]) -> str:
        named_headers = [[name, " ".join(headers[name].split())] for name in sorted(headers)]
        text = json.dumps(["regulars-path-2", method, self.prefix, key, expires, named_headers])
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def signing_secret(data: Path) -> bytes:
    """Return the data folder's secret, and create it first if needed.

    Only the owner can read its file.

    Raises StorageUnavailable if the file is damaged.
    """
    store = FolderBlobStore(data / _SECRETS)
    secret = store.get(_FILE)
    if secret is None:
        store.put_if_absent(_FILE, secrets.token_bytes(_SECRET_BYTES), "application/octet-stream")
        secret = store.get(_FILE)
    if secret is None or len(secret) != _SECRET_BYTES:
        raise StorageUnavailable(
            f"{data / _SECRETS / _FILE} is damaged: remove it; what it signed is void then"
        )
    return secret


def renew_signing_secret(data: Path) -> None:
    """Give the data folder another secret, with which it is opened from now on.

    What the old one signed is void.
    """
    store = FolderBlobStore(data / _SECRETS)
    store.delete(_FILE)
    signing_secret(data)


BUCKET = "captures"


class FolderUploadStore(FolderBlobStore):
    """The UploadStore and PictureStore ports on the folder `root`; the requests that it
    signs are answered by regulars/serve/uploads.py.

    `base_url` begins the URLs, as in `https://box.example`. Without it they are paths, and the
    caller that hands them out adds its own scheme and host. `announce` gets the event of each
    upload, and the tenant. If it raises a RegularsError, only the event is lost: the object is
    stored, and the watch finds it later.
    """

    def __init__(
        self,
        root: Path,
        paths: SignedPaths,
        base_url: str = "",
        announce: Callable[[str, str], None] = lambda _event, _tenant: None,
    ) -> None:
        super().__init__(root)
        self.paths = paths
        self._base_url = base_url
        self._announce = announce

    def put_upload(self, key: str, data: bytes, content_type: str) -> bool:
        if not self.put_if_absent(key, data, content_type):
            return False
        try:
            self._announce(picture_event(UPLOADED, key), key.partition("/")[0])
        except RegularsError as error:
            report_failure(error, "an object is stored and not announced yet")
        return True

    def presigned_put(self, key: str, upload: Upload, expires_s: int) -> PresignedRequest:
        headers = make_upload_headers(upload)
        return PresignedRequest(
            "PUT", self._base_url + self.paths.sign("PUT", key, headers, expires_s), headers
        )

    def signed_get(self, key: str) -> str:
        return self._base_url + self.paths.sign_for_hours(key)


def etag_of(data: bytes) -> str:
    """Make an object's ETag as S3 does."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
