"""Traces of faces beside their records: pictures, rejected ones, merges, reviews, events, stored answers.

What captures show of somebody is deleted if they show nobody else, else made unrecognisable in the stored picture.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from chalicelib.core import keys
from chalicelib.core.captures import ERASED, Capture, Resolution, Sighting, captured_ms
from chalicelib.core.errors import InvalidInput, Unusable
from chalicelib.core.items import every, retried, write, write_in_parts, write_unless_changed
from chalicelib.core.model import Face, Tenant
from chalicelib.core.ports import Action, Delete, Item, ItemStore, Put, Table, Update, equals, exists
from chalicelib.core.records.captures import capture_from, capture_key, sighting_item
from chalicelib.core.records.faces import face_from
from chalicelib.core.records.merges import merge_deletes, merge_from
from chalicelib.core.records.webhooks import without_name
from chalicelib.core.values import milliseconds, moment
from chalicelib.services.captures.captures import RULES
from chalicelib.services.idempotency import PARTIAL
from chalicelib.services.rooms import UseCase

_AT_ONCE = 8


class DerivedData(UseCase):
    """Traces of faces beside their records. `before_ms`: what came later may be of others with their ids."""

    def of(self, place: str, *, erases: bool) -> Callable[[Tenant, Collection[str], int], object]:
        """Return what takes deleted faces out of a place (core/places). Raises KeyError."""
        taken: dict[str, Callable[[Tenant, Collection[str], int], object]] = {
            "face pictures": self.pictures,
            "negatives": self.rejections,
            "merges": self.merges,
            "stills": lambda tenant, *_: delete_stills(self.book.items, tenant),
            "reviews": self.reviews,
            "duplicates": self.duplicates,
            "outbox": self.events if erases else self.names_in_events,
            "requests": self.answers,
        }
        return taken[place]

    def there(self, tenant: Tenant, faceids: Iterable[str]) -> list[Face]:
        """Return the faces that were enrolled with one of these ids since. Read them after what is theirs, perhaps."""
        found = self.book.items.get_many(keys.FACES, [(tenant.name, faceid) for faceid in faceids])
        return [face_from(item) for item in found if item and item["group"] not in tenant.gone]

    def since(self, tenant: Tenant, faceids: Iterable[str]) -> dict[str, datetime]:
        """Return, by id, when somebody else was enrolled with it: what is stored from then on is that person's."""
        return {face.faceid: face.enrolled_at for face in self.there(tenant, faceids)}

    def pictures(self, tenant: Tenant, faceids: Collection[str], _before_ms: int = 0) -> int:
        """Delete what is in the faces' folders, but for pictures of a face that has one of these ids since."""
        named = {key for face in self.there(tenant, faceids) for key in face.picture_keys}

        def deleted(faceid: str) -> int:
            blobs = self.book.storage.blobs.walk(keys.face_folder(tenant.name, faceid))
            old = [blob.key for blob in blobs if keys.picture_of_thumbnail(blob.key) not in named]
            for key in old:
                self.book.storage.blobs.delete(key)
            return len(old)

        with ThreadPoolExecutor(_AT_ONCE) as threads:  # on AWS each face is three calls to S3
            return sum(threads.map(deleted, faceids))

    def rejections(self, tenant: Tenant, faceids: Collection[str], before_ms: int) -> int:
        """Delete the pictures that were rejected for the faces, of captures of before."""
        deletes: list[Action] = []
        for faceid in faceids:
            low, high = keys.negatives_range(faceid)
            for item in every(self.book.items, keys.NEGATIVES, tenant.name, low=low, high=high):
                if captured_ms(keys.parts_of_negative(item["id"])[1]) <= before_ms:
                    deletes.append(Delete(keys.NEGATIVES, (tenant.name, item["id"])))
        return write_in_parts(self.book.items, deletes)

    def merges(self, tenant: Tenant, faceids: Collection[str], before_ms: int) -> int:
        """Delete the merges that the faces took part in, with their backups."""
        found = map(merge_from, every(self.book.items, keys.MERGES, tenant.name))
        gone = [one for one in found if {one.survivor, one.other} & set(faceids) and milliseconds(one.at) <= before_ms]
        write_in_parts(self.book.items, [action for one in gone for action in merge_deletes(tenant.name, one)])
        return len(gone)

    def reviews(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> int:
        """Delete reviews of the faces, and take the faces out of what others are compared with."""

        def action(item: Item, gone: set[str]) -> Action | None:
            near = item.get("near", [])
            left = [one for one in near if one[0] not in gone]
            if item["faceid"] in gone:
                return Delete(keys.REVIEWS, (tenant.name, item["id"]))
            return (
                Put(keys.REVIEWS, {**item, "near": left}, (exists("still-there"),)) if len(left) < len(near) else None
            )

        return self._walk(tenant, keys.REVIEWS, faceids, action)

    def duplicates(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> int:
        """Delete the pairs that the faces are in."""

        def action(item: Item, gone: set[str]) -> Action | None:
            is_of_them = not gone.isdisjoint(keys.parts_of_duplicate(item["id"]))
            return Delete(keys.DUPLICATES, (tenant.name, item["id"])) if is_of_them else None

        return self._walk(tenant, keys.DUPLICATES, faceids, action)

    def events(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> int:
        """Delete the events about the faces that no hook took yet, those in mailboxes, and those that were given up."""
        names = naming(faceids)

        def action(item: Item, gone: set[str]) -> Action | None:
            is_of_them = not gone.isdisjoint(_named([item["id"], json.loads(item["payload"])], names))
            return Delete(keys.OUTBOX, (tenant.name, item["id"])) if is_of_them else None

        return self._walk(tenant, keys.OUTBOX, faceids, action, "created_at")

    def names_in_events(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> None:
        """Take the name out of each event about the faces that waits: nobody is told who it was."""
        self._walk(tenant, keys.OUTBOX, faceids, without_name, "created_at")

    def answers(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> int:
        """Delete stored answers that name the faces. That of an erasure stays, without them."""
        names = naming(faceids)

        def action(item: Item, gone: set[str]) -> Action | None:
            place, body = (tenant.name, item["request"]), json.loads(item["body"]) if item["code"] != PARTIAL else {}
            if gone.isdisjoint(_named(body, names)):
                return None
            if not body.get("erasures"):
                return Delete(keys.REQUESTS, place)
            left = json.dumps({**body, "success": [], "not_exist": []})
            return Update(keys.REQUESTS, place, (exists("still-there"),), set={"body": left})

        return self._walk(tenant, keys.REQUESTS, faceids, action)

    def rejected_elsewhere(self, tenant: Tenant) -> dict[str, list[str]]:
        """Return the ids of all rejected pictures by their sighting: a person may have been taken for another face."""
        found: dict[str, list[str]] = {}
        for item in every(self.book.items, keys.NEGATIVES, tenant.name):
            found.setdefault(keys.parts_of_negative(item["id"])[1], []).append(item["id"])
        return found

    def forget_rejection(self, tenant: Tenant, id_: str) -> None:
        """Delete a picture that shows the person, and that was rejected for another face."""
        faceid = keys.parts_of_negative(id_)[0]
        fewer = Update(keys.FACES, (tenant.name, faceid), (exists("face-there"),), add={"negatives": -1, "version": 1})
        there = Delete(keys.NEGATIVES, (tenant.name, id_), (exists("rejection-there"),))
        write_unless_changed(self.book.items, [there, fewer])

    def _walk(
        self,
        tenant: Tenant,
        table: Table,
        faceids: Collection[str],
        action: Callable[[Item, set[str]], Action | None],
        at: str = "at",
    ) -> int:
        """Change what a table has of the faces. `action`: makes it of an item and the ids that were theirs `at` then.

        Who has one of the ids since is read after the table.
        """
        found = list(every(self.book.items, table, tenant.name))
        since = self.since(tenant, faceids)
        made = [one for item in found if (one := action(item, _gone(faceids, since, item.get(at, 0))))]
        changes = [one for one in made if not isinstance(one, Delete)]
        deleted = write_in_parts(self.book.items, (one for one in made if isinstance(one, Delete)))
        return deleted + sum(write_unless_changed(self.book.items, [one]) for one in changes)


def delete_stills(items: ItemStore, tenant: Tenant) -> None:
    """Delete what the cameras saw when somebody asked: nobody knows who is on it, and it would be kept for an hour."""
    low, high = keys.stills_range(tenant.name)
    found = every(items, keys.TENANTS, keys.STILL, low=low, high=high)
    write_in_parts(items, [Delete(keys.TENANTS, (keys.STILL, item["id"])) for item in found])


def naming(faceids: Collection[str]) -> re.Pattern[str]:
    """Return a pattern that finds one of the ids in a text, but not as a part of another id."""
    return re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, faceids))})(?![A-Za-z0-9])")


def _gone(faceids: Iterable[str], since: Mapping[str, datetime], at_ms: int) -> set[str]:
    """Return those of the ids that nobody else had at a time."""
    at = moment(at_ms)
    return {one for one in faceids if one not in since or at < since[one]}


def _named(value: Any, names: re.Pattern[str]) -> set[str]:
    return {found for text in _texts(value) for found in names.findall(text)}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(one)


class PictureRedactor(UseCase):
    """The captures that show somebody."""

    def delete_crop(self, tenant: Tenant, camera_id: str, capture_id: str, number: int) -> None:
        """Delete the face that was cut out of a capture, if somebody looked at it."""
        self.book.storage.uploads.delete(keys.crop(tenant.name, camera_id, capture_id, number))

    @retried("this capture is changed by others all the time: send the request again in a moment")
    def hide(self, tenant: Tenant, camera_id: str, capture_id: str, numbers: Collection[int]) -> str:
        """Take these faces out of a capture: its record, its picture, and all that was cut out of it.

        Return what became of the picture: "deleted" if nobody else is on it or it cannot be read, "hidden", or "" if
        there is none. May be cut off anywhere and repeated.
        """
        place, picture = capture_key(tenant.name, camera_id, capture_id), (tenant.name, camera_id, capture_id)
        item = self.book.items.get(keys.CAPTURES, place)
        if item is None:
            return self._deleted(*picture, max(numbers) + 1)
        capture = capture_from(item)
        own = [one for one in capture.sightings if one.number in numbers and one.reason != ERASED]
        if not own:
            return ""
        done, fields = "", dict[str, Any]()
        if _shows_others(capture, item, numbers):
            done, fields = self._hidden(tenant, capture, own)
        done = done or self._deleted(*picture, len(capture.sightings))
        write(self.book.items, [_forgotten(place, capture, item, numbers, fields)])
        return done

    def _deleted(self, tenant: str, camera_id: str, capture_id: str, faces: int) -> str:
        key = keys.capture_picture(tenant, camera_id, capture_id)
        was = self.book.storage.uploads.size(key) is not None
        self.book.storage.uploads.delete(key)
        self._delete_crops(tenant, camera_id, capture_id, faces)
        return "deleted" if was else ""

    def _delete_crops(self, tenant: str, camera_id: str, capture_id: str, faces: int) -> None:
        for part in (keys.WHOLE, *range(faces)):
            self.book.storage.uploads.delete(keys.crop(tenant, camera_id, capture_id, part))

    def _hidden(self, tenant: Tenant, capture: Capture, own: list[Sighting]) -> tuple[str, dict[str, Any]]:
        """Replace the picture. Return "hidden" and the record's new fields; "" if it cannot be read any more."""
        key = keys.capture_picture(tenant.name, capture.camera_id, capture.id)
        before = self.book.storage.uploads.get(key)
        if before is None:
            return "", {}
        vision = self.book.tenant_vision.of(tenant.model)
        try:
            after = vision.hidden(vision.read(before, RULES), [one.box for one in own])
        except (Unusable, InvalidInput):
            return "", {}
        self.book.storage.uploads.replace(key, after, "image/jpeg")
        self._delete_crops(tenant.name, capture.camera_id, capture.id, len(capture.sightings))
        return "hidden", {"size": len(after), "content_type": "image/jpeg"}


def _shows_others(capture: Capture, item: Item, numbers: Collection[int]) -> bool:
    """Return whether anybody else is on the picture, as far as it was looked at."""
    others = [one for one in capture.sightings if one.number not in numbers and one.reason != ERASED]
    return bool(others) or len(item.get("detection", ())) > len(capture.sightings)


def _forgotten(
    place: tuple[str, str], capture: Capture, item: Item, numbers: Collection[int], fields: dict[str, Any]
) -> Update:
    """Return the update that leaves of these sightings the place only, unless others changed the capture."""
    left = [
        Sighting(one.number, Resolution.SKIPPED, one.box, reason=ERASED) if one.number in numbers else one
        for one in capture.sightings
    ]
    changed = {**fields, "sightings": [sighting_item(one) for one in left]}
    if "detection" in item:
        changed["detection"] = [
            {**one, "vector": b"\0" * len(bytes(one["vector"])), "estimates": {}} if number in numbers else one
            for number, one in enumerate(item["detection"])
        ]
    same = tuple(equals(name, item.get(name), "as-it-was-read") for name in ("state", "done", "corrections"))
    return Update(keys.CAPTURES, place, same, set=changed)
