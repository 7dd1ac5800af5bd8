"""Imports and calls of services go in no circle, and one that does is named."""

from pathlib import Path

import pytest

from infra.arrows import (
    Arrow,
    find_circle,
    find_sibling_circles,
    list_arrows,
    read_all_services,
)

BOOK = """
class Book:
    @lazy
    def high(self) -> High:
        from chalicelib.shop.high.high import High

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


IMPORTS = {
    "chalicelib.shop.high.form": ["chalicelib.shop.low", "chalicelib.text"],
    "chalicelib.shop.low": ["chalicelib.text"],
}


@pytest.mark.parametrize(
    ("source", "call", "is_circle"),
    [
        ("low", "self.services.high.read()", True),
        ("low", "services.high", True),
        ("low", "self.high.read()", False),
        ("high/other", "self.services.low.read()", False),
        ("high/other", "self.services.high.read()", False),
        ("middle/other", "self.services.high.read()", False),
    ],
)
def test_a_call_against_the_imports_is_a_circle_whatever_it_is_written_like(
    tmp_path: Path, source: str, call: str, *, is_circle: bool
) -> None:
    shop = tmp_path / "chalicelib" / "shop"
    (shop / source).parent.mkdir(parents=True)
    (shop / "book.py").write_text(BOOK)
    (shop / f"{source}.py").write_text(
        f"class Other:\n    def do(self, services):\n        {call}\n"
    )
    services = read_all_services(tmp_path)
    found = find_sibling_circles(IMPORTS, list_arrows(tmp_path), services.values())
    assert [{*circle} for circle in found] == (
        [{"chalicelib.shop.high", "chalicelib.shop.low"}] if is_circle else []
    )


def test_a_package_calls_its_own_service_from_within() -> None:
    inside, service = "chalicelib.shop.high.form", "chalicelib.shop.high.high"
    imports, arrow = {service: [inside]}, Arrow(inside, service, "")
    assert find_sibling_circles(imports, [arrow], [service]) == []
    [circle] = find_sibling_circles(imports, [arrow], [service, "chalicelib.shop.high.other"])
    assert {*circle} == {inside, service}


def test_a_circle_of_imports_is_named() -> None:
    assert find_circle({"a": ["b"], "b": ["c"], "c": []}) == []
    assert set(find_circle({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]})) == {"a", "b", "c"}


def test_every_service_is_called_and_none_in_a_circle() -> None:
    arrows, services = list_arrows(), read_all_services().values()
    assert len({arrow.target for arrow in arrows}) > 25
    assert find_sibling_circles({}, arrows, services) == []
