"""The deployed functions in an emulated account: app.py's own handlers, wired as on AWS, each with
its environment."""

import io
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

from botocore.response import StreamingBody
from msgspec.structs import asdict

import app
from chalicelib import bootstrap, search_function
from chalicelib.api import observability
from chalicelib.services import Services
from chalicelib.settings import AwsStorage, Settings
from chalicelib.storage.aws.clients import open_aws_client
from chalicelib.storage.aws.queue import SqsQueue
from chalicelib.storage.ports import Vision
from chalicelib.storage.values import milliseconds
from regulars.serve.gateway import Context
from tests.infra.calls import ACCOUNT, Recorder
from tests.support.fakes import FakeClock
from tests.support.storage.aside import ReceivingSqs
from tests.support.storage.emulated import PREFIX, Aws

SEARCH_FUNCTIONS = ("regulars-test-Search-1", "regulars-test-Search2-2", "regulars-test-Search3-3")
_QUEUES = {"build_index": "index_queue", "ingest": "captures_queue", "deliver": "deliveries_queue"}
_CLIENTS = ("dynamodb", "s3", "sqs", "kms")
_RUN_S = {"ingest": 120, "deliver": 120, "build_index": 300, "watch": 300, "sweep": 300}
"""Longer than any handler here takes. What is left of a sweep whose run is too short, another
message does: tests/whole/test_sweep.py."""


def arns_of(aws: Aws) -> dict[str, str]:
    """By the name in the template."""

    def arn(name: str, physical: str) -> str:
        place = f"{aws.region}:{ACCOUNT}"
        if name.endswith("Table"):
            return f"arn:aws:dynamodb:{place}:table/{physical}"
        if name.endswith("Bucket"):
            return f"arn:aws:s3:::{physical}"
        if name.endswith(("Queue", "DeadLetters")):
            return f"arn:aws:sqs:{place}:{physical.rpartition('/')[2]}"
        return f"arn:aws:kms:{place}:key/{physical}"

    known = {name: arn(name, physical) for name, physical in aws.physical.items()}
    own = {
        "Partition": "aws",
        "Region": aws.region,
        "AccountId": ACCOUNT,
        "StackName": "regulars-test",
    }
    searches = {
        name: f"arn:aws:lambda:{aws.region}:{ACCOUNT}:function:{name}" for name in SEARCH_FUNCTIONS
    }
    return {**known, **searches, **{f"AWS::{name}": value for name, value in own.items()}}


@dataclass
class Account:
    """`services`: as a function has them that calls the search function; `alone`: as one that does
    not."""

    aws: Aws
    clock: FakeClock
    recorder: Recorder
    services: Services
    alone: Services
    lines: io.StringIO = field(default_factory=io.StringIO)
    """What the functions write to their logs."""
    secrets: list[str] = field(default_factory=list)
    """What no log may hold: the scenarios put down what they were given."""

    @property
    def api(self) -> Any:
        """What tests' clients take for the app: API Gateway, which hands their events to the api
        function."""
        return _Gateway(self)

    def http(self, event: Mapping[str, Any]) -> Any:
        return self._run("api", self.services, lambda: app.app(dict(event), Context("api")))

    def search(self, event: Mapping[str, Any]) -> Any:
        return self._run(
            "search", self.alone, lambda: search_function.search(dict(event), Context("search"))
        )

    def canary(self, url: str, tenant: str) -> None:
        """The scheduler calls, with what infra/functions.yaml says."""
        self._run(
            "canary",
            self.alone,
            lambda: app.canary(
                {"url": url, "cameras_url": url, "tenant": tenant}, Context("canary")
            ),
        )

    def message(self, function: str, *bodies: str, waited_s: float = 0) -> Any:
        """SQS hands messages to a function. `waited_s`: so long were they in the queue."""
        sent_at = milliseconds(self.clock.now() - timedelta(seconds=waited_s))
        records = [
            {
                "messageId": f"m-{number}",
                "receiptHandle": "r",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(sent_at)},
                "eventSource": "aws:sqs",
            }
            for number, body in enumerate(bodies)
        ]
        services = self.services if function == "ingest" else self.alone
        context = Context(function, deadline=time.monotonic() + _RUN_S[function])
        return self._run(
            function, services, lambda: getattr(app, function)({"Records": records}, context)
        )

    def work_off(self, function: str) -> int:
        """Give a function what is in its queue now; returns how many messages."""
        sqs: SqsQueue = getattr(self.services.ports.storage, _QUEUES[function])
        queue = ReceivingSqs(sqs._client, sqs._url)
        messages = queue.receive(10, 60)
        if messages:
            self.message(function, *(message.body for message in messages))
        for message in messages:
            queue.delete(message.receipt)
        return len(messages)

    def stored(self, key: str) -> str:
        """What S3 says of a capture's picture that was put."""
        return json.dumps({"Records": [{"s3": {"object": {"key": quote_plus(key)}}}]})

    def tick(self, function: str) -> None:
        """The scheduler calls."""
        event = {
            "version": "0",
            "id": "1",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "detail": {},
        }
        event |= {
            "account": ACCOUNT,
            "time": self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self.aws.region,
            "resources": [],
        }
        context = Context(function, deadline=time.monotonic() + _RUN_S[function])
        self._run(function, self.alone, lambda: getattr(app, function)(event, context))
        while function == "sweep" and self.work_off("build_index"):
            pass  # its messages, and those for what they leave

    def clear(self) -> None:
        """Let no tenant be there: a sweep takes them all, and the emulation looks through a whole
        table for a query.

        Messages for them still come, and the functions drop them.
        """
        self.aws.empty_tables()
        self.restart()

    def later(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))

    def restart(self, near_faces: int = 0) -> None:
        """Functions hold nothing: each starts cold.

        They search galleries of up to `near_faces` themselves.
        """
        self.services, self.alone = _services(
            self.aws, self.clock, self.services.ports.vision, near_faces
        )

    def _run(self, function: str, services: Services, work: Callable[[], Any]) -> Any:
        app.provide.use(services)
        search_function.provide.use(services)
        environ = {"AWS_LAMBDA_FUNCTION_NAME": function, "REGULARS_TABLE_PREFIX": PREFIX}
        observed = observability.make_observer(environ, self.lines)
        with self.recorder.working(function):
            return observed(SimpleNamespace(context=Context(function)), lambda _event: work())


