"""What a changed face's write does, by what is stored before and after it."""

from datetime import UTC, datetime

import pytest
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.words.consent import Basis, Consent, Ending
from chalicelib.book.words.effects import Effect, describe_face_change, name_setting, read_setting
from chalicelib.book.words.model import Face, Hold, Restriction

AT = datetime(2026, 3, 2, tzinfo=UTC)
CONSENT = Consent(Basis.CONSENT, AT, "form")
WITHDRAWN = Restriction("", AT, "regular", "", ended=Ending.WITHDRAWN)
ASKED = Restriction("a letter", AT, "regular", "")
PLAIN = Face(faceid="ann", group_id="regular", enrolled_at=AT, pictures=())
CONSENTING = replace(PLAIN, consent=CONSENT)


class Case(Struct, frozen=True):
    before: Face
    after: Face
    effects: set[Effect]


CASES = {
    "held": Case(PLAIN, replace(PLAIN, hold=Hold("case 7", AT)), {Effect.HOLDS}),
    "released": Case(replace(PLAIN, hold=Hold("case 7", AT)), PLAIN, {Effect.RELEASES}),
    "restricted": Case(PLAIN, replace(PLAIN, restriction=ASKED), {Effect.RESTRICTS}),
    "freed": Case(replace(PLAIN, restriction=ASKED), PLAIN, {Effect.FREES}),
    "withdrawn": Case(CONSENTING, replace(PLAIN, restriction=WITHDRAWN), {Effect.WITHDRAWS}),
    "withdrawn while restricted": Case(
        replace(CONSENTING, restriction=ASKED),
        replace(PLAIN, restriction=ASKED._replace(ended=Ending.WITHDRAWN)),
        {Effect.WITHDRAWS},
    ),
    "expired, which nobody did": Case(
        CONSENTING, replace(CONSENTING, restriction=WITHDRAWN._replace(ended=Ending.EXPIRED)), {Effect.EDITS}
    ),
    "consented": Case(PLAIN, CONSENTING, {Effect.CONSENTS}),
    "consented again, as before": Case(replace(CONSENTING, restriction=WITHDRAWN), CONSENTING, {Effect.CONSENTS}),
    "named": Case(PLAIN, replace(PLAIN, name="Ann"), {Effect.NAMES}),
    "edited": Case(PLAIN, replace(PLAIN, note="left-handed"), {Effect.EDITS}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_changed_face_does_what_differs(case: Case) -> None:
    assert {*describe_face_change(case.before, case.after)} == {(effect, "ann") for effect in case.effects}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("strangers", "forget", ("strangers", "forget")),
        ("capture_days", None, ("capture_days", None)),
        ("consent_required", True, ("consent_required", True)),
        ("controller", "Maria Miller, 12 Main Street", None),
        ("attributes_off", frozenset({"age"}), None),
    ],
)
def test_a_setting_is_said_with_its_value_unless_somebody_wrote_it(name: str, value: object, said: object) -> None:
    subject = name_setting(name, value)
    assert read_setting(subject) == said
    assert said is not None or subject == name, "a text may name a person"
