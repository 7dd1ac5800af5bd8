"""Releases of this uploader, signed, some of them with a fault; a web server has them."""

import hashlib
import subprocess
import threading
import zipfile
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from regulars_edge import __version__

ROOT = Path(__file__).parents[3]
PACKAGES = (ROOT / "edge/src/regulars_edge", ROOT / "client/src/regulars_client")
"""What the uploader imports of ours; a release has a wheel of each."""


def wheel(
    folder: Path, version: str, changes: Callable[[str, str], str] = lambda _name, text: text
) -> Path:
    """Make a wheel of this uploader that says it is `version`; `changes` gets each module's name
    and text."""
    file = folder / f"regulars_edge-{version}-py3-none-any.whl"
    info = f"regulars_edge-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(path for package in PACKAGES for path in package.rglob("*")):
            name = str(path).rpartition("/src/")[2]
            if path.suffix == ".py":
                text = path.read_text().replace(
                    f'__version__ = "{__version__}"', f'__version__ = "{version}"'
                )
                archive.writestr(name, changes(path.name, text))
            elif path.suffix in (".onnx", ".typed"):
                archive.write(path, name)
        needs = "".join(f"Requires-Dist: {name}\n" for name in ("urllib3>=2.2", "shtab>=1.7"))
        about = f"Metadata-Version: 2.1\nName: regulars-edge\nVersion: {version}\n{needs}"
        archive.writestr(
            f"{info}/METADATA", f"{about}Provides-Extra: video\nProvides-Extra: detector\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(
            f"{info}/entry_points.txt",
            "[console_scripts]\nregulars-edge = regulars_edge.cli:command\n",
        )
        archive.writestr(f"{info}/RECORD", "")
    return file


class Releases:
    """A web server with releases, signed by a key of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "releases"
        self.key = folder / "release-key"
        self.signers = folder / "signers"
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", ""]
        for key in (self.key, folder / "stranger"):
            subprocess.run([*keygen, "-f", key], check=True)
        self.signers.write_text(f"release {self.key.with_suffix('.pub').read_text()}")
        handler = partial(SimpleHTTPRequestHandler, directory=str(self.folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def add(
        self, version: str, changes: Callable[[str, str], str] = lambda _name, text: text
    ) -> Path:
        folder = self.folder / version
        folder.mkdir(parents=True)
        wheel(folder, version, changes)
        return self.sign(folder)

    def sign(self, folder: Path, key: Path | None = None) -> Path:
        wheels = sorted(folder.glob("*.whl"))
        sums = folder / "SHA256SUMS"
        lines = [f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.name}\n" for one in wheels]
        sums.write_text("".join([f"# regulars-edge least {__version__}\n", *lines]))
        sums.with_suffix(".sig").unlink(missing_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", key or self.key, sums],
            check=True,
        )
        return folder

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def in_module(module: str, before: str, code: str) -> Callable[[str, str], str]:
    """Return what writes code before a place in a module, which has to be there."""

    def changed(name: str, text: str) -> str:
        if name != module:
            return text
        assert before in text, f"{module} has no {before!r}"
        return text.replace(before, f"{code}\n{before}", 1)

    return changed


READY, LOOP = '        systemd.tell("READY=1")\n', "        began_at = self._swept_at ="
BEAT = '            self._begin_thread(f"beat'
IMPORTS = "from __future__ import annotations\n"
CRASHES = in_module("run.py", READY, "        os._exit(3)")
