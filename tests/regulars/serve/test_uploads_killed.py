"""kill -9 during uploads: what was acknowledged is there, whole, and what is there was acknowledged
or can be found."""

import hashlib
import http.client
import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote_plus

import pytest

from chalicelib.storage.ports import Upload
from tests.support.box.blob_server import opened, start

pytestmark = pytest.mark.disk

WORKERS = 8


class Killed(Exception):
    """The server went away in the middle of it."""


def picture(number: int) -> bytes:
    return random.Random(number).randbytes(50_000 + number)


def put(data: Path, port: int, number: int) -> int:
    store, queue = opened(data)
    queue.close()
    content = picture(number)
    upload = Upload(hashlib.sha256(content).hexdigest(), len(content), "image/jpeg")
    request = store.presigned_put(f"t/c/{number}", upload, 900)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(request.method, request.url, content, dict(request.headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise Killed from error
    finally:
        connection.close()


def put_until_killed(data: Path, port: int, worker: int, begun: threading.Event) -> list[int]:
    """Numbers of the pictures that were acknowledged; `begun` is set at the first."""
    acknowledged = []
    for number in range(worker, 100_000, WORKERS):
        try:
            status = put(data, port, number)
        except Killed:
            return acknowledged
        if status == 412:
            continue  # of an earlier round
        assert status == 200
        acknowledged.append(number)
        begun.set()
    raise AssertionError("it was never killed")


@pytest.mark.parametrize("seed", range(2))
def test_an_acknowledged_upload_outlives_a_kill(tmp_path: Path, seed: int) -> None:
    acknowledged: list[int] = []
    for round_ in range(2):
        process, port = start(tmp_path)
        begun = threading.Event()
        with ThreadPoolExecutor(WORKERS) as pool:
            workers = [
                pool.submit(put_until_killed, tmp_path, port, worker, begun)
                for worker in range(WORKERS)
            ]
            if round_:  # else the kill may come before anything is acknowledged
                begun.wait(60)
            time.sleep(random.Random(seed * 10 + round_).uniform(0.3, 0.8))
            process.kill()
            process.wait(60)
            for worker in workers:
                acknowledged += worker.result(60)
    assert acknowledged
    store, queue = opened(tmp_path)
    stored = [blob.key for blob in store.walk("t/c/")]
    announced = set()
    while messages := queue.receive(10, 300):
        announced |= {
            unquote_plus(json.loads(m.body)["Records"][0]["s3"]["object"]["key"]) for m in messages
        }
    queue.close()
    for key in stored:
        content = store.get(key)
        assert content == picture(int(key.rpartition("/")[2])), f"{key} is not whole"
    assert {f"t/c/{number}" for number in acknowledged} <= set(stored)
    # Killed between storing and announcing: at most what was under way, and none that was
    # acknowledged.
    assert {f"t/c/{number}" for number in acknowledged} <= announced <= set(stored)
    assert len(set(stored) - announced) <= 2 * WORKERS
