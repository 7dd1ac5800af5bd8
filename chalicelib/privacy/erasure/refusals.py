"""Which erased people does an enrolment refuse? People with the erased id, or with the very same
template.

A process reads all erasures of a tenant once, and again after another one: by one small item it
sees that there is one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from chalicelib.domain.errors import FaceErased
from chalicelib.domain.model import Tenant
from chalicelib.privacy.erasure_progress import Erasure, add_face_hashes, list_named_faces
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.ports import Put
from chalicelib.storage.values import time_text

if TYPE_CHECKING:
    from chalicelib.services import Services

_TENANTS_KEPT = 8
"""Tenants whose erasures a process keeps in memory: 10,000 erasures are some MB."""


class NamedFaces(Struct, frozen=True):
    """The faces of one erasure, hashed as its receipt has them, so that no memory holds an id for
    long."""

    erasure_id: str
    asked_at: datetime
    statement: Mapping[str, Any]
    """The part of a receipt's statement that `list_named_faces` reads."""


class ErasedPeople(Struct, frozen=True):
    """All people that a tenant's erasures name. `key`: the key of the hashes.

    `version`: the version of the tenant's erasures, which was read before them. `templates`: the
    erasure that removed a template, by the template's SHA-256.
    """

    version: str
    key: bytes
    erasures: tuple[NamedFaces, ...]
    templates: Mapping[str, NamedFaces]


class Refusals(Service["Services"]):
    """The refusals of people who were erased."""

    def __init__(self, services: Any) -> None:
        super().__init__(services)
        self._people: dict[str, ErasedPeople] = {}

    def refuse_erased(self, tenant: Tenant, faceid: str | None, template: bytes) -> None:
        """Raise FaceErased if an erasure of the tenant, done or running, names this id or has
        removed this template."""
        people = self._read_people(tenant.name)
        matches_of_id = (
            named_faces
            for named_faces in people.erasures
            if list_named_faces(named_faces.statement, people.key, [faceid or ""])
        )
        match = next(matches_of_id, None) if faceid else None
        reason = f"who had the id {faceid!r}"
        if match is None:
            match = people.templates.get(hashlib.sha256(template).hexdigest())
            reason = "of whom this very picture was kept"
        if match is not None:
            raise FaceErased(
                f"somebody was erased {reason}: by erasure {match.erasure_id}, asked for at "
                f"{time_text(match.asked_at)}. Enrol with if_erased=enrol if it is somebody else, "
                "or if the person "
                "wants to be in the book again"
            )

    def make_version_put(self, tenant: str) -> Put:
        """Return the action that gives a tenant's erasures a new version, so that all processes
        read them again.

        It belongs into each transaction that adds erased people.
        """
        return Put(
            keys.DIRECTORY,
            {"tenant": tenant, "item": keys.ERASURES_ITEM, "mark": secrets.token_hex(8)},
        )

    def _read_people(self, tenant: str) -> ErasedPeople:
        version_item = self.services.items.get(keys.DIRECTORY, (tenant, keys.ERASURES_ITEM))
        version = version_item["mark"] if version_item else ""  # nobody was erased yet
        people = self._people.pop(tenant, None)
        if people is None or people.version != version:
            key = self.services.audit.signing.read_face_key(tenant)
            people = _list_people(version, key, self.services.erasure.records.list_all(tenant))
        self._people[tenant] = people  # behind the others, of which the first goes
        for longest_unused in [*self._people][:-_TENANTS_KEPT]:
            self._people.pop(longest_unused, None)
        return people


def _list_people(version: str, key: bytes, erasures: Iterable[Erasure]) -> ErasedPeople:
    """List the erased people by whose ids and templates an enrolment is refused."""
    erased_faces, templates = [], {}
    for erasure in erasures:
        if not erasure.erases:
            continue
        # of what was done again after a restore, the receipt alone has the hashes
        if erasure.receipt is not None:
            faces = erasure.receipt["statement"]["faces"]
            removed = erasure.receipt["statement"]["removed"]
        else:
            hashed_erasure = add_face_hashes(erasure, key) if erasure.faceids else erasure
            faces = {"salt": hashed_erasure.salt, "sha256": hashed_erasure.faces}
            removed = erasure.hashes
        named_faces = NamedFaces(
            erasure.id, erasure.at, {"faces": {"salt": faces["salt"], "sha256": [*faces["sha256"]]}}
        )
        erased_faces.append(named_faces)
        templates.update(dict.fromkeys(removed.get("templates", ()), named_faces))
    return ErasedPeople(version, key, tuple(erased_faces), templates)
