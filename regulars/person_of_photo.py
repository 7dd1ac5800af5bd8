"""Search for the person of a photo in each shop's book. The photo is compared, and not kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chalicelib.domain.audit_events import begin_in_tenant
from chalicelib.domain.captures import RULES
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from regulars.errors import OperatorError
from regulars.shops import Left


class AskedShops(Left):
    """Results of a photo's search in several shops.

    `known`: each shop that knows the person, with the ids of the person's faces; `strange`: the
    shops in which nobody looks like the photo.
    """

    known: list[tuple[Tenant, list[str]]]
    strange: list[Tenant]


def ask_shops(services: Services, tenants: Sequence[Tenant], photo: Path) -> AskedShops:
    """Search each shop's book for the person of a photo.

    Shops in which nobody looks like it, or that cannot be asked with it now, are printed.
    """
    asked = AskedShops([], [], [])
    picture = photo.read_bytes()
    for tenant in tenants:
        with asked.try_in(tenant.name, "could not be asked"), begin_in_tenant(tenant.name):
            opened = services.tenants.get_by_name(tenant.name)
            faceids = find_faces_of_photo(services, opened, photo.name, picture)
            if faceids:
                asked.known.append((opened, faceids))
                continue
            print(f"{tenant.name}: no enrolled person matches the photo", flush=True)
            asked.strange.append(opened)
    return asked


def find_faces_of_photo(services: Services, tenant: Tenant, name: str, picture: bytes) -> list[str]:
    """Search for the only face of a photo, and return the ids of all faces of its person.

    A person may be in the book twice, restricted or not: all are returned, and of a named face set
    all. `name`: the photo's, for errors. Raises OperatorError if the photo shows no face or
    several, or a face that cannot be compared. Raises Unusable if it is no picture.
    """
    faces = services.recognition.face_analysis.identify_faces(tenant, picture, RULES).faces
    if len(faces) != 1:
        raise OperatorError(f"{name} shows {len(faces)} faces: use a photo with exactly one face")
    [seen_face] = faces
    if seen_face.reason:
        raise OperatorError(f"the face in {name} cannot be compared: {seen_face.reason}")
    same = services.recognition.verification.find_faces_of_person(tenant, seen_face.probe)
    people = [services.faces.find_person(tenant, faceid) for faceid in same]
    return [*dict.fromkeys(faceid for person in people for faceid in person.faces)]
