from datetime import timedelta

from chalicelib.book.idempotency import Answer, RequestId
from chalicelib.services import Services
from tests.support.fakes import FakeClock


def test_answers_are_forgotten_when_nobody_can_ask_for_them_any_more(
    services: Services, clock: FakeClock
) -> None:
    for n in range(120):
        services.requests.store_answer("camera", RequestId(f"k{n}", "d"), Answer("ok", {}))
    assert services.requests.forget_expired("camera") == 0

    clock.advance(timedelta(hours=2))

    assert services.requests.forget_expired("camera") == 120
    assert services.requests.find("camera", RequestId("k1", "d")) is None
