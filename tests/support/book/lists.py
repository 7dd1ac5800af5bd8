"""Whom the lists of a book show."""

from chalicelib.domain.observations import EVERYTHING
from chalicelib.privacy.erasure_progress import is_erased
from chalicelib.storage.items import FaceOrder
from chalicelib.storage.records.observations import STORABLE
from tests.support.book.book import Book


def listed(book: Book) -> set[str]:
    """The faces that any list shows."""
    faces, tenant = book.services.faces, book.tenant
    found = {face.faceid for face in faces.search_by_name(tenant, "lee", 10).rows}
    for order in FaceOrder:
        found |= {face.faceid for face in faces.lists.read_page(tenant, None, order, 100).rows}
        found |= set(faces.lists.list_ids(tenant, None, order).ids)
    for group in ("regular", "stranger"):
        found |= {face.faceid for face in faces.read_page(tenant, group, 1, 100).faces}
        found |= {face.faceid for face in faces.list_longest_away(tenant, group, 10).faces}
    found |= {face.faceid for face in book.services.consents.read_page(tenant, None, 100).rows}
    found |= {
        one.faceid
        for one in book.services.statistics.observations.read_page(
            tenant, EVERYTHING, STORABLE, 9
        ).observations
    }
    found |= {
        one.first.faceid
        for one in book.services.sightings.arrivals.read_page(tenant, EVERYTHING, STORABLE).rows
    }
    return {faceid for faceid in found if not is_erased(faceid)}
