"""What a cold start imports: an endpoint pays for what it uses."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from inspect import getattr_static
from pathlib import Path
from typing import Any

import pytest

import app
from chalicelib.api.application import Application
from chalicelib.api.dialect import Dialect
from chalicelib.api.dialects import DIALECTS, NAMES, find_owner
from chalicelib.book.book import Book
from chalicelib.bootstrap import build
from chalicelib.domain.model import Profile
from chalicelib.lazy import lazy
from chalicelib.services import Services
from chalicelib.settings import Settings
from infra.arrows import read_all_services
from tests.support.api.gateway import send
from tests.support.fakes import FakeVision

ROOT = Path(__file__).parents[2]

# In a process of its own: here everything is imported.
ASK = """
import json, sys
import app
from chalicelib.domain.model import Profile
from tests.support.api.over_http import Sunmi
from tests.support.api.gateway import FORM, send

class Direct:
    def request(self, method, path, body, headers):
        from regulars.clients import Reply
        reply = send(app.app, path, body, content_type=FORM)
        return Reply(reply.status, {}, reply.json, 0.0)

before = set(sys.modules)
credentials = app.provide().tenants.add("shop", Profile.CAMERA)
client = Sunmi(Direct(), credentials)
for name, parameters in (
    ("createGroup", {"name": "new", "capacity": 5, "description": ""}),
    ("updateGroup", {"old_name": "new", "name": "newer", "capacity": 6, "description": ""}),
    ("getGroupList", {}),
    ("addFaceInfoItem", {"group_name": "newer", "num": 1, "name_list": '["hobby"]'}),
    ("getFaceInfoItem", {"group_name": "newer"}),
    ("removeFaceInfoItem", {"group_name": "newer", "num": 1, "name_list": '["hobby"]'}),
    ("updateMigration", {"arrive_times": 3, "period": 30}),
    ("deleteGroup", {"name": "newer"}),
):
    reply = client.call(name, parameters)
    assert reply.code == 0, (name, reply)
print(json.dumps(sorted(sys.modules)))
"""
OF_V1 = """
import json, sys
import app
from chalicelib.domain.model import Profile
from tests.support.api.gateway import send

key = app.provide().tenants.add("shop", Profile.CAMERA).api_key
reply = send(app.app, "/v1/groups", method="GET", headers={"Authorization": f"Bearer {key}"})
assert reply.status == 200, reply
print(json.dumps(sorted(sys.modules)))
"""
OF_SEARCH = """
import json, sys
import numpy as np
from types import SimpleNamespace
from chalicelib import search_function
from chalicelib.storage.aws.search import make_event
from chalicelib.domain.rules.decision import SearchRequest

event = make_event("shop", SearchRequest("fake", np.zeros((1, 8), np.float32)))
answer = search_function.search(event, SimpleNamespace(aws_request_id="1", function_name="search"))
assert answer["gallery_size"] == 0, answer
print(json.dumps(sorted(sys.modules)))
"""
SLOW = {
    "chalicelib.domain.captures",
    "chalicelib.domain.events",
    "chalicelib.domain.observations",
    "chalicelib.domain.rules.visits",
    "chalicelib.domain.webhooks",
}
"""Modules of many dataclasses, a millisecond each."""
HEAVY = {"numpy", "onnxruntime", "PIL", "boto3", "werkzeug"}


def printed_by(code: str, folder: Path, **environ: str) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"REGULARS_DATA": str(folder), "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def modules_after(code: str, folder: Path) -> set[str]:
    return set(printed_by(code, folder)[-1])


def test_the_endpoints_of_groups_load_neither_numbers_nor_models_nor_pictures(
    tmp_path: Path,
) -> None:
    loaded = modules_after(ASK, tmp_path)
    assert "chalicelib.book.groups" in loaded
    assert not (HEAVY | SLOW) & loaded
    naming = {
        "chalicelib.book.vision",
        "chalicelib.book.vision.packs",
        "chalicelib.book.vision.packs.manifest",
        "chalicelib.book.vision.packs.packs",
    }
    """Of the model that a new tenant is searched with."""
    assert {
        name
        for name in loaded
        if name.startswith(("chalicelib.book.vision", "chalicelib.book.search"))
    } <= naming
    busy = {"chalicelib.book.recognition.recognition", "chalicelib.book.statistics.statistics"}
    assert not {*busy, "chalicelib.sweep"} & loaded


def test_a_list_of_groups_by_v1_loads_as_little(tmp_path: Path) -> None:
    loaded = modules_after(OF_V1, tmp_path)
    assert "chalicelib.api.v1.groups" in loaded
    assert not (HEAVY | SLOW) & loaded
    assert "chalicelib.api.v1.validation" not in loaded


def test_a_search_loads_neither_services_nor_the_audit(tmp_path: Path) -> None:
    services = build(Settings(storage=tmp_path), vision=FakeVision)
    services.tenants.add("shop", Profile.CAMERA)
    services.close()
    loaded = modules_after(OF_SEARCH, tmp_path)
    assert "chalicelib.book.search.galleries" in loaded
    assert (
        not {"chalicelib.services", "chalicelib.book.book", "chalicelib.privacy.audit.audit"}
        & loaded
    )


def test_the_application_itself_loads_no_client_and_no_use_case(tmp_path: Path) -> None:
    loaded = modules_after(
        "import app, json, sys; print(json.dumps(sorted(sys.modules)))", tmp_path
    )
    assert not (HEAVY | {"botocore", "sqlite3"}) & loaded
    assert "chalicelib.api.v1.endpoint" not in loaded, (
        "the modules of v1 are loaded by the first request to them"
    )
    # whose types the dialects' requests are made of
    types = {"chalicelib.book.idempotency", "chalicelib.domain.face_sets"}
    services = {*read_all_services().values()}
    assert len(services) > 25
    assert services & loaded <= types


WITH_PATHS = [one for one in DIALECTS if not one.is_at_root]

ON_LAMBDA = """
import json, os, sys
import app
from tests.support.api.gateway import send

