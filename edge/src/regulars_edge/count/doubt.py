"""Reasons why a time at the line has no numbers: it was not watched in time, or the picture cannot
be trusted."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

    from regulars_edge.count.line import PlacedLine
    from regulars_edge.count.people import Body
    from regulars_edge.count.tracks import BodyTrack

Doubt = Literal["slow", "dark", "crowd", "moved", "narrow"]
REASONS: Mapping[Doubt, str] = MappingProxyType(
    {
        "slow": "it was not looked at often enough",
        "dark": "it is too dark for this camera: its noise is as bright as people",
        "crowd": "too many people hide each other at the line",
        "moved": "the camera is covered, or shows another place than usual",
        "narrow": (
            "people are larger than the room beside the line: hang the camera higher, or turn the "
            "line"
        ),
    }
)

LEAST_LIGHT = 8
"""Brightness, 0..255, of the lightest twentieth of the pixels; below it nothing is found, and that
is no sign of nobody."""
LEAST_CLEARNESS = 12.0
"""How often the noise's deviation the light is at least. At a fifth of the light a film with less
lost half of the people who crossed."""

CROWD = 16
"""So many people at the line hide each other. A hall with ten there was counted right."""
NEAR = 1.5
"""How far from the line somebody is at it, in shares of what he takes across the line."""
WINDOW_MS = 60_000
"""The tracks of so long say whether people are missed."""
FEW_PEOPLE, LONG_WINDOW_MS = 20, 600_000
"""If no more than so many people come in a minute, the last ones say it, too, if they came
within so long. Who came in a busier minute says nothing of the quiet ones that follow."""
LEAST_BROKEN = 4
"""So many tracks that break off at the line say that people are there who are not seen."""
BROKEN_SHARE = 0.1
"""Of those who cross: if more tracks break off, a tenth of the people or more was missed. A trial
with 2 to 120 walkers a minute, of whom each look found 20 to 100 %, says so. Of fewer than four
nothing can be said."""
HIDING = 4
"""So many who walk, and overlap each other at the line, hide some beside them."""
HIDING_LOOKS = 60
"""In so many looks of a minute, a fifth of them. Of 220 people who crossed in a minute it was more,
and a fifth of them were missed; of 150 it was half as many, and a tenth."""
_OVERLAP = 0.15
"""Intersection over union of two people of whom the one hides a part of the other."""
_RIM = 0.03
"""Of the picture: a box that is so near to its edge comes or goes there."""


def measure_noise(grey: Image) -> float:
    """Return the deviation of a grey picture's noise, in its levels.

    Second differences across and down leave noise, and little of what is smooth (Immerkaer, 1996).
    Their median leaves edges out, too.
    """
    import numpy as np  # of the extra [detector], without which a box sends pictures all the same

    levels = np.asarray(grey, np.float32)
    across = levels[:, :-2] - 2 * levels[:, 1:-1] + levels[:, 2:]
    both = across[:-2] - 2 * across[1:-1] + across[2:]
    gain_of_noise, deviation_of_median = 6.0, 0.6745
    return float(np.median(np.abs(both))) / gain_of_noise / deviation_of_median


def is_too_dark(brightness: float, noise: float) -> bool:
    """Tell whether people are lost in the dark. Both are in the picture's levels, 0..255."""
    return brightness < LEAST_LIGHT or brightness < LEAST_CLEARNESS * noise


class _Passage(NamedTuple):
    """Somebody at the line who crossed, or whose track broke off; and how long that counts."""

    at_ms: int
    kept_ms: int
    is_broken: bool


@dataclass(eq=False)
class Crowding:
    """Memory of the last minute at a line, or of the last people there, by which a crowd is known.

    A crowd that hides itself shows few boxes. But then people come into view at the line, or are
    lost there, and few are followed across.
    """

    passages: list[_Passage] = field(default_factory=list, init=False)
    _hiding_ms: deque[int] = field(default_factory=deque, init=False)
    """When people hid each other, as far as that counts."""

    def note(
        self,
        gone: Collection[BodyTrack],
        seen: Collection[BodyTrack],
        crossed: int,
        line: PlacedLine,
        size_px: tuple[int, int],
        at_ms: int,
    ) -> None:
        """Add an observation: the tracks that ended, the people seen, and the number of crossings.

        Left out are people who stand, who are often lost at the line and cross nothing. So are
        those who have crossed: at a door in the picture they come into view or vanish.
        """
        broken = [
            track
            for track in gone
            if track.is_person
            and track.is_moving
            and not track.has_crossed
            and any(_breaks_off(body, line, size_px) for body in (track.first, track.body))
        ]
        in_minute = sum(at_ms - one.at_ms <= WINDOW_MS for one in self.passages)
        kept_ms = LONG_WINDOW_MS if in_minute <= FEW_PEOPLE else WINDOW_MS
        self.passages += [_Passage(at_ms, kept_ms, True)] * len(broken)
        self.passages += [_Passage(at_ms, kept_ms, False)] * crossed
        first = len(self.passages) - FEW_PEOPLE
        self.passages = [
            one
            for number, one in enumerate(self.passages)
            if at_ms - one.at_ms <= (one.kept_ms if number >= first else WINDOW_MS)
        ]

        if _count_hiding(seen, line) >= HIDING:
            self._hiding_ms.append(at_ms)
        while self._hiding_ms and at_ms - self._hiding_ms[0] > WINDOW_MS:
            self._hiding_ms.popleft()

    def is_crowded(self, bodies: Sequence[Body], line: PlacedLine) -> bool:
        """Tell whether so many people are at the line, or seem to be, that some are missed."""
        at_line = sum(is_at_line(body, line) for body in bodies)
        broken = sum(one.is_broken for one in self.passages)
        crossed = len(self.passages) - broken
        return (
            at_line > CROWD
            or len(self._hiding_ms) > HIDING_LOOKS
            or broken >= max(LEAST_BROKEN, BROKEN_SHARE * crossed)
        )


def is_at_line(body: Body, line: PlacedLine) -> bool:
    """Tell whether a person is so near to the line that they may have crossed it, or will."""
    along, off_px = line.measure(body.centre)
    return 0 <= along <= 1 and abs(off_px) <= NEAR * line.measure_extent(*body.box_xywh[2:])


def _count_hiding(seen: Collection[BodyTrack], line: PlacedLine) -> int:
    """Return how many who walk overlap another one at the line; who stands there hides few."""
    from regulars_edge.choose.faces import measure_overlap  # of the extra, as in measure_noise

    walking = [
        track.last_box.box_xywh
        for track in seen
        if track.is_moving and is_at_line(track.last_box, line)
    ]
    pairs = permutations(walking, 2)
    return len({one for one, other in pairs if measure_overlap(one, other) > _OVERLAP})


def _breaks_off(body: Body, line: PlacedLine, size_px: tuple[int, int]) -> bool:
    """Tell whether somebody who came or went there did so at the line, within the picture."""
    return is_at_line(body, line) and not _is_at_rim(body, size_px)


def _is_at_rim(body: Body, size_px: tuple[int, int]) -> bool:
    x, y, width, height = body.box_xywh
    across_px, down_px = (_RIM * side for side in size_px)
    return (
        x < across_px
        or y < down_px
        or x + width > size_px[0] - across_px
        or y + height > size_px[1] - down_px
    )
