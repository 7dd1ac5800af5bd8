"""Changing the model of a shop that exists while its captures come in: who is lost, and how true
the book is then.

    python -m regulars_lab.bench.reembed [--people 1000] [--captures 600] [--from face-pack-2] [--to
    face-pack-4]
        [--json FILE]

The people are enrolled by one photo each with the first pack. A backlog of captures, half of them
of enrolled people, is processed while `regulars reembed` runs in a process of its own, and ends
after it. Beside it stands a shop that had the second pack from the beginning.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from chalicelib import bootstrap
from chalicelib.book.cameras import CameraSettings
from chalicelib.book.captures.captures import Offer
from chalicelib.domain.captures import RULES, sighting_id
from chalicelib.domain.errors import Unusable
from chalicelib.domain.model import NewFace, Profile
from chalicelib.domain.observations import ObservationFilter
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.records.faces import face_from
from regulars_lab.bench.book import FACES
from regulars_lab.bench.measuring import parser, write
from regulars_lab.evaluate.book import Sighting, trueness
from regulars_lab.measuring.looking import choose_main_face
from tests.support.book.tenants import CHOICE

SHOP, CAMERA = "shop", "door"
KINDS = "people", "strangers"
KNOWN = "known-"


def main() -> None:
    options = parser("reembed", __doc__)
    options.add_argument(
        "--people", type=int, default=1_000, help="who are enrolled (default: %(default)s)"
    )
    options.add_argument(
        "--captures", type=int, default=600, help="of the backlog (default: %(default)s)"
    )
    options.add_argument(
        "--from", dest="old", default="face-pack-2", help="pack (default: %(default)s)"
    )
    options.add_argument(
        "--to", dest="new", default="face-pack-4", help="pack (default: %(default)s)"
    )
    arguments = options.parse_args()
    several, alone = (
        [sorted(one.iterdir()) for one in sorted((FACES / kind).iterdir())] for kind in KINDS
    )
    others = alone[-arguments.captures // 2 :]
    known, rows = [*several, *alone[: -len(others)]], []
    with tempfile.TemporaryDirectory() as folder:
        for first, then in ((arguments.old, arguments.new), (arguments.new, None)):
            data = Path(folder) / first
            with closing(bootstrap.build(Settings(storage=data, pack=first))) as services:
                known = _enrol_people(services, known, arguments.people)
            with closing(bootstrap.build(Settings(storage=data, pack=arguments.new))) as services:
                rows.append(
                    {
                        "from": first,
                        "to": then,
                        **_play_captures(services, data, _backlog(known, others), then),
                    }
                )
            print(rows[-1], flush=True)
    write(rows, arguments.json)


def _enrol_people(
    services: Services, people: Sequence[Sequence[Path]], most: int
) -> list[Sequence[Path]]:
    """Enrol people by their first photos; return those whose photos serve, `most` at most."""
    services.tenants.add(SHOP, Profile.CLOUD, TenantSettings(**CHOICE, capture_mb_a_day=None))
    tenant = services.tenants.get_by_name(SHOP)
    services.cameras.add(tenant, CAMERA, CAMERA, CameraSettings())
    done: list[Sequence[Path]] = []
    for photos in people:
        with suppress(Unusable):
            picture = photos[0].read_bytes()
            services.enrolment.enrol_largest_face(
                tenant, "regular", picture, RULES, NewFace(faceid=f"{KNOWN}{len(done)}")
            )
            done.append(photos)
        if len(done) == most:
            break
    return done


def _backlog(
    known: Sequence[Sequence[Path]], others: Sequence[Sequence[Path]]
) -> list[tuple[int, Path]]:
    """Return further photos of the enrolled people, and as many of other people, in an order of
    their own."""
    drawn = random.Random(1)
    further = [(at, file) for at, files in enumerate(known) for file in files[1:]]
    captures = drawn.sample(further, min(len(others), len(further)))
    captures += [(len(known) + at, files[0]) for at, files in enumerate(others)]
    drawn.shuffle(captures)
    return captures


def _play_captures(
    services: Services, data: Path, captures: Sequence[tuple[int, Path]], pack: str | None
) -> dict[str, Any]:
    """Process the captures, the first third before the change begins; return whom the book lost,
    and how true it is."""
    tenant, clock = services.tenants.get_by_name(SHOP), services.clock
    began, waiting = clock.now() - timedelta(minutes=len(captures)), []
    for number, (person, file) in enumerate(captures):
        picture = file.read_bytes()
        sha256, taken = hashlib.sha256(picture).hexdigest(), began + timedelta(minutes=number)
        offer = Offer(CAMERA, sha256, len(picture), "image/jpeg", taken)
        capture = services.captures.offer_uploads(tenant, [offer])[0].capture
        services.ports.storage.uploads.put_if_absent(
            keys.capture_picture(SHOP, CAMERA, capture.id), picture, "image/jpeg"
        )
        waiting.append((person, file, capture.id))
    change, during, seen = None, 0, list[tuple[int, int, str | None]]()
    for number, (person, file, capture_id) in enumerate(waiting):
        if pack and number == len(waiting) // 3:
            command = [
                sys.executable,
                "-m",
                "regulars",
                "reembed",
                "--pack",
                pack,
                "--data",
                str(data),
            ]
            change = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        during += change is not None and change.poll() is None
        found = services.sightings.ingest.resolve_capture(SHOP, CAMERA, capture_id).sightings
        height, width, _ = services.ports.vision().read_picture(file.read_bytes(), RULES).shape
        seen.append(
            (
                number,
                person,
                sighting_id(capture_id, choose_main_face(found, width, height).number)
                if found
                else None,
            )
        )
    said = change.communicate()[0].splitlines() if change else []
    services.sweep.sweep_tenant(services.tenants.get_by_name(SHOP), clock.now())
    return {
        "model": services.tenants.get_by_name(SHOP).model,
        "said": said,
        "captures meanwhile": during,
        **_book(services, seen),
    }


def _book(services: Services, seen: Sequence[tuple[int, int, str | None]]) -> dict[str, Any]:
    tenant = services.tenants.get_by_name(SHOP)
    stored = [face_from(item) for item in walk_items(services.storage.items, keys.FACES, SHOP)]
    enrolled = [face for face in stored if face.faceid.startswith(KNOWN)]
    lacking = [
        face.faceid
        for face in enrolled
        if tenant.model not in [one.model for one in face.templates]
    ]
    observed, token, end = dict[str, str](), None, int(time.time()) + 1
    for _ in count():
        page = services.statistics.observations.query(
            tenant, ObservationFilter(), 0, end, page_token=token
        )
        observed |= {one.id: one.faceid for one in page.observations}
        token = page.next_token
        if token is None:
            break
    sightings = [Sighting(number, person, observed.get(id_ or "")) for number, person, id_ in seen]
    named = [one for one in sightings if one.face and one.face.startswith(KNOWN)]
    right = sum(one.face == f"{KNOWN}{one.person}" for one in named)
    return {
        "enrolled": len(enrolled),
        "without a template": len(lacking),
        "named right": right,
        "named wrongly": len(named) - right,
        **asdict(trueness(sightings)),
    }


if __name__ == "__main__":
    main()
