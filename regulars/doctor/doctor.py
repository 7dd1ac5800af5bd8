"""`regulars doctor`: all checks, a line each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from chalicelib.settings import SettingError
from chalicelib.storage import DATABASE
from regulars import folder
from regulars.configuration import FILE, Configuration, of_lines
from regulars.doctor.book import check_book, check_models
from regulars.doctor.machine import (
    Finding,
    Level,
    check_certificate,
    check_clock,
    check_disk,
    check_folder,
    check_keyless,
    check_ports,
    check_python,
    check_service,
    failed,
    warning,
    well,
)


def run(read: Callable[[], Configuration]) -> int:
    """Print what is found; return the exit code. `read`: reads the settings."""
    return told(check(read))


def told(found: Iterable[Finding]) -> int:
    """Print findings; return the exit code."""
    worst = 0
    for level, subject, says in found:
        print(f"{level:<8} {subject:<8} {says}", flush=True)
        worst |= level is Level.FAILED
    return worst


def check(read: Callable[[], Configuration]) -> Iterator[Finding]:
    """Check everything, the settings first; without them, nothing else can be."""
    now = datetime.now(UTC)
    try:
        its = found = read()
        data = found.settings.storage
        assert isinstance(data, Path)  # noqa: S101 -- the configuration is of one box
        running = folder.served(data)
        if running and running.settings:
            its = of_lines(running.settings, data / folder.LOCK)
        settings, serving = replace(its.settings, storage=data), its.serving
    except SettingError as error:
        yield failed("settings", f"{error}; nothing else was checked")
        return
    if its is found or not running:
        of = found.file or f"environment and options: there is no {FILE} here"
        yield well("settings", f"of {of}; `regulars config` prints them")
    else:
        yield well("settings", f"of process {running.process}, which serves the folder")
    for one in found.other_than(its):
        yield warning("settings", f"{one} is set here, and the service runs by another: a restart takes it")
    yield check_python()
    in_folder = list(check_folder(data))
    yield from in_folder
    yield check_disk(data)
    yield check_clock(data, now)
    yield check_service(running)
    yield from check_ports(serving, running)
    yield from check_certificate(serving, settings.public_url, now)
    yield from check_keyless(settings, serving)
    if (data / DATABASE).is_file() and all(one.level is not Level.FAILED for one in in_folder):
        yield from check_book(settings)
    else:
        yield from check_models(settings, [])
