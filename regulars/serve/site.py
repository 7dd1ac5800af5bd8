"""What is done with a request: decided at its head, its body taken if it is wanted, then answered in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from chalicelib.core import telemetry
from chalicelib.vision.machine import cores
from regulars.serve.asgi import Exchange
from regulars.serve.callers import Anybody, Callers, Claim
from regulars.serve.lanes import SMALL_BYTES, STRANGERS, Budget, Full, Holding, Lanes
from regulars.serve.messages import BUSY, TOO_LONG, Refused, Request, Response

THREADS = cores() + 30
"""Threads that answer. Vision runs few of them at a time; waiting searches must not delay short requests.

Measured with 16 searching clients: a getGroupList takes 5 ms with 30 threads, 400 ms with 6, at equal throughput.
"""

PLACES = 8
"""Threads that one tenant may hold. Four tenants at once have all that they can use."""

NAMELESS, NAMELESS_PLACES = "?", 2
"""Lane of forms that name no tenant, and its threads: most are read only to be refused, and reading takes the GIL."""

WAITING = 64
"""Requests of one tenant that may wait for its threads."""

FINDING_THREADS = 4
"""Threads that look up whose request it is."""

ENDING_S = 0.5
"""How long threads without a call may take to end."""

BODIES_BYTES = 320 * 1024 * 1024
"""Memory for bodies under way, and for the copies that are made of them."""


class TooLong(Exception):
    """A body has more bytes than were allowed."""


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
        threads: int = THREADS,
    ) -> None:
        self._gateway, self._others = gateway, others
        self._callers = callers or Anybody()
        self._budget = Budget(bodies_bytes)
        self._lanes = Lanes(threads, PLACES, WAITING, {NAMELESS: NAMELESS_PLACES})
        self._finders = Lanes(min(threads, FINDING_THREADS), FINDING_THREADS, THREADS * WAITING)

    async def __call__(self, head: Request, exchange: Exchange) -> Response:
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
            is_named_inside = claim.lane is None and claim.find is None
            with Holding(self._budget, lane, part.copies, exchange.abort, unproved=claim.is_name) as holding:
                body = await self._body(exchange, limit, holding, is_named_inside=is_named_inside)
                lane = NAMELESS if is_named_inside and holding.lane == STRANGERS else holding.lane
                return await self._lanes.run(lane, partial(part.answer, replace(head, body=body)))
        except Refused as refused:
            return refused.response
        except TooLong:
            telemetry.answered(TOO_LONG, TOO_LONG)
            return part.too_long(head)
        except Full:
            telemetry.answered(BUSY, BUSY)
            return part.busy(head)

    async def _body(self, exchange: Exchange, limit: int, holding: Holding, *, is_named_inside: bool) -> bytes:
        """Take the body, of at most so many bytes. Its tenant is looked for as soon as it counts, and at its end.

        Raises TooLong, Full, Gone.
        """
        body = bytearray()
        async for piece in exchange.pieces():
            begins_to_count = len(body) <= SMALL_BYTES < len(body) + len(piece)
            body += piece
            if len(body) > limit:
                raise TooLong
            if is_named_inside and begins_to_count:
                await self._move(holding, bytes(body))
            holding.grow(len(piece))
        holding.stop, whole = None, bytes(body)
        if is_named_inside and holding.lane == STRANGERS:
            await self._move(holding, whole)
        return whole

    async def _move(self, holding: Holding, body: bytes) -> None:
        """Charge the tenant that a body names for it. Raises Full."""
        holding.move(await self._lane(self._callers.in_body(body)) or STRANGERS)

    async def _lane(self, claim: Claim) -> str | None:
        """Return the claim's lane; STRANGERS if only the body can tell; None if the credentials are nobody's."""
        if claim.lane is not None or claim.find is None:
            return claim.lane or STRANGERS
        return await self._finders.run(STRANGERS, claim.find)

    def close(self, timeout_s: float) -> bool:
        """End the threads; wait so long for calls whose clients have gone. Return False if one still runs."""
        timeout_s = max(timeout_s, ENDING_S)
        return all([self._lanes.close(timeout_s), self._finders.close(ENDING_S)])
