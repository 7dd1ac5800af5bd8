"""Random histories against a model that forgets: what people delete, hold, merge and undo, while
days go by."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chalicelib.book.deletion.orphans import LISTED
from chalicelib.domain.errors import Conflict, FaceHeld, FaceKnown, LimitReached, NotFound
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import PromotionSettings
from chalicelib.domain.observations import ObservationKind
from chalicelib.privacy.erasure_progress import SETTLED, name_visit
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.records.merges import UNDONE_WITHIN
from chalicelib.storage.values import milliseconds, moment
from tests.support.book.book import Book, Shot
from tests.support.book.recount_visits import every_observation
from tests.support.consistency.consistency import list_disagreements
from tests.support.examples import LONG
from tests.support.fakes import Person
from tests.support.storage.failing import DONE_KILLED, KILLED, Calls, Killed

DAYS = {
    "capture_days": 20,
    "sighting_days": 40,
    "stranger_days": 30,
    "regular_days": 60,
    "observation_days": 150,
}
UNSEEN = {"stranger": timedelta(days=30), "regular": timedelta(days=60)}
AN_ARRIVAL = timedelta(hours=3)
"""So far apart are two arrivals that nobody makes the ten of a day that would be a regular's."""
SEEDS = st.integers(1, 5)
PLACES = st.integers(0, 9)


@dataclass
class Known:
    """A face as the model knows it. `touched`: when somebody saw or changed it last."""

    group: str
    touched: datetime
    held: bool = False


@dataclass
class Seen:
    """An observation, and the capture that it comes from, if any: whether its picture and its
    record are kept."""

    at: datetime
    faceid: str
    capture: str = ""


@dataclass
class Merged:
    id: str
    survivor: str
    other: str
    at: datetime
    before: Known
    moved: list[Seen]


@dataclass
class Model:
    """What there should be. Nothing in it remembers what went."""

    faces: dict[str, Known] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    merges: list[Merged] = field(default_factory=list)
    pictures: dict[str, datetime] = field(default_factory=dict)
    records: dict[str, datetime] = field(default_factory=dict)

    def forget(self, faceid: str) -> None:
        """A face goes: with it whom it absorbed, but not what was observed."""
        del self.faces[faceid]
        gone = {faceid}
        for merge in reversed(self.merges):
            gone |= {merge.other} if merge.survivor in gone else set()
        self.merges = [one for one in self.merges if one.survivor not in gone]

    def erase(self, faceid: str, nameless: Callable[[datetime], str]) -> None:
        """Of what was observed of a face, or with it, the numbers stay; each capture here shows one
        person."""
        for one in self.seen:
            if one.faceid == faceid:
                self.pictures.pop(one.capture, None)
                one.faceid = nameless(one.at)

    def keep_to(self, now: datetime) -> None:
        """What the days of the settings say, and nothing that shows a held face."""
        held = {faceid for faceid, face in self.faces.items() if face.held}
        shown = {one.capture for one in self.seen if one.faceid in held}
        for kept, name in ((self.pictures, "capture_days"), (self.records, "sighting_days")):
            days = timedelta(days=DAYS[name])
            for capture in [
                one for one, at in kept.items() if at + days <= now and one not in shown
            ]:
                del kept[capture]
        days = timedelta(days=DAYS["observation_days"])
        self.seen = [
            one for one in self.seen if one.faceid in held or _day_after(one.at) + days > now
        ]
        for faceid, face in list(self.faces.items()):
            if not face.held and face.touched + UNSEEN[face.group] <= now:
                self.forget(faceid)


