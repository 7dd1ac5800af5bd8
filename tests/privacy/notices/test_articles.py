"""What Articles 13 and 30 of the GDPR ask for, item by item, against notice and record of shops of
all kinds."""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.domain.tenant_settings import NONE_SAID
from chalicelib.privacy import texts
from chalicelib.privacy.notices import (
    BLANK,
    ESTIMATED,
    Facts,
    Page,
    write_notice,
    write_record,
    write_sheet,
)
from chalicelib.privacy.texts import LANGUAGES, Language, choose_language, isolate, words_of
from tests.privacy.notices.shops import SHOPS
from tests.support.book.book import Book

Words = Mapping[str, str]
Asked = Callable[[Facts, Words], list[str]]
"""The texts that an item asks for, of a shop, in the words of a language."""


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Facts]:
    """What is so at a shop of each kind."""
    found = {}
    for name, acts in SHOPS.items():
        with closing(Book(tmp_path_factory.mktemp("shop"))) as book:
            for act in acts:
                act(book)
            found[name] = book.services.notices.read_facts(book.tenant)
    return found


@pytest.fixture(params=SHOPS)
def facts(request: pytest.FixtureRequest, shops: dict[str, Facts]) -> Facts:
    return shops[request.param]


def own(name: str) -> Asked:
    return lambda facts, _: [getattr(facts.tenant, name) or BLANK]


def says(*names: str) -> Asked:
    return lambda _, words: [words[name] for name in names]


def until(words: Words, days: int | None, unit: str = "days") -> str:
    """Say how long something is kept, in words of its own, not those of the notice."""
    if days is None:
        return words["endless"]
    return (
        {"days": words["day"], "unseen": words["unseen day"]}[unit]
        if days == 1
        else words[unit].format(days=days)
    )


def line(words: Words, key: str, days: int | None, unit: str = "days") -> str:
    return words[key].format(end=until(words, days, unit))


def recipients(facts: Facts, words: Words) -> list[str]:
    said = facts.tenant.recipients
    if said == NONE_SAID and not facts.receivers:
        return [words["nobody"]]
    return (
        [said]
        if said not in ("", NONE_SAID)
        else [*facts.receivers] or [words["receivers"].format(recipients=BLANK)]
    )


def transfers(facts: Facts, words: Words) -> list[str]:
    said = facts.tenant.transfers
    return [
        words["no transfers"]
        if said == NONE_SAID
        else said or words["transfers"].format(transfers=BLANK)
    ]


def officer(facts: Facts, words: Words) -> list[str]:
    return [] if facts.tenant.officer == NONE_SAID else own("officer")(facts, words)


def periods(facts: Facts, words: Words) -> list[str]:
    tenant, days = facts.tenant, facts.own_days
    captures = line(words, "captures", min(tenant.capture_days or 30, 30))
    strangers = line(words, "strangers", tenant.stranger_days, "unseen")
    return [
        captures if tenant.keeps_pictures else words["no captures"],
        strangers if facts.keeps_strangers else words["no strangers"],
        line(words, "regulars", tenant.regular_days, "unseen"),
        *([line(words, "groups", 700, "unseen")] if days else []),
        line(words, "ended", tenant.ended_days),
        line(words, "remembered", tenant.remembered_days),
        words["refused"],
        line(words, "visits", tenant.observation_days),
        line(words, "sightings", 120),
        line(words, "acts", tenant.audit_days),
        words["backups"],
    ]


def machine(facts: Facts, words: Words) -> list[str]:
    return [
        words["match"],
        words["decides"],
        words["template"],
        *([words["told"]] if facts.receivers else []),
    ]


ARTICLE_13: Mapping[str, Asked] = {
    "1(a) identity and contact details of the controller": lambda facts, words: [
        *own("controller")(facts, words),
        *own("contact")(facts, words),
    ],
    "1(b) data protection officer": officer,
    "1(c) purposes": lambda facts, words: [facts.tenant.purposes or words["purposes"]],
    "1(c) legal basis": own("basis"),
    "1(e) recipients": recipients,
    "1(f) transfers, and their safeguards": transfers,
    "2(a) periods, or the criteria for them": periods,
    "2(b) access, rectification, erasure, restriction, portability": says("may"),
    "2(b) objection": says("object"),
    "2(c) withdrawal of consent": says("withdraw"),
    "2(d) complaint, with the name of the authority": own("authority"),
    "2(e) whether one has to": says("voluntary"),
    "2(f) decisions by machines, and what follows from a match": machine,
}
"""1(d) is about legitimate interests, which allow no biometric data of themselves; who has some
says so in `basis`."""

