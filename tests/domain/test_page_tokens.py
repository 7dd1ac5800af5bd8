import pytest

from chalicelib.domain.errors import InvalidInput
from chalicelib.storage.items import ListPage, PageTokens

TOKENS = PageTokens("captures of camera")


def test_a_token_gives_its_place_back() -> None:
    assert TOKENS.parse_position(TOKENS.make_token("12#x"), str) == "12#x"
    assert TOKENS.parse_position(TOKENS.make_token("12"), int) == 12


@pytest.mark.parametrize("token", ["", "x", "!!!!", "\u00e9", "AAAA", TOKENS.make_token("7")[:-4]])
def test_a_damaged_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidInput, match="page token is damaged"):
        TOKENS.parse_position(token, str)


def test_a_token_of_another_query_is_refused() -> None:
    with pytest.raises(InvalidInput, match="belongs to another query"):
        TOKENS.parse_position(PageTokens("captures of cloud").make_token("7"), int)


@pytest.mark.parametrize("place", ["abc", "9" * 5000])
def test_a_forged_place_that_cannot_be_read_is_refused(place: str) -> None:
    with pytest.raises(InvalidInput, match="page token is damaged"):
        TOKENS.parse_position(TOKENS.make_token(place), int)


def test_a_page_that_reads_the_most_and_finds_too_little_goes_on_behind_what_it_read() -> None:
    def page(token: str | None) -> ListPage[int]:
        stored = range((TOKENS.parse_position(token, int) or 0) + 1, 2_502)
        return TOKENS.make_filtered_page(
            stored, str, 3, lambda some: [one for one in some if one % 1_250 == 0], str
        )

    found = [page(None)]
    while token := found[-1].next_token:
        found.append(page(token))
    assert [one.rows for one in found] == [[], [1_250], [2_500]]
