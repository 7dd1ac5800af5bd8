"""Signed blobs and their queue in a process that a test may kill: `python -m
tests.support.box.blob_server DATA`."""

import subprocess
import sys
import threading
from pathlib import Path

from chalicelib.storage.box.queue import SqliteQueue
from chalicelib.storage.box.uploads import FolderUploadStore, SignedPaths, signing_secret
from chalicelib.storage.in_process import SystemClock
from regulars.serve.server import Front, open_listener
from regulars.serve.site import Site
from regulars.serve.uploads import SignedBlobs


def opened(data: Path) -> tuple[FolderUploadStore, SqliteQueue]:
    clock = SystemClock()
    queue = SqliteQueue(data / "regulars.sqlite", "captures", clock)
    paths = SignedPaths(signing_secret(data), clock)
    return FolderUploadStore(
        data / "captures", paths, announce=lambda event, tenant: queue.send(event, group=tenant)
    ), queue


def main() -> None:
    store, _ = opened(Path(sys.argv[1]))
    with open_listener("127.0.0.1", 0) as sock:
        front = Front(Site(SignedBlobs(store)), sock)
        print(sock.getsockname()[1], flush=True)
        front.run(threading.Event())


def start(data: Path) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-m", "tests.support.box.blob_server", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    port = int(process.stdout.readline())
    process.stdout.close()
    return process, port


if __name__ == "__main__":
    main()
