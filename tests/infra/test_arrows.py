"""Calls between services keep to the order of the packages, and a call that does not is told."""

import ast
from pathlib import Path

import pytest

from infra.arrows import (
    Arrow,
    find_circle,
    find_reach,
    is_against,
    list_arrows,
    list_long_choices,
    read_orders,
    report_arrows,
)

PYPROJECT = """
[[tool.importlinter.contracts]]
name = "services"
type = "layers"
containers = ["chalicelib.shop"]
layers = ["high", "book", "middle | beside", "low"]
"""
BOOK = """
class Book:
    @lazy
    def high(self) -> High:
        from chalicelib.shop.high import High

        return High(self)

    @lazy
    def middle(self) -> Middle:
        from chalicelib.shop.middle.deep import Middle

        return Middle(self)

    @lazy
    def beside(self) -> Beside:
        from chalicelib.shop.beside import Beside

        return Beside(self)

    @lazy
    def low(self) -> Low:
        from chalicelib.shop.low import Low

        return Low()
"""


@pytest.mark.parametrize(
    ("call", "against"),
    [
        ("self.services.low.read()", False),
        ("self.services.middle.read()", False),
        ("self.services.high.read()", True),
        ("self.services.beside.read()", True),
        ("services.high", True),
        ("self.high.read()", False),
    ],
)
def test_a_call_upwards_or_aside_is_against_the_order_whatever_it_is_written_like(
    tmp_path: Path, call: str, *, against: bool
) -> None:
    shop = tmp_path / "chalicelib" / "shop"
    (shop / "middle").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (shop / "book.py").write_text(BOOK)
    (shop / "middle" / "other.py").write_text(
        f"class Other:\n    def do(self, services):\n        {call}\n"
    )
    [order] = read_orders(tmp_path)
    assert any(is_against(order, arrow) for arrow in list_arrows(tmp_path)) is against


def test_a_service_calls_itself_and_what_is_in_no_order_as_it_likes() -> None:
    order = [("a.high",), ("a.low",)]
    assert not is_against(order, Arrow("a.low.x", "a.low.y", ""))
    assert not is_against(order, Arrow("a.low.x", "b", ""))
    assert is_against(order, Arrow("a.low.x", "a.high", ""))


def test_a_circle_of_imports_is_named() -> None:
    assert find_circle({"a": ["b"], "b": ["c"], "c": []}) == []
    assert set(find_circle({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]})) == {"a", "b", "c"}


def test_every_service_is_called_and_none_against_the_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not report_arrows()
    assert " 0 against the order" in capsys.readouterr().out
    called = {arrow.target for arrow in list_arrows()}
    assert len(called) > 25


def test_what_a_module_reaches_is_told_with_the_one_that_imports_it() -> None:
    imports = {"ingest": ["rules", "search"], "search": ["rules", "storage"], "api": ["ingest"]}
    assert find_reach(imports, ["ingest"]) == {
        "ingest": "",
        "rules": "ingest",
        "search": "ingest",
        "storage": "search",
    }


def test_a_conditional_expression_over_a_line_is_found_wherever_it_stands() -> None:
    content = ast.parse("a = 1 if b else 2\nc = [\n    d\n    if e\n    else f\n]\n")
    assert list_long_choices(content) == [3]
