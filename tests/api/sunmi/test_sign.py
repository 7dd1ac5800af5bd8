"""The signature, against values that the vendor's own client code published."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.sunmi.request import SignType, is_signed, sign
from tests.api.sunmi.client import hmac_sign, md5_sign

DEVICE = {"app_id": "JO83UNV983U9OR", "random": "289192", "sn": "FS101D8BS00106", "timestamp": "1593029283"}
COMPANY = {
    "app_id": "87F380B846C51FF7",
    "company_id": "10000",
    "company_name": "myCompany",
    "contact_person": "LiLei",
    "phone": "13166668888",
    "random": "289192",
    "shop_id": "100001",
    "shop_nam": "myShop",
    "sunmi_shop_key": "MG4LJ5ERHUBDMF5XOOU8",
    "sunmi_shop_no": "470826116009",
    "timestamp": "1603718252",
}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@pytest.mark.parametrize(
    ("pairs", "key", "golden"),
    [
        (DEVICE, "12345678", "72CB1C1031D3BA103D2FA1A57E171C2D"),
        (COMPANY, "kdsofkdsnflke9382938k", "6413A7275DBE256D936AAEF5F1D958B9"),
    ],
)
def test_golden_signatures_are_made_and_accepted_in_any_order(pairs: dict[str, str], key: str, golden: str) -> None:
    shuffled = list(reversed(pairs.items()))
    assert sign(shuffled, key) == golden
    assert is_signed(shuffled, key, golden)


def test_hex_is_accepted_in_either_case() -> None:
    assert is_signed(DEVICE.items(), "12345678", "72cb1c1031d3ba103d2fa1a57e171c2d")


@pytest.mark.parametrize(
    "claimed", ["", "7", "72CB1C1031D3BA103D2FA1A57E171C2E", "签名", "72CB1C1031D3BA103D2FA1A57E171C2D "]
)
def test_anything_else_is_no_signature(claimed: str) -> None:
    assert not is_signed(DEVICE.items(), "12345678", claimed)


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
