"""Traces of faces beside their records: pictures, rejected ones, merges, reviews, events, stored answers.

What captures show of somebody is deleted if they show nobody else, else made unrecognisable in the stored picture.

A picture is deleted, and its thumbnail with it, if no face, and no merge that can be undone, names it any more: with
its face (erasure), by its own removal (enrolment/update), when it was stored for a change that was refused
(portraits), or here: pictures that a crash left behind. Of a deletion, or a change of a face, that was cut off behind
its commit, the journal tells. Of one that was cut off before it, only the picture's age tells.

Beside it the removal of pictures that were stored before a tenant, or one of its groups, ceased to keep any. What comes
later is not stored (portraits, captures/kept). But a face may move to such a group, and a crash may leave a picture
behind, so all is looked through once a day.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from chalicelib.core import keys
from chalicelib.core.captures import ERASED, RULES, Capture, Resolution, Sighting, captured_ms
from chalicelib.core.chores import STOPS_AT_S
from chalicelib.core.errors import InvalidInput, Unusable
from chalicelib.core.items import every, parts, retried, write, write_in_parts, write_unless_changed
from chalicelib.core.merges import kept_item, merge_deletes, merge_from
from chalicelib.core.model import Face, Tenant
from chalicelib.core.places import Marked
from chalicelib.core.ports import Action, BlobInfo, Delete, Item, ItemStore, Put, Table, Update, equals, exists
from chalicelib.core.records.captures import capture_from, capture_key, sighting_item
from chalicelib.core.records.faces import face_from
from chalicelib.core.values import milliseconds, moment
from chalicelib.core.webhooks import without_name
from chalicelib.services.idempotency import PARTIAL
from chalicelib.services.portraits import unpictured
from chalicelib.services.rooms import UseCase
from chalicelib.services.visits import face_put

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
            for item in every(self.book.items, keys.NEGATIVES, tenant.name, between=keys.negatives_range(faceid)):
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
        """Delete stored answers that name the faces. That of an erasure stays, without them.

        A deletion that was cut off stays as it is for its repeat, which goes on from there.
        """
        names = naming(faceids)

        def action(item: Item, gone: set[str]) -> Action | None:
            place, body = (tenant.name, item["request"]), json.loads(item["body"])
            if (item["code"] == PARTIAL and "erasures" in body) or gone.isdisjoint(_named(body, names)):
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
    found = every(items, keys.TENANTS, keys.STILL, between=keys.stills_range(tenant.name))
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


PICTURE_GRACE = timedelta(hours=6)
"""A picture is written before the transaction that names it. After this long, that transaction has ended."""


LISTED = range(3, 24, 6)
"""The hours, in UTC, whose sweeps list the pictures."""

LOOKED_AT = timedelta(days=1)
"""A sweep looks at pictures up to this age, so at each several times: an older one that nobody names was seen before.

