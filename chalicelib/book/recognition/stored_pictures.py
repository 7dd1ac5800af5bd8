"""Pictures that a tenant keeps in S3, read with the service's rights, from places that the operator
allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from msgspec import Struct

from chalicelib.domain.model import Tenant
from chalicelib.domain.pictures import may_be_read
from chalicelib.domain.rules.recognised import MOST_BYTES
from chalicelib.storage.ports import ObjectReader

FAILS_AFTER_S = 2.0
"""Every failure takes this long, or a whole number of times as long: that S3 was asked, or what it
said, is not heard from the time of the answer. S3 says no within it."""


class StoredPictures(Struct):
    """Pictures in S3.

    `objects`: makes the reader. `own_buckets`: buckets of this deployment, which are never read.
    """

    objects: Callable[[], ObjectReader]
    own_buckets: Collection[str] = ()
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep

    def read_picture(
        self, tenant: Tenant, bucket: str, key: str, version: str | None = None
    ) -> bytes | None:
        """Return an object's bytes; None if it is not allowed, not there or cannot be read.

        Nobody can tell which, not even by the time, since each failure takes a multiple of
        FAILS_AFTER_S. A tenant without buckets is answered at once, for there is nothing to hide
        from it. The reader raises Unusable over MOST_BYTES.
        """
        if not tenant.picture_buckets:
            return None
        began = self.monotonic()
        if bucket not in self.own_buckets and may_be_read(tenant.picture_buckets, bucket, key):
            picture = self.objects().read_object(bucket, key, version, MOST_BYTES)
            if picture is not None:
                return picture
        # After 0.3 s sleep for 1.7 s; after 2.5 s for 1.5 s.
        self.sleep(FAILS_AFTER_S - (self.monotonic() - began) % FAILS_AFTER_S)
        return None
