"""The command line of `regulars serve`."""

from __future__ import annotations

from pathlib import Path

import click

from regulars.options import PATH, data_option, host_option, models_option, port_option, settings_of


@click.command(short_help="Serve a data folder over HTTP.")
@host_option
@port_option
@data_option
@models_option
@click.option("--certificate", type=PATH, help="Certificate chain (PEM): speaks TLS only. Needs --key.")
@click.option("--key", type=PATH, help="The certificate's private key (PEM).")
def serve(
    host: str, port: int, data: Path | None, models: Path | None, certificate: Path | None, key: Path | None
) -> None:
    """Serve a data folder over HTTP, until Ctrl-C.

    \b
    Examples:
      regulars serve
      regulars serve --host 0.0.0.0 --port 80 --data /srv/regulars
      regulars serve --host 0.0.0.0 --port 443 --certificate chain.pem --key key.pem
    """
    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key are given together")
    from chalicelib.vision.packs import packs
    from regulars.serve import folder, server

    settings = settings_of(data=data, models=models, here=True)
    packs.require_folder(settings.models)
    assert isinstance(settings.storage, Path)  # noqa: S101 -- `here` says so
    tls = server.tls_of(certificate, key) if certificate and key else None
    server.serve(settings, folder.prepare(settings.storage), host, port, tls)
