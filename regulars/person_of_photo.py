"""Who is the person of a photo, in each shop's book? The photo is compared, and not kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from msgspec import Struct

from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, begin_audit_event
from chalicelib.domain.captures import RULES
from chalicelib.domain.errors import RegularsError
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.storage.values import format_count
from regulars.errors import OperatorError


class AskedShops(Struct):
    """Answers of several shops to the question who is on a photo.

    `known`: each shop that knows the person, with the ids of the person's faces; `strange`: the
    shops in which nobody looks like the photo; `left`: names of those in which something could not
    be done.
    """

    known: list[tuple[Tenant, list[str]]]
    strange: list[Tenant]
    left: list[str]

    def note_failure(self, tenant: Tenant, what: str, why: Exception | str) -> None:
        """Print what could not be done in a shop, which is left."""
        print(f"{tenant.name}: {what}: {why}", flush=True)
        self.left.append(tenant.name)

    def require_all(self) -> None:
        """Raise OperatorError if something is left."""
        if self.left:
            shops = format_count(len(self.left), "shop", "shops")
            raise OperatorError(
                f"{shops} left: {', '.join(self.left)}. Mend what is said of each: then the same "
                "command does what is left"
            )


def enter_shop(tenant: Tenant) -> AbstractContextManager[object]:
    """Count what is written inside as the command's act in this shop's audit, and in no other's."""
    act = audit_events.current()
    if act is None:
        return nullcontext()
    return begin_audit_event(AuditEvent(act.what, act.by, act.kind, tenant=tenant.name))


def ask_shops(services: Services, tenants: Sequence[Tenant], photo: Path) -> AskedShops:
    """Search each shop's book for the person of a photo.

    Shops in which nobody looks like it, or that cannot be asked with it now, are printed.
    """
    asked = AskedShops([], [], [])
    picture = photo.read_bytes()
    for tenant in tenants:
        try:
            with enter_shop(tenant):
                faceids = find_faces_of_photo(services, tenant, photo.name, picture)
        except (RegularsError, OperatorError) as error:
            asked.note_failure(tenant, "could not be asked", error)
            continue
        if faceids:
            asked.known.append((tenant, faceids))
            continue
        print(f"{tenant.name}: nobody in the book looks like the photo", flush=True)
        asked.strange.append(tenant)
    return asked


def find_faces_of_photo(services: Services, tenant: Tenant, name: str, picture: bytes) -> list[str]:
    """Search for the only face of a photo, and return the ids of all faces of its person.

    A person may be in the book twice, restricted or not: all are returned, and of a subject all.
    `name`: the photo's, for errors. Raises OperatorError if the photo shows
    no face or several, or a face that cannot be compared. Raises Unusable if it is no picture.
    """
    faces = services.recognition.face_analysis.identify_faces(tenant, picture, RULES).faces
    if len(faces) != 1:
        raise OperatorError(f"{name} shows {len(faces)} faces: send a photo of one person alone")
    [seen_face] = faces
    if seen_face.reason:
        raise OperatorError(f"the face in {name} cannot be compared: {seen_face.reason}")
    same = services.recognition.verification.find_faces_of_person(tenant, seen_face.probe)
    people = [services.faces.find_person(tenant, faceid) for faceid in same]
    return [*dict.fromkeys(faceid for person in people for faceid in person.faces)]
