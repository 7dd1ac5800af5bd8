"""The command line of `regulars serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from regulars.options import configured, data_option, models_option, serve_options


@click.command(short_help="Serve a data folder over HTTP.")
@data_option
@models_option
@serve_options
def serve(**options: Any) -> None:
    """Serve a data folder over HTTP or https, until Ctrl-C. The log, a line for each request, goes to stderr.

    \b
    Examples:
      regulars serve
      regulars serve --host 0.0.0.0 --port 80 --data /srv/regulars
      regulars serve --host 0.0.0.0 --port 443 --tls-cert chain.pem --tls-key key.pem
      regulars serve --config /etc/regulars/regulars.toml
    """
    configuration = configured(**options)
    settings, serving = configuration.settings, configuration.serving
    from chalicelib.vision.packs import packs
    from regulars.serve import folder, server
    from regulars.serve.tls import Certificate

    tls = Certificate(serving.tls_cert, serving.tls_key) if serving.tls_cert and serving.tls_key else None
    packs.find(settings.models, settings.pack)  # before a new folder's tenants get the model of a pack that is not here
    assert isinstance(settings.storage, Path)  # noqa: S101 -- it is of one box
    server.serve(settings, serving, folder.prepare(settings.storage), tls=tls, config=configuration.file)
