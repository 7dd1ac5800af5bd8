"""Attributes that are made at their first use: the garbage collector waits meanwhile, and only then."""

from __future__ import annotations

import gc

import pytest

from chalicelib.core.lazy import lazy


class Made:
    """An object whose attributes say whether garbage was collected when they were made."""

    @lazy
    def inner(self) -> bool:
        return gc.isenabled()

    @lazy
    def outer(self) -> list[bool]:
        return [self.inner, gc.isenabled()]

    @lazy
    def broken(self) -> None:
        raise ValueError("it cannot be made")


def test_garbage_is_collected_again_when_an_attribute_is_made() -> None:
    made = Made()
    assert made.outer == [False, False]
    assert gc.isenabled()
    with pytest.raises(ValueError, match="cannot be made"):
        _ = made.broken
    assert gc.isenabled()
    gc.disable()
    try:
        assert Made().outer == [False, False]
        assert not gc.isenabled()
    finally:
        gc.enable()