In the first LISTED hour of a month it looks at all, whatever became of the sweeps before.
"""


class OrphanedPictures(UseCase):
    page_size = 1_000

    def delete(
        self, tenant: str, hour: datetime, after: str = "", left_s: Callable[[], float] = lambda: float("inf")
    ) -> str | None:
        """Delete the pictures that no face names, older than 6 hours and up to LOOKED_AT, if the hour is one of LISTED.

        `after`: a picture's key, after which to begin. Return the one after which to go on if the time has run out.
        """
        if hour.hour not in LISTED:
            return None
        is_full = hour.day == 1 and hour.hour == LISTED[0]
        first = datetime.min.replace(tzinfo=UTC) if is_full else self.book.clock.now() - LOOKED_AT
        blobs = self.book.storage.blobs.walk(keys.face_pictures(tenant), after)
        for page in parts(blobs, self.page_size):
            self._delete_unnamed(tenant, [blob for blob in page if blob.stored_at > first])
            if left_s() < STOPS_AT_S:
                return page[-1].key
        return None

    def delete_of(self, tenant: str, faceids: Iterable[str]) -> None:
        """Delete the pictures of these faces, older than 6 hours, that no face names."""
        folders = sorted(keys.face_folder(tenant, faceid) for faceid in faceids)
        while folders:
            blobs = list(islice(self.book.storage.blobs.walk(keys.face_pictures(tenant), folders[0]), self.page_size))
            wanted = set(folders)
            self._delete_unnamed(tenant, [blob for blob in blobs if keys.folder_of_picture(blob.key) in wanted])
            if len(blobs) < self.page_size:
                return
            folders = [one for one in folders[1:] if one >= keys.folder_of_picture(blobs[-1].key)]

    def found(self, tenant: str) -> Iterator[str]:
        """Yield the keys of the pictures older than 6 hours that no face names. Archives are none: they go in hours."""
        for page in parts(self.book.storage.blobs.walk(keys.face_pictures(tenant)), self.page_size):
            yield from (key for key in self._unnamed(tenant, self._old(page)) if not keys.is_archive(key))

    def _old(self, blobs: Iterable[BlobInfo]) -> list[str]:
        limit = self.book.clock.now() - PICTURE_GRACE
        return [blob.key for blob in blobs if blob.stored_at < limit]

    def _delete_unnamed(self, tenant: str, blobs: Iterable[BlobInfo]) -> None:
        for key in self._unnamed(tenant, self._old(blobs)):
            self.book.storage.blobs.delete(key)

    def _unnamed(self, tenant: str, picture_keys: list[str]) -> list[str]:
        """Return the keys that are named by no face, and by no merge that can be undone."""
        left = self._without_named(tenant, picture_keys)
        if left:
            kept = {key for merge in self.book.merges.records.all(tenant) for key in merge.picture_keys}
            left = [key for key in left if keys.picture_of_thumbnail(key) not in kept]
        # Check the faces again: an undo in between may have brought one back.
        return self._without_named(tenant, left)

    def _without_named(self, tenant: str, picture_keys: list[str]) -> list[str]:
        faceids = [keys.faceid_of_picture(tenant, key) for key in picture_keys]
        if not faceids:
            return []
        faces = self.book.items.get_many(keys.FACES, [(tenant, faceid) for faceid in dict.fromkeys(faceids)])
        named = {key for face in faces if face for key in face_from(face).picture_keys}
        return [key for key in picture_keys if keys.picture_of_thumbnail(key) not in named]


_FACES_AT_ONCE, _MERGES_AT_ONCE, _BLOBS_AT_ONCE = 100, 10, 1_000
_DONE = "done"


class PicturesOff(UseCase):
    def tenant(self, tenant: Tenant, hour: datetime, left_s: Callable[[], float]) -> bool:
        """Remove what may not be kept; return False if the time ran out, and another call has to go on.

        What is done is noted: a change of the setting begins anew, and so does each day.
        """
        if tenant.keeps_pictures and not tenant.no_pictures_of:
            return True
        if not tenant.keeps_pictures:
            delete_stills(self.book.items, tenant)
        run = json.dumps([f"{hour:%Y-%m-%d}", tenant.keeps_pictures, sorted(tenant.no_pictures_of)])
        steps = {"faces": self._faces, "merges": self._merges, "captures": self._captures}
        noted = self.book.items.get(keys.DIRECTORY, (tenant.name, keys.UNPICTURED_ITEM))
        first, after = (noted["step"], noted["after"]) if noted and noted["run"] == run else ("faces", "")
        for name in list(steps)[list(steps).index(first) :] if first != _DONE else []:
            for place in steps[name](tenant, after):
                if left_s() < STOPS_AT_S:
                    self._note(tenant, run, name, place)
                    return False
            after = ""
        if first != _DONE:
            self._note(tenant, run, _DONE, "")
        return True

    def _note(self, tenant: Tenant, run: str, step: str, after: str) -> None:
        item = {"tenant": tenant.name, "item": keys.UNPICTURED_ITEM, "run": run, "step": step, "after": after}
        write(self.book.items, [Put(keys.DIRECTORY, item)])

    def _faces(self, tenant: Tenant, after: str) -> Iterator[str]:
        """Take the pictures of faces away, and yield the place after each part. Templates stay."""
        faces = every(self.book.items, keys.FACES, tenant.name, behind=after or None, page_size=_FACES_AT_ONCE)
        for part in parts(faces, _FACES_AT_ONCE):
            for face in map(face_from, part):
                if (after_it := unpictured(tenant, face)) != face:
                    put = face_put(tenant.name, face, replace(after_it, revision=face.revision))
                    if write_unless_changed(self.book.items, [put]):  # else the next day finds it
                        self.book.portraits.discard(face.picture_keys)
            yield part[-1]["faceid"]

    def _merges(self, tenant: Tenant, after: str) -> Iterator[str]:
        """Do the same for the faces that merges keep for their undo, but not of those that came to a held face."""
        held = Marked(self.book.items, tenant.name).spared("merges")
        for part in parts(self.book.merges.records.all(tenant.name, behind=after or None), _MERGES_AT_ONCE):
            for merge in part:
                if merge.kept is None or merge.survivor in held:
                    continue
                if (face := unpictured(tenant, merge.kept.face)) == merge.kept.face:
                    continue
                kept = kept_item(tenant.name, merge.survivor, replace(merge.kept, face=face))
                same = (equals("state", merge.state, "merge-state"),)
                update = Update(keys.MERGES, (tenant.name, merge.id), same, set={"kept": kept})
                if write_unless_changed(self.book.items, [update]):
                    self.book.portraits.discard(merge.kept.face.picture_keys)
            yield part[-1].id

    def _captures(self, tenant: Tenant, after: str) -> Iterator[str]:
        """Delete the pictures of captures, and the faces that were cut out of them; not those that show a held face."""
        for part in parts(self.book.storage.uploads.walk(keys.capture_pictures(tenant.name), after), _BLOBS_AT_ONCE):
            self._forget(tenant, part)
            yield part[-1].key

    def _forget(self, tenant: Tenant, blobs: Sequence[BlobInfo]) -> None:
        places = {blob.key: place for blob in blobs if (place := _capture_of(blob.key))}
        wanted = list(dict.fromkeys(places.values()))
        found = self.book.items.get_many(keys.CAPTURES, [capture_key(tenant.name, *place) for place in wanted])
        captures = [capture_from(item) for item in found if item]
        hidden = {(one.camera_id, one.id) for one in self.book.captures.unpictured.among(tenant, captures)}
        for key, place in places.items():
            if place in hidden:
                self.book.storage.uploads.delete(key)


def _capture_of(key: str) -> tuple[str, str] | None:
    """Read the camera and the capture's id from the key of a capture's picture, or of a face cut out of it."""
    try:
        name = keys.capture_of_crop(key)
    except ValueError:
        with suppress(ValueError):
            return keys.capture_of_picture(key)[1:]
        return None
    return key.split("/")[2], name.rpartition("-")[0]