ARTICLE_30: Mapping[str, Callable[[Facts], list[str]]] = {
    "1(a) controller": lambda facts: [
        facts.tenant.controller or "[name, address]",
        facts.tenant.contact or "[contact]",
    ],
    "1(a) data protection officer": lambda facts: [
        "data protection officer: none"
        if facts.tenant.officer == NONE_SAID
        else facts.tenant.officer or "[name, contact]"
    ],
    "1(a) joint controllers, representatives": lambda _: ["[joint controller, representative"],
    "1(b) purposes": lambda facts: [facts.tenant.purposes or "[such as"],
    "1(c) people": lambda facts: [
        "kept as strangers" if facts.keeps_strangers else "compared and not kept"
    ],
    "1(c) data": lambda facts: [f"templates by {facts.tenant.model} (biometric data)"],
    "1(d) recipients": lambda facts: [
        *facts.receivers,
        facts.tenant.recipients.replace(NONE_SAID, "" if facts.receivers else "none"),
    ],
    "1(e) third countries": lambda facts: [
        facts.tenant.transfers.replace(NONE_SAID, "none") or "[none; or"
    ],
    "1(f) periods": lambda facts: periods(facts, words_of("notice", "en")),
    "1(g) measures": lambda _: ["plain http at 0.0.0.0"],
}


def words_in(language: Language) -> Words:
    """Return the words of a notice that somebody asked for in this language."""
    return words_of("notice", choose_language(language, "notice"))


def plain(text: str) -> str:
    """Take out the marks that keep a name's own direction."""
    return re.sub("[\u2068\u2069]", "", text)


