import json
import os
import resource
import signal
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chalicelib import bootstrap
from chalicelib.api.sunmi.probe import DONE
from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.model import Profile, Tenant
from chalicelib.settings import Settings
from regulars import folder
from regulars.cli import main
from regulars.clients import Connection
from regulars.errors import WrongAnswer
from regulars.serve import server, service
from regulars.serve.server import LINKED_TENANTS, describe_zones, write_console_lines
from regulars.serve.service import Service
from regulars.serve.settings import make_url
from regulars.tenants import credentials
from tests.support.api.over_http import Icredit, Sunmi
from tests.support.box.server import Server
from tests.support.pictures.own_pack import NAME, own_pack
from tests.support.waiting import until


def regulars(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "regulars", *arguments, "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


def groups(running: Service, tenant: str = "shop") -> set[str]:
    with Connection(running.url) as connection:
        answer = Sunmi(connection, credentials.read_credentials(running.data)[tenant]).call(
            "getGroupList", {}
        )
    assert answer.code == DONE, answer.message
    return {group["name"] for group in answer.data["face_group"]}


def make_group(running: Service, name: str, tenant: str = "shop") -> None:
    with Connection(running.url) as connection:
        made = Sunmi(connection, credentials.read_credentials(running.data)[tenant]).create_group(
            name, 10, ""
        )
    assert made.code == DONE, made.message


_STOPPED_AT_WORK = """
import threading, time
import numpy as np
from chalicelib.book.vision.pictures.crop import resize_picture
from regulars.serve.server import end_at_once

def compute():
    while True:
        resize_picture(np.zeros((1000, 1000, 3), np.uint8), (900, 900))

for _ in range(8):
    threading.Thread(target=compute, daemon=True).start()
time.sleep(1)
end_at_once()
"""


def test_a_stop_in_the_middle_of_work_ends_in_order_and_says_so() -> None:
    """Python's own end stops threads inside C++, which aborts: "terminate called without an active
    exception"."""
    ended = subprocess.run(
        [sys.executable, "-c", _STOPPED_AT_WORK], capture_output=True, text=True, timeout=180
    )
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.startswith("stopped in the middle of work")
    assert ended.stderr.count("\n") == 1


def test_a_crash_leaves_no_core() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        server.leave_no_core()
        assert resource.getrlimit(resource.RLIMIT_CORE)[0] <= 1
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


STARTS = """
import sys, time
from pathlib import Path
from regulars.serve.service import run_service
with run_service(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_service_that_a_command_started_ends_with_it(tmp_path: Path, how: int) -> None:
    """Else it would hold the folder, and the command that was killed could not be run again."""
    command = [sys.executable, "-c", STARTS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "ready\n"
        assert folder.find_server(tmp_path) is not None
        caller.send_signal(how)
    until(lambda: folder.find_server(tmp_path) is None)


def test_data_survives_a_stop_and_a_kill(tmp_path: Path) -> None:
    with service.run_service(tmp_path) as first:
        assert first.url.startswith("http://127.0.0.1:")
        assert (tmp_path / credentials.FILE).stat().st_mode & 0o777 == 0o600
        assert [entry.tenant for entry in credentials.read_credentials(tmp_path).values()] == [
            "shop"
        ]
        make_group(first, "vip")
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(60) == 0
    with service.run_service(tmp_path) as second:
        assert "vip" in groups(second)
        make_group(second, "staff")
        os.kill(second.process.pid, signal.SIGKILL)
        second.process.wait(60)
    with service.run_service(tmp_path) as third:
        assert {"vip", "staff"} <= groups(third)


def test_tenants_change_from_the_command_line_while_it_serves(tmp_path: Path) -> None:
    with service.run_service(tmp_path) as running:
        make_group(running, "before")
        added = regulars(
            *("tenants", "add", "other", "--profile", "camera", "--strangers", "undecided"),
            data=tmp_path,
        )
        assert added.returncode == 0, added.stderr
        assert json.loads(added.stdout) == json.loads((tmp_path / credentials.FILE).read_text())[-1]
        make_group(running, "after")
        make_group(running, "of the other", "other")

        before = credentials.read_credentials(tmp_path)["other"]
        assert regulars("tenants", "rotate", "other", "--yes", data=tmp_path).returncode == 0
        assert "of the other" in groups(running, "other")
        with Connection(running.url) as connection:
            assert Sunmi(connection, before).call("getGroupList", {}).code == 5
            with pytest.raises(WrongAnswer, match="Invalid AppCode"):
                Icredit(connection, before).search("vip", b"x")

        assert regulars("tenants", "set", "other", "--disable", data=tmp_path).returncode == 0
        with Connection(running.url) as connection:
            assert (
                Sunmi(connection, credentials.read_credentials(tmp_path)["other"])
                .call("getGroupList", {})
                .code
                == 7
            )
        shown = regulars("tenants", "list", data=tmp_path).stdout.splitlines()
        assert [line.split()[:2] for line in shown[1:]] == [["other", "camera"], ["shop", "cloud"]]
        assert "disabled" in shown[1]
        assert regulars("tenants", "set", "other", "--enable", data=tmp_path).returncode == 0
        assert "of the other" in groups(running, "other")
    with service.run_service(tmp_path) as again:
        assert {"before", "after"} <= groups(again)


def test_serve_says_in_which_zones_days_are_counted() -> None:
    def tenants(*zones: str) -> list[Tenant]:
        now = datetime(2026, 3, 2, tzinfo=UTC)
        return [
            Tenant(f"shop-{n}", Profile.CAMERA, "A", now, "fake", time_zone=zone)
            for n, zone in enumerate(zones)
        ]

    assert describe_zones(tenants("Europe/Berlin"), Path("a shop")) == (
        "days are counted in the time zone Europe/Berlin; "
        "`regulars tenants set NAME --set time_zone=ZONE --data 'a shop'` sets another"
    )
    several = describe_zones(tenants("Asia/Tokyo", "Europe/Berlin", "Asia/Tokyo"), Path())
    assert "zone Asia/Tokyo (tenants: 2), Europe/Berlin (tenants: 1); " in several


def test_a_folder_and_a_port_are_served_once(tmp_path: Path) -> None:
    with service.run_service(tmp_path / "one") as running:
        port = running.url.rpartition(":")[2]
        second = regulars("serve", "--port", "0", data=tmp_path / "one")
        assert (second.returncode, second.stdout) == (1, "")
        assert f"is already being served by process {running.process.pid}" in second.stderr
        third = regulars("serve", "--port", port, data=tmp_path / "two")
        assert (third.returncode, third.stdout) == (1, "")
        assert f"port {port} of 127.0.0.1 is not available" in third.stderr
        assert second.stderr.count("\n") == third.stderr.count("\n") == 1


def test_lost_credentials_are_told_at_the_start_and_can_be_had_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One damaged file for all ways to lose it, which test_credentials knows."""
    for name in ("camera", "cloud"):
        assert (
            regulars("tenants", "add", name, "--strangers", "undecided", data=tmp_path).returncode
            == 0
        )
    file = tmp_path / credentials.FILE
    file.write_text("{broken")
    refused = regulars("tenants", "rotate", "camera", "--yes", data=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert file.read_text() == "{broken"
    capfd.readouterr()
    with service.run_service(tmp_path) as running:
        warnings = capfd.readouterr().err
        assert '"level":"WARNING"' in warnings
        assert f"{file}" in warnings
        assert f"--data {tmp_path}`" in warnings
        file.unlink(missing_ok=True)
        for name in ("camera", "cloud"):
            assert regulars("tenants", "rotate", name, "--yes", data=tmp_path).returncode == 0
            assert "regular" in groups(running, name)
    capfd.readouterr()
    with service.run_service(tmp_path):
        said = [json.loads(line)["message"] for line in capfd.readouterr().err.splitlines()]
        assert (
            said[0]
            == f"regulars {version('regulars')}, data in {tmp_path}, keys of its tenants in {file}"
        )
        assert said[1] == "tenants: 2, faces: 0"
        assert said[2].startswith("days are counted in the time zone ")
        assert [line.partition(":")[0] for line in said[3:5]] == ["camera", "cloud"]
        assert said[5].startswith(f"face models: {packs.find(None).manifest.name} ")
        assert said[-1].startswith("the console is at http://127.0.0.1:")


def test_a_damaged_model_is_named_before_the_first_picture(tmp_path: Path) -> None:
    file = packs.read_pack().files[0]
    damaged = own_pack(tmp_path) / file.name
    damaged.unlink()
    damaged.write_bytes(bytes(file.size_bytes))
    pipeline = FacePipeline(packs.find(tmp_path, NAME))
    services = bootstrap.build(Settings(storage=tmp_path / "data"), vision=lambda: pipeline)
    with pytest.raises(packs.MissingModel, match=f"{damaged.name} is damaged"):
        server.warm_up(services)
    services.close()


def test_a_folder_of_models_that_is_not_there_is_refused_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, nope = tmp_path / "data", tmp_path / "nope"
    assert main(["serve", "--data", str(data), "--models", str(nope)]) == 1
    assert capsys.readouterr().err.startswith(f"regulars: there is no folder of models {nope}, ")
    assert not data.exists()


@pytest.mark.parametrize(
    ("host", "tls", "url"),
    [
        ("127.0.0.1", False, "http://127.0.0.1:8000"),
        ("::1", True, "https://[::1]:8000"),
        ("box.local", True, "https://box.local:8000"),
    ],
)
def test_the_host_is_the_one_that_is_listened_at(host: str, tls: bool, url: str) -> None:
    assert make_url(host, 8000, tls=tls) == url


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_everywhere_is_no_place_to_go_to(host: str) -> None:
    assert urlsplit(make_url(host, 8000, tls=False)).hostname not in ("0.0.0.0", "::", None)


def test_a_service_that_listens_everywhere_is_reached_at_what_it_prints(tmp_path: Path) -> None:
    server = Server(tmp_path / "shop", "--host", "0.0.0.0")
    try:
        running = folder.find_server(server.data)
        assert (running and running.url, running and running.process) == (
            server.url,
            str(server.process.pid),
        )
        with urllib.request.urlopen(f"{server.url}/health", timeout=60) as answer:
            assert json.load(answer) == {"alive": True}
        asked = urllib.request.Request(f"{server.url}/health", method="HEAD")
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert (answer.headers["Content-Length"], answer.read()) == (
                str(len('{"alive":true}')),
                b"",
            )
    finally:
        assert server.stop() == 0
    assert folder.find_server(server.data) is None


def test_nobody_serves_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert folder.find_server(tmp_path / "nowhere") is None
    assert list(tmp_path.iterdir()) == []


def test_a_start_makes_links_only_for_somebody_who_sits_there(tmp_path: Path) -> None:
    services = bootstrap.build(Settings(storage=tmp_path))
    services.tenants.add("shop", Profile.CAMERA)
    link = "console of tenant shop: http://box:8000/console#code="
    [told] = write_console_lines(services, "http://box:8000", tmp_path, asks=True)
    assert told.startswith(link)
    assert services.access.sessions.begin_by_code(told.removeprefix(link))[1].tenant.name == "shop"
    [told] = write_console_lines(services, "http://box:8000", tmp_path, asks=False)
    assert "code=" not in told
    assert f"`regulars console --tenant NAME --data {tmp_path}`" in told
    for number in range(LINKED_TENANTS):
        services.tenants.add(f"shop-{number}", Profile.CAMERA)
    assert "code=" not in str(write_console_lines(services, "http://box:8000", tmp_path, asks=True))


_THREADS_OF_NUMPY = """
import os, sys
os.environ.pop("OPENBLAS_NUM_THREADS", None)
from regulars.serve import server
server.limit_numpy_threads()
import numpy as np
np.ones((600, 600)) @ np.ones((600, 600))
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="only Linux lists a process's threads"
)
def test_numpy_computes_on_one_thread_beside_the_models() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _THREADS_OF_NUMPY], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (0, "1\n")
