"""The shipped units under a real systemd: `make systemd`, as root. Of the update's timer the test
plays the clock."""

import json
import re
import shutil
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import regulars_client
from regulars_client import models
from regulars_edge import __version__
from rig.box import SNAPSHOT, until
from rig.camera import PASSWORD, USER, Camera
from rig.machine import Machine
from rig.real import Regulars
from rig.releases import CRASHES, LOOP, READY, Releases, in_module, wheel

from testing.needs import needed

UNITS = Path(__file__).parents[1] / "systemd"
UPLOADER, UPDATE = "regulars-edge.service", "regulars-edge-update.service"
CLAIM, PAGE = "regulars-edge-claim.service", "http://127.0.0.1:9110/"
LOOKS = 9
"""Of an update: to try it, six until it is taken back, and two more."""


class InstalledBox:
    """A machine with the uploader, installed as the unit's first lines say."""

    def __init__(self, folder: Path, service: Regulars, camera: Camera) -> None:
        self.releases = Releases(folder)
        self.machine = Machine(folder)
        self._service = service
        call, root = self.machine.call, self.machine.root
        call(
            "useradd",
            "--system",
            "--home-dir",
            "/var/lib/regulars-edge",
            "--shell",
            "/usr/sbin/nologin",
            "regulars-edge",
        )
        call(
            "install",
            "--directory",
            "--owner",
            "regulars-edge",
            "--mode",
            "700",
            "/etc/regulars-edge",
        )
        version = Path("/opt/regulars-edge") / __version__
        # updates bring their own
        call("/opt/python/bin/python3", "-m", "venv", "--without-pip", version)
        site = next((root / version.relative_to("/")).glob("lib/python*/site-packages"))
        for library in Path(sysconfig.get_path("purelib")).iterdir():
            if re.match("(?i)(urllib3|pil|shtab|prometheus)", library.name):
                at = library.resolve()
                shutil.copytree(at, site / library.name) if at.is_dir() else shutil.copy2(
                    at, site / library.name
                )
        with zipfile.ZipFile(wheel(folder, __version__)) as archive:
            archive.extractall(site)
        script = root / "opt/regulars-edge" / __version__ / "bin/regulars-edge"
        script.write_text(
            f"#!{version}/bin/python\nfrom regulars_edge.cli import command\ncommand()\n"
        )
        script.chmod(0o755)
        for link in ("current", "updater"):
            (root / "opt/regulars-edge" / link).symlink_to(__version__)
        self._configure(root / "etc/regulars-edge", camera)
        for unit in UNITS.iterdir():
            shutil.copy2(unit, root / "etc/systemd/system" / unit.name)
        call("systemctl", "daemon-reload")

    def _configure(self, folder: Path, camera: Camera) -> None:
        (folder / "key").write_text(self._service.key)
        (folder / "signers").write_text(self.releases.signers.read_text())
        (folder / "edge.toml").write_text(f"""
            [server]
            url = "{self._service.url}"
            api_key_file = "/etc/regulars-edge/key"
            make_cameras = true
            heartbeat_s = 0.5
            [spool]
            min_free_mib = 1
            [metrics]
            port = 0
            [update]
            url = "{self.releases.url}"
            signers = "/etc/regulars-edge/signers"
            well_after_s = 1.0
        """ + SNAPSHOT.format(host=camera.host))  # fmt: skip
        self.machine.call("chmod", "600", "/etc/regulars-edge/key", "/etc/regulars-edge/edge.toml")
        self.machine.call("chown", "--recursive", "regulars-edge:", "/etc/regulars-edge")

    def show(self, name: str) -> str:
        """Return a property of the uploader's unit."""
        return self.machine.call(
            "systemctl", "show", "--value", "--property", name, UPLOADER
        ).stdout.strip()

    def heard_version(self) -> object:
        """Return the version that the service hears; None: the camera is not there, or does not
        work."""
        try:
            with regulars_client.Regulars(self._service.url, api_key=self._service.key) as client:
                health = client.get_camera("door").health
        except regulars_client.NotFound:
            return None
        return health.status.get("version") if health.state == "ok" else None

    def ask_for(self, version: str) -> None:
        with regulars_client.Regulars(self._service.url, api_key=self._service.key) as client:
            client.change_camera("door", edge=models.Edge(version=version))
        until(lambda: self.read_report().get("wanted") == version, said=self.machine.journal)

    def read_report(self) -> dict[str, object]:
        """Return what the uploader tells the update of itself."""
        report: dict[str, object] = json.loads(
            (self.machine.root / "var/lib/regulars-edge/report.json").read_text()
        )
        return report

    def is_well(self, version: str) -> bool:
        """Tell whether the uploader reports that this version is well, and that its camera gives
        pictures."""
        report = self.read_report()
        return (
            report["version"] == version
            and report["is_well"] is True
            and report["cameras"] == ["door"]
        )

    def update(self) -> tuple[str, str]:
        """Do what the timer does; return the version that runs then, and the one on trial or that
        was taken back."""
        # The timer does not start it five times in ten seconds, which is a failure.
        self.machine.call("systemctl", "reset-failed", UPDATE, check=False)
        self.machine.call("systemctl", "start", UPDATE)
        folder = self.machine.root / "opt/regulars-edge"
        state = json.loads((folder / "update.json").read_text())
        return str((folder / "current").readlink()), str(
            state.get("tried") or state.get("failed") or ""
        )

    def stop(self) -> None:
        self.machine.stop()
        self.releases.stop()


