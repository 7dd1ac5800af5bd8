"""A search that finds the same whatever it is asked."""

import numpy as np

from chalicelib.domain.model import Candidate
from chalicelib.domain.rules.decision import SearchAnswer, SearchRequest

FOUND = SearchAnswer(
    seq=2**53 + 1,
    gallery_size=30_000,
    candidates=(
        (Candidate("f1", "g1", 0.1 + 0.2), Candidate("日本", "🙂", float(np.nextafter(1.0, 2.0)))),
        (),
        (Candidate("f2", "g2", -5e-324),),
    ),
    templates=((bytes(range(256)) * 2, b""), (), (b"\0\xff",)),
)


class FakeSearch:
    """Finds the same whatever it is asked, or raises, and remembers the question."""

    def __init__(self, found: SearchAnswer | Exception = FOUND) -> None:
        self.found = found
        self.asked: tuple[str, SearchRequest] | None = None

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        self.asked = tenant, request
        if isinstance(self.found, Exception):
            raise self.found
        return self.found
