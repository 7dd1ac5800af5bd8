"""The demo's counted door: how many of the drawn people, and of those who come with them, cross its
line."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from chalicelib.domain.counts import Count, CountedMinute

DOOR = "door"
"""Camera above the door. Whoever is seen by another camera came in by this door, too."""
COMPANION_SHARE = 0.6
"""Share of the visitors with whom somebody comes whose face no camera sees."""
STAYS_MINUTES = (8, 40)
"""Shortest and longest stay of a visitor."""
_MINUTE = timedelta(minutes=1)


def count_minutes(
    came: Iterable[tuple[datetime, str]], opens: datetime, closes: datetime, until: datetime
) -> list[CountedMinute]:
    """Return the counts of each whole minute of a day from `opens` until `closes`, or until now.

    `came`: time and camera of each visit of that day; `until`: now. Everybody has left as the shop
    closes. The same visits give the same counts.
    """
    entries, exits, faces = Counter[int](), Counter[int](), Counter[int]()
    last = (closes - opens) // _MINUTE - 1
    for at, camera in came:
        rng = random.Random(at.timestamp())
        minute, people = (at - opens) // _MINUTE, 1 + (rng.random() < COMPANION_SHARE)
        entries[minute] += people
        faces[minute] += camera == DOOR
        exits[min(minute + rng.randint(*STAYS_MINUTES), last)] += people
    counted = range((min(closes, until) - opens) // _MINUTE)
    return [
        CountedMinute(
            opens + minute * _MINUTE, Count(60, entries[minute], exits[minute], faces[minute])
        )
        for minute in counted
    ]
