"""`regulars-edge update`: installs the signed release that the service asks for, and goes back if
it is not well.

Versions stand side by side, each an environment of its own, and `current` links to the one that
runs:

    /opt/regulars-edge/0.1.0/bin/regulars-edge
    /opt/regulars-edge/0.2.0/bin/regulars-edge
    /opt/regulars-edge/current -> 0.2.0
    /opt/regulars-edge/updater -> 0.1.0
    /opt/regulars-edge/update.json

A timer runs that of `updater` every two minutes, which moves on when a version has shown that it is
well: what is on trial is no judge of itself. A kill at any moment leaves a version that runs, and
the next run goes on.
"""

from __future__ import annotations

import argparse
import fcntl
import html
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import quote

from regulars_edge import SPOOL, __version__, exits
from regulars_edge.clock import Clock
from regulars_edge.config import Config, load, shows_the_key
from regulars_edge.errors import EdgeError, Misconfigured
from regulars_edge.http import Http, proxies_of_environment
from regulars_edge.report import (
    TOLD_BY_UPDATE,
    VERSION,
    Report,
    find_newest,
    read_object,
    split_version,
    write_object,
)

LINK, UPDATER, LOCK = "current", "updater", "update.lock"
TRIAL_LOOKS = 6
"""So often is a version looked at before it counts as not well; the timer looks every two
minutes."""
REST_LOOKS, REST_LOOKS_UNINSTALLED = 720, 30
"""Looks until a version is tried again: a day if it was not well, an hour if it could not be
installed."""
WATCHED_LOOKS = 720
"""Looks at a version that stays, until it is not taken back any more if it ends again and again."""
MOST_STARTS = 8
"""So often may it begin anew meanwhile, without a start of the machine."""
RESTART_TIMEOUT_S = 150
"""systemd gives a version 90 s to start, and 30 s to stop."""
LONGEST_TROUBLE = 200
"""Characters that a heartbeat takes."""
SUMS = "SHA256SUMS"
SIGNER = "release"
"""Whom the file of signers names as the one who signs releases."""
LEAST = "0.1.0"
"""Oldest version to which a box may be brought that has had this release. A release that mends a
hole raises it."""
EXTRAS = {"video": "av", "detector": "onnxruntime"}
_OURS = ("regulars_", "pip", "setuptools")
_LEAST = re.compile(rf"# regulars-edge least ({VERSION.pattern})")
_LINE = re.compile(r"([0-9a-f]{64}) [ *]([A-Za-z0-9_.+-]+\.whl)")
_FITS = """
import sys
from pathlib import Path
from regulars_edge import SPOOL, __version__, config
config.load(Path(sys.argv[1]))
print(__version__, SPOOL)
"""
"""Run in the environment of another version: these names stay."""

Step = Literal["wait", "try", "switch", "keep", "back"]


class NotUpdated(EdgeError):
    """The version that runs stays, or runs again; the message says why."""


@dataclass(frozen=True)
class State:
    """Memory from one run to the next."""

    former: str | None = None
    least: str | None = None
    """The highest that a signed release named as the oldest one to go back to."""
    tried: str | None = None
    looks: int = 0
    cameras: tuple[str, ...] = ()
    """That gave pictures before the version that is tried."""
    watched: int = 0
    """Looks that are left at a version that stays."""
    starts: int = 0
    """How often it had begun when it was decided that it stays."""
    failed: str | None = None
    rest: int = 0
    trouble: str | None = None
    """What heartbeats say of it."""

    @property
    def settled(self) -> State:
        """Return the memory that stays when nothing is tried any more."""
        return State(former=self.former, least=self.least, watched=self.watched, starts=self.starts)

    def note_taken_back(self, version: str | None) -> State:
        """Return the memory that stays when a version was taken back."""
        why = f"{version} was not well, {self.former} runs again"
        return replace(
            self.settled, watched=0, starts=0, failed=version, rest=REST_LOOKS, trouble=why
        )

    @classmethod
    def read_file(cls, folder: Path) -> State:
        told = read_object(folder / TOLD_BY_UPDATE)
        known = {name: value for name, value in told.items() if name in cls.__dataclass_fields__}
        return replace(cls(**known), cameras=tuple(told.get("cameras") or ())) if known else cls()


def decide_step(state: State, current: str, report: Report) -> tuple[Step, State]:
    """Return what is to be done now, and what is to be remembered of it.

    `current`: the version that runs.
    """
    if state.tried is not None:
        return _judge_trial(state, state.tried, current, report)
    if not state.watched or state.former == current:
        return _judge_wanted(state, state.settled, current, report)
    # It has passed its trial, and may still end again and again.
    looks = 0 if report.lasts and report.version == current else state.looks + 1
    if looks > TRIAL_LOOKS or report.starts - state.starts > MOST_STARTS:
        return "back", state.note_taken_back(current)
    starts = min(state.starts, report.starts)
    settled = replace(state.settled, watched=state.watched - 1, looks=looks, starts=starts)
    return _judge_wanted(state, settled, current, report)


