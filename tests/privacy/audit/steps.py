"""What befalls a chain: acts, hours, erasures and renewals, in any order."""

from datetime import timedelta

from hypothesis import strategies as st

from tests.support.audit.desk import HOUR, TENANT, Desk

FACES = ("anna", "ben", "carl")

Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("act"), st.integers(0, len(FACES) - 1)),
        st.tuples(st.just("late act"), st.integers(1, 60)),
        st.tuples(st.just("wait"), st.integers(1, 2_000)),
        st.tuples(st.just("close"), st.just(0)),
        st.tuples(st.just("erase"), st.integers(0, len(FACES) - 1)),
        st.tuples(st.just("trim"), st.integers(1, 3)),
        st.tuples(st.just("renew"), st.integers(0, 1)),
    ),
    max_size=40,
)


def play(made: Desk, steps: list[Step]) -> set[str]:
    """Return the ids of the entries that were written."""
    written = set()
    for name, value in steps:
        match name:
            case "act":
                written.add(made.act(FACES[value]))
            case "late act":
                written.add(made.act(what="PATCH /v1/settings", late=value * HOUR))
            case "wait":
                made.clock.advance(timedelta(minutes=value))
            case "close":
                made.close()
            case "erase":
                made.erasing.erase(TENANT, [FACES[value]], "1")
            case "trim":
                made.trim(value)
            case "renew":
                made.lose_key() if value else made.key_item()
                made.renew(is_lost=bool(value))
    return written


def settle(made: Desk) -> None:
    made.clock.advance(2 * HOUR)
    made.close()


def a_chain(made: Desk, hours: int = 4) -> None:
    """An hour with three entries each."""
    for _ in range(hours):
        for face in FACES:
            made.act(face)
        settle(made)
