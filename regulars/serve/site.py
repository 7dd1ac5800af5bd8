"""Handling of a request: decided at its head, its body read if it is wanted, then answered in a
thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol
from weakref import WeakValueDictionary

from msgspec.structs import replace

from chalicelib import telemetry
from chalicelib.api.http import Failure
from chalicelib.auth.addresses import find_network
from chalicelib.book.vision.machine import count_cores
from chalicelib.domain.errors import RegularsError
from regulars.serve.asgi import Exchange
from regulars.serve.callers import SHORT_BYTES, CallerHint, ReadCaller, claim_nothing
from regulars.serve.connections import LOOK_EVERY_S
from regulars.serve.lanes import UNPROVED, Budget, Holding, Lanes
from regulars.serve.messages import BodyTooLarge, Request, Response, make_json_response

THREADS = count_cores() + 30
"""Threads that answer. Vision runs few of them at a time; waiting searches must not delay short
requests.

Measured with 16 searching clients: a getGroupList takes 5 ms with 30 threads, 400 ms with 6, at
equal throughput.
"""

PLACES = 8
"""Threads that one tenant may hold. Four tenants at once have all that they can use."""

WAITING = 64
"""Requests of one tenant that may wait for its threads."""

STRANGERS_THREADS, STRANGERS_PLACES = 4, 2
"""Threads that find whose a request is, and answer what is nobody's; and how many of them one
sender may hold, or one claim of a sender's that was proved before.

Most is read only to be refused, and reading takes the GIL.
"""

ENDING_S = 0.5
"""How long threads without a call may take to end."""

BODIES_BYTES = 320 * 1024 * 1024
"""Memory for bodies under way, and for the copies that are made of them."""


HEALTH = "/health"
UNWELL_S = 20.0
"""How long a lane may stand still until the server's health is told to be bad."""

Body = Callable[[Holding], Awaitable[bytes]]


class Part(Protocol):
    """A part of the server: the gateway, or the signed paths."""

    copies: int
    """Times that a body lies in memory until it is answered."""

    def admit(self, head: Request) -> int:
        """Return how many bytes the body may have. Raises RegularsError, Failure."""

    def answer(self, request: Request) -> Response:
        """Answer in a thread. Raises RegularsError, Failure."""

    def answer_error(self, head: Request, error: Exception) -> Response:
        """Answer what was raised by it, a body that is too large, or a server that is busy."""


class Site:
    """The handler of all requests.

    Each of `others` answers the paths below its prefix, `gateway` all else.
    """

    def __init__(
        self,
        gateway: Part,
        others: Mapping[str, Part] | None = None,
        read_caller: ReadCaller = claim_nothing,
        bodies_bytes: int = BODIES_BYTES,
        threads: int = THREADS,
        unwell_s: float = UNWELL_S,
    ) -> None:
        """Keep the parts of the site and the lanes of their work."""
        self._gateway, self._parts_by_prefix = gateway, others or {}
        self._read_caller = read_caller
        self._budget = Budget(bodies_bytes)
        self._tenants = Lanes(threads, PLACES, WAITING)
        self._doors: WeakValueDictionary[tuple[object, ...], asyncio.Semaphore] = (
            WeakValueDictionary()
        )
        self._strangers = Lanes(
            min(threads, STRANGERS_THREADS), STRANGERS_PLACES, THREADS * WAITING
        )
        self._still_s, self._unwell_s = 0.0, unwell_s

    def measure_stillness(self) -> tuple[float, str]:
        """Return for how many seconds no call has ended in the stillest lane, and the name of that
        lane.

        It counts looks, LOOK_EVERY_S apart, and not the clock: so a machine that has too much to do
        gets longer.
        """
        looks_by_lane = {**self._strangers.count_still_looks(), **self._tenants.count_still_looks()}
        stillest = max(looks_by_lane, key=looks_by_lane.__getitem__, default="")
        self._still_s = looks_by_lane.get(stillest, 0) * LOOK_EVERY_S
        return self._still_s, stillest

    async def __call__(self, head: Request, exchange: Exchange) -> Response:
        """Answer a request by the part of the site that its path belongs to; the gateway has all
        other paths.

        A body that is announced as too long is refused before it comes. HEALTH is answered here,
        outside of any lane.
        """
        if (head.method, head.path) == ("GET", HEALTH):  # not in a lane: it says whether they move
            telemetry.of_route(head.method, head.path)
            is_alive = self._still_s < self._unwell_s
            return make_json_response(200 if is_alive else 503, {"alive": is_alive})
        part = next(
            (
                part
                for prefix, part in self._parts_by_prefix.items()
                if head.path.startswith(prefix)
            ),
            self._gateway,
        )
        try:
            limit = part.admit(head)
            caller_hint = self._read_caller(head)
            if head.announced_bytes > limit:
                raise BodyTooLarge
            return await self._answer_request(
                part, head, caller_hint, partial(exchange.read_body, limit)
            )
        except (RegularsError, Failure, BodyTooLarge) as error:
            telemetry.report_error_code(type(error).__name__, type(error).__name__)
            return part.answer_error(head, error)

    async def _answer_request(
        self, part: Part, head: Request, caller_hint: CallerHint, body: Body
    ) -> Response:
        """Find the request's tenant, read the body, and answer in the tenant's lane.

        If the head is enough to find the tenant, a request of nobody is answered before its body is
        read. Else the body is read first, and counts among those of nobody until its tenant is
        found.
        """
        tenant = caller_hint.tenant
        if tenant is None and not caller_hint.by_body:
            tenant_or_answer = await self._prove_tenant(part, head, caller_hint)
            # nobody's credentials: the answer needed no body
            if isinstance(tenant_or_answer, Response):
                return tenant_or_answer
            tenant = tenant_or_answer
        with Holding(
            self._budget, tenant or UNPROVED, part.copies, sender=find_network(head.client)
        ) as holding:
            request = replace(head, body=await body(holding))
            if tenant is None:
                caller_hint = self._read_caller(request)
                tenant_or_answer = caller_hint.tenant or await self._prove_tenant(
                    part, request, caller_hint
                )
                if isinstance(tenant_or_answer, Response):
                    return tenant_or_answer
                tenant = tenant_or_answer
                holding.move(tenant)
            return await self._tenants.run(tenant, partial(part.answer, request))

    async def _prove_tenant(
        self, part: Part, request: Request, caller_hint: CallerHint
    ) -> str | Response:
        """Return the tenant whose credentials the request has; if they are nobody's, return the
        answer.

        A request whose claim was proved before waits in a lane of its former tenant, others in the
        lane of their sender. Of one sender, requests with different claims take turns. So do short
        bodies and long ones, which take far longer to read. Raises Busy.
        """
        sender = find_network(request.client)
        lanes, lane_name = self._strangers, sender
        if caller_hint.former_tenant:
            lanes, lane_name = self._tenants, f"proofs of {caller_hint.former_tenant}"
        turns = (len(request.body) <= SHORT_BYTES, sender, *caller_hint.claim_key)
        async with self._doors.setdefault(turns, asyncio.Semaphore(STRANGERS_PLACES)):
            return await lanes.run(
                lane_name, lambda: caller_hint.prove(request) or part.answer(request)
            )

    def close(self, timeout_s: float) -> bool:
        """End the threads; wait so long for calls whose clients have gone.

        Return False if one still runs.
        """
        timeout_s = max(timeout_s, ENDING_S)
        return all([self._tenants.close(timeout_s), self._strangers.close(ENDING_S)])
