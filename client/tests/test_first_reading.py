"""Answers that many threads read at once, before anybody has read one of the kind."""

from __future__ import annotations

import subprocess
import sys

READ_BY_MANY = """
import sys, threading
from contextlib import suppress
import httpx, msgspec
from regulars_client import models
from regulars_client.connection import read_answer
from regulars_client.errors import WrongAnswer

def read(struct, answer):
    barrier.wait()
    with suppress(WrongAnswer):
        read_answer(answer, struct)

sys.setswitchinterval(1e-6)
request = httpx.Request("GET", "http://box/v1/x")
kinds = [kind for kind in vars(models).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
assert len(kinds) > 30
for kind in kinds:
    barrier = threading.Barrier(8)
    answer = httpx.Response(200, json=dict.fromkeys(kind.__struct_encode_fields__, "a"), request=request)
    threads = [threading.Thread(target=read, args=(kind, answer)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_many_threads_may_be_the_first_to_read_an_answer() -> None:
    """msgspec looks into a type when it is first used; a thread that used it meanwhile crashed the process."""
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", READ_BY_MANY], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
