"""What follows a deletion makes many sealed days invalid: they are sealed anew at once."""

import json
from datetime import timedelta

from chalicelib.book.statistics.calendar import FEW_DAYS
from tests.support.book.book import Book, shot

DAY = 24 * 60


def test_days_of_somebody_who_came_often_are_sealed_anew_behind_a_deletion(book: Book) -> None:
    book.see(*(shot(DAY * day, 1) for day in range(FEW_DAYS + 2)))
    book.clock.advance(timedelta(days=2))
    sealing = book.services.statistics.sealing
    assert len(sealing.seal_tenant(book.tenant)) > FEW_DAYS
    [face] = book.faces()
    groups = {group.id: group.name for group in book.services.groups.list_all(book.tenant)}
    book.services.deletion.delete_faces_of_group(book.tenant, groups[face.group_id], [face.faceid])
    chores = []
    while messages := book.storage.index_queue.receive(10, 60):
        for message in messages:
            chores += json.loads(message.body).get("chores", [])
            book.services.sweep.handle_message(message.body, 1, lambda: float("inf"))
            book.storage.index_queue.delete(message.receipt)
    assert "seals" in chores
    assert sealing.seal_tenant(book.tenant) == []
