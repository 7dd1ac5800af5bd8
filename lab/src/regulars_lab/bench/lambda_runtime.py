"""A stand-in for Lambda: the Runtime API that a function's process asks for its events, and the
process itself.

One function is one process with an API of its own, on a free port, as in Lambda. What the process
is started with is what Lambda starts: the runtime interface client and a handler's name, in the
folder of the unpacked package.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_DEADLINE_S = 60


class FunctionFailed(Exception):
    """The function raised, or its process ended; the message says what it said."""


class _Api(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.events: queue.Queue[bytes] = queue.Queue()
        self.answers: queue.Queue[tuple[float, bool, bytes]] = queue.Queue()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a process that is stopped cuts its connection."""


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Api

    def do_GET(self) -> None:
        event = self.server.events.get()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + _DEADLINE_S) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:123456789012:"
            "function:bench",
        }
        _answer(self, 200, event, headers)

    def do_POST(self) -> None:
        now = time.time()
        self.server.answers.put((now, self.path.endswith("/response"), _body(self)))
        _answer(self, 202, b'{"status":"OK"}', {})

    def log_message(self, *_: object) -> None:
        """Nothing: what is printed is the figures."""


class Function:
    """One function's environment: the process is started with the first event, as a cold start
    is."""

    def __init__(self, python: Path, handler: str, task: Path, environ: Mapping[str, str]) -> None:
        self._command = [str(python), "-m", "awslambdaric", handler]
        self._task = task
        self._environ = dict(environ)
        self._api = _Api()
        self._process: subprocess.Popen[bytes] | None = None
        self.cpu_ms = 0.0  # of the process, once it has been stopped
        threading.Thread(target=self._api.serve_forever, daemon=True).start()

    def __enter__(self) -> Function:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.kill()
            _, self._process.returncode, used = os.wait4(self._process.pid, 0)
            self.cpu_ms = 1000 * (used.ru_utime + used.ru_stime)
            self._log.unlink()
        self._api.shutdown()
        self._api.server_close()

    def call(self, event: Any) -> tuple[Any, float]:
        """Return the function's answer and the milliseconds until it came, with those of the start
        if it was cold.

        Raises FunctionFailed.
        """
        self._api.events.put(json.dumps(event).encode())
        began = time.time()
        if self._process is None:
            self._start(began)
        while True:
            try:
                answered_at, well, content = self._api.answers.get(timeout=0.5)
                break
            except queue.Empty:
                if self._process is not None and self._process.poll() is not None:
                    raise FunctionFailed(
                        f"the process of {self._command[-1]} ended: {self._read_log()}"
                    ) from None
                if time.time() - began > _DEADLINE_S:
                    raise FunctionFailed(f"{self._command[-1]} does not answer") from None
        if not well:
            raise FunctionFailed(f"{self._command[-1]}: {content.decode()}\n{self._read_log()}")
        return json.loads(content), (answered_at - began) * 1000

    def _start(self, began: float) -> None:
        host, port = self._api.server_address[:2]
        environ = {
            **self._environ,
            "AWS_LAMBDA_RUNTIME_API": f"{host!s}:{port}",
            "BENCH_SPAWNED_AT": str(began),
        }
        self._log = Path(tempfile.gettempdir()) / f"regulars-function-{os.getpid()}-{port}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._task, env=environ, stdout=log, stderr=log
            )

    def _read_log(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]


@contextmanager
def invocations(function: Function) -> Iterator[str]:
    """Serve Lambda's own API for one function, which a client that invokes it talks to; its URL."""

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            answer, _ = function.call(json.loads(_body(self)))
            _answer(self, 200, json.dumps(answer).encode(), {})

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Requests) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def _body(request: BaseHTTPRequestHandler) -> bytes:
    if "chunked" not in (request.headers.get("Transfer-Encoding") or ""):
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))
    content = b""
    while size := int(request.rfile.readline().split(b";")[0], 16):
        content += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    return content


def _answer(
    request: BaseHTTPRequestHandler, status: int, body: bytes, headers: Mapping[str, str]
) -> None:
    request.send_response(status)
    for name, value in {
        **headers,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)


def environment(task: Path, site: Path | None) -> dict[str, str]:
    """Return the environment that Lambda sets for every function.

    `site`: a folder of modules that comes first.
    """
    path = os.pathsep.join(str(folder) for folder in (site, task) if folder)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(task),
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",  # the function's folder can be read only
        "LAMBDA_TASK_ROOT": str(task),
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_EC2_METADATA_DISABLED": "true",
        "TZ": ":UTC",
    }
