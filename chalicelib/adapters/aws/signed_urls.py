"""Signed URLs of S3 objects, at a time of our choosing: AWS Signature Version 4 in the query.

botocore signs at its own clock's second, so that no two of its URLs are the same, and it takes half a
millisecond for one. A page of a hundred faces has two hundred.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, reduce
from urllib.parse import quote, urlencode, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Signer:
    """Credentials for S3 in a region. `token`: "" if they are no temporary ones."""

    access_key: str
    secret_key: str
    token: str
    region: str

    def get(self, url: str, at: datetime, expires_s: int, answered: Mapping[str, str]) -> str:
        """Sign a GET of an object's `url`, good from `at` (UTC) for so long.

        `answered`: headers that S3 shall answer with, by S3's names for them, as in `response-cache-control`.
        """
        time, host = at.strftime("%Y%m%dT%H%M%SZ"), urlsplit(url).netloc
        scope = f"{time[:8]}/{self.region}/s3/aws4_request"
        asked = {
            **answered,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.access_key}/{scope}",
            "X-Amz-Date": time,
            "X-Amz-Expires": str(expires_s),
            **({"X-Amz-Security-Token": self.token} if self.token else {}),
            "X-Amz-SignedHeaders": "host",
        }
        query = urlencode(sorted(asked.items()), quote_via=quote, safe="")
        request = f"GET\n{urlsplit(url).path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        text = f"{_ALGORITHM}\n{time}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        return f"{url}?{query}&X-Amz-Signature={_hmac(_key(self.secret_key, scope), text).hex()}"


@lru_cache(maxsize=4)
def _key(secret_key: str, scope: str) -> bytes:
    """Derive the key of a day, region and service."""
    return reduce(_hmac, scope.split("/"), f"AWS4{secret_key}".encode())


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
