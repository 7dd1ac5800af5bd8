"""What the vendor's own page says of each endpoint: its codes and its examples, quoted in
source.txt as printed."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

QUOTED = Path(__file__).with_name("source.txt").read_text(encoding="utf-8")

_TYPED = str.maketrans({"\u2014": "---", "\u2013": "--", "\u201c": '"', "\u201d": '"'})
"""What a word processor made dashes and quotes of, back to what was typed."""


class Section(Struct, frozen=True):
    """One endpoint's quotes: the sentence with its codes, the request example, the response
    example."""

    endpoint: str
    codes_sentence: str
    request: str
    response: str

    @property
    def codes(self) -> frozenset[int]:
        return frozenset(int(code) for code in re.findall(r"\d+", self.codes_sentence))

    @property
    def path(self) -> str:
        """As in the request line, which lacks the first slash, and sometimes the space behind the
        path."""
        found = re.match(r"POST /?(openapi/face/\w+?) ?HTTP/1.1\n", self.request)
        return "/" + found[1]

    @property
    def body(self) -> str:
        return self.request.split("\n\n", 1)[1]

    @property
    def typed(self) -> str:
        """The body with dashes and quotes as they were typed: `——` is six hyphens, and a boundary
        of 26 shows it."""
        return self.body.translate(_TYPED)

    @property
    def answer(self) -> dict[str, Any]:
        """The response example; one of them lacks a comma."""
        return json.loads(re.sub(r'(\d)\n( *")', r"\1,\n\2", self.response))


def _sections() -> Mapping[str, Section]:
    quotes = re.findall(
        r"=== (\w+)\n--- codes\n(.*?)\n--- request\n(.*?)\n--- response\n(.*?)\n(?=\n===|\Z)",
        QUOTED,
        re.DOTALL,
    )
    return {endpoint: Section(endpoint, *texts) for endpoint, *texts in quotes}


SECTIONS = _sections()
LISTED = {endpoint: section.codes for endpoint, section in SECTIONS.items()}
"""The codes that each endpoint may answer, parsed from the printed sentences."""
