"""Counts of people and places to items and back."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable
from struct import Struct

from msgspec.structs import replace

from chalicelib.domain.counts import (
    WHYS,
    Arrangement,
    Count,
    DayCounts,
    Doubts,
    Place,
    SummedDay,
    Void,
)
from chalicelib.storage import keys
from chalicelib.storage.ports import Item
from chalicelib.storage.values import Codec, many

_COUNT = Struct("<HHIII")
"""First minute, seconds, entries and one, exits, faces. Entries and one are 0: nobody knows. Then
the next says why, as its place in WHYS and one; 0: nobody said. The last one holds entries that are
sure, in its upper half, and exits."""
_HALF = 1 << 16

_MINUTES_OF_DAY = 1_440

_PLACES = many(Codec(Place, rare="is_full untold_turns told_at_ms corrections"))
ARRANGEMENT = Codec(Arrangement, rare="door_changes", places=_PLACES)
VOID = Codec(Void)


def pack_counts(counts: DayCounts) -> bytes:
    """Return a day's counts as bytes, of minutes at most 23 KB; the same counts are the same bytes.

    Without numbers, nobody knows how many came. This is stored as 0 entries, so that known entries
    are stored as one more.
    """
    rows = (
        (minute, count.seconds, *_list_numbers(count)) for minute, count in sorted(counts.items())
    )
    return zlib.compress(b"".join(_COUNT.pack(*row) for row in rows))


def _list_numbers(count: Count) -> tuple[int, int, int]:
    if count.numbers is not None:
        entries, exits, faces = count.numbers
        return entries + 1, exits, faces
    why = next((at for at, why in enumerate(WHYS, 1) if why in count.doubts.minutes), 0)
    return 0, why, count.doubts.entries * _HALF + count.doubts.exits


def unpack_counts(data: bytes) -> dict[int, Count]:
    """Invert `pack_counts`. Raises zlib.error and struct.error if the bytes are damaged."""
    return {
        minute: Count(seconds, entries - 1, *others)
        if entries
        else Count(seconds, doubts=_read_doubts(*others))
        for minute, seconds, entries, *others in _COUNT.iter_unpack(zlib.decompress(data))
    }


def _read_doubts(why: int, sure: int) -> Doubts:
    """Read why a minute has no numbers; a later version may know more of it than this one."""
    named = WHYS[why - 1] if 0 < why <= len(WHYS) else None
    return Doubts.of_minute(named, *divmod(sure, _HALF)) if named else Doubts()


def counts_item(partition: str, day: int, camera_id: str, counts: DayCounts, version: int) -> Item:
    """Make the item of a camera's UTC day, among minutes or hours, as the partition says."""
    key = {"tenant_zone": partition, "day": keys.counted_day(day, camera_id)}
    return {**key, "counts": pack_counts(counts), "version": version}


def hours_item(partition: str, day: int, camera_id: str, summed: SummedDay) -> Item:
    """Make the item of a camera's UTC day, counted by hours; the minutes of these are a bit each.

    Only hours with void minutes have `held`.
    """
    counted = counts_item(partition, day, camera_id, summed.hours, version=1)
    item = {**counted, "minutes": _pack_minutes(summed.minutes)}
    if summed.held:
        held_minutes = _pack_minutes(summed.held_minutes)
        item = {**item, "held": pack_counts(summed.held), "held_minutes": held_minutes}
    return item


def summed_day_from(item: Item | None) -> SummedDay:
    if item is None:
        return SummedDay()
    summed = SummedDay(counts_from(item), _unpack_minutes(item["minutes"]))
    if "held" not in item:
        return summed
    held = unpack_counts(bytes(item["held"]))
    return replace(summed, held=held, held_minutes=_unpack_minutes(item["held_minutes"]))


def _pack_minutes(minutes: Collection[int]) -> bytes:
    bits = sum(1 << minute for minute in minutes)
    return zlib.compress(bits.to_bytes(_MINUTES_OF_DAY // 8, "little"))


def _unpack_minutes(data: bytes) -> frozenset[int]:
    bits = int.from_bytes(zlib.decompress(bytes(data)), "little")
    return frozenset(minute for minute in range(_MINUTES_OF_DAY) if bits >> minute & 1)


def counts_from(item: Item | None) -> dict[int, Count]:
    return {} if item is None else unpack_counts(bytes(item["counts"]))


def arrangement_item(tenant: str, arrangement: Arrangement, version: int) -> Item:
    """Make the one item of all places: so no two places ever get the same door."""
    key = {"tenant": tenant, "item": keys.PLACES_ITEM}
    return {**key, "version": version, **ARRANGEMENT.write(arrangement)}


def arrangement_from(item: Item | None) -> Arrangement:
    return Arrangement() if item is None else ARRANGEMENT.read(item)


def voids_item(tenant: str, voids: Iterable[Void], version: int) -> Item:
    """Make the one item of all voids."""
    stored = list(map(VOID.write, voids))
    return {"tenant": tenant, "item": keys.VOIDS_ITEM, "version": version, "voids": stored}


def voids_from(item: Item | None) -> list[Void]:
    return [] if item is None else list(map(VOID.read, item["voids"]))
