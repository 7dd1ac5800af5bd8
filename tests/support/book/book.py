"""A service with fake eyes, captures put straight into its store, and the visitor book as it came
out."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.book.cameras import CameraSettings
from chalicelib.book.deletion.orphans import LISTED
from chalicelib.book.idempotency import RequestId
from chalicelib.domain.captures import Capture, CaptureState, capture_id
from chalicelib.domain.errors import TenantExists
from chalicelib.domain.model import Face, NewFace, Profile, Tenant
from chalicelib.domain.observations import ObservationFilter
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.open_storage import open_storage
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.ports import Clock, Put, Storage
from chalicelib.storage.records.captures import capture_item
from tests.support.book.ended import EndedByCommits
from tests.support.book.recount import disagreements, every_face
from tests.support.book.tenants import OLD_SETTINGS
from tests.support.fakes import (
    RULES,
    UNHURRIED,
    FakeClock,
    FakeVision,
    OtherVision,
    Person,
    picture,
    stored_of,
)

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Shot(Struct, frozen=True):
    """Who stood before a camera when."""

    at: datetime
    people: tuple[Person, ...]
    camera: str = "door"
    track: str = ""

    @property
    def picture(self) -> bytes:
        return picture(*self.people)


class ViewedShot(Shot, frozen=True):
    """A shot with further views in its file."""

    views: tuple[bytes, ...] = ()

    @property
    def picture(self) -> bytes:
        return picture(*self.people, views=self.views)


def shot(minutes: float, *seeds: int, camera: str = "door") -> Shot:
    """So many minutes after Monday nine o'clock; `seeds`: who."""
    people = tuple(Person(seed, side_px=100.0 - place) for place, seed in enumerate(seeds))
    return Shot(MONDAY + minutes * MINUTE, people, camera)


class Entry(Struct, frozen=True):
    """One face of the book, without its id: what any order of deliveries must give."""

    group: str
    arrive_count: int
    last_arrival_at: datetime | None
    sightings: tuple[tuple[datetime, str], ...]
    """When, and the group that the observation names."""


