"""A book with clients, and its audit."""

from datetime import timedelta
from typing import Any

from chalicelib.domain.model import Credentials
from tests.support.api.stage import make_stage
from tests.support.api.v1.client import V1Client
from tests.support.book.book import Book
from tests.support.fakes import photo

HOUR = timedelta(hours=1)


class Shop(Book):
    """A book with a client of v1 and a camera's, and its audit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.credentials: Credentials = self.services.tenants.rotate_keys("shop")
        self.app = make_stage(self.services).app

    @property
    def v1(self) -> V1Client:
        # so that entries are in the order of the calls
        self.clock.advance(timedelta(milliseconds=1))
        return V1Client(self.app, self.credentials.api_key)

    def open(self) -> list[dict[str, Any]]:
        """The entries that wait as items."""
        return [
            dict(one.leaf.content or {}) for one in self.services.audit.chain.list_waiting("shop")
        ]

    def last(self) -> dict[str, Any]:
        return self.open()[-1]

    def closed(self) -> list[dict[str, Any]]:
        """Close all hours so far; return all entries."""
        self.clock.advance(2 * HOUR)
        self.services.audit.chain.close_hours("shop")
        chain = self.services.audit.chain
        leaves = [leaf for one in chain.list_elements("shop") for leaf in chain.read_leaves(one)]
        assert self.services.audit.verifying.verify_tenant("shop").findings == []
        return [dict(leaf.content or {}) for leaf in leaves]

    def enrol(self, seed: int, id_: str) -> None:
        reply = self.v1.send(
            "POST", "/v1/faces", {"group": "regular", "id": id_, "picture": photo(seed)}
        )
        assert reply.status == 201, reply.body
