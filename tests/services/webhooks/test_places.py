"""A hook whose receiver hangs holds a few places, a tenant some more, and nobody all."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from chalicelib.core.errors import Busy
from chalicelib.services.webhooks.deliveries import Places


def test_a_hook_has_its_places_and_no_more_and_others_have_theirs() -> None:
    places = Places(of_tenant=5, of_hook=2, waited_s=0.01)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(places.one("shop", "hangs"))
        with pytest.raises(Busy, match="hook"), places.one("shop", "hangs"):
            pass
        with places.one("shop", "good"), places.one("office", "hangs"):
            pass
    with places.one("shop", "hangs"):
        pass


def test_a_tenant_has_its_places_over_all_hooks_and_a_refused_hook_keeps_none() -> None:
    places = Places(of_tenant=3, of_hook=2, waited_s=0.01)
    with ExitStack() as held:
        for hook in ("1", "2", "3"):
            held.enter_context(places.one("shop", hook))
        for _ in range(4):
            with pytest.raises(Busy, match="tenant"), places.one("shop", "4"):
                pass
        with places.one("office", "1"):
            pass
    with places.one("shop", "4"), places.one("shop", "4"):
        pass
