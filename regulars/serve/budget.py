"""A budget of memory for what is under way."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_network

from regulars.serve.lanes import Full


class Budget:
    """So many bytes, of which a lane may hold half of what the others leave. It is used in one thread."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.held: Counter[str] = Counter()


class Holding:
    """A hold on so many bytes of a budget during a block. Raises Full if the lane would hold more than is left then."""

    def __init__(self, budget: Budget, lane: str, size: int) -> None:
        self._budget, self._lane, self._size = budget, lane, size

    def __enter__(self) -> Holding:
        self._charge(self._lane, self._budget.left - self._size)
        self._budget.left -= self._size
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.left += self._size
        self._budget.held[self._lane] -= self._size

    def move(self, lane: str) -> None:
        """Charge another lane for it."""
        if lane != self._lane:
            self._charge(lane, self._budget.left)
            self._budget.held[self._lane] -= self._size
            self._lane = lane

    def _charge(self, lane: str, left: int) -> None:
        if self._size and self._budget.held[lane] + self._size > left:
            raise Full
        self._budget.held[lane] += self._size


def lane_of_sender(address: str) -> str:
    """Return the lane of a sender whose tenant is not known: its address, or the IPv6 network, all of which is its."""
    return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address