class _Gateway:
    def __init__(self, account: Account) -> None:
        self._account = account
        self.api, self.routes = app.app.api, app.app.routes

    def __call__(self, event: Mapping[str, Any], _context: object) -> Any:
        return self._account.http(event)


@contextmanager
def account(aws: Aws, clock: FakeClock, vision: Vision) -> Iterator[Account]:
    arns = arns_of(aws)
    recorder = Recorder(
        {aws.physical[name]: arn for name, arn in arns.items() if name in aws.physical}
    )
    recorder.arns = {**recorder.arns, **{name: arns[name] for name in SEARCH_FUNCTIONS}}
    services, alone = _services(aws, clock, lambda: vision)
    made = Account(aws, clock, recorder, services, alone)

    def invoked(params: Mapping[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        """Lambda, which moto has only as containers: the handler's answer in place of HTTP's."""
        answer = json.dumps(made.search(json.loads(params["body"]))).encode()
        return SimpleNamespace(status_code=200), {
            "Payload": StreamingBody(io.BytesIO(answer), len(answer))
        }

    root, written = logging.getLogger(), logging.StreamHandler(made.lines)
    written.setFormatter(observability.JsonLines())
    written.terminator = ""
    written.setLevel(logging.INFO)
    root.addHandler(written)
    search = open_aws_client("lambda")
    clients = [*(open_aws_client(service) for service in _CLIENTS), search]
    for client in clients:
        recorder.watch(client)
    search.meta.events.register("before-call.lambda.Invoke", invoked, unique_id="invoked")
    try:
        yield made
    finally:
        root.removeHandler(written)
        search.meta.events.unregister("before-call.lambda.Invoke", unique_id="invoked")
        for client in clients:
            recorder.forget(client)


def _services(
    aws: Aws, clock: FakeClock, vision: Callable[[], Vision], near_faces: int = 0
) -> tuple[Services, Services]:
    physical = aws.physical
    storage = AwsStorage(
        table_prefix=PREFIX,
        bucket=physical["DataBucket"],
        index_queue_url=physical["IndexQueue"],
        captures_bucket=physical["CapturesBucket"],
        captures_queue_url=physical["CapturesQueue"],
        deliveries_queue_url=physical["DeliveriesQueue"],
        secrets_key=physical["SecretsKey"],
        search_function=SEARCH_FUNCTIONS[0],
        more_search_functions=SEARCH_FUNCTIONS[1:],
        near_faces=near_faces,
    )
    here = (ip_network("127.0.0.0/8"),)
    settings = Settings(storage=storage, hook_networks=here, clock_tolerance_s=86_400)
    alone = Settings(
        storage=AwsStorage(**{**asdict(storage), "search_function": None}), hook_networks=here
    )
    first, second = (bootstrap.build(one, clock=clock, vision=vision) for one in (settings, alone))
    return first, second
