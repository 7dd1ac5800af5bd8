"""Galleries of faces that nobody has: random unit templates, through the real services or straight into storage."""

# ruff: noqa: ARG002 -- a stand-in need not look at what it is given

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from bench.metering import stored_bytes
from chalicelib import bootstrap
from chalicelib.adapters.clock import SystemClock
from chalicelib.core import keys
from chalicelib.core.decision import ImpostorCurve
from chalicelib.core.ids import time_ordered_id
from chalicelib.core.model import Edit, Face, Group, JournalEntry, Picture, Tenant
from chalicelib.core.pictures import Box, DetectedFace, Estimates, Gender, PictureRules, Pose, Quality
from chalicelib.core.ports import ItemStore, Put, Vision, absent
from chalicelib.core.records.faces import face_item
from chalicelib.core.templates import canonical
from chalicelib.services.commit.gallery import Change, GalleryWriter, limited_groups
from chalicelib.settings import Settings

_RULES = PictureRules(frozenset({"JPEG"}), 1024, 1024, 1024)
_FACE = DetectedFace(Box(0, 0, 100, 100), ((30, 40), (70, 40), (50, 60), (35, 80), (65, 80)), 1.0)


class RandomVision:
    """core.ports.Vision that sees in any picture one face that nobody has."""

    def __init__(self, like: Vision, dimensions: int, seed: int) -> None:
        self._like = like
        self._dimensions = dimensions
        self._random = np.random.default_rng(seed)

    @property
    def model(self) -> str:
        return self._like.model

    @property
    def impostor_curve(self) -> ImpostorCurve:
        return self._like.impostor_curve

    def read(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        return np.zeros((100, 100, 3), np.uint8)

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        return [_FACE]

    def embed(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> NDArray[np.float32]:
        rows = self._random.standard_normal((len(faces), self._dimensions)).astype(np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    def qualities(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[Quality]:
        return [Quality(100.0, "", 100.0) for _ in faces]

    def describe(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[Estimates]:
        return [Estimates() for _ in faces]

    def crop(self, image: NDArray[np.uint8], face: DetectedFace) -> bytes:
        return b"\xff\xd8synthetic"


def fill(settings: Settings, vision: Vision, tenant_name: str, group: str, count: int) -> None:
    """Make the group and enrol `count` synthetic faces in it; `vision` names the model whose gallery they join."""
    dimensions = vision.embed(np.zeros((100, 100, 3), np.uint8), [_FACE]).shape[1]
    made = RandomVision(vision, dimensions, seed=count)
    services = bootstrap.build(settings, vision=lambda: made)
    try:
        tenant = next(tenant for tenant in services.tenants.all() if tenant.name == tenant_name)
        services.groups.create(tenant, group, 10_000, "made by a benchmark")
        for n in range(count):
            services.enrolment.of_largest_face(tenant, group, b"", _RULES, faceid=f"synthetic-{n}")
    finally:
        services.close()


BATCH = 97
"""Faces of one transaction: with counts, seq and journal 100 actions."""
_DIMENSIONS = 256
_FIRST = datetime(2025, 1, 1, tzinfo=UTC)
_VALUES = ("hiking", "2", "60", "13166668888", "Main Street 1")


def write_faces(
    items: ItemStore, tenant: Tenant, group: Group, count: int, model: str = "synthetic", dimensions: int = _DIMENSIONS
) -> int:
    """`count` faces straight into storage, counted and in the journal, without pictures.

    Every second one came in the 90 days after its enrolment. Returns the bytes of one face's item.
    """
    writer = GalleryWriter(items, SystemClock(), on_commit=_no_index)
    dice = random.Random(count)
    size_bytes = 0
    for begin in range(0, count, BATCH):
        faces = [
            _face(tenant, group, number, dice, model, dimensions) for number in range(begin, min(begin + BATCH, count))
        ]
        face_items = [face_item(tenant.name, face) for face in faces]
        puts = tuple(Put(keys.FACES, item, (absent("face-free"),)) for item in face_items)
        journal = tuple(JournalEntry(Edit.PUT, face.faceid, group.id, face.templates) for face in faces)
        writer.commit(
            tenant.name, Change(puts, journal, counts={group.id: len(faces)}, limited_groups=limited_groups(group))
        )
        size_bytes = stored_bytes(face_items[0])
    return size_bytes


def _no_index(*_commit: object) -> None:
    """Nothing is searched here, so nothing is told of a commit."""


def _face(tenant: Tenant, group: Group, number: int, dice: random.Random, model: str, dimensions: int) -> Face:
    """Make a face with all that an enrolment fills in; the number makes the embedding."""
    enrolled_at = _FIRST + timedelta(minutes=number)
    arrived = dice.random() < 0.5
    vector = np.random.default_rng(number).standard_normal(dimensions).astype(np.float32)
    faceid = time_ordered_id(enrolled_at)
    return Face(
        faceid=faceid,
        group_id=group.id,
        enrolled_at=enrolled_at,
        pictures=(
            Picture(
                "0123456789abcdef" * 2,
                keys.face_picture(tenant.name, faceid, "0123456789abcdef"),
                enrolled_at,
                (canonical(model, vector / np.linalg.norm(vector)),),
                Estimates(33.4, Gender.FEMALE, 0.9, "happy", 0.8, Pose(1.2, 2.3, 3.4), 81.5),
            ),
        ),
        attributes={attribute.id: value for attribute, value in zip(group.attributes, _VALUES, strict=False)},
        arrive_count=7 if arrived else 0,
        last_arrival_at=enrolled_at + timedelta(minutes=dice.randrange(90 * 24 * 60)) if arrived else None,
    )
