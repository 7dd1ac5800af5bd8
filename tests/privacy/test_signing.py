import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidInput
from chalicelib.privacy import signing

PRIVATE, PUBLIC = signing.new_key()

EXACT = 2**53 - 1
"""Largest integer that each reader of JSON has as it was written."""

values = st.recursive(
    st.none() | st.booleans() | st.integers(-EXACT, EXACT) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
statements = st.dictionaries(st.text(), values, max_size=4)


@given(statements)
def test_a_signed_statement_is_read_again_with_its_key_however_it_is_written(
    statement: dict[str, Any],
) -> None:
    document = dict(
        reversed(json.loads(json.dumps(signing.sign_statement(statement, PRIVATE))).items())
    )
    assert signing.verify_statement(document) == (statement, PUBLIC)


@given(statements, statements)
def test_another_statement_does_not_pass_for_the_one_that_was_signed(one: Any, other: Any) -> None:
    document = {**signing.sign_statement(one, PRIVATE), "statement": other}
    if signing.canonical_json(one) == signing.canonical_json(other):
        assert signing.verify_statement(document)
        return
    with pytest.raises(InvalidInput, match="was changed"):
        signing.verify_statement(document)


@pytest.mark.parametrize("field", ["statement", "public_key", "signature"])
@pytest.mark.parametrize("value", [None, 1, "", "x", "AAAA", [], {}, {"a": 2}])
def test_what_is_no_signed_statement_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput):
        signing.verify_statement({**signing.sign_statement({"a": 1}, PRIVATE), field: value})


@pytest.mark.parametrize("document", [None, 1, [], {}, "text"])
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(InvalidInput, match="no signed statement"):
        signing.verify_statement(document)


@pytest.mark.parametrize("sign", [0, 0x80], ids=["even", "odd"])
@pytest.mark.parametrize(
    "y",
    [
        "00" * 32,
        "01" + "00" * 31,
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ],
)
def test_a_key_of_small_order_that_signs_everything_is_refused(y: str, sign: int) -> None:
    key = bytearray.fromhex(y)
    key[31] |= sign
    with pytest.raises(InvalidInput, match="small order"):
        signing.public_key_from(base64.b64encode(bytes(key)).decode())


def test_what_stands_beside_the_statement_is_refused_since_nobody_signed_it() -> None:
    with pytest.raises(InvalidInput, match="'note' stands beside the statement"):
        signing.verify_statement({**signing.sign_statement({"a": 1}, PRIVATE), "note": "approved"})


def test_a_statement_of_another_kind_is_refused() -> None:
    document = signing.sign_statement({"kind": "erasure"}, PRIVATE)
    assert signing.verify_statement(document, "erasure") == ({"kind": "erasure"}, PUBLIC)
    with pytest.raises(InvalidInput, match="is 'erasure', not 'head'"):
        signing.verify_statement(document, "head")


def test_what_is_signed_has_the_form_of_rfc_8785() -> None:
    value = {"\ufb33": 1.0, "\U0001f600": 1e-7, "b": [1, None], "a": "\u674e"}
    text = '{"a":"\u674e","b":[1,null],"\U0001f600":1e-7,"\ufb33":1}'
    assert signing.canonical_json(value) == text.encode()


@pytest.mark.parametrize("number", [EXACT + 1, -EXACT - 1, float("nan"), float("inf")])
def test_a_number_that_has_no_one_form_is_not_signed_and_proves_nothing(number: float) -> None:
    with pytest.raises(ValueError, match=r"domain|representable"):
        signing.sign_statement({"a": number}, PRIVATE)
    with pytest.raises(InvalidInput, match="was changed"):
        signing.verify_statement(
            {**signing.sign_statement({"a": 1}, PRIVATE), "statement": {"a": number}}
        )
