"""The command line of `regulars tenants`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chalicelib.core.model import Profile
from regulars.options import settings_of, storage_options, together
from regulars.tenants import keys

_NONE = "none"


def _count(text: str) -> int | str:
    if text == _NONE:
        return text
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text)):
        raise click.BadParameter(f"a whole number from 1, or `none`, not {text[:40]!r}")
    return int(text)


def _names(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(","))
    if not all(names):  # an empty shell variable must not turn everything on
        raise click.BadParameter(f"names with commas between them, or `none`, not {text[:40]!r}")
    return frozenset() if names == {_NONE} else names


def _share(text: str) -> float | str:
    try:
        return text if text == _NONE else float(text)
    except ValueError:
        raise click.BadParameter(f"a share from 0 to 1, or `none`, not {text[:40]!r}") from None


_settings_options = together(
    click.option(
        "--requests-a-day",
        type=_count,
        metavar="N",
        help="Most iCREDIT requests a day, or `none` for no limit (the initial setting).",
    ),
    click.option(
        "--capture-mb-a-day",
        type=_count,
        metavar="N",
        help="Most megabytes of captures that a camera may offer a day, or `none` for no limit. Initially 20000.",
    ),
    click.option(
        "--time-zone",
        metavar="ZONE",
        help="IANA time zone of its days, for limits a day and statistics. Initially Asia/Shanghai.",
    ),
    click.option("--refuse-md5/--no-refuse-md5", default=None, help="Accept only signatures by HMAC-SHA256."),
    click.option(
        "--numeric-faceids/--no-numeric-faceids",
        "numeric_faceids_only",
        default=None,
        help="Accept only faceids from 1 to 2^63 - 1.",
    ),
    click.option(
        "--attributes-off",
        type=_names,
        metavar="NAMES",
        help="Attributes not to store or answer, of age,gender,emotion,pose,beauty,liveness; `none` turns all on.",
    ),
    click.option(
        "--least-liveness",
        type=_share,
        metavar="SHARE",
        help="Refuse faces with a lower liveness, 0 to 1, or `none` (the initial setting; docs/vision.md).",
    ),
    click.option(
        "--enrol-quality",
        type=float,
        metavar="SCORE",
        help="Least quality of a picture to enrol, 20 (the initial setting) to 100.",
    ),
    click.option(
        "--review-margin",
        type=float,
        metavar="SCORE",
        help="Matches less than this above their threshold are for review, 0 (none) to 0.5. Initially 0.03.",
    ),
    click.option(
        "--learns/--no-learns",
        default=None,
        help="Let faces learn from their sure sightings. Initially they do (docs/visits.md).",
    ),
    click.option(
        "--learnt-days",
        type=_count,
        metavar="N",
        help="Remove learnt pictures N days after their capture, or `none` (the initial setting).",
    ),
    click.option(
        "--consent-required/--no-consent-required",
        default=None,
        help="Enrol nobody by hand without a record of consent (docs/tasks/consent.md).",
    ),
    click.option(
        "--expired-consent-erases/--no-expired-consent-erases",
        default=None,
        help="Erase faces whose consent has expired. Initially they are only listed.",
    ),
    click.option(
        "--keeps-pictures/--no-pictures",
        default=None,
        help="Keep pictures of faces and captures. Else templates only, and stored pictures are removed.",
    ),
    click.option(
        "--controller", metavar="TEXT", help="Who is responsible for the data, as the notice says it, or `none`."
    ),
    click.option("--contact", metavar="TEXT", help="How to reach them about the data."),
    click.option("--purposes", metavar="TEXT", help="What faces are recognised for; empty for the usual words."),
    click.option(
        "--capture-days",
        type=_count,
        metavar="N",
        help="Delete pictures of captures after N days, or `none` (the initial setting): when the service does.",
    ),
    click.option(
        "--sighting-days",
        type=_count,
        metavar="N",
        help="Delete records of captures after N days, or `none` (the initial setting): after 120.",
    ),
    click.option(
        "--stranger-days",
        type=_count,
        metavar="N",
        help="Delete strangers who were not seen for N days, or `none`: never. Initially 90.",
    ),
    click.option(
        "--regular-days",
        type=_count,
        metavar="N",
        help="Delete regulars who were not seen for N days, or `none` (the initial setting): never.",
    ),
    click.option(
        "--observation-days",
        type=_count,
        metavar="N",
        help="Delete observations after N days, or `none`: never. Initially 400.",
    ),
    click.option(
        "--audit-days",
        type=_count,
        metavar="N",
        help="Delete the audit after N days, or `none`: never. Initially 400.",
    ),
    click.option(
        "--picture-buckets",
        type=_names,
        metavar="PLACES",
        help="S3 buckets, or bucket/prefix, of its S3Objects, or `none` (the initial setting; docs/rekognition.md).",
    ),
    click.option(
        "--faces",
        type=_count,
        metavar="N",
        help="Most faces, or `none` for its profile's limit. For more than a million see docs/search.md.",
    ),
    click.option(
        "--groups",
        type=_count,
        metavar="N",
        help="Most groups, or `none` for its profile's limit.",
    ),
    click.option("--shards", type=int, metavar="N", help="Cut its search gallery into N shards (docs/search.md)."),
)


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    """Pick the given settings, by their names in TenantSettings; `none` becomes None, or no text."""
    from chalicelib.services.tenants.settings import SAID  # not for --help

    nothing = dict.fromkeys(SAID, "")
    return {name: nothing.get(name) if value == _NONE else value for name, value in given.items() if value is not None}


@click.group(no_args_is_help=False, short_help="Add, list, set, rotate, disable and enable tenants.")
def tenants() -> None:
    """Manage customers: isolated galleries with credentials of their own.

    \b
    Examples:
      regulars tenants add shop-12 --profile cloud --time-zone Europe/Berlin
      regulars tenants list
      regulars tenants set shop-12 --requests-a-day 10000
    """


@tenants.command()
@click.argument("name")
@click.option(
    "--profile",
    type=click.Choice([profile.value for profile in Profile]),
    default="camera",
    help="Set of limits that it gets.",
)
@_settings_options
@storage_options
def add(name: str, profile: str, data: Path | None, stage: str | None, **given: Any) -> None:
    """Make a tenant and print its credentials.

    NAME has 1 to 40 small letters, digits and hyphens.

    \b
    Examples:
      regulars tenants add shop-12
      regulars tenants add chain --profile cloud --faces 10000000 --shards 10
      regulars tenants add shop-12 --stage prod
    """
    from regulars.tenants import tenants

    tenants.add(settings_of(data=data, stage=stage), name, Profile(profile), _changes(given))


@tenants.command("list")
@storage_options
def list_all(data: Path | None, stage: str | None) -> None:
    """List all tenants."""
    from regulars.tenants import tenants

    tenants.show_all(settings_of(data=data, stage=stage))


@tenants.command()
@click.argument("name")
@storage_options
def show(name: str, data: Path | None, stage: str | None) -> None:
    """Show all settings of a tenant, and the model of its searches."""
    from regulars.tenants import tenants

    tenants.show(settings_of(data=data, stage=stage), name)


@tenants.command("set")
@click.argument("name")
@_settings_options
@storage_options
def change(name: str, data: Path | None, stage: str | None, **given: Any) -> None:
    """Change settings of a tenant, also while the service runs.

    \b
    Examples:
      regulars tenants set shop-12 --time-zone Europe/Berlin --requests-a-day 10000
      regulars tenants set shop-12 --attributes-off beauty,emotion
      regulars tenants set chain --faces 10000000 --shards 10
    """
    from regulars.tenants import tenants

    tenants.change(settings_of(data=data, stage=stage), name, _changes(given))


@tenants.command()
@click.argument("name")
@storage_options
def rotate(name: str, data: Path | None, stage: str | None) -> None:
    """Give a tenant new keys and a new code; the old ones stop working."""
    from regulars.tenants import tenants

    tenants.rotate(settings_of(data=data, stage=stage), name)


@tenants.command()
@click.argument("name")
@storage_options
def disable(name: str, data: Path | None, stage: str | None) -> None:
    """Refuse a tenant's requests; its data stays."""
    from regulars.tenants import tenants

    tenants.set_disabled(settings_of(data=data, stage=stage), name, disabled=True)


@tenants.command()
@click.argument("name")
@storage_options
def enable(name: str, data: Path | None, stage: str | None) -> None:
    """Accept a disabled tenant's requests again."""
    from regulars.tenants import tenants

    tenants.set_disabled(settings_of(data=data, stage=stage), name, disabled=False)


tenants.add_command(keys.keys)
