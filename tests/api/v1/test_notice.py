"""The notice to post where cameras look: the tenant's own words, in both languages, as text and as a page."""

from __future__ import annotations

import re

from tests.api.v1.client import V1Client

OWN = {"controller": "Ann & Bob <Ltd>, 1 High Street", "contact": "privacy@shop.example"}


def test_the_notice_says_who_is_responsible_what_for_and_for_how_long(v1: V1Client) -> None:
    v1.done("PATCH", "/v1/settings", OWN)
    english, chinese = (v1.done("GET", "/v1/notice", language=language) for language in ("en", "zh"))
    for notice in (english, chinese):
        assert OWN["controller"] in notice["text"]
        assert notice["text"].count(OWN["contact"]) == 2
        assert notice["missing"] == []
        assert re.search(r"30 ?(days|天)", notice["text"])
        assert [one["heading"] in notice["html"] for one in notice["sections"]] == [True] * 5
    assert [re.search("[一-鿿]", one["text"]) is not None for one in (english, chinese)] == [False, True]
    assert len(english["sections"]) == len(chinese["sections"])


def test_what_is_not_set_is_a_blank_to_fill_in(v1: V1Client) -> None:
    notice = v1.done("GET", "/v1/notice")
    assert notice["missing"] == ["controller", "contact"]
    assert notice["text"].count("_" * 20) == 3
    v1.done("PATCH", "/v1/settings", {"contact": "at the till"})
    assert v1.done("GET", "/v1/notice")["missing"] == ["controller"]


def test_it_says_what_holds_for_small_children_and_who_is_left_out(v1: V1Client) -> None:
    assert "It does not tell small children apart reliably" in v1.done("GET", "/v1/notice")["text"]
    assert "younger than" not in v1.done("GET", "/v1/notice")["text"]
    v1.done("PATCH", "/v1/settings", {"min_age": 12.5})
    assert "estimates to be younger than 12.5" in v1.done("GET", "/v1/notice")["text"]
    assert "12.5 岁" in v1.done("GET", "/v1/notice", language="zh")["text"]


def test_own_words_are_text_on_the_page_and_no_markup(v1: V1Client) -> None:
    v1.done("PATCH", "/v1/settings", {**OWN, "purposes": "<script>alert(1)</script>"})
    html = v1.done("GET", "/v1/notice")["html"]
    assert "Ann &amp; Bob &lt;Ltd&gt;" in html
    assert "<script" not in html
    assert "size:A4" in html


def test_estimates_that_are_switched_off_are_not_announced(v1: V1Client) -> None:
    assert "age, gender, expression" in v1.done("GET", "/v1/notice")["text"]
    v1.done("PATCH", "/v1/settings", {"attributes_off": ["age", "emotion"]})
    assert "estimates gender from" in v1.done("GET", "/v1/notice")["text"]
    v1.done("PATCH", "/v1/settings", {"attributes_off": ["age", "gender", "emotion"]})
    assert "estimates" not in v1.done("GET", "/v1/notice")["text"]


def test_the_notice_says_what_the_tenant_keeps_as_it_is_set(v1: V1Client) -> None:
    days = {"capture_days": 3, "stranger_days": 45, "regular_days": None, "observation_days": 200}
    v1.done("PATCH", "/v1/settings", days)
    english, chinese = (v1.done("GET", "/v1/notice", language=one)["text"] for one in ("en", "zh"))
    for line in ("3 days", "come rarely: 45 days", "come often: until we delete", "Times of visits: 200 days"):
        assert line in english
    assert all(f"{number} 天" in chinese for number in (3, 45, 200))
    v1.done("PATCH", "/v1/settings", {"keeps_pictures": False})
    assert "3 days" not in v1.done("GET", "/v1/notice")["text"]
    assert "no picture" in v1.done("GET", "/v1/notice")["text"]


def test_another_language_is_refused(v1: V1Client) -> None:
    assert "language" in v1.failed(400, "GET", "/v1/notice", language="de")["message"]
