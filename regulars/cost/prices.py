"""AWS's list prices, from a dated file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("prices.toml")
PEER = "rekognition"


@dataclass(frozen=True)
class Prices:
    """Prices by charged quantity. `usd`: of one; `service_of`: its service; `free`: how many a month cost nothing.

    `pages`: the address of each service's price list.
    """

    date: str
    region: str
    usd: Mapping[str, float]
    service_of: Mapping[str, str]
    pages: Mapping[str, str]
    free: Mapping[str, float]

    @property
    def services(self) -> list[str]:
        """Services that are part of a bill, in the file's order."""
        return [service for service in dict.fromkeys(self.service_of.values()) if service != PEER]


def load() -> Prices:
    said = tomllib.loads(FILE.read_text(encoding="utf-8"))
    sections = {name: section for name, section in said.items() if isinstance(section, dict) and "page" in section}
    each = [(what, service, usd) for service, section in sections.items() for what, usd in section.items()]
    priced = [(what, service, float(usd)) for what, service, usd in each if what != "page"]
    return Prices(
        date=said["date"],
        region=said["region"],
        usd={what: usd for what, _, usd in priced},
        service_of={what: service for what, service, _ in priced},
        pages={service: section["page"] for service, section in sections.items()},
        free=said["always_free"],
    )
