"""A folder that others put objects into themselves, through the server of the one box: the embedded UploadStore."""

from __future__ import annotations

from pathlib import Path

from chalicelib.adapters.embedded.blobs import FolderBlobStore
from chalicelib.adapters.embedded.signed_paths import SignedPaths
from chalicelib.adapters.limits.blobs import upload_headers
from chalicelib.core.ports import PresignedRequest, Upload


class FolderUploadStore(FolderBlobStore):
    """The UploadStore port on the folder `root`; what it signs, regulars/serve/uploads.py answers.

    `base_url` is what the URLs begin with, as `https://box.example`; without it they are paths, for whoever hands them
    out to put his own scheme and host before.
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
