"""Each use case is made of the right attributes of Services: their names say which, which mypy does not see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import pytest

from chalicelib.bootstrap import build
from chalicelib.core import ports, search
from chalicelib.services import Services, wired
from chalicelib.services.tenants.accounts import Tenants
from chalicelib.settings import Settings
from tests.fakes import FakeVision

WIRED = {name: use_case for name, use_case in vars(Services).items() if isinstance(use_case, wired)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Services:
    return build(Settings(storage=tmp_path_factory.mktemp("wired")), vision=FakeVision)


@pytest.mark.parametrize("name", WIRED)
def test_what_a_use_case_is_made_of_is_what_its_parameters_say(made: Services, name: str) -> None:
    kind = WIRED[name].kind
    assert Services.__annotations__[name] == f"wired[{kind.__name__}]"
    assert type(getattr(made, name)) is kind
    names = {one.kind.__name__: one.kind for one in WIRED.values()}
    names |= {**vars(ports), **vars(search), **vars(__import__(kind.__module__, fromlist=["*"]))}
    for parameter, value in WIRED[name].given(made).items():
        said = eval(kind.__init__.__annotations__[parameter], names)
        assert fits(value, said), f"{parameter} of {name} is {said}, not {value}"


@pytest.mark.parametrize("others", [{"capture_days": "setings.capture_days"}, {"capture_day": "settings.capture_days"}])
def test_a_misspelt_parameter_or_attribute_is_told_and_not_left_to_its_default(
    others: dict[str, str], made: Services
) -> None:
    misspelt: wired[Tenants] = wired("tenants.accounts.Tenants", model="ports.model", **others)
    with pytest.raises((AttributeError, TypeError), match=r"setings|capture_day"):
        misspelt.kind(**misspelt.given(made))


def fits(value: object, said: Any) -> bool:
    """Tell whether a value is of a type; of a protocol, whether it has all its members."""
    if isinstance(said, UnionType):
        return any(fits(value, one) for one in get_args(said))
    said = get_origin(said) or said
    if said is Callable:
        return callable(value)
    if getattr(said, "_is_protocol", False):
        return all(hasattr(value, member) for member in dir(said) if not member.startswith("_"))
    return isinstance(value, (int, float) if said is float else said)


def test_a_value_of_another_type_is_told(made: Services, tmp_path: Path) -> None:
    assert fits(made.items, ports.ItemStore)
    assert not fits(made.blobs, ports.ItemStore)
    assert not fits(made.observations, WIRED["face_observations"].kind)
    assert not fits(tmp_path, Callable[[], int])
    assert fits(None, int | None)
