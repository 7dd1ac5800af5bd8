"""Signed updates: real wheels, environments, signatures and processes; nothing but systemd is
played."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import regulars_client
from hypothesis import given
from hypothesis import strategies as st
from regulars_client import models
from regulars_edge import SPOOL, __version__
from regulars_edge.clock import Clock
from regulars_edge.config import Config
from regulars_edge.report import Report, read_object, write_object
from regulars_edge.update import (
    MOST_STARTS,
    REST_LOOKS,
    TRIAL_LOOKS,
    WATCHED_LOOKS,
    State,
    _link_library,
    decide_step,
)
from rig.box import SNAPSHOT, until
from rig.camera import Camera
from rig.clock import FakeClock
from rig.real import Regulars
from rig.releases import BEAT, CRASHES, IMPORTS, LOOP, READY, Releases, in_module, wheel
from rig.unit import Unit

from testing.needs import needed
from tests.support.examples import sample

NEW, BAD = "8.0.0", "9.0.0"


@pytest.fixture
def keygen() -> None:
    """Skip the test without the program that verifies releases."""
    needed("ssh-keygen")


WELL = Report(NEW, NEW, is_well=True, cameras=("door",))


def library(folder: Path) -> None:
    """Make a wheel of a library that the uploader needs, newer than any there is."""
    with zipfile.ZipFile(folder / "shtab-99.0-py3-none-any.whl", "w") as archive:
        archive.writestr("shtab/__init__.py", "__version__ = '99.0'\n")
        archive.writestr(
            "shtab-99.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: shtab\nVersion: 99.0\n"
        )
        archive.writestr(
            "shtab-99.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("shtab-99.0.dist-info/RECORD", "")


class Versions:
    """An installed box: the folder of versions, and what systemd does for it."""

    def __init__(self, folder: Path, service: Regulars, releases: Releases, camera: Camera) -> None:
        self.root, self.toml, self.spool = folder / "opt", folder / "edge.toml", folder / "spool"
        self.camera_id = f"door-{secrets.token_hex(3)}"
        self.root.mkdir(exist_ok=True)
        self._wheels = folder / "wheels"
        self.lay(__version__)
        for link in ("current", "updater"):
            (self.root / link).symlink_to(__version__)
        (folder / "key").write_text(service.key)
        (folder / "key").chmod(0o600)
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
        """ + SNAPSHOT.format(host=camera.host).replace(
            '"door"', f'"{self.camera_id}"'))  # fmt: skip
        command = [self.root / "current" / "bin" / "regulars-edge", "run", "--config", self.toml]
        self.unit = Unit(folder, command, clean(), sys.executable)

    def lay(
        self, version: str, changes: Callable[[str, str], str] = lambda _name, text: text
    ) -> None:
        """Lay a version beside the others, as `prepare` leaves it, but for pip, which no version
        needs of its own."""
        made = self.root / version
        shutil.rmtree(made, ignore_errors=True)
        subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", made], check=True)
        site = next(made.glob("lib/python*/site-packages"))
        if version == __version__:  # real files, as pip leaves them
            for library in Path(sysconfig.get_path("purelib")).iterdir():
                if re.match("(?i)(urllib3|pil|shtab|prometheus)", library.name):
                    at = library.resolve()
                    shutil.copytree(at, site / library.name) if at.is_dir() else shutil.copy2(
                        at, site / library.name
                    )
        else:
            for library in next(
                (self.root / __version__).glob("lib/python*/site-packages")
            ).iterdir():
                if not library.name.startswith("regulars"):
                    _link_library(library, site / library.name)
        self._wheels.mkdir(exist_ok=True)
        with zipfile.ZipFile(wheel(self._wheels, version, changes)) as archive:
            archive.extractall(site)
        script, python = made / "bin" / "regulars-edge", f"#!{made}/bin/python"
        script.write_text(
            f"{python}\nimport sys\nfrom regulars_edge.cli import command\nsys.exit(command())\n"
        )
        script.chmod(0o755)

    @property
    def current(self) -> str:
        return str((self.root / "current").readlink())

    def update(self) -> subprocess.CompletedProcess[str]:
        """What the timer does."""
        command = [self.root / "updater" / "bin" / "regulars-edge", "update", "--config", self.toml]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, env=clean()
        )

    def report(self) -> Report:
        return Report.read_file(self.spool, Clock())

    def boot(self) -> None:
        """Cut the power, and begin again."""
        (self.spool / "report.json").unlink(missing_ok=True)
        self.unit.boot()

    def stop(self) -> None:
        self.unit.stop()


