"""Signed updates: real wheels, environments, signatures and processes; nothing but systemd is played."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import regulars_client
from hypothesis import given
from hypothesis import strategies as st
from regulars_client import models
from regulars_edge import __version__
from regulars_edge.report import Report
from regulars_edge.update import LOOKS, REST, State, decide
from rig.camera import Camera
from rig.real import Regulars
from test_run import SNAPSHOT, until

from tests.needs import needed

PACKAGE = Path(__file__).parents[1] / "src" / "regulars_edge"
NEW, BAD = "8.0.0", "9.0.0"


@pytest.fixture
def keygen() -> None:
    """Skip the test without the program that verifies releases."""
    needed("ssh-keygen")


WELL = Report(NEW, NEW, is_well=True, cameras=("door",))


def wheel(folder: Path, version: str, changes: Callable[[str, str], str] = lambda _name, text: text) -> Path:
    """Make a wheel of this uploader that says it is `version`; `changes` gets each module's name and text."""
    file = folder / f"regulars_edge-{version}-py3-none-any.whl"
    info = f"regulars_edge-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(PACKAGE.rglob("*")):
            name = f"regulars_edge/{path.relative_to(PACKAGE)}"
            if path.suffix == ".py":
                text = path.read_text().replace(f'__version__ = "{__version__}"', f'__version__ = "{version}"')
                archive.writestr(name, changes(path.name, text))
            elif path.suffix in (".onnx", ".typed"):
                archive.write(path, name)
        needs = "".join(f"Requires-Dist: {name}\n" for name in ("urllib3>=2.2", "shtab>=1.7"))
        about = f"Metadata-Version: 2.1\nName: regulars-edge\nVersion: {version}\n{needs}"
        archive.writestr(f"{info}/METADATA", f"{about}Provides-Extra: video\nProvides-Extra: detector\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\nregulars-edge = regulars_edge.cli:command\n")
        archive.writestr(f"{info}/RECORD", "")
    return file


