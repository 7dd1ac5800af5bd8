"""`python -m infra.releases.images dist`: the images of a release's folder, as OCI archives in it.

infra/box/Containerfile says what they hold.

buildah builds them on a Debian that debootstrap fetches, so that no registry of images is asked. It
is today's, or with DEBIAN_ARCHIVES that of a day. What this machine trusts besides, such as a
proxy's authority, serves the build and stays out of the images.
"""

from __future__ import annotations

import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.dependencies import ROOT, Failed, run_command
from infra.releases import wheels

WORK = ROOT / "build" / "images"
RELEASE = "trixie"
NEWEST_DEBIAN_URL = "http://deb.debian.org/{}"
DEBIAN_URL = os.environ.get("DEBIAN_ARCHIVES") or NEWEST_DEBIAN_URL
"""URL of the archives that the images are built from; for {} stands `debian` or `debian-security`.

http://snapshot.debian.org/archive/{}/20261126T000000Z is that of a day: packages there have the
same bytes for ever.
"""
NAMES = {"service": "regulars", "edge": "regulars-edge"}
"""The image of each target of the Containerfile."""
PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64"}
"""By the kernel's word for it, Debian's and OCI's."""
BUILDAH = ("buildah", "--root", WORK / "store", "--runroot", WORK / "run")
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
SOURCES = "etc/apt/sources.list"
EMULATORS = Path("/proc/sys/fs/binfmt_misc")


def explain_lack() -> str:
    """Say why this machine cannot build images; nothing if it can."""
    if os.geteuid() != 0 or not (
        shutil.which("debootstrap") and shutil.which("buildah") and _may_mount()
    ):
        return "images need buildah and debootstrap (Debian's packages), and root who may mount"
    return ""


def list_processors() -> list[str]:
    """Return the processors that this machine can build for: its own, and those whose programs it
    emulates."""
    emulated = " ".join(path.name for path in EMULATORS.glob("*"))
    return [
        name
        for machine, name in PROCESSORS.items()
        if machine == platform.machine() or machine in emulated
    ]


def build_images(out: Path = wheels.OUT, only: Sequence[str] = ()) -> list[Path]:
    """Build each image from the wheels in `out`, for these processors (`only`) or, if none is
    named, for all.

    The archives go into `out`, and their sums are added to those that are there. Returns the
    archives' paths. Raises Failed.
    """
    for stale in out.glob(name_archive("*", "*")):
        stale.unlink()
    try:
        archives = [
            _build_archive(out, target, processor)
            for processor in only or list_processors()
            for target in NAMES
        ]
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
    wheels.add_sums(out, archives)
    return archives


def name_archive(target: str, processor: str) -> str:
    """Return the file of an image."""
    return f"{NAMES.get(target, target)}-{processor}.oci.tar"


def make_sources_list(archives: str) -> str:
    """Return apt's list of the packages below a URL with {} for the archive.

    Debian says how long its lists hold, so that nobody withholds updates. Those of another day have
    run out.
    """
    option = "" if archives == NEWEST_DEBIAN_URL else "[check-valid-until=no] "
    suites = (
        ("debian", RELEASE),
        ("debian", f"{RELEASE}-updates"),
        ("debian-security", f"{RELEASE}-security"),
    )
    return "".join(
        f"deb {option}{archives.format(archive)} {suite} main\n" for archive, suite in suites
    )


def _write_build_sources() -> Path:
    """Write the list by which packages are installed into the images, which themselves have
    today's."""
    WORK.mkdir(parents=True, exist_ok=True)
    file = WORK / "sources.list"
    file.write_text(make_sources_list(DEBIAN_URL))
    return file


def _may_mount() -> bool:
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0  # noqa: S603 -- fixed words


def _build_archive(out: Path, target: str, processor: str) -> Path:
    """Build an image for a processor, and return its archive."""
    began, name = time.monotonic(), f"localhost/{NAMES[target]}"
    options = [
        "--isolation",
        "chroot",
        "--layers",
        "--pull-never",
        "--arch",
        processor,
        "--target",
        target,
    ]
    volumes = ["--volume", f"{AUTHORITIES}:{AUTHORITIES}:ro"] if AUTHORITIES.is_file() else []
    volumes += ["--volume", f"{_write_build_sources()}:/{SOURCES}:ro"]
    base = ["--build-arg", f"BASE={_build_base_image(processor)}"]
    run_command(
        [
            *BUILDAH,
            "build",
            *options,
            *volumes,
            *base,
            "--tag",
            name,
            "--file",
            ROOT / "infra/box/Containerfile",
            out,
        ]
    )
    file = out / name_archive(target, processor)
    run_command([*BUILDAH, "push", "--quiet", name, f"oci-archive:{file}:{name}:latest"])
    add_docker_manifest(file, f"{name}:latest")
    print(  # noqa: T201 -- a command
        f"{file}: {file.stat().st_size / 1e6:.0f} MB in {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return file


def add_docker_manifest(file: Path, name: str) -> None:
    """Add manifest.json to an OCI archive, as `docker save` does: `docker load` reads nothing
    else."""
    with tarfile.open(file) as tar:

        def read_json(member: str) -> Any:
            return json.load(tar.extractfile(member) or io.BytesIO())

        def locate_blob(blob: dict[str, str]) -> str:
            return f"blobs/{blob['digest'].replace(':', '/')}"

        image = read_json(locate_blob(read_json("index.json")["manifests"][0]))
        layers = [locate_blob(layer) for layer in image["layers"]]
        manifest = {"Config": locate_blob(image["config"]), "RepoTags": [name], "Layers": layers}
    with tarfile.open(file, "a") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(data := json.dumps([manifest]).encode())
        tar.addfile(member, io.BytesIO(data))


def _build_base_image(processor: str) -> str:
    """Build an image of Debian for a processor, unless it is there, and return its name."""
    root, name = WORK / processor, f"localhost/base-{processor}"
    if name in run_command([*BUILDAH, "images", "--format", "{{.Name}}"]).split():
        return name
    shutil.rmtree(root, ignore_errors=True)
    run_command(
        [
            "debootstrap",
            "--variant=minbase",
            f"--arch={processor}",
            "--include=ca-certificates,python3",
            RELEASE,
            root,
            DEBIAN_URL.format("debian"),
        ]
    )
    (root / SOURCES).write_text(make_sources_list(DEBIAN_URL))
    run_command(["chroot", root, "apt-get", "update", "--quiet=2"])
    run_command(["chroot", root, "apt-get", "upgrade", "--yes", "--quiet=2"])
    (root / SOURCES).write_text(make_sources_list(NEWEST_DEBIAN_URL))
    for path in ("etc/hostname", "etc/resolv.conf"):  # this machine's
        (root / path).unlink(missing_ok=True)
    for path in ("var/cache/apt", "var/lib/apt/lists"):  # apt makes them anew
        shutil.rmtree(root / path)
    container = run_command([*BUILDAH, "from", "--arch", processor, "scratch"]).strip()
    run_command([*BUILDAH, "add", "--quiet", container, root, "/"])
    run_command([*BUILDAH, "commit", "--quiet", "--rm", container, name])
    shutil.rmtree(root)
    return name


if __name__ == "__main__":
    try:
        if why := explain_lack():
            sys.exit(f"no images: {why}")
        build_images(Path(sys.argv[1]) if len(sys.argv) > 1 else wheels.OUT, sys.argv[2:])
    except Failed as error:
        sys.exit(f"no images: {error}")
