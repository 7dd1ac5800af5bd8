"""The modules of the console are plain JavaScript whose types are checked."""

from __future__ import annotations

import pytest

from regulars.libraries import PackageUnavailable
from tests.console import types


def test_what_the_consoles_modules_ask_of_each_other_of_the_libraries_and_of_v1_is_there() -> None:
    try:
        found = types.complaints()
    except PackageUnavailable as error:
        pytest.skip(f"TypeScript is not to be had: {error}")
    assert not found, found
