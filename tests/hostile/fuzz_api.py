"""Schemathesis against v1 as one box serves it: no server error, no answer or refusal that the
document does not allow.

`python -m tests.hostile.fuzz_api --examples 100 [--include-path /v1/hooks]`
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.bootstrap import build
from chalicelib.domain.model import NewFace, Profile
from chalicelib.settings import Settings
from regulars.serve.gateway import Gateway
from regulars.serve.site import Site
from tests.support.api.stage import make_stage
from tests.support.api.v1.client import V1Client, offer_of
from tests.support.api.v1.document import names_of
from tests.support.box.apps import serving
from tests.support.fakes import RULES, FakeClock, FakeVision, Person, picture

CONFIG = Path(__file__).with_name("schemathesis.toml")
IDS = """
[[operations]]
include-path-regex = '^{path}'
parameters = {{ {parameters} }}
"""
"""Ids that are there. Nothing is deleted in this run: the stateful one deletes what it made."""
LISTS = """
[[operations]]
include-path = [{paths}]
include-method = "GET"
checks.positive_data_acceptance.expected-statuses = [
    "2xx", "3xx", 400, 401, 403, 404, 409, 412, 422, 429, 503
]
"""


def fuzz(folder: Path, examples: int, *more: str, stateful: bool = True) -> tuple[int, str]:
    """Try every operation that deletes nothing so often, with what the document allows, and with
    what it forbids.

    `stateful`: go from answers to the operations that take their ids, too, four times as often,
    since most ways are short. They lead to those that delete, too. Returns the exit code and what
    was printed.
    """
    services = build(Settings(storage=folder / "data"), clock=FakeClock(), vision=FakeVision)
    key = services.tenants.add("shop", Profile.CLOUD).api_key
    app = make_stage(services).app
    client = V1Client(app, key)
    client.add_camera("door")
    capture = client.offer(offer_of(b"x", services.clock.now()))[0]["id"]
    hook = client.done("POST", "/v1/hooks", {"url": "https://shop.example/hook"})["id"]
    shop = services.tenants.get_by_name("shop")
    ids = {
        "/v1/(faces|cameras)/\\{id\\}": '"path.id" = "door"',
        "/v1/hooks/\\{id\\}": f'"path.id" = "{hook}"',
        "/v1/captures/\\{id\\}": (
            f'"path.id" = "{capture}", "query.camera" = "door", "query.book" = "{shop.book}"'
        ),
    }
    lists = [one.path for one in OPERATIONS if {"token", "from"} & {*names_of(one.query)}]
    common = CONFIG.read_text("utf-8") + LISTS.format(
        paths=", ".join(f'"{path}"' for path in lists)
    )
    tables = [IDS.format(path=path, parameters=parameters) for path, parameters in ids.items()]
    known, unknown = folder / "known.toml", folder / "unknown.toml"
    known.write_text(common + "".join(tables), "utf-8")
    unknown.write_text(common, "utf-8")
    for seed, id_ in ((1, "door"), (2, "till")):
        services.enrolment.enrol_largest_face(
            shop, "regular", picture(Person(seed, side_px=90)), RULES, NewFace(faceid=id_)
        )
    each = (
        "--phases",
        "examples,coverage,fuzzing",
        "--exclude-method",
        "DELETE",
        "--max-examples",
        str(examples),
    )
    ways = ("--phases", "stateful", "--max-examples", str(4 * examples))
    runs = [
        ("--config-file", str(known), "run", *each),
        *([("--config-file", str(unknown), "run", *ways)] if stateful else []),
    ]
    with serving(Site(Gateway(app))) as (host, port, _):
        url = f"http://{host}:{port}"
        options = ["--url", url, "--header", f"Authorization: Bearer {key}", *more]
        done = [_run(folder, *run, *options, f"{url}/v1/openapi.json") for run in runs]
    services.close()
    return max(one.returncode for one in done), "".join(one.stdout + one.stderr for one in done)


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "schemathesis.cli", *arguments, "--no-color"]
    return subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100)
    arguments, others = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as made:
        code, printed = fuzz(Path(made), arguments.examples, *others)
    print(printed)
    sys.exit(code)
