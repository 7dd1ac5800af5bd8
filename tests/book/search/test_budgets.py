"""Galleries in the memory and on the disk that they may take: others go first, and every search is
answered rightly."""

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.book.search.galleries import Galleries
from chalicelib.book.search.snapshots.segment import Segment
from chalicelib.domain.errors import Busy, StorageUnavailable
from chalicelib.domain.rules.decision import SearchRequest
from chalicelib.storage import keys
from chalicelib.storage.box.blobs import FolderBlobStore
from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.ports import Put
from tests.support.book.synthetic import segment, unnamed_bytes, write_snapshot
from tests.support.meanwhile import side_by_side

FACES = 6_000
"""Few, and yet more than a snapshot holds that stays in memory."""
ON_DISK = FACES * 512
PLENTY = 2**30


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    made = np.random.default_rng(1).standard_normal((2 * FACES, 256)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def gallery(vectors: NDArray[np.float32]) -> Segment:
    return segment(vectors[:FACES])


class Watched:
    """Blobs that call `before` at every range that is read."""

    def __init__(self, blobs: FolderBlobStore, before: Callable[[], None]) -> None:
        self._blobs = blobs
        self._before = before

    def size(self, key: str) -> int | None:
        return self._blobs.size(key)

    def get_range(self, key: str, begin: int, length: int) -> bytes | None:
        self._before()
        return self._blobs.get_range(key, begin, length)


class Shops:
    """Tenants in the storage of one box.

    Each has a gallery under its own name; their galleries may be the same one.
    """

    def __init__(self, folder: Path, vectors: NDArray[np.float32]) -> None:
        self.folder = folder
        self.items = SqliteItemStore(folder / "regulars.sqlite", keys.TABLES)
        self.blobs = FolderBlobStore(folder / "blobs")
        self.most_on_disk = 0
        """while galleries were loaded"""
        self._vectors = vectors

    def add(self, tenant: str, gallery: Segment) -> None:
        write_snapshot(self.items, self.blobs, tenant, gallery)
        self._committed(tenant, gallery.seq)

    def alike(self, names: list[str], gallery: Segment) -> None:
        """Add tenants that share one snapshot."""
        self.add(names[0], gallery)
        pointer = self.items.get(keys.DIRECTORY, (names[0], keys.index_item("bench")))
        assert pointer is not None
        for name in names[1:]:
            self.items.transact([Put(keys.DIRECTORY, {**pointer, "tenant": name})])
            self._committed(name, gallery.seq)

    def _committed(self, tenant: str, seq: int) -> None:
        self.items.transact(
            [
                Put(
                    keys.DIRECTORY,
                    {"tenant": tenant, "item": keys.TENANT_ITEM, "seq": seq, "model": "bench"},
                )
            ]
        )

    def galleries(self, disk_bytes: int, memory_bytes: int = PLENTY) -> Galleries:
        made = Galleries(self.items, self.blobs, memory_bytes, self.folder, disk_bytes)
        made._blobs = Watched(self.blobs, self._look)  # type: ignore[assignment]
        return made

    def _look(self) -> None:
        self.most_on_disk = max(self.most_on_disk, self.on_disk)

    def found(self, galleries: Galleries, tenant: str, face: int) -> bool:
        answer = galleries.search(tenant, SearchRequest("bench", self._vectors[face][None]))
        return answer.candidates[0][0].faceid == f"face-{face:07d}"

    @property
    def on_disk(self) -> int:
        return unnamed_bytes(self.folder)


@pytest.fixture
def shops(tmp_path: Path, vectors: NDArray[np.float32]) -> Iterator[Shops]:
    made = Shops(tmp_path, vectors)
    with closing(made.items):
        yield made


def test_200_tenants_go_through_a_process_whose_disk_holds_20(
    shops: Shops, gallery: Segment
) -> None:
    """Scaled: 6,000 faces each.

    `python -m regulars_lab.bench.tenants` does the same with 30,000.
    """
    names = [f"shop-{number}" for number in range(200)]
    shops.alike(names, gallery)
    galleries, draw = shops.galleries(20 * ON_DISK), random.Random(1)
    for name in names + draw.choices(names, k=100):
        assert shops.found(galleries, name, draw.randrange(FACES))
    assert shops.most_on_disk == shops.on_disk == 20 * ON_DISK


def test_a_gallery_that_takes_more_than_half_of_the_disk_is_loaded_again(
    shops: Shops, gallery: Segment, vectors: NDArray[np.float32]
) -> None:
    """The journal behind the held copy is trimmed, and both copies together would not fit."""
    shops.add("shop", gallery)
    galleries = shops.galleries(ON_DISK * 3 // 2)
    assert shops.found(galleries, "shop", 7)
    shops.add("shop", segment(vectors[: FACES + 600], seq=400))

    assert shops.found(galleries, "shop", FACES + 599)
    assert shops.found(galleries, "shop", 7)
    assert shops.most_on_disk == shops.on_disk == (FACES + 600) * 512


def test_a_gallery_larger_than_the_disk_says_what_to_do_and_stops_nobody_else(
    shops: Shops, gallery: Segment, vectors: NDArray[np.float32]
) -> None:
    shops.add("large", segment(vectors))
    shops.add("small", gallery)
    galleries = shops.galleries(ON_DISK)
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match="raise SearchDisk or REGULARS_SEARCH_DISK_MB"):
            shops.found(galleries, "large", 7)
        assert shops.found(galleries, "small", 7)


def test_a_search_under_way_keeps_its_gallery_and_another_is_busy_meanwhile(
    shops: Shops, gallery: Segment
) -> None:
    shops.alike(["one", "two"], gallery)
    galleries = shops.galleries(ON_DISK)
    view = galleries.read_current("one", "bench").view
    with pytest.raises(Busy):
        shops.found(galleries, "two", 7)
    assert view.base.templates[-1].any()
    del view

    assert shops.found(galleries, "two", 7)
    assert shops.found(galleries, "one", 7)


@pytest.mark.parametrize(("holds", "beside"), [(3, 2), (0, 0)])
def test_galleries_go_before_another_takes_their_memory(
    shops: Shops, gallery: Segment, holds: int, beside: int
) -> None:
    """With memory for none, as in the functions that make snapshots, one is there at a time."""
    names = [f"shop-{number}" for number in range(8)]
    shops.alike(names, gallery)
    each = shops.galleries(PLENTY).read_current(names[0], "bench").hot_bytes
    galleries = shops.galleries(PLENTY, holds * each)
    held: list[int] = []
    watched = Watched(shops.blobs, lambda: held.append(galleries.loaded_bytes))
    galleries._blobs = watched  # type: ignore[assignment] # a stand-in with the methods of BlobStore that galleries call
    for name in names:
        assert shops.found(galleries, name, 7)
        assert held[-1] <= beside * each
        held.clear()
    assert galleries.loaded_bytes == max(1, holds) * each


def test_threads_that_share_too_small_a_disk_find_the_right_faces(
    shops: Shops, gallery: Segment, vectors: NDArray[np.float32]
) -> None:
    names = [f"shop-{number}" for number in range(6)]
    shops.alike(names[:3], gallery)
    shops.alike(
        names[3:],
        segment(vectors[FACES // 2 :], [f"face-{n:07d}" for n in range(FACES // 2, 2 * FACES)]),
    )
    galleries, limit = shops.galleries(4 * ON_DISK), 4 * ON_DISK
    wrong: list[str] = []
    served: list[str] = []

    def work(number: int) -> None:
        draw = random.Random(number)
        for _ in range(40):
            name = draw.choice(names)
            right = shops.found(galleries, name, draw.randrange(FACES // 2, FACES))
            (served if right else wrong).append(name)
            # Twice: what is mapped is listed piece by piece, so one look may count a file that goes
            # and the next one.
            if min(shops.on_disk, shops.on_disk) > limit:
                wrong.append("more on the disk than may be")

    assert side_by_side([partial(work, number) for number in range(6)]) == [None] * 6
    assert wrong == []
    assert len(served) == 240
    assert all(shops.found(galleries, name, FACES - 1) for name in names)
