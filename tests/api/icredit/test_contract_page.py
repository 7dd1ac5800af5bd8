"""docs/contract/icredit.md: each statement is shown by a test, and each table and sample says what the code says."""

import json
import re
from collections.abc import Callable
from typing import Any

from chalicelib.api.icredit.operation import CODES
from tests.api import test_http
from tests.api.contract import names, rules_of, section, tables, unquoted
from tests.api.icredit import (
    test_by_url,
    test_callers,
    test_contract,
    test_manage,
    test_parameters,
)
from tests.api.icredit.client import EVER, MarketClient, encoded, failure, tokens
from tests.api.icredit.contract import Shop
from tests.fakes import Person, picture
from tests.services.tenants import test_quotas

PAGE = rules_of("icredit")
ANN = picture(Person(1))

SHOWN_BY: dict[str, Callable[..., None]] = {
    "Another method is HTTP 405.": test_http.test_every_endpoint_declares_every_method_and_answers_405_to_all_but_post,
    "Another content type is HTTP 415": test_http.test_other_content_types_and_charsets_are_415,
    "a body over 4 MiB HTTP 413": test_http.test_a_body_over_4_mib_is_413,
    "A parameter is sent once.": test_parameters.test_a_form_that_is_not_utf_8_or_repeats_itself_fails,
    "An empty one, or a null in JSON, counts as not sent": (
        test_parameters.test_a_form_a_json_object_and_multipart_say_the_same
    ),
    "a number in JSON is read as its digits": test_parameters.test_numbers_keep_their_digits,
    "an unknown parameter is ignored": test_parameters.test_an_unknown_parameter_is_ignored,
    "Checks come in this order ... method, AppCode, quota; content type, size": (
        test_callers.test_every_authenticated_request_counts_whatever_becomes_of_it
    ),
    "method, AppCode": test_callers.test_who_is_not_let_in_is_not_counted,
    "content type, size, whether the body can be read": (
        test_callers.test_the_code_is_checked_before_content_type_and_size
    ),
    "the parameters, then the picture": test_by_url.test_nothing_is_fetched_for_a_request_that_fails_anyway,
    "of several faults in the parameters any one may be told": (
        test_by_url.test_nothing_is_fetched_for_a_request_that_fails_anyway
    ),
    "If both come, the header counts.": test_callers.test_the_header_counts_where_both_are_sent,
    "A quota is of a day in the tenant's time zone.": (
        test_quotas.test_a_day_lasts_from_midnight_to_midnight_of_the_zone_daylight_saving_or_not
    ),
    "Every request with a valid AppCode counts, failures included": (
        test_callers.test_every_authenticated_request_counts_whatever_becomes_of_it
    ),
    "requests of other dialects do not": test_callers.test_the_cameras_dialect_neither_counts_nor_is_refused,
    "if both come, they are the same": test_parameters.test_two_different_spellings_of_one_label_fail,
    "IMAGE holds what IMAGE_TYPE says:": test_parameters.test_other_image_types_fail,
    "Enrol (0):": test_manage.TestEnrol.test_every_field_is_there_and_every_scalar_is_a_text,
    "A label that is not sent stays.": test_contract.test_contract,
    "A picture without a face is a failure.": test_manage.TestEnrol.test_a_picture_that_cannot_be_used_fails,
    "A poor face is enrolled with its QUALITY": (
        test_manage.TestEnrol.test_a_poor_face_is_enrolled_with_its_quality_where_nobody_asks
    ),
    "unless the tenant asks for better": (
        test_manage.TestEnrol.test_a_poor_face_is_enrolled_unless_the_tenant_asks_for_better
    ),
    "Search (1):": test_contract.test_contract,
    "A search that finds somebody has the headers": (
        test_manage.TestSearch.test_headers_tell_what_matches_were_decided_by
    ),
    "Delete (3):": test_contract.test_contract,
}
"""Statements beside those that the rules of test_contract quote."""

HEADINGS = {
    "`PERSON_ENTITY` is the list of an enrolment, a search or a query, and has in each entity:",
    "An enrolment, for instance, is answered so:",
    "Query:",
    "Analysis:",
}
"""Lines over what the tests below compare."""


def test_no_statement_of_the_page_is_left_out() -> None:
    assert unquoted(PAGE, [*test_contract.RULES.checks, *SHOWN_BY, *HEADINGS]) == []


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
    """Parameters that the page lists, by their column `required` and the operation that they are of."""
    (table,) = tables(section(PAGE, heading))
    rows = [row for row in table if row["required"] == required]
    return names([row for row in rows if of is None or row["of"] in ("both", of)], "parameter")


def test_the_parameters_that_the_page_requires_are_required(market: MarketClient) -> None:
    enrol = {"CONTROL_TYPE": "0", "IMAGE_TYPE": "0", "IMAGE": encoded(ANN), "PERSON_GROUP_LABEL": "vip"}
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
            assert failure(market.call(f"/icredit/face/{path}", {key: fields[key] for key in fields if key != name}))


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
    assert failure(market.enrol("full", b"x")) == "UNUSABLE_IMAGE", "the picture is judged before the group"
    seen = {
        "INVALID_PARAMETER": {"all": failure(market.query(PAGE_SIZE="x"))},
        "ILLEGAL_GROUP_LABEL": {"enrol": failure(market.enrol(" vip", ANN))},
        "UNUSABLE_IMAGE": {"enrol": failure(market.enrol("vip", b"x")), "search": failure(market.search("vip", b"x"))},
        "TOKEN_NOT_FOUND": {
            "enrol": failure(market.manage(CONTROL_TYPE="0", **by_token)),
            "search": failure(market.manage(CONTROL_TYPE="1", **by_token)),
            "delete": failure(market.delete("full", token)),
        },
        "GROUP_NOT_FOUND": {"delete": failure(market.delete("nowhere", token))},
        "GROUP_FULL": {"enrol": failure(market.enrol("full", picture(Person(2))))},
        "TENANT_FULL": {"enrol": failure(market.enrol("nothing left", ANN))},
    }
    camera.call("updateGroup", {"old_name": "most", "name": "most", "capacity": "18000", "description": ""})
    for n in range(5):
        camera.create_group(f"small {n}", 1)
    seen["TOO_MANY_GROUPS"] = {"enrol": failure(market.enrol("eleventh", ANN))}
    for code, answers in seen.items():
        assert set(answers.values()) == {code}
        assert of(code) == ", ".join(answers)
    others = {"BUSY", "STORAGE_UNAVAILABLE", "INTERNAL_ERROR"}  # test_errors
    (table,) = tables(section(PAGE, "Errors"))
    assert names(table, "ERROR_CODE") == seen.keys() | others <= set(CODES.values())
