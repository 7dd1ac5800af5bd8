"""The promotion of a stranger to a regular: after a number of arrivals within a period, both set by
the tenant.

The setting is PromotionSettings (domain/model). What follows for a face's group: `plan_group`
(domain/rules/visits).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.domain.local_time import DAY_MS

if TYPE_CHECKING:
    from chalicelib.domain.model import PromotionSettings
    from chalicelib.domain.rules.visits import Arrival


class PromotionRule(Struct, frozen=True):
    """The rule that a stranger who arrived at least `arrive_times` times in `period_ms` is a
    regular."""

    arrive_times: int
    period_ms: int

    def find_promotion_ms(
        self, arrivals: Sequence[Arrival], containing: Arrival | None = None
    ) -> int | None:
        """Return when a stranger with these arrivals (visits) becomes a regular; None: not yet.

        It is the start of the first arrival that makes enough of them within the period before it.
        Both ends of the period count. If `containing` is given, only periods that hold it count.

        Example: three in a week are needed, and there are visits on 1, 6, 9 and 12 May. It is 12
        May, since the last three are in one week.
        """
        starts = [arrival.first_ms for arrival in arrivals]
        for index in range(self.arrive_times - 1, len(starts)):
            end_ms = starts[index]
            begin_ms = end_ms - self.period_ms
            first_needed_ms = starts[index - self.arrive_times + 1]
            if first_needed_ms < begin_ms:
                continue
            if containing is None or begin_ms <= containing.first_ms <= end_ms:
                return end_ms
        return None


def make_rule(settings: PromotionSettings) -> PromotionRule:
    return PromotionRule(settings.arrive_times, settings.period_days * DAY_MS)


class Promotion(Struct, frozen=True):
    """The change of a stranger into a regular: its time and its rule."""

    at_ms: int
    rule: PromotionRule
