"""The story as one self-contained HTML page: the pictures are inside, with boxes drawn over them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from regulars import page
from regulars.demo import pictures
from regulars.demo.story import Mark, Part, Step

_CARD_PX, _WIDE_PX = 240, 960
_WIDE = (Part.SEVERAL, Part.LOBBY)


def html(steps: Sequence[Step], about: str, summary: str) -> str:
    """Write the page. `about`: where the pictures come from; `summary`: the result in one line."""
    parts = [part for part in Part if any(step.part is part for step in steps)]
    body = "\n".join(_chapter(part, [step for step in steps if step.part is part]) for part in parts)
    return page.html(
        "Regulars: the demo",
        f"""<h1>Regulars: who is who</h1>
<p>{escape(summary)}.</p>
<p>Pictures: {escape(about)}. A card's bar is the score of the most similar enrolled face, its tick the threshold that
this gallery's size asks for. Green answers are as the labels say, red ones are not.</p>
{body}""",
    )


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
    """Draw the picture, reduced, with its boxes over it. The SVG's coordinates are pixels of the original."""
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
    """Draw a bar from 0 to 1 with the score, and a tick at the threshold."""
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
