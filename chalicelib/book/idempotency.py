"""Idempotent requests: a repeated request gets the stored answer of the first one, and changes
nothing.

On one box, a request that changes something may not reuse the signature of a read, either. A
signature that covers the whole request is valid for one second's calls.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from types import MappingProxyType
from typing import Any, TypeVar

from msgspec import Struct

from chalicelib.domain.errors import (
    ConditionFailed,
    RegularsError,
    RequestReused,
    StorageUnavailable,
)
from chalicelib.domain.jobs import Job
from chalicelib.storage import keys
from chalicelib.storage.items import delete_in_parts, walk_items, write, write_unless_changed
from chalicelib.storage.ports import Action, Clock, Item, ItemStore, Put, absent, equals
from chalicelib.storage.values import milliseconds

RECORDED = "request-new"
"""Name of the condition that no answer is stored under this request's key yet."""

OK = "ok"
"""Code of the answer to a request that was done."""

NO_BODY: Mapping[str, Any] = MappingProxyType({})

PARTIAL = "partial"
"""Code of the record of a request that takes several transactions and is not finished. Its body
lists those done."""

_KEPT_AT_LEAST = timedelta(hours=1)
"""How long the answer to a request is given again at least: clients repeat within minutes."""

_Done = TypeVar("_Done")


class RequestId(Struct, frozen=True):
    """The identity of a request that changes something: a repeat of it has the same.

    `key`: the same for a repeat of the request; `digest`: a hash of the whole content, files
    included. `reused`: the sentence, in the dialect's own names, for a key that comes with other
    content. `kept_for`: how long the answer is kept at least; None: as long as Requests says.
    """

    key: str
    digest: str
    reused: str = "this request's id was used for another request: take a new one"
    kept_for: timedelta | None = None


class Answer(Struct, frozen=True):
    """The answer to a request.

    `code`: OK or the error's name; `body`: JSON values that the dialect answers from.
    """

    code: str
    body: Mapping[str, Any]


