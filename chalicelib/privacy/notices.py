"""Documents that inform people: the privacy notice, the record of processing, and the page of a
receipt.

They describe the settings of the tenant, its cameras, groups and hooks (GDPR, Articles 13 and 30).
What no program can know is a setting (docs/tasks/notice.md); an empty one leaves a blank, and is
named in `missing`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from msgspec import Struct

from chalicelib.domain.events import EVENTS
from chalicelib.domain.hooks import FULL, UNSEEN
from chalicelib.domain.model import STRANGER, Tenant
from chalicelib.domain.person_texts import WORDS
from chalicelib.domain.pictures import FEELINGS
from chalicelib.domain.tenant_settings import (
    NONE_SAID,
    OF_NOTICE,
    UNDECIDED,
    NoticeSetting,
    count_capture_days,
    count_ended_days,
    count_remembered_days,
    count_sighting_days,
)
from chalicelib.domain.webhooks import Hook
from chalicelib.privacy.data_map import table, what_happens, what_is_stored
from chalicelib.privacy.erasure_progress import list_left
from chalicelib.privacy.signing import fingerprint, public_key_from
from chalicelib.privacy.texts import (
    Language,
    choose_language,
    direction_of,
    isolate,
    words_of,
)
from chalicelib.qr_code import draw_code
from chalicelib.service import Service

if TYPE_CHECKING:
    from chalicelib.services import Services

BLANK = "____________________"

ESTIMATED = ("age", "gender", "emotion", "beauty")
"""Estimates that say something about a person. Pose and liveness say something about a picture."""

AMAZON = "Amazon Web Services"


class Facts(Struct, frozen=True):
    """The facts of a tenant that its documents state.

    `capture_days`: for how long the service keeps pictures of captures; `keeps_strangers`: the
    tenant does, and some camera, or faces of strangers are there; `own_days`: the days of its own
    groups, None: for ever; `receivers`: hosts that are told of people; `on_aws`: Amazon is a
    processor.
    """

    tenant: Tenant
    capture_days: int
    keeps_strangers: bool = True
    own_days: tuple[int | None, ...] = ()
    receivers: tuple[str, ...] = ()
    on_aws: bool = False

    @property
    def recipients(self) -> str:
        """The recipients of data that the tenant names, or else the known ones; "" if there are
        none."""
        said, known = self.tenant.recipients, ", ".join(self.known)
        return known or said if said in ("", NONE_SAID) else said

    @property
    def known(self) -> tuple[str, ...]:
        """Recipients that are known, to propose."""
        return (*self.receivers, *((AMAZON,) if self.on_aws else ()))

    @property
    def missing(self) -> list[NoticeSetting]:
        """The settings that leave a blank, or that name no recipients though there are some."""
        untrue = (
            {"recipients"} if self.tenant.recipients == NONE_SAID and self.known else set[str]()
        )
        return [name for name in OF_NOTICE if not getattr(self.tenant, name) or name in untrue]


class Page(Struct, frozen=True):
    """A page to print.

    `sections`: lines by heading; `missing`: the settings that a reader has to fill in by hand,
    since the tenant did not set them; `url`: what its QR code leads to; `attached`: HTML at the
    page's end.
    """

    language: Language
    title: str
    sections: Mapping[str, list[str]]
    missing: list[NoticeSetting]
    url: str = ""
    attached: Markup = Markup()

    def write_text(self) -> str:
        parts = [
            f"{heading}\n" + "\n".join(f"- {line}" for line in lines)
            for heading, lines in self.sections.items()
        ]
        return "\n\n".join([self.title, *parts]) + "\n"

    def write_html(self) -> str:
        """Return a page of its own, for a sheet of A4."""
        sections = Markup().join(
            Markup("<h2>{}</h2>{}").format(heading, write_list(lines))
            for heading, lines in self.sections.items()
        )
        page = Markup(
            '<!doctype html><html lang="{page.language}" dir="{direction}"><meta charset="utf-8">'
            "<title>{page.title}</title><style>{style}</style>"
            "{code}<h1>{page.title}</h1>{sections}{page.attached}</html>\n"
        )
        code = draw_code(self.url).svg(self.url) if self.url else ""
        direction = direction_of(self.language)
        return str(
            page.format(page=self, direction=direction, style=_STYLE, code=code, sections=sections)
        )


def write_list(lines: Iterable[str]) -> Markup:
    """Write a list of HTML, of lines that are text."""
    items = Markup().join(Markup("<li>{}</li>").format(line) for line in lines)
    return Markup("<ul>{}</ul>").format(items)


class _Writer:
    """A writer of the sentences of a kind of page, in a language, with the facts of a tenant."""

    def __init__(self, facts: Facts, language: Language, kind: str = "notice") -> None:
        self.facts, self.tenant, self.language = facts, facts.tenant, language
        self.words = words_of(kind, language)

    def say(self, key: str, /, **values: object) -> str:
        """Fill a sentence.

        The values keep their own direction, and lose a stop that would stand there twice.
        """
        filled = {
            name: isolate(str(value).rstrip(" ."), self.language) for name, value in values.items()
        }
        return self.words[key].format(**filled)

    def fill_setting(self, key: str, name: str) -> str:
        """Fill a sentence with a setting of the tenant, or with a blank."""
        return self.say(key, **{name: getattr(self.tenant, name) or BLANK})

    def say_duration(self, key: str, days: int | None, unit: str = "days") -> str:
        """Say for how many days something is kept; None: until the purpose is over.

        `unit`: since when they count.
        """
        end = (
            "endless"
            if days is None
            else unit
            if days != 1
            else {"days": "day", "unseen": "unseen day"}[unit]
        )
        return self.words[key].format(end=self.say(end, days=days))


def write_notice(facts: Facts, language: Language) -> Page:
    """Write the whole notice (GDPR, Article 13)."""
    language = choose_language(language, "notice")
    writer = _Writer(facts, language)
    words = writer.words
    sections = {
        words["who"]: _write_who(writer),
        words["why"]: [
            facts.tenant.purposes or words["purposes"],
            writer.fill_setting("basis", "basis"),
        ],
        words["what"]: _write_what_happens(writer),
        words["long"]: _list_retention(writer),
        words["passed"]: _list_recipients(writer),
        words["rights"]: [
            *(words[right] for right in ("may", "object", "withdraw")),
            writer.fill_setting("ask", "contact"),
            writer.fill_setting("complain", "authority"),
        ],
    }
    return Page(language, words["title"], sections, facts.missing)


def write_sheet(facts: Facts, language: Language) -> Page:
    """Write the sheet at the door: the first layer of the notice, which refers to the whole (EDPB
    3/2019, 7.1)."""
    language = choose_language(language, "notice")
    to, url = _Writer(facts, language), facts.tenant.notice_url
    words = to.words
    whole = to.say("short whole", url=url) if url else words["short ask"]
    sections = {
        words["who"]: _write_who(to),
        words["why"]: [
            facts.tenant.purposes or words["purposes"],
            to.fill_setting("basis", "basis"),
        ],
        words["what"]: [words["short what"]],
        words["long"]: [_of_captures(to), _of_strangers(to)],
        words["rights"]: [
            to.fill_setting("short rights", "contact"),
            to.fill_setting("complain", "authority"),
            whole,
        ],
    }
    return Page(language, words["title"], sections, facts.missing, url)


def _write_who(writer: _Writer) -> list[str]:
    controller = isolate(writer.tenant.controller or BLANK, writer.language)
    officer = (
        [] if writer.tenant.officer == NONE_SAID else [writer.fill_setting("officer", "officer")]
    )
    return [controller, writer.fill_setting("reach", "contact"), *officer]


def _write_what_happens(to: _Writer) -> list[str]:
    words, tenant = to.words, to.tenant
    names = [words[name] for name in ESTIMATED if name not in tenant.unestimated]
    return [
        words["template"],
        *([to.say("estimates", names=words["and"].join(names))] if names else []),
        words["children"],
        *([] if tenant.min_age is None else [to.say("young", years=f"{tenant.min_age:g}")]),
        words["match"],
        *([words["told"]] if to.facts.receivers else []),
        words["decides"],
        words["voluntary"],
    ]


def _of_captures(to: _Writer) -> str:
    days = count_capture_days(to.tenant, to.facts.capture_days)
    return (
        to.say_duration("captures", days) if to.tenant.keeps_pictures else to.words["no captures"]
    )


def _of_strangers(writer: _Writer) -> str:
    keeps_strangers = writer.facts.keeps_strangers
    return (
        writer.say_duration("strangers", writer.tenant.stranger_days, "unseen")
        if keeps_strangers
        else writer.words["no strangers"]
    )


def _list_retention(writer: _Writer) -> list[str]:
    """Say for how long each kind is kept."""
    tenant, group_days = writer.tenant, writer.facts.own_days
    pictures = (
        ("partly pictured" if tenant.no_pictures_of else "pictured")
        if tenant.keeps_pictures
        else "unpictured"
    )
    learns = tenant.learns and tenant.keeps_pictures and tenant.learnt_days is not None
    longest = (
        None
        if None in group_days
        else max((days for days in group_days if days is not None), default=None)
    )
    return [
        _of_captures(writer),
        writer.words[pictures],
        *([writer.say_duration("learnt", tenant.learnt_days)] if learns else []),
        _of_strangers(writer),
        writer.say_duration("regulars", tenant.regular_days, "unseen"),
        *([writer.say_duration("groups", longest, "unseen")] if group_days else []),
        writer.say_duration("ended", count_ended_days(tenant)),
        writer.say_duration(
            "remembered" if tenant.expired_consent_erases else "all remembered",
            count_remembered_days(tenant),
        ),
        writer.words["refused"],
        writer.say_duration("visits", tenant.observation_days),
        writer.say_duration("sightings", count_sighting_days(tenant)),
        writer.say_duration("acts", tenant.audit_days),
        writer.words["backups"],
    ]


def _list_recipients(to: _Writer) -> list[str]:
    recipients, transfers = to.facts.recipients, to.tenant.transfers
    nobody, nowhere = recipients == NONE_SAID, transfers == NONE_SAID
    return [
        to.words["nobody"] if nobody else to.say("receivers", recipients=recipients or BLANK),
        to.words["no transfers"] if nowhere else to.fill_setting("transfers", "transfers"),
    ]


_WHY = {
    UNSEEN: "why retention",
    "ended consent": "why ended consent",
    "strangers are forgotten": "why strangers",
    FULL: "why full group",
}
"""Sentences about the asker of an erasure (privacy/erasure_progress); about any other, somebody
ordered it."""

_VERIFY = """python3 - {name} <<'END'
import base64, json, sys
receipt = json.load(open(sys.argv[1], encoding="utf-8"))
said = json.dumps(receipt["statement"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
open("said", "wb").write(said.encode())
open("signature", "wb").write(base64.b64decode(receipt["signature"]))
begin = bytes.fromhex("302a300506032b6570032100")
open("key", "wb").write(begin + base64.b64decode(receipt["public_key"]))
END
openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in said -sigfile signature
tail -c 32 key | openssl sha256
"""
"""A shell's lines. The hexadecimal digits stand before a key of Ed25519 in DER (RFC 8410)."""


def say_other_shops(shops: Sequence[str], language: Language) -> str:
    """Return the sentence for a person that other shops may know them, too: these, or if none is
    named, any."""
    words = words_of("receipt", language)
    names = words_of("notice", language)["and"].join(isolate(shop, language) for shop in shops)
    return words["shops"].format(shops=names) if shops else words["any shops"]


def write_receipt_page(
    facts: Facts,
    language: Language,
    receipt: Mapping[str, Any],
    programs: Collection[str],
    shops: Sequence[str] = (),
) -> Page:
    """Write the receipt of an erasure in plain words, for the person; the signed document is
    attached.

    `programs`: what receipts call programs that asked. `shops`: names of the controller's others.
    """
    language = choose_language(language, "receipt", "notice")
    receipt_writer = _Writer(facts, language, "receipt")
    notice_writer = _Writer(facts, language)
    statement = receipt["statement"]
    words = receipt_writer.words
    times = {
        name: str(statement[name])[:16].replace("T", " ") + " UTC"
        for name in ("asked_at", "done_at")
    }
    numbers = {
        **statement["counts"],
        **{name: len(statement["removed"][name]) for name in ("pictures", "templates")},
    }
    key = fingerprint(public_key_from(receipt["public_key"]))
    data = base64.b64encode(json.dumps(receipt, ensure_ascii=False, indent=2).encode()).decode()
    name = f"erasure-{statement['id']}.json"
    shop = facts.tenant.shown_name
    sections = {
        words["who"]: [*_write_who(notice_writer)],
        words["why"]: [
            words[
                "why program"
                if statement["by"] in programs
                else _WHY.get(statement["by"], "why asked")
            ]
        ],
        words["what"]: [
            receipt_writer.say("done", **times),
            receipt_writer.say("removed", **numbers),
        ],
        words["left"]: [
            *list_left(language, refuses=bool(statement["refused"])),
            receipt_writer.say("again", shop=shop),
            say_other_shops(shops, language),
        ],
        words["proof"]: [
            receipt_writer.say("signed", name=name, key=key),
            words["verify"],
            receipt_writer.fill_setting("complain", "authority"),
        ],
    }
    attached = Markup(
        '<pre dir="ltr">{lines}</pre><p><a download="{name}" '
        'href="data:application/json;base64,{data}">{name}</a></p>'
    ).format(lines=_VERIFY.format(name=name), name=name, data=data)
    asked_settings = ("controller", "contact", "officer", "authority")
    missing = [
        notice_setting for notice_setting in facts.missing if notice_setting in asked_settings
    ]
    title = receipt_writer.say("title", shop=shop)
    return Page(language, title, sections, missing, attached=attached)


def write_record(facts: Facts, measures: Sequence[str]) -> str:
    """Write the tenant's record of processing, in Markdown (GDPR, Article 30).

    `measures`: what protects the data.
    """
    tenant, writer = facts.tenant, _Writer(facts, "en")
    estimates = ", ".join(name for name in ESTIMATED if name not in tenant.unestimated) or "none"
    if feelings := sorted(FEELINGS - tenant.attributes_off):
        of_whom = "staff has none" if tenant.feelings else "only if a program's API answers it"
        estimates += f" ({', '.join(feelings)}: {of_whom})"
    retention_texts = _list_retention(writer)
    rows = {
        "(a) controller": f"{tenant.controller or '[name, address]'}, "
        f"{tenant.contact or '[contact]'}; "
        f"data protection officer: {_fill_blank(tenant.officer, 'none', '[name, contact]')}; "
        "[joint controller, representative, if there are any]",
        "(b) purposes": tenant.purposes or "[such as: greet regular guests by name; count visits]",
        "legal basis (Articles 6 and 9)": (
            f"{tenant.basis or '[such as: explicit consent, Articles 6(1)(a), 9(2)(a)]'};"
            " nobody gets a name, a group or a picture without a record of consent: "
            f"{'yes' if tenant.consent_required else 'no'}"
        ),
        "(c) people": "all who pass the cameras, who are "
        f"{'kept as strangers' if facts.keeps_strangers else 'compared and not kept'}"
        f"{_say_choice(tenant)}; people who were enrolled, [who]",
        "(c) data": f"pictures{'' if tenant.keeps_pictures else ' (none is kept)'}, templates by "
        f"{tenant.model} "
        f"(biometric data), times, cameras, [name, {WORDS}, labels]; estimates: {estimates}",
        "(d) recipients": _fill_blank(
            facts.recipients, "none", "[whom hooks and MQTT tell, who runs the machine]"
        )
        + f"; told by hooks and MQTT: {', '.join(facts.receivers) or 'nobody'}",
        "(e) third countries": _fill_blank(
            tenant.transfers, "none", "[none; or: which, by what safeguard of Articles 44 to 49]"
        ),
        "(f) kept for": " ".join(retention_texts),
        "(g) measures (Article 32)": "; ".join(measures),
    }
    return (
        f"# Record of processing: {tenant.shown_name}\n\n"
        f"{table(('Article 30(1)', ''), rows.items())}\n"
        f"## What is stored where, and how long\n\n{what_is_stored()}\n{what_happens()}"
    )


def _say_choice(tenant: Tenant) -> str:
    """Say who chose what becomes of strangers, and when."""
    if tenant.strangers == UNDECIDED:
        return " (nobody has chosen yet)"
    chosen_at = tenant.strangers_chosen_at or tenant.created_at
    who = tenant.strangers_decided_by or "[name]"
    return f" (`strangers` is {tenant.strangers}: decided by {who}, {chosen_at:%Y-%m-%d})"


def _fill_blank(text: str, nothing: str, blank: str) -> str:
    return nothing if text == NONE_SAID else text or blank


_STYLE = Markup(
    "@page{size:A4;margin:16mm}body{font:13pt/1.4 system-ui,sans-serif;max-width:178mm;margin:8mm "
    "auto;color:#111}"
    "h1{font-size:26pt;line-height:1.2;margin:0 0 6mm}h2{font-size:15pt;margin:5mm 0 1mm}"
    "ul{margin:0;padding-inline-start:6mm}li{margin:1mm 0;overflow-wrap:anywhere}"
    ".qr{float:inline-end;width:40mm}pre{font-size:9pt;white-space:pre-wrap;overflow-wrap:anywhere}"
    "@media print{body{margin:0}}"
)


class Notices(Service["Services"]):
    """The documents of a tenant, each from its current settings, cameras, groups and hooks."""

    def read_facts(self, tenant: Tenant) -> Facts:
        """Read the facts of a tenant that its notice and its record of processing state.

        Raises TenantNotFound.
        """
        tenant_now = self.services.tenants.get_by_name(tenant.name)
        groups = self.services.groups.list_all(tenant_now)
        cameras = [
            camera for camera in self.services.cameras.list_all(tenant_now) if camera.enabled
        ]
        has_strangers = any(group.count for group in groups if group.id == STRANGER)
        return Facts(
            tenant_now,
            self.services.settings.capture_days,
            keeps_strangers=not tenant_now.forgets_strangers
            and (has_strangers or not cameras or any(camera.keeps_strangers for camera in cameras)),
            own_days=tuple(group.unseen_days for group in groups if not group.is_default),
            receivers=list_recipients(self.services.webhooks.hooks.list_all(tenant_now.name)),
            on_aws=not isinstance(self.services.settings.storage, Path),
        )

    def write_notice(self, tenant: Tenant, language: Language) -> Page:
        """Write the whole notice."""
        return write_notice(self.read_facts(tenant), language)

    def write_receipt_page(
        self,
        tenant: Tenant,
        language: Language,
        receipt: Mapping[str, Any],
        programs: Collection[str],
        shops: Sequence[str] = (),
    ) -> Page:
        """Write a receipt's page. `shops`: as `write_receipt_page` takes them."""
        return write_receipt_page(self.read_facts(tenant), language, receipt, programs, shops)


def list_recipients(hooks: Collection[Hook]) -> tuple[str, ...]:
    """Return the current recipients of data about people, by these hooks."""
    reporting_hooks = (
        hook
        for hook in hooks
        if hook.enabled
        and (hook.kinds is None or any(EVENTS[kind].OF_PEOPLE for kind in hook.kinds))
    )
    return tuple(sorted({hook.recipient for hook in reporting_hooks} - {""}))