@dataclass
class Book:
    """The service keeps all in the folder, unless `kept` says where; `wrap` may put something
    around it."""

    folder: Path
    wrap: Callable[[Storage], Storage] = field(default=lambda storage: storage)
    kept: Callable[[Settings, Clock], Storage] = open_storage
    cameras: Sequence[str] = ("door",)
    profile: Profile = Profile.CLOUD
    vision: FakeVision = field(default_factory=FakeVision)
    settings: TenantSettings = OLD_SETTINGS

    def __post_init__(self) -> None:
        self.clock = FakeClock(MONDAY + timedelta(days=14))
        settings = Settings(
            storage=self.folder, **UNHURRIED, hook_networks=(ip_network("127.0.0.0/8"),)
        )
        self.storage = self.kept(settings, self.clock)
        self.services: Services = bootstrap.build(
            settings,
            clock=self.clock,
            vision=lambda: self.vision,
            vision_of={OtherVision.model: OtherVision()}.__getitem__,
            storage=self.wrap(
                replace(self.storage, items=EndedByCommits(self.storage.items))  # type: ignore[arg-type] # a fake of the store
            ),
        )
        known = {tenant.name: tenant for tenant in self.services.tenants.list_all()}
        if "shop" not in known:
            with suppress(TenantExists):  # it was erased
                self.services.tenants.add(
                    "shop", self.profile, replace(self.settings, time_zone="UTC")
                )
                for camera in self.cameras:
                    self.services.cameras.add(self.tenant, camera, camera, CameraSettings())

    @property
    def tenant(self) -> Tenant:
        return self.services.tenants.get_by_name("shop")

    def put(self, shot: Shot) -> Capture:
        """The picture is stored, and its event not told yet."""
        sha256 = hashlib.sha256(shot.picture).hexdigest()
        id_ = capture_id("shop", shot.camera, shot.at, sha256)
        size, wanted = len(shot.picture), CaptureState.WANTED
        capture = Capture(
            id_, shot.camera, shot.at, sha256, size, "image/jpeg", wanted, track=shot.track
        )
        key = keys.capture_picture("shop", shot.camera, id_)
        self.storage.uploads.put_if_absent(key, shot.picture, "image/jpeg")
        if self.storage.items.get(keys.CAPTURES, keys.capture("shop", shot.camera, id_)) is None:
            self.storage.items.transact(
                [Put(keys.CAPTURES, capture_item("shop", capture, self.clock.now()))]
            )
        return capture

    def deliver(self, capture: Capture) -> Capture:
        return self.services.sightings.ingest.resolve_capture("shop", capture.camera_id, capture.id)

    def see(self, *shots: Shot) -> list[Capture]:
        return [self.deliver(self.put(one)) for one in shots]

    def enrol(
        self,
        person: Person,
        group: str = "regular",
        *,
        refuses_known: bool = False,
        is_somebody_else: bool = False,
        request: RequestId | None = None,
        **fields: Any,
    ) -> Face:
        return self.services.enrolment.enrol_largest_face(
            self.tenant,
            group,
            picture(person),
            RULES,
            NewFace(**fields),
            refuses_known=refuses_known,
            is_somebody_else=is_somebody_else,
            request=request,
        )

    def faces(self) -> list[Face]:
        return list(every_face(self.services, self.tenant).values())

    def faceids(self) -> list[str]:
        return sorted(face.faceid for face in self.faces())

    def disagreements(self) -> list[str]:
        return disagreements(self.services, self.tenant)

    def sweep(self) -> None:
        self.services.sweep.sweep_tenant(self.tenant, self.clock.now())

    def entries(self) -> Counter[Entry]:
        groups = {group.id: group.name for group in self.services.groups.list_all(self.tenant)}
        return Counter(
            Entry(
                groups.get(face.group_id, face.group_id),
                face.arrive_count,
                face.last_arrival_at,
                self._sightings(face),
            )
            for face in self.faces()
        )

    def observed(self) -> Counter[tuple[datetime, str, str]]:
        """All that statistics count: when, labels' A, group."""
        page = self.services.statistics.observations.query(
            self.tenant,
            ObservationFilter(),
            int(MONDAY.timestamp()) - 10**7,
            int(MONDAY.timestamp()) + 10**7,
        )
        assert page.next_token is None
        return Counter((one.at, one.labels.a, one.group_name) for one in page.observations)

    def group_counts(self) -> dict[str, int]:
        return {group.name: group.count for group in self.services.groups.list_all(self.tenant)}

    def nothing_else_is_stored(self) -> bool:
        """When the pictures are 7 hours old: every picture belongs to one face that is there, or
        can come back."""
        self.date_pictures(self.clock.now() - timedelta(hours=7))
        self.services.sweep.sweep_tenant(
            self.tenant, self.clock.now().replace(hour=LISTED[0]), ["pictures"]
        )
        merges = self.services.merges.records.list_all("shop")
        faces = [
            *self.faces(),
            *(one.backup.face for one in merges if one.backup and one.is_active),
        ]
        stored = stored_of(picture for face in faces for picture in face.pictures)
        return sorted(blob.key for blob in self.storage.blobs.walk("shop/faces/")) == sorted(stored)

    def date_pictures(self, at: datetime) -> None:
        """Have all pictures, and what lies beside them, be stored at that time."""
        for file in (self.folder / "blobs" / "shop" / "faces").glob("*/*"):
            os.utime(file, (at.timestamp(), at.timestamp()))

    def close(self) -> None:
        self.services.close()

    def _sightings(self, face: Face) -> tuple[tuple[datetime, str], ...]:
        if face.restriction is not None:
            return ()  # nobody sees them
        timeline = self.services.sightings.read_timeline(self.tenant, face.faceid, 100)
        return tuple(sorted((seen.at, seen.group_name) for seen in timeline.sightings))
