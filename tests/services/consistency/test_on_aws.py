"""The same checks and repairs on DynamoDB and S3, emulated."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from chalicelib.core import keys
from chalicelib.core.model import Edit, JournalEntry
from chalicelib.core.ports import Delete, Update, exists
from chalicelib.services.commit import Change
from tests.adapters.emulated import storage_stack
from tests.services.sightings.book import Book, shot
from tests.services.sightings.test_on_aws import storage_on

DAY = 24 * 60


def test_what_does_not_agree_on_aws_is_named_and_mended(tmp_path: Path) -> None:
    with storage_stack(stack="fsck") as aws, closing(Book(tmp_path / "data", kept=storage_on(aws))) as book:
        consistency = book.services.consistency
        book.see(shot(0, 1, 2), shot(40, 1), shot(DAY, 1, 3))
        book.services.statistics.sealing.tenant(book.tenant)
        assert consistency.disagreements("shop") == []
        first, *_ = sorted(face.faceid for face in book.faces())
        book.services.writer.commit("shop", Change((), (JournalEntry(Edit.DELETE, first, ""),)))
        stranger = ("shop", keys.group_item("stranger"))
        book.storage.items.transact(
            [
                Update(keys.DIRECTORY, stranger, (exists("there"),), add={"count": 2, "free": -2}),
                Delete(keys.ARRIVALS, ("shop", first)),
                Delete(keys.CAMERAS, ("shop", keys.camera_name("door"))),
            ]
        )
        mended, left = consistency.repair("shop")
        said = " ".join(one.says for one in mended)
        for part in ("stranger says", f"does not find {first}", f"face {first} has 0 arrivals", "the name door"):
            assert part in said
        assert left == []
        assert consistency.disagreements("shop") == []