def _judge_trial(state: State, tried: str, current: str, report: Report) -> tuple[Step, State]:
    """Return the step of a version on trial: it stays if it is well, and goes if it is not within
    TRIAL_LOOKS."""
    is_well = report.is_well and report.version == tried == current
    if is_well and set(state.cameras) <= set(report.cameras):
        return "keep", replace(state.settled, watched=WATCHED_LOOKS, starts=report.starts)
    if state.looks == TRIAL_LOOKS:
        return "back", state.note_taken_back(tried)
    is_running = current == tried and report.version != state.former
    return "wait" if is_running else "switch", replace(state, looks=state.looks + 1)


def _judge_wanted(state: State, settled: State, current: str, report: Report) -> tuple[Step, State]:
    """Return the step by which version the service wants.

    `settled`: what is remembered if none is tried.
    """
    wanted = report.wanted
    if wanted is None or wanted == current:
        return "wait", settled
    is_let_back = wanted == state.former and split_version(wanted) >= split_version(
        state.least or wanted
    )
    if split_version(wanted) < split_version(current) and not is_let_back:
        least = f", from {state.least} on" if state.least else ""
        why = f"{wanted} is older than {current}, and only the version before may come back{least}"
        return "wait", replace(settled, trouble=why)
    if wanted == state.failed and state.rest > 0:
        return "wait", replace(settled, failed=wanted, rest=state.rest - 1, trouble=state.trouble)
    return "try", State(former=current, least=state.least, tried=wanted, cameras=report.cameras)


def update(arguments: argparse.Namespace) -> int:
    """Do the next step, and print it. A dry run prints which it would be. Raises EdgeError."""
    file: Path = arguments.config
    config = load(file)
    if config.update_url is None or config.signers is None:
        raise Misconfigured(f"{file}: [update] needs url and signers")
    if shows_the_key(config.update_url):
        raise Misconfigured(f"{file} [update] url: should be https")
    folder = Path(sys.prefix).absolute().parent
    current = _read_link(folder / LINK)
    if not VERSION.fullmatch(current):
        raise Misconfigured(
            f"{folder / LINK} should link to a version's folder beside it, such as {__version__}"
        )
    with (folder / LOCK).open("w") as lock:  # a person may call it while the timer does
        if not arguments.dry_run:
            fcntl.flock(lock, fcntl.LOCK_EX)
        state, updater = State.read_file(folder), _read_link(folder / UPDATER) or current
        # the current one is on trial, and the memory of that is lost
        if state.tried is None and updater != current:
            state = replace(state, former=updater, tried=current, looks=1)
        step, then = decide_step(state, current, Report.read_file(config.spool, Clock()))
        if arguments.dry_run:
            print(step)
            return exits.OK
        if step == "try":
            state = _prepare_trial(state, then, folder, config, file)
            step, then = decide_step(state, current, Report(current))
        then = _do_step(step, then, state, folder, config, file)
    print(
        then.trouble
        or (
            f"{then.tried} is tried in place of {then.former}" if then.tried else f"{current} stays"
        )
    )
    return exits.OK


def _prepare_trial(state: State, then: State, folder: Path, config: Config, file: Path) -> State:
    """Prepare the version that is to be tried, and remember it. Raises NotUpdated."""
    version = str(then.tried)
    is_there = version == state.former  # it is installed, and was well
    try:
        least = (
            then.least
            if is_there
            else find_newest((state.least, prepare_version(version, folder, config, file)))
        )
        trial = replace(then, least=least)
        _write_state(folder, trial)
    except (EdgeError, OSError) as error:
        if not is_there:
            # which leaves room again, if the disk is full
            shutil.rmtree(folder / version, ignore_errors=True)
        why = f"{version}: {error}"
        _write_state(
            folder,
            replace(
                state.settled,
                failed=version,
                rest=REST_LOOKS_UNINSTALLED,
                trouble=why[:LONGEST_TROUBLE],
            ),
        )
        raise NotUpdated(str(error)) from error
    return trial


def _do_step(
    step: Step, then: State, state: State, folder: Path, config: Config, file: Path
) -> State:
    """Do the step that is decided, and return what is remembered.

    A kill does no harm: the next run goes on.
    """
    link = folder / LINK
    try:
        if step == "keep":  # by the next run on, its updater decides
            command = [link / "bin" / "regulars-edge", "update", "--config", file, "--dry-run"]
            if _run_command(command, timeout_s=RESTART_TIMEOUT_S).strip() not in get_args(Step):
                raise NotUpdated
        elif step != "back" and then != state:
            _write_state(folder, then)
    except (NotUpdated, OSError) as error:  # or its looks cannot be counted
        if state.tried is None:
            raise NotUpdated(str(error)) from error
        step, then = "back", state.note_taken_back(state.tried)
    if step in ("switch", "back"):
        _point_link(link, str(then.tried or then.former))
    if step in ("keep", "back"):
        _point_link(folder / UPDATER, _read_link(link))
    if step in ("switch", "back"):
        try:
            _run_command(shlex.split(config.restart), timeout_s=RESTART_TIMEOUT_S)
        # which is no judge: systemctl fails if the version does, and goes on trying it
        except NotUpdated as error:
            print(error, file=sys.stderr)
    if step in ("keep", "back"):
        for old in folder.iterdir():
            if VERSION.fullmatch(old.name) and old.name not in (_read_link(link), then.former):
                shutil.rmtree(old)
        _write_state(folder, then)
    return then


