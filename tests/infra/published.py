"""A release's folder alone, from a plain web server: install, first start, own face, webhook, camera, and upgrade.

`make published`, of `make proofs`. What a person types is typed, in a folder with nothing else. Of the checkout come
the release itself, two pictures, and the data folders that releases before left. There is no compiler: pip takes wheels
only, and CC is none.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from infra import wheels
from regulars.demo.registry_photos import folder as photos
from regulars.serve import service
from tests.ports import free_port
from tests.regulars.serve.test_front import until
from tests.releases.make import ENDING, FOLDER

ADD_HOOK = """
import sys
from regulars_client import Regulars
with Regulars(sys.argv[1]) as regulars:
    regulars.add_hook(url=sys.argv[2], events=["face.arrived"])
"""

KEY = "regulars tenants key shop --data data"


class Visitor:
    """Somebody with a folder, a shell and Python. `home`: an empty one, but for how packages are reached."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "REGULARS_"))}
        path = f"{folder}/service/bin:{folder}/edge/bin:/usr/bin:/bin"
        self.environment = {**kept, "PATH": path, "CC": "/bin/false", "no_proxy": "127.0.0.1", **variables}

    def types(self, line: str) -> str:
        """Return what the line prints. Raises AssertionError with the end of what it said if it fails."""
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stdout[-1000:]}{done.stderr[-2000:]}"
        return done.stdout

    @contextmanager
    def serving(self, data: str) -> Iterator[str]:
        """`regulars serve`; gives its URL."""
        command = ["regulars", "serve", "--port", "0", "--data", data, "--log-level", "error"]
        command[0] = str(self.folder / "service/bin/regulars")
        process = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            assert process.stdout is not None
            word, _, url = process.stdout.readline().strip().partition(" ")
            assert word == "ready", "the service did not start; what it said stands above"
            yield url
        finally:
            assert service.stop(process) == 0


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """`python3 -m http.server`, a plain web server."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def told() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Give the URL of a receiver of hooks, and what it got."""
    got: list[dict[str, object]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", got
        server.shutdown()


def main(before: Path | None) -> int:
    """Try it all, and print what each step took. `before`: folder of the release before, which is installed first."""
    with tempfile.TemporaryDirectory() as scratch:
        out, folder = Path(scratch) / "dist", Path(scratch) / "shop"
        out.mkdir()
        folder.mkdir()
        wheels.build(out)
        visitor, began = Visitor(folder, REGULARS_HOOK_NETWORKS="127.0.0.0/8"), time.monotonic()

        def done(what: str) -> None:
            print(f"published: {time.monotonic() - began:6.1f} s  {what}", flush=True)

        _install(visitor, before or out)
        done("downloaded, sums right, installed without a compiler")
        with visitor.serving("data") as at:
            visitor.environment |= {"REGULARS_URL": at, "REGULARS_API_KEY": visitor.types(KEY).strip()}
            done("first start")
            _put(folder / "people/Ann Lee/1.jpg", "people/obama_1.jpg")
            visitor.types("regulars import people --group regular")
            done("first own face")
        visitor.types("regulars backup before.tar --data data")
        _install(visitor, out)
        done(f"upgraded from {before or 'itself'}, after a backup")
        with visitor.serving("data") as at, told() as (receiver, got):
            visitor.types(f"service/bin/python -c '{ADD_HOOK}' {at} {receiver}")
            _put(folder / "pictures/1.jpg", "people/obama_2.jpg")
            visitor.types(f"regulars-edge upload pictures --url {at} --camera door")
            until(lambda: bool(got))
            assert [event["type"] for event in got] == ["face.arrived"]
            assert "Ann Lee" in visitor.types("regulars today --data data")
            done("camera and webhook: Ann Lee came")
        for release in sorted(FOLDER.glob(f"*{ENDING}")):
            with tarfile.open(release) as tar:
                tar.extractall(folder / release.name, filter="data")
            visitor.types(f"regulars fsck --data {release.name}")
            done(f"what {release.name.removesuffix(ENDING)} stored agrees")
    return 0


def _install(visitor: Visitor, out: Path) -> None:
    """Download what the sums name, compare, and install service, client and uploader as docs/install.md says."""
    shutil.rmtree(dist := visitor.folder / "dist", ignore_errors=True)
    dist.mkdir()
    with served(out) as url:
        get = f"cd dist && curl --fail --silent --retry 9 --retry-connrefused --remote-name {url}"
        visitor.types(f"{get}/{wheels.SUMS}")
        names = [line.split()[1] for line in (dist / wheels.SUMS).read_text().splitlines() if line[0] != "#"]
        for name in names:
            visitor.types(f"{get}/{name}")
    visitor.types(f"cd dist && sha256sum --check --strict --quiet {wheels.SUMS}")
    if (visitor.folder / "edge").exists():  # both may say the same version, which pip would leave as it is
        visitor.types("service/bin/pip uninstall --quiet --yes regulars regulars-client")
        visitor.types("edge/bin/pip uninstall --quiet --yes regulars-edge")
    pip = "bin/pip install --quiet --disable-pip-version-check --only-binary :all: --upgrade"
    visitor.types(
        f"{sys.executable} -m venv service && service/{pip} ./dist/regulars-*.whl ./dist/regulars_client-*.whl"
    )
    visitor.types(f"{sys.executable} -m venv edge && edge/{pip} ./dist/regulars_edge-*.whl")


def _put(to: Path, photo: str) -> None:
    to.parent.mkdir(parents=True)
    shutil.copyfile(photos() / photo, to)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
