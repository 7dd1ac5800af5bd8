"""What a container or a unit leaves of the machine, in folders as the kernel shows them
(cgroups(7))."""

from pathlib import Path

import pytest

from chalicelib.book.vision.cgroup_quota import Quota, quota
from chalicelib.book.vision.machine import cores_within, limit_memory

V1_ALL = 9223372036854771712
V2 = "31 23 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw"
V1_CPU = (
    "32 31 0:29 {top} /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct"
)
V1_MEMORY = "35 31 0:32 {top} /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory"
OTHERS = (
    "22 1 8:1 / / rw - ext4 /dev/sda1 rw",
    "30 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755",
)


def machine(root: Path, member: str, mounts: tuple[str, ...], files: dict[str, str]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(member)
    (root / "proc/self/mountinfo").write_text("".join(f"{line}\n" for line in (*OTHERS, *mounts)))
    for name, text in files.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    return root


CONTAINER = "docker/4f9c"
V1_MEMBER = (
    f"5:cpu,cpuacct:/{CONTAINER}\n4:memory:/{CONTAINER}\n1:name=systemd:/{CONTAINER}\n"
    f"0::/{CONTAINER}\n"
)


@pytest.mark.parametrize(
    ("files", "cores", "memory_bytes"),
    [
        ({}, None, None),
        ({"cpu.max": "max 100000", "memory.max": "max"}, None, None),
        ({"cpu.max": "50000 100000", "memory.max": "1073741824"}, 0.5, 2**30),
        (
            {"system.slice/cpu.max": "200000 100000", "system.slice/memory.max": "4096000"},
            2.0,
            4_096_000,
        ),
        (
            {
                "system.slice/regulars.service/cpu.max": "150000 100000",
                "system.slice/cpu.max": "400000 100000",
            },
            1.5,
            None,
        ),
        (
            {"system.slice/regulars.service/memory.max": "900", "system.slice/memory.max": "800"},
            None,
            800,
        ),
        ({"system.slice/regulars.service/memory.max": "max", "memory.max": "700"}, None, 700),
        (
            {"system.slice/another.service/cpu.max": "50000 100000", "user.slice/memory.max": "5"},
            None,
            None,
        ),
        ({"cpu.max": "", "memory.max": "many"}, None, None),
        ({"cpu.max": "100000 0", "memory.max": "-5"}, None, None),
    ],
)
def test_the_least_of_a_cgroup_and_of_those_above_it_counts(
    files: dict[str, str], cores: float | None, memory_bytes: int | None, tmp_path: Path
) -> None:
    found = quota(root=machine(tmp_path, "0::/system.slice/regulars.service\n", (V2,), files))
    assert found == Quota(cores, memory_bytes)


@pytest.mark.parametrize("top", ["/", f"/{CONTAINER}", "/docker"])
@pytest.mark.parametrize("share", ["25000", "-1"])
def test_version_1_has_a_folder_for_each_kind_of_which_a_container_sees_its_part(
    top: str, share: str, tmp_path: Path
) -> None:
    place = Path(f"/{CONTAINER}").relative_to(top)
    files = {
        f"cpu,cpuacct/{place}/cpu.cfs_quota_us": share,
        f"cpu,cpuacct/{place}/cpu.cfs_period_us": "100000",
        f"memory/{place}/memory.limit_in_bytes": str(2**29 if share != "-1" else V1_ALL),
    }
    found = quota(
        root=machine(
            tmp_path, V1_MEMBER, (V1_CPU.format(top=top), V1_MEMORY.format(top=top)), files
        )
    )
    assert found == (Quota(None, None) if share == "-1" else Quota(0.25, 2**29))


def test_both_versions_may_be_mounted_together(tmp_path: Path) -> None:
    mounts = (V1_MEMORY.format(top="/"), V2.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified"))
    files = {
        f"memory/{CONTAINER}/memory.limit_in_bytes": "1000",
        f"unified/{CONTAINER}/cpu.max": "300000 100000",
    }
    assert quota(root=machine(tmp_path, V1_MEMBER, mounts, files)) == Quota(3.0, 1000)


@pytest.mark.parametrize("member", ["0::/\n", "0::/../../system.slice\n", "0::/elsewhere\n"])
def test_a_cgroup_that_is_not_seen_from_here_has_the_quota_of_the_highest_that_is(
    member: str, tmp_path: Path
) -> None:
    root = machine(tmp_path, member, (V2,), {"cpu.max": "100000 100000", "memory.max": "5000"})
    (tmp_path / "sys/memory.max").write_text("1")  # nothing above the mount is read
    assert quota(root=root) == Quota(1.0, 5000)


def test_a_process_is_looked_up_by_its_number(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/\n", (V2,), {"unit/cpu.max": "100000 100000"})
    (root / "proc/7").mkdir()
    (root / "proc/7/cgroup").write_text("0::/unit\n")
    assert (quota(root=root).cores, quota(7, root).cores, quota(8, root).cores) == (None, 1.0, None)


def test_a_system_without_cgroups_has_no_quota(tmp_path: Path) -> None:
    assert quota(root=tmp_path) == Quota(None, None)


@pytest.mark.parametrize(
    ("left", "there", "used"),
    [(None, 16, 16), (2.0, 16, 2), (0.5, 16, 1), (0.01, 1, 1), (1.5, 2, 1), (32.0, 2, 2)],
)
def test_as_many_cores_are_used_as_are_there_and_as_the_quota_leaves(
    left: float, there: int, used: int
) -> None:
    assert cores_within(Quota(left, None), there) == used


def test_memory_stays_below_its_limit_and_below_the_quota() -> None:
    assert limit_memory(Quota(None, None), 2048) == 2048
    assert limit_memory(Quota(None, 4096), 2048) == 2048
    assert limit_memory(Quota(None, 1000), 2048) == 900
