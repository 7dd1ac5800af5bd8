"""Counts everything that a tenant holds again, from the records themselves, and says what does not agree."""

from __future__ import annotations

from collections import Counter

from chalicelib.core import keys
from chalicelib.core.items import every
from chalicelib.core.model import Face, Tenant
from chalicelib.core.records.faces import face_from
from chalicelib.core.templates import compared
from chalicelib.index.galleries import Galleries
from chalicelib.services import Services
from chalicelib.services.faces.portraits import Portraits


def every_face(services: Services, tenant: Tenant) -> dict[str, Face]:
    items = services.requests._items
    return {item["faceid"]: face_from(item) for item in every(items, keys.FACES, tenant.name)}


def disagreements(services: Services, tenant: Tenant) -> list[str]:
    """Counts against faces, the journal against seq, the index against faces, pictures against faces."""
    faces = every_face(services, tenant)
    return [
        *_counts(services, tenant, faces),
        *_journal(services, tenant),
        *_index(services, tenant, faces),
        *_pictures(services, faces),
    ]


def _counts(services: Services, tenant: Tenant, faces: dict[str, Face]) -> list[str]:
    recounted = Counter(face.group_id for face in faces.values())
    wrong = [
        f"group {group.name} says {group.count}, holds {recounted[group.id]}"
        for group in services.groups.all(tenant)
        if group.count != recounted[group.id]
    ]
    directory = services.requests._items.get(keys.DIRECTORY, (tenant.name, keys.TENANT_ITEM))
    assert directory is not None
    if directory["free"] != tenant.limits.faces - len(faces):
        wrong.append(f"the tenant says {directory['free']} free, and holds {len(faces)}")
    for group in services.groups.all(tenant):
        listed: list[str] = []
        for number in range(1, group.count // 100 + 2):
            listed += [face.faceid for face in services.faces.page(tenant, group.name, number, 100).faces]
        if sorted(listed) != sorted(face.faceid for face in faces.values() if face.group_id == group.id):
            wrong.append(f"the list of group {group.name} is not its faces")
    return wrong


def _journal(services: Services, tenant: Tenant) -> list[str]:
    items = services.requests._items
    seqs = [int(item["seq"]) for item in every(items, keys.JOURNAL, tenant.name)]
    directory = items.get(keys.DIRECTORY, (tenant.name, keys.TENANT_ITEM))
    assert directory is not None
    first = seqs[0] if seqs else int(directory["seq"]) + 1
    if seqs != list(range(first, int(directory["seq"]) + 1)):
        return [f"the journal has a gap: {len(seqs)} items from {first} to {directory['seq']}"]
    return []


def _index(services: Services, tenant: Tenant, faces: dict[str, Face]) -> list[str]:
    galleries = Galleries(services.requests._items, services.sweep._orphans._blobs)
    model = services.tenants.named(tenant.name).model
    segment = galleries.current(tenant.name, model).segment()
    held = {
        faceid: segment.group_ids[number] for faceid, number in zip(segment.faceids, segment.face_group, strict=True)
    }
    if held != {f.faceid: f.group_id for f in faces.values()}:
        return ["a cold index is not the faces"]
    rows = segment.first_row
    return [
        f"{faceid} is not compared by the mean of its pictures' templates"
        for number, faceid in enumerate(segment.faceids)
        if [row.tobytes() for row in segment.templates[rows[number] : rows[number + 1]]]
        != [one.vector for one in compared(faces[faceid].templates) if one.model == model]
    ]


def _pictures(services: Services, faces: dict[str, Face]) -> list[str]:
    portraits = Portraits(services.visions, services.sweep._orphans._blobs)
    return [
        f"{face.faceid} lacks a picture of {len(face.pictures)}"
        for face in faces.values()
        if not all(map(portraits.load, face.picture_keys)) or len(face.picture_keys) < len(face.pictures)
    ]
