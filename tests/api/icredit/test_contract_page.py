"""docs/contract/icredit.md: each statement is shown by a test, and each table and sample says what
the code says."""

import json
import re
from typing import Any

from chalicelib.api.icredit.operation import CODES
from tests.api.icredit.contract import Shop
from tests.support.api.contract import names, rules_of, section, tables
from tests.support.api.icredit.client import EVER, MarketClient, encoded, failure, tokens
from tests.support.fakes import Person, picture

PAGE = rules_of("icredit")
ANN = picture(Person(1))


def enrolled(market: MarketClient) -> dict[str, Any]:
    return market.enrol("VIP会员", ANN, LABLE_A="gold")


def test_entities_have_the_fields_of_the_page(market: MarketClient) -> None:
    entity = enrolled(market)["PERSON_ENTITY"][0]
    (table,) = tables(section(PAGE, "Entities"))
    fields = names(table, "field")
    assert set(entity) == fields - {"TIME"}
    assert set(market.query()["PERSON_ENTITY"][0]) == fields


def test_the_samples_are_what_is_answered(market: MarketClient) -> None:
    enrolment, analysis = (
        json.loads(text)
        for name in ("Entities", "Query and analysis")
        for text in re.findall(r"(?s)```json\n(.*?)```", section(PAGE, name))
    )
    answer = enrolled(market)
    assert set(answer) == set(enrolment)
    assert list(answer["PERSON_ENTITY"][0]) == list(enrolment["PERSON_ENTITY"][0])
    counted = market.analysis("2")
    assert list(counted) == list(analysis)
    assert list(counted["PERSON_TOKEN_ENEITY"][0]) == list(analysis["PERSON_TOKEN_ENEITY"][0])


def sent(heading: str, required: str = "yes", of: str | None = None) -> set[str]:
    """Parameters that the page lists, by their column `required` and the operation that they are
    of."""
    (table,) = tables(section(PAGE, heading))
    rows = [row for row in table if row["required"] == required]
    return names([row for row in rows if of is None or row["of"] in ("both", of)], "parameter")


def test_the_parameters_that_the_page_requires_are_required(market: MarketClient) -> None:
    enrol = {
        "CONTROL_TYPE": "0",
        "IMAGE_TYPE": "0",
        "IMAGE": encoded(ANN),
        "PERSON_GROUP_LABEL": "vip",
    }
    assert sent("Manage") | sent("Manage", "to enrol and search") == set(enrol)
    for name in enrol:
        without = {key: value for key, value in enrol.items() if key != name}
        for answer in (market.manage(**without), market.manage(**without, **{name: ""})):
            assert failure(answer) == "INVALID_PARAMETER"
            assert name in answer["ERROR_MSG"]
    for path in ("query", "analysis"):
        fields = {**EVER, "STATISTICAL": "0"} if path == "analysis" else EVER
        assert sent("Query and analysis", of=path) == set(fields)
        for name in fields:
            assert failure(
                market.call(
                    f"/icredit/face/{path}", {key: fields[key] for key in fields if key != name}
                )
            )


def test_every_optional_parameter_of_the_page_is_read(market: MarketClient) -> None:
    """Each is sent with a value that it cannot have, or that no observation has."""
    enrolled(market)
    for path in ("query", "analysis"):
        plain = {**EVER, "STATISTICAL": "0"} if path == "analysis" else EVER
        usual = market.call(f"/icredit/face/{path}", plain)
        for name in sent("Query and analysis", "no", of=path):
            assert market.call(f"/icredit/face/{path}", plain | {name: "other"}) != usual, name
    for name in sent("Manage", "no") - {"PERSON_TOKEN"}:
        assert failure(market.enrol("vip", ANN, **{name: "x" * 101})) == "INVALID_PARAMETER"


def of(code: str) -> str:
    (table,) = tables(section(PAGE, "Errors"))
    return next(row["of"] for row in table if row["ERROR_CODE"] == f"`{code}`")


def test_the_errors_of_the_page_are_those_that_the_operations_answer(floor: Shop) -> None:
    market, camera = floor.market, floor.camera
    (token,) = tokens(enrolled(market))
    by_token = {"IMAGE_TYPE": "3", "IMAGE": "nobody", "PERSON_GROUP_LABEL": "vip"}
    camera.create_group("full", 1)
    camera.create_group("most", 18_999)
    market.enrol("full", ANN)
    assert failure(market.enrol("full", b"x")) == "UNUSABLE_IMAGE", (
        "the picture is judged before the group"
    )
    seen = {
        "INVALID_PARAMETER": {"all": failure(market.query(PAGE_SIZE="x"))},
        "ILLEGAL_GROUP_LABEL": {"enrol": failure(market.enrol(" vip", ANN))},
        "UNUSABLE_IMAGE": {
            "enrol": failure(market.enrol("vip", b"x")),
            "search": failure(market.search("vip", b"x")),
        },
        "TOKEN_NOT_FOUND": {
            "enrol": failure(market.manage(CONTROL_TYPE="0", **by_token)),
            "search": failure(market.manage(CONTROL_TYPE="1", **by_token)),
            "delete": failure(market.delete("full", token)),
        },
        "GROUP_NOT_FOUND": {"delete": failure(market.delete("nowhere", token))},
        "GROUP_FULL": {"enrol": failure(market.enrol("full", picture(Person(2))))},
        "TENANT_FULL": {"enrol": failure(market.enrol("nothing left", ANN))},
    }
    camera.call(
        "updateGroup", {"old_name": "most", "name": "most", "capacity": "18000", "description": ""}
    )
    for n in range(5):
        camera.create_group(f"small {n}", 1)
    seen["TOO_MANY_GROUPS"] = {"enrol": failure(market.enrol("eleventh", ANN))}
    for code, answers in seen.items():
        assert set(answers.values()) == {code}
        assert of(code) == ", ".join(answers)
    others = {"BUSY", "STORAGE_UNAVAILABLE", "INTERNAL_ERROR"}  # test_errors
    (table,) = tables(section(PAGE, "Errors"))
    assert names(table, "ERROR_CODE") == seen.keys() | others <= set(CODES.values())