class AnsweredAlready(Exception):
    """Another call with the same RequestId was done first. Its answer is valid."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("another call with the same request id was answered first")
        self.answer = answer


class Requests:
    """The stored answers to requests, so that a repeat of one changes nothing twice.

    `valid`: how long after its arrival the same request may be accepted again; `signatures`: those
    of reads that came, None: no signature is remembered.
    """

    def __init__(
        self,
        items: ItemStore,
        clock: Clock,
        valid: timedelta = _KEPT_AT_LEAST,
        signatures: Signatures | None = None,
    ) -> None:
        self._items = items
        self._clock = clock
        # expires_at has whole seconds
        self._kept_for = max(_KEPT_AT_LEAST, valid + timedelta(seconds=1))
        self._signatures = signatures

    def find(self, tenant: str, request: RequestId) -> Answer | None:
        """Return the stored answer to a request, or None if it was not done to its end.

        Raises RequestReused if the request had other content, or came as a read.
        """
        record = self._read_answer(tenant, request)
        if record is None and self._signatures is not None and request.key in self._signatures:
            raise RequestReused(request.reused)
        return None if record is None or record.code == PARTIAL else record

    def do_once(
        self, tenant: str, request: RequestId | None, do: Callable[[], _Done]
    ) -> tuple[_Done | None, Answer | None]:
        """Run a request, unless an earlier attempt of it succeeded.

        Return (result, None) if it was done here, or (None, answer) with the stored answer of the
        attempt that was first. That may run at the same time and make this one fail. So an error
        counts only if no answer is stored by then. Without a request, it is done each time.
        """
        if request is None:
            return do(), None
        stored_answer = self.find(tenant, request)
        if stored_answer is not None:
            return None, stored_answer
        try:
            return do(), None
        except AnsweredAlready as already:
            return None, already.answer
        except RegularsError:
            stored_answer = self.find(tenant, request)
            if stored_answer is None:
                raise
            return None, stored_answer

    def remember_read(self, key: str) -> None:
        """Remember, if signatures are, that a read came under this RequestId.key."""
        if self._signatures is not None:
            self._signatures.remember(key)

    def is_repeat(self, tenant: str, signature: str, call: str) -> bool:
        """Tell whether the signature of a whole change was used by another `call` before; remember
        it.

        Clients sign by the second, so two attempts of one call in that second have one signature.
        It is stored, one write a change, since the process may end while the signature holds. If no
        signatures are remembered, the answer is False.
        """
        if self._signatures is None:
            return False
        request = RequestId(key=f"signed-{signature}", digest="")
        first = self.store_answer(tenant, request, Answer(OK, {"call": call}))
        return first.body.get("call") != call

    def read_progress(self, tenant: str, request: RequestId | None) -> Mapping[str, Any] | None:
        """Return the progress of a request that was interrupted between its transactions.

        None means that nothing is noted, or that there is no request. Raises RequestReused if the
        request had other content, AnsweredAlready if it was done to its end meanwhile.
        """
        if request is None:
            return None
        record = self._read_answer(tenant, request)
        if record is None:
            return None
        if record.code != PARTIAL:
            raise AnsweredAlready(record)
        return record.body

    def begin_progress(
        self, tenant: str, request: RequestId, progress: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Store the progress of a request that takes several transactions; return the one that is
        stored then.

        If another attempt of the request was first, that is what it stored.
        """
        put = self.make_answer_put(tenant, request, Answer(PARTIAL, progress))
        is_first = write_unless_changed(self._items, [put])
        stands = None if is_first else self._read_answer(tenant, request)
        return progress if stands is None else stands.body

    def make_answer_put(
        self,
        tenant: str,
        request: RequestId,
        answer: Answer,
        *,
        partial_body: Mapping[str, Any] | None = None,
    ) -> Put:
        """Return the write that stores an answer, for the transaction that it answers.

        It is refused (condition RECORDED) if the request has a record already, so nothing is done
        twice. With `partial_body`, it needs a record instead: the progress (PARTIAL) with just that
        body, of which the answer takes the place.
        """
        now = self._clock.now()
        expires_at = now + max(self._kept_for, request.kept_for or self._kept_for)
        item: Item = {
            "tenant": tenant,
            "request": request.key,
            "digest": request.digest,
            "code": answer.code,
            "body": _format_body(answer.body),
            "at": milliseconds(now),
            "expires_at": int(expires_at.timestamp()),
        }
        if partial_body is None:
            return Put(keys.REQUESTS, item, (absent(RECORDED),))
        # Another attempt that went on since has changed the body: then this is refused.
        is_partial = equals("code", PARTIAL, RECORDED)
        has_body = equals("body", _format_body(partial_body), RECORDED)
        return Put(keys.REQUESTS, item, (is_partial, has_body))

    def store_answer(self, tenant: str, request: RequestId, answer: Answer) -> Answer:
        """Store the answer of a request that changed nothing else; return the answer that is stored
        then.

        If another attempt stored one before, that stands.
        """
        put = self.make_answer_put(tenant, request, answer)
        is_first = write_unless_changed(self._items, [put])
        return answer if is_first else self.find(tenant, request) or answer

    def write_with_answer(
        self,
        tenant: str,
        actions: Sequence[Action],
        request: RequestId | None,
        body: Mapping[str, Any] = NO_BODY,
    ) -> None:
        """Do all writes in one transaction, and store the request's answer (`body`) with them.

        Without `actions`, all is as the request asks for already. Without `request`, no answer is
        stored. Raises AnsweredAlready, ConditionFailed, Busy, StorageUnavailable; then nothing is
        done.
        """
        with self.raise_if_answered(tenant, request):
            all_actions = [*actions, *self.make_answer_actions(tenant, request, body)]
            if all_actions:
                write(self._items, all_actions)

    @contextmanager
    def raise_if_answered(self, tenant: str, request: RequestId | None) -> Iterator[None]:
        """Raise AnsweredAlready in place of a block's failure, if the request was done meanwhile.

        The block's transaction may have failed because the same request, sent twice, was done
        first. It may also be done without our knowing (StorageUnavailable).
        """
        try:
            yield
        except (ConditionFailed, StorageUnavailable):
            answer = self.find(tenant, request) if request else None
            if answer is not None:
                raise AnsweredAlready(answer) from None
            raise

    def make_answer_actions(
        self,
        tenant: str,
        request: RequestId | None,
        body: Mapping[str, Any] = NO_BODY,
        *,
        before: Mapping[str, Any] = NO_BODY,
        is_last: bool = True,
    ) -> list[Action]:
        """Return the write that stores the answer OK, for the transaction of the change.

        Without a request the list is empty. If the request takes more transactions, `is_last` is
        False, and `body` lists what is done so far, as {"done": [ids]}. `before` is the progress as
        it was read; an empty one is not stored yet.
        """
        if request is None:
            return []
        answer = Answer(OK if is_last else PARTIAL, body)
        partial_body = before if any(before.values()) else None
        return [self.make_answer_put(tenant, request, answer, partial_body=partial_body)]

    def _read_answer(self, tenant: str, request: RequestId) -> Answer | None:
        """Return what is stored of a request: answer or progress. Raises RequestReused."""
        item = self._items.get(keys.REQUESTS, (tenant, request.key))
        if item is None:
            return None
        if item["digest"] != request.digest:
            raise RequestReused(request.reused)
        return Answer(item["code"], json.loads(item["body"]))

    def forget_expired(self, tenant: str) -> int:
        """Delete expired answers, on storage that does not do so itself; return how many."""
        answers = walk_items(self._items, keys.REQUESTS, tenant)
        return delete_in_parts(self._items, keys.REQUESTS, answers, self._clock.now())

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job(
                "requests",
                lambda context: self.forget_expired(context.tenant.name),
                of_expired=True,
            ),
        )


def _format_body(body: Mapping[str, Any]) -> str:
    return json.dumps(dict(body), ensure_ascii=False)


MOST = 100_000
"""Signatures that are remembered, the newest: 25 MB at most, and 160 reads a second at a tolerance
of 300 s."""


class Signatures:
    """The keys of signed requests that only read, in this process's memory.

    A camera's signature covers neither the path nor a file. So somebody who overhears a read over
    plain http could send it as a change, with a picture of their own. `kept_for` is how long a
    signature holds after its arrival at most.
    """

    def __init__(self, clock: Clock, kept_for: timedelta, most: int = MOST) -> None:
        self._clock = clock
        self._kept_for = kept_for
        self._most = most
        self._first: OrderedDict[str, datetime] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, key: str) -> None:
        """Remember when the key came first, and forget old ones."""
        now = self._clock.now()
        with self._lock:
            self._first.setdefault(key, now)
            # two for each that comes: those that have expired run out
            for oldest in list(islice(self._first, 2)):
                if len(self._first) > self._most or self._first[oldest] + self._kept_for < now:
                    del self._first[oldest]

    def __contains__(self, key: str) -> bool:
        with self._lock:
            first = self._first.get(key)
        return first is not None and self._clock.now() <= first + self._kept_for

    def __len__(self) -> int:
        return len(self._first)
