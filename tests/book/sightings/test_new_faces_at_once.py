"""Several functions make new faces of one tenant at once."""

from contextlib import closing
from pathlib import Path

from chalicelib.domain.captures import Resolution
from chalicelib.domain.model import Profile
from tests.support.book.book import Book, shot
from tests.support.book.new_faces import STORED, meanwhile
from tests.support.storage.failing import Calls


def test_a_group_that_another_function_fills_before_the_commit_is_told_to_be_full(
    tmp_path: Path,
) -> None:
    calls = Calls()
    with closing(Book(tmp_path / "data", profile=Profile.CAMERA, wrap=calls.wrap)) as book:
        book.services.groups.change_by_name(book.tenant, "stranger", {"capacity": 2})
        book.services.webhooks.hooks.add(
            "shop", "https://hooks.example.com/in", kinds=["group.full"]
        )
        newcomer, other = book.put(shot(0, 1)), book.put(shot(1, 2))
        search = meanwhile(book, calls, lambda: book.deliver(other))
        book.deliver(newcomer)
        assert book.group_counts()["stranger"] == 2
        assert search.asked == 3
        [message] = book.storage.deliveries_queue.receive(10, 60)
        assert "group.full" in message.body


def test_two_captures_of_one_new_person_make_one_stranger_and_one_picture(tmp_path: Path) -> None:
    calls = Calls()
    with closing(Book(tmp_path / "data", profile=Profile.CAMERA, wrap=calls.wrap)) as book:
        first, second = book.put(shot(0, 1)), book.put(shot(1, 1))
        meanwhile(book, calls, lambda: book.deliver(second))
        assert [one.resolution for one in book.deliver(first).sightings] == [Resolution.MATCHED]
        [face] = book.faces()
        assert face.arrive_count == 1
        assert book.nothing_else_is_stored()


def test_a_new_face_is_searched_once_and_stored_when_all_is_decided(tmp_path: Path) -> None:
    calls = Calls()
    with closing(Book(tmp_path / "data", wrap=calls.wrap)) as book:
        book.see(shot(0, 1))
        capture = book.put(shot(60, 2))
        search = meanwhile(book, calls, list)
        book.deliver(capture)
        assert search.asked == 1
        behind = calls.names[calls.names.index(STORED) :]
        assert behind == [STORED, STORED, "items.get", "items.transact"], (
            "read is only whether the gallery has moved"
        )
