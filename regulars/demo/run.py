"""`regulars demo`, from finding pictures to Ctrl-C."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console

from regulars.clients.client import Connection, Icredit, Sunmi
from regulars.clients.v1 import V1
from regulars.demo import album, registry_photos, show
from regulars.demo.album import Album, Plan
from regulars.demo.console import TENANT, fill, invitation
from regulars.demo.story import Step, Story, steps_of
from regulars.errors import OperatorError, PortTaken
from regulars.serve import service
from regulars.serve.server import listening
from regulars.serve.service import Service
from regulars.tenants import credentials

PICTURES_BESIDE = Path("shared", "data", "faces")
"""Place of the pictures, in the folder that holds the checkout."""


def demo(photos: Path | None, host: str, port: int, *, once: bool, models: Path | None) -> int:
    """Play the story. Without `once`, keep serving until Ctrl-C, with the console open on the story's people.

    Return the exit code: 1 if an answer about labelled pictures was wrong.
    """
    console = Console()
    shown = find_pictures(photos)
    plan = album.plan(shown)
    console.print(f"pictures: {shown.about}", soft_wrap=True)
    _require_port(host, port)
    with ended_by_signals(), scratch_folder() as data:
        console.print("starting the service ...")
        with service.running(data, host, port, models, log_level="error") as running:
            console.print(f"the service is at {running.url}", soft_wrap=True)
            steps = _played(running, plan, console)
            console.print(show.table(steps, labelled=shown.labelled))
            console.print(f"\n{show.summary(steps, labelled=shown.labelled)}", style="bold")
            if not once:
                _fill(running, plan, console)
                stay(running, console)
    return 1 if shown.labelled and not all(step.right for step in steps) else 0


def find_pictures(photos: Path | None) -> Album:
    """Read the folder `photos`, or if it is None `labelled_folder`. Raises NoPictures."""
    return album.read(photos or labelled_folder())


def labelled_folder() -> Path:
    """Return the labelled folder beside the checkout, else the one made from packages. Raises NoPictures."""
    beside = Path(__file__).resolve().parents[3] / PICTURES_BESIDE
    return beside if beside.is_dir() else registry_photos.folder()


def _played(running: Service, plan: Plan, console: Console) -> list[Step]:
    known = credentials.read(running.data)
    steps: list[Step] = []
    with Connection(running.url) as connection, show.progress(console, steps_of(plan)) as advance:

        def tell(step: Step) -> None:
            steps.append(step)
            advance(step)

        camera, cloud = known["camera"], known["cloud"]
        Story(Sunmi(connection, camera), Icredit(connection, camera), Icredit(connection, cloud), tell).play(plan)
    return steps


def _fill(running: Service, plan: Plan, console: Console) -> None:
    console.print("people come before a camera ...")
    with Connection(running.url) as connection:
        fill(V1(connection, credentials.read(running.data)[TENANT].api_key), plan, datetime.now(UTC))


def stay(running: Service, console: Console) -> None:
    """Print a link to the console, and wait for Ctrl-C. Raises OperatorError if the service ends by itself."""
    console.print(invitation(running), soft_wrap=True, highlight=False)
    console.print(f"credentials to try it yourself: {running.data / credentials.FILE}", soft_wrap=True)
    console.print(f"the service stays at {running.url} until Ctrl-C", soft_wrap=True)
    with suppress(KeyboardInterrupt):
        code = running.process.wait()
        raise OperatorError(f"the service ended by itself, with exit code {code}")


def _require_port(host: str, port: int) -> None:
    try:
        listening(host, port).close()
    except PortTaken as error:
        hint = "make demo PORT=8001, or regulars demo --port 8001 (0 picks a free one)"
        raise PortTaken(f"{host}:{port} is taken: {hint}") from error


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make an empty data folder for one run, and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="regulars-demo-", ignore_cleanup_errors=True) as data:
        yield Path(data)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, so that a `kill` or a closed terminal cleans up as Ctrl-C does."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
