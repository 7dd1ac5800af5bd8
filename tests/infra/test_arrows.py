"""Calls through the book keep to the order of the rooms, and a call that does not is told."""

from pathlib import Path

import pytest

from infra.arrows import Arrow, is_against, list_arrows, main, read_orders

PYPROJECT = """
[[tool.importlinter.contracts]]
name = "rooms"
type = "layers"
containers = ["chalicelib.rooms"]
layers = ["high", "book", "middle | beside", "low"]
"""
BOOK = """
class Book:
    high: Made[High] = Made("rooms.high.High")
    middle: Made[Middle] = Made("rooms.middle.deep.Middle")
    beside: Made[Beside] = Made("rooms.beside.Beside")

    @lazy
    def low(self) -> Low:
        from chalicelib.rooms.low import Low

        return Low()
"""


@pytest.mark.parametrize(
    ("call", "against"),
    [
        ("self.book.low.read()", False),
        ("self.book.middle.read()", False),
        ("self.book.high.read()", True),
        ("self.book.beside.read()", True),
        ("book.high", True),
        ("self.high.read()", False),
    ],
)
def test_a_call_upwards_or_aside_is_against_the_order_whatever_it_is_written_like(
    tmp_path: Path, call: str, *, against: bool
) -> None:
    rooms = tmp_path / "chalicelib" / "rooms"
    (rooms / "middle").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (rooms / "book.py").write_text(BOOK)
    (rooms / "middle" / "other.py").write_text(
        f"class Other:\n    def do(self, book):\n        {call}\n"
    )
    [order] = read_orders(tmp_path)
    assert any(is_against(order, arrow) for arrow in list_arrows(tmp_path)) is against


def test_a_room_calls_itself_and_what_is_in_no_order_as_it_likes() -> None:
    order = [("a.high",), ("a.low",)]
    assert not is_against(order, Arrow("a.low.x", "a.low.y", ""))
    assert not is_against(order, Arrow("a.low.x", "b", ""))
    assert is_against(order, Arrow("a.low.x", "a.high", ""))


def test_every_room_is_called_and_none_against_the_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main() == 0
    assert " 0 against the order" in capsys.readouterr().out
    called = {arrow.target for arrow in list_arrows()}
    assert len(called) > 25