@pytest.fixture
def box(tmp_path: Path, started_regulars: Regulars, camera: Camera) -> Iterator[InstalledBox]:
    needed("ssh-keygen")
    installed = InstalledBox(tmp_path, started_regulars, camera)
    yield installed
    installed.stop()


def test_the_uploader_runs_is_heard_and_takes_back_releases_that_are_not_well(
    box: InstalledBox,
) -> None:
    box.machine.call("systemctl", "start", UPLOADER)  # returns when it is READY
    assert (box.show("ActiveState"), box.show("NRestarts"), box.show("User")) == (
        "active",
        "0",
        "regulars-edge",
    )
    until(lambda: box.heard_version() == __version__, said=box.machine.journal)
    box.releases.add("8.0.0")
    box.ask_for("8.0.0")
    assert box.update() == ("8.0.0", "8.0.0")
    until(
        lambda: box.is_well("8.0.0"), said=box.machine.journal
    )  # the timer looks every two minutes, this test at once
    assert box.update() == ("8.0.0", "")
    assert box.heard_version() == "8.0.0"
    faults = {
        "9.0.1": CRASHES,
        "9.0.2": in_module("run.py", READY, "        os._exit(2)"),
        "9.0.3": in_module("run.py", LOOP, "        os._exit(3)"),
    }
    for version, fault in faults.items():
        box.releases.add(version, fault)
        box.ask_for(version)
        looks = [box.update() for _ in range(LOOKS)]
        assert looks[0] == (version, version), looks
        assert looks[-1] == ("8.0.0", version), looks
        until(lambda: box.heard_version() == "8.0.0", said=box.machine.journal)
    box.machine.call("systemctl", "stop", UPLOADER)
    assert box.show("Result") == "success"


def test_a_new_box_shows_its_page_and_begins_when_it_is_claimed(
    box: InstalledBox, started_regulars: Regulars, camera: Camera
) -> None:
    """All cameras here are on the box itself, which its page does not ask: the claim comes from a
    terminal."""
    folder = box.machine.root / "etc/regulars-edge"
    (folder / "edge.toml").unlink()
    box.machine.call("systemctl", "start", CLAIM)
    until(
        lambda: "is an example: let it name your service" in box.machine.journal(),
        said=box.machine.journal,
    )
    unit = box.machine.root / "etc/systemd/system" / CLAIM
    unit.write_text(
        unit.read_text().replace("--url https://regulars.example", f"--url {started_regulars.url}")
    )
    box.machine.call("systemctl", "daemon-reload")
    box.machine.call("systemctl", "start", CLAIM)
    until(
        lambda: "to connect a camera, open http://" in box.machine.journal(),
        said=box.machine.journal,
    )
    id_ = started_regulars.add_camera()
    code, place = started_regulars.make_claim_code(id_), f"http://{camera.host}/shot.jpg"
    [token] = re.findall('name="token" value="(.*?)"', urlopen(PAGE, timeout=30).read().decode())
    form = {"code": code, "place": place, "user": USER, "password": PASSWORD, "token": token}
    said = urlopen(PAGE, urlencode(form).encode(), timeout=90).read().decode()
    assert "No picture came from there" in said, said + box.machine.journal()
    until(
        lambda: (
            f"leads to this machine, or to its cable alone (no picture from {place})"
            in box.machine.journal()
        )
    )
    assert PASSWORD not in box.machine.journal()
    assert camera.given == 0
    code, file = started_regulars.make_claim_code(id_), "/etc/regulars-edge/edge.toml"
    command = "/opt/regulars-edge/current/bin/regulars-edge"
    box.machine.call(
        command, "claim", code, started_regulars.url, "--camera", place, "--config", file
    )
    until(lambda: box.show("ExecMainStartTimestamp") != "", said=box.machine.journal)
    written = [folder / "edge.toml", folder / f"{id_}.key"]
    assert {(file.stat().st_uid, file.stat().st_mode & 0o777) for file in written} == {
        (folder.stat().st_uid, 0o600)
    }
    box.machine.call("systemctl", "start", CLAIM)
    assert (
        box.machine.call("systemctl", "is-active", CLAIM, check=False).stdout.strip() == "inactive"
    ), "once"
