"""`python -m tests.expect --write`: tables and values of what exists, as docs and tests hold them.

What they hold is no decision, so a person writes none of it: read the changes with `git diff`.
Without --write it says which files differ.
"""

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

from chalicelib.domain.channels import OF_ALL
from chalicelib.domain.events import CHOSEN, EVENTS, list_shown, members_of
from chalicelib.privacy import data_map
from tests.support.api.stage import make_stage
from tests.support.api.v1.client import V1Client
from tests.support.book.book import Book
from tests.support.expected import COMMAND, VALUES

ROOT = Path(__file__).parents[1]


def write_events() -> str:
    """Write the table of the events that hooks get."""
    head = ("event", "when", "`group`", "`camera`", "`data`")
    rows, first = [], dict[str, str]()
    for kind, event in EVENTS.items():
        when = " ".join((event.__doc__ or "").split())
        members = ", ".join(_write_member(kind, name) for name in members_of(kind))
        of = first.setdefault(members, kind)
        data = members if of == kind else f"as of `{of}`"
        rows.append((f"`{kind}`", when, event.GROUP, event.CAMERA, data))
    return data_map.table(head, rows)


def _write_member(kind: str, name: str) -> str:
    says = members_of(kind)[name].says
    return f"`{name}`{f' ({says})' if says else ''}"


def write_template_fields() -> str:
    """Write the table of the fields that a template may name."""
    rows = [("all", ", ".join(f"`{{{name}}}`" for name in OF_ALL))]
    for shown, kinds in groupby(CHOSEN, list_shown):
        fields = ", ".join(f"`{{{name}}}`" for name in shown)
        rows.append((", ".join(f"`{kind}`" for kind in kinds), f"also {fields}"))
    return data_map.table(("events", "fields"), rows)


def write_nobodys() -> str:
    """Write the table of what holds nothing about the people in the pictures."""
    head = ("place without data about people in pictures", "what is in it instead")
    rows = ((f"`{name}`", holds) for name, (holds, *_) in data_map.NOBODYS.items())
    return data_map.table(head, rows)


PAGES: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "docs/stored.md": {
        "stored": data_map.what_is_stored,
        "fates": data_map.what_happens,
        "nobodys": write_nobodys,
    },
    "docs/webhooks.md": {"events": write_events, "template": write_template_fields},
}
"""Pages, each with its tables by their names there."""


def fill_page(text: str, tables: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with its tables as they are now, each behind the comment that names it."""
    for name, write in tables.items():
        lines = write().splitlines()
        block = re.compile(
            rf"^( *)(<!-- {re.escape(COMMAND)}: {name} -->\n\n)(?: *\|.*\n)*", re.MULTILINE
        )
        text, count = block.subn(
            lambda found, lines=lines: "".join(  # type: ignore[misc]
                [found[1], found[2], *(f"{found[1]}{line}\n" for line in lines)]
            ),
            text,
        )
        assert count == 1, f"the page has {count} places of the table {name}"
    return text


def read_first_settings() -> Any:
    """Return the settings that a new tenant begins with, as v1 answers them."""
    with tempfile.TemporaryDirectory() as folder, closing(Book(Path(folder))) as book:
        made = book.services.tenants.add("office", book.profile)
        return V1Client(make_stage(book.services).app, made.api_key).done("GET", "/v1/settings")


EXPECTED: Mapping[str, Callable[[], Any]] = {"first_settings": read_first_settings}
"""Makers of the values, by the names of their files."""


def list_files() -> Iterator[tuple[Path, str]]:
    """Yield each file with its text as it should be now."""
    for name, tables in PAGES.items():
        yield ROOT / name, fill_page((ROOT / name).read_text(encoding="utf-8"), tables)
    for name, make in EXPECTED.items():
        text = json.dumps(make(), ensure_ascii=False, indent=1, sort_keys=True)
        yield VALUES / f"{name}.json", f"{text}\n"


def list_differing() -> dict[Path, str]:
    """Return the files that are not as they should be, with the text that would be right."""
    return {
        path: text
        for path, text in list_files()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    }


if __name__ == "__main__":
    differing = list_differing()
    if "--write" in sys.argv:
        for path, text in differing.items():
            path.write_text(text, encoding="utf-8")
    print("\n".join(str(path.relative_to(ROOT)) for path in differing) or "nothing changed")
