"""Who somebody is taken for on a capture."""

from chalicelib.services import Services
from tests.support.api.v1.client import V1Client
from tests.support.fakes import Person, picture


def see(v1: V1Client, services: Services, minutes_ago: int, person: Person) -> tuple[str, str]:
    """Who somebody is taken for on a capture, and the sighting's id."""
    capture = v1.take(services, picture(person), minutes_ago)
    (sighting,) = v1.done("GET", f"/v1/captures/{capture.id}", camera="door")["sightings"]
    return sighting["face"], sighting["id"]
