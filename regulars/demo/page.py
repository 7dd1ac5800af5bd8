"""The story as one HTML page that needs nothing but itself: pictures inside, boxes drawn over them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from regulars.demo import pictures
from regulars.demo.story import Mark, Part, Step

_CARD_PX, _WIDE_PX = 240, 960
_WIDE = (Part.SEVERAL, Part.LOBBY)

_STYLE = """
:root { color-scheme: light dark; --ground: #f6f6f4; --card: #fff; --ink: #1d1f21; --soft: #6a6f76; --line: #d9dbde;
  --right: #1a7f37; --wrong: #c62828; --bar: #8ab4f8; }
@media (prefers-color-scheme: dark) { :root { --ground: #16181a; --card: #202326; --ink: #e8e8e6; --soft: #9aa0a6;
  --line: #3a3e42; --right: #4cc26a; --wrong: #ff6b6b; --bar: #3f6db8; } }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 76rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 2.5rem 0 .75rem; font-size: 1.15rem; }
p { margin: .25rem 0; color: var(--soft); }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); }
.cards.wide { grid-template-columns: 1fr; }
figure { margin: 0; overflow: hidden; border: 1px solid var(--line); border-left: 4px solid var(--right);
  border-radius: 8px; background: var(--card); }
figure.wrong { border-left-color: var(--wrong); }
svg { display: block; width: 100%; height: auto; max-height: 36rem; }
svg rect { fill: none; stroke: var(--right); stroke-width: 3; vector-effect: non-scaling-stroke; }
svg .wrong rect { stroke: var(--wrong); }
svg text { fill: #fff; paint-order: stroke; stroke: #000; font-family: system-ui, sans-serif; }
figcaption { padding: .5rem .75rem .6rem; font-size: .85rem; overflow-wrap: anywhere; }
figcaption strong { display: block; color: var(--right); font-size: .95rem; }
.wrong figcaption strong { color: var(--wrong); }
figcaption small { color: var(--soft); }
.scale { position: relative; height: 6px; margin: .35rem 0 .1rem; border-radius: 3px; background: var(--line); }
.scale i { position: absolute; inset: 0 auto 0 0; border-radius: 3px; background: var(--bar); }
.scale b { position: absolute; top: -3px; bottom: -3px; width: 2px; background: var(--ink); }
"""


def html(steps: Sequence[Step], about: str, summary: str) -> str:
    """The page; `about` says where the pictures come from, `summary` how it went."""
    parts = [part for part in Part if any(step.part is part for step in steps)]
    body = "\n".join(_chapter(part, [step for step in steps if step.part is part]) for part in parts)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Regulars: the demo</title>
<style>{_STYLE}</style>
<h1>Regulars: who is who</h1>
<p>{escape(summary)}.</p>
<p>Pictures: {escape(about)}. A card's bar is the score of the most similar enrolled face, its tick the threshold that
this gallery's size asks for. Green answers are as the labels say, red ones are not.</p>
{body}
</html>
"""


def _chapter(part: Part, steps: Sequence[Step]) -> str:
    wide = " wide" if part in _WIDE else ""
    cards = "\n".join(_card(step) for step in steps)
    return f'<h2>{escape(part)}</h2>\n<div class="cards{wide}">\n{cards}\n</div>'


def _card(step: Step) -> str:
    wrong = "" if step.right else ' class="wrong"'
    return (
        f"<figure{wrong}>{_picture(step)}<figcaption><strong>{escape(step.answer)}</strong>"
        f"{escape(step.subject)}{_scale(step)}<br><small>{escape(step.api)}, {step.elapsed_ms:.0f} ms</small>"
        f"</figcaption></figure>"
    )


def _picture(step: Step) -> str:
    """The picture, reduced, under boxes in the pixels of the original."""
    if step.picture is None:
        return ""
    picture = pictures.upright(pictures.opened(step.picture))
    width, height = picture.size
    small = pictures.jpeg(picture, side_px=_WIDE_PX if step.part in _WIDE else _CARD_PX, quality=80)
    source = f"data:image/jpeg;base64,{base64.b64encode(small).decode('ascii')}"
    marks = "".join(_mark(mark, max(width, height) / (60 if step.part in _WIDE else 18)) for mark in step.marks)
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(step.subject)}">'
        f'<image href="{source}" width="{width}" height="{height}"/>{marks}</svg>'
    )


def _mark(mark: Mark, font_px: float) -> str:
    x, y, width, height = mark.box_xywh
    side = "right" if mark.right else "wrong"
    return (
        f'<g class="{side}"><rect x="{x}" y="{y}" width="{width}" height="{height}"/>'
        f'<text x="{x}" y="{max(y - font_px / 3, font_px):.0f}" font-size="{font_px:.0f}"'
        f' stroke-width="{font_px / 6:.1f}">{escape(mark.text)}</text></g>'
    )


def _scale(step: Step) -> str:
    """A bar from 0 to 1 with the score, and a tick at the threshold."""
    if step.threshold is None:
        return ""
    if step.score is None:
        words = f"nobody's score reaches {step.threshold:.2f}"
        tick = f'<b style="left:{100 * step.threshold:.0f}%"></b>'
        return f'<div class="scale" title="{words}">{tick}</div><small>{words}</small>'
    score, threshold = (100 * min(max(value, 0.0), 1.0) for value in (step.score, step.threshold))
    words = f"score {step.score:.2f}, threshold {step.threshold:.2f}"
    bar = f'<i style="width:{score:.0f}%"></i><b style="left:{threshold:.0f}%"></b>'
    return f'<div class="scale" title="{words}">{bar}</div><small>{words}</small>'