print(json.dumps(sorted(sys.modules)))
for path in json.loads(os.environ["PATHS"]):
    send(app.app, path)
print(json.dumps(sorted(app.app.routes)))
"""


def test_a_function_loads_a_dialect_at_the_first_request_to_it_with_all_of_its_routes(
    tmp_path: Path,
) -> None:
    paths = [next(path for path in app.app.routes if one.owns(path)) for one in WITH_PATHS]
    said = {"PATHS": json.dumps(paths), "AWS_LAMBDA_FUNCTION_NAME": "api"}
    loaded, *_, routes = printed_by(ON_LAMBDA, tmp_path, **said)
    assert not {f"chalicelib.api.{name}.routes" for name in NAMES} & set(loaded)
    assert routes == sorted(app.app.routes)


def test_a_dialect_that_failed_to_load_is_loaded_at_the_next_request_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = Application("api")
    own.register_dialects(app.provide, at_once=False)
    with monkeypatch.context() as broken:
        broken.setitem(sys.modules, "chalicelib.api.icredit.routes", None)
        with pytest.raises(ImportError):
            send(own, "/icredit/face/manage")
    send(own, "/icredit/face/manage")
    assert {path for path in app.app.routes if path.startswith("/icredit/")} <= {*own.routes}


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_each_path_of_a_dialect_is_known_for_its_own(dialect: Dialect) -> None:
    own = Application(dialect.name)
    own.register_blueprint(dialect.make_blueprint(app.provide))
    assert own.routes
    assert [path for path in own.routes if find_owner(path) is not dialect] == []


def made_later(kind: type) -> list[str]:
    return [name for name in dir(kind) if isinstance(getattr_static(kind, name), lazy)]


@pytest.mark.parametrize("name", made_later(Services))
def test_each_service_and_all_that_is_in_it_can_be_made_first(tmp_path: Path, name: str) -> None:
    alone = build(Settings(storage=tmp_path / "alone"), vision=FakeVision)
    service = getattr(alone, name)
    inside = ((service, inner) for inner in made_later(type(service)))
    for owner, attribute in ((alone, name), *inside):
        made = getattr(owner, attribute)
        assert getattr(owner, attribute) is made
    alone.close()


def test_a_new_class_enlarges_its_service_and_not_the_book() -> None:
    assert len(made_later(Book)) <= 26
    assert len(made_later(Services)) <= 40


class Desk:
    def __init__(self) -> None:
        self.made = 0

    @lazy
    def drawer(self) -> list[str]:
        self.made += 1
        if self.made == 1:
            raise OSError("it is stuck")
        return []


def test_what_is_made_once_is_then_that_object_in_all_threads() -> None:
    desk = Desk()
    with pytest.raises(OSError, match="stuck"):
        _ = desk.drawer
    with ThreadPoolExecutor(8) as threads:
        drawers = list(threads.map(lambda _: desk.drawer, range(64)))
    assert {id(drawer) for drawer in drawers} == {id(desk.drawer)}
    assert desk.made == 2
