"""`regulars demo`, from finding pictures to Ctrl-C: the story in a terminal, then the console on
its people."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from threading import Event, Thread
from types import FrameType

from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.bootstrap import build
from chalicelib.domain.api_keys import FIRST
from chalicelib.domain.model import Profile
from chalicelib.domain.tenant_settings import DRAWN, TenantSettings
from chalicelib.settings import Settings
from regulars import configuration, folder
from regulars.clients import V1, Connection
from regulars.demo import album, registry_photos
from regulars.demo.album import Album, Plan, Probe
from regulars.demo.drawn_vision import DrawnVision
from regulars.demo.shop import fill_shop, let_visitors_come
from regulars.demo.story import IDENTIFY, Part, Step, Story, count_steps
from regulars.errors import OperatorError
from regulars.options import open_services
from regulars.serve import service
from regulars.serve.service import Service
from regulars.tenants import credentials
from regulars.tenants.command import make_link


def demo(photos: Path | None, host: str, port: int, *, once: bool, models: Path | None) -> int:
    """Play the story.

    Without `once`, keep serving until Ctrl-C, with the console open on the story's people.

    Return the exit code: 1 if an answer about labelled pictures was wrong.
    """
    console = Console()
    pictures = find_pictures(photos)
    plan = album.plan_story(pictures)
    console.print(f"pictures: {pictures.about}", soft_wrap=True)
    with end_by_signals(), open_scratch_folder() as data:
        console.print("starting the service ...")
        with service.run_service(
            data, host, port, models, log_level="error", variables=NO_KEY
        ) as running:
            console.print(f"the service is at {running.url}", soft_wrap=True)
            with Connection(running.url) as connection:
                # The pictures that come along are of real people: the shop that one looks at has
                # drawn ones alone.
                v1 = V1(connection, _open_proof(data, TENANT if photos else PROOF))
                steps = [
                    *track(
                        Story(v1).play(plan),
                        "it is at work",
                        count_steps(plan),
                        console=console,
                        transient=True,
                    )
                ]
                console.print(make_table(steps, labelled=pictures.labelled))
                console.print(
                    "strangers are kept: the story is how one of them becomes a regular",
                    soft_wrap=True,
                )
                console.print(f"\nface models: {_find_pack(data, models).about}", soft_wrap=True)
                console.print(f"{summarize(steps, labelled=pictures.labelled)}", style="bold")
                if not once:
                    console.print("a shop opens, whose drawn people have come for five weeks ...")
                    now, pack = datetime.now(UTC), _find_pack(data, models)
                    fill_shop(data, TENANT, pack, now)
                    if photos is not None:
                        console.print("the people of the pictures come before a camera ...")
                        send_captures(v1, plan, now)
            if not once:
                with _letting_visitors_come(data, pack, now):
                    wait_for_end(running, console)
    return 1 if pictures.labelled and not all(step.right for step in steps) else 0


def _open_proof(data: Path, name: str) -> str:
    """Have the tenant in whose book the story is played keep strangers. Return its key."""
    with closing(open_services(Settings(storage=data))) as services:
        if name == PROOF:
            return services.tenants.add(PROOF, Profile.CAMERA, TenantSettings(**DRAWN)).api_key
        services.tenants.change_settings(name, DRAWN)
    return credentials.read_credentials(data)[name].api_key


@contextmanager
def _letting_visitors_come(data: Path, pack: Pack, since: datetime) -> Iterator[None]:
    """Let the drawn people go on coming meanwhile."""
    stop = Event()
    with closing(build(Settings(storage=data), vision=lambda: DrawnVision(pack))) as services:
        visitors = Thread(
            target=let_visitors_come, args=(services, TENANT, since, stop), daemon=True
        )
        visitors.start()
        try:
            yield
        finally:
            stop.set()
            visitors.join()


def _find_pack(data: Path, models: Path | None) -> Pack:
    """Return the pack that the service took, which reads no file of settings."""
    settings = configuration.read_settings(
        {"data": data, "models": models}, os.environ, Path(os.devnull)
    ).settings
    return packs.find(settings.models, settings.pack)


def find_pictures(photos: Path | None) -> Album:
    """Read the folder `photos`, or if it is None the one made from packages. Raises NoPictures."""
    return album.read_album(photos or registry_photos.provide_folder())


def wait_for_end(running: Service, console: Console) -> None:
    """Print a link to the console, and wait for Ctrl-C.

    Raises OperatorError if the service ends by itself.
    """
    console.print(invite(running), soft_wrap=True, highlight=False)
    console.print(
        f"credentials to try it yourself: {running.data / credentials.FILE}", soft_wrap=True
    )
    console.print(
        f"the service stays at {running.url} until Ctrl-C, which deletes this book", soft_wrap=True
    )
    with suppress(KeyboardInterrupt):
        code = running.process.wait()
        raise OperatorError(f"the service ended by itself, with exit code {code}")


@contextmanager
def open_scratch_folder() -> Iterator[Path]:
    """Make an empty data folder for one run, and remove it at the end.

    Remove those that killed runs left, too: what people wrote there was to go with the run. A mark
    beside the data tells them from folders of somebody's own that are called so.
    """
    with (
        tempfile.TemporaryDirectory(prefix=SCRATCH, ignore_cleanup_errors=True) as made,
        _lock_folder(Path(made)),
    ):
        data = Path(made) / DATA
        data.mkdir(mode=0o700)
        (Path(made) / MARK).touch()
        for left in Path(made).parent.glob(f"{SCRATCH}*"):
            _remove_if_left(left)
        yield data


@contextmanager
def _lock_folder(path: Path) -> Iterator[bool]:
    """Lock a folder until the block or this process ends, and give whether nobody else has it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield folder.try_lock(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_left(path: Path) -> None:
    """Remove a run's folder if it is this user's, and no run has it any more."""
    with suppress(OSError):  # gone meanwhile, or somebody else's
        found = path.lstat()
        is_new = time.time() - found.st_mtime < NEW_S
        is_scratch = {one.name for one in path.iterdir()} == {DATA, MARK}
        if not is_scratch or found.st_uid != os.getuid() or is_new:
            return
        if folder.find_server(path / DATA):
            return
        with _lock_folder(path) as is_left:
            if is_left:
                shutil.rmtree(path)


@contextmanager
def end_by_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, so that a `kill` or a closed terminal cleans up as
    Ctrl-C does."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    former_handlers = {
        number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in former_handlers.items():
            signal.signal(number, handler)


def make_table(steps: Sequence[Step], *, labelled: bool = True) -> Table:
    """Make a table of the steps by chapter: picture, answer, score against threshold, time.

    Only answers about `labelled` pictures are marked as right or wrong; names that are guessed
    judge nothing.
    """
    result = Table(box=None, pad_edge=False, header_style="bold")
    result.add_column("picture", width=30, overflow="ellipsis", no_wrap=True)
    result.add_column("answer", min_width=20)
    result.add_column("score", no_wrap=True)
    result.add_column("time", justify="right", no_wrap=True)
    chapter: Part | None = None
    for step in steps:
        if step.part is not chapter:
            chapter = step.part
            result.add_row(f"[bold cyan]{chapter}[/]", f"[dim]{step.api}[/]", "")
        result.add_row(*_format_cells(step, labelled=labelled))
    return result


def summarize(steps: Sequence[Step], *, labelled: bool = True) -> str:
    """Say in one line how many answers were right, and the median time of a search."""
    truth = "right" if labelled else "as the files' names say"
    right = sum(step.right for step in steps)
    searches = [step.elapsed_ms for step in steps if step.api == IDENTIFY]
    usual = f", a search took {median(searches):.0f} ms (median, over HTTP)" if searches else ""
    return f"{right} of {len(steps)} answers are {truth}{usual}"


def _format_cells(step: Step, *, labelled: bool) -> tuple[str, ...]:
    """Return a step's cells for the table: picture, answer with its mark, score, time."""
    colour, verdict = ("green", "✓ ") if step.right else ("red", "✗ wrong: ")
    if not labelled:
        colour, verdict = "default", ""
    score = ""
    if step.score is None and step.threshold is not None:
        score = f"below {step.threshold:.2f}"
    elif step.score is not None and step.threshold is not None:
        score = (
            f"{step.score:.2f} {'≥' if step.score >= step.threshold else '<'} {step.threshold:.2f}"
        )
    subject, answer = escape(f"  {step.subject}"), f"[{colour}]{verdict}{escape(step.answer)}[/]"
    return subject, answer, score, f"{step.elapsed_ms:.0f} ms"


TENANT, _ = credentials.FIRST_TENANT
NO_KEY = {"REGULARS_VAULT_KEY_FILE": ""}
"""Variable by which nothing of a demo is sealed: all of it goes at the end."""
PROOF = "proof"
"""Name of the tenant in whose book the story is played on the pictures that come along."""
ENTRANCE = "entrance"
"""Camera that the people of the pictures come before; the drawn people have others."""
SCRATCH = "regulars-demo-"
"""Beginning of the name of a run's folder."""
DATA, MARK = "data", "of-one-run-of-regulars"
"""The contents of a run's folder, and nothing else."""
NEW_S = 60.0
"""A folder that is newer may be one that a run has made and not locked yet."""
SETTLED_S = 300.0
"""How long the demo waits for its captures to be resolved, in s."""
_EVERY = timedelta(minutes=1)
"""Time between two captures of the demo."""
_BEFORE_STRANGERS = 3
"""Pictures of the known that are newer than those of strangers, so that one sees both without
scrolling."""
_BETWEEN, _MOST_BEFORE = timedelta(days=2), 3
"""Time between the visits of a person, and how many of them were before today: all of them are of
this week."""


def send_captures(v1: V1, plan: Plan, now: datetime) -> None:
    """Let the enrolled and the strangers come before a camera, on the pictures that are not
    enrolled."""
    v1.call("POST", "/v1/cameras", {"id": ENTRANCE, "name": "Entrance"})
    newest = [*plan.known[:_BEFORE_STRANGERS], *plan.strangers, *plan.known[_BEFORE_STRANGERS:]]
    captures = _make_captures(
        [probe for probe in newest if not plan.removed or probe.names != plan.removed.names], now
    )
    for taken_at, picture in captures:
        body = {
            "camera": ENTRANCE,
            "captured_at": taken_at.isoformat(),
            "picture": base64.b64encode(picture).decode(),
        }
        v1.call("POST", "/v1/captures", body)
    wait_until_resolved(v1, [ENTRANCE], len(captures))


def wait_until_resolved(v1: V1, cameras: Iterable[str], count: int) -> None:
    """Wait for the captures of these cameras.

    Raises OperatorError if one is parked, or they take too long.
    """
    deadline = time.monotonic() + SETTLED_S
    while time.monotonic() < deadline:
        pages = [v1.call("GET", f"/v1/captures?camera={camera}&limit=1000") for camera in cameras]
        captures = [capture for page in pages for capture in page["captures"]]
        if sum(capture["state"] == "resolved" for capture in captures) == count:
            return
        if parked := [capture for capture in captures if capture["state"] == "parked"]:
            raise OperatorError(f"{len(parked)} captures were parked: {parked[0]}")
        time.sleep(0.2)
    raise OperatorError(f"the captures were not resolved within {SETTLED_S:.0f} s")


def invite(running: Service) -> str:
    """Make a link that signs in, and say how to get another."""
    with closing(open_services(Settings(storage=running.data))) as services:
        link = make_link(services, services.tenants.get_by_name(TENANT), FIRST, running.url)
    another = f"{find_command()} console --tenant {TENANT} --data {running.data}"
    return (
        "see who came, in the console (the link signs in once, within ten minutes):\n  "
        f"{link}\nanother link: {another}"
    )


def find_command() -> str:
    """Return how to call this installation's `regulars` in a terminal: `.venv/bin/regulars` in a
    checkout."""
    installed = Path(sys.executable).with_name("regulars")
    if (program := shutil.which("regulars")) and Path(program).absolute() == installed:
        return "regulars"
    return str(
        installed.relative_to(Path.cwd()) if installed.is_relative_to(Path.cwd()) else installed
    )


def _make_captures(probes: Iterable[Probe], now: datetime) -> list[tuple[datetime, bytes]]:
    """Make captures, each a time and a JPEG.

    Each person's first one is of today, the others of the days before.
    """
    people: dict[frozenset[str], list[Probe]] = defaultdict(list)
    for probe in probes:
        people[probe.names].append(probe)
    return [
        (
            now - (person_number + 1) * _EVERY - earlier_visits * _BETWEEN,
            album.widen(probe.photo.read()),
        )
        for person_number, visits in enumerate(people.values())
        for earlier_visits, probe in enumerate(visits[: _MOST_BEFORE + 1])
    ]
