"""What is done with a request: decided at its head, its body taken if it is wanted, then answered in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from chalicelib.core import telemetry
from chalicelib.vision.machine import cores
from regulars.serve.asgi import Take, TooLong
from regulars.serve.callers import STRANGERS, Anybody, Callers, Claim
from regulars.serve.lanes import Budget, Full, Holding, Lanes, lane_of_sender
from regulars.serve.messages import BUSY, TOO_LONG, Refused, Request, Response

THREADS = cores() + 30
"""Threads that answer. Vision runs few of them at a time; waiting searches must not delay short requests.

Measured with 16 searching clients: a getGroupList takes 5 ms with 30 threads, 400 ms with 6, at equal throughput.
"""

PLACES = 8
"""Threads that one tenant may hold. Four tenants at once have all that they can use."""

WAITING = 64
"""Requests of one tenant that may wait for its threads."""

FINDING_THREADS = 4
"""Threads that look up whose request it is."""

ENDING_S = 0.5
"""How long threads without a call may take to end."""

BODIES_BYTES = 320 * 1024 * 1024
"""Memory for bodies under way, and for the copies that are made of them."""


class Part(Protocol):
    """A part of the server: the gateway, or the signed paths."""

    copies: int
    """Times that a body lies in memory until it is answered."""

    def admit(self, head: Request) -> int:
        """Return how many bytes the body may have. Raises Refused."""

    def answer(self, request: Request) -> Response: ...
    def busy(self, head: Request) -> Response: ...
    def too_long(self, head: Request) -> Response: ...


class OwnPart(Part, Protocol):
    def takes(self, path: str) -> bool:
        """Return whether it answers this path."""


class Site:
    """The handler of all requests. Each of `others` answers the paths that it takes, `gateway` all else."""

    def __init__(
        self,
        gateway: Part,
        others: Sequence[OwnPart] = (),
        callers: Callers | None = None,
        bodies_bytes: int = BODIES_BYTES,
    ) -> None:
        self._gateway, self._others = gateway, others
        self._callers = callers or Anybody()
        self._budget = Budget(bodies_bytes)
        self._lanes = Lanes(THREADS, PLACES, WAITING)
        self._finders = Lanes(FINDING_THREADS, FINDING_THREADS, THREADS * WAITING)

    async def __call__(self, head: Request, take: Take) -> Response:
        part = next((one for one in self._others if one.takes(head.path)), self._gateway)
        try:
            limit = part.admit(head)
            claim = self._callers.at_head(head)
            limit = min(limit, claim.most_bytes or limit)
            if head.announced_bytes > limit:
                raise TooLong
            lane = await self._lane(claim)
            if lane is None:  # nobody's credentials: the answer needs no body
                return await self._lanes.run(STRANGERS, partial(part.answer, head))
            size = limit if head.is_chunked else head.announced_bytes
            with Holding(self._budget, lane or lane_of_sender(head.client), size * part.copies) as holding:
                request = replace(head, body=await take(limit)) if size else head
                if claim.lane is None and claim.find is None:
                    lane = await self._lane(self._callers.in_body(request.body)) or STRANGERS
                    holding.move(lane or lane_of_sender(head.client))
                return await self._lanes.run(lane, partial(part.answer, request))
        except Refused as refused:
            return refused.response
        except TooLong:
            telemetry.answered(TOO_LONG, TOO_LONG)
            return part.too_long(head)
        except Full:
            telemetry.answered(BUSY, BUSY)
            return part.busy(head)

    async def _lane(self, claim: Claim) -> str | None:
        """Return the claim's lane; STRANGERS if only the body can tell; None if the credentials are nobody's."""
        if claim.lane is not None or claim.find is None:
            return claim.lane or STRANGERS
        return await self._finders.run(STRANGERS, claim.find)

    def close(self, timeout_s: float) -> bool:
        """End the threads; wait so long for calls whose clients have gone. Return False if one still runs."""
        timeout_s = max(timeout_s, ENDING_S)
        return all([self._lanes.close(timeout_s), self._finders.close(ENDING_S)])
