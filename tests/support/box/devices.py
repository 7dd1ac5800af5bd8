"""Disks as the kernel lists them."""

import os
from pathlib import Path


def show_disk(devices: Path, file: Path, uuid: str | None) -> None:
    """Say below `devices` of the disk on which a file lies what the kernel would.

    `uuid`: the id of what maps it; None: it is a bare partition.
    """
    number = file.stat().st_dev
    device = devices / f"{os.major(number)}:{os.minor(number)}"
    device.mkdir(parents=True)
    if uuid is not None:
        (device / "dm").mkdir()
        (device / "dm" / "uuid").write_text(f"{uuid}\n")
