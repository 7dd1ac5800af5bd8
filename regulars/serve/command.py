"""The command line of `regulars serve`."""

from __future__ import annotations

from pathlib import Path

import click

from regulars.options import data_option, host_option, models_option, port_option, settings_of


@click.command(short_help="Serve a data folder over HTTP.")
@host_option
@port_option
@data_option
@models_option
def serve(host: str, port: int, data: Path | None, models: Path | None) -> None:
    """Serve a data folder over HTTP, until Ctrl-C.

    \b
    Examples:
      regulars serve
      regulars serve --host 0.0.0.0 --port 80 --data /srv/regulars
    """
    from regulars.serve import folder, server

    settings = settings_of(data=data, models=models, here=True)
    assert isinstance(settings.storage, Path)  # noqa: S101 -- `here` says so
    server.serve(settings, folder.prepare(settings.storage), host, port)
