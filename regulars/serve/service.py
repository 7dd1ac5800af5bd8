"""Processes that run until they are stopped: `regulars serve` in one of its own, and this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct

from regulars.errors import OperatorError

START_S = 120.0
"""How long a start may take, in s; then it is killed."""
STOP_S = 20.0
"""How long the process may take to end, in s; then it is killed."""


class Service(Struct, frozen=True):
    url: str
    data: Path
    process: subprocess.Popen[str]


@contextmanager
def run_service(
    data: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    models: Path | None = None,
    *,
    log_level: str = "warning",
    options: Sequence[str] = (),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Service]:
    """Start a service on the folder `data`, wait until it is ready, and stop it at the end.

    `options`: more options of `regulars serve`. `variables`: its environment, besides this
    process's. Raises OperatorError if it does not start.
    """
    command = [
        sys.executable,
        "-m",
        "regulars",
        "serve",
        "--host",
        host,
        "--port",
        str(port),
        "--data",
        str(data),
    ]
    command += ["--log-level", log_level, "--config", os.devnull, "--with-caller", *options]
    if models is not None:
        command += ["--models", str(models)]
    # In a session of its own: Ctrl-C then reaches only the caller, which stops the service
    # properly.
    process = subprocess.Popen(  # noqa: S603 - ours
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **variables},
    )
    try:
        yield Service(_wait_until_ready(process), data, process)
    finally:
        stop(process)


def stop(process: subprocess.Popen[str]) -> int:
    """Send SIGTERM, and SIGKILL after `STOP_S`; return the exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _wait_until_ready(process: subprocess.Popen[str]) -> str:
    """Wait for the ready line that `serve` prints, and return its URL.

    Raises OperatorError if none comes in time.
    """
    assert process.stdout is not None  # noqa: S101 -- it was asked for
    kill_timer = threading.Timer(START_S, os.kill, (process.pid, signal.SIGKILL))
    kill_timer.start()
    try:
        line = process.stdout.readline()
    finally:
        kill_timer.cancel()
    first_word, _, url = line.strip().partition(" ")
    if first_word != "ready":
        raise OperatorError("the service did not start; see its output above")
    return url


def stop_with_caller() -> None:
    """Ask this process to stop, as a signal does, when its standard input ends: so it does when the
    process that started it is gone, however that ended."""

    def await_end() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=await_end, name="caller", daemon=True).start()
