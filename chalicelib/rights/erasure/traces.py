"""Which traces do faces leave beside their records? Rejected pictures, merges, reviews, events, stored answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from chalicelib.book.idempotency import PARTIAL
from chalicelib.book.records.merges import merge_deletes
from chalicelib.book.rules.visits import KEPT_MS
from chalicelib.book.words import keys
from chalicelib.book.words.captures import (
    captured_ms,
    parts_of_sighting,
)
from chalicelib.book.words.chores import STOPS_AT_S
from chalicelib.book.words.items import (
    delete_in_parts,
    walk_items,
    write_in_parts,
    write_unless_changed,
)
from chalicelib.book.words.model import MEMORY, Tenant
from chalicelib.book.words.ports import Action, Delete, Item, ItemStore, Put, Table, Update, equals, exists
from chalicelib.book.words.values import make_ids_pattern, milliseconds, moment, texts_of
from chalicelib.book.words.webhooks import without_name, without_people
from chalicelib.rights.outside import Outside
from chalicelib.rights.words.places import Marked


class Traces(Outside):
    """Traces of faces beside their records. `before_ms`: what came later may be of others with their ids."""

    def find_eraser(self, place_name: str, *, erases: bool) -> Callable[[Tenant, Collection[str], int], object]:
        """Return the function that takes deleted faces out of a place (rights/words/places). Raises KeyError."""
        erasers: dict[str, Callable[[Tenant, Collection[str], int], object]] = {
            "face pictures": lambda tenant, faceids, _: self.book.deletion.empty_folders(tenant, faceids),
            "negatives": self.delete_rejections,
            "merges": self.delete_merges,
            "stills": lambda tenant, *_: delete_stills(self.book.items, tenant),
            "reviews": self.delete_reviews,
            "duplicates": self.delete_duplicates,
            "hooks": self.remove_from_hooks,
            "outbox": self.delete_events if erases else self.remove_names_from_events,
            "requests": self.delete_answers,
        }
        return erasers[place_name]

    def read_later_enrolments(self, tenant: Tenant, faceids: Iterable[str]) -> dict[str, datetime]:
        """Return, by id, when somebody else was enrolled with it: what is stored from then on is that person's."""
        present_faces = self.book.faces.by_id(tenant, faceids, restricted=True)
        return {faceid: face.enrolled_at for faceid, face in present_faces.items()}

    def delete_rejections(self, tenant: Tenant, faceids: Collection[str], before_ms: int) -> None:
        """Delete the pictures that were rejected for these faces and captured until `before_ms`."""
        stored_items = (
            item
            for faceid in faceids
            for item in walk_items(self.book.items, keys.NEGATIVES, tenant.name, between=keys.negatives_range(faceid))
        )
        old = (item for item in stored_items if captured_ms(keys.parts_of_negative(item["id"])[1]) <= before_ms)
        delete_in_parts(self.book.items, keys.NEGATIVES, old)

    def delete_merges(self, tenant: Tenant, faceids: Collection[str], before_ms: int) -> None:
        """Delete the merges that the faces took part in, with their backups."""
        merges = self.book.merges.records.list_all(tenant.name)
        removed_merges = [
            merge
            for merge in merges
            if {merge.survivor, merge.other} & set(faceids) and milliseconds(merge.at) <= before_ms
        ]
        write_in_parts(
            self.book.items, [action for merge in removed_merges for action in merge_deletes(tenant.name, merge)]
        )

    def delete_reviews(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> None:
        """Delete reviews of the faces, and take the faces out of what others are compared with."""

        def make_action(item: Item, gone_ids: set[str]) -> Action | None:
            if item["faceid"] in gone_ids:
                return Delete(keys.REVIEWS, (tenant.name, item["id"]))
            near = item.get("near", [])
            others = [scored for scored in near if scored[0] not in gone_ids]  # face and score
            if len(others) == len(near):
                return None
            return Put(keys.REVIEWS, {**item, "near": others}, (exists("still-there"),))

        self._rewrite_items(tenant, keys.REVIEWS, faceids, make_action)

    def delete_duplicates(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> None:
        """Delete the pairs that the faces are in."""

        def make_action(item: Item, gone_ids: set[str]) -> Action | None:
            is_of_them = not gone_ids.isdisjoint(keys.parts_of_duplicate(item["id"]))
            return Delete(keys.DUPLICATES, (tenant.name, item["id"])) if is_of_them else None

        self._rewrite_items(tenant, keys.DUPLICATES, faceids, make_action)

    def remove_from_hooks(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> None:
        """Take the faces out of what hooks tell of."""
        if any(item.get("people") for item in walk_items(self.book.items, keys.HOOKS, tenant.name)):
            self._rewrite_items(tenant, keys.HOOKS, faceids, without_people, "created_at")

    def delete_events(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> None:
        """Delete the events about the faces that no hook took yet, those in mailboxes, and those that were given up."""
        ids = make_ids_pattern(faceids)

        def make_action(item: Item, gone_ids: set[str]) -> Action | None:
            is_of_them = not gone_ids.isdisjoint(_find_ids([item["id"], json.loads(item["payload"])], ids))
            return Delete(keys.OUTBOX, (tenant.name, item["id"])) if is_of_them else None

        self._rewrite_items(tenant, keys.OUTBOX, faceids, make_action, "created_at")

    def remove_names_from_events(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> None:
        """Take the name out of each event about the faces that waits: nobody is told the name."""
        self._rewrite_items(tenant, keys.OUTBOX, faceids, without_name, "created_at")

    def delete_answers(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> None:
        """Delete stored answers that name the faces. That of an erasure stays, without them.

        A deletion that was cut off stays as it is for its repeat, which goes on from there.
        """
        ids = make_ids_pattern(faceids)

        def make_action(item: Item, gone_ids: set[str]) -> Action | None:
            answer_key, body = (tenant.name, item["request"]), json.loads(item["body"])
            if (item["code"] == PARTIAL and "erasures" in body) or gone_ids.isdisjoint(_find_ids(body, ids)):
                return None
            if not body.get("erasures"):
                return Delete(keys.REQUESTS, answer_key)
            nameless_body = json.dumps({**body, "success": [], "not_exist": []})
            return Update(keys.REQUESTS, answer_key, (exists("still-there"),), set={"body": nameless_body})

        self._rewrite_items(tenant, keys.REQUESTS, faceids, make_action)

    def list_rejections_by_sighting(self, tenant: Tenant) -> dict[str, list[str]]:
        """Return the ids of all rejected pictures by their sighting: a person may have been taken for another face."""
        ids_by_sighting: dict[str, list[str]] = {}
        for item in walk_items(self.book.items, keys.NEGATIVES, tenant.name):
            ids_by_sighting.setdefault(keys.parts_of_negative(item["id"])[1], []).append(item["id"])
        return ids_by_sighting

    def forget_rejection(self, tenant: Tenant, id_: str) -> None:
        """Delete a picture that shows the person, and that was rejected for another face."""
        faceid = keys.parts_of_negative(id_)[0]
        count_update = Update(
            keys.FACES, (tenant.name, faceid), (exists("face-there"),), add={"negatives": -1, "version": 1}
        )
        rejection_delete = Delete(keys.NEGATIVES, (tenant.name, id_), (exists("rejection-there"),))
        write_unless_changed(self.book.items, [rejection_delete, count_update])

    def forget_memories(self, tenant: Tenant, remaining_s: Callable[[], float] = lambda: float("inf")) -> bool:
        """Delete from old rejections what taking them back would need, since that is refused by then.

        Their templates stay, so that the face matches no such picture. Return False if the time ran out, and another
        call has to go on.
        """
        refused_before_ms = milliseconds(self.book.clock.now()) - KEPT_MS
        spared_faceids = Marked(self.book.items, tenant.name).list_spared_faces("negatives")
        for item in walk_items(self.book.items, keys.NEGATIVES, tenant.name):
            faceid, sighting = keys.parts_of_negative(item["id"])
            without_memory = {name: value for name, value in item.items() if name not in MEMORY}
            if (
                without_memory == item
                or faceid in spared_faceids
                or captured_ms(parts_of_sighting(sighting)[0]) >= refused_before_ms
            ):
                continue
            if_same = (equals("templates", item["templates"], "templates-same"),)  # reembed may add one meanwhile
            # If it was changed, the next night does it.
            write_unless_changed(self.book.items, [Put(keys.NEGATIVES, without_memory, if_same)])
            if remaining_s() < STOPS_AT_S:
                return False
        return True

    def _rewrite_items(
        self,
        tenant: Tenant,
        table: Table,
        faceids: Collection[str],
        make_action: Callable[[Item, set[str]], Action | None],
        time_field: str = "at",
    ) -> None:
        """Change or delete the items of a table that name erased faces.

        Somebody else may be enrolled with an erased face's id. An item counts for an id only if it is older than that,
        by `time_field`. Enrolments are read after the items: then none of a later person is taken for an erased one's.
        `make_action` gets an item and the ids that count, and returns what is to be done with the item, if anything.
        """
        items = list(walk_items(self.book.items, table, tenant.name))
        enrolled_at = self.read_later_enrolments(tenant, faceids)
        actions = [make_action(item, _list_ids_at(item.get(time_field, 0), faceids, enrolled_at)) for item in items]
        write_in_parts(self.book.items, (action for action in actions if isinstance(action, Delete)))
        # A change has a condition: an item that changed or went meanwhile has been seen to by somebody else.
        for change in (action for action in actions if action is not None and not isinstance(action, Delete)):
            write_unless_changed(self.book.items, [change])


def delete_stills(items: ItemStore, tenant: Tenant) -> None:
    """Delete what the cameras saw on request: the people on it are unknown, and it would be kept for an hour."""
    found_items = walk_items(items, keys.TENANTS, keys.STILL, between=keys.stills_range(tenant.name))
    delete_in_parts(items, keys.TENANTS, found_items)


def _list_ids_at(at_ms: int, faceids: Iterable[str], enrolled_at: Mapping[str, datetime]) -> set[str]:
    """Return those of the ids that nobody else had at a time. `enrolled_at`: since when others have some of them."""
    at = moment(at_ms)
    return {faceid for faceid in faceids if faceid not in enrolled_at or at < enrolled_at[faceid]}


def _find_ids(value: Any, ids: re.Pattern[str]) -> set[str]:
    """Return the ids in all texts of a JSON value. `ids`: as `make_ids_pattern` makes it."""
    return {id_ for text in texts_of(value) for id_ in ids.findall(text)}
