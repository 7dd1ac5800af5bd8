"""Cold starts of the packaged functions: from the start of the process to the first answer.

    python -m regulars_lab.bench.cold_start [--json FILE] [--repeat N] [--splits N] [--faces N]
    [--only CASE]

Packages for this machine's processor, unpacks, and starts each function as Lambda does: the runtime
interface client in the folder of the package, boto3 beside it, a Runtime API that hands it one
event. AWS is emulated by moto in a process of its own. The page cache is warm: what Lambda's own
start and the fetching of the package add is not here. Each function starts once a round, in turns,
and the least processor time of its process counts, which other work on the machine disturbs least.
Other starts, with the same function, are split by the clock (bench/lambda_site). Beside them the
least that any function takes in the same run (bench/lambda_peers): one that does nothing, and one
that reads an item with boto3.
"""

from __future__ import annotations

import base64
import json
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from chalicelib.book.vision.packs import packs
from chalicelib.domain.model import Credentials
from chalicelib.domain.rules.decision import SearchRequest
from chalicelib.settings import Settings
from chalicelib.storage.aws.search import make_event
from regulars.clients import Reply
from regulars.errors import WrongAnswer
from regulars_lab.bench.lambda_account import (
    CAMERA,
    CLOUD,
    GROUP,
    Account,
    account,
    populate,
    put_by_camera,
)
from regulars_lab.bench.lambda_package import WORK, Unpacked, unpack_package
from regulars_lab.bench.lambda_runtime import Function, environment
from regulars_lab.bench.measuring import parser, write
from regulars_lab.rigs.stand_ins import portraits
from tests.support.api.over_http import Icredit, Sunmi

SITE = Path(__file__).resolve().parent / "lambda_site"
PEERS = Path(__file__).resolve().parent / "lambda_peers"
PEER = "peer: one read, boto3"
SPLIT = ("python", "imports", "clients", "session load", "index load", "AWS calls")
LIMITS = {
    "api: groups": 1.15,
    "search: no index": 1.2,
    "api: first recognition": 2.6,
    "ingest: first picture": 3.0,
}
"""Times the peer's processor time. face-pack-3's third network takes 0.1 of it
(docs/lab/speed.md)."""

Event = Callable[[], Any]


class Case(Struct, frozen=True):
    """A function's first event, made anew for each start: a signed request may be sent once."""

    name: str
    handler: str
    environ: Mapping[str, str]
    event: Event
    task: Path


class Start(Struct, frozen=True):
    """The time to the first answer, and the processor time that the process took."""

    elapsed_ms: float
    cpu_ms: float


def main() -> None:
    options = parser("cold_start", __doc__)
    options.add_argument(
        "--repeat", type=int, default=7, help="starts of each kind (default: %(default)s)"
    )
    options.add_argument(
        "--splits", type=int, default=3, help="split starts of each (default: %(default)s)"
    )
    options.add_argument(
        "--faces", type=int, default=10_000, help="in the gallery (default: %(default)s)"
    )
    options.add_argument("--only", default="", help="cases whose name begins with this")
    arguments = options.parse_args()
    made = unpack_package()
    with account() as aws, ExitStack() as stack:
        cases = list(_cases(aws, made, arguments.faces, stack))
        wanted = [
            case for case in cases if case.name == PEER or case.name.startswith(arguments.only)
        ]
        rows = _measure_cases(wanted, made.python, arguments.repeat, arguments.splits)
    _report(rows)
    write(rows, arguments.json)


def _cases(aws: Account, made: Unpacked, faces: int, stack: ExitStack) -> Iterator[Case]:
    functions, task = made.functions, made.task

    def environ(name: str) -> dict[str, str]:
        return made.environ(aws, name)

    picture = portraits()[-1]
    settings = Settings.from_environment(environ("Search"))
    credentials = populate(settings, faces, picture)
    search = stack.enter_context(made.make_function("Search", environ("Search")))
    search.call(_search_event(CAMERA))  # warm from here on
    api_environ = stack.enter_context(made.searching(aws, search))
    yield Case("peer: nothing", "peers.nothing", {}, dict, PEERS)
    yield Case(PEER, "peers.one_read", environ("Search"), dict, PEERS)
    for name, event in _requests(credentials, picture).items():
        yield Case(f"api: {name}", functions["APIHandler"]["Handler"], api_environ, event, task)
    for name, tenant in (("search", CAMERA), ("search: no index", CLOUD)):
        yield Case(
            name,
            functions["Search"]["Handler"],
            environ("Search"),
            partial(_search_event, tenant),
            task,
        )
    # The API and the searches are asked by callers, above; the canary waits for the stage's URL.
    for name, function in functions.items():
        if name != "Canary" and function.get("Events"):
            source, *_ = function["Events"].values()
            yield Case(
                _snake(name),
                function["Handler"],
                environ(name),
                partial(_event_of, source["Type"], name),
                task,
            )
    ingest = {**api_environ, **environ("Ingest")}
    first = partial(_of_a_picture, settings, picture)
    yield Case("ingest: first picture", functions["Ingest"]["Handler"], ingest, first, task)


