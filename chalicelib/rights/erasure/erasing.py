"""What follows a deletion: an erasure leaves nothing of the person; a plain deletion no template, name, age or gender.

The transaction that deletes the faces stores the record. Its steps are then done by the function that a message calls,
and by each sweep, until they are done: each may be cut off anywhere and repeated. At the end of an erasure stands a
receipt, signed with the tenant's key (docs/decisions/0049).

Traces of faces lie beside their records: pictures, rejected ones, merges, reviews, events, stored answers. Captures
that show this person alone are deleted; in others the face is made unrecognisable.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import accumulate, groupby
from typing import Any

from msgspec.structs import replace

from chalicelib.book.commit import Change, face_change
from chalicelib.book.idempotency import PARTIAL
from chalicelib.book.records.captures import capture_from, require_no_erasure, sighting_item
from chalicelib.book.records.merges import IN_FLIGHT, MAX_MERGES, PHOTOS, MergeBackup, kept_update, merge_deletes
from chalicelib.book.records.observations import STORABLE
from chalicelib.book.rules.visits import KEPT_MS
from chalicelib.book.words import keys
from chalicelib.book.words.captures import (
    ERASED,
    RULES,
    Capture,
    Resolution,
    Sighting,
    captured_ms,
    parts_of_sighting,
    sighting_id,
)
from chalicelib.book.words.chores import STOPS_AT_S
from chalicelib.book.words.duties import FULL, MOST_LEAVING
from chalicelib.book.words.errors import (
    Busy,
    ConditionFailed,
    ErasureNotFound,
    FaceMerged,
    FaceNotFound,
    InvalidInput,
    StorageUnavailable,
    Unusable,
)
from chalicelib.book.words.items import (
    ListPage,
    PageTokens,
    delete_in_parts,
    every,
    parts,
    retry_if_changed,
    write,
    write_in_parts,
    write_unless_changed,
)
from chalicelib.book.words.local_time import LocalTime, Span
from chalicelib.book.words.model import MEMORY, Face, Labels, Picture, Tenant
from chalicelib.book.words.observations import ChangedObservation, Observation, ObservationKind, is_of
from chalicelib.book.words.pictures import Box
from chalicelib.book.words.ports import Action, Delete, Item, ItemStore, Put, Table, Update, absent, equals, exists
from chalicelib.book.words.values import milliseconds, moment, photo_id, texts_of, time_ordered_id, time_text
from chalicelib.book.words.webhooks import without_name, without_people
from chalicelib.rights.outside import Outside
from chalicelib.rights.words import erasures
from chalicelib.rights.words.erasures import (
    COUNT,
    HASHED,
    MOST_NAMED,
    Erasure,
    add_face_hashes,
    erasure_from,
    erasure_item,
    names_of,
    receipt_name,
    statement,
)
from chalicelib.rights.words.places import Marked, Step, done_in
from chalicelib.rights.words.signing import canonical_json

_A_TRANSACTION = 20
"""Observations that get another name in one transaction: each is deleted and put anew."""
_JOINED = MOST_LEAVING - 1 - MAX_MERGES
"""Faces in records that are made one: a face that they are cut at comes with those that were merged into it."""
_APART_S = 60
"""Seconds until an erasure looks again whether its group has been erased."""
_ID = re.compile(r"[0-9]{1,20}")


class Erasures(Outside):
    """The records of erasures, and of the steps after deletions.

    `a_record`: the most faces that the record of an erasure names.
    """

    a_record: int = MOST_NAMED

    def of(
        self, tenant: Tenant, faces: Sequence[Face], by: str, *, erases: bool, asked_at: datetime | None = None
    ) -> Erasure:
        """Make the record of faces that are about to be deleted: of all that later nobody could find by them.

        `asked_at`: when it was asked for first, if a backup brought them back.
        """
        now = self.book.clock.now()
        absorbed = [one for face in faces for one in self.book.merges.records.below(tenant.name, face.faceid)]
        faceids = (*(face.faceid for face in faces), *(one.other for one in absorbed if one.is_same_person))
        # What is erased again has a receipt that is kept outside already.
        new = Erasure(time_ordered_id(now), asked_at or now, by, erases, is_told=asked_at is not None)
        erasure = replace(new, faceids=tuple(dict.fromkeys(faceids)), number=len(faces))
        if not erases:
            return erasure
        given = [one.kept.face for one in absorbed if one.is_active and one.kept is not None]
        names = {name for face in (*faces, *given) for name in names_of(face)}
        return replace(_add_pseudonym(erasure), hashes=self.hash_contents([*faces, *given]), names=tuple(sorted(names)))

    def of_gone(self, faceid: str, by: str, asked_at: datetime | None = None) -> Erasure:
        """Make the record of a face that was deleted before. `asked_at`: as `of` has it."""
        now = self.book.clock.now()
        return _add_pseudonym(
            Erasure(time_ordered_id(now), asked_at or now, by, True, (faceid,), 1, is_told=asked_at is not None)
        )

    def make_put_actions(self, tenant: Tenant, *erasures: Erasure) -> list[Action]:
        """Return the actions that store new records, in one transaction."""
        new = (absent("erasure-new"),)
        puts = [Put(keys.ERASURES, erasure_item(tenant.name, erasure), new) for erasure in erasures]
        is_refusing = any(erasure.erases for erasure in erasures)
        return [*puts, self.book.erasure.refusals.make_mark(tenant.name)] if is_refusing else [*puts]

    def announce(self, tenant: str, erasure: Erasure, delay_s: int = 0) -> None:
        """Send the message for the next step. If it is lost, the sweep goes on."""
        self.book.wake(tenant, delay_s, erasure=erasure.id)

    def get(self, tenant: str, id_: str) -> Erasure:
        """Read an erasure. Raises ErasureNotFound."""
        item = self.book.items.get(keys.ERASURES, (tenant, id_)) if _ID.fullmatch(id_) else None
        if item is None or not item["erases"]:
            raise ErasureNotFound(f"there is no erasure {id_[:40]!r}: see the list of erasures")
        return erasure_from(item)

    def whole(self, tenant: str, id_: str) -> list[Erasure]:
        """Read an erasure, and the further records in which it goes on. Raises ErasureNotFound."""
        found = [self.get(tenant, id_)]
        with suppress(ErasureNotFound):
            while not (further := self.get(tenant, str(int(found[-1].id) + 1))).number:
                found.append(further)
        return found

    def page(self, tenant: str, limit: int, token: str | None = None) -> ListPage[Erasure]:
        """Return a page of erasures, newest first.

        Raises InvalidInput if the token is damaged.
        """
        pages = PageTokens(f"erasures of {tenant}")
        behind = pages.place(token, str)
        stored = every(self.book.items, keys.ERASURES, tenant, behind=behind, reverse=True, page_size=limit + 1)
        return pages.first((erasure_from(item) for item in stored if item["erases"]), limit, lambda one: one.id)

    def all(self, tenant: str) -> Iterator[Erasure]:
        """Yield all records, oldest first."""
        return map(erasure_from, every(self.book.items, keys.ERASURES, tenant))

    def list_unfinished(self, tenant: str) -> Iterator[Erasure]:
        """Yield the records that have steps left, oldest first."""
        return (one for one in self.all(tenant) if one.done_at is None)

    def tenant(self, tenant: Tenant, left_s: Callable[[], float] = lambda: float("inf")) -> None:
        """Go on with all that is unfinished. An erasure that needs more time, or has to wait, gets a message.

        Then the witness gets the receipts that it has not. Raises its errors.
        """
        found = list(self.all(tenant.name))
        unfinished = [one for one in found if one.done_at is None]
        joined = self._join(tenant, unfinished)
        for erasure in (one for one in unfinished if one.id not in joined):
            if left_s() < STOPS_AT_S:
                self.announce(tenant.name, erasure)
            else:
                self.go_on(tenant, erasure.id, left_s)
        for erasure in found:
            self._tell(tenant, erasure)

    def go_on(self, tenant: Tenant, id_: str, left_s: Callable[[], float] = lambda: float("inf")) -> None:
        """Do the steps that are left. May be cut off anywhere, and called again, also by two at once."""
        while True:
            item = self.book.items.get(keys.ERASURES, (tenant.name, id_))
            if item is None or item.get("done_at") is not None:
                return None
            erasure = erasure_from(item)
            wait_s = (erasure.goes_on_at - self.book.clock.now()).total_seconds()
            if wait_s > 0:
                return self.announce(tenant.name, erasure, int(wait_s) + 1)
            if erasure.next_step is Step.GALLERY and self._is_stored(tenant, erasure):
                return self.announce(tenant.name, erasure, _APART_S)
            if not self._step(tenant, erasure, left_s):
                return self.announce(tenant.name, erasure)

    def hash_contents(self, faces: Iterable[Face]) -> Mapping[str, tuple[str, ...]]:
        """Return SHA-256 of what faces consist of: their templates, and their pictures with the small ones."""
        templates = {one.vector for face in faces for picture in face.pictures for one in picture.templates}
        stored = {key for face in faces for key in face.picture_keys}
        pictures = [self.book.storage.blobs.get(one) for key in sorted(stored) for one in (key, keys.thumbnail(key))]
        return {
            "templates": tuple(sorted(hashlib.sha256(one).hexdigest() for one in templates)),
            "pictures": tuple(hashlib.sha256(one).hexdigest() for one in pictures if one is not None),
        }

    def _join(self, tenant: Tenant, unfinished: Iterable[Erasure]) -> set[str]:
        """Make one record of those of strangers who went for others: the steps of each read a lot.

        Return the ids of the records that are in others now.
        """
        done = set[str]()
        new = sorted((one for one in unfinished if one.by == FULL and not one.step), key=lambda one: one.erases)
        ends = accumulate(len(one.faceids) for one in new)
        for _, some in groupby(zip(new, ends, strict=True), key=lambda one: (one[0].erases, one[1] // _JOINED)):
            *others, last = all_ = [one for one, _ in some]
            joined = replace(
                last,
                faceids=tuple(faceid for one in all_ for faceid in one.faceids),
                number=sum(one.number for one in all_),
                names=tuple(sorted({name for one in all_ for name in one.names})),
                hashes={kind: tuple(of for one in all_ for of in one.hashes.get(kind, ())) for kind in HASHED},
            )
            same = (equals("step", 0, "step-same"),)
            gone = [Delete(keys.ERASURES, (tenant.name, one.id), same) for one in others]
            put = Put(keys.ERASURES, erasure_item(tenant.name, joined), same)
            if gone and write_unless_changed(self.book.items, [put, *gone]):
                done |= {one.id for one in others}
        return done

    def _is_stored(self, tenant: Tenant, erasure: Erasure) -> bool:
        """Tell if a face of the erasure is of a deleted group that has not been erased so far (deletion)."""
        places = [(tenant.name, faceid) for faceid in erasure.faceids] if tenant.gone else []
        return any(item and item["group"] in tenant.gone for item in self.book.items.get_many(keys.FACES, places))

    def _step(self, tenant: Tenant, erasure: Erasure, left_s: Callable[[], float]) -> bool:
        """Do the next step. Return False if the time has run out before its end."""
        match erasure.next_step:
            case Step.TRACES:
                self._traces(tenant, erasure)
            case Step.SIGHTINGS:
                if not self._sightings(tenant, erasure, STORABLE, left_s):
                    return False
            case Step.DAYS:
                self.book.statistics.sealing.forget_other_zones(tenant)
                self.book.statistics.sealing.tenant(tenant)
            case Step.LATE:
                at_ms = milliseconds(erasure.at)
                span = Span(at_ms - IN_FLIGHT // timedelta(milliseconds=1), milliseconds(self.book.clock.now()))
                if not self._sightings(tenant, erasure, span, left_s):
                    return False
                self._traces(tenant, erasure)
                self._traces(tenant, erasure, Step.LATE)
            case Step.GALLERY:
                self.book.index.purge(tenant.name, self._gone_at(tenant, erasure))
                faceids = self._with_absorbed(tenant, erasure)
                self.book.audit.erasing.erase(  # waits for a lost signing key
                    tenant.name, faceids, erasure.id, lambda: self.book.erasure.traces.since(tenant, faceids)
                )
            case Step.RECEIPT | None:
                self._finish(tenant, erasure)
                return True
        if erasure.step + 1 == len(erasure.steps):
            self._finish(tenant, erasure)
        else:
            self._save(tenant, erasure, {"step": erasure.step + 1})
        return left_s() >= STOPS_AT_S

    def _traces(self, tenant: Tenant, erasure: Erasure, step: Step = Step.TRACES) -> None:
        for place in done_in(step, erases=erasure.erases):
            self.book.erasure.traces.of(place, erases=erasure.erases)(tenant, erasure.faceids, milliseconds(erasure.at))

    def _sightings(self, tenant: Tenant, erasure: Erasure, span: Span, left_s: Callable[[], float]) -> bool:
        rejected = self.book.erasure.traces.rejected_elsewhere(tenant)
        for observations in self.book.merges.mover.chunks(tenant, {*erasure.faceids}, span, _A_TRANSACTION):
            own = self._without_others(tenant, observations)
            for id_ in (id_ for one in own for id_ in rejected.get(one.id, ())):
                self.book.erasure.traces.forget_rejection(tenant, id_)
            if not erasure.erases:
                own = [one for one in own if _ageless(one) != one]
            if not own:
                continue
            if erasure.erases:
                counts = self._hide(tenant, own)
                self._rename(tenant, erasure, own, counts)
            else:
                self._bare(tenant, own)
            if left_s() < STOPS_AT_S:
                return False
        return True

    def _without_others(self, tenant: Tenant, observations: Sequence[Observation]) -> list[Observation]:
        """Leave out the observations of another face that was enrolled with one of the ids since.

        The faces are read after their observations: a face is stored with its first one.
        """
        there = self.book.faces.by_id(tenant, {one.faceid for one in observations}, restricted=True)
        return [one for one in observations if one.faceid not in there or not is_of(there[one.faceid], one)]

    def _hide(self, tenant: Tenant, observations: Sequence[Observation]) -> Counter[str]:
        """Take the sightings out of their captures. Return the fates of the pictures."""
        captures: dict[tuple[str, str], set[int]] = {}
        for camera, capture, number in _list_sighting_places(observations):
            captures.setdefault((camera, capture), set()).add(number)
        done = Counter(self.book.erasure.traces.hide(tenant, *place, numbers) for place, numbers in captures.items())
        return Counter(captures_deleted=done["deleted"], captures_hidden=done["hidden"])

    def _rename(
        self, tenant: Tenant, erasure: Erasure, observations: Sequence[Observation], counts: Counter[str]
    ) -> None:
        """Leave of the observations what is counted, under another name; count that in the same transaction."""
        local = LocalTime(tenant.time_zone)
        bare = [_nameless(one, erasure, local.begin_of_day(one.at)) for one in observations]
        gone = [ChangedObservation(one, None) for one in observations]
        counted = {f"{COUNT}{name}": n for name, n in (counts + Counter(observations=len(bare))).items()}
        progress = Update(keys.ERASURES, (tenant.name, erasure.id), (equals("done_at", None, "running"),), add=counted)
        # another worker did it, or a writer changed one: the next look finds it
        write_unless_changed(self.book.items, [progress, *self.book.statistics.actions(tenant.name, bare, gone)])

    def _bare(self, tenant: Tenant, observations: Sequence[Observation]) -> None:
        for place in _list_sighting_places(observations):
            self.book.erasure.traces.delete_crop(tenant, *place)
        changed = [ChangedObservation(one, _ageless(one)) for one in observations]
        write_unless_changed(self.book.items, self.book.statistics.actions(tenant.name, [], changed))

    def _with_absorbed(self, tenant: Tenant, erasure: Erasure) -> Sequence[str]:
        """Note also the faces that only the audit knows, before their entries go: the next try would not find them.

        Those that one item has no room for get further records. Their ids follow from this one's: so each is made once.
        """
        if not erasure.number:
            return erasure.faceids
        since = self.book.erasure.traces.since(tenant, erasure.faceids)
        found = self.book.audit.erasing.with_absorbed(tenant.name, erasure.faceids, since)
        if len(found) == len(erasure.faceids):
            return found
        own, *others = parts(found, max(self.a_record, len(erasure.faceids)))
        bare = replace(erasure, number=0, names=(), hashes={}, counts={})
        further = [replace(bare, id=str(int(erasure.id) + n), faceids=(*some,)) for n, some in enumerate(others, 1)]
        mark = self.book.erasure.refusals.make_mark(tenant.name)  # this record names more people, too
        self._save(tenant, erasure, {"faceids": own}, self.make_put_actions(tenant, *further) or [mark])
        for one in further:
            self.announce(tenant.name, one)
        return own

    def _gone_at(self, tenant: Tenant, erasure: Erasure) -> int:
        """Return a change of the gallery after which the faces are gone, the same for every try."""
        if erasure.seq is not None:
            return erasure.seq
        seq = self.book.writer.seq(tenant.name)
        self._save(tenant, erasure, {"seq": seq})
        return seq

    def _save(
        self, tenant: Tenant, erasure: Erasure, fields: Mapping[str, Any], further: Sequence[Action] = ()
    ) -> None:
        same = (equals("step", erasure.step, "step-same"), equals("done_at", None, "running"))
        update = Update(keys.ERASURES, (tenant.name, erasure.id), same, set=fields)
        write_unless_changed(self.book.items, [update, *further])  # else another worker is further

    def _finish(self, tenant: Tenant, erasure: Erasure) -> None:
        """Forget the ids, too; what is left of an erasure is its receipt. Raises Busy while a file cannot be wiped."""
        key, same = (tenant.name, erasure.id), (equals("done_at", None, "running"),)
        if not erasure.erases:
            write_unless_changed(self.book.items, [Delete(keys.ERASURES, key, same)])
            return
        if erasure.faceids:
            others = self.book.faces.by_id(tenant, erasure.faceids, restricted=True).values()
            erasure = add_face_hashes(erasure, self.book.audit.signing.face_key(tenant.name), others)
        # The ids go first, so that nothing has to be wiped once it is done: nobody would try again.
        wiped = replace(erasure, faceids=(), names=(), pseudonym="", step=erasure.steps.index(Step.RECEIPT))
        with suppress(ConditionFailed):  # another worker did it
            write(self.book.items, [Put(keys.ERASURES, erasure_item(tenant.name, wiped), same)])
            self.book.storage.scrub()
            now = self.book.clock.now()
            said = statement(tenant.name, wiped, time_text(now), time_text(wiped.at))
            receipt = self.book.audit.signing.sign(tenant.name, said)
            done = replace(wiped, step=len(wiped.steps), done_at=now, receipt=receipt)
            write(self.book.items, [Put(keys.ERASURES, erasure_item(tenant.name, done), same)])
            with suppress(Busy, StorageUnavailable, Unusable):  # the sweep tells it
                self._tell(tenant, done)

    def _tell(self, tenant: Tenant, erasure: Erasure) -> None:
        """Give the witness a receipt, if it has it not: a restore of an older backup then knows whom to erase again.

        May be cut off anywhere and repeated. Raises StorageUnavailable, Unusable, Busy.
        """
        if erasure.receipt is None or erasure.is_told or (witness := self.book.ports.witness) is None:
            return
        witness.keep(receipt_name(tenant.app_id, erasure.id), canonical_json(erasure.receipt))
        told = Update(keys.ERASURES, (tenant.name, erasure.id), (exists("still-there"),), set={"is_told": True})
        write_unless_changed(self.book.items, [told])


def _list_sighting_places(observations: Iterable[Observation]) -> Iterator[tuple[str, str, int]]:
    """Yield camera, capture and number of each sighting."""
    for one in observations:
        if one.kind is ObservationKind.SIGHTING:
            yield one.camera, *parts_of_sighting(one.id)


def _add_pseudonym(erasure: Erasure) -> Erasure:
    """Give an erasure the secret of which its faces' observations get their names."""
    return replace(erasure, pseudonym=erasures.ERASED + secrets.token_hex(16))  # an older version takes it for the name


