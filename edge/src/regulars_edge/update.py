"""`regulars-edge update`: installs the signed release that the service asks for, and goes back if it is not well.

Versions stand side by side, each an environment of its own, and `current` links to the one that runs:

    /opt/regulars-edge/0.1.0/bin/regulars-edge
    /opt/regulars-edge/0.2.0/bin/regulars-edge
    /opt/regulars-edge/current -> 0.2.0
    /opt/regulars-edge/update.json

A timer runs it every few minutes. A kill at any moment leaves a version that runs, and the next run goes on.
"""

from __future__ import annotations

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
from typing import Literal
from urllib.parse import quote

from regulars_edge import __version__, exits
from regulars_edge.clock import SystemClock
from regulars_edge.config import Config, shows_the_key
from regulars_edge.errors import EdgeError, Misconfigured
from regulars_edge.http import Http, proxies_of_environment
from regulars_edge.report import TOLD_BY_UPDATE, VERSION, Report, newest, number, read_object, write_object
from regulars_edge.spool import schema

LINK, LOCK = "current", "update.lock"
LOOKS = 4
"""So often is a new version looked at before it counts as not well; the timer looks every five minutes."""
REST, REST_PREPARING = 288, 12
"""Looks until a version is tried again: a day if it was not well, an hour if it could not be installed."""
LONGEST = 200
"""Characters that a heartbeat takes."""
SUMS = "SHA256SUMS"
SIGNER = "release"
"""Whom the file of signers names as the one who signs releases."""
LEAST = "0.1.0"
"""Oldest version to which a box may be brought that has had this release. Whoever mends a hole raises it."""
EXTRAS = {"video": "av", "detector": "onnxruntime"}
_OURS = ("regulars_edge", "regulars-edge", "pip", "setuptools")
_LEAST = re.compile(rf"# regulars-edge least ({VERSION.pattern})")
_LINE = re.compile(r"([0-9a-f]{64}) [ *]([A-Za-z0-9_.+-]+\.whl)")
_FITS = """
import sys
from pathlib import Path
from regulars_edge import config
from regulars_edge.spool import schema
config.load(Path(sys.argv[1]))
print(schema.VERSION)
"""

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
    failed: str | None = None
    rest: int = 0
    trouble: str | None = None
    """What heartbeats say of it."""

    @property
    def settled(self) -> State:
        """The memory that stays when nothing is tried any more."""
        return State(former=self.former, least=self.least)

    @classmethod
    def read(cls, folder: Path) -> State:
        told = read_object(folder / TOLD_BY_UPDATE)
        known = {name: value for name, value in told.items() if name in cls.__dataclass_fields__}
        return replace(cls(**known), cameras=tuple(told.get("cameras") or ())) if known else cls()


def decide(state: State, current: str, report: Report) -> tuple[Step, State]:
    """Say what is to be done now, and what is to be remembered when it is done."""
    if state.tried is not None:
        if state.looks == 0:
            return "switch", replace(state, looks=1)
        is_well = report.is_well and report.version == state.tried == current
        if is_well and set(state.cameras) <= set(report.cameras):
            return "keep", state.settled
        if state.looks < LOOKS:
            return "wait", replace(state, looks=state.looks + 1)
        why = f"{state.tried} was not well, {state.former} runs again"
        return "back", replace(state.settled, failed=state.tried, rest=REST, trouble=why)
    wanted = report.wanted
    if wanted is None or wanted == current:
        return "wait", state.settled
    is_let_back = wanted == state.former and number(wanted) >= number(state.least or wanted)
    if number(wanted) < number(current) and not is_let_back:
        least = f", from {state.least} on" if state.least else ""
        why = f"{wanted} is older than {current}, and only the version before may come back{least}"
        return "wait", replace(state, trouble=why)
    if wanted == state.failed and state.rest > 0:
        return "wait", replace(state, rest=state.rest - 1)
    return "try", State(former=current, least=state.least, tried=wanted, cameras=report.cameras)


def update(config: Config, file: Path, folder: Path | None = None) -> int:
    """Do the next step, and print it; `file`: edge.toml, `folder`: that of the versions. Raises EdgeError."""
    if config.update_url is None or config.signers is None:
        raise Misconfigured(f"{file}: [update] needs url and signers")
    if shows_the_key(config.update_url):
        raise Misconfigured(f"{file} [update] url: should be https")
    folder = folder or Path(sys.prefix).absolute().parent
    link = folder / LINK
    current = str(link.readlink()) if link.is_symlink() else ""
    if not VERSION.fullmatch(current):
        raise Misconfigured(f"{link} should link to a version's folder beside it, such as {__version__}")
    with (folder / LOCK).open("w") as lock:  # a person may call it while the timer does
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _step(folder, current, config, file)


