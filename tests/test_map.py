"""The map shows the way of a request as it runs, and that what is written was decided first."""

from collections import Counter

import pytest

from tests.map import (
    ENROLMENT,
    KNOWN,
    NEW,
    PAGE,
    PICTURE,
    RECOGNITION,
    Step,
    Way,
    draw_picture,
    follow_all,
    write_page,
    write_terms,
)


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Way]:
    return follow_all(tmp_path_factory.mktemp("map"))


def list_deeds(way: Way) -> list[str]:
    """Return what is done on the way, by its first word: reads, decides or writes."""
    return [deed.partition(" ")[0] for step in way.steps for deed in step.does]


def writes_early(way: Way) -> bool:
    """Tell whether something is written before the last decision."""
    deeds = list_deeds(way)
    return (
        "decides:" not in deeds or "writes" in deeds[: len(deeds) - deeds[::-1].index("decides:")]
    )


def test_contributing_has_the_way_of_a_known_face(ways: dict[str, Way]) -> None:
    text = PAGE.read_text("utf-8")
    assert write_page(text, ways[KNOWN]) == text, "run `python -m tests.map --write`"
    assert ways[KNOWN].write() in text


def test_readmes_picture_is_of_the_way_of_a_known_face(ways: dict[str, Way]) -> None:
    assert PICTURE.read_text("utf-8") == draw_picture(ways[KNOWN]), (
        "run `python -m tests.map --write`"
    )


@pytest.mark.parametrize("name", [KNOWN, NEW])
def test_a_capture_is_read_decided_and_then_written(ways: dict[str, Way], name: str) -> None:
    assert [
        step.function for step in ways[name].steps if "decides: SightingOutcome" in step.does
    ] == ["resolve_sighting"]
    assert not writes_early(ways[name])
    assert list_deeds(ways[name])[-1] == "writes", "one transaction, and nothing after it"


@pytest.mark.parametrize("name", [ENROLMENT, RECOGNITION])
def test_a_picture_of_compreface_is_judged_from_what_was_read(
    ways: dict[str, Way], name: str
) -> None:
    assert not writes_early(ways[name])
    assert "chalicelib" not in ways[name].write()
    assert ways[name].steps[0].module == "api/application", (
        "it begins where Chalice calls the service"
    )


def test_a_term_is_explained_below_the_step_where_it_is_met_first(ways: dict[str, Way]) -> None:
    lines = write_terms(ways[KNOWN]).splitlines()
    terms = [line.strip().partition(": ") for line in lines if line.startswith("    ")]
    assert not [term for term, _, meaning in terms if not meaning]
    assert not [term for term, times in Counter(term for term, *_ in terms).items() if times > 1]
    begin = lines.index(f"{'domain/rules/sighting':32}resolve_sighting")
    before, below = "\n".join(lines[:begin]), "\n".join(lines[begin:])
    assert "    capture: one picture that a camera sent" in before
    assert "    SeenFace: A face that vision found" in before
    assert "    SightingOutcome: The changes that one sighting makes" in below


def test_a_write_before_the_decision_is_seen() -> None:
    read, decided = Step("a", "f", ["reads faces"]), Step("b", "g", ["decides: SightingOutcome"])
    written = Step("c", "h", ["writes faces"])
    assert writes_early(Way([read, written, decided]))
    assert writes_early(Way([read, written]))
    assert not writes_early(Way([read, decided, written]))
