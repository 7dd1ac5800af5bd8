"""Who a face in a capture is, among the groups of its camera."""

from __future__ import annotations

from chalicelib.core.captures import Camera, SeenFace
from chalicelib.core.model import DEFAULT_GROUPS, Tenant
from chalicelib.services.recognition.recognition import Probes, Recognised, Recognition


class Resolver:
    def __init__(self, recognition: Recognition) -> None:
        self._recognition = recognition

    def resolve(self, tenant: Tenant, camera: Camera, seen: SeenFace, *, besides: str | None = None) -> Recognised:
        """Search the camera's groups. `besides`: a face that it is not. Raises GalleryMoved, WrongModel."""
        from chalicelib.core.templates import vector

        probes = Probes(seen.template.model, vector(seen.template)[None, :], [seen.estimates.quality])
        (found,) = self._recognition.of(tenant, probes, group_ids=searched(camera), besides=besides)
        return found


def searched(camera: Camera) -> list[str] | None:
    """Group ids. Strangers that this camera made, and who became regulars, are always known to it."""
    if camera.group_ids is None:
        return None
    return list(dict.fromkeys([*camera.group_ids, *DEFAULT_GROUPS]))
