"""Each write of a face says what it does: a changed one by what is stored before and after it."""

import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

import chalicelib
from chalicelib.domain.consent import Basis, Consent, Ending
from chalicelib.domain.effects import (
    DELETING,
    OF_FACES,
    Effect,
    describe_face_change,
    name_setting,
)
from chalicelib.domain.model import Face, Hold, Restriction

SOURCES = Path(chalicelib.__file__).parent
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
        CONSENTING,
        replace(CONSENTING, restriction=WITHDRAWN._replace(ended=Ending.EXPIRED)),
        {Effect.EDITS},
    ),
    "consented": Case(PLAIN, CONSENTING, {Effect.CONSENTS}),
    "consented again, as before": Case(
        replace(CONSENTING, restriction=WITHDRAWN), CONSENTING, {Effect.CONSENTS}
    ),
    "named": Case(PLAIN, replace(PLAIN, name="Ann"), {Effect.NAMES}),
    "edited": Case(PLAIN, replace(PLAIN, note="left-handed"), {Effect.EDITS}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_changed_face_does_what_differs(case: Case) -> None:
    assert {*describe_face_change(case.before, case.after)} == {
        (effect, "ann") for effect in case.effects
    }


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("strangers", "forget", 'strangers="forget"'),
        ("capture_days", None, "capture_days=null"),
        ("consent_required", True, "consent_required=true"),
        ("controller", "Maria Miller, 12 Main Street", "controller"),
        ("attributes_off", frozenset({"age"}), "attributes_off"),
    ],
)
def test_a_setting_is_said_with_its_value_unless_somebody_wrote_it(
    name: str, value: object, said: str
) -> None:
    assert name_setting(name, value) == said, "a text may name a person"


def test_each_effect_is_of_faces_or_of_what_is_no_face() -> None:
    of_no_face = {*Effect} - OF_FACES
    assert of_no_face == {
        Effect.GIVES_ACCESS,
        Effect.TAKES_ACCESS,
        Effect.TAKES_SIGN_IN,
        Effect.CHANGES_ACCESS,
        Effect.SIGNS_IN,
        Effect.SIGNS_OUT,
        Effect.SETS,
        Effect.ARRANGES,
    }, "a new effect: say in domain/effects whether its subjects are faces"
    assert DELETING <= OF_FACES


def test_each_write_of_a_face_says_what_it_does() -> None:
    """The audit's entry names the faces that writes say, and no others."""
    writes = [call for path in SOURCES.rglob("*.py") for call in list_writes_of_faces(path)]
    silent = [
        call
        for call in writes
        if len(call.args) < 4 and "does" not in {word.arg for word in call.keywords}
    ]
    assert len(writes) > 4
    assert not [ast.unparse(call) for call in silent], (
        "say its effect (`does`), or write by `face_update`"
    )


def list_writes_of_faces(path: Path) -> list[ast.Call]:
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and node.args
    ]
    return [
        call
        for call in calls
        if ast.unparse(call.func) in ("Put", "Update", "Delete")
        and ast.unparse(call.args[0]).endswith("FACES")
    ]
