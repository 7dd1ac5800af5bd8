"""The command lines of `regulars models` and `regulars reembed`."""

from __future__ import annotations

from pathlib import Path

import click

from regulars.options import PATH, config_option, models_option, settings_of, storage_options, together

_place_options = together(models_option, config_option)
_pack_option = click.option("--pack", metavar="NAME", help="Only this pack.")
_pack_to_make_option = click.option("--pack", metavar="NAME", help="This pack.  [default: face-pack-1]")


@click.group(no_args_is_help=False, short_help="List, verify, pull and build the face models.")
def models() -> None:
    """List, check, download and build the packs of face models (docs/models.md).

    \b
    Examples:
      regulars models pull --any
      regulars models verify
    """


@models.command("list")
@_pack_option
@_place_options
def list_all(pack: str | None, models: Path | None) -> int:
    """List the packs' files and their places."""
    from regulars.models import models as packs

    return packs.show(_folder(models), pack)


@models.command()
@_pack_option
@_place_options
def verify(pack: str | None, models: Path | None) -> int:
    """Check every file against its digest."""
    from chalicelib.vision.packs.packs import default_places
    from regulars.models import models as packs

    return packs.check(default_places(_folder(models)), pack)


@models.command(short_help="Get missing and damaged files.")
@_pack_to_make_option
@click.option(
    "--any", "any_pack", is_flag=True, help="Any pack will do: unless one is complete, get the best available."
)
@_place_options
def pull(pack: str | None, any_pack: bool, models: Path | None) -> int:
    """Get missing and damaged files: download them, or convert downloaded ones.

    \b
    Examples:
      regulars models pull
      regulars models pull --pack registry --models /srv/models
    """
    from regulars.models import models as packs

    return packs.fetch(_folder(models), pack, any_pack=any_pack)


@models.command(short_help="Convert a pack's files again, and compare.")
@_pack_to_make_option
@click.option("--out", type=PATH, default=Path("built-models"), help="Folder for the files.")
@_place_options
def build(pack: str | None, out: Path, models: Path | None) -> int:
    """Convert a pack's files again from their published sources, and compare them with the pack's."""
    from regulars.models import models as packs

    return packs.build(_folder(models), pack, out)


@click.command(short_help="Change tenants to another model.")
@click.option("--pack", required=True, metavar="NAME", help="The pack to change to, such as face-pack-1.")
@click.option("--tenant", "tenants", multiple=True, metavar="NAME", help="Only this tenant; repeat for several.")
@click.option("--estimate", is_flag=True, help="Only say how long it takes and what it costs.")
@storage_options
@models_option
def reembed(
    pack: str, tenants: tuple[str, ...], estimate: bool, data: Path | None, stage: str | None, models: Path | None
) -> int:
    """Embed the stored pictures with another pack's model, then switch searches to it.

    The service may run meanwhile. If the command is interrupted, run it again: it continues where it stopped
    (docs/models.md).

    \b
    Examples:
      regulars reembed --pack face-pack-1 --estimate
      regulars reembed --pack face-pack-1 --tenant shop-12
    """
    from regulars.models import reembed

    settings = settings_of(data=data, models=models, stage=stage)
    return reembed.run(settings, pack, list(tenants) or None, estimate_only=estimate)


def _folder(models: Path | None) -> Path | None:
    return settings_of(models=models, here=True).models
