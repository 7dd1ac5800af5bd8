import pytest
from regulars_client import Book, Regulars, codes
from regulars_client.books import HEADER

from tests.support.web.answering import Service, answer, problem

ANSWER = {"id": "door", "api_key": "ck_0"}
MINE, RESTORED = Book("0123456789abcdef", "aa01"), Book("0123456789abcdef", "bb02")


def test_the_book_of_the_last_answer_is_known_also_of_a_refusal() -> None:
    service = Service(
        answer(ANSWER),
        answer(ANSWER, f"{HEADER}: {MINE}"),
        problem("404 Nobody", "CameraNotFound", f"{HEADER}: {RESTORED}"),
        problem("401 Who", "NoKey"),
    )
    with service.running() as url, Regulars(url, api_key="rk_x") as regulars:
        assert regulars.book is None
        regulars.renew_camera_key("door")
        assert regulars.book is None, "an older version says none"
        regulars.renew_camera_key("door")
        assert regulars.book == MINE
        with pytest.raises(codes.CameraNotFound):
            regulars.renew_camera_key("door")
        assert regulars.book == RESTORED
    assert service.header(HEADER) == []


@pytest.mark.parametrize(
    ("header", "book"),
    [
        (str(MINE), MINE),
        (MINE.id, None),
        ("0123456789abcdef.", None),
        ("shop.1", None),
        ("a" * 400, None),
    ],
)
def test_what_is_no_book_is_none(header: str, book: Book | None) -> None:
    service = Service(answer(ANSWER, f"{HEADER}: {header}"))
    with service.running() as url, Regulars(url, api_key="rk_x") as regulars:
        regulars.renew_camera_key("door")
        assert regulars.book == book


def test_a_pinned_book_is_sent_with_every_request_with_or_without_its_life() -> None:
    service = Service(answer(ANSWER))
    with service.running() as url, Regulars(url, api_key="rk_x") as regulars:
        regulars.pin_book(MINE)
        regulars.renew_camera_key("door")
        regulars.delete_camera("door")
        regulars.pin_book(MINE, in_any_life=True)
        regulars.renew_camera_key("door")
    assert service.header(HEADER) == [str(MINE), str(MINE), MINE.id]
