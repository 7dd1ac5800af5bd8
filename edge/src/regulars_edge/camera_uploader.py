"""Uploads one camera's pictures.

A round offers unsent pictures, and puts those that the service wants. A picture is done if the
service says that it is there when it is offered, or if the store's answer to its PUT names its
digest. After another answer it comes again.
"""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from regulars_edge.clock import ServiceTime
from regulars_edge.count.film_sender import FilmSender
from regulars_edge.count.teller import Teller
from regulars_edge.errors import Busy, Damaged, NotAllowed, Refused, SpoolFull, Unreachable
from regulars_edge.http import Answer
from regulars_edge.logs import Dropped, Tally
from regulars_edge.pace import ALWAYS, Backoff, Bandwidth, Hours, throttle_stream
from regulars_edge.service import BOOK_HEADER, MAX_OFFERED, Offer, Service
from regulars_edge.spool.model import Entry
from regulars_edge.spool.spool import Spool

log = logging.getLogger(__name__)

THERE = {"stored", "resolved", "parked"}
WANTED = "wanted"
OFFERED_A_ROUND = MAX_OFFERED // 2
"""Pictures that one round offers: half of what the service takes in one call."""
ROUND_BYTES = 32 * 2**20
"""Bytes of the pictures of one round, so that other threads of the box get their turn."""
ROUND_S = 30.0
"""A round ends after this time, and with a bandwidth cap holds what passes in it: what was taken
meanwhile goes with the next one, and presigned addresses run out.
"""

ASK_TIME_S, TIME_SAMPLES = 600.0, 5

SPENT_WAIT_S = 1800.0
"""Between two looks whether pictures may be put again."""

OPERATOR_WAIT_S = 60.0
"""Between two tries if only the operator can help."""

TRIES_IN_TURN = 8
"""After so many failures one picture steps aside, so that one that the store chokes on does not
hold up all others."""
ASIDE_S, LONGEST_ASIDE_S = 15.0, 900.0
"""For how long, doubling each time."""

IDLE_S = 5.0
"""How long an uploader without pictures waits before it looks again, in s; a new picture wakes
it."""
CLOSED_S = 30.0
"""How often it looks whether the hours for uploads have begun, in s."""


@dataclass(frozen=True)
class RoundOutcome:
    """The outcome of a round.

    `wait_s`: the seconds until the next one makes sense; `idle`: nothing is left to send.
    """

    wait_s: float = 0.0
    idle: bool = False
    trouble: str | None = None
    needs_operator: bool = False


@dataclass
class _Trouble:
    """Failures of one picture: in turn, until when it steps aside, and how often it has."""

    tries: int = 0
    until: float = 0.0
    asides: int = 0
    is_in_store: bool = False
    """True if the store has said so before."""


