"""Sessions, in which onnxruntime runs a pack's models: the only importer of onnxruntime."""

from __future__ import annotations

import io
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.book.vision.machine import CpuSlots
from chalicelib.book.vision.packs.packs import Pack

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
"""Else it keeps a device's id and events in the home folder, and sends them to its makers (1.31, on
Linux too). Its own call that switches this off comes too late, because the import is the first
event."""

_STDERR = 2
_log = logging.getLogger(__name__)


@contextmanager
def _log_stderr() -> Iterator[None]:
    """Log what C code writes to stderr inside the block, if this is a function in Lambda.

    Lambda's log is JSON only, and C code writes around it. So stderr goes into a file in memory
    meanwhile, for all threads, and its lines are logged at the end.
    """
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        yield
        return
    with (
        os.fdopen(os.memfd_create("stderr"), "w+b") as written,
        os.fdopen(os.dup(_STDERR), "wb") as stderr,
    ):
        os.dup2(written.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(stderr.fileno(), _STDERR)
            written.seek(0)
            for line in written.read().decode(errors="replace").splitlines():
                _log.warning("onnxruntime: %s", line)


with _log_stderr():  # on arm64 it writes of what it misses in /sys, as soon as it is imported
    import onnxruntime

_ERRORS_ONLY = 3


_NO_FOLDER = "/dev/null/no-weights-outside-of-the-file"
"""Folder in which onnxruntime looks for weights of another file. Without this it takes them from
the working folder, so a pack's digest would not cover them."""

_sharing = threading.Lock()

LARGE = 700_000
"""Values of a picture whose run, 7 ms of a core, is worth a second thread. More threads gain next
to nothing: a large picture's layers wait for memory."""


class Sessions:
    """Sessions by model file, each created at its first use and shared by all threads.

    A picture's runs go side by side on cores that are free: `done` is that of the CpuSlots. A run
    uses one thread, or two if the picture in it is large and a core is free. Its answer does not
    depend on that.
    """

    def __init__(self, pack: Pack, slots: CpuSlots | None = None) -> None:
        self._pack = pack
        self._slots = slots or CpuSlots(1)
        self.spread, self.done = self._slots.spread_work, self._slots.do_works
        self._sessions: dict[tuple[str, int], Any] = {}
        self._arrays: dict[str, NDArray[np.float32]] = {}
        self._making = threading.Lock()

    def run(self, file: str, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Return the outputs, by name, of the model in a file for one input, `batch`.

        It is (n, channels, height, width). A large picture gets a second thread, if a core is free.
        Raises MissingModel if the file is not there or damaged.
        """
        is_large = batch[0].size >= LARGE
        # A large picture gets a second thread, if a core is free for it: 1 more, else 0.
        second_thread = self._slots.one_more() if is_large else nullcontext(0)
        with second_thread as more_threads:
            session = self.load(file, threads=1 + more_threads)
            input_name = session.get_inputs()[0].name
            outputs = session.run(None, {input_name: batch})
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, outputs, strict=True))

    def read_array(self, file: str) -> NDArray[np.float32]:
        """Return the numbers of a .npy file, which is read once. Raises MissingModel."""
        if file not in self._arrays:
            self._arrays[file] = np.load(
                io.BytesIO(self._pack.read_content(file)), allow_pickle=False
            )
        return self._arrays[file]

    def load(self, file: str, threads: int = 1) -> Any:
        """Return the file's session, and create it first if needed. Raises MissingModel."""
        return self._sessions.get((file, threads)) or self._make(file, threads)

    def _make(self, file: str, threads: int) -> Any:
        """Create a file's session, unless another thread has done so meanwhile; return it."""
        with self._making:
            if (file, threads) not in self._sessions:
                self._sessions[file, threads] = session_of(self._pack.read_content(file), threads)
            return self._sessions[file, threads]


def session_of(model: bytes, threads: int = 1) -> Any:
    """Return a session, which runs a model, of an ONNX file; it uses `threads` threads.

    These sleep between runs, so that they take no core from others.
    """
    with _sharing:
        _share_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    for name, value in (
        ("session.intra_op.allow_spinning", "0"),
        ("session.use_env_allocators", "1"),  # those of _share_memory
        ("session.model_external_initializers_file_folder_path", _NO_FOLDER),
    ):
        options.add_session_config_entry(name, value)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@cache
def _share_memory() -> None:
    """Let all sessions of the process take their memory from one arena. It is done once.

    It grows by what is asked for. Otherwise each session keeps what its largest runs took, rounded
    up to a power of two.
    """
    kind, place = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    as_requested = onnxruntime.OrtArenaCfg({"arena_extend_strategy": 1})
    onnxruntime.create_and_register_allocator(
        onnxruntime.OrtMemoryInfo("Cpu", kind, 0, place), as_requested
    )
