"""What an import would do: every picture is looked at, and nothing is changed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from regulars_client import codes
from regulars_client.client import Regulars
from regulars_client.errors import PictureTooLarge

from chalicelib.core.decision import MIN_QUALITY
from regulars.transfer.importing import Fate, Told, in_turn, readied
from regulars.transfer.journal import KEPT, REFUSED, Outcome
from regulars.transfer.people import Person, Photo


def rehearsed(service: Regulars, people: Sequence[Person], told: Told) -> list[Fate]:
    """Return what would become of each photo. Whether people are known, or alike, shows only when they come in."""
    least = service.get_settings().enrol_quality or MIN_QUALITY

    def look(person: Person) -> list[Fate]:
        flaws = ((photo.name, _flaw(service, photo, least)) for photo in person.photos)
        return [Fate(person.key, Outcome(name, REFUSED if why else KEPT, why)) for name, why in flaws]

    return in_turn(people, look, told)


def _flaw(service: Regulars, photo: Photo, least: float) -> str:
    """Say why the photo would be refused, or nothing."""
    try:
        faces = service.detect(picture=readied(photo).data).faces
    except (OSError, PictureTooLarge, codes.Unusable) as error:
        return str(error)
    if not faces:
        return "no face was found in the picture"
    best = max(faces, key=lambda face: face.quality)
    return f"{best.flaw}: {math.floor(best.quality)} of {least:g}" if best.quality < least else ""
