"""A release's folder alone, from a plain web server: install, first face, camera, webhook, upgrade
and way back.

`make published`, of `make proofs`. What a person types is typed, in a folder with nothing else. Of
the checkout come the two releases, made of commits, two pictures, and the data folders that
releases before left. There is no compiler: pip takes wheels only, and CC is none. The images are
loaded from their archives and run, if this machine can.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from msgspec import Struct

from chalicelib.version import VERSION
from infra.dependencies import ROOT, run_command
from infra.releases import images, wheels
from infra.releases.release import SAYING, replace_version
from regulars.demo.registry_photos import provide_folder as photos
from regulars.serve import service
from testing.ports import free_port
from tests.infra import container
from tests.support.releases import ENDING, FOLDER
from tests.support.waiting import until

ADD_HOOK = """
import sys
from regulars_client import Regulars
with Regulars(sys.argv[1]) as regulars:
    regulars.add_hook(url=sys.argv[2], events=["face.arrived"])
"""

VISITS = """
import sys
from regulars_client import Regulars
with Regulars(sys.argv[1]) as regulars:
    for one in regulars.list_arrivals(from_="2000-01-01T00:00:00Z"):
        print(one.name, one.first)
"""

FETCHED = ROOT / "regulars/fetched"
KERNELS = sorted((ROOT / "chalicelib/book/search/scan").glob("kernel-*.so"))

KEY = "regulars tenants key shop --data data"


class Visitor:
    """Somebody with a folder, a shell and Python.

    `home`: an empty one, but for how packages are reached.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "REGULARS_"))
        }
        path = f"{folder}/service/bin:{folder}/edge/bin:/usr/bin:/bin"
        self.environment = {
            **kept,
            "PATH": path,
            "CC": "/bin/false",
            "no_proxy": "127.0.0.1",
            **variables,
        }

    def types(self, line: str) -> str:
        """Return what the line prints.

        Raises AssertionError with the end of what it said if it fails.
        """
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}: {done.stdout[-1000:]}{done.stderr[-2000:]}"
        return done.stdout

    @contextmanager
    def serving(self, data: str) -> Iterator[str]:
        """`regulars serve`; gives its URL."""
        command = ["regulars", "serve", "--port", "0", "--data", data, "--log-level", "error"]
        command[0] = str(self.folder / "service/bin/regulars")
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            word, _, url = process.stdout.readline().strip().partition(" ")
            assert word == "ready", "the service did not start; what it said stands above"
            yield url
        finally:
            assert service.stop(process) == 0


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """`python3 -m http.server`, a plain web server."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "http.server",
        str(port),
        "--bind",
        "127.0.0.1",
        "--directory",
        str(folder),
    ]
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


def main(before: str = "HEAD") -> int:
    """Try it all, and print what each step took.

    `before`: the commit or tag of the release that is installed first.
    """
    with tempfile.TemporaryDirectory() as scratch, told() as (receiver, got):
        folder, began = Path(scratch) / "shop", time.monotonic()
        folder.mkdir()
        visitor = Visitor(folder, REGULARS_HOOK_NETWORKS="127.0.0.0/8")

        def done(what: str) -> None:
            print(f"published: {time.monotonic() - began:6.1f} s  {what}", flush=True)

        major, minor, patch = VERSION.split(".")
        older = Release.of(Path(scratch) / "older", before, VERSION)
        newer = Release.of(Path(scratch) / "newer", "HEAD", f"{major}.{minor}.{int(patch) + 1}")
        done(f"built {older.version} of {before} and {newer.version} of HEAD")
        _install(visitor, older)
        done("downloaded, sums right, installed without a compiler")
        with visitor.serving("data") as at:
            visitor.environment |= {
                "REGULARS_URL": at,
                "REGULARS_API_KEY": visitor.types(KEY).strip(),
            }
            done("first start")
            _put(folder / "people/Ann Lee/1.jpg", "people/neighbour_1.jpg")
            visitor.types("regulars import people --group regular")
            done("first own face")
            visitor.types(f"service/bin/python -c '{ADD_HOOK}' {at} {receiver}")
        came: list[str] = []
        for release, hours in (
            (older, (90, 80, 70)),
            (newer, (60, 50)),
            (older, (40, 30)),
            (newer, (20,)),
        ):
            if came:
                _install(visitor, release)
            came = _come(visitor, came, hours, got)
            done(
                f"{release.version}: none lost; Ann Lee came by camera, which the webhook heard: "
                f"{len(came)} visits"
            )
            visitor.types(f"regulars backup backup-{len(came)}.tar --data data")
        for data in sorted(FOLDER.glob(f"*{ENDING}")):
            with tarfile.open(data) as tar:
                tar.extractall(folder / data.name, filter="data")
            visitor.types(f"regulars backup {data.name}.tar --data {data.name}")
            done(f"what {data.name.removesuffix(ENDING)} stored can be read")
        done(_run_images(newer.dist))
    return 0


class Release(Struct, frozen=True):
    """A folder as `make release` makes it, and the version in it."""

    dist: Path
    version: str

    @classmethod
    def of(cls, root: Path, commit: str, version: str) -> Release:
        """Build a commit's wheels as that version, with what is fetched and compiled here."""
        root.mkdir()
        archive = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, capture_output=True, check=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", root], input=archive, check=True)
        shutil.copytree(FETCHED, root / FETCHED.relative_to(ROOT), dirs_exist_ok=True)
        for kernel in KERNELS:
            shutil.copyfile(kernel, root / kernel.relative_to(ROOT))
        now = re.search('VERSION = "(.*)"', (root / "chalicelib/version.py").read_text())
        assert now
        for file in (file for pattern in SAYING for file in root.rglob(pattern)):
            file.write_text(
                replace_version(file.read_text(encoding="utf-8"), now[1], version, "2026-01-01"),
                encoding="utf-8",
            )
        run_command(
            [sys.executable, "-m", "infra.releases.wheels"],
            cwd=root,
            variables={"PYTHONPATH": str(root)},
        )
        return cls(root / "dist", version)


