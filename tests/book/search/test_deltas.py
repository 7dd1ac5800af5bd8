"""Large galleries, whose snapshots are mostly deltas upon a whole one. Here, every gallery is
large."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chalicelib.book.search.compact import TAIL_AGE, TAIL_LENGTH, Compactor, Memory, TooLittleMemory
from chalicelib.book.search.gallery import Gallery
from chalicelib.book.search.journal import GRACE
from chalicelib.book.search.snapshots import delta
from chalicelib.book.search.snapshots.loading import read_pointer
from chalicelib.book.search.snapshots.segment import DamagedSnapshot, decode
from chalicelib.domain.model import Edit, JournalEntry, Profile, Template, Tenant
from chalicelib.domain.rules.templates import make_template
from chalicelib.storage import keys
from chalicelib.telemetry import SNAPSHOT_MEMORY, begin_invocation
from tests.book.search.galleries import (
    Killed,
    StopsAt,
    best,
    cold,
    enrol,
    journal_length,
    opened,
    traces,
)
from tests.support.book.segments import faces_of
from tests.support.book.synthetic import segment, write_snapshot
from tests.support.book.tenants import add_tenant
from tests.support.examples import parametrize
from tests.support.fakes import FakeClock, embedding_of

FACEIDS = [f"face-{n}" for n in range(6)]
GROUPS = ["a", "b"]
TEMPLATES = [make_template(model, embedding_of(n)) for model in ("m", "other") for n in range(3)]


def changes(*edits: Edit) -> st.SearchStrategy[list[JournalEntry]]:
    templates = st.lists(st.sampled_from(TEMPLATES), min_size=1, max_size=2).map(tuple)
    none: st.SearchStrategy[tuple[Template, ...]] = st.just(())

    def entry(edit: Edit) -> st.SearchStrategy[JournalEntry]:
        given_ = templates if edit in (Edit.PUT, Edit.REPLACE, Edit.EMBED) else none
        return st.builds(
            JournalEntry, st.just(edit), st.sampled_from(FACEIDS), st.sampled_from(GROUPS), given_
        )

    return st.lists(st.sampled_from(edits).flatmap(entry), max_size=12)


def after(*parts: list[JournalEntry]) -> list[tuple[str, str, list[bytes]]]:
    gallery = Gallery("m", None)
    for seq, entries in enumerate(parts):
        gallery.apply_entries(entries, seq + 1)
    return list(faces_of(gallery.view.make_segment("m")))


SOME = changes(Edit.PUT, Edit.REPLACE, Edit.MOVE, Edit.DELETE, Edit.EMBED)


@given(changes(Edit.PUT), SOME, SOME)
def test_a_delta_upon_its_base_is_the_gallery_that_followed_the_journal(
    base: list[JournalEntry], first: list[JournalEntry], second: list[JournalEntry]
) -> None:
    one = delta.fold_changes("m", first)
    assert one is not None
    two = delta.fold_changes("m", (*delta.decode(delta.encode(one)), *second))
    assert len(two) == len({entry.faceid for entry in two})
    assert after(base, delta.decode(delta.encode(two))) == after(base, first, second)


def test_only_a_gallery_knows_the_faces_of_a_group_that_is_dropped() -> None:
    assert delta.fold_changes("m", [JournalEntry(Edit.DROP, "", "a")]) is None


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:5], lambda data: b"X" + data[1:]]
)
def test_a_damaged_delta_is_refused(damage: Callable[[bytes], bytes]) -> None:
    data = delta.encode([JournalEntry(Edit.PUT, "face", "a", (TEMPLATES[0],))])
    with pytest.raises(DamagedSnapshot):
        delta.decode(damage(data))
    with pytest.raises(DamagedSnapshot):
        decode(data)  # as a version does that knows no deltas


@dataclass
class Shop:
    """A gallery of 10,000 faces that nobody has, and some that come and go."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    faces: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.services = opened(self.folder, self.clock)
        self.items, self.blobs = self.services.requests._items, self.services.storage.blobs

    @cached_property
    def tenant(self) -> Tenant:
        return self.services.tenants.get_by_name("cloud")

    def copied(self, folder: Path) -> Shop:
        """Open a copy, as it was left when it was closed."""
        return Shop(
            Path(shutil.copytree(self.folder, folder)), FakeClock(self.clock.now()), {**self.faces}
        )

    def builder(self, left: list[int] | None = None) -> Compactor:
        """Make a builder that holds no gallery. `left`: changes of storage before it is killed."""
        items: Any = self.items if left is None else StopsAt(self.items, ("transact",), left)
        blobs: Any = (
            self.blobs if left is None else StopsAt(self.blobs, ("put_if_absent", "delete"), left)
        )
        return Compactor(items, blobs, cold(self.services), self.clock, large_bytes=1)

    def build_within(self, limit_bytes: int) -> bool:
        """Build in a process that may take so much memory, and has taken none."""
        memory = Memory(limit_bytes, lambda: 0, "raise BuildIndexMemory")
        galleries = cold(self.services)
        compactor = Compactor(
            self.items, self.blobs, galleries, self.clock, large_bytes=1, memory=memory
        )
        return compactor.build(self.tenant.name)

    def build(self, *, erase: bool = True, after: timedelta = timedelta(0)) -> bool:
        self.clock.advance(after)
        return self.builder().build(self.tenant.name, erase=erase)

    def come(self, seeds: range) -> None:
        self.faces |= enrol(self.services, self.tenant, seeds)

    def go(self, seed: int) -> Template:
        """Delete a face, and return its template."""
        gone = self.services.faces.get(self.tenant, self.faces.pop(seed))
        self.services.deletion.delete_faces_of_group(self.tenant, "regular", [gone.faceid])
        return gone.templates[0]

    def kinds(self) -> list[str]:
        """List the snapshots that the pointer names, the newest last. No other is stored."""
        pointer = read_pointer(self.items, self.tenant.name, "fake")
        assert {one.key for one in self.blobs.walk(keys.snapshots(self.tenant.name, "fake"))} == {
            *pointer["snapshots"]
        }
        return [
            "whole" if keys.base_of_snapshot(key) == key else "delta"
            for key in pointer["snapshots"]
        ]

    def assert_right(self) -> None:
        galleries = cold(self.services)
        for seed in (min(self.faces), max(self.faces)):
            assert best(galleries, self.tenant, seed) == (
                self.faces[seed],
                10_000 + len(self.faces),
            )


