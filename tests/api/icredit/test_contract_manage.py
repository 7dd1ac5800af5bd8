"""docs/contract/icredit.md, "Manage" and "Entities": each rule by its words."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.api.icredit.request import MAX_ENCODED
from chalicelib.bootstrap import build
from chalicelib.core.pictures import Estimates
from tests.api.icredit.client import failure, persons, tokens
from tests.api.icredit.contract import Rules, Shop
from tests.fakes import FakeVision, Person, picture

RULES = Rules()
rule = RULES.rule

ANN, BOB, NOBODY = picture(Person(1)), picture(Person(2)), picture()
CROWD = picture(Person(1, 50), Person(2, 90), Person(3, 70))
SIDES = ("LEFT", "TOP", "WIDTH", "HEIGHT")
NOBODY_FOUND = {"PERSON_TOKEN_STATUS": "0", "PERSON_ENTITY": []}


def by_token(control: str, group: str, token: str, **fields: str) -> dict[str, str]:
    sent = {"CONTROL_TYPE": control, "IMAGE_TYPE": "3", "IMAGE": token, "PERSON_GROUP_LABEL": group}
    return sent | fields


# --- enrol ------------------------------------------------------------------------------------------------------------


@rule("Every face of the picture is enrolled in PERSON_GROUP_LABEL, which is created on first use, with the labels.")
def _(shop: Shop) -> None:
    assert "vip" not in shop.camera.groups()
    enrolled = persons(shop.market.enrol("vip", CROWD, LABLE_A="a"))
    assert [(one["PERSON_GROUP_LABEL"], one["LABLE_A"]) for one in enrolled] == [("vip", "a")] * 3
    assert shop.camera.groups()["vip"]["count"] == 3


@rule("There is one PERSON_ENTITY each, the largest first.")
def _(shop: Shop) -> None:
    enrolled = persons(shop.market.enrol("vip", CROWD))
    assert [one["WIDTH"] for one in enrolled] == ["90", "70", "50"]
    assert len({one["PERSON_TOKEN"] for one in enrolled}) == 3


@rule("A face that already is in that group (above the duplicate threshold) is not enrolled twice:")
def _(shop: Shop) -> None:
    for _ in range(3):
        shop.market.enrol("vip", ANN)
    shop.market.enrol("vip", picture(Person(1, 130, likeness=0.1)))  # who hardly looks like herself is somebody else
    assert shop.camera.groups()["vip"]["count"] == 2


@rule("its entity carries the known token, its labels are updated,")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN, LABLE_A="a", LABLE_B="b"))
    again = persons(shop.market.enrol("vip", picture(Person(1, 120), Person(2, 60)), LABLE_A="new"))
    assert (again[0]["PERSON_TOKEN"], again[0]["LABLE_A"], again[0]["LABLE_B"]) == (token, "new", "b")
    assert again[1]["PERSON_TOKEN"] != token
    assert persons(shop.market.search("vip", ANN))[0]["LABLE_A"] == "new"


@rule("and its picture stays unless the new one is better.")
def _(shop: Shop) -> None:
    def similarity() -> float:
        return float(persons(shop.market.search("vip", picture(Person(1, 100, quality=80))))[0]["SIMILARITY"])

    shop.market.enrol("vip", picture(Person(1, 100, quality=80)))
    assert similarity() == 100.0
    shop.market.enrol("vip", picture(Person(1, 100, quality=81)))
    assert similarity() == 100.0, "the first picture is still the one that is compared with"
    shop.market.enrol("vip", picture(Person(1, 100, quality=99)))
    assert similarity() < 100.0


# --- search -----------------------------------------------------------------------------------------------------------


@rule("Every face of the picture is searched in PERSON_GROUP_LABEL. There is one entity for each face that matched,")
def _(shop: Shop) -> None:
    two = tokens(shop.market.enrol("vip", picture(Person(1, 50), Person(2, 90))))
    shop.market.enrol("gold", picture(Person(3)))
    assert tokens(shop.market.search("vip", CROWD)) == two


@rule("with the stored token and labels and the box of the probe.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN, LABLE_A="stored"))
    (found,) = persons(shop.market.search("vip", picture(Person(9, 40), Person(1, 120)), LABLE_A="of the call"))
    assert (found["PERSON_TOKEN"], found["LABLE_A"]) == (token, "stored")
    assert [found[side] for side in SIDES] == ["15", "20", "120", "120"]


@rule("No match is an empty list,")
@rule('A search that finds nobody is no failure: its status is "0".')
def _(shop: Shop) -> None:
    shop.market.enrol("vip", ANN)
    assert shop.market.search("vip", BOB) == NOBODY_FOUND


@rule("and so is a picture without a face or an unknown group.")
def _(shop: Shop) -> None:
    shop.market.enrol("vip", ANN)
    assert shop.market.search("vip", NOBODY) == shop.market.search("gold", ANN) == NOBODY_FOUND


# --- delete -----------------------------------------------------------------------------------------------------------


@rule("IMAGE holds the token (IMAGE_TYPE 3), or PERSON_TOKEN does.")
@rule('The answer is `{"PERSON_TOKEN_STATUS":"0"}` alone.')
def _(shop: Shop) -> None:
    for sent in ({"IMAGE_TYPE": "3", "IMAGE": "{}"}, {"IMAGE_TYPE": "2", "IMAGE": "{}"}, {"PERSON_TOKEN": "{}"}):
        (token,) = tokens(shop.market.enrol("vip", ANN))
        fields = {name: value.format(token) for name, value in sent.items()}
        done = shop.market.manage(CONTROL_TYPE="3", PERSON_GROUP_LABEL="vip", **fields)
        assert done == {"PERSON_TOKEN_STATUS": "0"}
        assert shop.market.search("vip", ANN) == NOBODY_FOUND


@rule("An unknown token is a failure.")
def _(shop: Shop) -> None:
    shop.market.enrol("vip", ANN)
    assert failure(shop.market.delete("vip", "7")) == "TOKEN_NOT_FOUND"


@rule("Deletion needs the face's own PERSON_GROUP_LABEL: another group is a failure too.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    shop.market.enrol("gold", BOB)
    assert failure(shop.market.delete("gold", token)) == "TOKEN_NOT_FOUND"
    assert failure(shop.market.delete("nowhere", token)) == "GROUP_NOT_FOUND"
    assert failure(shop.market.manage(CONTROL_TYPE="3", PERSON_TOKEN=token)) == "INVALID_PARAMETER"
    assert tokens(shop.market.search("vip", ANN)) == [token]


# --- tokens in place of pictures, and other rules ---------------------------------------------------------------------


@rule("Anything else in CONTROL_TYPE (2 included) is an error.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    for control in ("2", "4", "-1", "", "x", "00", "0.0"):
        assert failure(shop.market.manage(**by_token(control, "vip", token))) == "INVALID_PARAMETER"


@rule(
    "With IMAGE_TYPE 3, enrol makes a new face (a new PERSON_TOKEN) in the group from the stored picture and "
    "templates; if it is in that group already, the known token is answered."
)
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    (copy,) = tokens(shop.market.manage(**by_token("0", "gold", token)))
    assert copy != token
    assert tokens(shop.market.search("gold", ANN)) == [copy]
    assert tokens(shop.market.manage(**by_token("0", "vip", token))) == [token]
    assert tokens(shop.market.manage(**by_token("0", "gold", token))) == [copy]


@rule("With IMAGE_TYPE 3, search compares the stored template with PERSON_GROUP_LABEL, itself included.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    shop.market.enrol("gold", BOB)
    (found,) = persons(shop.market.manage(**by_token("1", "vip", token)))
    assert (found["PERSON_TOKEN"], found["SIMILARITY"]) == (token, "100.00")
    assert shop.market.manage(**by_token("1", "gold", token)) == NOBODY_FOUND


@rule('the box is "" if IMAGE held a token.')
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    for control in "01":
        (one,) = persons(shop.market.manage(**by_token(control, "vip", token)))
        assert [one[side] for side in SIDES] == [""] * 4


@rule("Group labels follow the camera's rules for names: 1 to 96 characters, no leading space.")
def _(shop: Shop) -> None:
    for name in ("", " vip", "v" * 97):
        as_sunmi = shop.camera.create_group(name)["code"]
        assert as_sunmi != 0
        assert failure(shop.market.enrol(name, ANN)) == ("ILLEGAL_GROUP_LABEL" if name else "INVALID_PARAMETER")
    assert persons(shop.market.enrol("员" * 96, ANN))


@rule("LABLE_A to LABLE_D have up to 100 characters.")
def _(shop: Shop) -> None:
    for letter in "ABCD":
        assert persons(shop.market.enrol("vip", ANN, **{f"LABLE_{letter}": "层" * 100}))
        for answer in (
            shop.market.enrol("vip", ANN, **{f"LABLE_{letter}": "层" * 101}),
            shop.market.query(**{f"LABLE_{letter}": "层" * 101}),
            shop.market.analysis("0", **{f"LABLE_{letter}": "层" * 101}),
        ):
            assert failure(answer) == "INVALID_PARAMETER"


@rule("The encoded size counts the base64 text after URL-decoding: at most 2,097,152 characters.")
def _(shop: Shop) -> None:
    assert MAX_ENCODED == 2_097_152
    for text, reason in (("%41" * 800_000, "cannot be decoded"), ("A" * (MAX_ENCODED + 4), "2097152")):
        answer = shop.market.manage(CONTROL_TYPE="1", IMAGE_TYPE="0", IMAGE=text, PERSON_GROUP_LABEL="vip")
        assert failure(answer) == "UNUSABLE_IMAGE"
        assert reason in answer["ERROR_MSG"]


# --- fields -----------------------------------------------------------------------------------------------------------


def answers(shop: Shop) -> list[dict[str, str]]:
    """An entity of each kind: enrolled, found, by token, observed."""
    (token,) = tokens(shop.market.enrol("vip", picture(Person(1, 99.6))))
    return [
        persons(shop.market.enrol("vip", picture(Person(1, 99.6))))[0],
        persons(shop.market.search("vip", picture(Person(1, 80.4))))[0],
        persons(shop.market.manage(**by_token("1", "vip", token)))[0],
        persons(shop.market.query())[0],
    ]


@rule("LEFT, TOP, WIDTH, HEIGHT, AGE, BEAUTY and EMOTION_SCORE are whole numbers;")
def _(shop: Shop) -> None:
    for person in answers(shop):
        for name in (*SIDES, "AGE", "BEAUTY", "EMOTION_SCORE"):
            assert person[name] == "" or person[name].isdigit(), name


@rule('Every field is present, "" if unknown,')
def _(shop: Shop) -> None:
    names = {"PERSON_TOKEN", *SIDES, "AGE", "BEAUTY", "GENDER", "EMOTION_TYPE", "EMOTION_SCORE", "PERSON_GROUP_LABEL"}
    names |= {f"LABLE_{letter}" for letter in "ABCD"} | {"POSE", "SIMILARITY", "QUALITY"}
    names |= {"FIRST_A_LABLE", "SECOND_A_LABEL", "FIRST_B_LABEL", "SECOND_B_LABEL"}
    *manage, observed = answers(shop)
    assert [set(person) for person in manage] == [names] * 3
    assert set(observed) == names | {"TIME"}
    assert manage[0]["SIMILARITY"] == ""  # of an enrolment


@rule('and every success carries PERSON_TOKEN_STATUS "0".')
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    for answer in (
        *(shop.market.search(group, ANN) for group in ("vip", "gold")),
        shop.market.query(),
        shop.market.analysis("0"),
        shop.market.delete("vip", token),
    ):
        assert answer["PERSON_TOKEN_STATUS"] == "0"


@rule("AGE is the set age, else the estimate.")
def _(shop: Shop) -> None:
    shop.camera.add_face("regular", ANN, age="21")
    shop.camera.add_face("regular", BOB)
    assert [persons(shop.market.search("regular", one))[0]["AGE"] for one in (ANN, BOB)] == ["21", "33"]


@rule(
    'An operation that fails answers HTTP 200 with PERSON_TOKEN_STATUS "1", PERSON_ENTITY `[]`, ERROR_CODE and '
    "ERROR_MSG, one English sentence."
)
def _(shop: Shop) -> None:
    for answer in (shop.market.manage(), shop.market.query(START_TIME="x"), shop.market.analysis("x")):
        assert failure(answer) == "INVALID_PARAMETER"
        assert answer["PERSON_ENTITY"] == []


@rule("PERSON_TOKEN is the faceid: one id for a face in every dialect, of 1 to 64 letters, digits, `_`, `-`.")
def _(shop: Shop) -> None:
    for place, faceid in enumerate(("7", "x" * 64, "A_b-9")):
        person = picture(Person(50 + place))
        assert shop.camera.add_face("regular", person, faceid=faceid)["code"] == 0
        assert tokens(shop.market.search("regular", person)) == [faceid]
        assert tokens(shop.market.manage(**by_token("1", "regular", faceid))) == [faceid]
    for token in ("x" * 65, "a b", "会"):
        assert failure(shop.market.manage(**by_token("1", "regular", token))) == "TOKEN_NOT_FOUND"
        assert failure(shop.market.query(PERSON_TOKEN=token)) == "INVALID_PARAMETER"


@rule("A face enrolled in one dialect is found in the other.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    assert shop.camera.call("getFaceByPicture", pic=picture(Person(1, 130)))["data"]["faceid"] == token
    shop.camera.add_face("regular", BOB, faceid="11024")
    assert tokens(shop.market.search("regular", picture(Person(2, 130)))) == ["11024"]


class Guessing(FakeVision):
    """Sees in each face what it is told to."""

    estimates = Estimates()

    def describe(self, image: Any, faces: Any, wanted: Any = None) -> list[Estimates]:
        return [self.estimates for _ in faces]


@rule("GENDER is MALE or FEMALE.")
def _(shop: Shop) -> None:
    for place, (gender, answered) in enumerate((("1", "MALE"), ("2", "FEMALE"))):
        shop.camera.add_face("regular", picture(Person(70 + place)), gender=gender)
        assert persons(shop.market.search("regular", picture(Person(70 + place))))[0]["GENDER"] == answered


@rule("EMOTION_TYPE is HAPPY, SAD, ANGRY, FEAR, SURPRISE, DISGUST or NEUTRAL, and CONTEMPT if the model has it.")
def _(shop: Shop) -> None:
    vision = Guessing()
    guessing = build(shop.services.settings, clock=shop.clock, vision=lambda: vision)
    shop.use(group_enrolment=guessing.enrolment.everybody)
    for emotion in ("happy", "sad", "angry", "fear", "surprise", "disgust", "neutral", "contempt", None):
        vision.estimates = Estimates(emotion=emotion)
        assert persons(shop.market.enrol("vip", ANN))[0]["EMOTION_TYPE"] == (emotion or "").upper()
    guessing.close()


@rule("EMOTION_SCORE, BEAUTY, QUALITY and SIMILARITY are 0 to 100, POSE is three angles.")
def _(shop: Shop) -> None:
    enrolled, found, *_, observed = answers(shop)
    for person in (enrolled, found, observed):
        assert 0 <= int(person["EMOTION_SCORE"]) <= 100
        assert 0 <= int(person["BEAUTY"]) <= 100
        assert 0 <= int(person["QUALITY"]) <= 100
        assert [float(angle) for angle in person["POSE"].split(",")] == [1.0, 2.0, 3.0]
    assert enrolled["SIMILARITY"] == ""
    assert 0 < float(found["SIMILARITY"]) <= 100


@pytest.mark.parametrize("words", RULES.checks)
def test_contract(floor: Shop, words: str) -> None:
    RULES.checks[words](floor)
