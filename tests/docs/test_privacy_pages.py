"""The pages on privacy promise what a test holds, and name every place that holds something about people."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from chalicelib.services.subject_access.places import NOBODYS, PLACES
from chalicelib.settings import Settings
from tests.docs.session import ROOT

PAGES = ("privacy.md", "threat-model.md")
PROVED = "proved by"


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def tables(page: str) -> Iterator[list[list[str]]]:
    """The tables of a page, rows of cells, the head first."""
    for block in re.findall(r"(?:^\|.*\|\n)+", text_of(page), re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in block.splitlines()]
        yield [rows[0], *rows[2:]]


def claims() -> list[tuple[str, str]]:
    """The claims of all pages, each with what proves it."""
    return [
        (row[0], row[-1]) for page in PAGES for table in tables(page) for row in table[1:] if PROVED in table[0][-1]
    ]


@cache
def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}


@pytest.mark.parametrize(("claim", "proof"), claims(), ids=lambda text: text[:60])
def test_each_claim_names_tests_that_there_are(claim: str, proof: str) -> None:
    named = re.findall(r"`([^`]+\.py)::(test_\w+)`", proof)
    assert named, f"{claim!r} names no test"
    assert proof.count("`") == 2 * len(named), "nothing else stands there"
    for file, function in named:
        assert function in functions(file), f"there is no {file}::{function}"


def test_there_are_claims_of_every_kind() -> None:
    kinds = {claim.partition(":")[0] for claim, _ in claims()}
    assert set("STRIDE") <= kinds
    assert {"linking", "identifying", "non-repudiation", "detecting", "unawareness", "non-compliance"} <= kinds


def test_the_page_names_every_place_that_holds_something_about_people() -> None:
    rows = {cell.strip("`") for table in tables("privacy.md") for cell, *_ in table}
    assert {place.name for place in PLACES} | set(NOBODYS) <= rows
    assert f"`REGULARS_CAPTURE_DAYS`: {Settings.capture_days} days" in text_of("privacy.md")


@pytest.mark.parametrize("page", [*PAGES, "dpia.md"])
def test_each_page_says_where_it_ends(page: str) -> None:
    assert "no legal\nadvice" in text_of(page) or "no legal advice" in text_of(page) or "not covered" in text_of(page)
