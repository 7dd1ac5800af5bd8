"""The quota of a process: which part of the machine's cores and memory its container or its unit
leaves it.

cgroups(7), both versions. A quota holds for all that is below it, so the least of a cgroup's own
and of those above it counts. Inside a container its own cgroup is the highest that is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TypeVar

from msgspec import Struct

_Number = TypeVar("_Number", int, float)

_ALL_BYTES = 2**62
"""Version 1 says so many, or more, for all there are."""


class Quota(Struct, frozen=True):
    """The cores and the memory that are left to a process. None: all that the machine has."""

    cores: float | None
    memory_bytes: int | None


def quota(process: int | str = "self", root: Path = Path("/")) -> Quota:
    """Return the quota of a process, by its number.

    What cannot be read, as on other systems, is none.
    """
    groups = [*_list_cgroup_folders(root / f"proc/{process}/cgroup", root)]
    return Quota(
        cores=_read_least(groups, _read_cores, _read_cores_of_version_1),
        memory_bytes=_read_least(groups, _read_memory, _read_memory_of_version_1),
    )


def _read_least(groups: list[Path], *readers: Callable[[Path], _Number]) -> _Number | None:
    """Return the least limit that any reader finds in any of these folders; None: there is none.

    A reader reads the file of one version of cgroups, and raises an error if there is none. A limit
    of 0 or less stands for none.
    """
    limits = list[_Number]()
    for group in groups:
        for read in readers:
            try:
                limits.append(read(group))
            # "max", or a file of the other version
            except (OSError, ValueError, ZeroDivisionError):
                continue
    return min((limit for limit in limits if limit > 0), default=None)


def _read_cores(group: Path) -> float:
    share, period = (group / "cpu.max").read_text().split()
    return int(share) / int(period)


def _read_cores_of_version_1(group: Path) -> float:
    share, period = (
        int((group / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period")
    )
    return share / period  # below 0 for all


def _read_memory(group: Path) -> int:
    return int((group / "memory.max").read_text())


def _read_memory_of_version_1(group: Path) -> int:
    size = int((group / "memory.limit_in_bytes").read_text())
    return size if size < _ALL_BYTES else 0


def _list_cgroup_folders(cgroup_file: Path, root: Path) -> Iterator[Path]:
    """Yield the folders whose files hold a process's limits, those of the cgroups that it is in.

    A cgroup is a group of processes with limits. It is a folder, and lies in the folder of the one
    above, whose limits count, too. `cgroup_file` has a line such as `4:cpu,cpuacct:/user.slice` for
    each (cgroups(7)). Version 1 mounts folders for each of these controllers. Version 2 mounts all
    in one place, and its line names none. Nothing is yielded if the files cannot be read.
    """
    try:
        # (controllers, path) of each line, such as ("cpu,cpuacct", "/user.slice")
        memberships = [line.split(":", 2)[1:] for line in cgroup_file.read_text().splitlines()]
        mounts = (root / "proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in mounts:
        # In `36 25 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu` fields 4 and 5 say which
        # cgroup is mounted and where. Behind the dash stand version, name and controllers.
        mount_text, _, type_text = line.partition(" - ")
        mount_root, mount_point = mount_text.split()[3:5]
        kind, _, mount_options = type_text.split(maxsplit=2)
        options = {*mount_options.split(",")}
        for controllers, path in memberships:
            is_mounted_here = kind == "cgroup2"
            if controllers:  # version 1
                is_mounted_here = kind == "cgroup" and {*controllers.split(",")} <= options
            if is_mounted_here:
                mounted = root / mount_point.lstrip("/")
                yield from _list_upwards(mounted, path, mount_root)


def _list_upwards(mounted: Path, path: str, top: str) -> Iterator[Path]:
    """Yield the folder of the cgroup `path`, and of each cgroup above it, up to that of `top`.

    `top` is mounted at `mounted`. If `path` is not below it, as seen from a container, that is all.
    """
    cgroup = PurePosixPath(path)
    inside = PurePosixPath()
    if cgroup.is_relative_to(top) and ".." not in cgroup.parts:
        inside = cgroup.relative_to(top)
    yield from (mounted / folder for folder in (inside, *inside.parents))