def _nameless(observation: Observation, erasure: Erasure, day: datetime) -> Observation:
    """Return an observation as it is counted on its `day`, without labels that are the person's name.

    Its id has the form of a sighting's, and names no capture.
    """
    return Observation(
        at=observation.at,
        id=f"{milliseconds(observation.at):013d}-{secrets.token_hex(12)}-0",
        faceid=erasures.name_of_day(erasure, observation.faceid, day),
        group_name=observation.group_name,
        labels=Labels(*("" if one in erasure.names else one for one in observation.labels)),
        kind=observation.kind,
        camera=observation.camera,
        gap_s=observation.gap_s,
    )


def _ageless(observation: Observation) -> Observation:
    return replace(observation, estimates=observation.estimates.without(frozenset({"age", "gender"})))


class DerivedData(Outside):
    """Traces of faces beside their records. `before_ms`: what came later may be of others with their ids."""

    def of(self, place: str, *, erases: bool) -> Callable[[Tenant, Collection[str], int], object]:
        """Return the function that takes deleted faces out of a place (rights/words/places). Raises KeyError."""
        taken: dict[str, Callable[[Tenant, Collection[str], int], object]] = {
            "face pictures": lambda tenant, faceids, _: self.book.deletion.empty_folders(tenant, faceids),
            "negatives": self.rejections,
            "merges": self.merges,
            "stills": lambda tenant, *_: delete_stills(self.book.items, tenant),
            "reviews": self.reviews,
            "duplicates": self.duplicates,
            "hooks": self.people_of_hooks,
            "outbox": self.events if erases else self.names_in_events,
            "requests": self.answers,
        }
        return taken[place]

    def since(self, tenant: Tenant, faceids: Iterable[str]) -> dict[str, datetime]:
        """Return, by id, when somebody else was enrolled with it: what is stored from then on is that person's."""
        there = self.book.faces.by_id(tenant, faceids, restricted=True)
        return {faceid: face.enrolled_at for faceid, face in there.items()}

    def rejections(self, tenant: Tenant, faceids: Collection[str], before_ms: int) -> None:
        """Delete the pictures that were rejected for these faces and captured until `before_ms`."""
        stored = (
            item
            for faceid in faceids
            for item in every(self.book.items, keys.NEGATIVES, tenant.name, between=keys.negatives_range(faceid))
        )
        old = (one for one in stored if captured_ms(keys.parts_of_negative(one["id"])[1]) <= before_ms)
        delete_in_parts(self.book.items, keys.NEGATIVES, old)

    def merges(self, tenant: Tenant, faceids: Collection[str], before_ms: int) -> None:
        """Delete the merges that the faces took part in, with their backups."""
        found = self.book.merges.records.all(tenant.name)
        gone = [one for one in found if {one.survivor, one.other} & set(faceids) and milliseconds(one.at) <= before_ms]
        write_in_parts(self.book.items, [action for one in gone for action in merge_deletes(tenant.name, one)])

    def reviews(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> None:
        """Delete reviews of the faces, and take the faces out of what others are compared with."""

        def action(item: Item, gone: set[str]) -> Action | None:
            near = item.get("near", [])
            left = [one for one in near if one[0] not in gone]
            if item["faceid"] in gone:
                return Delete(keys.REVIEWS, (tenant.name, item["id"]))
            return (
                Put(keys.REVIEWS, {**item, "near": left}, (exists("still-there"),)) if len(left) < len(near) else None
            )

        self._walk(tenant, keys.REVIEWS, faceids, action)

    def duplicates(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> None:
        """Delete the pairs that the faces are in."""

        def action(item: Item, gone: set[str]) -> Action | None:
            is_of_them = not gone.isdisjoint(keys.parts_of_duplicate(item["id"]))
            return Delete(keys.DUPLICATES, (tenant.name, item["id"])) if is_of_them else None

        self._walk(tenant, keys.DUPLICATES, faceids, action)

    def people_of_hooks(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> None:
        """Take the faces out of what hooks tell of."""
        if any(item.get("people") for item in every(self.book.items, keys.HOOKS, tenant.name)):
            self._walk(tenant, keys.HOOKS, faceids, without_people, "created_at")

    def events(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> None:
        """Delete the events about the faces that no hook took yet, those in mailboxes, and those that were given up."""
        names = naming(faceids)

        def action(item: Item, gone: set[str]) -> Action | None:
            is_of_them = not gone.isdisjoint(_find_names([item["id"], json.loads(item["payload"])], names))
            return Delete(keys.OUTBOX, (tenant.name, item["id"])) if is_of_them else None

        self._walk(tenant, keys.OUTBOX, faceids, action, "created_at")

    def names_in_events(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> None:
        """Take the name out of each event about the faces that waits: nobody is told the name."""
        self._walk(tenant, keys.OUTBOX, faceids, without_name, "created_at")

    def answers(self, tenant: Tenant, faceids: Collection[str], _before_ms: int) -> None:
        """Delete stored answers that name the faces. That of an erasure stays, without them.

        A deletion that was cut off stays as it is for its repeat, which goes on from there.
        """
        names = naming(faceids)

        def action(item: Item, gone: set[str]) -> Action | None:
            place, body = (tenant.name, item["request"]), json.loads(item["body"])
            if (item["code"] == PARTIAL and "erasures" in body) or gone.isdisjoint(_find_names(body, names)):
                return None
            if not body.get("erasures"):
                return Delete(keys.REQUESTS, place)
            left = json.dumps({**body, "success": [], "not_exist": []})
            return Update(keys.REQUESTS, place, (exists("still-there"),), set={"body": left})

        self._walk(tenant, keys.REQUESTS, faceids, action)

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

    def forget_memories(self, tenant: Tenant, left_s: Callable[[], float] = lambda: float("inf")) -> bool:
        """Take out of rejections what brings the sightings back, once that is refused; templates stay.

        Return False if the time ran out, and another call has to go on.
        """
        refused_ms = milliseconds(self.book.clock.now()) - KEPT_MS
        spared = Marked(self.book.items, tenant.name).list_spared_faces("negatives")
        for item in every(self.book.items, keys.NEGATIVES, tenant.name):
            faceid, sighting = keys.parts_of_negative(item["id"])
            bare = {name: value for name, value in item.items() if name not in MEMORY}
            if bare == item or faceid in spared or captured_ms(parts_of_sighting(sighting)[0]) >= refused_ms:
                continue
            same = (equals("templates", item["templates"], "templates-same"),)  # reembed may add one meanwhile
            write_unless_changed(self.book.items, [Put(keys.NEGATIVES, bare, same)])  # else the next night does it
            if left_s() < STOPS_AT_S:
                return False
        return True

    def delete_crop(self, tenant: Tenant, camera_id: str, capture_id: str, number: int) -> None:
        """Delete the face that was cut out of a capture, if somebody looked at it."""
        self.book.storage.uploads.delete(keys.crop(tenant.name, camera_id, capture_id, number))

    @retry_if_changed("this capture is changed by others all the time: send the request again in a moment")
    def hide(self, tenant: Tenant, camera_id: str, capture_id: str, numbers: Collection[int]) -> str:
        """Take these faces out of a capture: its record, its picture, and all that was cut out of it.

        Return the fate of the picture: "deleted" if nobody else is on it or it cannot be read, "hidden", or "" if
        there is none. May be cut off anywhere and repeated.
        """
        place, picture = keys.capture(tenant.name, camera_id, capture_id), (tenant.name, camera_id, capture_id)
        item = self.book.items.get(keys.CAPTURES, place)
        if item is None:
            return self._delete_picture(*picture, max(numbers) + 1)
        capture = capture_from(item)
        own = [one for one in capture.sightings if one.number in numbers]
        is_done = all(one.reason == ERASED for one in own)
        if is_done and not (own and self._is_other_picture(tenant, capture)):
            return ""
        done, fields = "", dict[str, Any]()
        if _shows_others(capture, item, numbers):
            gone = [one.box for one in capture.sightings if one.number in numbers or one.reason == ERASED]
            done, fields = self._hidden(tenant, capture, gone)
        done = done or self._delete_picture(*picture, len(capture.sightings))
        self._rename_photo(tenant, capture, numbers)
        write(self.book.items, [_forgotten(place, capture, item, numbers, fields)])
        return done

    def _rename_photo(self, tenant: Tenant, capture: Capture, numbers: Collection[int]) -> None:
        """Give the pictures that others have of a capture an id that does not follow from the picture that came.

        By the new one they are found as well. May be cut off anywhere and repeated, before the capture is changed.
        """
        before, after = photo_id(capture.sha256), capture.photo_of_rest

        def rename(pictures: Iterable[Picture]) -> tuple[Picture, ...]:
            return tuple(replace(one, id=after) if one.id == before else one for one in pictures)

        def rename_in_backup(kept: MergeBackup) -> MergeBackup:
            named = {name: tuple(after if one == before else one for one in getattr(kept, name)) for name in PHOTOS}
            return replace(kept, face=replace(kept.face, pictures=rename(kept.face.pictures)), **named)

        def rename_of_face(face: Face) -> tuple[Face, Change] | None:
            merges = self.book.merges.records.below(tenant.name, face.faceid) if face.merges else []
            backups = [
                kept_update(tenant.name, one, changed)
                for one in merges
                if one.kept is not None and (changed := rename_in_backup(one.kept)) != one.kept
            ]
            renamed = replace(face, pictures=rename(face.pictures))
            return (renamed, face_change(face, renamed, backups)) if backups or renamed != face else None

        for faceid in self._list_faces_beside(tenant, capture, numbers):
            with suppress(FaceNotFound):
                self.book.faces.change_face(tenant, faceid, rename_of_face, None, restricted=True)

    def _list_faces_beside(self, tenant: Tenant, capture: Capture, numbers: Collection[int]) -> list[str]:
        """Return the ids of the faces that have the other sightings of a capture, or had them before a merge."""
        others = [one for one in capture.sightings if one.faceid is not None and one.number not in numbers]
        at_ms = milliseconds(capture.captured_at)
        places = [keys.observation(tenant.name, at_ms, sighting_id(capture.id, one.number)) for one in others]
        seen = [str(item["faceid"]) for item in self.book.items.get_many(keys.OBSERVATIONS, places) if item]
        faceids = dict.fromkeys([*(str(one.faceid) for one in others), *seen])
        there = self.book.faces.by_id(tenant, faceids, restricted=True)
        gone = [self.book.faces.missing(tenant, one, restricted=True) for one in faceids if one not in there]
        return list(dict.fromkeys([*there, *(str(one.details["into"]) for one in gone if isinstance(one, FaceMerged))]))

    def _walk(
        self,
        tenant: Tenant,
        table: Table,
        faceids: Collection[str],
        action: Callable[[Item, set[str]], Action | None],
        at: str = "at",
    ) -> None:
        """Change a table's items of the faces. `action`: makes it of an item and the ids that were theirs `at` then.

        Faces that have one of the ids since are read after the table.
        """
        found = list(every(self.book.items, table, tenant.name))
        since = self.since(tenant, faceids)
        made = [one for item in found if (one := action(item, _list_gone_at(faceids, since, item.get(at, 0))))]
        write_in_parts(self.book.items, (one for one in made if isinstance(one, Delete)))
        for change in (one for one in made if not isinstance(one, Delete)):
            write_unless_changed(self.book.items, [change])

    def _delete_picture(self, tenant: str, camera_id: str, capture_id: str, faces: int) -> str:
        key = keys.capture_picture(tenant, camera_id, capture_id)
        was = self.book.storage.uploads.size(key) is not None
        self.book.storage.uploads.delete(key)
        self._delete_crops(tenant, camera_id, capture_id, faces)
        return "deleted" if was else ""

    def _delete_crops(self, tenant: str, camera_id: str, capture_id: str, faces: int) -> None:
        for part in (keys.WHOLE, *range(faces)):
            self.book.storage.uploads.delete(keys.crop(tenant, camera_id, capture_id, part))

    def _is_other_picture(self, tenant: Tenant, capture: Capture) -> bool:
        """Return whether the picture is not the one that an erasure left: another one beside it replaced it since."""
        picture = self.book.storage.uploads.get(keys.capture_picture(tenant.name, capture.camera_id, capture.id))
        return picture is not None and hashlib.sha256(picture).hexdigest() != capture.sha256

    def _hidden(self, tenant: Tenant, capture: Capture, gone: list[Box]) -> tuple[str, dict[str, Any]]:
        """Replace the picture by one without the faces in the boxes `gone`.

        Those of erasures before are among them: one beside this may have brought them back to the picture, whose
        record it then did not change. Return "hidden" and the record's new fields; "" if it cannot be read any more.
        """
        key = keys.capture_picture(tenant.name, capture.camera_id, capture.id)
        before = self.book.storage.uploads.get(key)
        if before is None:
            return "", {}
        vision = self.book.tenant_vision.of(tenant.model)
        try:
            after = vision.hidden(vision.read_picture(before, RULES), gone)
        except (Unusable, InvalidInput):
            return "", {}
        self.book.storage.uploads.replace(key, after, "image/jpeg")
        self._delete_crops(tenant.name, capture.camera_id, capture.id, len(capture.sightings))
        return "hidden", {"size": len(after), "content_type": "image/jpeg", "sha256": hashlib.sha256(after).digest()}


def delete_stills(items: ItemStore, tenant: Tenant) -> None:
    """Delete what the cameras saw on request: the people on it are unknown, and it would be kept for an hour."""
    found = every(items, keys.TENANTS, keys.STILL, between=keys.stills_range(tenant.name))
    delete_in_parts(items, keys.TENANTS, found)


def naming(faceids: Collection[str]) -> re.Pattern[str]:
    """Return a pattern that finds one of the ids in a text, but not as a part of another id."""
    return re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, faceids))})(?![A-Za-z0-9])")


def _list_gone_at(faceids: Iterable[str], since: Mapping[str, datetime], at_ms: int) -> set[str]:
    """Return those of the ids that nobody else had at a time."""
    at = moment(at_ms)
    return {one for one in faceids if one not in since or at < since[one]}


def _find_names(value: Any, names: re.Pattern[str]) -> set[str]:
    return {found for text in texts_of(value) for found in names.findall(text)}


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
    # Nobody can tell any more who has the picture that came; that is known by the capture's id if it is offered again.
    nothing = hashlib.sha256(b"").digest()
    changed = {"sha256": nothing, **fields, "is_of_rest": True, "sightings": [sighting_item(one) for one in left]}
    changed["erasures"] = capture.erasures + 1
    if "detection" in item:
        changed["detection"] = [
            {**one, "vector": b"\0" * len(bytes(one["vector"])), "estimates": {}} if number in numbers else one
            for number, one in enumerate(item["detection"])
        ]
    same = tuple(equals(name, item.get(name), "as-it-was-read") for name in ("state", "done", "corrections"))
    same += require_no_erasure(capture, "as-it-was-read")
    return Update(keys.CAPTURES, place, same, set=changed)
