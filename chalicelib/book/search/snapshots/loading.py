"""Loading of a gallery into memory, from the newest undamaged snapshot (the gallery as it is
stored); if none is left, it is rebuilt from the faces.

A snapshot's parts are downloaded side by side, each checked and put in its place. The sections that
every search reads go into memory. A search looks at few rows of the templates, so these go into a
file that is mapped into memory; a face then takes a third of the memory. A snapshot of one part
stays in memory as it came. The changes of a delta are applied to its base as the journal's are.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from chalicelib.book.search.gallery import Gallery
from chalicelib.book.search.snapshots import delta
from chalicelib.book.search.snapshots.scratch import OpenFile
from chalicelib.book.search.snapshots.segment import (
    PART,
    PREFIX,
    DamagedSnapshot,
    Layout,
    Segment,
    assemble_segment,
    check_part,
    decode,
    header_length,
    parse_layout,
    segment_of_faces,
)
from chalicelib.domain.errors import WrongModel
from chalicelib.domain.model import JournalEntry
from chalicelib.domain.rules.templates import gallery_group, reduce_templates
from chalicelib.storage import keys
from chalicelib.storage.items import directory_of, every_face, every_face_set
from chalicelib.storage.ports import BlobStore, Item, ItemStore
from chalicelib.storage.records.faces import face_from, face_set_from

_log = logging.getLogger(__name__)


SIDE_BY_SIDE = 8
"""Requests at once: one S3 connection is slower than a function's network."""


def fetch(blobs: BlobStore, key: str, open_file: OpenFile) -> Segment | None:
    """Return the gallery that a whole snapshot (one that is no delta) holds; None if there is none.

    A small one is read at once, and stays in memory. Of a large one the header is read first, and
    the templates go into a file that `open_file` makes. Raises DamagedSnapshot, also if it is
    deleted meanwhile. Storage raises StorageUnavailable; `open_file` raises that or Busy without
    room.
    """
    size = blobs.size(key)
    if size is None:
        return None
    head = _read_range(blobs, key, 0, min(max(size, 1), PART))
    if len(head) == size:  # a small one is read at once
        return decode(head)
    length = header_length(head[:PREFIX])
    if length > size:
        raise DamagedSnapshot(f"its header is longer than its {size} bytes")
    if length > len(head):  # the first part did not have all of it
        head = _read_range(blobs, key, 0, length)
    layout = parse_layout(head[:length], size)
    return _load_segment(blobs, key, layout, open_file)


def _load_segment(blobs: BlobStore, key: str, layout: Layout, open_file: OpenFile) -> Segment:
    """Return the gallery of a large snapshot, whose parts are downloaded side by side.

    What stands before the templates, which every search reads, goes into memory. The templates go
    into a file of `open_file`, which is mapped into memory.
    """
    hot_bytes, cold_bytes = layout.cold_at - layout.body_at, layout.size - layout.cold_at
    with open_file(hot_bytes, cold_bytes) as (descriptor, mapped):
        hot = np.empty(hot_bytes, dtype=np.uint8)
        load_part = partial(_load_part, blobs, key, layout, hot, descriptor)
        with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
            for _ in threads.map(load_part, range(len(layout.checksums))):
                pass  # raise what a part raised
    return assemble_segment(layout, hot.data, memoryview(mapped), on_disk=True)


def _load_part(
    blobs: BlobStore, key: str, layout: Layout, hot: NDArray[np.uint8], file: int, number: int
) -> None:
    """Download a part of a snapshot's body, check it, and put it in its place.

    The body's first bytes, as many as `hot` has, go there, all others into the `file`. With 10 MB
    of them and parts of 4 MB, part 2 begins at 8 MB. So 2 MB of it go into `hot`, and 2 to the
    file's begin. Part 3 begins at 12 MB. All of it goes into the file, from 2 MB on.
    """
    begin = number * PART  # in the body, which follows the header
    length = min(PART, layout.size - layout.body_at - begin)
    part = _read_range(blobs, key, layout.body_at + begin, length)
    check_part(layout, number, part)
    hot_length = min(max(len(hot) - begin, 0), len(part))
    hot[begin : begin + hot_length] = np.frombuffer(part, np.uint8, hot_length)
    cold = memoryview(part)[hot_length:]
    if cold:
        _write(file, cold, at=begin + hot_length - len(hot))


def _write(descriptor: int, data: memoryview, at: int) -> None:
    """Write all of the data: one call may write less."""
    while data:
        written = os.pwrite(descriptor, data, at)
        at, data = at + written, data[written:]


