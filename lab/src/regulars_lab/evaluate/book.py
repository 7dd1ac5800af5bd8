"""A labelled folder played as captures through the service, and how true the book is that comes of
it.

B-cubed precision and recall (Bagga and Baldwin, 1998): for each sighting, the share of its face's
sightings that show the same person, and the share of its person's sightings that have the same
face; both are means over all sightings.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from chalicelib import bootstrap
from chalicelib.book.cameras import CameraSettings
from chalicelib.book.captures.captures import Offer
from chalicelib.book.vision.machine import count_cores
from chalicelib.domain.captures import RULES, sighting_id
from chalicelib.domain.model import Profile, Tenant
from chalicelib.domain.observations import ObservationFilter
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.ports import Vision
from regulars_lab.measuring.looking import choose_main_face
from tests.support.book.tenants import CHOICE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
_CAMERA, _TENANT = "door", "book"
_LOOKS = frozenset({"detect", "examine", "embed", "qualities", "describe", "crop"})


class Scene(Struct, frozen=True):
    """Arrival of one camera's captures.

    `apart`: the time between two. `jobs_every`: captures after which jobs run.

    None: the first is processed after the last was taken, as after an outage, and jobs run when all
    are.
    """

    apart: timedelta
    jobs_every: int | None = None


SCENES = {
    "spread": Scene(timedelta(minutes=10), 100),
    "door": Scene(timedelta(minutes=1), 5),
    "backlog": Scene(timedelta(minutes=1)),
    "rush": Scene(timedelta(seconds=1)),
}


class Sighting(Struct, frozen=True):
    """The face that the book has for a capture, and the person whom it shows, by number.

    None: it is nobody's.
    """

    picture: int
    person: int
    face: str | None


class Trueness(Struct, frozen=True):
    """The figures of one order.

    `left_out`: captures that are no face's, which count in no other figure.
    """

    sightings: int
    left_out: int
    persons: int
    faces: int
    precision: float
    recall: float
    split: int
    mixed: int

    @property
    def f1(self) -> float:
        return (
            2 * self.precision * self.recall / (self.precision + self.recall)
            if self.recall
            else 0.0
        )


def trueness(sightings: Iterable[Sighting]) -> Trueness:
    """Measure B-cubed precision and recall, the people who are several faces, and the faces that
    are several people."""
    every = list(sightings)
    known = [(one.person, one.face) for one in every if one.face is not None]
    of_both = Counter(known)
    of_person = Counter(who for who, _ in known)
    of_face = Counter(face for _, face in known)
    count = max(len(known), 1)
    return Trueness(
        sightings=len(known),
        left_out=len(every) - len(known),
        persons=len(of_person),
        faces=len(of_face),
        precision=sum(n * n / of_face[face] for (_, face), n in of_both.items()) / count,
        recall=sum(n * n / of_person[person] for (person, _), n in of_both.items()) / count,
        split=sum(n > 1 for n in Counter(person for person, _ in of_both).values()),
        mixed=sum(n > 1 for n in Counter(face for _, face in of_both).values()),
    )


class RememberedVision:
    """A Vision (storage/ports.py) that looks at each picture once, however often it is played."""

    def __init__(self, vision: Vision) -> None:
        self._vision = vision
        self._known: dict[Hashable, Any] = {}

    def __getattr__(self, name: str) -> Any:
        known = getattr(self._vision, name)
        return partial(self._once, name) if name in _LOOKS else known

    def _once(self, look: str, image: NDArray[np.uint8], *asked: Any, **named: Any) -> Any:
        what = tuple(sorted(one) if isinstance(one, set) else one for one in asked)
        key = look, hashlib.sha256(image.tobytes()).digest(), repr((what, named))
        if key not in self._known:
            self._known[key] = getattr(self._vision, look)(image, *asked, **named)
        return self._known[key]


class _Clock:
    """The time of the capture that is played."""

    def __init__(self) -> None:
        self.at = BEGINS

    def now(self) -> datetime:
        return self.at


class Player:
    """The service, which sees pictures one after the other as captures of one camera.

    `persons`: of each picture, by number.
    """

    def __init__(
        self,
        files: Sequence[Path],
        persons: Sequence[int],
        vision: RememberedVision,
        fpir_target: float,
    ) -> None:
        self.files, self._persons = files, persons
        self._vision = vision
        self._fpir_target = fpir_target

    def look(self, advance: Callable[[], object]) -> None:
        """Look at each picture, side by side, so that playing it runs no model any more."""

        def look_at(number: int) -> None:
            with tempfile.TemporaryDirectory() as folder:
                self._play_pictures(Path(folder), [number])
            advance()

        with ThreadPoolExecutor(count_cores()) as pool:
            list(pool.map(look_at, range(len(self.files))))

    def play(
        self, seed: int, scene: Scene, advance: Callable[[], object], *, learns: bool
    ) -> list[Sighting]:
        """Play all pictures into an empty book, in an order of their own; return whose they are
        then.

        `learns`: faces learn from their sightings, and those that are one person are joined.
        """
        order = random.Random(seed).sample(range(len(self.files)), len(self.files))
        with tempfile.TemporaryDirectory() as folder:
            return self._play_pictures(Path(folder), order, scene, advance, learns=learns)

    def _play_pictures(
        self,
        folder: Path,
        order: Sequence[int],
        scene: Scene = SCENES["spread"],
        advance: Callable[[], object] = lambda: None,
        *,
        learns: bool = False,
    ) -> list[Sighting]:
        clock = _Clock()
        settings = Settings(storage=folder, fpir_target=self._fpir_target)
        with closing(
            bootstrap.build(settings, clock=clock, vision=lambda: self._vision)
        ) as services:
            services.tenants.add(
                _TENANT,
                Profile.CLOUD,
                TenantSettings(**CHOICE, capture_mb_a_day=None, learns=learns),
            )
            tenant = services.tenants.get_by_name(_TENANT)
            services.cameras.add(tenant, _CAMERA, _CAMERA, CameraSettings())
            main: dict[int, str | None] = {}
            for count, number in enumerate(order, 1):
                taken = BEGINS + count * scene.apart
                clock.at = BEGINS + (count if scene.jobs_every else len(order)) * scene.apart
                main[number] = self._resolve_picture(services, tenant, number, taken)
                if scene.jobs_every and count % scene.jobs_every == 0:
                    services.sweep.sweep_tenant(tenant, clock.at)
                advance()
            services.sweep.sweep_tenant(tenant, clock.at)
            faces = _faces(services, tenant)
        return [
            Sighting(one, self._persons[one], faces.get(id_ or "")) for one, id_ in main.items()
        ]

    def _resolve_picture(
        self, services: Services, tenant: Tenant, number: int, taken: datetime
    ) -> str | None:
        """Upload the picture and have it resolved; return the id of the main face's sighting, None
        if there is none."""
        picture = self.files[number].read_bytes()
        kind = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
        sha256 = hashlib.sha256(picture).hexdigest()
        offer = Offer(_CAMERA, sha256, len(picture), kind, taken)
        capture = services.captures.offer_uploads(tenant, [offer])[0].capture
        services.ports.storage.uploads.put_if_absent(
            keys.capture_picture(tenant.name, _CAMERA, capture.id), picture, kind
        )
        resolved = services.sightings.ingest.resolve_capture(tenant.name, _CAMERA, capture.id)
        if not resolved.sightings:
            return None
        height, width, _ = self._vision.read_picture(picture, RULES).shape
        return sighting_id(capture.id, choose_main_face(resolved.sightings, width, height).number)


def _faces(services: Services, tenant: Tenant) -> dict[str, str]:
    """Read which face each sighting is of."""
    faces: dict[str, str] = {}
    start, end = (int(at.timestamp()) for at in (BEGINS, services.clock.now()))
    token: str | None = None
    while True:
        page = services.statistics.observations.query(
            tenant, ObservationFilter(), start, end, page_token=token
        )
        faces |= {one.id: one.faceid for one in page.observations}
        token = page.next_token
        if token is None:
            return faces
