"""Galleries of faces that nobody has: random unit templates, enrolled through the real services and storage."""

# ruff: noqa: ARG002 -- a stand-in need not look at what it is given

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chalicelib import bootstrap
from chalicelib.core.decision import ImpostorCurve
from chalicelib.core.model import Box, DetectedFace, Estimates, PictureRules
from chalicelib.core.ports import Vision
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
