"""The pages in docs/contract as lists of rules: each rule is quoted by what shows it, and no
sentence may be left out.

Tables are read apart: tests compare them with the code, row by row.
"""

import ast
import re
from collections.abc import Collection, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
PAGES = TESTS.parent / "docs" / "contract"

Table = Sequence[dict[str, str]]
"""Rows by the names of the columns."""


def rules_of(dialect: str) -> str:
    """The page of a dialect from its first section on; before it the page says what it is about."""
    about, heading, rules = (PAGES / f"{dialect}.md").read_text(encoding="utf-8").partition("\n## ")
    assert about.startswith("# Contract")
    return heading + rules


def shown(dialect: str) -> list[str]:
    """Return what tests quote of a dialect's page in their marks `shows`."""
    texts = (path.read_text("utf-8") for path in TESTS.rglob("test_*.py"))
    functions = (
        node
        for text in texts
        if "mark.shows(" in text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
    )
    marks = (
        one
        for function in functions
        for one in function.decorator_list
        if "mark.shows(" in ast.unparse(one)
    )
    said = [[ast.literal_eval(argument) for argument in mark.args] for mark in marks]
    return [quote for page, quote in said if page == dialect]


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next heading of any level."""
    found = re.search(rf"(?ms)^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", page)
    assert found, f"there is no section: {heading}"
    return found[1]


def tables(text: str) -> list[Table]:
    found: list[Table] = []
    for block in re.findall(r"(?m)(?:^\|.*\n)+", text):
        head, _, *rows = [
            [cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines()
        ]
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


def names(table: Table, column: str) -> set[str]:
    """What is set as code in a column."""
    return {word for row in table for word in re.findall(r"`([^`]+)`", row[column])}


def statements(page: str) -> str:
    """The page without headings, tables, samples and the numbers of lists."""
    text = re.sub(r"(?ms)^```.*?^```$", "\n", page)
    return re.sub(r"(?m)^(#+ .*|\|.*|\d+\. )", "\n", text)


def plain(markdown: str) -> str:
    """Without markup, blanks and line breaks: what two spellings of one sentence have in common."""
    return re.sub(r"[\s*`]+", "", re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", markdown))


def sentences(page: str) -> list[str]:
    """The page cut where a statement ends: sentences and half-sentences."""
    parts = re.split(r"\n\n+|\n- ", statements(page))
    ends = r"(?<=[^.][.;])\s+|;\s"
    found = [part for item in parts for part in re.split(ends, " ".join(item.split()))]
    return [sentence for sentence in found if len(plain(sentence)) > 1]


def unquoted(page: str, quotes: Collection[str]) -> list[str]:
    """Sentences that no quote touches. Raises AssertionError for a quote that is not on the page.

    `...` in a quote stands for words in between.
    """
    text = plain(statements(page))
    covered = bytearray(len(text))
    for quote in quotes:
        pieces = [re.escape(plain(piece)) for piece in quote.split("...")]
        found = re.search(".*?".join(pieces), text)
        assert found, f"not in the contract: {quote}"
        covered[found.start() : found.end()] = b"x" * (found.end() - found.start())
    left, at = [], 0
    for sentence in sentences(page):
        at = text.index(plain(sentence), at)
        if not any(covered[at : at + len(plain(sentence))]):
            left.append(sentence)
    return left
