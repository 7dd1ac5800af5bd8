"""A subject of several faces, as of one that was restricted and made again."""

from collections.abc import Callable, Iterable

from regulars_dialects.compreface.requests import RULES
from regulars_dialects.subjects import Subjects

from chalicelib.domain.model import Group, Tenant
from chalicelib.services import Services


def several_faces(
    services: Services,
    tenant: Tenant,
    group: Group,
    name: str,
    photos: Iterable[list[bytes]],
    seen: Callable[[int], object] = lambda number: None,
    *,
    matches_case: bool = False,
) -> list[str]:
    """Return the ids of the faces, each of these photos.

    `seen`: called while only the face of that number is there.
    """
    made: list[str] = []
    restrictions = services.restrictions
    for number, some in enumerate(photos):
        examples = [
            Subjects(services).enrol_photo(
                tenant, group, name, one, RULES, 0.0, matches_case=matches_case
            )
            for one in some
        ]
        made.append(examples[0].face.faceid)
        seen(number)
        restrictions.set(tenant, made[-1], "as if it were not there")
    for faceid in made:
        restrictions.lift(tenant, faceid, "it is")
    return made
