"""The same walk on DynamoDB, S3, SQS and KMS, emulated: what fails are their calls, and as botocore
says it.

So the adapters' own repeats and translations stand between the fault and the use case. Each point
is a process of its own: the emulation is in its memory, and what a point changes is gone with it.
"""

import json
import os
import pickle
import random
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends

from tests.faults.conftest import Points
from tests.faults.walk import Walk
from tests.faults.wire import WIRE_FAULTS, Wire
from tests.support.book.book import Book
from tests.support.examples import parametrize, rest
from tests.support.faults.shop import Box, Shop, furnished
from tests.support.faults.stored import text_of
from tests.support.faults.use_cases import USE_CASES
from tests.support.hooks.receiver import answers, receiving
from tests.support.storage.emulated import Aws, storage_on, storage_stack

pytestmark = rest

ROWS = (
    "POST /openapi/face/addFace",
    "tenants rotate",
    "POST /openapi/face/deleteFace",
    "POST /openapi/face/getFaceByPicture",
    "POST /v1/faces/{id}/pictures",
    "POST /v1/faces/{id}/merge",
    "ingest somebody new",
    "build_index",
)
"""Use cases that together call each adapter. A point takes a second, so `make test` walks
one."""

Answer = TypeVar("Answer")


class CloudBox(Box):
    """A process whose clients of AWS are listened to."""

    def __init__(self, aws: Aws, folder: Path, shop: Shop) -> None:
        self._aws = aws
        super().__init__(folder, shop)

    def _open(self, folder: Path) -> None:
        self.calls = Wire()  # type: ignore[assignment]  # of the same use
        Book.__init__(self, folder, kept=storage_on(self._aws, self.calls.listen))  # type: ignore[attr-defined]

    def date_pictures(self, at: datetime) -> None:
        for bucket in s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.values():
            for key in bucket.keys.values():
                key.last_modified = at.replace(tzinfo=None)

    def texts(self) -> frozenset[str]:
        return _stored(self._aws.region) | self.heard()

    def state(self) -> dict[str, Any]:
        """Without the events that were heard: another process hears them."""
        return {**super().state(), "events": 0}


class CloudShop(Shop, frozen=True):
    aws: Aws | None = None

    def opened(self, folder: Path) -> Box:
        assert self.aws is not None
        return CloudBox(self.aws, folder, self)

    def texts(self) -> frozenset[str]:
        return _stored(self.aws.region)

    @contextmanager
    def copied(self, folder: Path) -> Iterator[Box]:
        """A process on the shop itself: call this `apart`."""
        with closing(self.opened(folder)) as box:
            yield box


def _stored(region: str) -> frozenset[str]:
    """All that the account stores, as texts: tables, buckets, queues."""
    tables = dynamodb_backends[DEFAULT_ACCOUNT_ID][region].tables
    buckets = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets
    queues = sqs_backends[DEFAULT_ACCOUNT_ID][region].queues
    return frozenset(
        [
            *(
                f"{name} {json.dumps(item.to_json(), separators=(',', ':'), default=repr)}"
                for name, table in tables.items()
                for item in table.all_items()
            ),
            *(
                text_of(f"{name}:{key.replace('/', ':')}", one.value)
                for name, bucket in buckets.items()
                for key, one in bucket.keys.items()
            ),
            *(
                f"{name} {message.body}"
                for name, queue in queues.items()
                for message in queue._messages
            ),
        ]
    )


def apart(work: Callable[[], Answer]) -> Answer:
    """Do it in a process of its own, with a copy of all that this one has in memory."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # a fork beside threads: the child uses none of them
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        random.seed()  # or all would draw the same ids
        try:
            with os.fdopen(writing, "wb") as out:
                pickle.dump(work(), out)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        data = said.read()
    os.waitpid(child, 0)
    assert data, "ended without an answer: its error is printed above"
    return pickle.loads(data)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudShop]:
    with storage_stack(stack="faults") as aws, receiving(answers(200)) as receiver:
        folder = tmp_path_factory.mktemp("cloud")
        made = furnished(folder, receiver, partial(CloudShop, aws=aws), storage_on(aws))
        time.sleep(1.0)  # until the message is to be had that the preparation has looked at
        yield made


@parametrize("name", ROWS, gate=1)
def test_failed_or_killed_at_any_call_to_aws_and_done_again_it_is_done(
    name: str, shop: CloudShop, tmp_path: Path, points: Points
) -> None:
    case = next(case for case in USE_CASES if str(case) == name)
    walk = Walk(case, shop, tmp_path)
    again, _ = apart(walk.answered)
    right = apart(lambda: walk.undisturbed(again))
    every = [
        (at, operation, fault)
        for at, operation in enumerate(right.calls, 1)
        for fault in WIRE_FAULTS
        if fault.fits(operation)
    ]
    chosen, tried, wrong = points.chosen(every, name), 0, []
    for at, operation, fault in chosen:
        found, happened, endings = apart(
            lambda at=at, fault=fault: (walk.disturbed(at, fault, right), walk.tried, walk.endings)
        )
        walk.endings.add(endings)
        wrong += [f"{fault.name} at call {at}, {operation}: {what}" for what in found]
        tried += happened
    points.told(len(every), tried, len(chosen) - tried, len(walk.endings))
    assert not wrong, "\n".join(wrong)
