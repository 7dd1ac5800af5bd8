"""Two ends of a walk are alike only if they differ in nothing but what was drawn at random."""

import pytest

from tests.support.faults.stored import Beginning

BEFORE = Beginning(frozenset({'faces 410653399461103201 {"count": 1}', "at 1773651600000"}))


def _came(*texts: str) -> object:
    return BEFORE.changes(frozenset(texts))


def test_what_was_drawn_is_no_difference() -> None:
    first, second = (
        _came(f'faces {id_} {{"portrait":{{"B":"{key}"}}}}', f"arrivals {id_}")
        for id_, key in (("410653399461103202", "qr8/x0R+"), ("410653399461103999", "Zz/ab+=="))
    )
    assert first == second


@pytest.mark.parametrize(
    "other",
    [
        ('faces 410653399461103202 {"count": 3}', "arrivals 410653399461103202"),
        ('faces 410653399461103202 {"count": 2}', "arrivals 410653399461103201"),
        ('faces 410653399461103202 {"count": 2}', "arrivals 410653399461103203"),
        (
            'faces 410653399461103202 {"count": 2}',
            "arrivals 410653399461103202",
            "at 1773651600000",
        ),
        (
            'faces 410653399461103202 {"count": 2}',
            "arrivals 410653399461103202",
            "at 1773651600001",
        ),
    ],
    ids=["a number", "a face that was there", "another face", "what is there still", "a time"],
)
def test_all_else_is(other: tuple[str, ...]) -> None:
    assert _came('faces 410653399461103202 {"count": 2}', "arrivals 410653399461103202") != _came(
        *other
    )


def test_a_long_name_was_not_drawn() -> None:
    assert _came('faces 7 {"restricted_since": 1}') != _came('faces 7 {"withdrawn_since": 1}')
