"""Hooks on one box: the service as it runs, a receiver beside it, an event whose process is
gone."""

import hashlib
import hmac
import json
import subprocess
import sys
from pathlib import Path

import pytest
from regulars_client import Regulars, codes

from regulars.serve import service
from regulars.serve.service import Service
from regulars.tenants import credentials
from tests.support.hooks.receiver import answers, receiving
from tests.support.waiting import until

COMMIT_AND_BE_KILLED = """
import os, signal, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from chalicelib.bootstrap import build
from chalicelib.domain.events import GroupFull
from chalicelib.domain.webhooks import Event
from chalicelib.settings import Settings
from tests.support.fakes import FakeClock

clock = FakeClock(datetime.now(UTC) - timedelta(minutes=2))
services = build(Settings(storage=Path(sys.argv[1])), clock=clock)
outbox = services.webhooks.outbox
event = Event("group.full-1", GroupFull(capacity=7), datetime.now(UTC), "vip")
services.items.transact(outbox.make_delivery_puts("shop", [event]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def client(running: Service) -> Regulars:
    return Regulars(running.url, api_key=credentials.read_credentials(running.data)["shop"].api_key)


def test_event_of_a_killed_process_is_told_when_the_service_runs_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGULARS_HOOK_NETWORKS", "127.0.0.0/8")
    data = tmp_path / "data"
    with receiving(answers(503), answers(200)) as receiver:
        with service.run_service(data) as first, client(first) as cloud:
            cloud.add_group(name="vip")
            hook = cloud.add_hook(url=receiver.url, groups=["vip"])
        killed = subprocess.run(
            [sys.executable, "-c", COMMIT_AND_BE_KILLED, str(data)], check=False
        )
        assert killed.returncode == -9
        with service.run_service(data, options=["--trial"]) as trial, client(trial) as cloud:
            assert cloud.get_session().trial
        assert receiver.heard == [], "a trial of a backup tells nobody, though the event is due"
        with service.run_service(data):
            until(lambda: len(receiver.heard) == 2)
    once, again = receiver.heard
    assert once.body == again.body
    assert json.loads(again.body)["data"] == {"capacity": 7}
    stamp, signature = again.headers["X-Regulars-Signature"].removeprefix("t=").split(",v1=")
    assert hook.secret
    signed = hmac.new(hook.secret.encode(), stamp.encode() + b"." + again.body, hashlib.sha256)
    assert signature == signed.hexdigest()


def test_hook_into_the_boxs_own_network_is_refused_unless_the_operator_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REGULARS_HOOK_NETWORKS", raising=False)
    refused = pytest.raises(codes.InvalidInput, match=r"not public.*REGULARS_HOOK_NETWORKS")
    with service.run_service(tmp_path / "data") as running, client(running) as cloud, refused:
        cloud.add_hook(url="http://127.0.0.1:8000/")
