"""Calls to storage beside the caller's own: each answer takes milliseconds on AWS, in which nothing is computed."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_T = TypeVar("_T")

_AT_ONCE = 4
"""More than one invocation of a function begins. What finds no thread free, waits for one."""


def in_a_thread(work: Callable[[], _T], /) -> Callable[[], _T]:
    """Begin the work in a thread, as core.ports.Beside says. The work begins none itself."""
    return _threads().submit(copy_context().run, work).result


@cache
def _threads() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="beside")
