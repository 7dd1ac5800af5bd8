"""The command line of `regulars demo`."""

from __future__ import annotations

from pathlib import Path

import click

from regulars.options import host_option, models_option, photos_option, port_option


@click.command(short_help="Try it on sample pictures.")
@photos_option
@host_option
@port_option
@click.option("--once", is_flag=True, help="Exit at the end instead of waiting for Ctrl-C.")
@models_option
def demo(photos: Path | None, host: str, port: int, once: bool, models: Path | None) -> int:
    """Start the service, enrol people, search for them and for strangers, and show the answers in a
    table.

    Then the people come before a camera, and a link opens the console on them.

    \b
    Examples:
      regulars demo
      regulars demo --photos holidays/ --port 0 --once
    """
    from regulars.demo import run

    return run.demo(photos, host, port, once=once, models=models)