def _requests(credentials: Mapping[str, Credentials], picture: bytes) -> dict[str, Event]:
    def sunmi(name: str, picture: bytes | None = None) -> Any:
        caught = _Caught()
        with suppress(WrongAnswer):
            Sunmi(caught, credentials[CAMERA]).call(name, {}, picture)
        return caught.event

    def icredit() -> Any:
        caught = _Caught()
        with suppress(WrongAnswer):
            Icredit(caught, credentials[CLOUD]).manage("3", GROUP, b"", {"PERSON_TOKEN": "nobody"})
        return caught.event

    def v1() -> Any:
        caught = _Caught()
        caught.request(
            "GET", "/v1/groups", b"", {"Authorization": f"Bearer {credentials[CAMERA].api_key}"}
        )
        return caught.event

    return {
        "groups": lambda: sunmi("getGroupList"),
        "appcode": icredit,
        "v1 groups": v1,
        "first recognition": lambda: sunmi("getFaceByPicture", picture),
    }


class _Caught:
    """A transport that keeps the request, as the gateway's event, in place of sending it."""

    event: Any = None

    def request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        sent = {"Host": "bench", **headers}
        self.event = {
            "resource": path,
            "path": path,
            "httpMethod": method,
            "headers": sent,
            "multiValueHeaders": {name: [value] for name, value in sent.items()},
            "queryStringParameters": None,
            "multiValueQueryStringParameters": None,
            "pathParameters": None,
            "stageVariables": None,
            "requestContext": {
                "resourcePath": path,
                "httpMethod": method,
                "path": path,
                "identity": {},
            },
            "body": base64.b64encode(body).decode("ascii"),
            "isBase64Encoded": True,
        }
        return Reply(0, {}, None, 0.0)


def _search_event(tenant: str) -> Any:
    model = packs.read_pack().manifest.embedding
    probe = np.random.default_rng(1).standard_normal((1, model.dimensions)).astype(np.float32)
    probe /= np.linalg.norm(probe)
    return make_event(tenant, SearchRequest(model.model, probe))


def _event_of(kind: str, function: str) -> Any:
    """Return the event of a function that no client calls.

    Only the index builder's queue message has a body.
    """
    if kind != "SQS":
        return {
            "version": "0",
            "id": "bench",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": "2026-01-01T00:00:00Z",
            "region": "eu-central-1",
            "resources": [],
            "detail": {},
        }
    return _of_queue([json.dumps({"tenant": CAMERA})] if function == "BuildIndex" else [])


def _of_a_picture(settings: Settings, picture: bytes) -> Any:
    return _of_queue([put_by_camera(settings, picture)])


def _of_queue(bodies: Sequence[str]) -> Any:
    records = [
        {
            "messageId": str(number),
            "receiptHandle": "bench",
            "attributes": {"ApproximateReceiveCount": "1"},
            "body": body,
        }
        for number, body in enumerate(bodies)
    ]
    return {"Records": records}


def _measure_cases(
    cases: Sequence[Case], python: Path, repeat: int, splits: int
) -> list[dict[str, Any]]:
    """Start each case once a round, so all have the machine in the same state; the first round
    warms the page cache."""
    starts: dict[str, list[Start]] = {case.name: [] for case in cases}
    for number in range(repeat + 1):
        for case in cases:
            start = _start_case(case, python, None)
            if number:
                starts[case.name].append(start)
    split = {case.name: [_split(case, python) for _ in range(splits)] for case in cases}
    least = {name: min(start.cpu_ms for start in of_case) for name, of_case in starts.items()}
    return [
        {
            "name": name,
            "best_ms": min(start.elapsed_ms for start in of_case),
            "median_ms": statistics.median(start.elapsed_ms for start in of_case),
            "cpu_ms": least[name],
            "of_peer": least[name] / least[PEER],
            "split_ms": {
                kind: min((one[kind] for one in split[name]), default=0.0)
                for kind in (*SPLIT, "rest")
            },
        }
        for name, of_case in starts.items()
    ]


def _split(case: Case, python: Path) -> dict[str, float]:
    told = WORK / "split.json"
    start = _start_case(case, python, told)
    spent = json.loads(told.read_text())
    split = {kind: spent.get(kind, 0.0) for kind in SPLIT}
    return {**split, "rest": start.elapsed_ms - sum(split.values())}


def _start_case(case: Case, python: Path, split: Path | None) -> Start:
    environ = {**environment(case.task, SITE if split else None), **case.environ}
    if split:
        environ["BENCH_SPLIT"] = str(split)
    with Function(python, case.handler, case.task, environ) as function:
        answer, elapsed_ms = function.call(case.event())
    if isinstance(answer, dict) and (
        answer.get("statusCode", 200) != 200 or answer.get("batchItemFailures")
    ):
        raise SystemExit(f"{case.name} answered {answer}")
    return Start(elapsed_ms, function.cpu_ms)


def _report(rows: Sequence[Mapping[str, Any]]) -> None:
    kinds = (*SPLIT, "rest")
    head = f"{'milliseconds':<24}{'best':>6}{'median':>8}{'CPU':>6}{'x peer':>8}{'limit':>6} |"
    print(head + "".join(f"{kind:>13}" for kind in kinds))
    for row in rows:
        limit = LIMITS.get(row["name"], "")
        whole = (
            f"{row['best_ms']:>6.0f}{row['median_ms']:>8.0f}{row['cpu_ms']:>6.0f}"
            f"{row['of_peer']:>8.2f}{limit:>6}"
        )
        print(
            f"{row['name']:<24}{whole} |"
            + "".join(f"{row['split_ms'][kind]:>13.0f}" for kind in kinds)
        )
    print(
        "best, and the split: by the clock, the least; CPU: the process's own, the least; x peer: "
        "of that"
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


if __name__ == "__main__":
    main()
