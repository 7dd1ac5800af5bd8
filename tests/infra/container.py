"""The images of infra/box/Containerfile, built and run: `python -m tests.infra.container` after `make dist`.

buildah builds them on a Debian that debootstrap fetches, as the base image is made of the same packages, so no registry
of images is asked. They then run as their own configuration says: as its user, on a root that is read-only,
without capabilities. Without buildah, debootstrap and root it is skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chalicelib.vision.packs import packs
from infra.dependencies import ROOT, CommandFailed, run
from regulars.serve import service

WORK = ROOT / "build" / "container"
RELEASE = "trixie"
USER = 10001
PORT = 8797
BUILDAH = ["buildah", "--root", WORK / "store", "--runroot", WORK / "run"]
CONFINED = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


def main() -> int:
    """Return 0 if both images work or the check is skipped."""
    if os.geteuid() != 0 or not (shutil.which("debootstrap") and shutil.which("buildah") and _may_mount()):
        print("container: skipped: it needs buildah and debootstrap (Debian's packages), and root who may mount")
        return 0
    try:
        _base()
        with _image("service") as (image, config), tempfile.TemporaryDirectory() as data:
            _serves(image, config, Path(data))
        with _image("edge") as (image, config), tempfile.TemporaryDirectory() as data:
            os.chown(data, USER, USER)
            version = _ran(image, config, Path(data), [*config["Entrypoint"], "--version"])
            _require(version.startswith("regulars-edge "), f"the edge uploader says {version!r}")
    except (CommandFailed, AssertionError) as error:
        print(f"container: FAILED: {error}")
        return 1
    finally:
        shutil.rmtree(WORK / "store", ignore_errors=True)
    print(f"container: the service and the edge uploader run as user {USER} on a root that is read-only")
    return 0


def _may_mount() -> bool:
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(tried, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _serves(image: Path, config: dict[str, Any], data: Path) -> None:
    """Run the service as the image says, ask its health as the image says, and stop it. Raises AssertionError."""
    _require(config["Volumes"].keys() == {"/data"}, f"the volumes are {config['Volumes']}")
    run(["chown", "--recursive", f"{USER}:{USER}", data])
    models = _ran(image, config, data, [*config["Entrypoint"], "models"])
    _require(models.startswith("face-pack-2 "), f"the image has no models: {models}")
    command = [*config["Entrypoint"], *config["Cmd"], "--port", str(PORT)]
    process = subprocess.Popen(_confined(image, config, data, command), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        _require((line := process.stdout.readline()).startswith("ready http://"), f"the service said {line!r}")
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/ready", timeout=30) as answer:
            _require(json.loads(answer.read())["pack"] == packs.DEFAULT_PACK, "another pack is used")
        users = Path(f"/proc/{process.pid}/status").read_text().split("Uid:")[1].split()[:4]
        _require(users == [str(USER)] * 4, f"it runs as {users}")
        _, *health = config["Healthcheck"]["Test"]
        _ran(image, config, data, [word.replace(":8000/", f":{PORT}/") for word in health])
        _require((data / "regulars" / "regulars.sqlite").is_file(), "the book is not in the volume")
    finally:
        _require(service.stop(process) == 0, "it does not end in order")
    refused = _ran(
        image, config, data, ["sh", "-c", "touch /opt/x 2>/dev/null || touch /x 2>/dev/null || echo read-only"]
    )
    _require(refused == "read-only\n", "the root can be written")


def _base() -> None:
    """Make the base image, with this machine's certificate authorities, since a proxy may have one of its own."""
    root = WORK / "base"
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        run(["debootstrap", "--variant=minbase", RELEASE, root])
        if AUTHORITIES.is_file():
            own = root / "usr" / "local" / "share" / "ca-certificates"
            own.mkdir(parents=True)
            shutil.copy(AUTHORITIES, own / "machine.crt")
        (root / "complete").touch()
    container = run([*BUILDAH, "from", "scratch"]).strip()
    run([*BUILDAH, "add", "--quiet", container, root, "/"])
    run([*BUILDAH, "commit", "--quiet", "--rm", container, "localhost/base"])


@contextmanager
def _image(target: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Build an image; give the folder of its files and its configuration."""
    began = time.monotonic()
    file = ROOT / "infra" / "box" / "Containerfile"
    options = ["--isolation", "chroot", "--format", "docker", "--layers", "--build-arg", "BASE=localhost/base"]
    run(
        [*BUILDAH, "build", *options, "--target", target, "--tag", f"localhost/{target}", "--file", file, ROOT / "dist"]
    )
    said = json.loads(run([*BUILDAH, "inspect", "--type", "image", f"localhost/{target}"]))
    container = run([*BUILDAH, "from", "--pull-never", f"localhost/{target}"]).strip()
    print(f"container: {target} was built in {time.monotonic() - began:.0f} s")
    try:
        yield Path(run([*BUILDAH, "mount", container]).strip()), said["Docker"]["config"]
    finally:
        run([*BUILDAH, "rm", container])


def _confined(image: Path, config: dict[str, Any], data: Path, command: list[str]) -> list[str]:
    """Return the command that runs another in the image: its user and environment, a read-only root, no capability."""
    user, group = config["User"].split(":")
    mounts = (
        'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && mount -t tmpfs tmpfs "$0/tmp" '
        '&& mount --bind "$1" "$0/data" && mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" '
        '&& image=$0 && shift && exec chroot "$image" "$@"'
    )
    within = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *CONFINED]
    environment = ["env", "-i", "-C", config["WorkingDir"], *config["Env"]]
    return ["unshare", "--mount", "sh", "-c", mounts, str(image), str(data), *within, *environment, *command]


def _ran(image: Path, config: dict[str, Any], data: Path, command: list[str]) -> str:
    return run(_confined(image, config, data, command))


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


if __name__ == "__main__":
    sys.exit(main())
