"""The look of our self-contained HTML pages, which evaluate writes."""

from __future__ import annotations

from html import escape
from pathlib import Path

_COLOURS = {
    "ground": ("#f6f6f4", "#16181a"),
    "card": ("#ffffff", "#202326"),
    "ink": ("#1d1f21", "#e8e8e6"),
    "soft": ("#6a6f76", "#9aa0a6"),
    "line": ("#d9dbde", "#3a3e42"),
    "one": ("#1f6feb", "#6ea8fe"),
    "two": ("#d1622b", "#ff9a62"),
    "three": ("#7a4fbf", "#b795f2"),
}
"""Light and dark colours, by the names of the style sheet's variables."""

LIGHT = {name: light for name, (light, _) in _COLOURS.items()}
"""No two are equal, so a chart's colours map back to names."""

_RULES = Path(__file__).with_name("page.css")


def html(title: str, body: str) -> str:
    """Write a page. `title`: plain text; `body`: HTML."""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
:root {{ color-scheme: light dark; {_variables(0)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_variables(1)} }} }}
{_RULES.read_text(encoding="utf-8").strip()}
</style>
{body}
</html>
"""


def _variables(scheme: int) -> str:
    """Write the variables of the light scheme, 0, or the dark one, 1."""
    return " ".join(f"--{name}: {colours[scheme]};" for name, colours in _COLOURS.items())