@cache
def _nobody() -> NDArray[np.float64]:
    vectors = np.random.default_rng(3).standard_normal((10_000, 256))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


MANY = range(1_000, 1_000 + TAIL_LENGTH)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = Shop(tmp_path_factory.mktemp("shop") / "data")
    add_tenant(shop.services, "cloud", Profile.CLOUD)
    write_snapshot(shop.items, shop.blobs, "cloud", segment(_nobody(), model="fake", seq=0))
    shop.come(range(3))
    assert shop.build(after=TAIL_AGE + timedelta(seconds=1))
    assert shop.kinds() == ["whole", "whole"]
    shop.services.close()
    return shop


@pytest.fixture(scope="module")
def visited(made: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = made.copied(tmp_path_factory.mktemp("visited") / "data")
    shop.come(MANY)
    shop.services.close()
    return shop


@pytest.fixture
def shop(made: Shop, tmp_path: Path) -> Iterator[Shop]:
    shop = made.copied(tmp_path / "data")
    yield shop
    shop.services.close()


@pytest.fixture
def crowded(visited: Shop, tmp_path: Path) -> Iterator[Shop]:
    """So many have come since the last snapshot that the next is due."""
    shop = visited.copied(tmp_path / "data")
    yield shop
    shop.services.close()


def test_many_changes_write_few_bytes_until_they_are_a_48th_of_the_base(crowded: Shop) -> None:
    before = len(crowded.kinds())
    assert crowded.build()
    assert crowded.kinds()[before:] == ["delta"]
    *_, base, written = crowded.blobs.walk(keys.snapshots(crowded.tenant.name, "fake"))
    assert 48 * crowded.blobs.size(written.key) <= crowded.blobs.size(base.key)  # type: ignore[operator]  # both are there
    crowded.assert_right()
    crowded.come(range(2_000, 2_000 + TAIL_LENGTH))
    assert crowded.build()
    assert crowded.kinds()[-1] == "whole"
    crowded.assert_right()


def test_a_whole_snapshot_is_due_a_day_after_the_last(shop: Shop) -> None:
    shop.come(range(10, 11))
    assert not shop.build()
    assert shop.build(after=TAIL_AGE + timedelta(seconds=1))
    assert shop.kinds()[-1] == "whole"
    shop.assert_right()


def test_a_template_that_was_deleted_leaves_the_base_with_the_next_sweeps(crowded: Shop) -> None:
    gone = crowded.go(1)
    assert crowded.build(erase=False), "a commit asks for it"
    assert crowded.kinds()[-1] == "delta"
    crowded.assert_right()
    assert crowded.build(), "the sweep finds what the delta owes"
    assert crowded.kinds()[-1] == "whole"
    for _ in range(2):
        crowded.build(after=GRACE + timedelta(seconds=1))
    assert crowded.kinds() == ["whole"]
    assert journal_length(crowded.services, crowded.tenant) == 0
    crowded.assert_right()
    crowded.services.close()
    assert traces(crowded.services, gone) == []


def test_a_base_stays_as_long_as_a_delta_needs_it_and_no_longer(crowded: Shop) -> None:
    assert crowded.build()
    for _ in range(3):
        crowded.build(after=GRACE + timedelta(seconds=1))
    assert crowded.kinds() == ["whole", "delta"]
    assert journal_length(crowded.services, crowded.tenant) == 0
    crowded.assert_right()


def test_a_purge_leaves_no_base_from_before(crowded: Shop) -> None:
    gone = crowded.go(1)
    assert crowded.build(erase=False)
    crowded.builder().purge_before(
        crowded.tenant.name, crowded.services.writer.read_seq(crowded.tenant.name)
    )
    assert crowded.kinds() == ["whole"]
    crowded.assert_right()
    crowded.services.close()
    assert traces(crowded.services, gone) == []


def test_a_damaged_delta_is_passed_over_for_its_base_and_the_next_snapshot_is_whole(
    crowded: Shop,
) -> None:
    assert crowded.build()
    *_, newest = crowded.blobs.walk(keys.snapshots(crowded.tenant.name, "fake"))
    crowded.blobs.replace(newest.key, b"damaged", "application/octet-stream")
    crowded.assert_right()
    crowded.come(range(2_000, 2_000 + TAIL_LENGTH))
    assert crowded.build()
    assert crowded.kinds()[-1] == "whole"
    crowded.assert_right()


def test_nobody_writes_a_snapshot_while_a_whole_one_is_being_written_unless_its_builder_died(
    shop: Shop,
) -> None:
    shop.go(1)
    with suppress(Killed):
        shop.builder([1]).build(shop.tenant.name)
    assert not shop.build()
    assert not shop.build(erase=False)
    assert shop.build(after=timedelta(minutes=15))
    shop.assert_right()


@parametrize("step", range(10), gate=3)
def test_a_builder_killed_at_any_write_leaves_every_search_exact(crowded: Shop, step: int) -> None:
    """Of a delta, of a whole snapshot, and of what they leave behind.

    The next builders carry on.
    """
    left = [step]
    with suppress(Killed):
        crowded.builder(left).build(crowded.tenant.name)
        gone = crowded.go(1)
        for _ in range(3):
            crowded.builder(left).build(crowded.tenant.name)
            crowded.clock.advance(GRACE + timedelta(seconds=1))
        raise AssertionError(f"it makes no change {step}")
    crowded.assert_right()
    for _ in range(4):
        crowded.build(after=GRACE + timedelta(seconds=1))
    crowded.assert_right()
    assert journal_length(crowded.services, crowded.tenant) == 0
    if 1 not in crowded.faces:
        crowded.services.close()
        assert traces(crowded.services, gone) == []


def test_of_too_little_memory_is_said_and_a_delta_is_written_all_the_same(shop: Shop) -> None:
    shop.go(min(shop.faces))
    kinds = shop.kinds()
    refused = pytest.raises(TooLittleMemory, match=r"MiB .*: raise BuildIndexMemory\. Until then")
    with begin_invocation("build_index", "1") as invocation, refused:
        shop.build_within(1_000_000)
    assert invocation.measured[SNAPSHOT_MEMORY] > 100
    assert shop.kinds() == kinds, "an erasure needs a whole one, and no delta is due"
    shop.come(MANY)
    with refused:
        shop.build_within(1_000_000)
    assert shop.kinds()[-1] == "delta"
    with begin_invocation("build_index", "2") as invocation:
        assert shop.build_within(10**12)
    assert SNAPSHOT_MEMORY not in invocation.measured, "a metric costs"
    assert shop.kinds()[-1] == "whole"
