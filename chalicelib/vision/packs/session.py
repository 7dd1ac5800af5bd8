"""Sessions that run the pack's models: the only importer of onnxruntime."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.vision.cpu_slots import CpuSlots
from chalicelib.vision.packs.packs import Pack
from chalicelib.vision.packs.prelu import without_prelu

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
"""Else it keeps a device's id and events in the home folder, and sends them to its makers (1.31, on Linux too). Its own
call that switches this off comes too late, because the import is the first event."""

_STDERR = 2
_log = logging.getLogger(__name__)


@contextmanager
def _in_the_log() -> Iterator[None]:
    """Log what C code writes to stderr inside, if this is a function in Lambda, whose log is JSON only."""
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        yield
        return
    with os.fdopen(os.memfd_create("stderr"), "w+b") as written, os.fdopen(os.dup(_STDERR), "wb") as stderr:
        os.dup2(written.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(stderr.fileno(), _STDERR)
            written.seek(0)
            for line in written.read().decode(errors="replace").splitlines():
                _log.warning("onnxruntime: %s", line)


with _in_the_log():  # on arm64 it writes of what it misses in /sys, as soon as it is imported
    import onnxruntime

_ERRORS_ONLY = 3


class Sessions:
    """Sessions by model file, each created at its first use and shared by all threads.

    Each run uses one thread, so that a picture's answer does not depend on the number of cores. Requests run side by
    side, and so do a picture's runs on cores that are free: `spread` is that of the CpuSlots.
    """

    def __init__(self, pack: Pack, slots: CpuSlots | None = None) -> None:
        self._pack = pack
        self.spread = (slots or CpuSlots(1)).spread
        self._sessions: dict[str, Any] = {}
        self._making = threading.Lock()

    def run(self, file: str, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Run the model on one input `batch`, (n, channels, height, width); return all outputs by name.

        Raises MissingModel.
        """
        session = self.load(file)
        outputs = session.run(None, {session.get_inputs()[0].name: batch})
        return dict(zip((output.name for output in session.get_outputs()), outputs, strict=True))

    def load(self, file: str) -> Any:
        """Return the file's session, and create it first if needed. Raises MissingModel."""
        return self._sessions.get(file) or self._make(file)

    def _make(self, file: str) -> Any:
        with self._making:
            if file not in self._sessions:
                self._sessions[file] = session_of(without_prelu(self._pack.content(file)))
            return self._sessions[file]


def session_of(model: bytes) -> Any:
    """Create a session of an ONNX file; it runs on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
