"""Rules of docs/contract/icredit.md, each with the check that shows it, and the shop that they are
checked in."""

from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import Struct

from chalicelib.services import Services
from chalicelib.storage.ports import PictureFetcher
from tests.support.api.icredit.client import MarketClient
from tests.support.api.stage import Stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.fakes import FakeClock, FakePictures


class Shop(Struct, frozen=True):
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

    def fetch_with(self, pictures: PictureFetcher) -> None:
        """Exchange what fetches pictures by their URLs."""
        self.services.ports.pictures_by_url = pictures  # type: ignore[misc] # a property of the protocol


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
