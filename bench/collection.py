"""Measure of the deletion of a collection on one box: how long its answer takes, and how long until all is erased.

    python -m bench.collection                20,000 faces, each with a picture, a thumbnail and an observation

Printed are also the calls that it makes on AWS.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from bench.metering import metered
from bench.stand_ins import Eyes, SteppedClock
from bench.synthetic import write_faces
from chalicelib import bootstrap
from chalicelib.core import keys
from chalicelib.core.items import every
from chalicelib.core.model import NO_LABELS, Profile
from chalicelib.core.records.faces import face_from
from chalicelib.services.enrolment.enrolment import EnrolledFace
from chalicelib.settings import Settings
from chalicelib.storage import opened

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
AT_ONCE = 40


def main() -> None:
    parser = argparse.ArgumentParser("bench.collection", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faces", type=int, default=20_000)
    faces = parser.parse_args().faces
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), faces)


def run(folder: Path, faces: int) -> None:
    clock, settings = SteppedClock(NOW), Settings(storage=folder)
    storage, meter = metered(opened(settings, clock))
    services = bootstrap.build(settings, clock=clock, vision=Eyes, storage=storage)
    services.tenants.add("shop", Profile.CLOUD)
    tenant = services.tenants.named("shop")
    staff = services.groups.create(tenant, "staff", None, "")
    write_faces(storage.items, tenant, staff, faces, Eyes())
    items = every(storage.items, keys.FACES, tenant.name)
    while some := [face_from(item) for item in islice(items, AT_ONCE)]:
        for face in some:
            storage.blobs.put_if_absent(face.portrait.key, bytes(20_000), "image/jpeg")
            storage.blobs.put_if_absent(keys.thumbnail(face.portrait.key), bytes(4_000), "image/jpeg")
        enrolled = [EnrolledFace(face, staff, None, False, face.estimates) for face in some]
        observed = [one.observation(one.face.enrolled_at, NO_LABELS) for one in enrolled]
        storage.items.transact(services.statistics.recorder.actions(tenant.name, observed))
    services.statistics.sealing.tenant(tenant)
    services.index.build(tenant.name)
    meter.clear()
    begin = time.monotonic()
    services.erasure.of_groups.delete(tenant, "staff")
    print(
        f"{faces} faces: answered in {1000 * (time.monotonic() - begin):.0f} ms, calls {dict(meter.calls)}", flush=True
    )
    meter.clear()
    begin, is_told = time.monotonic(), False
    while messages := storage.index_queue.receive(1, 60):
        for message in messages:
            services.sweep.message(message.body, 1, lambda: 600.0)
            storage.index_queue.delete(message.receipt)
            if not is_told and not services.tenants.named("shop").gone:
                is_told = True
                print(f"faces, pictures and templates erased after {time.monotonic() - begin:.1f} s", flush=True)
                print(f"  calls {dict(meter.calls)}, reads {dict(meter.reads)}, writes {dict(meter.writes)}")
    print(f"all that follows done after {time.monotonic() - begin:.1f} s, calls {dict(meter.calls)}")
    assert not storage.items.query(keys.FACES, "shop").items
    assert not storage.blobs.list(keys.face_pictures("shop"))


if __name__ == "__main__":
    main()
