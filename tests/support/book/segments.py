"""The faces of a gallery, as its segments and a search that has just started have them."""

from collections.abc import Iterator

from chalicelib.book.search.galleries import Galleries
from chalicelib.book.search.snapshots.segment import Segment
from chalicelib.services import Services
from chalicelib.storage.items import directory_of


def list_indexed_faces(services: Services, tenant: str) -> Iterator[tuple[str, str, list[bytes]]]:
    """Read each face that a search process finds which has just started."""
    model = directory_of(services.items, tenant)["model"]
    cold = Galleries(services.items, services.storage.blobs)
    yield from faces_of(cold.read_current(tenant, model).view.make_segment(model))


def faces_of(segment: Segment) -> Iterator[tuple[str, str, list[bytes]]]:
    """Yield (faceid, group id, canonical vectors) of each face of a segment."""
    for face in range(len(segment.ids)):
        rows = segment.templates[int(segment.first_row[face]) : int(segment.first_row[face + 1])]
        yield (
            segment.ids[face],
            segment.group_ids[int(segment.face_group[face])],
            [row.tobytes() for row in rows],
        )
