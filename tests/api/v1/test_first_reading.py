"""Types that many threads read at once, before anybody has read them."""

from __future__ import annotations

import subprocess
import sys

READ_BY_MANY = """
import json, sys, threading
from contextlib import suppress
import msgspec
from chalicelib.api.v1 import hooks
from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.core.errors import InvalidInput

def read(struct, all_members):
    barrier.wait()
    with suppress(InvalidInput, msgspec.ValidationError):
        hooks._event(all_members) if struct is hooks.Event else read_body(all_members.encode(), struct)

sys.setswitchinterval(1e-6)
kinds = {kind for one in OPERATIONS for kind in (one.body, one.query) if isinstance(kind, type)}
assert len(kinds) > 30
for kind in (hooks.Event, *kinds):
    barrier = threading.Barrier(8)
    all_members = json.dumps(dict.fromkeys(kind.__struct_encode_fields__, "a"))
    threads = [threading.Thread(target=read, args=(kind, all_members)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_many_threads_may_be_the_first_to_read_a_type() -> None:
    """msgspec looks into a type when it is first used; a thread that used it meanwhile crashed the process."""
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", READ_BY_MANY], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
