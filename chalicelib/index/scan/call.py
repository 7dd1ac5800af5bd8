"""Calls of the kernel: a gallery in the structs of kernel.c."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from chalicelib.index.scan.coder import Coder

_POINTER, _WHOLE, _REAL = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double


class Tier(ctypes.Structure):
    """The struct `tier`."""

    _fields_ = (
        ("codes", _POINTER), ("begin", _WHOLE), ("end", _WHOLE), ("columns", _WHOLE), ("width", _WHOLE),
        ("scale", _REAL), ("unit", _REAL), ("code_norm", _REAL), ("error_norm", _REAL),
        ("query", _POINTER), ("total", ctypes.c_int32), ("weight", ctypes.c_int32), ("step", _REAL), ("slack", _REAL),
    )  # fmt: skip


class Call(ctypes.Structure):
    """The struct `search`. Its maker keeps the arrays that it points at."""

    _fields_ = (
        ("tiers", Tier * 2), ("tier_count", _WHOLE), ("dimensions", _WHOLE), ("rows", _WHOLE), ("room", _WHOLE),
        ("off", _REAL), ("templates", _POINTER), ("first_row", _POINTER), ("faces", _WHOLE),
        ("group", _POINTER), ("taken", _POINTER), ("numbers", _POINTER),
        ("probe", _POINTER), ("turned", _POINTER), ("wide", _POINTER), ("cut", _REAL),
        ("best", _POINTER), ("limit", _WHOLE), ("face", _WHOLE), ("score", _REAL), ("held", _WHOLE),
    )  # fmt: skip


def of_coder(coder: Coder) -> Call:
    """Tell how the gallery is coded."""
    call = Call(tier_count=len(coder.tiers), dimensions=coder.dimensions, off=coder.off, face=-1)
    for told, tier in zip(call.tiers, coder.tiers, strict=False):
        for name in ("begin", "end", "columns", "width", "scale", "unit", "code_norm", "error_norm"):
            setattr(told, name, getattr(tier, name))
    call.room = ctypes.sizeof(call) + 8 * coder.dimensions + sum(tier.width for tier in coder.tiers)
    return call


def at(array: NDArray[np.generic]) -> int:
    """Return the array's place in memory."""
    place: int = array.__array_interface__["data"][0]  # array.ctypes takes three times as long
    return place
