"""Means to a quicker first answer of a function: models are loaded ahead, and garbage collection
waits."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chalicelib.services import Services

_FUNCTION = "AWS_LAMBDA_FUNCTION_NAME"

LOADER_THREAD = "vision ahead"
"""Name of the thread that loads models."""

if _FUNCTION in os.environ:
    gc.disable()


def delay_garbage_collection(event: Any, answer: Callable[[Any], Any]) -> Any:
    """Let a function's collector of garbage begin after its first answer: a Chalice middleware.

    Nearly all that is made before is modules, which stay. That nobody looks through them again and
    again takes 4 % off the processor time of a list of groups and of a search, and 6 % off a first
    recognition.
    """
    try:
        return answer(event)
    finally:
        if _FUNCTION in os.environ and not gc.isenabled():
            gc.freeze()
            gc.enable()


class VisionAhead:
    """The models of new tenants, which a thread loads while a function's first picture waits for
    AWS.

    A fault here is told by the request that needs the models, when it loads them. One box loads
    them when it starts.
    """

    def __init__(self, provide: Callable[[], Services], environ: Mapping[str, str]) -> None:
        self._provide = provide
        self._is_wanted = _FUNCTION in environ

    def begin_loading(self, *, describes: bool, waits: bool = False) -> None:
        """Begin, the first time that this is called.

        `describes`: the models of attributes are needed, too.

        `waits`: return when they are loaded, since a function does nothing between its runs.
        """
        if self._is_wanted:
            self._is_wanted = False  # a function has one request at a time
            thread = threading.Thread(
                target=self._load, args=(describes,), name=LOADER_THREAD, daemon=True
            )
            thread.start()
            if waits:
                thread.join()

    def _load(self, describes: bool) -> None:
        with suppress(Exception):
            from chalicelib.book.vision.pipeline import (
                FacePipeline,  # without the lock of `lazy`, which the request needs
            )

            vision = self._provide().ports.vision()
            if isinstance(vision, FacePipeline):
                vision.load(describes=describes)
