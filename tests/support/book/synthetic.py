"""Galleries of faces that nobody has, written straight into storage, and visits of people whom
there are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.book.commit import Change, GalleryWriter, limited_groups
from chalicelib.book.search.snapshots.segment import Segment, encode_segment, segment_of_rows
from chalicelib.domain.captures import capture_id, sighting_id
from chalicelib.domain.model import (
    NO_LABELS,
    Decision,
    Edit,
    Face,
    Group,
    JournalEntry,
    Labels,
    Picture,
    Tenant,
)
from chalicelib.domain.observations import Observation, ObservationKind
from chalicelib.domain.pictures import BoundingBox, Estimates, Gender, Pose
from chalicelib.domain.rules.templates import make_template
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.in_process import SystemClock
from chalicelib.storage.ports import BlobStore, ItemStore, Put, Vision, absent
from chalicelib.storage.records.faces import face_item
from chalicelib.storage.values import time_ordered_id

BATCH = 97
"""Faces of one transaction: with counts, seq and journal 100 actions."""
PERSONS = 60_000
"""Who may visit the chain of shops."""
PICTURE = "0123456789abcdef"
"""By which each face's picture is found, if anybody puts one there."""
_FIRST = datetime(2025, 1, 1, tzinfo=UTC)
_GENDERS = (Gender.FEMALE, Gender.MALE)


def write_faces(
    items: ItemStore,
    tenant: Tenant,
    group: Group,
    count: int,
    vision: Vision,
    names: Sequence[str] = ("",),
) -> None:
    """Enrol `count` faces with templates of `vision`'s model: counted and in the journal, without
    pictures.

    `names`: they are taken in turn.
    """
    dimensions = vision.embed(np.zeros((64, 64, 3), np.uint8), []).shape[1]
    writer = GalleryWriter(items, SystemClock(), build_index=_no_index)
    for begin in range(0, count, BATCH):
        numbers = range(begin, min(begin + BATCH, count))
        faces = [
            replace(
                _face(tenant, group, number, vision.model, dimensions),
                name=names[number % len(names)],
            )
            for number in numbers
        ]
        puts = tuple(
            Put(keys.FACES, face_item(tenant.name, face), (absent("face-free"),)) for face in faces
        )
        journal = tuple(
            JournalEntry(Edit.PUT, face.faceid, group.id, face.templates) for face in faces
        )
        writer.commit(
            tenant.name,
            Change(
                puts, journal, counts={group.id: len(faces)}, limited_groups=limited_groups(group)
            ),
        )


def _no_index(_tenant: str) -> None:
    """Nothing is searched here, so nothing is told of a commit."""


def _face(tenant: Tenant, group: Group, number: int, model: str, dimensions: int) -> Face:
    """Make a face with all that an enrolment fills in; the number makes the embedding."""
    enrolled_at = _FIRST + timedelta(minutes=number)
    vector = np.random.default_rng(number).standard_normal(dimensions).astype(np.float32)
    faceid = time_ordered_id(enrolled_at)
    picture = Picture(
        "0123456789abcdef" * 2,
        keys.face_picture(tenant.name, faceid, PICTURE),
        enrolled_at,
        (make_template(model, vector / np.linalg.norm(vector)),),
        Estimates(33.4, Gender.FEMALE, 0.9, "happy", 0.8, Pose(1.2, 2.3, 3.4), 81.5),
    )
    return Face(faceid=faceid, group_id=group.id, enrolled_at=enrolled_at, pictures=(picture,))


def faceids(count: int) -> list[str]:
    return [f"face-{number:07d}" for number in range(count)]


def segment(
    templates: NDArray[Any],
    ids: Sequence[str] | None = None,
    *,
    model: str = "bench",
    seq: int = 1,
    group: str = "g",
) -> Segment:
    """Make a gallery of these templates, (faces, dimensions), in one group.

    `ids`: face-0000000 and so on if None.
    """
    rows = len(templates)
    groups, times = np.zeros(rows, dtype=np.uint32), np.ones(rows, dtype=np.int64)
    named = faceids(rows) if ids is None else list(ids)
    return segment_of_rows(model, seq, named, [group], groups, times, templates.astype(np.float16))


def write_snapshot(items: ItemStore, blobs: BlobStore, tenant: str, gallery: Segment) -> None:
    """Store the gallery as the tenant's newest snapshot, and the item that leads to it."""
    key, data = keys.snapshot(tenant, gallery.model, gallery.seq, "bench"), encode_segment(gallery)
    blobs.put_if_absent(key, data, "application/octet-stream")
    place = {"item": keys.index_item(gallery.model), "seq": gallery.seq, "bytes": data.size}
    pointer = {**place, "built_at": 0, "snapshots": [key], "built": [0]}
    items.transact([Put(keys.DIRECTORY, {"tenant": tenant, **pointer})])


def unnamed_bytes(folder: Path) -> int:
    """Return the bytes of the files without a name in the folder that this process has mapped into
    memory."""
    lines = (
        line.split()
        for line in Path("/proc/self/maps").read_text().splitlines()
        if line.endswith("(deleted)")
    )
    ranges = [line[0].split("-") for line in lines if Path(line[5]).parent == folder]
    return sum(int(end, 16) - int(begin, 16) for begin, end in ranges)


def visits(
    begin: datetime, count: int, random: np.random.Generator, first_id: int
) -> Iterator[Observation]:
    """Make a day of a chain of twenty shops: open from nine to half past nine, some persons come
    often."""
    hours = np.clip(random.normal(15, 3, count), 9, 21.5)
    persons = (PERSONS * random.beta(0.6, 1.8, count)).astype(int)
    stores = random.integers(0, 20, count)
    brands = random.integers(0, 5, count)
    extras = random.random((count, 2))
    for n in range(count):
        yield Observation(
            at=begin + timedelta(milliseconds=int(hours[n] * 3_600_000)),
            id=f"{first_id + n:012x}",
            faceid=f"{1_000_000_000_000_000_000 + int(persons[n])}",
            group_name="regular" if persons[n] < PERSONS // 10 else "stranger",
            labels=Labels(
                f"brand-{brands[n]}",
                f"store-{stores[n]:02d}",
                "member" if extras[n][0] < 0.2 else "",
                "",
            ),
            kind=ObservationKind.SIGHTING,
            camera=f"camera-{stores[n]:02d}",
            box=BoundingBox(120, 80, 96, 128),
            estimates=Estimates(
                age=round(20 + 50 * extras[n][1], 1), gender=_GENDERS[persons[n] % 2]
            ),
            decision=Decision(0.5 + extras[n][1] / 2, 0.4, PERSONS),
            gap_s=1_800,
        )


def write_visits(
    services: Services, tenant: Tenant, visits: Sequence[tuple[datetime, str, str]]
) -> None:
    """Write visits without pictures, each its time, the camera's id and the face's."""
    observations = [
        Observation(
            at=at,
            id=sighting_id(capture_id(tenant.name, camera, at, faceid), 0),
            faceid=faceid,
            group_name="members",
            labels=NO_LABELS,
            kind=ObservationKind.SIGHTING,
            camera=camera,
            gap_s=600,
        )
        for at, camera, faceid in visits
    ]
    for begin in range(0, len(observations), 50):
        services.statistics.store_observations(tenant.name, observations[begin : begin + 50])
