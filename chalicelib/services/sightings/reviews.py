"""What should somebody look at? Regulars whom nobody has named, and matches that were close.

A review is written in the transaction of its event. It is over when somebody is done with it, and when what it asks is
answered otherwise: the face is gone, named or in another group, the sighting is another face's, or its picture is not
kept any more. That is read from face and sighting each time, so no change of them has to think of reviews, and one that
is undone brings the review back. A sweep deletes what is over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial

from chalicelib.core import keys
from chalicelib.core.errors import ConditionFailed, ReviewNotFound
from chalicelib.core.items import Bounds, ListPage, PageTokens, every, parts, require_page_size, write_in_parts
from chalicelib.core.local_time import Span
from chalicelib.core.model import REGULAR, Tenant
from chalicelib.core.observations import ObservationKind, Review, ReviewKind, review_id
from chalicelib.core.ports import Delete, Item, Table, exists
from chalicelib.core.records.observations import review_from
from chalicelib.core.retention import captures_kept
from chalicelib.core.values import milliseconds
from chalicelib.services.idempotency import RequestId
from chalicelib.services.rooms import UseCase

_AT_ONCE = 100
_ID = re.compile(r"[a-z]+-[A-Za-z0-9_-]{1,70}")


class Reviews(UseCase):
    """The reviews. `capture_days`: for how long the deployment keeps the pictures of captures."""

    def page(self, tenant: Tenant, kind: ReviewKind | None, limit: int, token: str | None = None) -> ListPage[Review]:
        """Return a page of open reviews: uncertain sightings by their time, promoted faces by their ids.

        Raises InvalidInput if the limit is not 1 to 100, or the token is damaged.
        """
        require_page_size(limit)
        tokens = PageTokens(f"reviews of {tenant.name}, {kind}")
        between = (None, None) if kind is None else keys.reviews_range(kind)
        stored = self._stored(tenant.name, between, tokens.place(token, str))
        return tokens.filtered(stored, _id, limit, partial(self._open, tenant), _id)

    def uncertain(self, tenant: Tenant, span: Span) -> set[str]:
        """Return the ids of the sightings of a time whose match waits for a review."""
        between = keys.reviews_range(ReviewKind.UNCERTAIN, span.first_ms, span.last_ms)
        return {one.sighting_id for _, still in self._looked_at(tenant, between) for one in still}

    def done(self, tenant: Tenant, id_: str, request: RequestId | None = None) -> None:
        """Forget a review. Raises ReviewNotFound, AnsweredAlready."""
        gone = ReviewNotFound(f"there is no review {id_[:80]!r}: it is done, or what it asked is answered")
        if not _ID.fullmatch(id_):
            raise gone
        try:
            delete = Delete(keys.REVIEWS, (tenant.name, id_), (exists("review-there"),))
            self.book.requests.write(tenant.name, [delete], request)
        except ConditionFailed:
            raise gone from None

    def tidy(self, tenant: Tenant) -> int:
        """Delete the reviews that are over; return how many. May be cut off anywhere and repeated."""
        over = (one for some, still in self._looked_at(tenant) for one in some if one not in still)
        return write_in_parts(self.book.items, (Delete(keys.REVIEWS, (tenant.name, one.id)) for one in over))

    def faces(self, tenant: Tenant) -> set[str]:
        """Return the ids of the faces that open reviews are about."""
        return {one.faceid for _, still in self._looked_at(tenant) for one in still}

    def _looked_at(self, tenant: Tenant, between: Bounds = (None, None)) -> Iterator[tuple[list[Review], list[Review]]]:
        """Yield some reviews at once, and those of them that are not over."""
        for some in parts(self._stored(tenant.name, between), _AT_ONCE):
            yield some, self._open(tenant, some)

    def _stored(self, tenant: str, between: Bounds, behind: str | None = None) -> Iterator[Review]:
        found = every(self.book.items, keys.REVIEWS, tenant, between=between, behind=behind, reverse=True)
        return map(review_from, found)

    def _open(self, tenant: Tenant, reviews: Sequence[Review]) -> list[Review]:
        """Return those of the reviews that are not over."""
        kept = self.book.clock.now() - timedelta(days=captures_kept(tenant, self.book.settings.capture_days))
        young = [one for one in reviews if one.at >= kept]
        faces = self._read(keys.FACES, {one.id: (tenant.name, one.faceid) for one in young})
        uncertain = [one for one in young if one.kind is ReviewKind.UNCERTAIN]
        places = {one.id: keys.observation(tenant.name, milliseconds(one.at), one.sighting_id) for one in uncertain}
        sightings = self._read(keys.OBSERVATIONS, places)
        there = {id_: face for id_, face in faces.items() if face and face["group"] not in tenant.hidden}
        return [one for one in young if _is_open(one, there.get(one.id), sightings.get(one.id))]

    def _read(self, table: Table, places: Mapping[str, tuple[str, str]]) -> dict[str, Item | None]:
        """Read the item of each review's place, by the review's id."""
        unique = list(dict.fromkeys(places.values()))
        held = dict(zip(unique, self.book.items.get_many(table, unique), strict=True)) if unique else {}
        return {id_: held[place] for id_, place in places.items()}


def _id(review: Review) -> str:
    return review.id


def _is_open(review: Review, face: Item | None, sighting: Item | None) -> bool:
    if face is None:
        return False
    if review.kind is ReviewKind.PROMOTED:
        return bool(face["group"] == REGULAR and not face.get("name"))
    return sighting is not None and bool(
        sighting["faceid"] == review.faceid and sighting["kind"] == ObservationKind.SIGHTING
    )


def rejected(tenant: str, sighting_id: str) -> Delete:
    """Return the action that forgets the review of a rejected sighting, if there is one."""
    return Delete(keys.REVIEWS, (tenant, review_id(ReviewKind.UNCERTAIN, sighting_id)))
