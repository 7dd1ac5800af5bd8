"""The command line of `regulars serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from regulars.options import PATH, data_option, host_option, models_option, port, port_option, settings_of

FORMS, LEVELS = ("text", "json"), ("debug", "info", "warning", "error")


@click.command(short_help="Serve a data folder over HTTP.")
@host_option
@port_option
@data_option
@models_option
@click.option("--tls-cert", type=PATH, help="Certificate chain (PEM): speaks https only. Needs --tls-key.")
@click.option("--tls-key", type=PATH, help="The certificate's private key (PEM).")
@click.option(
    "--log-format", type=click.Choice(FORMS), help="Form of the log.  [default: text on a terminal, else json]"
)
@click.option("--log-level", type=click.Choice(LEVELS), default="info", help="warning: refusals and failures only.")
@click.option("--metrics-port", type=port, metavar="PORT", help="Port of /metrics for Prometheus.  [default: none]")
@click.option("--metrics-host", default="127.0.0.1", help="Address of /metrics. Everybody who reaches it may read it.")
def serve(data: Path | None, models: Path | None, tls_cert: Path | None, tls_key: Path | None, **how: Any) -> None:
    """Serve a data folder over HTTP or https, until Ctrl-C. The log, a line for each request, goes to stderr.

    \b
    Examples:
      regulars serve
      regulars serve --host 0.0.0.0 --port 80 --data /srv/regulars
      regulars serve --host 0.0.0.0 --port 443 --tls-cert chain.pem --tls-key key.pem
    """
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key are given together")
    from chalicelib.vision.packs import packs
    from regulars.serve import folder, server
    from regulars.serve.tls import Certificate

    settings = settings_of(data=data, models=models, here=True)
    tls = Certificate(tls_cert, tls_key) if tls_cert and tls_key else None
    packs.find(settings.models, settings.pack)  # before a new folder's tenants get the model of a pack that is not here
    assert isinstance(settings.storage, Path)  # noqa: S101 -- `here` says so
    server.serve(settings, folder.prepare(settings.storage), tls=tls, **how)
