"""What does a tenant tell people, and say to the authority? The notice beside the cameras, receipts, the record.

The notice says what the software does. The operator adds the rest (docs/tasks/consent.md).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from html import escape
from typing import Any

from msgspec import Struct

from chalicelib.core.model import Tenant
from chalicelib.core.places import table, what_happens, what_is_stored
from chalicelib.core.signing import fingerprint, public_key_from
from chalicelib.core.tenant_settings import captures_kept
from chalicelib.core.words import Language, words_of

BLANK = "____________________"


class Notice(Struct, frozen=True):
    """A notice. `sections`: lines by heading; `missing`: the settings that a reader has to fill in by hand, since the
    tenant did not set them; `attached`: HTML at the page's end."""

    language: Language
    title: str
    sections: Mapping[str, list[str]]
    missing: list[str]
    attached: str = ""

    def text(self) -> str:
        parts = [f"{heading}\n" + "\n".join(f"- {one}" for one in lines) for heading, lines in self.sections.items()]
        return "\n\n".join([self.title, *parts]) + "\n"

    def html(self) -> str:
        """Return a page of its own, for a sheet of A4."""
        sections = "".join(
            f"<h2>{escape(heading)}</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
            for heading, lines in self.sections.items()
        )
        return (
            f'<!doctype html><html lang="{self.language}"><meta charset="utf-8">'
            f"<title>{escape(self.title)}</title><style>{_STYLE}</style>"
            f"<h1>{escape(self.title)}</h1>{sections}{self.attached}</html>\n"
        )


def notice(tenant: Tenant, language: Language, capture_days: int) -> Notice:
    """Write the tenant's notice. `capture_days`: for how long the service keeps the pictures of captures."""
    words = words_of("notice", language)
    own = {name: getattr(tenant, name) for name in ("controller", "contact")}
    filled = {name: value or BLANK for name, value in own.items()}
    seen = [words["template"], *_estimated(tenant, language), words["children"], *_left_out(tenant, language)]
    sections = {
        words["who"]: [words["controller"].format(**filled), words["reach"].format(**filled)],
        words["why"]: [tenant.purposes or words["purposes"]],
        words["what"]: seen,
        words["long"]: _kept(tenant, language, capture_days),
        words["rights"]: [words["may"], words["ask"].format(**filled), words["complain"]],
    }
    return Notice(language, words["title"], sections, [name for name, value in own.items() if not value])


def _estimated(tenant: Tenant, language: Language) -> list[str]:
    words = words_of("notice", language)
    names = [words[name] for name in ESTIMATED if name not in tenant.attributes_off]
    return [words["estimates"].format(names=words["and"].join(names))] if names else []


def _left_out(tenant: Tenant, language: Language) -> list[str]:
    return [] if tenant.min_age is None else [words_of("notice", language)["young"].format(years=f"{tenant.min_age:g}")]


def _kept(tenant: Tenant, language: Language, capture_days: int) -> list[str]:
    """Say for how long each kind is kept."""
    words = words_of("notice", language)
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


def receipt_page(tenant: Tenant, language: Language, receipt: Mapping[str, Any]) -> Notice:
    """Write the receipt of an erasure in plain words, for the person who asked; the signed document is attached."""
    words, own, said = words_of("receipt", language), words_of("notice", language), receipt["statement"]
    times = {name: str(said[name])[:16].replace("T", " ") + " UTC" for name in ("asked_at", "done_at")}
    numbers = {**said["counts"], **{name: len(said["removed"][name]) for name in ("pictures", "templates")}}
    key = fingerprint(public_key_from(receipt["public_key"]))
    data = base64.b64encode(json.dumps(receipt, ensure_ascii=False, indent=2).encode()).decode()
    name = f"erasure-{said['id']}.json"
    return Notice(
        language,
        words["title"],
        {
            words["who"]: [tenant.controller or BLANK, own["reach"].format(contact=tenant.contact or BLANK)],
            words["what"]: [words["done"].format(**times), words["removed"].format(**numbers)],
            words["left"]: [words["numbers"], words["backups"], words["others"]],
            words["proof"]: [words["signed"].format(name=name, key=key), own["complain"]],
        },
        [one for one in ("controller", "contact") if not getattr(tenant, one)],
        f'<p><a download="{name}" href="data:application/json;base64,{data}">{name}</a></p>',
    )


def record(tenant: Tenant, hosts: Collection[str], capture_days: int) -> str:
    """Write the tenant's record of processing, in Markdown (GDPR, Article 30). `hosts`: of its hooks."""
    asked = ", ".join(filter(None, (tenant.controller or "[name, address]", tenant.contact or "[contact]")))
    estimates = ", ".join(name for name in ESTIMATED if name not in tenant.attributes_off) or "none"
    rows = {
        "controller": f"{asked}; [representative; data protection officer]",
        "purpose": tenant.purposes or "[such as: greet regular guests by name; count visits]",
        "basis": "Article 6(1)[a] and Article 9(2)[a]: [explicit consent, on paper, drawer 3]; nobody gets a name, a "
        f"group or a picture without a record of consent: {'yes' if tenant.consent_required else 'no'}; "
        + (
            tenant.asked.partition(" Say")[0]
            or f"strangers: {tenant.strangers}{', ' if tenant.basis else ''}{tenant.basis}"
        ),
        "people": "[guests who enrolled; all who pass the camera at the entrance]",
        "data": f"pictures{'' if tenant.keeps_pictures else ' (none is kept)'}, templates by {tenant.model}, times, "
        f"cameras, [name, note, labels]; estimates: {estimates}",
        "recipients": f"{', '.join(hosts) or 'no hooks'}; [MQTT broker; AWS in region ...]",
        "third countries": "[none; or: which, and by what safeguard of Articles 44 to 49]",
        "kept for": "; ".join(_kept(tenant, "en", capture_days)) + " Backups: [..] days.",
        "measures (Article 32)": "roles and keys, pictures by signed URLs for an hour, TLS, [encrypted disk], [who may "
        "enter the room], backups at [..]",
    }
    return (
        f"# Record of processing: {tenant.shown_name}\n\n{table(('Article 30', ''), rows.items())}\n"
        f"## What is stored where, and how long\n\n{what_is_stored()}\n{what_happens()}"
    )


_STYLE = (
    "@page{size:A4;margin:18mm}body{font:15pt/1.45 system-ui,sans-serif;max-width:174mm;margin:8mm auto;color:#111}"
    "h1{font-size:28pt;line-height:1.2;margin:0 0 8mm}h2{font-size:17pt;margin:7mm 0 2mm}ul{margin:0;padding-left:6mm}"
    "li{margin:1mm 0;overflow-wrap:anywhere}"
)


ESTIMATED = ("age", "gender", "emotion")
"""Estimates that say something about a person. Pose and liveness say something about a picture."""
