"""Each command of the lab begins: nothing that it imports has moved or gone."""

import pkgutil
from importlib import import_module

import pytest

import regulars_lab

MODULES = sorted(one.name for one in pkgutil.walk_packages(regulars_lab.__path__, "regulars_lab."))
# these need onnx
MODULES = [name for name in MODULES if not name.startswith("regulars_lab.models.")]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_can_be_imported(name: str) -> None:
    import_module(name)