def lacks(said: str, asked: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the items that a text lacks, with what is missing."""
    missing = {item: [text for text in texts if text not in said] for item, texts in asked.items()}
    return {item: texts for item, texts in missing.items() if texts}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_notice_has_each_item_of_article_13(facts: Facts, language: Language) -> None:
    words = words_in(language)
    said = plain(write_notice(facts, language).write_text())
    assert lacks(said, {item: of(facts, words) for item, of in ARTICLE_13.items()}) == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_notice_says_nothing_that_is_not_so(facts: Facts, language: Language) -> None:
    tenant, words = facts.tenant, words_in(language)
    said = plain(write_notice(facts, language).write_text())
    pictured = [words["pictured"], words["partly pictured"]]
    untrue = [
        *([words["nobody"]] if facts.receivers else [words["told"]]),
        *(
            [words["no captures"], words["unpictured"]]
            if tenant.keeps_pictures
            else [*pictured, "30"]
        ),
        words["no strangers"]
        if facts.keeps_strangers
        else words["strangers"].partition("{")[0] + "9",
        *(["{"] if len(tenant.attributes_off) == len(ESTIMATED) else []),
        *([words["partly pictured"]] if not tenant.no_pictures_of else [words["pictured"]]),
        "ops.lan",
        "off.lan",
    ]
    assert [one for one in untrue if one in said] == []
    estimates = words["estimates"].partition("}")[2]
    assert (estimates in said) == (len(tenant.attributes_off) < len(ESTIMATED))
    days = {
        tenant.stranger_days,
        tenant.regular_days,
        tenant.observation_days,
        tenant.audit_days,
        tenant.capture_days,
        tenant.remembered_days,
    }
    legal = {
        *map(str, (*days, 1, 2, 3, 4, 6, 7, 9, 14, 15, 16, 17, 18, 20, 21, 22, 30, 50, 120, 700))
    }
    assert {*re.findall(r"[0-9]+", said.replace("127.0.0.1", ""))} <= legal


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sheet_at_the_door_has_the_first_layer_and_leads_to_the_whole(
    facts: Facts, language: Language
) -> None:
    words = words_in(language)
    first = (
        "1(a) identity and contact details of the controller",
        "1(b) data protection officer",
        "1(c) purposes",
    )
    first += ("1(c) legal basis", "2(d) complaint, with the name of the authority")
    asked = {item: ARTICLE_13[item](facts, words) for item in first}
    short, whole = write_sheet(facts, language), write_notice(facts, language)
    assert (
        lacks(
            plain(short.write_text()), asked | {"layers": [words["short what"], words["short ask"]]}
        )
        == {}
    )
    assert len(short.write_text()) < 0.5 * len(whole.write_text())
    assert short.missing == whole.missing


def test_what_is_blank_is_named_and_nothing_else(shops: dict[str, Facts]) -> None:
    every = ["controller", "contact", "basis", "officer", "authority", "recipients", "transfers"]
    assert {name: facts.missing for name, facts in shops.items() if facts.missing} == {
        "blank": every,
        "told and silent about it": every,
        "says nobody though some are told": ["recipients"],
        "keeps for ever": every,
    }
    for facts in shops.values():
        blanks = write_notice(facts, "en").write_text().count(BLANK)
        assert (blanks > 0) == bool({*facts.missing} - {"recipients"})


def test_whom_hooks_and_mqtt_tell_is_proposed(shops: dict[str, Facts]) -> None:
    assert shops["told and silent about it"].known == ("127.0.0.1", "broker.lan")
    assert (
        "127.0.0.1, broker.lan"
        in write_notice(shops["told and silent about it"], "en").write_text()
    )
    assert shops["filled"].known == ("127.0.0.1", "broker.lan")
    assert shops["blank"].known == ()


def test_the_record_has_each_item_of_article_30_and_the_measures_that_it_is_given(
    facts: Facts,
) -> None:
    said = write_record(facts, ["NOT ENCRYPTED: plain http at 0.0.0.0"])
    assert lacks(said, {item: of(facts) for item, of in ARTICLE_30.items()}) == {}
    assert "TLS" not in said.partition("## What is stored where")[0]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["notice", "receipt", "archive", "values"])
def test_each_sentence_that_is_said_has_the_blanks_of_the_english_one(
    language: Language, kind: str
) -> None:
    english = words_of(kind, "en")
    words = words_of(kind, language)
    assert _own_words(kind, language).keys() <= words.keys() == english.keys()
    for key in words:
        text = english[key]
        assert sorted(re.findall(r"\{\w+\}", words[key])) == sorted(re.findall(r"\{\w+\}", text)), (
            key
        )
        assert words[key] == words[key].strip() or key == "and"
    if language != "en":
        same = [
            key
            for key, text in _own_words(kind, language).items()
            if text == english[key] and key != "and" and " " in text
        ]
        assert same == []


def _own_words(kind: str, language: str) -> Words:
    words: Mapping[str, Words] = json.loads(
        (Path(texts.__file__).with_name("languages") / f"{language}.json").read_text("utf-8")
    )
    return words.get(kind, {})


def test_each_language_is_written_in_its_own_letters() -> None:
    letters = {"zh": "[\u4e00-\u9fff]", "ar": "[\u0600-\u06ff]"}
    for language, of in letters.items():
        for kind in ("notice", "receipt", "archive", "places", "values"):
            assert all(
                re.search(of, text)
                for key, text in _own_words(kind, language).items()
                if key != "and"
            )


TERMS = {
    "de": (
        "Verantwortlicher",
        "Rechtsgrundlage",
        "Aufsichtsbehörde",
        "Datenübertragbarkeit",
        "Einwilligung",
    ),
    "fr": (
        "Responsable du traitement",
        "base juridique",
        "autorité de contrôle",
        "portabilité",
        "consentement",
    ),
    "es": (
        "Responsable del tratamiento",
        "base jurídica",
        "autoridad de control",
        "portabilidad",
        "consentimiento",
    ),
    "it": (
        "Titolare del trattamento",
        "base giuridica",
        "autorità di controllo",
        "portabilità",
        "consenso",
    ),
    "nl": (
        "Verwerkingsverantwoordelijke",
        "rechtsgrond",
        "toezichthoudende autoriteit",
        "overdraagbaarheid",
    ),
    "pt": (
        "Responsável pelo tratamento",
        "fundamento jurídico",
        "autoridade de controlo",
        "portabilidade",
    ),
}
"""The GDPR's own words, in its texts in these languages."""


@pytest.mark.parametrize("language", TERMS)
def test_the_notice_has_the_words_of_the_regulation(language: Language) -> None:
    said = "\n".join(_own_words("notice", language).values())
    assert [term for term in TERMS[language] if term not in said] == []


def test_arabic_runs_from_right_to_left_and_names_keep_their_direction() -> None:
    pages = {
        language: Page(
            language, "", {"": [isolate("privacy@shop.example", language)]}, []
        ).write_html()
        for language in ("ar", "de")
    }
    assert pages["ar"].startswith('<!doctype html><html lang="ar" dir="rtl">')
    assert "\u2068privacy@shop.example\u2069" in pages["ar"]
    assert "\u2068" not in pages["de"]
