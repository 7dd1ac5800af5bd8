"""The command line of `regulars drill`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import asdict

from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.storage.box.durable import write_new
from chalicelib.storage.values import format_count, time_text
from regulars.errors import OperatorError
from regulars.options import PATH, of_tenant
from regulars.privacy import DRILL

if TYPE_CHECKING:
    from regulars.drill.drill import Line

_COLOURS: Mapping[str, str] = {"red": "red", "as promised": "green"}


@click.command(short_help="Try all promises to people on a copy; print what was left where.")
@click.option(
    "--out",
    type=PATH,
    metavar="FILE",
    help="Where the page is written as JSON, signed; a new file.",
)
@of_tenant
def drill(services: Services, tenant: Tenant, *, out: Path | None) -> int:
    """Try on drawn people, in a folder of its own, what the tenant promises to people.

    By every way in somebody comes, withdraws, is sent again with the old record and is seen again.
    Days pass, a backup is restored, one is erased and asks for the archive. After each step the old
    records are sent again, and all that is stored is looked through. The page begins with what was
    tried, with which settings, and what was not. Of the tenant only the settings are read; its book
    stays as it is.

    The exit code is 1 if a line is not as promised: it is red. A page is checked by `regulars
    receipt verify`.

    \b
    Examples:
      regulars drill --tenant shop-12
      regulars drill --tenant shop-12 --out drill.json
      regulars drill --tenant shop-12 --stage prod
    """
    if out is not None and out.exists():
        raise OperatorError(f"{out} is there already, and nothing is written over it")
    from regulars.demo.run import open_scratch_folder
    from regulars.drill.box import copy_settings, hush_log, play
    from regulars.drill.drill import State

    begun_at = services.clock.now()
    with open_scratch_folder() as scratch, hush_log():
        lines = play(copy_settings(tenant), tenant.profile, services.settings, scratch)
    for line in lines:
        click.secho(write_line(line), fg=_COLOURS.get(line.state))
    counts = Counter(line.state for line in lines)
    red_lines = format_count(counts[State.RED], "red line", "red lines")
    print(f"{counts[State.PROMISED]} as promised, {red_lines}")
    if out is not None:
        statement = make_statement(tenant, lines, begun_at)
        signed = services.audit.signing.sign_statement(tenant.name, statement)
        with write_new(out) as file:
            file.write(json.dumps(signed, indent=2, ensure_ascii=False).encode() + b"\n")
        print(f"{out}  signed: `regulars receipt verify {out} --key KEY` checks it")
    return 1 if counts[State.RED] else 0


def make_statement(tenant: Tenant, lines: Sequence[Line], begun_at: datetime) -> dict[str, Any]:
    """Make the page as it is signed."""
    rows = [asdict(line) for line in lines]
    return {
        "kind": DRILL,
        "tenant": tenant.name,
        "app_id": tenant.app_id,
        "done_at": time_text(begun_at),
        "red": sum(line.state == "red" for line in lines),
        "lines": rows,
    }


def write_line(line: Line) -> str:
    return f"{line.step:<24} {line.subject:<14} {line.state:<12} {line.says}"
