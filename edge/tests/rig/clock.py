"""A machine's clocks, to be turned by hand."""

from regulars_edge.clock import Clock, Moment, parse_moment

BOOTED_MS = 1_790_000_000_000


class FakeClock(Clock):
    """`true_ms` is what the time really is; the wall clock is off by `wall_error_ms`, the boot
    clock counts on."""

    def __init__(self, boot_id: str = "boot-1", wall_error_ms: int = 0) -> None:
        self.boot_id = boot_id
        self.true_ms = BOOTED_MS + 5_000
        self.has_ntp = False
        self.wall_error_ms = wall_error_ms
        self._booted_ms = BOOTED_MS

    def boot_ms(self) -> int:
        return self.true_ms - self._booted_ms

    def wall_ms(self) -> int:
        return self.true_ms + self.wall_error_ms

    def is_set_by_ntp(self) -> bool:
        return self.has_ntp

    def pass_(self, ms: int) -> None:
        self.true_ms += ms

    def boot_again(self, boot_id: str, off_ms: int = 0) -> None:
        """The power comes back after `off_ms`."""
        self.true_ms += off_ms
        self._booted_ms = self.true_ms
        self.boot_id = boot_id

    def moment(self) -> Moment:
        return parse_moment(self)
