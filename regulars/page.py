"""The look of our self-contained HTML pages: the demo's and evaluate's."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

LIGHT = {
    "ground": "#f6f6f4",
    "card": "#ffffff",
    "ink": "#1d1f21",
    "soft": "#6a6f76",
    "line": "#d9dbde",
    "right": "#1a7f37",
    "wrong": "#c62828",
    "bar": "#8ab4f8",
    "one": "#1f6feb",
    "two": "#d1622b",
    "three": "#7a4fbf",
}
"""Colours by the names of the style sheet's variables. No two are equal, so a chart's colours map back to names."""

_DARK = {
    "ground": "#16181a",
    "card": "#202326",
    "ink": "#e8e8e6",
    "soft": "#9aa0a6",
    "line": "#3a3e42",
    "right": "#4cc26a",
    "wrong": "#ff6b6b",
    "bar": "#3f6db8",
    "one": "#6ea8fe",
    "two": "#ff9a62",
    "three": "#b795f2",
}

_RULES = """
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 76rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 2.5rem 0 .75rem; font-size: 1.15rem; }
p { margin: .25rem 0; color: var(--soft); }
table { border-collapse: collapse; width: 100%; background: var(--card); }
td, th { border: 1px solid var(--line); padding: .35rem .6rem; text-align: left; }
td + td { font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; height: auto; }
.chart { max-width: 60rem; border: 1px solid var(--line); border-radius: 8px; background: var(--card); }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); }
.cards.wide { grid-template-columns: 1fr; }
figure { margin: 0; overflow: hidden; border: 1px solid var(--line); border-left: 4px solid var(--right);
  border-radius: 8px; background: var(--card); }
figure.wrong { border-left-color: var(--wrong); }
figure svg { max-height: 36rem; }
figure rect { fill: none; stroke: var(--right); stroke-width: 3; vector-effect: non-scaling-stroke; }
figure .wrong rect { stroke: var(--wrong); }
figure text { fill: #fff; paint-order: stroke; stroke: #000; font-family: system-ui, sans-serif; }
figcaption { padding: .5rem .75rem .6rem; font-size: .85rem; overflow-wrap: anywhere; }
figcaption strong { display: block; color: var(--right); font-size: .95rem; }
.wrong figcaption strong { color: var(--wrong); }
figcaption small { color: var(--soft); }
.scale { position: relative; height: 6px; margin: .35rem 0 .1rem; border-radius: 3px; background: var(--line); }
.scale i { position: absolute; inset: 0 auto 0 0; border-radius: 3px; background: var(--bar); }
.scale b { position: absolute; top: -3px; bottom: -3px; width: 2px; background: var(--ink); }
"""


def html(title: str, body: str) -> str:
    """Write a page. `title`: plain text; `body`: HTML."""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
:root {{ color-scheme: light dark; {_variables(LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_variables(_DARK)} }} }}
{_RULES.strip()}
</style>
{body}
</html>
"""


def _variables(colours: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in colours.items())
