"""The quota of a process: which part of the machine's cores and memory its container or its unit
leaves it.

cgroups(7), both versions. A quota holds for all that is below it, so the least of a cgroup's own
and of those above it counts. Inside a container its own cgroup is the highest that is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

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
    above, whose limits count, too. `cgroup_file` has a line for each cgroup of the process. The
    file of mounts says where these folders are. Nothing is yielded if they cannot be read.
    """
    try:
        # (controllers, path) of each line, such as ("cpu,cpuacct", "/user.slice")
        memberships = [line.split(":", 2)[1:] for line in cgroup_file.read_text().splitlines()]
        mount_lines = (root / "proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for mount in map(_parse_mount, mount_lines):
        for controllers, path in memberships:
            if mount.has_cgroups_of(controllers):
                folder = root / mount.point.lstrip("/")
                yield from _list_upwards(folder, path, top=mount.root)


class _Mount(NamedTuple):
    """A line of the file of mounts: the folder `root` of a file system lies at `point`."""

    root: str
    point: str
    kind: str
    options: set[str]

    def has_cgroups_of(self, controllers: str) -> bool:
        """Tell whether the cgroups of these controllers, such as "cpu,cpuacct", are mounted here.

        Version 1 has a mount for each of them, named in its options. Version 2 has one for all, and
        a process's cgroup names none ("").
        """
        if controllers:
            return self.kind == "cgroup" and {*controllers.split(",")} <= self.options
        return self.kind == "cgroup2"


def _parse_mount(line: str) -> _Mount:
    """Read a line such as `36 25 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu`.

    Fields 4 and 5 are root and point. Behind the dash stand kind, device and options.
    """
    places_text, _, kind_text = line.partition(" - ")
    root, point = places_text.split()[3:5]
    kind, _, options = kind_text.split(maxsplit=2)
    return _Mount(root, point, kind, {*options.split(",")})


def _list_upwards(mounted: Path, path: str, top: str) -> Iterator[Path]:
    """Yield the folder of the cgroup `path`, and of each cgroup above it, up to that of `top`.

    `top` is mounted at `mounted`. If `path` is not below it, as seen from a container, that is all.
    """
    cgroup = PurePosixPath(path)
    inside = PurePosixPath()
    if cgroup.is_relative_to(top) and ".." not in cgroup.parts:
        inside = cgroup.relative_to(top)
    yield from (mounted / folder for folder in (inside, *inside.parents))
