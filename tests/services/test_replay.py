"""A sighting's entry, replayed in the gallery of its seq, gives the same answer, or says why it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core import keys
from chalicelib.core.errors import InvalidInput
from tests.services.audit.test_entries import Shop
from tests.services.sightings.book import MONDAY, shot


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    made.clock.advance(MONDAY - made.clock.now())
    with closing(made.services):
        made.see(shot(0, 1), shot(5, 2), shot(20, 1), shot(25, 3))
        yield made


def sightings(shop: Shop) -> list[dict[str, Any]]:
    """By the time of the capture."""
    entries = [one for one in shop.closed() if one["what"] == "sighting"]
    return sorted(entries, key=lambda one: str(one["sighting"]))


def test_each_decision_is_the_same_again_though_the_gallery_has_grown_since(shop: Shop) -> None:
    entries = sightings(shop)
    assert [one["resolution"] for one in entries] == ["stranger", "stranger", "matched", "stranger"]
    for entry in entries:
        same, said = shop.services.sightings.replay.entry(shop.tenant, entry["id"])
        assert same is True, said
    assert f"face {entries[0]['faces'][0]} by" in shop.services.sightings.replay.entry(shop.tenant, entries[2]["id"])[1]


def test_a_decision_is_replayed_by_the_fpir_of_its_day(shop: Shop) -> None:
    for minute, fpir in ((125, 0.0005), (130, 0.02), (135, None)):
        shop.services.tenants.change("shop", {"fpir": fpir})
        shop.see(shot(minute, 1))
    entries = sightings(shop)
    assert [one.get("fpir") for one in entries[4:]] == ["0.0005", "0.02", None]
    assert {shop.services.sightings.replay.entry(shop.tenant, one["id"])[0] for one in entries} == {True}


def test_an_entry_is_replayed_from_a_snapshot_and_the_journal_behind_it(shop: Shop) -> None:
    entries = sightings(shop)
    shop.services.erasure.deletion.of_group(shop.tenant, "stranger", [entries[1]["faces"][0]])
    assert shop.services.index.build("shop")
    seq = shop.services.writer.seq("shop")
    shop.see(shot(125, 1))
    (entry,) = [one for one in sightings(shop) if one["seq"] == seq and one["id"] not in {e["id"] for e in entries}]
    assert shop.services.sightings.replay.entry(shop.tenant, entry["id"])[0] is True
    shop.clock.advance(timedelta(hours=3))
    shop.services.index.build("shop")
    assert shop.services.sightings.replay.entry(shop.tenant, entry["id"])[0] is True
    same, said = shop.services.sightings.replay.entry(shop.tenant, entries[1]["id"])
    assert (same, said) == (None, f"the gallery at seq 1 is no longer kept: only from seq {seq} on")


def test_a_sighting_whose_picture_is_gone_cannot_be_replayed(shop: Shop) -> None:
    entry = sightings(shop)[0]
    capture = str(entry["sighting"]).rpartition("-")[0]
    shop.storage.uploads.delete(keys.capture_picture("shop", "door", capture))
    same, said = shop.services.sightings.replay.entry(shop.tenant, entry["id"])
    assert (same, said) == (None, "the capture's picture is no longer kept")


def test_what_is_no_search_of_a_camera_cannot_be_replayed_and_an_unknown_entry_is_an_error(shop: Shop) -> None:
    shop.enrol(9, "nine")
    entry = shop.last()
    assert shop.services.sightings.replay.entry(shop.tenant, entry["id"])[0] is None
    for unknown in ("0000000000000-x", "no id"):
        with pytest.raises(InvalidInput, match="entry"):
            shop.services.sightings.replay.entry(shop.tenant, unknown)
