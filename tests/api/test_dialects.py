"""A dialect is one package, found by an entry point: no other Python of the product names it, and a
further one needs no change.

The console is not meant: it has words of its own for the programs that people choose among.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from chalicelib.api import dialects
from chalicelib.api.dialects import DIALECTS, NAMES

ROOT = Path(__file__).parents[2]
PRODUCT = ("chalicelib", "regulars", "edge/src", "mqtt/src", "transfer/src", "infra")
OF_PRODUCTS = (ROOT / "transfer/src",)
"""It takes people over from other products, by the products' own APIs: it names these, and knows
nothing of a dialect."""


def folder_of(name: str) -> Path:
    spec = find_spec(dialects.find_dialect(name).package)
    assert spec is not None
    return Path(str(spec.origin)).parent


def product_files() -> Iterator[Path]:
    paths = [ROOT / "app.py", *(path for name in PRODUCT for path in (ROOT / name).rglob("*.py"))]
    yield from (path for path in paths if not any(map(path.is_relative_to, OF_PRODUCTS)))


def named_in(path: Path) -> set[str]:
    """The dialects that a file names: in an identifier, a text, a comment or a docstring, in any
    case. The name of the wheel is none."""
    text = path.read_text(encoding="utf-8")
    return {found.lower() for found in re.findall("|".join(NAMES), text, re.IGNORECASE)}


def test_no_file_outside_of_its_package_names_a_dialect() -> None:
    files = list(product_files())
    assert len(files) > 300
    folders = {name: folder_of(name) for name in NAMES}
    assert not {
        path.relative_to(ROOT): names
        for path in files
        if (names := {one for one in named_in(path) if not path.is_relative_to(folders[one])})
    }


def test_the_product_comes_with_five() -> None:
    assert set(NAMES) == {"sunmi", "icredit", "rekognition", "compreface", "deepstack"}


@pytest.mark.parametrize("name", NAMES)
def test_a_dialect_is_a_package_that_holds_all_of_it(name: str) -> None:
    dialect = dialects.find_dialect(name)
    assert dialect.views.answers_by_path
    assert dialect.limits
    assert dialect.has_canary == (folder_of(name) / "canary.py").exists()
    assert {word for word in dialect.services if word in dialects.SERVICES} == {*dialect.services}


def imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


@pytest.mark.parametrize("name", NAMES)
def test_a_dialect_imports_no_other(name: str) -> None:
    packages = [dialects.find_dialect(one).package for one in NAMES if one != name]
    others = tuple(f"{one}." for one in (*packages, "chalicelib.api.v1"))
    imports = {one for path in folder_of(name).glob("*.py") for one in imported_by(path)}
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
    __name__,
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
from regulars_sixth import DIALECT, Own


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


def declare(folder: Path, distribution: str, *points: str) -> None:
    """Write what installing a distribution leaves of its entry points."""
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    lines = ["[console_scripts]", "other = other:main", "", f"[{dialects.GROUP}]", *points, ""]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def test_a_sixth_dialect_is_a_package_with_an_entry_point(tmp_path: Path) -> None:
    folder = tmp_path / "regulars_sixth"
    folder.mkdir()
    for name, text in SIXTH.items():
        (folder / name).write_text(text, encoding="utf-8")
    declare(tmp_path, "regulars_sixth", "sixth = regulars_sixth:DIALECT")
    environ = {"REGULARS_DATA": str(tmp_path / "data"), "REGULARS_SIXTH_GREETING": "good day"}
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
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


def test_entry_points_are_those_of_our_group_by_name(tmp_path: Path) -> None:
    declare(tmp_path / "a", "regulars_two", "zoo = two.zoo:DIALECT", "bar=two.bar:DIALECT")
    declare(tmp_path / "a", "others", "not = ours:DIALECT")
    (tmp_path / "a" / "regulars_none-1.0.dist-info").mkdir()
    declare(tmp_path / "b", "regulars_two", "zoo = hidden:DIALECT")
    folders = [str(tmp_path / name) for name in ("none", "a", "b")]
    assert dialects.list_entry_points(folders) == {
        "bar": "two.bar:DIALECT",
        "zoo": "two.zoo:DIALECT",
    }


def test_two_distributions_with_one_dialect_are_refused(tmp_path: Path) -> None:
    for name in ("regulars_one", "regulars_two"):
        declare(tmp_path, name, f"door = {name}:DIALECT")
    with pytest.raises(ImportError, match=r"two distributions have the dialect 'door': uninstall"):
        dialects.list_entry_points([str(tmp_path)])
