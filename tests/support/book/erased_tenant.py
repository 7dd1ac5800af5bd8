"""A tenant that is erased, and what is left of it."""

from chalicelib.privacy.tenant_erasure_progress import UNDER_WAY, TenantErasure, TenantStep
from chalicelib.storage import keys
from tests.support.book.book import Book


def finished(book: Book, name: str = "shop") -> TenantErasure:
    """Do all steps, as the command does."""
    for _ in range(20):
        erasure = book.services.erasure.of_tenants.go_on(name)
        if erasure.next_step is None:
            return erasure
        if erasure.next_step is TenantStep.LATE:
            book.clock.advance(UNDER_WAY)
    raise AssertionError("it has no end")


def traces(book: Book, name: str = "shop") -> list[str]:
    """Where something of the tenant stands in the storage."""
    items = book.storage.items
    return [
        *(
            f"{table.name} {item[table.partition]} {item[table.sort]}"
            for table in keys.TABLES
            for item in items.scan(table)
            if keys.is_of_tenant(table, item, name)
        ),
        *(
            one.key
            for store in (book.storage.blobs, book.storage.uploads)
            for one in store.walk(f"{name}/")
        ),
    ]
