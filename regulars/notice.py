"""`regulars notice`: the text to post where cameras look."""

from __future__ import annotations

from pathlib import Path

import click

from regulars.options import services_of, storage_options


@click.command(short_help="Print the notice to post where cameras look.")
@click.option("--tenant", metavar="NAME", required=True, help="Whose name, contact, purposes and retention it says.")
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", help="English or Chinese.")
@click.option("--html", "as_page", is_flag=True, help="A page to print on A4, in place of plain text.")
@storage_options
def notice(tenant: str, language: str, *, as_page: bool, data: Path | None, stage: str | None) -> None:
    """Print the notice to post where cameras look (docs/tasks/consent.md).

    \b
    Examples:
      regulars tenants set shop-12 --controller "Ann Lee Ltd, 1 High Street" --contact privacy@shop.example
      regulars notice --tenant shop-12
      regulars notice --tenant shop-12 --language zh --html > notice.html
    """
    from chalicelib.services.account import Language
    from chalicelib.services.account import notice as written

    with services_of(data, stage) as services:
        made = written(services.tenants.named(tenant), Language(language), services.settings.capture_days)
    print(made.html() if as_page else made.text(), end="")
    if made.missing:
        click.echo(
            f"fill in the blanks by hand, or set them: regulars tenants set {tenant} "
            + " ".join(f"--{name} TEXT" for name in made.missing),
            err=True,
        )