def prepare_version(version: str, folder: Path, config: Config, file: Path) -> str | None:
    """Make the version's environment, of what its signed sums name and of this one's libraries.

    Return the oldest version that it lets come back, if it names one. Raises NotUpdated.
    """
    environment = folder / version
    with tempfile.TemporaryDirectory() as scratch:
        links, least = _write_links(version, config, Path(scratch))
        shutil.rmtree(environment, ignore_errors=True)
        _run_command([sys.executable, "-I", "-m", "venv", environment])
        python = environment / "bin" / "python"
        ours = Path(sysconfig.get_path("purelib"))
        site = Path(
            _run_command(
                [python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
            ).strip()
        )
        for library in ours.iterdir():
            if not library.name.lower().startswith(_OURS) and not (site / library.name).exists():
                _link_library(library, site / library.name)
        extras = ",".join(name for name, module in EXTRAS.items() if find_spec(module))
        install = [
            python,
            "-I",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-index",
            "--find-links",
            links,
        ]
        install += ["--cert", config.ca_file] if config.ca_file else []
        _run_command(
            [
                *install,
                "--upgrade",
                "--upgrade-strategy",
                "eager",
                f"regulars-edge[{extras}]=={version}",
            ]
        )
    stated, layout = _run_command([python, "-I", "-c", _FITS, file]).split()
    if stated != version:
        raise NotUpdated(f"it says that it is {stated}")
    if layout != str(SPOOL):
        raise NotUpdated(
            f"it keeps pictures in layout {layout} of the spool, and the way back needs {SPOOL}"
        )
    os.sync()
    return least


def _write_links(version: str, config: Config, scratch: Path) -> tuple[Path, str | None]:
    """Write a page of links to the release's wheels, each with its signed sum, which pip verifies.

    Return its path, and the least version that the signed file names.
    """
    http = Http(Clock(), ca_file=config.ca_file, proxies=proxies_of_environment())
    url = f"{config.update_url}/{version}"
    for name in (SUMS, f"{SUMS}.sig"):
        answer = http.exchange("GET", f"{url}/{name}", {}, None)
        if answer.status != 200:
            raise NotUpdated(f"{url}/{name} answered {answer.status}")
        (scratch / name).write_bytes(answer.body)
    verify = ["ssh-keygen", "-Y", "verify", "-f", config.signers, "-I", SIGNER, "-n", "file"]
    sums = (scratch / SUMS).read_bytes()
    _run_command([*verify, "-s", scratch / f"{SUMS}.sig"], sums)
    lines = sums.decode("ascii", "replace").splitlines()
    wheels = [match.groups() for match in map(_LINE.fullmatch, lines) if match]  # digest and name
    least = find_newest(match[1] for match in map(_LEAST.fullmatch, lines) if match)
    if not any(name.startswith(f"regulars_edge-{version}-") for _, name in wheels):
        raise NotUpdated(f"{url}/{SUMS} names no regulars_edge-{version}")
    rows = [
        f'<a href="{html.escape(f"{url}/{quote(name)}")}#sha256={sha}">{name}</a>'
        for sha, name in wheels
    ]
    page = scratch / "links.html"
    page.write_text("\n".join(["<!DOCTYPE html>", *rows]), encoding="ascii")
    return page, least


def _link_library(library: Path, to: Path) -> None:
    """Copy a library by hard links: neither pip nor Python writes into a file that is there."""
    if library.is_dir():
        shutil.copytree(library, to, symlinks=True, copy_function=os.link)
    else:
        os.link(library, to)


def _read_link(link: Path) -> str:
    return str(link.readlink()) if link.is_symlink() else ""


def _point_link(link: Path, version: str) -> None:
    if _read_link(link) == version:
        return
    beside = link.with_name(f"{link.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(version)
    beside.replace(link)
    os.sync()


def _write_state(folder: Path, state: State) -> None:
    write_object(folder / TOLD_BY_UPDATE, asdict(state))


def _run_command(command: Sequence[object], given: bytes = b"", timeout_s: float = 1800) -> str:
    """Run a command and return what it printed. Raises NotUpdated with its last line."""
    words = [str(word) for word in command]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment["PIP_CONFIG_FILE"] = os.devnull  # which also leaves out the machine's own
    try:
        done = subprocess.run(  # noqa: S603 -- words of ours, and of edge.toml
            words, input=given, capture_output=True, env=environment, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotUpdated(f"{words[0]}: {error}") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        raise NotUpdated(f"{Path(words[0]).name} failed: {lines[-1] if lines else done.returncode}")
    return done.stdout.decode("utf-8", "replace")
