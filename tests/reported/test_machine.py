"""Reports of the machine that a service runs on, from users of others, replayed. The page:
docs/reported.md."""

from pathlib import Path

from chalicelib.book.vision.cgroup_quota import quota
from chalicelib.book.vision.machine import cores_within
from chalicelib.settings import Settings
from regulars import configuration
from testing.reported import replays


@replays(38, "dify 539", "kubernetes/community 1249", "gpustack 5908")
def test_what_kubernetes_adds_for_a_service_of_our_name_is_no_setting() -> None:
    begin = "REGULARS_PORT_8000_TCP"
    added = {"REGULARS_SERVICE_HOST": "10.0.0.7", "REGULARS_SERVICE_PORT": "8000"}
    added |= {
        "REGULARS_PORT": "tcp://10.0.0.7:8000",
        begin: "tcp://10.0.0.7:8000",
        f"{begin}_ADDR": "10.0.0.7",
    }
    added |= {f"{begin}_PORT": "8000", f"{begin}_PROTO": "tcp"}
    assert configuration.read_settings({}, added) == configuration.read_settings({}, {})
    assert Settings.from_environment({**added, "REGULARS_DATA": "d"}).storage.name == "d"


@replays(39, "AudioMuse-AI 787", "loreai 1170")
def test_a_containers_cores_are_those_of_its_quota(tmp_path: Path) -> None:
    for name, text in (
        ("proc/self/cgroup", "0::/docker/4f9c"),
        ("proc/self/mountinfo", "31 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"),
        ("sys/fs/cgroup/docker/4f9c/cpu.max", "200000 100000\n"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cores_within(quota(root=tmp_path), 16) == 2
