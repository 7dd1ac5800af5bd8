"""A release's images, loaded from their archives and run: `python -m tests.infra.container` after
`make dist`.

They run as their own configuration says: as its user, on a root that is read-only, without
capabilities. The service is started and asked, of another processor whose programs this machine
emulates, too. Without buildah, debootstrap and root it is skipped.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from chalicelib.book.vision.packs import packs
from infra.dependencies import ROOT, Failed, run_command
from infra.releases import images, wheels
from regulars.serve import service

WORK = ROOT / "build" / "container"
USER = 10001
PORT = 8797
BUILDAH = ("buildah", "--root", WORK / "store", "--runroot", WORK / "run")
CONFINED = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
OURS = images.PROCESSORS[platform.machine()]
EMULATED = "neoverse-n1"
"""Of arm64, what the packages are for: not each instruction that an emulator knows."""


def main(*processors: str) -> int:
    """Return 0 if the images for these processors, else for this machine's, work, or the check is
    skipped."""
    if why := images.explain_lack():
        print(f"container: skipped: {why}")
        return 0
    try:
        images.build_images(wheels.OUT, processors or [OURS])
        for one in processors or [OURS]:
            run_from(wheels.OUT, one)
            print(
                f"container: the service and the edge uploader run as user {USER} on a read-only "
                f"root, {one}"
            )
    except (Failed, AssertionError) as error:
        print(f"container: FAILED: {error}")
        return 1
    return 0


def run_from(folder: Path, processor: str = OURS) -> None:
    """Run both images of a folder. Raises AssertionError, Failed."""
    with (
        _image(folder, "service", processor) as (image, config),
        tempfile.TemporaryDirectory() as data,
    ):
        _serves(image, config, Path(data), _health(folder))
    with (
        _image(folder, "edge", processor) as (image, config),
        tempfile.TemporaryDirectory() as data,
    ):
        os.chown(data, USER, USER)
        version = _ran(image, config, Path(data), [*config["Entrypoint"], "--version"])
        _require(version.startswith("regulars-edge "), f"the edge uploader says {version!r}")
        texts = {file.name for file in (image / "usr/share/doc/regulars-edge").iterdir()}
        _require(
            texts == {"AV-LICENCES.md", "GPL-3.txt"},
            f"of the licences of what others made it has {texts}",
        )


def _serves(image: Path, config: dict[str, Any], data: Path, health: str) -> None:
    """Ask for the models; run the service, ask it, and stop it. Raises AssertionError."""
    _require(config["Volumes"].keys() == {"/data"}, f"the volumes are {config['Volumes']}")
    run_command(["chown", "--recursive", f"{USER}:{USER}", data])
    models = _ran(image, config, data, [*config["Entrypoint"], "models"])
    _require(models.startswith("face-pack-4 "), f"the image has no models: {models}")
    command = [*config["Entrypoint"], *config["Cmd"], "--port", str(PORT)]
    process = subprocess.Popen(
        _confined(image, config, data, command), stdout=subprocess.PIPE, text=True
    )
    try:
        _require(
            (line := process.stdout.readline()).startswith("ready http://"),
            f"the service said {line!r}",
        )
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/ready", timeout=30) as answer:
            _require(
                json.loads(answer.read())["pack"] == packs.DEFAULT_PACK, "another pack is used"
            )
        users = Path(f"/proc/{process.pid}/status").read_text().split("Uid:")[1].split()[:4]
        _require(users == [str(USER)] * 4, f"it runs as {users}")
        _ran(image, config, data, ["sh", "-c", health.replace(":8000/", f":{PORT}/")])
        _require((data / "regulars" / "regulars.sqlite").is_file(), "the book is not in the volume")
    finally:
        _require(service.stop(process) == 0, "it does not end in order")
    refused = _ran(
        image,
        config,
        data,
        ["sh", "-c", "touch /opt/x 2>/dev/null || touch /x 2>/dev/null || echo read-only"],
    )
    _require(refused == "read-only\n", "the root can be written")


def _health(folder: Path) -> str:
    """Return the command by which compose asks the service for its health: an OCI image names
    none."""
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    return str(compose["services"]["service"]["healthcheck"]["test"])


@contextmanager
def _image(folder: Path, target: str, processor: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Load an archive; give the folder of its files and its configuration."""
    try:
        file = folder / images.name_archive(target, processor)
        name = run_command(
            [*BUILDAH, "pull", "--quiet", "--arch", processor, f"oci-archive:{file}"]
        ).split()[-1]
        said = json.loads(run_command([*BUILDAH, "inspect", "--type", "image", name]))["OCIv1"]
        _require(said["architecture"] == processor, f"{target} is for {said['architecture']}")
        container = run_command(
            [*BUILDAH, "from", "--pull-never", "--arch", processor, name]
        ).strip()
        yield Path(run_command([*BUILDAH, "mount", container]).strip()), said["config"]
    finally:
        run_command([*BUILDAH, "rm", "--all"])
        shutil.rmtree(WORK, ignore_errors=True)


def _confined(image: Path, config: dict[str, Any], data: Path, command: list[str]) -> list[str]:
    """Return the command that runs another in the image: its user and environment, a read-only
    root, no capability."""
    user, group = config["User"].split(":")
    mounts = (
        'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && mount -t tmpfs tmpfs "$0/tmp" '
        '&& mount --bind "$1" "$0/data" && mount --rbind /dev "$0/dev" && mount -t proc proc '
        '"$0/proc" '
        '&& image=$0 && shift && exec chroot "$image" "$@"'
    )
    within = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *CONFINED]
    environment = ["env", "-i", "-C", config["WorkingDir"], f"QEMU_CPU={EMULATED}", *config["Env"]]
    return [
        "unshare",
        "--mount",
        "sh",
        "-c",
        mounts,
        str(image),
        str(data),
        *within,
        *environment,
        *command,
    ]


def _ran(image: Path, config: dict[str, Any], data: Path, command: list[str]) -> str:
    return run_command(_confined(image, config, data, command))


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
