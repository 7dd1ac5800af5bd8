"""The fixtures of the service's tests, for tests of its dialects."""

import pytest

from testing.folders import pytest_configure, tmp_path
from tests.api.conftest import (
    app,
    camera,
    make_shop,
    market,
    pipeline,
    real_services,
    shop,
    stage,
    v1,
)
from tests.conftest import _little_garbage, box, clock, interruptible, photos, services

__all__ = [
    "_little_garbage",
    "app",
    "box",
    "camera",
    "clock",
    "interruptible",
    "make_shop",
    "market",
    "photos",
    "pipeline",
    "pytest_configure",
    "real_services",
    "services",
    "shop",
    "stage",
    "tmp_path",
    "v1",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rekognition",
        help="acceptance: the endpoint of a box that runs, instead of one of its own",
    )
