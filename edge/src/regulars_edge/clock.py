"""The capture time of a picture, on a machine whose clock may be wrong.

A frame is stamped with CLOCK_BOOTTIME, which no correction ever moves, and with the id of the boot
that it counts from. The service's time is measured against the same clock: anchor = service
time - boot time, from the middle of a request's round trip (as NTP and Cristian's method do). So
the time of capture is boot time + anchor, whatever the wall clock said, and it can be worked out
days after the frame was taken, if the anchor of its boot was measured at any time.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from regulars_client import http

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SET_BY_NTP = Path("/run/systemd/timesync/synchronized")
"""The file that systemd-timesyncd makes when it has set the clock, and no boot inherits. The unit
forbids the program to ask the kernel."""

DRIFT_PER_MS = 100e-6
"""How much a crystal may drift: an anchor's uncertainty grows by this share of its age."""

NTP_UNSURE_MS = 1_000.25
"""Error of a clock that NTP has set: more than GOOD_MS, so that the service is asked all the same,
and of no answer of the service, whose errors are halves."""

GOOD_MS = 500
"""Uncertainty below which an anchor is good enough for times that shall be right within a
second."""


@dataclass(frozen=True)
class Moment:
    """One instant by both of the machine's clocks."""

    boot_id: str
    boot_ms: int
    wall_ms: int


class Clock(http.Clock):
    """The machine's clocks, in milliseconds: Linux's CLOCK_BOOTTIME with the kernel's boot id, and
    the wall clock."""

    def __init__(self) -> None:
        try:
            self.boot_id = _BOOT_ID.read_text().strip()
        except OSError:
            # Without the kernel's word, each process counts as a boot of its own: times stay right,
            # the anchor of an earlier process is not used.
            self.boot_id = f"process-{time.time_ns()}"

    def boot_ms(self) -> int:
        """Since the boot, sleep included; never set back."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def wall_ms(self) -> int:
        """Since 1970, as the machine believes."""
        return time.time_ns() // 1_000_000

    def is_set_by_ntp(self) -> bool:
        """Tell whether NTP has set the wall clock in this boot."""
        return _SET_BY_NTP.exists()


def parse_moment(clock: Clock, boot_ms: int | None = None) -> Moment:
    """Return now, or another moment of this boot, by the wall clock as it is set now."""
    now_ms = clock.boot_ms()
    at_ms = now_ms if boot_ms is None else boot_ms
    return Moment(clock.boot_id, at_ms, clock.wall_ms() - (now_ms - at_ms))


@dataclass(frozen=True)
class Anchor:
    """Service time minus boot time, measured at `at_boot_ms`, right within +- `uncertainty_ms`
    then."""

    offset_ms: int
    uncertainty_ms: float
    at_boot_ms: int

    @property
    def is_of_ntp(self) -> bool:
        """Return whether NTP alone has said it, which can be forged."""
        return self.uncertainty_ms == NTP_UNSURE_MS

    def uncertainty_at(self, boot_ms: int) -> float:
        return self.uncertainty_ms + abs(boot_ms - self.at_boot_ms) * DRIFT_PER_MS


class StreamTime:
    """The relation of a stream's presentation times to the boot clock.

    A frame was taken at its presentation time plus the least delay with which any packet came after
    its own: packets come late by what networks and buffers hold up, none comes early.
    """

    JUMP_MS = 1_000
    """A step that no delay explains: the camera's time has begun anew."""

    RUNS_SLOWER = 0.005
    """Cameras count frames as if their rate were exact (25 for 24.9): their time may run slower
    than ours by this."""

    def __init__(self) -> None:
        self._delay_ms: float | None = None
        self._presented_ms = 0.0
        self._arrived_ms = 0

    def note_packet(self, presented_ms: float | None, now_ms: int) -> None:
        """Take in a packet that came now; None if it has no presentation time."""
        if presented_ms is not None:
            delay_ms, least_ms = now_ms - presented_ms, self._delay_ms
            if (
                least_ms is None
                or presented_ms < self._presented_ms - self.JUMP_MS
                or delay_ms < least_ms - self.JUMP_MS
            ):
                self._delay_ms = delay_ms
            else:
                self._delay_ms = min(
                    delay_ms, least_ms + (now_ms - self._arrived_ms) * self.RUNS_SLOWER
                )
            self._presented_ms = presented_ms
        self._arrived_ms = now_ms

    def find_taken_ms(self, presented_ms: float | None) -> int:
        """Return when a frame was taken, by the boot clock; never later than the last packet
        came."""
        if presented_ms is None or self._delay_ms is None:
            return self._arrived_ms
        return min(self._arrived_ms, round(self._delay_ms + presented_ms))


@dataclass(eq=False)
class ServiceTime:
    """The best anchor of this boot so far. May be used from any thread."""

    clock: Clock
    anchor: Anchor | None = None
    _dissent: Anchor | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def is_good(self) -> bool:
        anchor = self.anchor
        return anchor is not None and anchor.uncertainty_at(self.clock.boot_ms()) <= GOOD_MS

    def now_ms(self) -> int | None:
        """Return the service's time now, in milliseconds since 1970; None until the service or NTP
        was heard in this boot."""
        anchor = self.anchor
        return None if anchor is None else self.clock.boot_ms() + anchor.offset_ms

    def best_ms(self) -> int:
        """Return the service's time now, or else the machine's."""
        return self.now_ms() or self.clock.wall_ms()

    def wall_error_ms(self) -> int | None:
        """Return by how much the machine's wall clock is ahead of the service's; None if that is
        not known."""
        now = self.now_ms()
        return None if now is None else self.clock.wall_ms() - now

    def hear_ntp(self) -> None:
        """Let the machine's clock count until the service is heard, if NTP has set it."""
        if self.anchor is None and self.clock.is_set_by_ntp():
            moment = parse_moment(self.clock)
            offset_ms = moment.wall_ms - moment.boot_ms
            with self._lock:
                self.anchor = self.anchor or Anchor(offset_ms, NTP_UNSURE_MS, moment.boot_ms)

    def take_sample(self, service_ms: int, sent_boot_ms: int, received_boot_ms: int) -> None:
        """Take in the service's time that an answer carried, asked and answered at these times of
        the boot clock.

        A surer sample replaces the anchor, and any that agrees with NTP replaces NTP's. One that
        contradicts it counts only when the next one says the same: a single odd answer (a cached
        one, one that came twice) must not move any picture's time.
        """
        half_ms = (received_boot_ms - sent_boot_ms) / 2
        sample = Anchor(round(service_ms - sent_boot_ms - half_ms), half_ms + 1, received_boot_ms)
        with self._lock:
            if self.anchor is not None and self._contradict(self.anchor, sample):
                if self._dissent is None or self._contradict(self._dissent, sample):
                    self._dissent = sample
                    return
            elif (
                self.anchor is not None
                and not self.anchor.is_of_ntp
                and sample.uncertainty_ms > self.anchor.uncertainty_at(received_boot_ms)
            ):
                self._dissent = None
                return
            self.anchor, self._dissent = sample, None

    @staticmethod
    def _contradict(anchor: Anchor, other: Anchor) -> bool:
        apart_ms = abs(anchor.offset_ms - other.offset_ms)
        return apart_ms > anchor.uncertainty_at(other.at_boot_ms) + other.uncertainty_ms
