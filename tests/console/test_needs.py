"""Whatever is wrong with a camera, the console says so wherever it shows cameras, in each
language."""

import json
from typing import Any

import pytest

from chalicelib.api.console_files import locate_folder
from chalicelib.domain.rules.camera_states import STATES, TROUBLES, Need
from tests.console.spoken import LANGUAGES
from tests.support.node import node

OURS = locate_folder().as_uri()
PROGRAM = f"""
    const {{ language }} = await import("{OURS}/store.js");
    const {{ load, t }} = await import("{OURS}/words.js");
    const {{ isAnyBlind, isWorking, named, needs, stateOf }} =
      await import("{OURS}/shared/needs.js");
    const {{ rankOf }} = await import("{OURS}/admin/states.js");
    const {{ isUsual }} = await import("{OURS}/shops/figures.js");
    const [languages, cameras] = JSON.parse(process.argv[1]);
    const said = {{}};
    for (const one of languages) {{
      language.set(one);
      await load();
      const muted = ({{ health }}) => ({{ health: {{ ...health, needs_somebody: false }} }});
      said[one] = cameras.map((camera) => ({{
        card: named(stateOf(camera)), works: named("ok"), rank: rankOf(camera),
        needs: needs([camera]), all: needs(cameras),
        nobody: needs([muted(camera)]), isWorking: isWorking(muted(camera)),
        usual: isUsual(0, isAnyBlind([muted(camera)])),
      }}));
    }}
    console.log(JSON.stringify(said));
"""


def describe(state: str) -> dict[str, Any]:
    need = STATES[state].need
    is_wrong = need is not Need.NOBODY
    health = {"state": "ok" if is_wrong else state, "trouble": state if is_wrong else None}
    return {"health": {**health, "blind": need is Need.BLIND, "needs_somebody": is_wrong}}


@pytest.fixture(scope="module")
def said() -> Any:
    """What the rail, Visits and Shops, and a card say of a camera in each state, by language."""
    asked = json.dumps([LANGUAGES, [describe(state) for state in STATES]])
    return json.loads(node("--input-type=module", "--eval", PROGRAM, asked))


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_is_wrong_with_a_camera_is_said_everywhere(said: Any, language: str) -> None:
    for (name, state), one in zip(STATES.items(), said[language], strict=True):
        if name in TROUBLES:
            assert one["card"] != one["works"], name
            assert not one["card"].startswith("Camera."), f"{name} has no words"
            assert one["needs"].lower().endswith(one["card"].lower()), name
            assert one["usual"] is (state.need is not Need.BLIND), name
            assert one["rank"] == (0 if state.need is Need.BLIND else 1)
        else:
            assert (one["needs"], one["usual"]) == ("", True)
            assert one["rank"] > 1
        assert one["nobody"] == "", "somebody muted it"
        assert one["isWorking"] is (name == "ok"), "muted, off or not watched is not working"


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_no_state_is_said_in_english_or_as_another_is(said: Any, language: str) -> None:
    cards = [one["card"] for one in said[language]]
    english = {one["card"] for one in said["en"]}
    assert len({*cards}) == len(cards)
    assert english.isdisjoint(cards)


def test_one_line_says_of_all_how_many_and_why_the_worst_first(said: Any) -> None:
    [line] = {one["all"] for one in said["en"]}
    assert line.startswith(f"{len(TROUBLES)} cameras need you: wrong password, ")
    assert line.endswith("clock is wrong")
    assert said["en"][[*STATES].index("changed")]["needs"] == (
        "1 camera needs you: shows something else"
    )
