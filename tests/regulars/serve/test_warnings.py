from pathlib import Path

from msgspec.structs import replace

from chalicelib.storage.ports import FULL_BYTES, Disk
from regulars.serve.server import list_warnings
from tests.support.book.book import Book


def test_a_box_that_starts_on_a_full_disk_says_so(tmp_path: Path) -> None:
    book = Book(tmp_path)
    asked = [*list_warnings(book.services, tmp_path)]
    assert len(asked) == 2
    for free_bytes, said in (
        (FULL_BYTES, []),
        (
            300_000,
            [
                f"the disk of {tmp_path} is full: 0.3 MB are left, and pictures are taken from 500 "
                "MB on"
            ],
        ),
    ):
        disk = Disk(free_bytes, 10**12)
        book.services.storage = replace(book.services.storage, disk=lambda disk=disk: disk)
        assert [*list_warnings(book.services, tmp_path)] == [*said, *asked]
    book.close()
