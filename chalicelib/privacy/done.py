"""Acts of the last 30 days, with former values: of one act, a day, a colleague or a name.

The store writes each act's item in the act's own transaction (privacy/audit). The items of somebody
who is deleted, erased or restricted go with that person (privacy/data_map).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.domain.done import KEPT_FOR, ActKind, Done, list_in_the_way
from chalicelib.domain.errors import ActNotFound
from chalicelib.domain.jobs import Job
from chalicelib.domain.names import is_found, make_terms, wanted_words
from chalicelib.privacy.audit_entries import is_by
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import ListPage, PageTokens, delete_in_parts, walk_items
from chalicelib.storage.records.done import done_from
from chalicelib.storage.values import parse_optional

if TYPE_CHECKING:
    from chalicelib.domain.model import Tenant
    from chalicelib.services import Services

_AT_ONCE = 100
"""Acts that one read takes."""


class ActFilter(Struct, frozen=True):
    """A question to the list; None: any.

    `by`: the actor as the audit has it, such as `member 7`. `name`: one that somebody had before or
    after the act. `face`: who is concerned.
    """

    since: datetime | None = None
    until: datetime | None = None
    by: str | None = None
    name: str | None = None
    face: str | None = None


ANY = ActFilter()


class DoneActs(Service["Services"]):
    """The acts of the last 30 days, newest first."""

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job("acts", lambda context: self.forget_expired(context.tenant.name), of_expired=True),
        )

    def forget_expired(self, tenant: str) -> int:
        """Delete the acts of over 30 days ago; return how many. Of storage that expires no items
        by itself.
        """
        items = self.services.items
        stored = walk_items(items, keys.DONE, tenant)
        return delete_in_parts(items, keys.DONE, stored, self.services.clock.now())

    def get(self, tenant: Tenant, id_: str, kinds: Collection[ActKind]) -> Done:
        """Return an act of the last 30 days, of one of these kinds. Raises ActNotFound."""
        item = self.services.items.get(keys.DONE, (tenant.name, id_)) if id_ else None
        act = parse_optional(done_from, item)
        is_wanted = (
            act is not None and act.kind in kinds and act.expires_at > self.services.clock.now()
        )
        if act is not None and is_wanted and self._leave_out_gone_people(tenant, [act]):
            return act
        raise ActNotFound(
            f"there is no act {id_[:40]!r} of the last 30 days that you may do, or it was of "
            "somebody who is not in the book any more"
        )

    def read_page(
        self,
        tenant: Tenant,
        wanted: ActFilter,
        kinds: Collection[ActKind],
        limit: int,
        token: str | None = None,
    ) -> ListPage[Done]:
        """Return a page of the acts of these kinds that pass the filter, newest first.

        It reads a thousand at most, so a page may be short and not be the last. Raises InvalidInput
        if the token is damaged or another query's.
        """
        words = wanted_words(wanted.name) if wanted.name else []
        query = ["done", tenant.name, *map(str, (wanted.since, wanted.until, wanted.by, words))]
        pages = PageTokens(json.dumps([*query, wanted.face, sorted(kinds)]))

        def passes(act: Done) -> bool:
            names = [str(values.get("name", "")) for values in (act.before, act.after)]
            return (
                act.kind in kinds
                and (wanted.by is None or is_by({"by": act.by}, wanted.by))
                and (wanted.face is None or wanted.face in act.faces)
                and (not words or any(is_found(make_terms(name), words) for name in names))
            )

        return pages.make_filtered_page(
            self.list_all(tenant, wanted, pages.parse_position(token, str)),
            _get_id,
            limit,
            lambda acts: self._leave_out_gone_people(tenant, list(filter(passes, acts))),
            _get_id,
        )

    def list_in_the_way(self, tenant: Tenant, act: Done) -> list[Done]:
        """Return the later acts that have to be taken back before this one, newest first."""
        return list_in_the_way(act, list(self.list_all(tenant, ActFilter(since=act.at))))

    def _leave_out_gone_people(self, tenant: Tenant, acts: list[Done]) -> list[Done]:
        """Leave out acts on people who are deleted, erased or restricted, whose items go soon.

        Who became a part of another face is there.
        """
        faceids = {faceid for act in acts for faceid in act.faces}
        gone_faceids = self.services.faces.list_gone(tenant, faceids)
        return [act for act in acts if gone_faceids.isdisjoint(act.faces)]

    def list_all(
        self, tenant: Tenant, wanted: ActFilter = ANY, behind: str | None = None
    ) -> Iterator[Done]:
        """Yield the acts of a time, newest first, from behind an id on."""
        oldest = self.services.clock.now() - KEPT_FOR
        since = max(oldest, wanted.since or oldest)
        stored = walk_items(
            self.services.items,
            keys.DONE,
            tenant.name,
            between=(
                keys.act_time(since),
                None if wanted.until is None else keys.act_time(wanted.until),
            ),
            behind=behind,
            reverse=True,
            page_size=_AT_ONCE,
        )
        return map(done_from, stored)


def _get_id(act: Done) -> str:
    return act.id
