"""The proof of a camera's count, as v1 answers it beside the camera and its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, field

from chalicelib.api.v1.wire import Answer, Time

if TYPE_CHECKING:
    from chalicelib.domain import checks


Crossed = Annotated[int, Meta(ge=0)]


class WrongMinute(Answer):
    at: Time
    in_: Crossed = field(name="in")
    out: Crossed
    seen_in: Crossed
    seen_out: Crossed


class Proof(Answer):
    """The accuracy of a count at the camera's line of now, as people checked it."""

    answers: Annotated[int, Meta(ge=0, description="Of minutes that had a number.")]
    needed: Annotated[int, Meta(ge=1, description="With so many answers there are shares.")]
    unknown: Annotated[
        int, Meta(ge=0, description="Answers of minutes that had no number: they are not wrong.")
    ]
    in_: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(
            description="1 less the errors per person who was seen to come in; 0 if some were "
            "counted where nobody was seen. null: too few answers, or nobody was seen nor counted."
        ),
    ] = field(name="in")
    out: Annotated[float, Meta(ge=0, le=1)] | None
    of: Annotated[int, Meta(ge=0, description="So many crossings people saw.")]
    left_out: Annotated[
        int,
        Meta(
            ge=0,
            description="So many films went without an answer, and so many answers were deleted: "
            "200 at most.",
        ),
    ]
    wrong: Annotated[
        list[WrongMinute],
        Meta(
            max_length=5,
            description="If a share is below 0.9, the minutes that were most wrong, the worst "
            "first.",
        ),
    ]


ProofOrNull = Annotated[
    Proof | None,
    Meta(
        description="null: nobody has checked its count, or this is a list, or a camera's own key."
    ),
]


def describe_proof(proof: checks.Proof | None) -> Proof | None:
    """Describe how right a count is; None: nobody has checked it."""
    if proof is None:
        return None
    from chalicelib.domain.checks import NEEDED_ANSWERS  # not at the other routes' cold starts

    return Proof.made_of(
        proof,
        needed=NEEDED_ANSWERS,
        in_=proof.right_in,
        out=proof.right_out,
        wrong=[_describe_wrong(minute) for minute in proof.wrong],
    )


def _describe_wrong(minute: checks.WrongMinute) -> WrongMinute:
    (came, went), (seen_in, seen_out) = minute.counted, minute.seen
    return WrongMinute.made_of(minute, in_=came, out=went, seen_in=seen_in, seen_out=seen_out)
