"""The owner of an observation whose id belonged to a deleted face, and now belongs to another
one."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.model import NO_LABELS, Face
from chalicelib.domain.observations import Observation, ObservationKind, keep_own
from chalicelib.storage.records.observations import observation_from, observation_item

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FACE = Face("seven", "g", NOON, ())
ENROLLED = Observation(NOON, "e", "seven", "guests", NO_LABELS, ObservationKind.ENROLMENT)
SEEN = Observation(NOON - HOUR, "s", "seven", "guests", NO_LABELS, ObservationKind.SIGHTING, "door")


def id_of(at: datetime) -> str:
    """An id that the service makes."""
    return str((at - datetime(2020, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) << 21)


@pytest.mark.parametrize(
    ("seen", "is_own"),
    [
        (SEEN, False),
        (replace(SEEN, at=NOON + HOUR), True),
        (replace(SEEN, written_at=NOON + HOUR), True),
        (replace(SEEN, written_at=NOON - HOUR / 2), False),
    ],
)
def test_what_became_the_faces_before_somebody_enrolled_it_is_anothers(
    seen: Observation, is_own: bool
) -> None:
    stored = observation_from(observation_item("shop", seen))
    assert keep_own(FACE, [stored, ENROLLED]) == (
        [stored, ENROLLED] if is_own else [ENROLLED],
        NOON,
    )


def test_a_face_that_nobody_enrolled_has_an_id_that_no_other_had() -> None:
    assert keep_own(FACE, [SEEN]) == ([SEEN], None)


@pytest.mark.parametrize(
    ("made_at", "is_new"), [(NOON, True), (NOON - HOUR, False), (NOON + HOUR, False)]
)
def test_nor_has_one_whose_id_the_service_made_when_somebody_enrolled_it(
    made_at: datetime, *, is_new: bool
) -> None:
    face = replace(FACE, faceid=id_of(made_at))
    assert keep_own(face, [SEEN, ENROLLED])[0] == ([SEEN, ENROLLED] if is_new else [ENROLLED])