def _read_range(blobs: BlobStore, key: str, begin: int, length: int) -> bytes:
    """Return a part of a snapshot. Raises DamagedSnapshot if it was deleted meanwhile."""
    part = blobs.get_range(key, begin, length)
    if part is None:
        raise DamagedSnapshot("it was deleted while it was read")
    return part


def read_seq(items: ItemStore, tenant: str, searched_with: str | None = None) -> int:
    """Return the number of the latest change of a tenant's gallery. Raises TenantNotFound.

    `searched_with` is a face model; None: any will do. Raises WrongModel if the tenant is searched
    with another.
    """
    item = directory_of(items, tenant)
    if searched_with is not None and item["model"] != searched_with:
        raise WrongModel(
            f"tenant {tenant!r} is searched with the model {item['model']!r}, and the probe is of "
            "another"
        )
    return int(item["seq"])


def read_models(items: ItemStore, tenant: str) -> list[str]:
    """Return the face models for which a tenant has a gallery, the one that searches use first.

    While a tenant changes to another model, that has a gallery, too. Raises TenantNotFound.
    """
    item = directory_of(items, tenant)
    models = [item["model"]]
    next_model = item.get("next_model")
    if next_model and next_model != item["model"]:
        models.append(next_model)
    return models


def read_pointer(items: ItemStore, tenant: str, model: str) -> Item | None:
    """Read the item of the directory that names a gallery's newest snapshots, the newest last."""
    return items.get(keys.DIRECTORY, (tenant, keys.index_item(model)))


def load_from_snapshot(
    items: ItemStore, blobs: BlobStore, tenant: str, model: str, open_file: OpenFile
) -> Gallery:
    """Return the gallery as the newest snapshot that can be read holds it.

    If one is damaged or missing, the log says so, and the one before it is tried. Without any, it
    is a gallery of nobody. The caller applies the changes since then.
    """
    pointer = read_pointer(items, tenant, model)
    for key in reversed(pointer["snapshots"] if pointer else []):
        try:
            gallery = _load_snapshot(blobs, key, model, open_file)
        except DamagedSnapshot as error:
            _log.error("snapshot %s of tenant %s is damaged: %s", key, tenant, error)
            continue
        if gallery is not None:
            return gallery
        _log.error("snapshot %s of tenant %s is missing", key, tenant)
    return Gallery(model, None)


def _load_snapshot(blobs: BlobStore, key: str, model: str, open_file: OpenFile) -> Gallery | None:
    """Return the gallery as one snapshot holds it; None if an object that it needs is missing.

    A delta has what changed since a whole snapshot, its base, onto which its changes are applied. A
    whole one is its own base, and has no changes. Raises what `fetch` does, and DamagedSnapshot for
    a damaged delta, too.
    """
    base_key = keys.base_of_snapshot(key)
    # First what is small: a missing delta spares the download of its base.
    changes = read_snapshot_changes(blobs, key)
    if changes is None:
        return None
    segment = fetch(blobs, base_key, open_file)
    if segment is None:
        return None
    gallery = Gallery(model, segment)
    if base_key != key:
        gallery.apply_entries(changes, keys.seq_of_snapshot(key))
    return gallery


def read_snapshot_changes(blobs: BlobStore, key: str) -> list[JournalEntry] | None:
    """Return a snapshot's changes since its base: none if it is whole; None if it is missing."""
    if keys.base_of_snapshot(key) == key:
        return []
    data = blobs.get(key)
    return None if data is None else delta.decode(data)


def rebuild_from_faces(items: ItemStore, tenant: str, model: str) -> Gallery:
    """Return the gallery, rebuilt from the templates of each face: slow, and logged.

    It is for when no snapshot, with the journal (the list of changes) behind it, has all of it.
    """
    _log.warning(
        "the gallery of tenant %s is made anew from its faces: no snapshot and journal cover it",
        tenant,
    )
    # Changes made while the faces are read are in the journal behind this, and applied once more.
    seq = read_seq(items, tenant)
    faces = map(face_from, every_face(items, tenant))
    face_sets = map(face_set_from, every_face_set(items, tenant))
    # Both are id, group and templates: face sets are entries of a gallery as faces are.
    entries = chain(
        ((face.faceid, face.group_id, reduce_templates(face.templates)) for face in faces),
        ((each.entry, gallery_group(each.group_id), each.templates) for each in face_sets),
    )
    entries_of_model = (
        (id_, group_id, [template.vector for template in templates if template.model == model])
        for id_, group_id, templates in entries
    )
    return Gallery(model, segment_of_faces(model, seq, entries_of_model))
