"""Detection of a copied data folder, as opposed to the one that was served before.

A copy has the same keys, hooks, signing key and name at the witness, so two boxes would pass for
one. So the folder has a mark that identifies its own file: by the time when that file was created,
else by its number (inode). Copying creates another file. A container that is started again, a
volume that another node mounts, a disk in another machine and a folder that is renamed keep the
same file.

No question is asked either if files were restored to the same path of the same machine, as from a
copy of the disk: nobody serves the ones of before. A container has no machine of its own to
recognise that by. A clone of a whole disk, or of a virtual machine, cannot be told from the first.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import struct
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from chalicelib.storage.values import format_count
from regulars.errors import CopiedFolder

if TYPE_CHECKING:
    from chalicelib.domain.model import Tenant
    from chalicelib.services import Services

FILE = "place.json"
_MOST_BYTES = 8192


class Place(Struct, frozen=True):
    """The place of a folder.

    `inode`, `born_ns`: of the mark's file; None: the system does not say when it was made.

    `machine`: a hash of the machine's id; "": a container's, or not known.
    """

    inode: int
    born_ns: int | None
    machine: str
    path: str


def is_same(noted: Place, here: Place) -> bool:
    """Tell whether a folder is where it was served from, as far as can be told.

    Made at the same nanosecond: the same file, also if its number is another one, as on some
    network disks. Made at another time: another file. Not known when: by the number. Another file
    at the same path of the same machine: the one of before is gone from there.
    """
    if noted.born_ns is not None and here.born_ns is not None:
        is_same_file = noted.born_ns == here.born_ns
    else:
        is_same_file = noted.inode == here.inode
    return is_same_file or (
        bool(noted.machine) and (noted.machine, noted.path) == (here.machine, here.path)
    )


def require_place(data: Path) -> None:
    """Raise CopiedFolder unless a folder is where it was, or was not served so far."""
    if doubt := describe_doubt(data):
        raise CopiedFolder(doubt)


def describe_doubt(data: Path) -> str:
    """Return the question to answer before a folder is served; "" if there is none."""
    noted, folder = read_noted_place(data), quote(str(data))
    if noted is None or is_same(noted, find_place(data)):
        return ""
    return (
        f"this folder was moved or copied from {noted.path}, where it was served before. If it "
        f"was moved, run `regulars folder moved --data {folder}`. If the original stays in use, "
        f"run `regulars folder copied --data {folder}`, which makes this an independent box with "
        f"new keys. To only look inside, run `regulars serve --trial --data {folder}`"
    )


def read_noted_place(data: Path) -> Place | None:
    """Read where a folder was served from; None: it was not served so far, or by an earlier
    version."""
    with suppress(FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode((data / FILE).read_bytes()[:_MOST_BYTES], type=Place)
    return None


def note_place(data: Path) -> None:
    """Note that a folder is served from where it is.

    The mark's file stays the same one: it is written in place.
    """
    descriptor = os.open(data / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        text = json.dumps(msgspec.to_builtins(find_place(data))).encode()
        if os.pread(descriptor, _MOST_BYTES, 0) != text:
            os.pwrite(descriptor, text, 0)
            os.ftruncate(descriptor, len(text))
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def find_place(data: Path) -> Place:
    """Return where a folder is now. It has a mark."""
    file = data / FILE
    return Place(file.stat().st_ino, _read_birth_ns(file), _hash_machine(), str(data.resolve()))


_AT_FDCWD, _STATX_BTIME = -100, 0x800
_STATX_BYTES = 256
"""Of Linux's struct statx, whose mask is at its beginning, and the time of birth at byte 80."""


def _read_birth_ns(file: Path) -> int | None:
    """Return when a file was made, in ns since 1970; None: the file system does not know, or nobody
    asks it for that.

    Linux says it by statx(2), which Python does not call; macOS by stat.
    """
    born_s: float | None = getattr(file.stat(), "st_birthtime", None)
    if born_s is not None:
        return round(born_s * 10**9)
    answer = ctypes.create_string_buffer(_STATX_BYTES)
    try:
        statx = ctypes.CDLL(None, use_errno=True).statx
    except (AttributeError, OSError):  # a C library of before 2018
        return None
    if statx(_AT_FDCWD, os.fsencode(file), 0, _STATX_BTIME, answer) != 0:
        return None
    (mask,) = struct.unpack_from("=I", answer.raw, 0)
    seconds, nanoseconds = struct.unpack_from("=qI", answer.raw, 80)
    return seconds * 10**9 + nanoseconds if mask & _STATX_BTIME else None


_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_SALT = "where a folder of Regulars is: "
_OF_CONTAINERS = (Path("/.dockerenv"), Path("/run/.containerenv"))


def _hash_machine() -> str:
    """Return a hash of the machine's id (machine-id(5) asks for that); "" in a container, whose
    image may have one."""
    if "KUBERNETES_SERVICE_HOST" in os.environ or any(file.exists() for file in _OF_CONTAINERS):
        return ""
    for file in _MACHINE_IDS:
        with suppress(OSError):
            if machine_id := file.read_text().strip():
                return hashlib.sha256(f"{_SALT}{machine_id}".encode()).hexdigest()[:16]
    return ""


def part_book(services: Services, tenant: Tenant) -> str:
    """Separate a tenant's book in a copied folder from the original: its hooks are off, and all are
    signed out.

    Return a line about it. The secrets are renewed next. May be repeated.
    """
    services.tenants.begin_book(tenant.name)
    off_count = 0
    for hook in services.webhooks.hooks.list_all(tenant.name):
        if hook.enabled and not hook.is_mailbox:
            services.webhooks.hooks.change_hook(tenant.name, hook.id, {"enabled": False})
            off_count += 1
    hooks = format_count(off_count, "hook is", "hooks are")
    return f"{tenant.name}: {hooks} off now; {services.access.standing.end_sign_ins(tenant)}"
