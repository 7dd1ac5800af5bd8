"""What the source's own examples send: lenient names and lists; and the signature, by published
values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.forms import Form
from chalicelib.api.http import Part
from chalicelib.api.sunmi.request import Parameters, SignType, is_signed, parse_list, sign
from chalicelib.domain.errors import InvalidInput
from tests.api.sunmi.signed import COMPANY, DEVICE
from tests.support.api.sunmi.client import hmac_sign, md5_sign

OWN = frozenset({"name", "description", "faceid", "pic", "item1"})


def parameters(*fields: tuple[str, str], own: frozenset[str] = OWN) -> Parameters:
    return Parameters.read(Form(fields), own)


@pytest.mark.shows("sunmi", "Names of parameters are trimmed")
@pytest.mark.shows("sunmi", "The first letter of our own names may be of either case")
@pytest.mark.parametrize("sent", ["name", " name", "name ", "Name", " Name\t", "\u3000name"])
def test_our_names_are_trimmed_and_their_first_letter_is_of_either_case(sent: str) -> None:
    assert parameters((sent, "vip")).text("name") == "vip"


@pytest.mark.shows("sunmi", "other letters keep theirs")
@pytest.mark.parametrize("sent", ["NAME", "nAme", "n ame", "naMe"])
def test_other_letters_keep_their_case(sent: str) -> None:
    assert parameters((sent, "vip")).text("name") is None


@pytest.mark.shows("sunmi", "names of attributes match exactly")
def test_names_of_attributes_match_exactly() -> None:
    others = parameters(
        ("Hobby", "tennis"), (" weight ", "60"), ("Item1", "x"), ("empty", "")
    ).list_others()
    assert others == {"Hobby": "tennis", "weight": "60", "item1": "x", "empty": ""}


def test_public_and_own_parameters_are_no_attributes() -> None:
    assert (
        parameters(("sn", "1"), ("Sign", "1"), ("name", "x"), ("facdid", "7")).list_others() == {}
    )


@pytest.mark.shows("sunmi", "Two spellings of one name in one call are a repetition.")
@pytest.mark.parametrize(
    "pair", [("name", "Name"), ("name", " name"), ("faceid", "facdid"), (" a", "a")]
)
def test_two_spellings_of_one_name_are_a_repetition(pair: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput, match="twice"):
        parameters((pair[0], "1"), (pair[1], "1"))


def test_facdid_means_faceid_where_there_is_one() -> None:
    assert parameters(("facdid", "21")).text("faceid") == "21"
    assert parameters(("Facdid", "21")).text("faceid") == "21"
    assert parameters(("facdid", "21"), own=frozenset({"name"})).list_others() == {"facdid": "21"}


def test_a_file_and_a_text_of_one_name_are_a_repetition() -> None:
    form = Form((("pic", "x"),), (Part("Pic", "a.jpg", "", "", b"1"),))
    with pytest.raises(InvalidInput, match="twice"):
        Parameters.read(form, OWN)


@pytest.mark.shows(
    "sunmi",
    "In a list, the quotes ... a list that still is no JSON ... Numbers in a JSON list are read as "
    "their text",
)
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
        ("['105', '106']", ["105", "106"]),
        ("['105'", ["105"]),
        ("O'Brien,d'Arc", ["O'Brien", "d'Arc"]),
        ("[“”]", [""]),
        ("a,,b", ["a", "", "b"]),
        ("[a,]", ["a", ""]),
        (",", ["", ""]),
        ("9" * 5000, ["9" * 5000]),
    ],
)
def test_lists_are_read_as_they_were_meant(text: str, items: list[str]) -> None:
    assert parse_list("faceid_list", text) == items


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
        parse_list("faceid_list", text)


@pytest.mark.parametrize("text", ['[""]', "a,,b", "[a,]", ",", "[“”]", "9" * 251])
def test_ids_have_1_to_250_characters(text: str) -> None:
    with pytest.raises(InvalidInput, match="250 characters"):
        parameters(("faceid_list", text)).read_ids("faceid_list")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@pytest.mark.shows(
    "sunmi",
    "Take every parameter but sign and the files ... Sort by name ... For MD5 ... is the sign.",
)
@pytest.mark.shows(
    "sunmi", "Two values to check ... 12345678 ... has the sign 6413A7275DBE256D936AAEF5F1D958B9."
)
@pytest.mark.parametrize(
    ("pairs", "key", "golden"),
    [
        (DEVICE, "12345678", "72CB1C1031D3BA103D2FA1A57E171C2D"),
        (COMPANY, "kdsofkdsnflke9382938k", "6413A7275DBE256D936AAEF5F1D958B9"),
    ],
)
def test_golden_signatures_are_made_and_accepted_in_any_order(
    pairs: dict[str, str], key: str, golden: str
) -> None:
    shuffled = list(reversed(pairs.items()))
    assert sign(shuffled, key) == golden
    assert is_signed(shuffled, key, golden)


@pytest.mark.shows("sunmi", "Hex is accepted in either case")
def test_hex_is_accepted_in_either_case() -> None:
    assert is_signed(DEVICE.items(), "12345678", "72cb1c1031d3ba103d2fa1a57e171c2d")


@pytest.mark.parametrize(
    "claimed",
    ["", "7", "72CB1C1031D3BA103D2FA1A57E171C2E", "签名", "72CB1C1031D3BA103D2FA1A57E171C2D "],
)
def test_anything_else_is_no_signature(claimed: str) -> None:
    assert not is_signed(DEVICE.items(), "12345678", claimed)


@pytest.mark.shows(
    "sunmi",
    "Parameters with an empty value may have been left out of the signed text or kept in it",
)
@given(st.dictionaries(texts, texts, max_size=6), texts)
def test_empty_values_may_be_signed_or_left_out(values: dict[str, str], key: str) -> None:
    pairs = [*values.items()]
    filled = [pair for pair in pairs if pair[1]]
    for signed in (pairs, filled):
        assert is_signed(pairs, key, md5_sign(signed, key))
        assert is_signed(pairs, key, hmac_sign(signed, key), SignType.HMAC_SHA256)


@given(st.dictionaries(texts, texts, min_size=1, max_size=6), texts)
def test_one_changed_value_breaks_the_signature(values: dict[str, str], key: str) -> None:
    signature = md5_sign(values.items(), key)
    name = next(iter(values))
    assert not is_signed((values | {name: values[name] + "x"}).items(), key, signature)
