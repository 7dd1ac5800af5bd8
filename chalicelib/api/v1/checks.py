"""Checks of a camera's count over v1: films without people, what people saw, and the proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta, field

from chalicelib.api.v1.cameras import CountLine
from chalicelib.api.v1.endpoint import Operations, V1Context, answer_as, answer_nothing
from chalicelib.api.v1.proofs import ProofOrNull, describe_proof
from chalicelib.api.v1.times import parse_time_parameter
from chalicelib.api.v1.wire import Answer, Instant, Sent, Time
from chalicelib.auth.roles import Role
from chalicelib.domain import checks, counts
from chalicelib.domain.errors import InvalidInput, NotAllowed
from chalicelib.storage.values import parse_optional, time_text

if TYPE_CHECKING:
    from chalicelib.book.counts.checks import CameraChecks

operations = Operations()

Crossings = Annotated[int, Meta(ge=0, le=1_000)]
Ms = Annotated[int, Meta(ge=0, le=120_000, description="Since the minute began.")]
Watched = Annotated[int, Meta(ge=0, le=60, description="So many of it were watched.")]
Grid = Annotated[
    list[int],
    Meta(min_length=2, max_length=2, description="Squares across and down: 48 and 27."),
]
Bodies = Annotated[
    list[Annotated[list[int], Meta(min_length=5, max_length=5)]],
    Meta(
        max_length=40,
        description="People who were found: left, top, width and height in thousandths of the "
        "picture, and 1 for somebody who is surely a person, else 0.",
    ),
]
Moved = Annotated[
    bytes,
    Meta(
        description="The squares in which something moved, a bit each, row by row, the most "
        "significant first: 162 bytes, in base64."
    ),
]
Walked = Annotated[
    bytes,
    Meta(
        description="How often feet stood in each square in the last hour, a byte each, row by "
        "row, 255 for the most: 1,296 bytes, in base64."
    ),
]
Way = Literal["in", "out"]


class LookSent(Sent):
    ms: Ms
    moved: Moved
    bodies: Bodies


class CrossingSent(Sent):
    ms: Ms
    way: Way


class FilmSent(Sent):
    MOST_COMMAS: ClassVar[int] = 45_000
    """A box sends 150 KB at most, which cannot have more than 41,000: some 10 ms of parsing."""

    at: Annotated[Instant, Meta(description="The first instant of the minute that it shows.")]
    seconds: Watched
    in_: Annotated[
        Crossings,
        Meta(description="What the box counted. It is not kept: the count's minutes are."),
    ] = field(name="in")
    out: Crossings
    line: CountLine
    grid: Grid
    looks: Annotated[list[LookSent], Meta(max_length=400)]
    crossings: Annotated[list[CrossingSent], Meta(max_length=1_000)]
    walked: Walked


class Look(Answer):
    ms: Ms
    moved: Moved
    bodies: Bodies


class Crossing(Answer):
    ms: Ms
    way: Way


class Film(Answer):
    """A minute of a camera without people: squares in which something moved, and boxes around
    those whom the box has found."""

    at: Time
    seconds: Watched
    line: CountLine
    grid: Grid
    looks: Annotated[list[Look], Meta(max_length=400)]
    walked: Walked


class WaitingFilm(Answer):
    at: Time
    line: CountLine
    seconds: Watched
    came_at: Annotated[Time, Meta(description="It is deleted seven days later.")]
    told: Annotated[
        bool,
        Meta(
            description="Whether the box has told what it counted in this minute, within ten "
            "minutes: before that, an answer is refused."
        ),
    ]


class CheckedMinute(Answer):
    at: Time
    line: CountLine
    in_: Annotated[
        Crossings | None,
        Meta(
            description="What was counted, as it was stored when somebody answered. `in` and `out` "
            "are null together: nobody knew, or it was void."
        ),
    ] = field(name="in")
    out: Crossings | None
    why: Annotated[
        counts.Why | None,
        Meta(description="Why nobody knew, as the box said in the count's minute."),
    ]
    seen_in: Crossings
    seen_out: Crossings
    by: Annotated[str, Meta(description="Who answered, as the audit names them.")]
    answered_at: Time


class Checks(Answer):
    asked_at: Annotated[
        Time | None,
        Meta(description="Of a request for a film that the box may still answer, for a day."),
    ]
    unanswered_at: Annotated[
        Time | None, Meta(description="Of a request that no film came for in its day.")
    ]
    waiting: Annotated[
        WaitingFilm | None,
        Meta(description="The film that nobody has answered; null: there is none."),
    ]
    answers: Annotated[
        list[CheckedMinute],
        Meta(
            max_length=200, description="Of the last year, of all lines, the newest minute first."
        ),
    ]
    proof: ProofOrNull
    crossings: Annotated[
        Annotated[list[Crossing], Meta(max_length=1_000)] | None,
        Meta(
            description="When the box counted somebody in the film that this request has answered; "
            "else null: who has yet to answer is not to know."
        ),
    ]


class Seen(Sent):
    in_: Annotated[Crossings, Meta(description="So many came in on the film.")] = field(name="in")
    out: Crossings


@operations("GET", "/v1/cameras/{id}/checks", Role.OPERATOR)
def list_checks(context: V1Context) -> Checks:
    """List what people saw on films of a camera's count, the film that waits for somebody to look
    at it, and how right the count is.
    """
    return _describe(context.services.counts.checks.read(context.tenant, context.path_values["id"]))


@operations("POST", "/v1/cameras/{id}/checks", Role.OPERATOR, status=202)
def ask_for_film(context: V1Context) -> Checks:
    """Ask for a film of a camera's count, a minute without people: its box sends one after a
    heartbeat, within a day.

    409 Conflict if a film waits already, or the camera is switched off.
    """
    return _describe(context.services.counts.checks.ask(context.tenant, context.path_values["id"]))


@operations("GET", "/v1/cameras/{id}/film", Role.OPERATOR)
def get_film(context: V1Context) -> Film:
    """Read the film that waits for somebody to say how many came in and went out."""
    film = context.services.counts.checks.read_film(context.tenant, context.path_values["id"])
    return Film.made_of(
        film,
        line=_list_points(film.line),
        grid=[*checks.GRID],
        looks=[
            Look(ms=look.ms, moved=look.moved, bodies=[[*body] for body in look.bodies])
            for look in film.looks
        ],
    )


@operations("PUT", "/v1/cameras/{id}/film", Role.OPERATOR, of_cameras=True, again=answer_nothing)
def give_film(context: V1Context, body: FilmSent) -> None:
    """Send the film that was asked for, by the camera's own key alone.

    A film of the same minute is kept once, however often it comes. 409 Conflict if nobody asks.
    """
    context.caller.require_camera(context.path_values["id"])
    if context.caller.camera is None:
        context.services.cameras.get(context.tenant, context.path_values["id"])
        raise NotAllowed("a film comes from its camera alone: send it with the camera's own key")
    if tuple(body.grid) != checks.GRID:
        raise InvalidInput(f"grid is {[*checks.GRID]}, not {body.grid}")
    film = checks.Film(
        body.at,
        body.seconds,
        checks.line_of(body.line),
        tuple(
            checks.Look(look.ms, look.moved, tuple(map(tuple, look.bodies))) for look in body.looks
        ),
        tuple((crossing.ms, crossing.way) for crossing in body.crossings),
        body.walked,
    )
    context.services.counts.checks.store_film(
        context.tenant, context.caller.camera.id, film, context.request_id
    )


def _answer_again(context: V1Context, body: Mapping[str, Any]) -> Checks:
    known_checks = context.services.counts.checks.read(context.tenant, context.path_values["id"])
    return _describe(known_checks, body.get("crossings"))


@operations("PUT", "/v1/cameras/{id}/checks/{at}", Role.OPERATOR, again=_answer_again)
def answer_check(context: V1Context, body: Seen) -> Checks:
    """Say how many came in and went out in the film of a minute.

    The path ends with the minute's first instant. The answer stays beside what was counted, and
    the film is deleted. 409 Conflict if the box has not told this minute yet.
    """
    crossings = context.services.counts.checks.answer(
        context.tenant,
        context.path_values["id"],
        _read_minute(context),
        (body.in_, body.out),
        context.caller.audit_name,
        request=context.request_id,
    )
    return _answer_again(context, {"crossings": crossings})


@operations("DELETE", "/v1/cameras/{id}/checks/{at}", Role.OPERATOR, again=answer_as(list_checks))
def delete_check(context: V1Context) -> Checks:
    """Delete the film of a minute without an answer, or, as an admin, an answer that is wrong.

    The path ends with the minute's first instant. The proof says how many were deleted.
    """
    context.services.counts.checks.delete(
        context.tenant,
        context.path_values["id"],
        _read_minute(context),
        with_answers=context.caller.role.includes(Role.ADMIN),
        request=context.request_id,
    )
    return list_checks(context)


def _read_minute(context: V1Context) -> Instant:
    """Read of which minute a check is meant. Raises InvalidInput."""
    text = context.path_values["at"]
    try:
        return Instant.of(parse_time_parameter(text))
    except ValueError as error:
        raise InvalidInput(
            f"{text[:40]!r} is no time: end the path with the minute's first instant, such as "
            "2026-11-20T10:22:00Z"
        ) from error


def _describe(
    camera_checks: CameraChecks, crossings: Sequence[tuple[int, checks.Way]] | None = None
) -> Checks:
    waiting = camera_checks.waiting
    return Checks(
        asked_at=parse_optional(time_text, camera_checks.asked_at),
        unanswered_at=parse_optional(time_text, camera_checks.unanswered_at),
        waiting=waiting
        and WaitingFilm.made_of(
            waiting, line=_list_points(waiting.line), told=camera_checks.is_told
        ),
        answers=[_describe_answer(answer) for answer in reversed(camera_checks.answers)],
        proof=describe_proof(camera_checks.proof),
        crossings=None
        if crossings is None
        else [Crossing(ms=ms, way=way) for ms, way in crossings],
    )


def _describe_answer(answer: checks.CheckAnswer) -> CheckedMinute:
    counted_in, counted_out = answer.counted or (None, None)
    return CheckedMinute.made_of(
        answer,
        line=_list_points(answer.line),
        in_=counted_in,
        out=counted_out,
        seen_in=answer.seen[0],
        seen_out=answer.seen[1],
    )


def _list_points(line: checks.Line) -> list[list[float]]:
    return [[*point] for point in line]
