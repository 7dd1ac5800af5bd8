from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.storage.ports import FULL_BYTES, Disk
from regulars.serve.server import list_warnings
from tests.support.book.book import Book
from tests.support.box.devices import show_disk


def test_a_box_that_starts_on_a_full_disk_says_so(tmp_path: Path) -> None:
    book = Book(tmp_path, settings=TenantSettings())
    no_devices = tmp_path / "devices"
    asked = [*list_warnings(book.services, tmp_path, no_devices)]
    assert ["until somebody chooses" in question for question in asked] == [True]
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
        assert [*list_warnings(book.services, tmp_path, no_devices)] == [*said, *asked]
    book.close()


@pytest.mark.parametrize(
    ("uuid", "is_trial", "is_said"),
    [(None, False, True), ("CRYPT-LUKS2-5c1f-root", False, False), (None, True, False)],
    ids=["bare", "encrypted", "a trial"],
)
def test_a_folder_that_a_thief_of_the_box_reads_is_said_at_the_start(
    tmp_path: Path, uuid: str | None, is_trial: bool, is_said: bool
) -> None:
    show_disk(tmp_path / "devices", tmp_path, uuid)
    book = Book(tmp_path / "data")
    book.services.settings = replace(book.services.settings, is_trial=is_trial)
    lines = [*list_warnings(book.services, book.folder, tmp_path / "devices")]
    said = f"if the box is stolen, a thief reads {book.folder}: no encrypted disk (LUKS) is seen"
    assert any(line.startswith(said) for line in lines) is is_said
    book.close()
