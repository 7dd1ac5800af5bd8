"""The items beside faces: the terms by which they are found by name, and the list of those under legal hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from chalicelib.core import keys
from chalicelib.core.items import every, write
from chalicelib.core.model import Face, Tenant
from chalicelib.core.names import terms
from chalicelib.core.ports import Check, Delete, ItemStore, Put, absent, equals
from chalicelib.core.records.faces import face_from, hold_from
from chalicelib.services.consistency.disagreement import Disagreement
from chalicelib.services.faces.holds import hold_delete, hold_put
from chalicelib.services.faces.names import name_item

_SAME = "as-it-was-read"


@dataclass(frozen=True)
class NameRecords:
    items: ItemStore

    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        faces = {face.faceid: face for face in map(face_from, every(self.items, keys.FACES, tenant.name))}
        stored = {item["term"] for item in every(self.items, keys.NAMES, tenant.name)}
        for face in faces.values():
            for term in terms(face.name):
                if keys.name_term(term, face.faceid) not in stored:
                    put = Put(keys.NAMES, name_item(tenant.name, face.faceid, term))
                    text = f"face {face.faceid} is not found by {term!r} of its name"
                    yield self._disagreement(tenant, face.faceid, face, text, put)
        for place in sorted(stored):
            term, faceid = keys.parts_of_name_term(place)
            owner = faces.get(faceid)
            if owner is None or term not in terms(owner.name):
                delete = Delete(keys.NAMES, (tenant.name, place))
                text = f"{term!r} finds face {faceid}, and no such face has such a name"
                yield self._disagreement(tenant, faceid, owner, text, delete)
        yield from self._holds(tenant, faces)

    def _holds(self, tenant: Tenant, faces: Mapping[str, Face]) -> Iterator[Disagreement]:
        low, high = keys.HOLDS
        listed = {item["faceid"]: item for item in every(self.items, keys.DIRECTORY, tenant.name, low=low, high=high)}
        for faceid in sorted({*listed, *(face.faceid for face in faces.values() if face.hold)}):
            face, item = faces.get(faceid), listed.get(faceid)
            if (face and face.hold) != (item and hold_from(item)):
                held = hold_put(tenant.name, face) if face and face.hold else hold_delete(tenant.name, faceid)
                text = f"the list of legal holds and face {faceid} do not say the same"
                yield self._disagreement(tenant, faceid, face, text, held)

    def _disagreement(
        self, tenant: Tenant, faceid: str, face: Face | None, says: str, action: Put | Delete
    ) -> Disagreement:
        unchanged = absent(_SAME) if face is None else equals("version", face.version, _SAME)
        same = Check(keys.FACES, (tenant.name, faceid), (unchanged,))
        at = () if face is None else (face.version,)
        return Disagreement(says, at, partial(write, self.items, [same, action]))
