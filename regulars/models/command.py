"""The command lines of `regulars models` and `regulars reembed`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.packs import Pack, State
from regulars.options import choose_settings, config_option, models_option, storage_options

_MIB = 1024 * 1024


@click.group(
    invoke_without_command=True,
    no_args_is_help=False,
    short_help="List and verify the face models.",
)
@models_option
@config_option
@click.pass_context
def models(context: click.Context, models: Path | None) -> int:
    """List the packs of face models with their licences, and check each file against its digest
    (docs/models.md).

    The exit code is 1 if a file is missing or damaged.

    \b
    Examples:
      regulars models
      regulars models --models /srv/models
    """
    context.obj = models
    if context.invoked_subcommand is not None:
        return 0
    path = choose_settings(models=models, here=True).models
    packs.require_folder(path)
    wrong = [
        pack for name in packs.list_names(path) if not _report(pack := packs.read_pack(path, name))
    ]
    for pack in wrong:
        print(
            f"{pack.manifest.name} is not complete. {packs.describe_remedy(pack)}", file=sys.stderr
        )
    return 1 if wrong else 0


def _report(pack: Pack) -> bool:
    """Print the pack with the state of each file, compared by its digest; return whether it is
    complete."""
    states = packs.verify(pack)
    print(f"{pack.about}  embedding {pack.manifest.embedding.model}  ({pack.manifest.licence})")
    for file, state in states.items():
        licence = file.licence.split(";")[0]
        print(f"  {state:<8} {file.name:<48} {file.size_bytes / _MIB:6.1f} MB  {licence}")
    if pack.measured:
        print(f"  its curve is the one that you measured, {pack.measured}")
    return set(states.values()) == {State.OK}


@click.command(short_help="Switch tenants to another face model.")
@click.option("--pack", required=True, metavar="NAME", help="Model pack to switch to.")
@click.option(
    "--tenant",
    "tenants",
    multiple=True,
    metavar="NAME",
    help="Only this tenant; repeatable.  [default: all]",
)
@click.option("--estimate", is_flag=True, help="Print the expected duration and change nothing.")
@storage_options
@models_option
def reembed(
    pack: str,
    tenants: tuple[str, ...],
    estimate: bool,
    data: Path | None,
    stage: str | None,
    models: Path | None,
) -> int:
    """Embed the stored pictures with another pack's model, then switch searches to it.

    The service may run meanwhile. If the command is interrupted, run it again: it continues where
    it stopped (docs/models.md).

    \b
    Examples:
      regulars reembed --pack ours --models /srv/models --estimate
      regulars reembed --pack face-pack-4 --tenant shop-12
    """
    from regulars.models.reembed import print_estimates, reembed_tenants

    settings = choose_settings(data=data, models=models, stage=stage)
    if estimate:
        print_estimates(settings, pack, tenants)
        return 0
    return reembed_tenants(settings, pack, tenants)