def library(folder: Path) -> None:
    """Make a wheel of a library that the uploader needs, newer than any there is."""
    with zipfile.ZipFile(folder / "shtab-99.0-py3-none-any.whl", "w") as archive:
        archive.writestr("shtab/__init__.py", "__version__ = '99.0'\n")
        archive.writestr("shtab-99.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: shtab\nVersion: 99.0\n")
        archive.writestr("shtab-99.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("shtab-99.0.dist-info/RECORD", "")


class Releases:
    """A web server with releases, signed by a key of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "releases"
        self.key = folder / "release-key"
        self.signers = folder / "signers"
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", ""]
        for key in (self.key, folder / "stranger"):
            subprocess.run([*keygen, "-f", key], check=True)
        self.signers.write_text(f"release {self.key.with_suffix('.pub').read_text()}")
        handler = partial(SimpleHTTPRequestHandler, directory=str(self.folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def add(self, version: str, changes: Callable[[str, str], str] = lambda _name, text: text) -> Path:
        folder = self.folder / version
        folder.mkdir(parents=True)
        wheel(folder, version, changes)
        return self.sign(folder)

    def sign(self, folder: Path, key: Path | None = None) -> Path:
        wheels = sorted(folder.glob("*.whl"))
        sums = folder / "SHA256SUMS"
        lines = [f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.name}\n" for one in wheels]
        sums.write_text("".join([f"# regulars-edge least {__version__}\n", *lines]))
        sums.with_suffix(".sig").unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", key or self.key, sums], check=True)
        return folder

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Versions:
    """An installed box: the folder of versions, and what systemd does for it: `current` runs, also if it ends."""

    def __init__(self, folder: Path, service: Regulars, releases: Releases, camera: Camera) -> None:
        self.root, self.toml, self.spool = folder / "opt", folder / "edge.toml", folder / "spool"
        self.camera_id = f"door-{secrets.token_hex(3)}"
        self.root.mkdir()
        self._install(folder)
        (folder / "key").write_text(service.key)
        (folder / "key").chmod(0o600)
        self.pid = folder / "pid"
        (folder / "restart").write_text(f"#!/bin/sh\nkill $(cat {self.pid})\n")
        (folder / "restart").chmod(0o700)
        self.toml.write_text(f"""
            [server]
            url = "{service.url}"
            api_key_file = "{folder / "key"}"
            make_cameras = true
            heartbeat_s = 0.2
            [spool]
            folder = "{self.spool}"
            min_free_mib = 1
            [metrics]
            port = 0
            [update]
            url = "{releases.url}"
            signers = "{releases.signers}"
            restart = "{folder / "restart"}"
            well_after_s = 1.0
        """ + SNAPSHOT.format(host=camera.host).replace('"door"', f'"{self.camera_id}"'))  # fmt: skip
        self._log = (folder / "run.log").open("w")
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def _install(self, folder: Path) -> None:
        made = self.root / __version__
        subprocess.run([sys.executable, "-m", "venv", made], check=True)
        site = next(made.glob("lib/python*/site-packages"))
        for library in Path(sysconfig.get_path("purelib")).iterdir():
            if re.match("(?i)(urllib3|pil|shtab|prometheus)", library.name):
                (site / library.name).symlink_to(library)
        for link in list(site.iterdir()):  # real files, as pip leaves them
            if link.is_symlink():
                at = link.resolve()
                link.unlink()
                shutil.copytree(at, link) if at.is_dir() else shutil.copy2(at, link)
        (folder / "first").mkdir()
        pip = [made / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
        subprocess.run([*pip, wheel(folder / "first", __version__)], check=True, env=clean())
        (self.root / "current").symlink_to(__version__)

    def _keep(self) -> None:
        while not self._over.is_set():
            command = [self.root / "current" / "bin" / "regulars-edge", "run", "--config", self.toml]
            with subprocess.Popen(command, stderr=self._log, env=clean()) as process:
                self.pid.write_text(str(process.pid))
                process.wait()
            self._over.wait(0.1)

    @property
    def current(self) -> str:
        return str((self.root / "current").readlink())

    def update(self) -> subprocess.CompletedProcess[str]:
        """What the timer does."""
        command = [self.root / "current" / "bin" / "regulars-edge", "update", "--config", self.toml]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=clean())

    def report(self) -> Report:
        return Report.read(self.spool)

    def stop(self) -> None:
        self._over.set()
        os.kill(int(self.pid.read_text()), signal.SIGTERM)
        self._keeper.join(30)
        self._log.close()


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[Releases]:
    made = Releases(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def versions(tmp_path: Path, started_regulars: Regulars, releases: Releases, camera: Camera) -> Iterator[Versions]:
    made = Versions(tmp_path, started_regulars, releases, camera)
    yield made
    made.stop()


def status(service: Regulars, camera: str) -> Mapping[str, object]:
    with regulars_client.Regulars(service.url, api_key=service.key) as client:
        return client.get_camera(camera).health.status


def library_of(versions: Versions, version: str) -> str:
    command = [versions.root / version / "bin" / "python", "-I", "-c", "import shtab; print(shtab.__version__)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def ask_for(service: Regulars, versions: Versions, version: str) -> None:
    """Wait until the box is well, ask it for a version, and wait until it has heard of it."""
    until(lambda: versions.report().is_well and versions.report().cameras == (versions.camera_id,), 60)
    with regulars_client.Regulars(service.url, api_key=service.key) as client:
        client.change_camera(versions.camera_id, edge=models.Edge(version=version))
    until(lambda: versions.report().wanted == version, 60)


@pytest.mark.usefixtures("keygen")
def test_a_box_takes_the_signed_release_that_the_service_asks_for_and_keeps_it_when_it_is_well(
    versions: Versions, releases: Releases, started_regulars: Regulars
) -> None:
    release = releases.add(NEW)
    library(release)
    releases.sign(release)
    ask_for(started_regulars, versions, NEW)
    said = versions.update()
    assert said.stdout == f"{NEW} is tried in place of {__version__}\n", said.stderr
    until(lambda: versions.report().version == NEW and versions.report().is_well, 60)
    assert versions.update().stdout == f"{NEW} stays\n"
    assert versions.current == NEW
    told = status(started_regulars, versions.camera_id)
    assert told["version"] == NEW
    assert "update" not in told
    assert library_of(versions, NEW) == "99.0"
    assert library_of(versions, __version__) not in ("99.0", ""), "that of the version before is as it was"
    assert State.read(versions.root) == State(former=__version__, least=__version__)
    ask_for(started_regulars, versions, __version__)
    said = versions.update()
    assert said.stdout == f"{__version__} is tried in place of {NEW}\n", (
        "the one before is there, and no release is needed"
    )
    until(lambda: versions.report().version == __version__, 60)


@pytest.mark.usefixtures("keygen")
def test_a_release_that_is_not_well_is_taken_back_and_heartbeats_say_so(
    versions: Versions, releases: Releases, started_regulars: Regulars
) -> None:
    releases.add(
        BAD, lambda name, text: text.replace("systemd.ready()", "raise SystemExit(3)") if name == "run.py" else text
    )
    ask_for(started_regulars, versions, BAD)
    versions.update()
    assert versions.current == BAD
    while versions.current == BAD:
        assert not versions.report().is_well or versions.report().version != BAD
        versions.update()
    assert versions.current == __version__
    why = f"{BAD} was not well, {__version__} runs again"
    until(lambda: status(started_regulars, versions.camera_id).get("update") == why, 60)
    assert versions.update().stdout, "it says why, and tries it again tomorrow"
    assert versions.current == __version__


@pytest.mark.usefixtures("keygen")
def test_what_is_not_signed_is_never_run(
    versions: Versions, releases: Releases, started_regulars: Regulars, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    ask_for(started_regulars, versions, NEW)
    for attack in ("another's signature", "a changed wheel", "another version's name", "no signature"):
        folder = releases.add(NEW)
        wheel(folder, NEW, lambda name, text: f"open({str(trap)!r}, 'w')\n{text}" if name == "__init__.py" else text)
        if attack == "another's signature":
            releases.sign(folder, releases.key.with_name("stranger"))
        elif attack == "another version's name":
            shutil.copytree(releases.add("7.0.0"), folder, dirs_exist_ok=True)
        elif attack == "no signature":
            (folder / "SHA256SUMS.sig").unlink()
        done = versions.update()
        assert (done.returncode, versions.current) == (1, __version__), (attack, done)
        assert done.stderr.startswith("regulars-edge: "), attack
        assert not trap.exists(), attack
        shutil.rmtree(releases.folder)
        (versions.root / "update.json").unlink()  # so that it is tried again at once


WAITING = State(former="1.0.0", tried=NEW, looks=1, cameras=("door",))


def test_what_is_decided() -> None:
    asked = Report(__version__, NEW, is_well=True, cameras=("door",))
    assert decide(State(), __version__, asked)[0] == "try"
    assert decide(State(), __version__, replace(asked, wanted=None))[0] == "wait"
    assert decide(WAITING, NEW, WELL) == ("keep", State(former="1.0.0"))
    assert decide(WAITING, NEW, replace(WELL, cameras=()))[0] == "wait", "a camera is missing"
    assert decide(WAITING, NEW, replace(WELL, version="1.0.0"))[0] == "wait", "it is the report of the one before"
    assert decide(replace(WAITING, looks=LOOKS), NEW, replace(WELL, is_well=False))[0] == "back"
    step, then = decide(State(former="1.0.0"), NEW, Report(NEW, "0.9.0"))
    assert step == "wait"
    assert "older" in str(then.trouble), "an order may not bring an old fault back"
    assert decide(State(former="1.0.0"), NEW, Report(NEW, "1.0.0"))[0] == "try", "the one before may come back"
    step, then = decide(State(former="1.0.0", least="1.0.1"), NEW, Report(NEW, "1.0.0"))
    assert (step, "from 1.0.1 on" in str(then.trouble)) == ("wait", True), (
        "unless a signed release says that it may not"
    )


VERSIONS = ["1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0"]


@given(
    st.lists(st.tuples(st.sampled_from([*VERSIONS, None]), st.booleans()), max_size=40),
    st.fixed_dictionaries({one: st.sampled_from(VERSIONS[: at + 1]) for at, one in enumerate(VERSIONS)}),
)
def test_no_order_brings_a_box_below_what_a_signed_release_named(
    orders: list[tuple[str | None, bool]], least: dict[str, str]
) -> None:
    state, current, kept = State(former="2.0.0"), "3.0.0", "1.0.0"
    for wanted, is_well in orders:
        before = current
        step, state = decide(state, current, Report(current, wanted, is_well=is_well))
        if step == "try":
            kept = max(kept, least[str(state.tried)]) if state.tried != before else kept
            step, state = decide(replace(state, least=kept), current, Report(current))
            assert str(state.tried) >= kept or str(state.tried) > before
        if step in ("switch", "back"):
            current = str(state.tried or state.former)
        assert state.least in (None, kept), "it is never forgotten"


@given(
    st.lists(st.builds(Report, st.sampled_from(["1.0.0", NEW]), st.sampled_from([None, "1.0.0", NEW]), st.booleans()))
)
def test_whatever_is_reported_a_version_that_is_not_well_is_left_and_rests_for_a_day(reports: list[Report]) -> None:
    state, current, tries = State(), "1.0.0", 0
    for at, report in enumerate([*reports, *[Report("1.0.0", NEW)] * REST]):
        step, state = decide(state, current, report)
        if step == "try":
            tries += at >= len(reports)
            step, state = decide(state, current, Report(current))
        if step in ("switch", "back"):
            current = str(state.tried or state.former)
        assert state.tried in (None, current)
        assert state.looks <= LOOKS
    assert tries <= 2