@dataclass
class CameraUploader:
    """One camera's uploads; used by one thread.

    `spend` hears how many bytes a picture's try took, `is_spent` tells whether no more may be put
    now.

    `hours`: when pictures are sent; `wake` is set when there is a new one.
    """

    spool: Spool
    service: Service
    camera: str
    service_time: ServiceTime
    bandwidth: Bandwidth = field(default_factory=lambda: Bandwidth(None))
    backoff: Backoff = field(default_factory=Backoff)
    hours: Hours = ALWAYS
    spend: Callable[[int], object] = int
    is_spent: Callable[[], bool] = lambda: False
    now: Callable[[], float] = time.monotonic
    wake: threading.Event = field(default_factory=threading.Event)
    last: RoundOutcome = field(default_factory=RoundOutcome, init=False)
    turned_at: float = field(default_factory=time.monotonic, init=False)
    """When the loop came round last, for the watchdog."""
    done: int = field(default=0, init=False)
    """Pictures that are at the service since this began."""
    _offer_limit: int = field(default=OFFERED_A_ROUND, init=False)
    _troubles: dict[int, _Trouble] = field(default_factory=dict, init=False)
    _time_asked_at: float | None = field(default=None, init=False)
    shop: str = field(default="", init=False)
    """Whom the camera is opened for; empty: its key was never there."""
    _met: str = field(default="", init=False)
    """The shop that was asked last whose book it is."""
    asks: bool = field(default=True, init=False)
    """Whether it is asked before the next round, even if it is the same."""

    def __post_init__(self) -> None:
        self.dropped = Tally(self.camera)
        self.service.hear_answer = self._hear_answer
        self.teller = Teller(self.spool, self.service, self.camera, self.service_time)
        self.film_sender = FilmSender(self.spool, self.service, self.camera, self.service_time)
        self.open_shop()

    def open_shop(self) -> str:
        """Open the camera for the shop that the service's URL and key open now, and return it.

        Raises SpoolDamaged.
        """
        # while the key is missing, it is the shop of the one before
        with suppress(NotAllowed, SpoolFull):
            url, key = self.service.url, self.service.key()
            shop, _ = self.spool.find_book(url, key)
            if shop != self.shop:
                self.spool.open_camera(self.camera, url, key)
                self.shop = shop
        return self.shop

    def _hear_answer(self, key: str, answer: Answer) -> None:
        """Note whose book has answered; an answer without a book that is no success nor 401 may be
        anybody's."""
        header, opens = answer.headers.get(BOOK_HEADER), 200 <= answer.status < 300
        if header is not None or opens or answer.status == 401:
            with suppress(SpoolFull):  # the next answer says it again
                self.spool.note_answer(self.service.url, key, header, opens=opens)

    def _meet_shop(self) -> None:
        """Ask the service whose book it is: at the start, and when the key is another."""
        if self.asks or self._met != self.open_shop():
            self.service.ask_book(self.camera)
            former, self._met, self.asks = self._met, self.open_shop(), False
            for one in self.spool.list_waiting() if self._met != former else ():
                if one.camera == self.camera:
                    log.warning("%s: %s", self.camera, one)

    def run(self, stop: threading.Event) -> None:
        """Send what is due until `stop` is set. Raises SpoolDamaged."""
        while not stop.is_set():
            self.turned_at = time.monotonic()
            self.teller.tell_due()
            self.film_sender.send_due()
            if not self.hours.is_open_at(self.service_time.best_ms()):
                self.last = RoundOutcome()  # what went wrong before says nothing of now
                stop.wait(CLOSED_S)
                continue
            self.wake.clear()
            self.last = self.make_round()
            if self.last.idle:
                self.wake.wait(IDLE_S)
            elif self.last.wait_s:
                stop.wait(self.last.wait_s)

    def make_round(self) -> RoundOutcome:
        """Make one round. Raises SpoolDamaged."""
        try:
            return self._send_due()
        except (Busy, Unreachable, SpoolFull) as error:
            wait_s = self.backoff.count_failure(getattr(error, "retry_after_s", None))
            log.warning("%s: %s; next try in %.1f s", self.camera, error, wait_s)
            return RoundOutcome(wait_s=wait_s, trouble=str(error))
        except NotAllowed as error:
            log.error("%s: %s; the pictures are kept, please see to it", self.camera, error)
            return RoundOutcome(wait_s=OPERATOR_WAIT_S, trouble=str(error), needs_operator=True)

    def _send_due(self) -> RoundOutcome:
        """Offer the pictures that are due, and put those that the service wants.

        Raises what `make_round` handles.
        """
        self._meet_shop()
        if self.spool.needs_time(self.camera):
            self._measure_time()
        aside_until = {
            row_id: trouble.until
            for row_id, trouble in self._troubles.items()
            if trouble.until > self.now()
        }
        most_bytes = min(ROUND_BYTES, (self.bandwidth.bytes_per_s or math.inf) * ROUND_S)
        entries = self.spool.list_next(self.camera, self._offer_limit, most_bytes, skip=aside_until)
        if not entries:
            wait_s = max(0.01, min(aside_until.values()) - self.now()) if aside_until else 0.0
            return RoundOutcome(idle=not aside_until, wait_s=wait_s)
        if self.is_spent():
            return RoundOutcome(wait_s=SPENT_WAIT_S)
        offers = self._offer(entries)
        if offers is None:
            return RoundOutcome()
        pairs, ends_at = list(zip(entries, offers, strict=True)), self.now() + ROUND_S
        self._note_arrivals(
            {entry.id: offer.id for entry, offer in pairs if offer.state in THERE}, offers[0].life
        )
        self._offer_limit = min(OFFERED_A_ROUND, self._offer_limit * 2)
        for entry, offer in pairs:
            if self.is_spent() or self.now() > ends_at:
                break
            if offer.state not in THERE:
                self._put_picture(entry, offer)
        return RoundOutcome()

    def _note_arrivals(self, ids: Mapping[int, str], life: str) -> None:
        """Note that the service has these pictures, by the ids that they have in this life of its
        book."""
        if ids:
            had_sent = self.done > 0
            self.done += self.spool.record_done(self.camera, ids, life)
            if self.backoff.failures:
                log.info("%s: pictures get to the service again", self.camera)
            elif not had_sent:
                log.info("%s: the first picture since the start is at the service", self.camera)
            self.backoff.reset_failures()
        for row_id in ids:
            self._troubles.pop(row_id, None)

    def _measure_time(self) -> None:
        """Settle times by the anchor in the spool.

        Over a line too slow for a good anchor, do not ask each round.
        """
        recently = self._time_asked_at is not None and self.now() - self._time_asked_at < ASK_TIME_S
        if not self.service_time.is_good() and not (recently and self.service_time.anchor):
            for _ in range(TIME_SAMPLES):
                self.service.ask_time(self.camera)
                if self.service_time.is_good():
                    break
            self._time_asked_at = self.now()
        self.spool.remember_anchor(self.service_time.anchor)

    def _offer(self, entries: Sequence[Entry]) -> list[Offer] | None:
        """Offer pictures; None if another round comes first: a bad one was set aside, or the batch
        made smaller.

        A refusal counts only if a second try, over a new connection, is refused, too. The first
        refusal may have been meant for another offer.
        """
        with suppress(Refused):
            return self.service.offer_pictures(entries)
        try:
            return self.service.offer_pictures(entries)
        except Refused as error:
            if error.index is not None and 0 <= error.index < len(entries):
                self._refuse(entries[error.index], str(error))
            elif len(entries) == 1:
                self._refuse(entries[0], str(error))
            else:
                self._offer_limit = max(1, min(self._offer_limit, len(entries)) // 2)
            return None

    def _put_picture(self, entry: Entry, offer: Offer) -> None:
        """Put one picture, or set it aside if it can never be sent.

        Raises Busy, Unreachable, NotAllowed: the rest of the round waits then, so that pictures
        stay in order.
        """
        if offer.state != WANTED or offer.url is None:
            raise Unreachable(
                f"the service says {offer.state!r} of a picture, which this program does not know"
            )
        try:
            stream = self.spool.open_picture(entry)
        except FileNotFoundError:
            self._refuse(entry, "its copy is gone")
            return
        except OSError as error:
            self._raise_failure(entry, Busy(f"picture {entry.id} cannot be read now: {error}"))
        with stream:
            try:
                try:
                    was_stored = self.service.put_picture(
                        offer, throttle_stream(stream, self.bandwidth), entry.content
                    )
                finally:
                    self.spend(stream.tell())
            except Refused as error:
                self._refuse(entry, str(error))
                return
            except Damaged as error:
                stream.seek(0)
                if hashlib.file_digest(stream, "sha256").digest() != entry.content.sha256:
                    self._refuse(
                        entry, "its copy here is damaged: the bytes are not those that were taken"
                    )
                    return
                self._raise_failure(entry, Busy(str(error)))
            except (Busy, Unreachable) as error:
                self._raise_failure(entry, error)
        if not was_stored:
            # Something is there already. If the store says so twice, it is believed: the service's
            # list is behind.
            trouble = self._troubles.setdefault(entry.id, _Trouble())
            if not trouble.is_in_store:
                trouble.is_in_store = True
                failure = Busy(
                    f"picture {entry.id} is in the store, and the service does not say so yet"
                )
                self._raise_failure(entry, failure)
        self._note_arrivals({entry.id: offer.id}, offer.life)

    def _raise_failure(self, entry: Entry, error: Exception) -> NoReturn:
        """Raise the error; after TRIES_IN_TURN of them the picture steps aside, for longer each
        time."""
        trouble = self._troubles.setdefault(entry.id, _Trouble())
        trouble.tries += 1
        if trouble.tries >= TRIES_IN_TURN:
            log.error(
                "%s: picture %d failed %d times and steps aside for a while",
                self.camera,
                entry.id,
                trouble.tries,
            )
            trouble.until = self.now() + min(LONGEST_ASIDE_S, ASIDE_S * 2**trouble.asides)
            trouble.tries, trouble.asides = 0, trouble.asides + 1
        raise error

    def _refuse(self, entry: Entry, reason: str) -> None:
        log.error("%s: picture %d is set aside: %s", self.camera, entry.id, reason)
        self.spool.refuse_picture(entry.id, reason)
        self.dropped.add(Dropped.REFUSED)
        self._troubles.pop(entry.id, None)
