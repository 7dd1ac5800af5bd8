"""Would the same search give the same answer? A sighting's entry, searched for again in the gallery as it was.

The face is embedded anew from the capture's picture, while that is kept, and compared with the gallery at the entry's
seq, while a snapshot and the journal reach back to it: that is hours, since both forget templates that were deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.core import keys
from chalicelib.core.audit import Entry
from chalicelib.core.captures import Camera, parts_of_sighting
from chalicelib.core.decision import DEFAULT_FPIR, OperatingPoint, Verdict
from chalicelib.core.errors import CameraNotFound, InvalidInput, Unusable
from chalicelib.core.model import Tenant
from chalicelib.core.ports import BlobStore
from chalicelib.core.search import PastGallery, SearchRequest, verdicts
from chalicelib.services.audit.audit import Audit, Wanted
from chalicelib.services.cameras import Cameras
from chalicelib.services.captures.captures import Reading
from chalicelib.services.models import TenantVision
from chalicelib.services.recognition.recognition import searched

_MS_DIGITS = 13
_ROUNDED = 2e-6
"""Scores are kept with six digits."""

Answer = tuple[bool | None, str]
"""Whether the answer is the same, None if that cannot be said; and what there is to say."""


@dataclass
class Replay:
    audit: Audit
    cameras: Cameras
    uploads: BlobStore
    tenant_vision: TenantVision
    past: Callable[[str, str, int], PastGallery | int]

    def entry(self, tenant: Tenant, id_: str) -> Answer:
        """Replay a sighting's entry. Raises InvalidInput if there is no such entry, or not any more."""
        entry = self._found(tenant.name, id_)
        if "sighting" not in entry:
            return None, "this is no sighting; of a search over the API the picture is not kept"
        if "seq" not in entry:
            return None, f"the gallery was not searched: {entry.get('reason', 'before this was kept')}"
        if "visit" in entry:
            return None, f"it was decided beside the sighting {entry['visit']} of the same visit, not by the gallery"
        gallery = self.past(tenant.name, entry["model"], entry["seq"])
        if isinstance(gallery, int):
            return None, f"the gallery at seq {entry['seq']} is no longer kept: only from seq {gallery} on"
        verdict = self._searched(tenant, entry, gallery)
        return (None, "the capture's picture is no longer kept") if verdict is None else _compared(entry, verdict)

    def _found(self, tenant: str, id_: str) -> Entry:
        if not id_[:_MS_DIGITS].isdigit():
            raise InvalidInput(f"an entry's id begins with {_MS_DIGITS} digits, not {id_[:40]!r}")
        at_ms, token = int(id_[:_MS_DIGITS]), None
        while True:
            page = self.audit.reading.page(tenant, Wanted(at_ms, at_ms + 1), token=token)
            if found := next((entry for _, entry in page.rows if entry["id"] == id_), None):
                return found
            token = page.next_token
            if token is None:
                raise InvalidInput(f"there is no entry {id_[:80]!r}: it was erased, or retention let it go")

    def _searched(self, tenant: Tenant, entry: Entry, gallery: PastGallery) -> Verdict | None:
        """Search for the sighting's face again; None if its picture is gone."""
        from chalicelib.core.templates import vector

        (capture, number), camera = parts_of_sighting(entry["sighting"]), str(entry["by"]).removeprefix("camera ")
        picture = self.uploads.get(keys.capture_picture(tenant.name, camera, capture))
        vision = self.tenant_vision.of(entry["model"])
        try:
            faces = () if picture is None else Reading(vision, tenant, picture).faces
        except Unusable:
            return None
        if number >= len(faces):
            return None
        seen, decides = faces[number], OperatingPoint(vision.impostor_curve, float(entry.get("fpir", DEFAULT_FPIR)))
        probe, groups = vector(seen.template)[None, :], searched(self._camera(tenant, camera))
        answer = gallery.search(SearchRequest(entry["model"], probe, groups, 1, decides, templates=True))
        return verdicts(answer, decides, vision.population, probe)[0][0]

    def _camera(self, tenant: Tenant, id_: str) -> Camera:
        """Read the camera; one that was deleted searched all groups, as far as anybody knows."""
        try:
            return self.cameras.get(tenant, id_)
        except CameraNotFound:
            return Camera(id_, id_, tenant.created_at)


def _compared(entry: Entry, verdict: Verdict) -> Answer:
    decision = verdict.decision
    face = verdict.candidate.faceid if verdict.match and verdict.candidate else None
    then = next(iter(entry.get("faces", ())), None) if entry["resolution"] == "matched" else None
    score = decision.score if face is not None else None
    said_score = None if entry.get("score") is None else float(entry["score"])
    same = (
        face == then
        and (score is None) == (said_score is None)
        and abs((score or 0.0) - (said_score or 0.0)) < _ROUNDED
        and abs(decision.threshold - float(entry["threshold"])) < _ROUNDED
        and decision.gallery_size == entry["gallery_size"]
    )
    now = _said(face, score, decision.threshold, decision.gallery_size)
    if same:
        return True, f"{now} at seq {entry['seq']}"
    before = _said(then, said_score, float(entry["threshold"]), entry["gallery_size"])
    return False, f"{now}; the entry says {before}"


def _said(face: str | None, score: float | None, threshold: float, size: int) -> str:
    who = "nobody" if face is None else f"face {face} by {score:.6f}"
    return f"{who}, with a limit of {threshold:.6f} among {size} faces"
