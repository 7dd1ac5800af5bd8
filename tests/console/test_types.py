import pytest

from regulars.libraries import PackageUnavailable
from tests.console import types


def test_what_the_consoles_modules_ask_of_each_other_of_the_libraries_and_of_v1_is_there() -> None:
    try:
        found = types.complaints()
    except PackageUnavailable as error:
        pytest.skip(f"there is no TypeScript: {error}")
    assert not found, found
