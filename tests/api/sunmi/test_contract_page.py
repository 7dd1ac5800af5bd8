"""docs/contract/sunmi.md: each statement is shown by a test, and each table says what the code
says."""

import re
from typing import Any

import pytest

from chalicelib.api.http import CHARSETS
from chalicelib.api.sunmi.endpoint import LISTED
from chalicelib.api.sunmi.request import ITEMS, PUBLIC
from chalicelib.api.sunmi.routes import ENDPOINTS
from tests.api.sunmi import rules, signed
from tests.api.sunmi.codes import CODES
from tests.support.api.contract import Table, names, rules_of, section, shown, tables, unquoted
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.sunmi.samples import SAMPLES

PAGE = rules_of("sunmi")
ALWAYS = {0, 1, 2, 3, 5, 7, 211}


def test_no_statement_of_the_page_is_left_out() -> None:
    ours = {"Attributes may not be called ... (ours)."}  # compared below, name by name
    quotes = [*shown("sunmi"), *rules.RULES, *ours]
    assert unquoted(PAGE, quotes) == []


def below(endpoint: str, first_column: str) -> Table:
    """The table of an endpoint's section that has this first column."""
    number = [one.name for one in ENDPOINTS].index(endpoint) + 1
    found = [
        table
        for table in tables(section(PAGE, f"{number}. {endpoint}"))
        if first_column in table[0]
    ]
    return found[0] if found else []


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_the_parameters_are_those_that_the_endpoint_reads(endpoint: Any) -> None:
    listed = below(endpoint.name, "parameter")
    assert names(listed, "parameter") == endpoint.parameters
    for row in listed:
        missing, _, _, another_type, *_ = CODES[endpoint.name, row["parameter"].strip("`")]
        assert row["required"] == ("yes" if missing == 2 else "no")
        if row["type"] == "whole number":
            assert another_type == 2


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_the_answer_has_the_fields_that_the_page_lists(
    shop_front: CameraClient, endpoint: Any
) -> None:
    data = SAMPLES[endpoint.name].signed(shop_front, endpoint.name).answer().get("data", {})
    face = names(tables(section(PAGE, "A face in an answer"))[0], "field")
    if endpoint.name in ("getFace", "getFaceByPicture"):
        assert set(data) | ITEMS == face | ITEMS | {"weight"}
        return
    assert set(data) == names(below(endpoint.name, "field"), "field")
    for listed in data.get("face_group", []):
        extra = set() if listed["name"] == "stranger" else {"times", "period"}
        assert (
            set(listed)
            == names(below(endpoint.name, "field of a group"), "field of a group") - extra
        )
    if endpoint.name in ("getFaceList", "getFaceByArrival"):
        for listed in data["faceid_list"]:
            assert set(listed) | ITEMS == (face | ITEMS | {"weight"}) - {"group_name"}


def test_the_public_parameters_are_those_that_every_call_reads() -> None:
    (public,) = tables(section(PAGE, "Requests"))
    assert names(public, "parameter") == PUBLIC
    required = {row["parameter"].strip("`") for row in public if row["required"] == "yes"}
    assert required == {"app_id", "random", "timestamp", "sign"}


def test_each_endpoint_answers_the_codes_that_the_page_lists() -> None:
    (listed,) = tables(section(PAGE, "Codes"))
    codes = {
        row["endpoint"]: {int(code) for code in re.findall(r"\d+", row["its other codes"])}
        for row in listed
    }
    assert codes == {endpoint: set(each) - ALWAYS for endpoint, each in LISTED.items()}
    changing = {row["endpoint"] for row in listed if row["changes something"] == "yes"}
    assert changing == {endpoint.name for endpoint in ENDPOINTS if endpoint.changes}
    meanings = {int(code) for code in re.findall(r"(?m)^- \*\*(\d+)\*\* ", section(PAGE, "Codes"))}
    assert meanings == {code for each in LISTED.values() for code in each}


def test_the_reserved_names_are_those_of_the_page() -> None:
    vendors, ours = re.findall(
        r"(?s)(?:called|;)\s+([\w,\s]+?) \(", section(PAGE, "Reserved names")
    )
    assert vendors.replace(",", " ").split() == list(rules.RESERVED_BY_THE_SOURCE)
    assert ours.replace(",", " ").split() == list(rules.RESERVED_BY_US)


def test_the_charsets_are_those_of_the_page() -> None:
    found = re.search(r"one of ([^.]+)\.", section(PAGE, "Requests"))
    assert found
    assert {CHARSETS[name.lower()] for name in found[1].split(", ")} == set(CHARSETS.values())


def test_the_golden_signs_are_on_the_page() -> None:
    samples = re.findall(r"(?s)```\n(.*?)\n```", section(PAGE, "Signature"))
    pairs = [dict(pair.split("=") for pair in sample.split("&")) for sample in samples]
    assert pairs == [signed.DEVICE, signed.COMPANY]
