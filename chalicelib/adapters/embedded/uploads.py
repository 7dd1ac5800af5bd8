"""A folder for uploads by others, through the server of the one box: the embedded UploadStore."""

from __future__ import annotations

from pathlib import Path

from chalicelib.adapters.embedded.blobs import FolderBlobStore
from chalicelib.adapters.embedded.signed_paths import SignedPaths
from chalicelib.adapters.limits.blobs import upload_headers
from chalicelib.core.ports import PresignedRequest, Upload


class FolderUploadStore(FolderBlobStore):
    """The UploadStore port on the folder `root`; regulars/serve/uploads.py answers the requests that it signs.

    `base_url` begins the URLs, as in `https://box.example`. Without it they are paths, and the caller that hands them
    out adds its own scheme and host.
    """

    def __init__(self, root: Path, paths: SignedPaths, base_url: str = "") -> None:
        super().__init__(root)
        self.paths = paths
        self._base_url = base_url

    def presigned_put(self, key: str, upload: Upload, expires_s: int) -> PresignedRequest:
        headers = upload_headers(upload)
        return PresignedRequest("PUT", self._base_url + self.paths.sign("PUT", key, headers, expires_s), headers)

    def presigned_get(self, key: str, expires_s: int) -> str:
        return self._base_url + self.paths.sign("GET", key, {}, expires_s)
