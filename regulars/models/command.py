"""The command lines of `regulars models` and `regulars reembed`."""

from __future__ import annotations

from pathlib import Path

import click

from regulars.options import PATH, data_option, models_option, settings_of

_pack_option = click.option("--pack", metavar="NAME", help="Only this pack.")
_pack_to_make_option = click.option("--pack", metavar="NAME", help="This pack.  [default: face-pack-1]")


@click.group(no_args_is_help=False, short_help="List, verify, pull and build the face models.")
def models() -> None:
    """The packs of face models: their files, whether they are whole, and how to get them (docs/models.md).

    \b
    Examples:
      regulars models pull --any
      regulars models verify
    """


@models.command("list")
@_pack_option
@models_option
def list_all(pack: str | None, models: Path | None) -> int:
    """List the packs' files and where they were found."""
    from regulars.models import models as packs

    return packs.show(_folder(models), pack)


@models.command()
@_pack_option
@models_option
def verify(pack: str | None, models: Path | None) -> int:
    """Check every file against its digest."""
    from chalicelib.vision.packs.packs import default_places
    from regulars.models import models as packs

    return packs.check(default_places(_folder(models)), pack)


@models.command()
@_pack_to_make_option
@click.option("--any", "any_pack", is_flag=True, help="No pack in particular: the best that can be had.")
@models_option
def pull(pack: str | None, any_pack: bool, models: Path | None) -> int:
    """Get the files that are not here: download them, or convert what is downloaded.

    \b
    Examples:
      regulars models pull
      regulars models pull --pack registry --models /srv/models
    """
    from regulars.models import models as packs

    return packs.fetch(_folder(models), pack, any_pack=any_pack)


@models.command()
@_pack_to_make_option
@click.option("--out", type=PATH, default=Path("built-models"), help="Folder to write them to.")
@models_option
def build(pack: str | None, out: Path, models: Path | None) -> int:
    """Convert a pack's files anew from their upstream's, and compare."""
    from regulars.models import models as packs

    return packs.build(_folder(models), pack, out)


@click.command(short_help="Change tenants to another model.")
@click.option("--pack", required=True, metavar="NAME", help="The pack to change to, such as face-pack-1.")
@click.option("--tenant", "tenants", multiple=True, metavar="NAME", help="Only this one; may be given several times.")
@click.option("--estimate", is_flag=True, help="Only say how long it takes and what it costs.")
@data_option
@models_option
def reembed(pack: str, tenants: tuple[str, ...], estimate: bool, data: Path | None, models: Path | None) -> int:
    """Embed the stored pictures with another pack's model, and let searches go by it from then on.

    The service may run meanwhile. Begun again after a kill, it goes on where it was (docs/models.md).

    \b
    Examples:
      regulars reembed --pack face-pack-1 --estimate
      regulars reembed --pack face-pack-1 --tenant shop-12
    """
    from regulars.models import reembed

    return reembed.run(settings_of(data=data, models=models), pack, list(tenants) or None, estimate_only=estimate)


def _folder(models: Path | None) -> Path | None:
    return settings_of(models=models, here=True).models
