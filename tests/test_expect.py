"""Docs and tests hold what exists, as it is now."""

from tests.expect import ROOT, fill_page, list_differing
from tests.support.expected import COMMAND


def test_tables_and_values_of_what_exists_are_as_it_is() -> None:
    differing = [str(path.relative_to(ROOT)) for path in list_differing()]
    assert differing == [], f"{COMMAND}, and read what it changed: git diff"


def test_a_table_is_filled_behind_the_comment_that_names_it() -> None:
    page = f"a\n\n  <!-- {COMMAND}: one -->\n\n  | old |\n  | --- |\n\nb\n"
    filled = fill_page(page, {"one": lambda: "| new |\n| --- |\n| x |\n"})
    assert filled == page.replace("  | old |\n  | --- |\n", "  | new |\n  | --- |\n  | x |\n")
