"""docs/webhooks.md: the lines that check a signature do, and the page names what there is."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.domain.webhooks import make_signature
from tests.support.box.session import DOCS, read
from tests.support.fakes import FakeClock
from tests.support.hooks.hook_desk import TENANT, Desk, stores
from tests.support.hooks.receiver import answers, receiving

PAGE = read(DOCS / "webhooks.md")
BODY = b'{"id": "face.arrived-1"}'


@pytest.fixture
def is_genuine() -> Callable[..., bool]:
    (lines,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Callable[..., bool]] = {}
    exec(lines, names)
    return names["is_genuine"]


def test_the_lines_take_what_a_receiver_gets(
    tmp_path: Path, is_genuine: Callable[..., bool]
) -> None:
    clock = FakeClock(datetime.now(UTC))
    with stores(tmp_path, clock) as (items, queue), receiving(answers(200)) as receiver:
        desk = Desk(items, queue, clock)
        _, secret = desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
        (heard,) = receiver.heard
    assert is_genuine(secret, heard.headers["X-Regulars-Signature"], heard.body)
    assert not is_genuine("another", heard.headers["X-Regulars-Signature"], heard.body)
    assert not is_genuine(secret, heard.headers["X-Regulars-Signature"], heard.body + b" ")


@pytest.mark.parametrize("age_s", [-301, 301, 86_400])
def test_the_lines_refuse_what_is_replayed(is_genuine: Callable[..., bool], age_s: int) -> None:
    sent_at = datetime.now(UTC) - timedelta(seconds=age_s + (1 if age_s > 0 else -1))
    assert not is_genuine("secret", make_signature("secret", sent_at, BODY), BODY)
    assert is_genuine("secret", make_signature("secret", sent_at, BODY), BODY, 100_000)


def test_the_lines_refuse_what_is_no_signature(is_genuine: Callable[..., bool]) -> None:
    old = make_signature("secret", datetime.now(UTC) - timedelta(hours=1), BODY)
    with_a_new_time = re.sub(r"t=\d+", f"t={int(time.time())}", old)
    zeros = "0" * 64
    for wrong in (
        "",
        "t=1",
        "v1=00",
        f"t=x,v1={zeros}",
        f"t=\u0661,v1={zeros}",
        "t=,v1=",
        with_a_new_time,
    ):
        assert not is_genuine("secret", wrong, BODY), wrong


def test_the_pages_body_has_the_members_that_are_sent() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert list(json.loads(example)) == ["id", "type", "at", "tenant", "group", "camera", "data"]
