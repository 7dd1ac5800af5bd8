"""An S3 bucket for uploads by others: the UploadStore on AWS."""

from __future__ import annotations

from chalicelib.adapters.aws.blobs import S3BlobStore
from chalicelib.adapters.aws.errors import translated
from chalicelib.adapters.limits.blobs import require_expiry, require_key, upload_headers
from chalicelib.core.ports import PresignedRequest, Upload

_SERVICE = "S3"


class S3UploadStore(S3BlobStore):
    """The UploadStore port on the bucket `bucket`.

    The client must sign with version 4 (adapters/aws/clients.py). Version 2, which botocore still uses for URLs in
    regions that accept it, silently leaves out the length and the condition.
    """

    def put_upload(self, key: str, data: bytes, content_type: str) -> bool:
        return self.put_if_absent(key, data, content_type)  # the bucket sends the message

    def presigned_put(self, key: str, upload: Upload, expires_s: int) -> PresignedRequest:
        headers = upload_headers(upload)
        signed = {
            "ContentLength": upload.size,
            "ContentType": upload.content_type,
            "IfNoneMatch": headers["If-None-Match"],
            "ChecksumSHA256": headers["x-amz-checksum-sha256"],
        }
        require_key(key)
        require_expiry(expires_s)
        with translated(_SERVICE):
            url = self._client.generate_presigned_url(
                "put_object", Params={"Bucket": self._bucket, "Key": key, **signed}, ExpiresIn=expires_s
            )
        return PresignedRequest("PUT", url, headers)
