"""A dialect is one folder and one line: no other Python of the product names it, and a further one
needs no change.

The console is not meant: it has words of its own for the programs that people choose among.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.api import dialects
from chalicelib.api.dialects import DIALECTS, NAMES

ROOT = Path(__file__).parents[2]
API = ROOT / "chalicelib/api"
PRODUCT = ("chalicelib", "regulars", "edge/src", "mqtt/src", "transfer/src", "infra")
LIST = Path(dialects.__file__).relative_to(ROOT)
OF_PRODUCTS = (ROOT / "transfer/src",)
"""It takes people over from other products, by the products' own APIs: it names these, and knows
nothing of a dialect."""


def product_files() -> Iterator[Path]:
    paths = [ROOT / "app.py", *(path for name in PRODUCT for path in (ROOT / name).rglob("*.py"))]
    yield from (path for path in paths if not any(map(path.is_relative_to, OF_PRODUCTS)))


def named_in(path: Path) -> set[str]:
    """The dialects that a file names: in an identifier, a text, a comment or a docstring, in any
    case."""
    return {
        found.lower()
        for found in re.findall("|".join(NAMES), path.read_text(encoding="utf-8"), re.IGNORECASE)
    }


def test_no_file_outside_of_its_folder_names_a_dialect() -> None:
    files = list(product_files())
    assert len(files) > 300
    named = {
        path.relative_to(ROOT): names
        - {path.relative_to(API).parts[0] if path.is_relative_to(API) else ""}
        for path in files
        if (names := named_in(path))
    }
    assert {path: names for path, names in named.items() if names} == {LIST: {*NAMES}}


@pytest.mark.parametrize("name", NAMES)
def test_a_dialect_is_a_folder_that_holds_all_of_it(name: str) -> None:
    dialect = dialects.find_dialect(name)
    assert dialect.views.answers_by_path
    assert dialect.limits
    assert dialect.has_canary == (API / name / "canary.py").exists()
    assert {word for word in dialect.services if word in dialects.SERVICES} == {*dialect.services}


def imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


@pytest.mark.parametrize("name", [*NAMES, "v1"])
def test_a_dialect_imports_no_other(name: str) -> None:
    others = tuple(f"chalicelib.api.{one}." for one in (*NAMES, "v1") if one != name)
    imports = {one for path in (API / name).glob("*.py") for one in imported_by(path)}
    assert [one for one in imports if f"{one}.".startswith(others)] == []


def test_the_services_of_dialects_have_names_of_their_own() -> None:
    named = [service for one in DIALECTS for service in one.services]
    assert sorted(named) == sorted({*named})


SIXTH = {
    "__init__.py": """
from msgspec import Struct

from chalicelib.api.dialect import Dialect
from chalicelib.domain.audit_events import Kind
from chalicelib.domain.model import SharedKey
from chalicelib.privacy.reading import Data
from chalicelib.auth.roles import Role
from chalicelib.domain.setting import setting


class Own(Struct, frozen=True):
    greeting: str = setting("hello", "what it says", name="sixth_greeting")


DIALECT = Dialect(
    "sixth",
    "The Sixth",
    ("/sixth/",),
    {"look": Kind.DECISION},
    {"look": (Data.LIKENESS,)},
    services={"sixth": Role.OPERATOR},
    shared_key=SharedKey.APPCODE,
    settings=Own,
)
""",
    "routes.py": """
from chalicelib.api.credentials import KeyCredential, find_by_service_key
from chalicelib.api.http import Refused, Views, make_json_response
from chalicelib.api.sixth import DIALECT, Own


def look(provide, request):
    own = provide().settings.get_dialect_settings(DIALECT.name, Own)
    return make_json_response({"says": own.greeting})


VIEWS = Views(
    lambda error, path: make_json_response({"sixth": str(error)}),
    "There is no such path.",
    Refused(413, "The body is too long."),
    lambda settings, request: KeyCredential(
        find_by_service_key, request.headers.get("x-sixth", "")),
    answers_by_path={"/sixth/look": {"POST": look}},
    make_gateway_fields=lambda error, text: {"sixth": text},
)
""",
    "probe.py": """
