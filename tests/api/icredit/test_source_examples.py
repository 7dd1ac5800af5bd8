"""The vendor's own response examples, as printed: each a shape that our answer has."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.api.icredit.client import MarketClient, tokens
from tests.support.fakes import FakeClock, Person, picture

_PERSON = """"PERSON_TOKEN":"3JDHFJDH3S2323HYGSGD213",%s"AGE":"35","BEAUTY":"95","GENDER":"MALE",\
"EMOTION_TYPE":"HAPPY",
"EMOTION_SCORE":"55",%s"PERSON_GROUP_LABEL":"VIP会员\""""
_BOX = '"LEFT":"5","TOP":"5","WIDTH":"5","HEIGHT":"5",'
_LABLES = '"LABLE_A":"会员类型","LABLE_B":"会员等级","LABLE_C":"写字楼","LABLE_D":"负一层停车场",'
_LEVELS = (
    '"FIRST_A_LABLE":"会员类型","SECOND_A_LABEL":"会员等级","FIRST_B_LABEL":"写字楼",'
    '"SECOND_B_LABEL":"负一层停车场",'
)
MANAGE = f'{{"PERSON_ENTITY":[{{{_PERSON % (_BOX, _LABLES)}}},{{{_PERSON % (_BOX, _LABLES)}}}]}}'
DELETE = '{"PERSON_TOKEN_STATUS":"0"}'
QUERY = f'{{"PERSON_ENTITY":[{{{_PERSON % ("", _LEVELS)}}},{{{_PERSON % ("", _LEVELS)}}}]}}'
ANALYSIS = """{"PERSON_ TOKEN_ENEITY":[{"TIME_UNIT":"月","TIME":"201808","AMOUNT":"888"},
{"TIME_UNIT":"周","TIME":"20180808","AMOUNT":"888"},{"TIME_UNIT":"日","TIME":"20180808","AMOUNT":"888"},
{"TIME_UNIT":"小时","TIME":"2018080808","AMOUNT":"888"}]}"""

TWO = picture(Person(1), Person(2))
LABELS = {
    "LABLE_A": "会员类型",
    "LABLE_B": "会员等级",
    "LABLE_C": "写字楼",
    "LABLE_D": "负一层停车场",
}


def as_printed(answer: Any, printed: Any) -> bool:
    """Whether the answer has all that is printed, of the same kinds; it may have more fields."""
    if isinstance(printed, dict):
        return isinstance(answer, dict) and all(
            name in answer and as_printed(answer[name], value) for name, value in printed.items()
        )
    if isinstance(printed, list):
        return isinstance(answer, list) and all(as_printed(one, printed[0]) for one in answer)
    return isinstance(answer, str)


def test_manage_answers_as_printed(market: MarketClient) -> None:
    printed = json.loads(MANAGE)
    for answer in (market.enrol("VIP会员", TWO, **LABELS), market.search("VIP会员", TWO)):
        assert as_printed(answer, printed)
        assert len(answer["PERSON_ENTITY"]) == 2
        for name in (*LABELS, "PERSON_GROUP_LABEL"):
            assert {one[name] for one in answer["PERSON_ENTITY"]} == {
                printed["PERSON_ENTITY"][0][name]
            }


def test_a_deletion_answers_exactly_as_printed(market: MarketClient) -> None:
    token, _ = tokens(market.enrol("VIP会员", TWO))
    assert market.delete("VIP会员", token) == json.loads(DELETE)


def test_query_answers_as_printed(market: MarketClient) -> None:
    market.enrol("VIP会员", TWO, **LABELS)
    answer, printed = market.query(), json.loads(QUERY)
    assert as_printed(answer, printed)
    levels = (
        "FIRST_A_LABLE",
        "SECOND_A_LABEL",
        "FIRST_B_LABEL",
        "SECOND_B_LABEL",
        "PERSON_GROUP_LABEL",
    )
    for one in answer["PERSON_ENTITY"]:
        assert {name: one[name] for name in levels} == {
            name: printed["PERSON_ENTITY"][0][name] for name in levels
        }


def test_analysis_answers_as_printed_but_for_the_week_which_is_named_by_its_monday(
    market: MarketClient, clock: FakeClock
) -> None:
    printed = json.loads(ANALYSIS)
    entities = printed["PERSON_ TOKEN_ENEITY"]
    observed_at = datetime(2018, 8, 8, 8, 8, tzinfo=ZoneInfo("Asia/Shanghai"))
    clock.advance(observed_at - clock.now())
    for _ in range(4):
        market.enrol("VIP会员", TWO)
    for statistical, entity in enumerate(entities):
        answer = market.analysis(str(statistical))
        assert as_printed(answer, printed)
        time = "20180806" if entity["TIME_UNIT"] == "周" else entity["TIME"]
        assert answer["PERSON_ TOKEN_ENEITY"] == [{**entity, "TIME": time, "AMOUNT": "8"}]
