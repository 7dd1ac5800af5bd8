"""The contract as a list of rules: each is quoted by what shows it, and no sentence may be left out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from chalicelib.services import Services
from tests.dialects.conftest import Stage
from tests.dialects.icredit.client import MarketClient
from tests.dialects.sunmi.client import CameraClient
from tests.fakes import FakeClock, FakePictures


@dataclass(frozen=True)
class Shop:
    """A tenant with an empty gallery, reached in both dialects."""

    market: MarketClient
    camera: CameraClient
    stage: Stage
    clock: FakeClock
    pictures: FakePictures
    """Behind IMAGE_TYPE 1."""

    @property
    def services(self) -> Services:
        return self.stage.services

    def use(self, **services: object) -> None:
        """Exchange some of the services."""
        self.stage.services = replace(self.stage.services, **services)  # type: ignore[arg-type]


Check = Callable[[Shop], None]


@dataclass
class Rules:
    """Rules by their words in the contract; `...` stands for words in between."""

    checks: dict[str, Check] = field(default_factory=dict)

    def rule(self, quote: str) -> Callable[[Check], Check]:
        quote = " ".join(quote.split())

        def register(check: Check) -> Check:
            assert quote not in self.checks
            self.checks[quote] = check
            return check

        return register


def plain(markdown: str) -> str:
    """Without markup, blanks and line breaks: what two spellings of one sentence have in common."""
    return re.sub(r"[\s*`|]+", "", markdown)


def sentences(contract: str) -> list[str]:
    """The contract cut where a statement ends: sentences, half-sentences, table cells."""
    stated = re.sub(r"(?m)^(#.*|\|.*\n\|[-|]+)$", "", contract)  # no headings of sections and tables
    cells = re.split(r"\n\n+|\n\||\n- |\|", stated)
    ends = r"(?<=[^.][.;])\s+|;\s"
    found = [part for cell in cells for part in re.split(ends, " ".join(cell.split()))]
    return [sentence for sentence in found if len(plain(sentence)) > 1 and not set(sentence) <= set("-# ")]


def unquoted(contract: str, quotes: list[str]) -> list[str]:
    """Sentences that no quote touches. Raises AssertionError for a quote that is not in the contract."""
    text = plain(contract)
    covered = bytearray(len(text))
    for quote in quotes:
        pieces = [re.escape(plain(piece)) for piece in quote.split("...")]
        found = re.search(".*?".join(pieces), text)
        assert found, f"not in the contract: {quote}"
        covered[found.start() : found.end()] = b"x" * (found.end() - found.start())
    left, at = [], 0
    for sentence in sentences(contract):
        at = text.index(plain(sentence), at)
        if not any(covered[at : at + len(plain(sentence))]):
            left.append(sentence)
    return left
