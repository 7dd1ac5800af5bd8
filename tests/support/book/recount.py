"""Counts everything that a tenant holds again, from the records themselves, and says what does not
agree."""

from chalicelib.domain.model import Face, Tenant
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import directory_of, read_ended_records, walk_items
from chalicelib.storage.records.faces import face_from
from tests.support.consistency.consistency import list_disagreements


def every_face(services: Services, tenant: Tenant) -> dict[str, Face]:
    items = services.requests._items
    return {item["faceid"]: face_from(item) for item in walk_items(items, keys.FACES, tenant.name)}


def disagreements(services: Services, tenant: Tenant) -> list[str]:
    """Return what the consistency check says, and what it would not call wrong: lists as they are
    read, faces not found."""
    faces = every_face(services, tenant)
    said = list_disagreements(services, tenant.name)
    return [
        *said,
        *_lists(services, tenant, faces),
        *_pictures(services, tenant, faces),
        *_ended(services, tenant),
    ]


def _lists(services: Services, tenant: Tenant, faces: dict[str, Face]) -> list[str]:
    wrong = []
    for group in services.groups.list_all(tenant):
        listed: list[str] = []
        for number in range(1, group.count // 100 + 2):
            listed += [
                face.faceid
                for face in services.faces.read_page(tenant, group.name, number, 100).faces
            ]
        if sorted(listed) != sorted(
            face.faceid for face in faces.values() if face.group_id == group.id
        ):
            wrong.append(f"the list of group {group.name} is not its faces")
    return wrong


def _pictures(services: Services, tenant: Tenant, faces: dict[str, Face]) -> list[str]:
    """Return the faces that no search finds, and those that were merged from pictures that were
    gone."""
    tenant = services.tenants.get_by_name(tenant.name)
    model = tenant.model
    pictured = [
        face
        for face in faces.values()
        if tenant.keeps_pictures_of(face.group_id) and face.stripped_at is None
    ]
    return [
        *(
            f"{face.faceid} has no template of {model}"
            for face in faces.values()
            if not _is_found(face, model)
        ),
        *(
            f"{face.faceid} lacks a picture"
            for face in pictured
            if len(face.picture_keys) < len(face.pictures)
        ),
    ]


def _ended(services: Services, tenant: Tenant) -> list[str]:
    """Return whom a sighting is compared with of those whose record has ended, if the book has
    others by now."""
    ended_records = read_ended_records(directory_of(services.requests._items, tenant.name))
    looks = services.recognition.verification._read_withdrawn(tenant, ended_records)
    compared = {look.faceid for look in looks}
    there = {
        face.faceid
        for face in services.faces.list_withdrawn(tenant)
        if _is_found(face, tenant.model)
    }
    return (
        []
        if compared == there
        else [f"compared with {compared}, and the records of {there} have ended"]
    )


def _is_found(face: Face, model: str) -> bool:
    return any(picture.has(model) for picture in face.pictures)
