"""What a cold start imports: an endpoint pays for what it uses."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from chalicelib import bootstrap
from chalicelib.core import first_use

# In a process of its own: here everything is imported.
ASK = """
import json, sys
import app
from chalicelib.core.model import Profile
from regulars.clients.client import Sunmi
from tests.api.gateway import FORM, send

class Direct:
    def request(self, method, path, body, headers):
        from regulars.clients.client import Reply
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
HEAVY = {"numpy", "onnxruntime", "PIL", "boto3", "werkzeug", "simsimd"}


def modules_after(code: str, folder: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"REGULARS_DATA": str(folder), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_endpoints_of_groups_load_neither_numbers_nor_models_nor_pictures(tmp_path: Path) -> None:
    loaded = modules_after(ASK, tmp_path)
    assert "chalicelib.services.groups.groups" in loaded
    assert not HEAVY & loaded
    manifests = {f"chalicelib.vision.packs.{name}" for name in ("calibration", "manifest", "pack_files", "packs")}
    naming = {"chalicelib.vision", "chalicelib.vision.packs", *manifests}
    """Of the model that a new tenant is searched with."""
    assert {name for name in loaded if name.startswith(("chalicelib.vision", "chalicelib.index"))} <= naming
    assert (
        not {f"chalicelib.services.{name}" for name in ("recognition.identify", "statistics.amounts", "sweep")} & loaded
    )


def test_the_application_itself_loads_no_client_and_no_use_case(tmp_path: Path) -> None:
    loaded = modules_after("import app, json, sys; print(json.dumps(sorted(sys.modules)))", tmp_path)
    assert not (HEAVY | {"botocore", "sqlite3"}) & loaded
    # whose types the dialects' requests are made of
    types = {
        "chalicelib.services.commit",
        "chalicelib.services.commit.idempotency",
        "chalicelib.services.commit.transaction",
    }
    assert {name for name in loaded if name.startswith("chalicelib.services.")} <= types


def test_every_use_case_is_there_under_the_name_that_it_is_wired_by() -> None:
    source = ast.parse(Path(bootstrap.__file__).read_text(encoding="utf-8"))
    typed = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chalicelib.services.")
        for alias in node.names
    }
    (made,) = [
        node
        for node in ast.walk(source)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "classes"
    ]
    package, *names = [ast.literal_eval(argument) for argument in made.args]
    assert {f"{package}.{name}" for name in names} == typed
    for name in names:
        module, _, use_case = name.rpartition(".")
        assert isinstance(getattr(import_module(f"{package}.{module}"), use_case), type)


def test_what_is_made_at_first_use_is_made_once_and_is_then_that_object() -> None:
    made: list[list[str]] = []

    def make() -> list[str]:
        made.append(["it"])
        return made[-1]

    stand_in = first_use.MadeAtFirstUse(make)
    assert made == []
    stand_in.append("more")
    assert stand_in.copy() == ["it", "more"]
    assert len(made) == 1


def test_what_is_called_is_made_at_the_first_call() -> None:
    stand_in = first_use.MadeAtFirstUse(lambda: "{}, {}".format)
    assert stand_in("one", "other") == "one, other"


def test_a_use_that_fails_fails_again_with_what_is_wrong() -> None:
    construct = first_use.classes("chalicelib.services", "groups.groups.NoSuchClass")["NoSuchClass"]
    stand_in = construct()
    for _ in range(2):
        with pytest.raises(AttributeError, match="NoSuchClass"):
            stand_in.anything()
