"""What is English on a page in another language.

A text is English if it is what en.json says and the page's language says otherwise, or if it has an
English day, month or "ago".
"""

import re
from functools import cache

from playwright.sync_api import Page

from tests.console.spoken import TABLES

SHOWN = """() => {
  const named = ["aria-label", "title", "placeholder", "alt", "aria-valuetext", "aria-description"];
  const isText = (one) =>
    one.nodeType === 3 && !one.parentElement.closest(".brand, code, textarea");
  const texts = [...document.querySelectorAll("#console *")].flatMap((one) => [
    ...[...one.childNodes].filter(isText).map((each) => each.data),
    ...named.map((name) => one.getAttribute(name) ?? "")]);
  const title = document.title.replace(/ · Regulars$/, "");
  return [...new Set([title, ...texts].map((one) => one.replace(/\\s+/g, " ").trim()))];
}"""

OF_A_CALENDAR = re.compile(
    r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun|Mar|May|Oct|Dec|(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|"
    r"January|February|March|"
    r"June|July|October|December|ago|yesterday|tomorrow|(day|hour|minute|second|week|month|year)s?"
    r")\b"
)
OPENING = re.compile(r"\b(\w{3})(-\w{3})? \d\d:\d\d-\d\d:\d\d")
"""Opening hours, which are typed and shown as v1 has them: `Mon-Fri 08:00-19:00`."""


def forms(text: str | dict[str, str]) -> list[str]:
    return [text] if isinstance(text, str) else [*text.values()]


@cache
def patterns(language: str, other: str) -> list[re.Pattern[str]]:
    """Return how the texts of a language look, filled in; without those that are the same in the
    other."""
    made = []
    for name, text in TABLES[language].items():
        for form in forms(text):
            said = re.sub(r"\{\w+\}", "", form)
            if re.search(r"[^\W\d_]", said) and (
                language != "en" or form not in forms(TABLES[other][name])
            ):
                made.append(re.sub(r"\\\{\w+\\\}", "(.*)", re.escape(form)))
    return [re.compile(one, re.DOTALL) for one in made]


@cache
def find_english(text: str, language: str = "de") -> list[str]:
    """Return what is English in a text of a page in this language."""
    text = OPENING.sub("", text).strip()
    for pattern in patterns(language, "en"):
        if found := pattern.fullmatch(text):
            return [part for group in found.groups() for part in find_english(group, language)]
    parts = re.split(r" · |[,،] |: | – |[()\n;؛]", text)
    if len(parts) > 1:
        return [part for one in parts for part in find_english(one, language)]
    is_english = any(one.fullmatch(text) for one in patterns("en", language))
    return [text] if is_english or OF_A_CALENDAR.search(text) else []


def english_of(page: Page, language: str = "de") -> list[str]:
    return [text for text in page.evaluate(SHOWN) if find_english(text, language)]