from chalicelib.api.probes import Probe, is_done

LIMITS = "none"


def make_probes(keys):
    return [Probe("look", "/sixth/look", is_done, b"x", {"x-sixth": keys["sixth"]})]
""",
}

ASK = """
import json, sys
import chalicelib.api
# where the list has one line more, and its folder lies
chalicelib.api.__path__.insert(0, sys.argv[1])

import app
from chalicelib.api import dialects
from chalicelib.api.probes import Keys
from chalicelib.api.service_keys import add_service_key
from chalicelib.domain.errors import NotFound
from chalicelib.domain.model import Profile
from chalicelib.privacy.reading import kinds_of
from infra.template import make_gateway_answers
from regulars.cli import commands
from chalicelib.settings import name_variable
from regulars.configuration import TABLE
from regulars.serve.callers import Tenants
from regulars.serve.gateway import Gateway
from regulars.serve.messages import Request
from tests.support.api.gateway import send

services = app.provide()
key = services.tenants.add("shop", Profile.CLOUD).api_key
shop = services.tenants.get_by_name("shop")
own = add_service_key(services, shop, "Program", "sixth")
told = services.access.keys.find_by_service_key(own)[1]
services.tenants.note_use(shop, "sixth")
bearer = {"Authorization": f"Bearer {key}"}
listed = send(app.app, "/v1/dialects", method="GET", headers=bearer).json["dialects"]
(ask,) = dialects.find_dialect("sixth").make_probes(Keys(sixth=own))
head = Request(ask.method, ask.path, headers=ask.headers, body=ask.body)
choices = {
    name: {one.name: one.type.choices for one in found.params if hasattr(one.type, "choices")}
    for name, found in (("doctor", commands.commands["doctor"]),
        ("keys", commands.commands["tenants"].commands["keys"].commands["add"]))}
none = Request("POST", "/sixth/none")
print(json.dumps({
    "answer": send(app.app, "/sixth/look").json,
    "front": json.loads(Gateway(app.app).answer_error(none, NotFound("none")).body),
    "caller": Tenants(services).parse_credential(head).prove(head),
    "act": dialects.find_dialect("sixth").make_act("look", "key", shop).kind,
    "tells": list(kinds_of(dialects.find_dialect("sixth").make_act("look", "key", shop))),
    "reads": "sixth look" in dialects.READS,
    "key": [told.service, told.role],
    "shared": [one["id"] for one in listed if one["last_used_at"]],
    "setting": name_variable(TABLE["sixth_greeting"]),
    "doctor": "sixth" in choices["doctor"]["dialect"],
    "for": "sixth" in choices["keys"]["dialect"],
    "gateway": "sixth" in json.dumps(make_gateway_answers()),
}))
"""


def test_a_sixth_dialect_is_a_folder_and_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "sixth"
    folder.mkdir()
    for name, text in SIXTH.items():
        (folder / name).write_text(text, encoding="utf-8")
    listed = (ROOT / LIST).read_text(encoding="utf-8")
    last = f'    "{NAMES[-1]}",\n'
    assert last in listed
    (tmp_path / LIST.name).write_text(
        listed.replace(last, f'{last}    "sixth",\n'), encoding="utf-8"
    )
    environ = {"REGULARS_DATA": str(tmp_path / "data"), "REGULARS_SIXTH_GREETING": "good day"}
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path)],
        env={**environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "answer": {"says": "good day"},
        "front": {"sixth": "none"},
        "caller": "shop",
        "act": "decision",
        "tells": ["likeness"],
        "reads": True,
        "key": ["sixth", "operator"],
        "shared": ["sixth"],
        "setting": "REGULARS_SIXTH_GREETING",
        "doctor": True,
        "for": True,
        "gateway": True,
    }
