"""QR codes, as paths of SVG."""

from __future__ import annotations

from markupsafe import Markup
from msgspec import Struct


class QrCode(Struct, frozen=True):
    """A QR code with its margin.

    `path`: an SVG path of its dark squares; `size`: squares of a side.
    """

    path: str
    size: int

    def svg(self, label: str) -> Markup:
        """Return it as an image of HTML. `label`: what it is."""
        return Markup(
            '<svg class="qr" role="img" aria-label="{0}" viewBox="0 0 {1} {1}"><path '
            'd="{2}"/></svg>'
        ).format(label, self.size, self.path)


def draw_code(text: str) -> QrCode:
    """Draw a text as a QR code that is read with 15 % of it dirty (level M)."""
    import segno  # not at the cold starts of routes that draw none

    rows = list(segno.make_qr(text, error="m").matrix_iter(border=4))
    squares = ((x, y) for y, row in enumerate(rows) for x, dark in enumerate(row) if dark)
    return QrCode("".join(f"M{x} {y}h1v1h-1z" for x, y in squares), len(rows))
