"""The arm64 package, run on another processor: `python -m tests.infra.emulated` after `make
package`.

Debian's arm64 Python runs what the zip holds under qemu's user-mode emulation: imports, the search
kernel's self-check, two faces found and embedded. The embeddings are compared with those that this
machine's libraries give. debootstrap fetches Python and qemu, since the emulator of Debian 12
crashes in numpy. Without debootstrap and root it is skipped.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

from chalicelib.book.models import KEPT_PICTURE
from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.pipeline import FacePipeline
from infra import package
from infra.dependencies import Failed, run_command
from regulars.demo import run as demo
from regulars.demo.album import encode_jpeg, open_picture, turn_upright
from regulars.deploy.package import ARCHIVE

WORK = package.BUILD / "emulated"
RELEASE = "trixie"
GUEST = Path(__file__).with_name("emulated_function.py")
CPU = "neoverse-n1"
"""Lambda's Graviton2."""
HIDDEN = "/sys/devices/system/cpu"
"""What Lambda's guests lack. The emulator would show this machine's."""
LEAST_COSINE = 0.999
"""Processors round differently; another face is below 0.5."""


def main() -> int:
    """Return 0 if the package works or the check is skipped."""
    if not shutil.which("debootstrap") or os.geteuid() != 0:
        print("arm64: skipped: it needs debootstrap (Debian's package of that name) and root")
        return 0
    try:
        python = (
            _root("arm64", "python3.13-minimal,libpython3.13-stdlib,libstdc++6")
            / "usr"
            / "bin"
            / "python3.13"
        )
        qemu = _root("amd64", "qemu-user") / "usr" / "bin" / "qemu-aarch64"
        people = demo.find_pictures(None).people[:2]
        pictures = [
            encode_jpeg(turn_upright(open_picture(person.photos[0].read())), side_px=720)
            for person in people
        ]
        said = json.loads(_guest(qemu, python, pictures))
    except Failed as error:
        print(f"arm64: FAILED: {error}")
        return 1
    ours = _here(said["pack"], pictures)
    cosines = [
        float(np.dot(one, other)) for one, other in zip(said["embeddings"], ours, strict=True)
    ]
    print(f"arm64: kernel {said['kernel']}, cosines with this machine's embeddings {cosines}")
    return 0 if said["kernel"] == "compiled" and min(cosines) > LEAST_COSINE else 1


def _root(architecture: str, packages: str) -> Path:
    """Return a folder with these packages, and what they need, unpacked and not installed."""
    folder = WORK / architecture
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        options = [
            "--variant=minbase",
            "--download-only",
            f"--arch={architecture}",
            f"--include={packages}",
        ]
        run_command(["debootstrap", *options, RELEASE, folder / "fetched"])
        for archive in sorted((folder / "fetched").rglob("*.deb")):
            run_command(["dpkg-deb", "--extract", archive, folder / "root"])
        shutil.rmtree(folder / "fetched")
        (folder / "complete").touch()
    return folder / "root"


def _guest(qemu: Path, python: Path, pictures: list[bytes]) -> str:
    """Run the guest's program in the unpacked zip and return what it prints. Raises Failed."""
    task = WORK / "task"
    shutil.rmtree(task, ignore_errors=True)
    with zipfile.ZipFile(package.BUILD / ARCHIVE) as archive:
        archive.extractall(task)
    for number, picture in enumerate(pictures):
        (WORK / f"{number}.jpg").write_bytes(picture)
    files = [WORK / f"{number}.jpg" for number in range(len(pictures))]
    hiding = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', HIDDEN]
    command = [
        *hiding,
        qemu,
        "-cpu",
        CPU,
        "-L",
        python.parents[2],
        python,
        "-I",
        GUEST,
        task,
        *files,
    ]
    done = subprocess.run(command, cwd=task, env={}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"the emulated function ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def _here(pack: str, pictures: list[bytes]) -> list[list[float]]:
    """Return the embedding of the first face of each picture by the zip's models, on this
    machine."""
    pipeline = FacePipeline(packs.find(WORK / "task" / "chalicelib" / "model_packs", pack))
    images = [pipeline.read_picture(picture, KEPT_PICTURE) for picture in pictures]
    return [pipeline.embed(image, pipeline.detect(image)[:1])[0].tolist() for image in images]


if __name__ == "__main__":
    sys.exit(main())
