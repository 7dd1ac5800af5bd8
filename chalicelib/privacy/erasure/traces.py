"""Traces that faces leave beside their records: rejected pictures, merges, reviews, events, stored
answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.domain.captures import captured_ms, parts_of_sighting
from chalicelib.domain.jobs import STOPS_AT_S
from chalicelib.domain.model import MEMORY, Tenant
from chalicelib.domain.rules.visits import KEPT_MS
from chalicelib.privacy.data_map import DataCategory, Marked, Step, TakeOut, done_in
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    delete_in_parts,
    walk_items,
    write_in_parts,
    write_unless_changed,
)
from chalicelib.storage.ports import Delete, ItemStore, Put, equals, exists
from chalicelib.storage.records.done import done_from
from chalicelib.storage.records.faces import face_update
from chalicelib.storage.records.merges import merge_deletes
from chalicelib.storage.values import milliseconds, moment

if TYPE_CHECKING:
    from chalicelib.services import Services


class Traces(Service["Services"]):
    """Traces of faces beside their records.

    `before_ms`: what came later may be of others with their ids.
    """

    def erase(
        self, tenant: Tenant, step: Step, faceids: Collection[str], before_ms: int, *, erases: bool
    ) -> None:
        """Take deleted faces out of the places of a step. `erases`: the step is an erasure's."""
        erasers: Mapping[str, Callable[[Tenant, Collection[str], int], object]] = {
            "face pictures": lambda tenant, faceids, _: self.services.deletion.empty_folders(
                tenant, faceids
            ),
            "negatives": self.delete_rejections,
            "merges": self.delete_merges,
            "stills": lambda tenant, *_: delete_stills(self.services.items, tenant),
        }
        for place, fate in done_in(step, erases=erases):
            if fate.take_out is None:
                erasers[place.name](tenant, faceids, before_ms)
            else:
                self._take_out(tenant, place, fate.take_out, frozenset(faceids))

    def read_later_enrolments(self, tenant: Tenant, faceids: Iterable[str]) -> dict[str, datetime]:
        """Return, by id, when another person was enrolled with it: data stored from then on belong
        to that person."""
        present_faces = self.services.faces.by_id(tenant, faceids, restricted=True)
        return {faceid: face.enrolled_at for faceid, face in present_faces.items()}

    def delete_rejections(self, tenant: Tenant, faceids: Collection[str], before_ms: int) -> None:
        """Delete the pictures that were rejected for these faces and captured until `before_ms`."""
        stored_items = (
            item
            for faceid in faceids
            for item in walk_items(
                self.services.items,
                keys.NEGATIVES,
                tenant.name,
                between=keys.negatives_range(faceid),
            )
        )
        old = (
            item
            for item in stored_items
            if captured_ms(keys.parts_of_negative(item["id"])[1]) <= before_ms
        )
        delete_in_parts(self.services.items, keys.NEGATIVES, old)

    def delete_merges(self, tenant: Tenant, faceids: Collection[str], before_ms: int) -> None:
        """Delete the merges that the faces took part in, with their backups."""
        merges = self.services.merges.records.list_all(tenant.name)
        removed_merges = [
            merge
            for merge in merges
            if {merge.survivor, merge.other} & set(faceids) and milliseconds(merge.at) <= before_ms
        ]
        write_in_parts(
            self.services.items,
            [action for merge in removed_merges for action in merge_deletes(tenant.name, merge)],
        )

    def delete_acts_of_names(self, tenant: Tenant, names: Collection[str], before_ms: int) -> None:
        """Delete the acts until `before_ms` by which a face got or lost one of these names, also of
        another person who got the name by mistake."""
        items = walk_items(self.services.items, keys.DONE, tenant.name)
        named_items = (
            item for item in items if item["at"] <= before_ms and done_from(item).gave_name(names)
        )
        delete_in_parts(self.services.items, keys.DONE, named_items)

    def list_rejections_by_sighting(self, tenant: Tenant) -> dict[str, list[str]]:
        """Return the ids of all rejected pictures by their sighting: a person may have been matched
        to another face."""
        ids_by_sighting: dict[str, list[str]] = {}
        for item in walk_items(self.services.items, keys.NEGATIVES, tenant.name):
            ids_by_sighting.setdefault(keys.parts_of_negative(item["id"])[1], []).append(item["id"])
        return ids_by_sighting

    def forget_rejection(self, tenant: Tenant, id_: str) -> None:
        """Delete a picture that shows the person, and that was rejected for another face."""
        faceid = keys.parts_of_negative(id_)[0]
        count_update = face_update(tenant.name, faceid, exists("face-there"), add={"negatives": -1})
        rejection_delete = Delete(keys.NEGATIVES, (tenant.name, id_), (exists("rejection-there"),))
        write_unless_changed(self.services.items, [rejection_delete, count_update])

    def forget_memories(
        self, tenant: Tenant, remaining_s: Callable[[], float] = lambda: float("inf")
    ) -> bool:
        """Delete from old rejections the data for taking them back, which is refused by then.

        Their templates stay, so that the face matches no such picture. Return False if the time ran
        out, and another call has to go on.
        """
        refused_before_ms = milliseconds(self.services.clock.now()) - KEPT_MS
        spared_faceids = Marked(self.services.items, tenant.name).list_spared_faces("negatives")
        for item in walk_items(self.services.items, keys.NEGATIVES, tenant.name):
            faceid, sighting = keys.parts_of_negative(item["id"])
            without_memory = {name: value for name, value in item.items() if name not in MEMORY}
            if (
                without_memory == item
                or faceid in spared_faceids
                or captured_ms(parts_of_sighting(sighting)[0]) >= refused_before_ms
            ):
                continue
            # reembed may add one meanwhile
            if_same = (equals("templates", item["templates"], "templates-same"),)
            # If it was changed, the next night does it.
            write_unless_changed(
                self.services.items, [Put(keys.NEGATIVES, without_memory, if_same)]
            )
            if remaining_s() < STOPS_AT_S:
                return False
        return True

    def _take_out(
        self, tenant: Tenant, place: DataCategory, take_out: TakeOut, faceids: frozenset[str]
    ) -> None:
        """Take erased faces out of the items of a table.

        Somebody else may be enrolled with an erased face's id. An item counts for an id only if it
        is older than that, by `place.time`. Enrolments are read after the items: then none of a
        later person is taken for an erased one's.
        """
        items = [
            item
            for item in place.walk_items(self.services.items, tenant.name)
            if take_out(item, faceids)
        ]
        enrolled_at = self.read_later_enrolments(tenant, faceids) if items else {}
        ids_by_item = (
            (item, _list_ids_at(item.get(place.time, 0), faceids, enrolled_at)) for item in items
        )
        actions = [take_out(item, ids) for item, ids in ids_by_item if ids]
        write_in_parts(
            self.services.items, (action for action in actions if isinstance(action, Delete))
        )
        # A change has a condition: an item that changed or went meanwhile has been seen to by
        # somebody else.
        for change in (
            action for action in actions if action is not None and not isinstance(action, Delete)
        ):
            write_unless_changed(self.services.items, [change])


def delete_stills(items: ItemStore, tenant: Tenant) -> None:
    """Delete the cameras' stills: the people on them are unknown, and they would be kept for an
    hour."""
    found_items = walk_items(
        items, keys.TENANTS, keys.STILL, between=keys.stills_range(tenant.name)
    )
    delete_in_parts(items, keys.TENANTS, found_items)


def _list_ids_at(
    at_ms: int, faceids: Iterable[str], enrolled_at: Mapping[str, datetime]
) -> frozenset[str]:
    """Return those of the ids that nobody else had at a time.

    `enrolled_at`: since when others have some of them.
    """
    at = moment(at_ms)
    return frozenset(
        faceid for faceid in faceids if faceid not in enrolled_at or at < enrolled_at[faceid]
    )
