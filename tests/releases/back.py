"""`python -m tests.releases.back COMMIT…`: upgrade a box from each commit, go back, and upgrade
again.

Each version is installed in a checkout of its own and does all by its command line and HTTP, as at
its users. Each step sets the clock ahead, since a format is raised a day after the first sweep.

It exits with 1 unless each step says what `expected_outcomes` has for it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
from msgspec import Struct

from chalicelib.open_storage import open_storage
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.formats import FORMAT
from tests.support.fakes import FakeClock
from tests.support.pictures import photos
from tests.support.waiting import until

HERE = Path(__file__).resolve().parents[2]

TENANT = "shop"

VISITS = 5
"""Visits in each step, an hour apart, so that none goes on with the one before."""

HOURS_BETWEEN = 13
"""Hours between two steps. If the last sweep was a day ago or more, the next one doubts the
clock."""

STEPS = ("older", "newer", "older", "newer", "newer", "newer", "older", "newer")
"""Which version runs, step by step, as a deployment that goes wrong and is repeated.

The newer one notes at its first sweep that it will raise the format a day later. An older one's
sweep forgets the note, so the sixth step raises the format. Then the older version refuses the
data.
"""

RAISED_IN = 5
"""The step, from 0, that raises the format."""


class Version(Struct, frozen=True):
    """A version in a checkout. `format`: the format to which it raises a tenant's data."""

    root: Path
    format: int

    def start(self, *words: str | Path, **variables: str) -> subprocess.Popen[str]:
        """Start its command line: of the environment in its checkout, if there is one, else of this
        one."""
        own = self.root / ".venv" / "bin" / "python"
        return subprocess.Popen(
            [own if own.exists() else sys.executable, "-m", "regulars", *words],
            env={**os.environ, "PYTHONPATH": str(self.root), **variables},
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )


class Outcome(Struct, frozen=True):
    """What a step left: the format of the tenant's data, all visits so far, and whether the version
    took the data."""

    format: int
    visits: int
    is_refused: bool = False


def expected_outcomes(
    older: Version, newer: Version, steps: Sequence[str] = STEPS
) -> list[Outcome]:
    """Return what each step must leave: no visit is lost, and none is counted twice."""
    outcomes, visits = [], 0
    for number, name in enumerate(steps):
        is_raised = newer.format > older.format and number >= RAISED_IN
        is_refused = is_raised and name == "older"
        visits += 0 if is_refused else VISITS
        outcomes.append(Outcome(newer.format if is_raised else older.format, visits, is_refused))
    return outcomes


def go_back_and_forth(
    older: Version, newer: Version, data: Path, steps: Sequence[str] = STEPS
) -> Iterator[Outcome]:
    """Do the steps on the folder `data`, and yield what each of them left."""
    clock, versions = build_clock(data.parent), {"older": older, "newer": newer}
    key, visits = add_tenant(older, data), 0
    for number, name in enumerate(steps):
        ahead = timedelta(hours=HOURS_BETWEEN * number)
        with serve(versions[name], data, clock, ahead) as url:
            is_refused = url is None or takes_no_calls(url, key)
            if url is not None and not is_refused:
                visits = send_visits(url, key, datetime.now(UTC) + ahead, is_first=number == 0)
        yield Outcome(read_format(data), visits, is_refused)


def build_clock(folder: Path) -> Path:
    """Compile what sets a program's clock ahead, and return the library's path."""
    library = folder / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


@contextmanager
def serve(version: Version, data: Path, clock: Path, ahead: timedelta) -> Iterator[str | None]:
    """Run a version's server with its clock ahead, and yield its URL; None if it does not start."""
    seconds = str(int(ahead.total_seconds()))
    with version.start(
        "serve", "--port", "0", "--data", data, LD_PRELOAD=str(clock), CLOCK_AHEAD_S=seconds
    ) as process:
        assert process.stdout
        try:
            ready = process.stdout.readline()
            yield ready.removeprefix("ready ").strip() if ready.startswith("ready ") else None
        finally:
            process.terminate()