def clean() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))
    }


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[Releases]:
    made = Releases(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def versions(
    tmp_path: Path, started_regulars: Regulars, releases: Releases, camera: Camera
) -> Iterator[Versions]:
    made = Versions(tmp_path, started_regulars, releases, camera)
    yield made
    made.stop()


def status(service: Regulars, camera: str) -> Mapping[str, object]:
    with regulars_client.Regulars(service.url, api_key=service.key) as client:
        return client.get_camera(camera).health.status


def library_of(versions: Versions, version: str) -> str:
    command = [
        versions.root / version / "bin" / "python",
        "-I",
        "-c",
        "import shtab; print(shtab.__version__)",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def ask_for(service: Regulars, versions: Versions, version: str) -> None:
    """Wait until the box is well, ask it for a version, and wait until it has heard of it."""
    until(
        lambda: versions.report().is_well and versions.report().cameras == (versions.camera_id,), 60
    )
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
    until(lambda: is_well(versions, NEW), 60)
    assert versions.update().stdout == f"{NEW} stays\n"
    assert versions.current == NEW
    told = status(started_regulars, versions.camera_id)
    assert told["version"] == NEW
    assert "update" not in told
    assert library_of(versions, NEW) == "99.0"
    assert library_of(versions, __version__) not in ("99.0", ""), (
        "that of the version before is as it was"
    )
    assert State.read_file(versions.root) == State(
        former=__version__, least=__version__, watched=WATCHED_LOOKS
    )
    ask_for(started_regulars, versions, __version__)
    said = versions.update()
    assert said.stdout == f"{__version__} is tried in place of {NEW}\n", (
        "the one before is there, and no release is needed"
    )
    until(lambda: versions.report().version == __version__, 60)


@pytest.mark.usefixtures("keygen")
def test_what_is_not_signed_is_never_run(
    versions: Versions, releases: Releases, started_regulars: Regulars, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    ask_for(started_regulars, versions, NEW)
    for attack in (
        "another's signature",
        "a changed wheel",
        "another version's name",
        "no signature",
    ):
        folder = releases.add(NEW)
        wheel(
            folder,
            NEW,
            lambda name, text: (
                f"open({str(trap)!r}, 'w')\n{text}" if name == "__init__.py" else text
            ),
        )
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


@pytest.mark.usefixtures("keygen")
def test_a_release_from_which_there_is_no_way_back_is_not_tried(
    versions: Versions, releases: Releases, started_regulars: Regulars
) -> None:
    releases.add(NEW, lambda _name, text: text.replace(f"\nSPOOL = {SPOOL}\n", "\nSPOOL = 99\n"))
    ask_for(started_regulars, versions, NEW)
    assert f"layout 99 of the spool, and the way back needs {SPOOL}" in versions.update().stderr
    assert versions.current == __version__


WAITING = State(former="1.0.0", tried=NEW, looks=1, cameras=("door",))


def test_what_is_decided() -> None:
    asked = Report(__version__, NEW, is_well=True, cameras=("door",))
    assert decide_step(State(), __version__, asked)[0] == "try"
    assert decide_step(State(), __version__, replace(asked, wanted=None))[0] == "wait"
    assert decide_step(WAITING, NEW, WELL) == ("keep", State(former="1.0.0", watched=WATCHED_LOOKS))
    assert decide_step(WAITING, NEW, replace(WELL, cameras=()))[0] == "wait", "a camera is missing"
    assert decide_step(WAITING, NEW, replace(WELL, version="1.0.0"))[0] == "switch", (
        "the one before still runs"
    )
    silent = replace(WELL, version="", is_well=False)
    assert decide_step(WAITING, NEW, silent)[0] == "wait", "it starts"
    stays = State(former="1.0.0", watched=9, looks=TRIAL_LOOKS - 1)
    step, then = decide_step(stays, NEW, silent)
    assert (step, then.looks, then.watched) == ("wait", TRIAL_LOOKS, 8)
    assert decide_step(then, NEW, silent) == (
        "back",
        replace(
            stays,
            looks=0,
            watched=0,
            failed=NEW,
            rest=REST_LOOKS,
            trouble=f"{NEW} was not well, 1.0.0 runs again",
        ),
    )
    assert decide_step(then, NEW, replace(WELL, lasts=True))[1].looks == 0, (
        "also if the service is out of reach"
    )
    assert decide_step(replace(then, watched=0), NEW, silent)[0] == "wait", (
        "the box has worked for a day"
    )
    again = replace(WELL, lasts=True, starts=MOST_STARTS + 3)
    assert decide_step(replace(stays, starts=3), NEW, again)[0] == "wait", "people start it, too"
    assert decide_step(replace(stays, starts=2), NEW, again)[0] == "back", (
        "it ends again and again, between looks too"
    )
    assert (
        decide_step(replace(WAITING, looks=TRIAL_LOOKS), NEW, replace(WELL, is_well=False))[0]
        == "back"
    )
    step, then = decide_step(State(former="1.0.0"), NEW, Report(NEW, "0.9.0"))
    assert step == "wait"
    assert "older" in str(then.trouble), "an order may not bring an old fault back"
    assert decide_step(State(former="1.0.0"), NEW, Report(NEW, "1.0.0"))[0] == "try", (
        "the one before may come back"
    )
    step, then = decide_step(State(former="1.0.0", least="1.0.1"), NEW, Report(NEW, "1.0.0"))
    assert (step, "from 1.0.1 on" in str(then.trouble)) == ("wait", True), (
        "unless a signed release says that it may not"
    )


def test_starts_of_a_version_are_counted_but_for_those_of_the_machine(tmp_path: Path) -> None:
    clock = FakeClock()

    def begin(version: str) -> int:
        first = Report.begin(version, tmp_path, clock)
        first.write(tmp_path, clock)
        return Report.read_file(tmp_path, clock).starts

    assert [begin("1.0.0") for _ in range(3)] == [0, 1, 2]
    clock.boot_id = "another"
    assert [begin("1.0.0") for _ in range(2)] == [2, 3]
    assert [begin("1.1.0") for _ in range(2)] == [0, 1]


VERSIONS = ["1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0"]


@given(
    st.lists(st.tuples(st.sampled_from([*VERSIONS, None]), st.booleans()), max_size=40),
    st.fixed_dictionaries(
        {one: st.sampled_from(VERSIONS[: at + 1]) for at, one in enumerate(VERSIONS)}
    ),
)
def test_no_order_brings_a_box_below_what_a_signed_release_named(
    orders: list[tuple[str | None, bool]], least: dict[str, str]
) -> None:
    state, current, kept = State(former="2.0.0"), "3.0.0", "1.0.0"
    for wanted, is_well in orders:
        before = current
        step, state = decide_step(state, current, Report(current, wanted, is_well=is_well))
        if step == "try":
            kept = max(kept, least[str(state.tried)]) if state.tried != before else kept
            step, state = decide_step(replace(state, least=kept), current, Report(current))
            assert str(state.tried) >= kept or str(state.tried) > before
        if step in ("switch", "back"):
            current = str(state.tried or state.former)
        assert state.least in (None, kept), "it is never forgotten"


@given(
    st.lists(
        st.builds(
            Report,
            st.sampled_from(["1.0.0", NEW]),
            st.sampled_from([None, "1.0.0", NEW]),
            st.booleans(),
        )
    )
)
def test_whatever_is_reported_a_version_that_is_not_well_is_left_and_rests_for_a_day(
    reports: list[Report],
) -> None:
    state, current, tries = State(), "1.0.0", 0
    for at, report in enumerate([*reports, *[Report("1.0.0", NEW)] * REST_LOOKS]):
        step, state = decide_step(state, current, report)
        if step == "try":
            tries += at >= len(reports)
            step, state = decide_step(state, current, Report(current))
        if step in ("switch", "back"):
            current = str(state.tried or state.former)
        assert state.tried in (None, current)
        assert state.looks <= TRIAL_LOOKS
    assert tries <= 2


def test_six_looks_take_longer_than_a_version_has_to_be_well_and_less_than_a_quarter_of_an_hour() -> (  # noqa: E501
    None
):
    timer = (Path(__file__).parents[1] / "systemd" / "regulars-edge-update.timer").read_text()
    minutes = int(re.findall(r"OnUnitActiveSec=(\d+)min", timer)[0])
    late_s = int(re.findall(r"RandomizedDelaySec=(\d+)s", timer)[0]) + int(
        re.findall(r"AccuracySec=(\d+)s", timer)[0]
    )
    assert TRIAL_LOOKS * minutes * 60 >= Config.well_after_s + 60
    assert TRIAL_LOOKS * (minutes * 60 + late_s) <= 15 * 60 - 30, (
        "30 s: the former version starts, and is heard"
    )


def remember(versions: Versions, looks: int = 0, tried: str = BAD) -> None:
    """Write down what is remembered of a version on trial."""
    state = State(former=__version__, tried=tried, looks=looks, cameras=(versions.camera_id,))
    write_object(versions.root / "update.json", asdict(state))


def two_minutes_pass(versions: Versions) -> None:
    """Let what the box told last be two minutes old."""
    file = versions.spool / "report.json"
    told = read_object(file)
    if told:
        write_object(file, {**told, "boot_ms": told["boot_ms"] - 120_000})


def is_well(versions: Versions, version: str) -> bool:
    """Tell whether a version runs that is heard, and whose camera gives pictures."""
    told = versions.report()
    return told.version == version and told.is_well and told.cameras == (versions.camera_id,)


def look_until(versions: Versions, version: str, looks: int = TRIAL_LOOKS + 2) -> None:
    """Look every two minutes until a version runs that is well, and none is on trial; then it is
    heard."""
    for _ in range(looks):
        if versions.report().version != version:
            two_minutes_pass(versions)
        said = versions.update()
        assert said.returncode == 0, said.stderr
        if (versions.current, State.read_file(versions.root).tried) == (version, None):
            until(lambda: is_well(versions, version), 60)
            return
    raise AssertionError(f"{versions.current} after {looks} looks: {said}")


def on_trial(changes: Callable[[str, str], str]) -> Callable[[Versions], None]:
    """Return what lets the box try a release with these changes."""

    def begin(versions: Versions) -> None:
        versions.lay(BAD, changes)
        remember(versions)
        assert versions.update().returncode == 0
        assert versions.current == BAD

    return begin


def without_an_interpreter(versions: Versions) -> None:
    versions.lay(BAD)
    (versions.root / BAD / "bin" / "python").unlink()
    remember(versions)
    assert versions.update().returncode == 0


def with_a_broken_updater(versions: Versions) -> None:
    on_trial(in_module("update.py", IMPORTS, "import nothing_of_this_name"))(versions)
    until(lambda: is_well(versions, BAD), 60)


def well_for_an_hour(versions: Versions) -> None:
    """Let a release stay, and crash again and again afterwards."""
    on_trial(lambda _name, text: text)(versions)
    until(lambda: is_well(versions, BAD), 60)
    assert [versions.update().stdout for _ in range(4)] == [f"{BAD} stays\n"] * 4
    assert str((versions.root / "updater").readlink()) == BAD
    run = next((versions.root / BAD).glob("lib/python*/site-packages/regulars_edge/run.py"))
    run.write_text(CRASHES("run.py", run.read_text()))
    versions.unit.crash()


RELEASES = {
    "crashes before READY": on_trial(CRASHES),
    "refuses its edge.toml, which ends the unit": on_trial(
        in_module("run.py", READY, "        os._exit(2)")
    ),
    "crashes when it is READY": on_trial(in_module("run.py", LOOP, "        os._exit(3)")),
    "crashes after an hour": well_for_an_hour,
    "is never READY": on_trial(in_module("run.py", READY, "        time.sleep(3600)")),
    "hangs when it is READY": on_trial(in_module("run.py", LOOP, "        time.sleep(3600)")),
    "is not heard": on_trial(in_module("run.py", BEAT, "            continue")),
    "cannot be imported": on_trial(
        in_module("camera_uploader.py", IMPORTS, "import nothing_of_this_name")
    ),
    "has a broken updater": with_a_broken_updater,
    "has an updater that does nothing": on_trial(
        in_module("update.py", "    if config.update_url", "    return 0")
    ),
    "has a broken interpreter": without_an_interpreter,
}


@pytest.mark.slow
def test_the_former_version_is_heard_again_within_the_looks_of_a_quarter_of_an_hour_whatever_the_new_one_does(  # noqa: E501
    versions: Versions, started_regulars: Regulars
) -> None:
    until(lambda: is_well(versions, __version__), 60)
    versions.unit.start_s, versions.unit.stop_s = 5.0, 3.0
    chosen, heard = sample([*RELEASES.items()], 1), list[str]()
    why = f"{BAD} was not well, {__version__} runs again"
    for fault, begin in chosen:
        begin(versions)
        look_until(versions, __version__)
        assert str((versions.root / "updater").readlink()) == __version__, fault
        assert State.read_file(versions.root).failed == BAD, fault
        until(lambda: status(started_regulars, versions.camera_id).get("update") == why, 60)
        heard.append(fault)
    print(
        f"{len(heard)} of {len(chosen)} boxes are heard again, of releases that: {', '.join(heard)}"
    )
    assert len(RELEASES) >= 10


STEPS = [
    (looks, stays, first)
    for looks, stays in ((0, False), (TRIAL_LOOKS, False), (1, True))
    for first in (0, 1)
]
"""Looks that were done, and whether the version is well: it is switched to, taken back, or kept.
Writes from `first` on are cut, every second one: a cut takes some eight seconds."""
CUT = """
import os, sys
left = int(sys.argv.pop(1))
def cut(event, _arguments):
    global left
    left -= event in ("os.rename", "os.symlink", "shutil.rmtree", "subprocess.Popen")
    if left < 0:
        os._exit(9)
sys.addaudithook(cut)
from regulars_edge.cli import command
sys.exit(command())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("looks", "stays", "first"), sample(STEPS, 1))
def test_a_power_cut_before_each_write_of_a_step_leaves_a_version_that_is_well_in_the_end(
    versions: Versions, looks: int, stays: bool, first: int
) -> None:
    until(lambda: is_well(versions, __version__), 60)
    for writes in range(first, 20, 2):
        versions.lay(BAD, (lambda _name, text: text) if stays else CRASHES)
        remember(versions, max(looks, TRIAL_LOOKS - 1 if looks == 0 else 0))
        if looks:
            (versions.root / "current").unlink()
            (versions.root / "current").symlink_to(BAD)
            versions.boot()
        if stays:
            until(lambda: is_well(versions, BAD), 60)
        command = [versions.root / "updater" / "bin" / "python", "-I", "-c", CUT, str(writes)]
        cut = subprocess.run(
            [*command, "update", "--config", versions.toml], env=clean(), check=False
        )
        versions.boot()
        if stays:
            until(lambda: is_well(versions, BAD), 60)
        look_until(versions, BAD if stays else __version__)
        if cut.returncode == 0:
            assert writes >= 3, "it wrote"
            return
        assert cut.returncode == 9
        if stays:
            for link in ("current", "updater"):
                (versions.root / link).unlink()
                (versions.root / link).symlink_to(__version__)
    raise AssertionError("it ends")


def test_a_full_disk_lets_no_version_stay_that_is_not_well(
    tmp_path: Path, started_regulars: Regulars, releases: Releases, camera: Camera
) -> None:
    needed("mount")
    root = tmp_path / "opt"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(root)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        in_a_namespace_of_its_own(
            f"{__file__}::test_a_full_disk_lets_no_version_stay_that_is_not_well"
        )
        return
    versions = Versions(tmp_path, started_regulars, releases, camera)
    try:
        full_on_trial(versions)
        full_while_preparing(versions, releases, started_regulars)
    finally:
        versions.stop()
        subprocess.run(["umount", "-l", root], check=True)


def in_a_namespace_of_its_own(test: str) -> None:
    """Run a test where anybody may mount; skip it if the kernel lets nobody have that."""
    command = ["unshare", "--user", "--map-root-user", "--mount"]
    if NAMESPACE in os.environ or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("needs to mount, as root or in a namespace of its own")
    pytests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    assert (
        subprocess.run(
            [*command, *pytests], env={**os.environ, NAMESPACE: "1"}, check=False
        ).returncode
        == 0
    )


NAMESPACE = "TEST_IN_NAMESPACE"


def fill(folder: Path) -> Path:
    """Fill the disk to its last byte."""
    file = folder / "full"
    with file.open("wb", buffering=0) as stream, suppress(OSError):
        while stream.write(bytes(65_536)):
            pass
    return file


def full_on_trial(versions: Versions) -> None:
    until(lambda: is_well(versions, __version__), 60)
    on_trial(CRASHES)(versions)
    full = fill(versions.root)
    look_until(versions, __version__)
    full.unlink()


def full_while_preparing(versions: Versions, releases: Releases, service: Regulars) -> None:
    releases.add(NEW)
    ask_for(service, versions, NEW)
    full = fill(versions.root)
    with full.open("r+b") as stream:
        stream.truncate(full.stat().st_size - 4 * 2**20)  # less than a version takes
    said = versions.update()
    assert (said.returncode, versions.current) == (1, __version__), said
    assert not (versions.root / NEW).exists()
    assert State.read_file(versions.root).failed == NEW
    assert versions.report().is_well
    full.unlink()
