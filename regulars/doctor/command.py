"""The command line of `regulars doctor`."""

from __future__ import annotations

from typing import Any

import click

from regulars.options import configured, data_option, models_option, serve_options


@click.command(short_help="Say what stops this box, or will, and what mends it.")
@data_option
@models_option
@serve_options
def doctor(**options: Any) -> int:
    """Check settings, folder, disk, clock, ports, TLS, models, cameras and hooks: a line each, with what mends it.

    Give it the options that `serve` gets. The service may run or not; nothing is changed. The exit code is 1 if a line
    says `failed`, and 0 if all is `ok` or there are warnings only.

    \b
    Examples:
      regulars doctor
      regulars doctor --config /etc/regulars/regulars.toml
    """
    from regulars.doctor import doctor

    return doctor.run(lambda: configured(**options))