def _come(
    visitor: Visitor, before: list[str], hours: Sequence[int], got: list[dict[str, object]]
) -> list[str]:
    """Have a camera see Ann Lee so many hours ago; return all visits.

    Raises AssertionError if one is lost.
    """
    got.clear()
    with visitor.serving("data") as at:
        assert _visits(visitor, at) == before
        for hour in hours:
            _put(picture := visitor.folder / f"pictures-{hour}/1.jpg", "people/neighbour_2.jpg")
            os.utime(picture, (time.time() - hour * 3600,) * 2)
            visitor.types(f"regulars-edge upload {picture.parent} --url {at} --camera door")
        until(lambda: len(got) == len(hours))
        assert {event["type"] for event in got} == {"face.arrived"}
        came = _visits(visitor, at)
        assert came[len(hours) :] == before, "the newest are first"
        assert [line.split(" 20")[0] for line in came] == ["Ann Lee"] * (len(before) + len(hours))
    return came


def _run_images(out: Path) -> str:
    """Build the images of a folder, and run them from there; return how it went."""
    if why := images.explain_lack():
        return f"without images: {why}"
    images.build_images(out, [container.OURS])
    container.run_from(out)
    return "both images: built, loaded from the folder, run"


def _visits(visitor: Visitor, at: str) -> list[str]:
    """Return name and time of each, newest first."""
    return visitor.types(f"service/bin/python -c '{VISITS}' {at}").splitlines()


def _install(visitor: Visitor, release: Release) -> None:
    """Download what the sums name, compare, and install service, client and uploader as
    docs/install.md says."""
    shutil.rmtree(dist := visitor.folder / "dist", ignore_errors=True)
    dist.mkdir()
    with served(release.dist) as url:
        get = f"cd dist && curl --fail --silent --retry 9 --retry-connrefused --remote-name {url}"
        visitor.types(f"{get}/{wheels.SUMS}")
        names = [
            line.split()[1]
            for line in (dist / wheels.SUMS).read_text().splitlines()
            if line[0] != "#"
        ]
        for name in names:
            visitor.types(f"{get}/{name}")
    visitor.types(f"cd dist && sha256sum --check --strict --quiet {wheels.SUMS}")
    for folder, lock in (("service", "regulars.lock"), ("edge", "regulars-edge.lock")):
        install = "bin/pip install --quiet --disable-pip-version-check --requirement"
        visitor.types(f"{sys.executable} -m venv {folder} && {folder}/{install} dist/{lock}")
    assert visitor.types("regulars --version") == f"regulars {release.version}\n"


def _put(to: Path, photo: str) -> None:
    to.parent.mkdir(parents=True)
    shutil.copyfile(photos() / photo, to)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