def add_tenant(version: Version, data: Path) -> str:
    """Add TENANT, which remembers strangers, and return its key."""
    said = ("--set", "basis=consent", "--set", "strangers_decided_by=Eva Lee")
    choice = ("--strangers", "keep", *said)
    words = ("tenants", "add", TENANT, *choice, "--data", data)
    answer, _ = version.start(*words).communicate()
    return str(json.loads(answer)["api_key"])


def takes_no_calls(url: str, key: str) -> bool:
    """Tell whether the server refuses the tenant's data because of their format."""
    answer = httpx.get(f"{url}/v1/cameras", headers={"Authorization": f"Bearer {key}"}, timeout=60)
    return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE


def send_visits(url: str, key: str, now: datetime, *, is_first: bool) -> int:
    """Send VISITS captures of two people in turn, and return all visits that the tenant then
    has."""
    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60
    ) as client:
        if is_first:
            client.post("/v1/cameras", json={"name": "door"}).raise_for_status()
        for number in range(VISITS):
            picture = (photos.FOLDER / (photos.PORTRAIT, photos.OTHER)[number % 2]).read_bytes()
            until(partial(takes_capture, client, picture, now - timedelta(hours=VISITS - number)))
        until(lambda: are_all_resolved(client))
        faces = client.get("/v1/faces").raise_for_status().json()["faces"]
        return sum(face["arrive_count"] for face in faces)


def takes_capture(client: httpx.Client, picture: bytes, moment: datetime) -> bool:
    """Send a capture, and tell whether it was taken; False if it is to be sent again, as every
    client does.

    The first sweep deletes files of uploads that were given up a day ago, and files have the time
    of the machine.
    """
    parameters = {"camera": "door", "captured_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}
    headers = {"Content-Type": "image/jpeg"}
    answer = client.post("/v1/captures", params=parameters, headers=headers, content=picture)
    return answer.status_code != httpx.codes.SERVICE_UNAVAILABLE and bool(answer.raise_for_status())


def are_all_resolved(client: httpx.Client) -> bool:
    """Tell whether all captures of the tenant are resolved.

    Raises ValueError if one has failed for good.
    """
    states = {
        one["state"]
        for one in client.get("/v1/captures", params={"camera": "door"}).json()["captures"]
    }
    if others := states - {"stored", "resolved"}:
        raise ValueError(f"captures are {', '.join(sorted(others))}")
    return states == {"resolved"}


def read_format(data: Path) -> int:
    """Return the number of the format in the tenant's record."""
    tenant = open_storage(Settings(storage=data), FakeClock()).items.get(
        keys.TENANTS, keys.tenant_item(TENANT)
    )
    assert tenant
    return int(tenant["format"])


def check_out(commit: str, root: Path) -> Version:
    """Put a commit of this repository into the folder `root`, install it there, and return the
    version."""
    root.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=HERE, capture_output=True, check=True)
    subprocess.run(["tar", "-x"], cwd=root, input=archive.stdout, check=True)
    subprocess.run(["make", "setup"], cwd=root, capture_output=True, check=True)
    formats = (root / "chalicelib" / "storage" / "formats.py").read_text()
    (number,) = re.findall(r"^FORMAT = (\d+)$", formats, re.MULTILINE)
    return Version(root, int(number))


def main(commits: Sequence[str]) -> int:
    """Go back to each commit, print what each step left beside what it must leave, and return how
    many were wrong."""
    wrong, newer = 0, Version(HERE, FORMAT)
    for commit in commits:
        with tempfile.TemporaryDirectory() as scratch:
            older = check_out(commit, Path(scratch) / "older")
            expected = expected_outcomes(older, newer)
            outcomes = go_back_and_forth(older, newer, Path(scratch) / "data")
            for name, outcome, needed in zip(STEPS, outcomes, expected, strict=True):
                wrong += outcome != needed
                print(
                    commit,
                    name,
                    outcome,
                    "right" if outcome == needed else f"WRONG: {needed} is right",
                    flush=True,
                )
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
