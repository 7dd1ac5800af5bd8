from __future__ import annotations

import pytest

from chalicelib.vision import packs


@pytest.fixture(scope="session")
def models() -> None:
    """The face models, which `regulars serve` loads before it is ready."""
    try:
        packs.find(None)
    except packs.MissingModel as error:
        pytest.skip(str(error))
