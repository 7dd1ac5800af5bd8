"""The command line of `regulars cost`."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "The monthly bill on AWS, by service, from measured use and dated list prices (docs/cost.md)."
    cost = commands.add_parser("cost", help="what the service costs on AWS", description=about)
    cost.add_argument("--faces", type=_amount, default=1_000, help="faces enrolled (default: %(default)s)")
    cost.add_argument("--captures-per-day", type=_amount, default=1_000, help="one face each (default: %(default)s)")
    cost.add_argument("--searches-per-day", type=_amount, default=1_000, help="over the API (default: %(default)s)")
    cost.add_argument("--tenants", type=_amount, default=1, help="customers of the stack (default: %(default)s)")
    cost.add_argument(
        "--slowdown",
        type=float,
        default=2.0,
        help="Lambda's processor time over that of the machine that measured (default: %(default)s, assumed)",
    )
    cost.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from regulars.cost import report
    from regulars.cost.usage import Load

    load = Load(arguments.faces, arguments.captures_per_day, arguments.searches_per_day, arguments.tenants)
    report.show(load, arguments.slowdown)


def _amount(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 10**12):
        raise argparse.ArgumentTypeError(f"an amount is a whole number from 0, not {text[:40]!r}")
    return int(text)
