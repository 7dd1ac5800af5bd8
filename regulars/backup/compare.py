"""Comparison of copies of a book: which one is the newest, and what each of the others would bring
back.

A copy is a data folder, its database file alone, or a backup. Signed files describe a book, too:
access registers, and receipts of erasures. No clock gives the order: a copy is ahead of another one
if it has signed documents, closed hours of its audit or written entries that the other one lacks.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import combinations
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from regulars_client.archive import is_tar

from chalicelib import bootstrap
from chalicelib.domain.errors import InvalidInput, RegularsError
from chalicelib.domain.model import Tenant
from chalicelib.open_storage import DATABASE
from chalicelib.privacy.audit.periods import find_place_in_time
from chalicelib.privacy.erasure.again import Receipt
from chalicelib.privacy.signing import parse_statement
from chalicelib.privacy.standing import Document, Point, list_ended, parse_document
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.box.generation import read_note
from chalicelib.storage.ports import OtherKey
from chalicelib.storage.values import format_count, time_text
from regulars import folder
from regulars.backup.backup import copy_database, open_scratch
from regulars.backup.owed import Owed
from regulars.backup.preview import (
    Book,
    choose_scratch,
    list_differences,
    read_book,
    read_restored_books,
)
from regulars.backup.receipts import read_receipts
from regulars.backup.restoring import find_last_act_of, open_records
from regulars.errors import OperatorError

_SQLITE = b"SQLite format 3\0"


class Copy(Struct, frozen=True):
    """Copy of one book in a file or folder.

    `heads`: the hashes of its audit's closed hours, in order; `waiting`: the ids of the entries
    after them. `book`: its contents; of a backup, those after a restore; None: a document alone,
    `document`. `erased`: by receipt, how many people of it are in the copy.
    """

    place: str
    tenant: str
    point: Point
    last_act: datetime
    heads: Sequence[str] = ()
    waiting: Set[str] = frozenset()
    book: Book | None = None
    document: Document | None = None
    erased: Mapping[str, int] = msgspec.field(default_factory=dict)


def is_ahead(copy: Copy, other: Copy) -> bool:
    """Tell whether a copy has something that the other one lacks. Of two that were used apart, each
    is ahead of the other."""
    if not other.point.includes(copy.point):
        return True
    if copy.book is None or other.book is None:
        return False
    shared = min(len(copy.heads), len(other.heads))
    if copy.heads[:shared] != other.heads[:shared] or len(copy.heads) > len(other.heads):
        return True
    return len(copy.heads) == len(other.heads) and bool(copy.waiting - other.waiting)


def list_newest(copies: Sequence[Copy]) -> list[Copy]:
    """Return the copies that no other one has left behind; more than one if they were used apart,
    or are equal."""
    return [
        copy
        for copy in copies
        if not any(is_ahead(other, copy) and not is_ahead(copy, other) for other in copies)
    ]


def describe_order(copy: Copy, other: Copy) -> str:
    """Say which of two copies is newer."""
    if is_ahead(copy, other) and is_ahead(other, copy):
        return f"{copy.place} and {other.place} were used apart: each has acts that the other lacks"
    if is_ahead(other, copy):
        return f"{other.place} is newer than {copy.place}"
    if is_ahead(copy, other):
        return f"{copy.place} is newer than {other.place}"
    return f"{copy.place} and {other.place} are at the same point"


def compare_copies(copies: Sequence[Copy]) -> Iterator[str]:
    """Yield lines about copies of one book: where each stands, which is the newest, and what each
    of the others would bring back."""
    for copy in copies:
        hours = format_count(len(copy.heads), "closed hour", "closed hours")
        of_audit = f", {hours}, {len(copy.waiting):,} open entries" if copy.book else ""
        yield (
            f"{copy.place}: life {copy.point.life}, number {copy.point.number}{of_audit}, last act "
            f"{time_text(copy.last_act)}, key {copy.point.signer[:16]}"
        )
    for newest in list_newest(copies):
        for copy in copies:
            if copy is not newest:
                yield describe_order(copy, newest)
                yield from _list_brought_back(copy, newest)
    for copy in copies:
        for receipt, count in copy.erased.items():
            people = format_count(count, "person", "people")
            yield f"{copy.place} has {people} whom {receipt} erased"


def _list_brought_back(copy: Copy, newest: Copy) -> Iterator[str]:
    """Yield what a copy would bring back that the newest one has no more."""
    if copy.book is None or not is_ahead(newest, copy):
        return
    lines = list[str]()
    if newest.book is not None:
        lines += list_differences(copy.book, newest.book)
    elif newest.document is not None and newest.document.key == copy.book.face_key:
        ended = list_ended(copy.book.standing, [newest.document.standing])
        lines += [f"would come back: {copy.book.accesses[each.access]}" for each in ended]
    yield f"by {copy.place}{':' if lines else ' nothing would come back'}"
    yield from lines


# --- reading
# --------------------------------------------------------------------------


Plan = Callable[[Path], Owed]
"""Makes the list of what a restore of a backup has to do. Raises DamagedFile."""


def compare_places(
    settings: Settings, places: Sequence[Path], plan: Plan, *, is_strict: bool = False
) -> Iterator[str]:
    """Yield lines that compare the copies in these places, and change nothing.

    `is_strict`: raise what would stop a restore of a backup, else say it. Raises OperatorError if a
    place holds nothing of a book.
    """
    looking = replace(settings, other_key=OtherKey.IGNORED)
    signed, whole = list[Path](), list[Path]()
    for place in places:
        (signed if _is_signed(place) else whole).append(place)
    documents, sheets, receipts = _read_signed(signed)
    yield from compare_sheets(sheets)
    copies: dict[str, list[Copy]] = {}
    for place in whole:
        with choose_scratch(next(filter(Path.is_dir, whole), place)) as scratch_folder:
            said, found = _read_copies(
                looking, place, receipts, scratch_folder, plan, is_strict=is_strict
            )
        yield from (f"{place}: {line}" for line in said)
        for app_id, copy in found.items():
            copies.setdefault(app_id, []).append(copy)
    for document in documents:
        at = document.standing.at
        one = Copy(document.name, "", document.point, at, document=document)
        copies.setdefault(document.app_id, []).append(one)
    for app_id, of_book in copies.items():
        name = next((copy.tenant for copy in of_book if copy.tenant), app_id)
        yield from (f"{name}: {line}" for line in compare_copies(of_book))
        if len(of_book) == 1 < len(whole):
            yield f"{name}: {of_book[0].place} alone has this book: it would come back as a whole"


class Sheet(Struct, frozen=True):
    """Signed figures of a closed day, week or month. `number`: the higher one replaces others."""

    place: str
    of: str
    number: int
    at: str


def compare_sheets(sheets: Sequence[Sheet]) -> Iterator[str]:
    """Yield lines about signed figures: of which period each is, and which of two is newer."""
    for sheet in sheets:
        yield f"{sheet.place}: {sheet.of}, number {sheet.number}, signed {sheet.at}"
    for sheet, other in combinations(sorted(sheets, key=lambda each: -each.number), 2):
        if sheet.of == other.of and sheet.number > other.number:
            yield f"{sheet.place} is newer than {other.place}"
        elif sheet.of == other.of and sheet.at != other.at:
            yield f"{sheet.place} and {other.place} were closed apart: neither replaces the other"


def _is_signed(place: Path) -> bool:
    if not place.exists():
        raise OperatorError(f"there is no file or folder {place}")
    return place.is_file() and place.suffix == ".json"


def _read_signed(
    files: Sequence[Path],
) -> tuple[list[Document], list[Sheet], dict[str, Receipt]]:
    documents, sheets, receipts = list[Document](), list[Sheet](), dict[str, Receipt]()
    for file in files:
        try:
            document = parse_document(file.read_bytes(), str(file))
            if document is not None:
                documents.append(document)
                continue
            statement, _ = parse_statement(file.read_bytes(), "")
            if str(statement.get("kind")).startswith("figures of "):
                period, number = find_place_in_time(statement)
                of = f"{statement.get('tenant')}, {period.by} {period.name}"
                sheets.append(Sheet(str(file), of, number, str(statement.get("at"))))
                continue
        except InvalidInput as error:
            raise OperatorError(f"{file} is damaged or not signed: {error}") from error
        found = read_receipts([str(file)], ())
        if not found:
            raise OperatorError(
                f"{file} is no document of what stands, closed period or receipt of an erasure"
            )
        receipts[str(file)] = found[0]
    return documents, sheets, receipts


def _read_copies(
    settings: Settings,
    place: Path,
    receipts: Mapping[str, Receipt],
    scratch_folder: Path,
    plan: Plan,
    *,
    is_strict: bool,
) -> tuple[list[str], dict[str, Copy]]:
    """Read a data folder, a database file or a backup: what a restore of it says, and by its id
    each book."""
    with _open_place(settings, place, scratch_folder) as services:
        copies = {
            tenant.app_id: _read_copy(services, tenant, str(place), receipts)
            for tenant in services.tenants.list_all()
        }
        if not place.is_file() or not is_tar(place):
            return [], copies
        try:
            said, books = read_restored_books(services, plan(place))
        except RegularsError as error:
            if is_strict:
                raise
            return [f"a restore stops: {error}"], copies
    return [f"a restore says: {line.replace(str(scratch_folder), 'DIR')}" for line in said], {
        app_id: replace(copies[app_id], book=book) for app_id, book in books.items()
    }


def _read_copy(
    services: Services, tenant: Tenant, place: str, receipts: Mapping[str, Receipt]
) -> Copy:
    chain, again = services.audit.chain, services.erasure.again
    people = again.read_people(tenant.name)
    erased = {
        name: len(named)
        for name, receipt in receipts.items()
        if receipt.app_id == tenant.app_id
        if (named := again.part_faces(tenant, receipt.statement, people.list_named(receipt))[0])
    }
    book = read_book(services, tenant)
    return Copy(
        place,
        tenant.name,
        book.standing.point,
        find_last_act_of(services, tenant.name),
        tuple(element.head.hash for element in chain.list_elements(tenant.name)),
        frozenset(entry.id for entry in chain.list_waiting(tenant.name)),
        book,
        erased=erased,
    )


@contextmanager
def _open_place(settings: Settings, place: Path, scratch_folder: Path) -> Iterator[Services]:
    """Open a data folder, a copy of a database file with the secrets beside it, or the records of a
    backup, while the block lasts. The copy and the records are in a scratch folder."""
    if place.is_dir():
        folder.require_data(place)
        with closing(bootstrap.build(replace(settings, storage=place))) as services:
            yield services
        return
    if read_note(place) is not None:
        raise OperatorError(f"{place} was replaced by a newer database: name the folder instead")
    with place.open("rb") as file:
        is_database = file.read(len(_SQLITE)) == _SQLITE
    if not is_database:
        with open_records(settings, place, scratch_folder) as services:
            yield services
        return
    with open_scratch(scratch_folder) as scratch:
        copy_database(place, scratch / DATABASE)
        if (secrets := place.parent / "secrets").is_dir():
            shutil.copytree(secrets, scratch / "secrets")
        own_settings = replace(settings, storage=scratch, is_trial=True)
        with closing(bootstrap.build(own_settings)) as services:
            yield services
