from contextlib import ExitStack

import pytest

from chalicelib.book.webhooks import DeliverySlots
from chalicelib.domain.errors import Busy


def test_a_hook_has_its_slots_and_no_more_and_others_have_theirs() -> None:
    slots = DeliverySlots(of_tenant=5, of_hook=2, waited_s=0.01)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(slots.take_slot("shop", "slow"))
        with (
            pytest.raises(Busy, match="receiver of this hook is too slow: 2 posts"),
            slots.take_slot("shop", "slow"),
        ):
            pass
        with slots.take_slot("shop", "good"), slots.take_slot("office", "slow"):
            pass
    with slots.take_slot("shop", "slow"):
        pass


def test_a_tenant_has_its_slots_over_all_hooks_and_a_refused_hook_keeps_none() -> None:
    slots = DeliverySlots(of_tenant=3, of_hook=2, waited_s=0.01)
    with ExitStack() as held:
        for hook in ("1", "2", "3"):
            held.enter_context(slots.take_slot("shop", hook))
        for _ in range(4):
            with (
                pytest.raises(Busy, match="receiver of this tenant is too slow: 3 posts"),
                slots.take_slot("shop", "4"),
            ):
                pass
        with slots.take_slot("office", "1"):
            pass
    with slots.take_slot("shop", "4"), slots.take_slot("shop", "4"):
        pass
