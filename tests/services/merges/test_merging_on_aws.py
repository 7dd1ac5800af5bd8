"""Merged, undone and rejected on DynamoDB and S3, emulated: the conditions and transactions are theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.core.captures import Resolution
from chalicelib.core.merges import MergeState
from chalicelib.core.model import Migration
from tests.adapters.emulated import Aws, storage_stack
from tests.fakes import Person
from tests.services.sightings.book import Book, Shot, shot
from tests.services.sightings.recount import disagreements_of_visits
from tests.services.sightings.test_on_aws import storage_on


@pytest.fixture
def aws() -> Iterator[Aws]:
    with storage_stack(stack="corrections") as aws:
        yield aws


def test_corrections_on_aws_leave_an_exact_book(aws: Aws, tmp_path: Path) -> None:
    odd = Shot(shot(300).at, (Person(1, side_px=60.0),))
    with closing(Book(tmp_path / "data", kept=storage_on(aws))) as book:
        book.services.groups.set_migration(book.tenant, Migration(3, 7))
        captures = book.see(shot(0, 1), *(shot(60 + number, 2) for number in range(45)), shot(200, 1), odd)
        first, second = (captures[place].sightings[0].faceid or "" for place in (0, 1))
        entries, observed = book.entries(), book.observed()

        merge = book.services.merges.merging.merge(book.tenant, first, second)
        assert (merge.state, disagreements_of_visits(book)) == (MergeState.DONE, [])
        assert [(face.group_id, face.arrive_count) for face in book.faces()] == [("regular", 4)]
        book.services.statistics.sealing.tenant(book.tenant)
        assert book.services.merges.undoing.undo(book.tenant, merge.id).state is MergeState.UNDONE
        assert (book.entries(), book.observed()) == (entries, observed)

        rejected = book.services.sightings.rejection.reject(book.tenant, first, f"{captures[-1].id}-0")
        assert rejected.sighting.resolution is Resolution.STRANGER
        assert disagreements_of_visits(book) == []
        book.services.sweep.tenant(book.tenant, book.clock.now())
        book.services.erasure.deletion.of_group(book.tenant, "stranger", [face.faceid for face in book.faces()])
        assert book.faces() == []