def _day_after(at: datetime) -> datetime:
    return moment((milliseconds(at) // DAY_MS + 1) * DAY_MS)


class Forgetting(RuleBasedStateMachine):
    """Histories of a shop.

    What a rule does is done by another process that is killed first, and then again.
    """

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.book = Book(self.folder)
        self.book.services.tenants.change_settings("shop", {**DAYS, "review_margin": 0.0})
        self.book.services.groups.set_promotion_settings(self.book.tenant, PromotionSettings(10, 1))
        self.model = Model()
        self.see(1)
        self.see(2)

    def teardown(self) -> None:
        if hasattr(self, "book"):
            self.the_book_is_the_model()
            self.book.close()
            shutil.rmtree(self.folder)

    @property
    def now(self) -> datetime:
        return self.book.clock.now()

    def face(self, place: int) -> str:
        return sorted(self.model.faces)[place % len(self.model.faces)]

    def do(self, deed: Callable[[Book], object], killed_at: int) -> None:
        """Do it in a process that is killed at that call, if it makes so many; then here."""
        if killed_at:
            calls = Calls()
            with closing(Book(self.folder, wrap=calls.wrap)) as other:
                other.clock.advance(self.now - other.clock.now())
                calls.fail(killed_at // 2 + 1, KILLED if killed_at % 2 else DONE_KILLED)
                with suppress(Killed):
                    deed(other)
        deed(self.book)

    @rule(seed=SEEDS)
    def see(self, seed: int) -> None:
        self.book.clock.advance(AN_ARRIVAL)
        [capture] = self.book.see(Shot(self.now, (Person(seed),)))
        stored = self.now.timestamp()
        os.utime(self.folder / "captures/shop/door" / capture.id, (stored, stored))
        faceid = capture.sightings[0].faceid or ""
        known = self.model.faces.setdefault(faceid, Known("stranger", self.now))
        known.touched = self.now
        self.model.seen.append(Seen(self.now, faceid, capture.id))
        self.model.pictures[capture.id] = self.model.records[capture.id] = self.now

    @rule(seed=SEEDS)
    def enrol(self, seed: int) -> None:
        self.book.clock.advance(AN_ARRIVAL)
        with suppress(FaceKnown):
            face = self.book.enrol(Person(seed), refuses_known=True, is_somebody_else=True)
            self.model.faces[face.faceid] = Known("regular", self.now)
            self.model.seen.append(Seen(self.now, face.faceid))

    @rule(days=st.sampled_from([1, 10, 25, 45, 160]))
    def wait(self, days: int) -> None:
        self.book.clock.advance(timedelta(days=days))

    @precondition(lambda self: self.model.faces)
    @rule(place=PLACES, held=st.booleans())
    def hold(self, place: int, held: bool) -> None:
        faceid = self.face(place)
        if held:
            self.book.services.faces.holds.set(self.book.tenant, faceid, "case 7")
        else:
            self.book.services.faces.holds.lift(self.book.tenant, faceid, "closed")
        if self.model.faces[faceid].held != held:
            self.model.faces[faceid] = Known(self.model.faces[faceid].group, self.now, held)

    @precondition(lambda self: self.model.faces)
    @rule(place=PLACES, killed_at=st.integers(0, 40))
    def delete(self, place: int, killed_at: int) -> None:
        faceid = self.face(place)

        def deed(book: Book) -> None:
            book.services.deletion.delete_faces(book.tenant, [faceid])

        if self.model.faces[faceid].held:
            with pytest.raises(FaceHeld):
                deed(self.book)
        else:
            self.do(deed, killed_at)
            self.model.forget(faceid)

    @precondition(lambda self: self.model.faces)
    @rule(place=PLACES, killed_at=st.integers(0, 120))
    def erase(self, place: int, killed_at: int) -> None:
        """The face is deleted; then the steps are killed somewhere, and done by whoever comes
        next."""
        faceid = self.face(place)
        if self.model.faces[faceid].held:
            return
        [id_] = self.book.services.deletion.delete_faces(
            self.book.tenant, [faceid], erase=True
        ).erasures
        erasure = self.book.services.erasure.records.get("shop", id_)
        self.book.clock.advance(SETTLED)
        self.do(lambda book: book.services.erasure.steps.continue_all(book.tenant), killed_at)
        self.model.forget(faceid)
        self.model.erase(faceid, lambda at: name_visit(erasure, faceid, milliseconds(at)))

    @precondition(lambda self: len(self.model.faces) > 1)
    @rule(place=PLACES, other=PLACES, killed_at=st.integers(0, 60))
    def merge(self, place: int, other: int, killed_at: int) -> None:
        survivor, absorbed = self.face(place), self.face(other)
        if survivor == absorbed:
            return
        if self.model.faces[absorbed].held:
            with pytest.raises(FaceHeld):
                self.book.services.merges.merging.merge(self.book.tenant, survivor, absorbed)
            return
        with suppress(LimitReached):
            self.do(
                lambda book: book.services.merges.merging.merge(book.tenant, survivor, absorbed),
                killed_at,
            )
            before = self.model.faces.pop(absorbed)
            known = self.model.faces[survivor]
            self.model.faces[survivor] = Known(known.group, self.now, known.held)
            moved = [one for one in self.model.seen if one.faceid == absorbed]
            for one in moved:
                one.faceid = survivor
            merge = [*self.book.services.merges.records.list_all("shop", survivor)][-1]
            self.model.merges.append(Merged(merge.id, survivor, absorbed, self.now, before, moved))

    @precondition(lambda self: self.model.merges)
    @rule(place=PLACES, killed_at=st.integers(0, 60))
    def undo(self, place: int, killed_at: int) -> None:
        merge = self.model.merges[place % len(self.model.merges)]
        try:
            self.do(
                lambda book: book.services.merges.merging.undo(book.tenant, merge.id), killed_at
            )
        except (NotFound, Conflict):
            survivor = self.model.faces.get(merge.survivor)
            assert survivor is None or survivor.held or self.now - merge.at > UNDONE_WITHIN
            return
        self.model.merges.remove(merge)
        known = self.model.faces[merge.survivor]
        assert not known.held
        self.model.faces[merge.survivor] = Known(known.group, self.now)
        self.model.faces[merge.other] = Known(merge.before.group, self.now)
        for one in merge.moved:
            one.faceid = merge.other

    @rule(killed_at=st.integers(0, 120))
    def forget(self, killed_at: int) -> None:
        """Keep to the days, and agree to what is too much for one sweep (privacy/retention)."""
        self.do(
            lambda book: book.services.erasure.retention.sweep_tenant(
                book.tenant, lambda: 600.0, is_confirmed=True
            ),
            killed_at,
        )
        self.model.keep_to(self.now)

    @rule()
    def seal(self) -> None:
        self.book.services.statistics.sealing.seal_tenant(self.book.tenant)

    @invariant()
    def nobody_is_there_who_should_be_gone(self) -> None:
        if hasattr(self, "book"):
            assert {face.faceid: face.hold is not None for face in self.book.faces()} == {
                faceid: known.held for faceid, known in self.model.faces.items()
            }

    def the_book_is_the_model(self) -> None:
        book, items = self.book, self.book.storage.items
        book.date_pictures(self.now - timedelta(hours=7))
        book.services.sweep.sweep_tenant(
            book.tenant, self.now.replace(hour=LISTED[0]), ["snapshots", "pictures"]
        )
        assert {one.faceid for one in book.services.faces.holds.list_all("shop")} == {
            faceid for faceid, known in self.model.faces.items() if known.held
        }
        observed = Counter((one.at, one.faceid) for one in every_observation(book))
        assert observed == Counter((one.at, one.faceid) for one in self.model.seen)
        pictures = {one.key.rpartition("/")[2] for one in book.storage.uploads.walk("shop/door/")}
        assert pictures == set(self.model.pictures)
        records = {
            one["capture"]
            for one in walk_items(items, keys.CAPTURES, keys.captures("shop", "door"))
        }
        assert records == set(self.model.records)
        assert book.group_counts() == {
            group: sum(one.group == group for one in self.model.faces.values()) for group in UNSEEN
        }
        assert not list_disagreements(book.services, "shop")
        sighted = sum(one.kind is ObservationKind.SIGHTING for one in every_observation(book))
        assert sighted == sum(bool(one.capture) for one in self.model.seen)


Forgetting.TestCase.settings = settings(
    max_examples=10_000 if settings.get_current_profile_name() == LONG else 25,
    stateful_step_count=16,
    deadline=None,
)
TestForgetting = pytest.mark.slow(Forgetting.TestCase)
