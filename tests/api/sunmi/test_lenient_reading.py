"""What the source's own examples send: spaces in names, capital first letters, typographic quotes, a misspelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.forms import Form, Upload
from chalicelib.api.sunmi.parameters import Parameters, read_list
from chalicelib.core.errors import InvalidInput

OWN = frozenset({"name", "description", "faceid", "pic", "item1"})


def parameters(*fields: tuple[str, str], own: frozenset[str] = OWN) -> Parameters:
    return Parameters.of(Form(fields), own)


@pytest.mark.parametrize("sent", ["name", " name", "name ", "Name", " Name\t", "\u3000name"])
def test_our_names_are_trimmed_and_their_first_letter_is_of_either_case(sent: str) -> None:
    assert parameters((sent, "vip")).text("name") == "vip"


@pytest.mark.parametrize("sent", ["NAME", "nAme", "n ame", "naMe"])
def test_other_letters_keep_their_case(sent: str) -> None:
    assert parameters((sent, "vip")).text("name") is None


def test_names_of_attributes_match_exactly() -> None:
    others = parameters(("Hobby", "tennis"), (" weight ", "60"), ("Item1", "x"), ("empty", "")).others()
    assert others == {"Hobby": "tennis", "weight": "60", "item1": "x", "empty": ""}


def test_public_and_own_parameters_are_no_attributes() -> None:
    assert parameters(("sn", "1"), ("Sign", "1"), ("name", "x"), ("facdid", "7")).others() == {}


@pytest.mark.parametrize("pair", [("name", "Name"), ("name", " name"), ("faceid", "facdid"), (" a", "a")])
def test_two_spellings_of_one_name_are_a_repetition(pair: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput, match="twice"):
        parameters((pair[0], "1"), (pair[1], "1"))


def test_facdid_means_faceid_where_there_is_one() -> None:
    assert parameters(("facdid", "21")).text("faceid") == "21"
    assert parameters(("Facdid", "21")).text("faceid") == "21"
    assert parameters(("facdid", "21"), own=frozenset({"name"})).others() == {"facdid": "21"}


def test_a_file_and_a_text_of_one_name_are_a_repetition() -> None:
    form = Form((("pic", "x"),), (Upload("Pic", "a.jpg", "", b"1"),))
    with pytest.raises(InvalidInput, match="twice"):
        Parameters.of(form, OWN)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('["105"]', ["105"]),
        ('["105", "106"]', ["105", "106"]),
        ("[]", []),
        ("[“105”]", ["105"]),
        ("[“000001”, “0000002”]", ["000001", "0000002"]),
        ("[＂a＂,‘b’,”c“]", ["a", "b", "c"]),
        ('["a"， "b"]', ["a", "b"]),
        ("[“a”，“b”]", ["a", "b"]),
        ("[a, b，c]", ["a", "b", "c"]),
        ("a,b", ["a", "b"]),
        ("7", ["7"]),
        ('"7"', ["7"]),
        ("[7, 8.50, 1e3]", ["7", "8.50", "1e3"]),
        ("[007]", ["007"]),
        ("[1, 007]", ["1", "007"]),
        ("[" + "9" * 250 + "]", ["9" * 250]),
        (' [ "a" ] ', ["a"]),
        ('["it’s", "5“"]', ["it’s", "5“"]),
        ('[""]', [""]),
        ("[“boss’s name”, ＂b＂]", ["boss’s name", "b"]),
        ("[‘a’, ‘b’]", ["a", "b"]),
        ("[“”]", [""]),
        ("a,,b", ["a", "", "b"]),
        ("[a,]", ["a", ""]),
        (",", ["", ""]),
        ("9" * 5000, ["9" * 5000]),
    ],
)
def test_lists_are_read_as_they_were_meant(text: str, items: list[str]) -> None:
    assert read_list("faceid_list", text) == items


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        "[null]",
        "[true]",
        '[["a"]]',
        '["\\udc00"]',
    ],
)
def test_what_is_no_list_of_texts_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="list"):
        read_list("faceid_list", text)


@pytest.mark.parametrize("text", ['[""]', "a,,b", "[a,]", ",", "[“”]", "9" * 251])
def test_ids_have_1_to_250_characters(text: str) -> None:
    with pytest.raises(InvalidInput, match="250 characters"):
        parameters(("faceid_list", text)).ids("faceid_list")


@given(st.text(st.sampled_from('[]{}",，“”‘’＂ \\u0d8a1:.-n')) | st.just("[" * 100_000))
def test_any_text_is_a_list_of_texts_or_invalid_input(text: str) -> None:
    try:
        items = read_list("faceid_list", text)
    except InvalidInput:
        return
    assert [item.encode().decode() for item in items] == items
