"""The notice to post where cameras look, filled with what the tenant says of itself and how long it keeps what.

It says what the software does. What it cannot know is for the operator to add (docs/tasks/consent.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from chalicelib.core.model import Tenant
from chalicelib.core.retention import captures_kept
from chalicelib.services.account.notice_words import ATTRIBUTES, WORDS, Language

BLANK = "____________________"


@dataclass(frozen=True)
class Section:
    heading: str
    lines: list[str]


@dataclass(frozen=True)
class Notice:
    """`missing`: the settings that a reader has to fill in by hand, since the tenant did not set them."""

    language: Language
    title: str
    sections: list[Section]
    missing: list[str]

    def text(self) -> str:
        parts = [f"{one.heading}\n" + "\n".join(f"- {line}" for line in one.lines) for one in self.sections]
        return "\n\n".join([self.title, *parts]) + "\n"

    def html(self) -> str:
        """Return a page of its own, for a sheet of A4."""
        sections = "".join(
            f"<h2>{escape(one.heading)}</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in one.lines)}</ul>"
            for one in self.sections
        )
        return (
            f'<!doctype html><html lang="{self.language}"><meta charset="utf-8">'
            f"<title>{escape(self.title)}</title><style>{_STYLE}</style>"
            f"<h1>{escape(self.title)}</h1>{sections}</html>\n"
        )


def notice(tenant: Tenant, language: Language, capture_days: int) -> Notice:
    """Write the tenant's notice. `capture_days`: for how long the service keeps the pictures of captures."""
    words = WORDS[language]
    own = {name: getattr(tenant, name) for name in ("controller", "contact")}
    filled = {name: value or BLANK for name, value in own.items()}
    purposes = tenant.purposes or words["purposes"]
    seen = [words["template"], *_estimated(tenant, language), words["children"], *_left_out(tenant, language)]
    sections = [
        Section(words["who"], [words["controller"].format(**filled), words["reach"].format(**filled)]),
        Section(words["why"], [purposes]),
        Section(words["what"], seen),
        Section(words["long"], _kept(tenant, language, capture_days)),
        Section(words["rights"], [words["may"], words["ask"].format(**filled), words["complain"]]),
    ]
    return Notice(language, words["title"], sections, [name for name, value in own.items() if not value])


def _estimated(tenant: Tenant, language: Language) -> list[str]:
    names = [word for name, word in ATTRIBUTES[language].items() if name not in tenant.attributes_off]
    words = WORDS[language]
    return [words["estimates"].format(names=words["and"].join(names))] if names else []


def _left_out(tenant: Tenant, language: Language) -> list[str]:
    return [] if tenant.min_age is None else [WORDS[language]["young"].format(years=f"{tenant.min_age:g}")]


def _kept(tenant: Tenant, language: Language, capture_days: int) -> list[str]:
    """Say for how long each kind is kept."""
    words = WORDS[language]
    faces = "pictured" if tenant.keeps_pictures else "unpictured"
    captures = words["captures"].format(days=captures_kept(tenant, capture_days))
    return [
        captures if tenant.keeps_pictures else words["no captures"],
        words[faces],
        _ended(words, "strangers", tenant.stranger_days, "unseen"),
        _ended(words, "regulars", tenant.regular_days, "unseen"),
        _ended(words, "visits", tenant.observation_days, "days"),
    ]


def _ended(words: Mapping[str, str], what: str, days: int | None, end: str) -> str:
    return words[what].format(end=words["endless" if days is None else end].format(days=days))


_STYLE = (
    "@page{size:A4;margin:18mm}body{font:15pt/1.45 system-ui,sans-serif;max-width:174mm;margin:8mm auto;color:#111}"
    "h1{font-size:28pt;line-height:1.2;margin:0 0 8mm}h2{font-size:17pt;margin:7mm 0 2mm}ul{margin:0;padding-left:6mm}"
    "li{margin:1mm 0;overflow-wrap:anywhere}"
)