def _step(folder: Path, current: str, config: Config, file: Path) -> int:
    state = State.read(folder)
    step, then = decide(state, current, Report.read(config.spool))
    if step == "try":
        try:
            if then.tried != state.former:  # which is there, and was well
                least = prepare(str(then.tried), folder, config, file)
                then = replace(then, least=newest((state.least, least)))
        except EdgeError as error:
            why = f"{then.tried}: {error}"
            _keep(folder, replace(state.settled, failed=then.tried, rest=REST_PREPARING, trouble=why[:LONGEST]))
            raise
        _keep(folder, then)
        step, then = decide(then, current, Report(current))
    if step in ("switch", "back"):
        _point(folder / LINK, str(then.tried or then.former))
        _run(shlex.split(config.restart))
    if then != state:
        _keep(folder, then)
    if step == "keep":
        for old in folder.iterdir():
            if VERSION.fullmatch(old.name) and old.name not in (current, then.former):
                shutil.rmtree(old)
    print(then.trouble or (f"{then.tried} is tried in place of {then.former}" if then.tried else f"{current} stays"))
    return exits.OK


def prepare(version: str, folder: Path, config: Config, file: Path) -> str | None:
    """Make the version's environment, of what its signed sums name and of this one's libraries.

    Return the oldest version that it lets come back, if it names one. Raises NotUpdated.
    """
    made = folder / version
    with tempfile.TemporaryDirectory() as scratch:
        links, least = _links(version, config, Path(scratch))
        shutil.rmtree(made, ignore_errors=True)
        _run([sys.executable, "-I", "-m", "venv", made])
        python = made / "bin" / "python"
        ours = Path(sysconfig.get_path("purelib"))
        site = Path(_run([python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
        for library in ours.iterdir():
            if not library.name.lower().startswith(_OURS) and not (site / library.name).exists():
                _copy(library, site / library.name)
        extras = ",".join(name for name, module in EXTRAS.items() if find_spec(module))
        install = [python, "-I", "-m", "pip", "install", "--quiet", "--no-index", "--find-links", links]
        install += ["--cert", config.ca_file] if config.ca_file else []
        _run([*install, "--upgrade", "--upgrade-strategy", "eager", f"regulars-edge[{extras}]=={version}"])
    said = _run([python, "-I", "-m", "regulars_edge", "--version"]).split()[-1]
    if said != version:
        raise NotUpdated(f"it says that it is {said}")
    if (layout := _run([python, "-I", "-c", _FITS, file]).strip()) != str(schema.VERSION):
        raise NotUpdated(f"it keeps pictures in layout {layout} of the spool, and the way back needs {schema.VERSION}")
    os.sync()
    return least


def _links(version: str, config: Config, scratch: Path) -> tuple[Path, str | None]:
    """Write a page of links to the release's wheels, each with its signed sum, which pip verifies.

    Return its path, and the least version that the signed file names.
    """
    http = Http(SystemClock(), ca_file=config.ca_file, proxies=proxies_of_environment())
    at = f"{config.update_url}/{version}"
    for name in (SUMS, f"{SUMS}.sig"):
        answer = http.exchange("GET", f"{at}/{name}", {}, None)
        if answer.status != 200:
            raise NotUpdated(f"{at}/{name} answered {answer.status}")
        (scratch / name).write_bytes(answer.body)
    verify = ["ssh-keygen", "-Y", "verify", "-f", config.signers, "-I", SIGNER, "-n", "file"]
    sums = (scratch / SUMS).read_bytes()
    _run([*verify, "-s", scratch / f"{SUMS}.sig"], sums)
    lines = sums.decode("ascii", "replace").splitlines()
    found = [match.groups() for match in map(_LINE.fullmatch, lines) if match]
    least = newest(match[1] for match in map(_LEAST.fullmatch, lines) if match)
    if not any(name.startswith(f"regulars_edge-{version}-") for _, name in found):
        raise NotUpdated(f"{at}/{SUMS} names no regulars_edge-{version}")
    rows = [f'<a href="{html.escape(f"{at}/{quote(name)}")}#sha256={sha}">{name}</a>' for sha, name in found]
    page = scratch / "links.html"
    page.write_text("\n".join(["<!DOCTYPE html>", *rows]), encoding="ascii")
    return page, least


def _copy(library: Path, to: Path) -> None:
    """Copy a library by hard links: neither pip nor Python writes into a file that is there."""
    if library.is_dir():
        shutil.copytree(library, to, symlinks=True, copy_function=os.link)
    else:
        os.link(library, to)


def _point(link: Path, version: str) -> None:
    beside = link.with_name(f"{LINK}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(version)
    beside.replace(link)
    os.sync()


def _keep(folder: Path, state: State) -> None:
    write_object(folder / TOLD_BY_UPDATE, asdict(state))


def _run(command: Sequence[object], given: bytes = b"") -> str:
    """Run a command and return what it printed. Raises NotUpdated with its last line."""
    words = [str(word) for word in command]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    clean["PIP_CONFIG_FILE"] = os.devnull  # which also leaves out the machine's own
    try:
        done = subprocess.run(  # noqa: S603 -- words of ours, and of edge.toml
            words, input=given, capture_output=True, env=clean, timeout=1800, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotUpdated(f"{words[0]}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        raise NotUpdated(f"{Path(words[0]).name} failed: {said[-1] if said else done.returncode}")
    return done.stdout.decode("utf-8", "replace")
