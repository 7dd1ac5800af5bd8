"""The merged template, what Chalice packages of an application that has our functions and routes,
and no code, and what SAM translates that into for CloudFormation."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import app
from infra import package, template

# The functions of app.py, without what they do.
APPLICATION = """
from chalice import Chalice, Cron, Rate

app = Chalice(app_name="regulars", configure_logs=False)


def index(**parameters):
    return {}


for path, methods in ROUTES.items():
    app.route(path, methods=methods)(index)


@app.lambda_function(name="search")
def search(event, context):
    return {}


@app.lambda_function(name="canary")
def canary(event, context):
    pass


@app.on_sqs_message(queue_arn="IndexQueue", batch_size=1, name="build_index")
def build_index(event):
    pass


@app.schedule(Cron(7, "*", "*", "*", "?", "*"), name="sweep")
def sweep(event):
    pass


@app.on_sqs_message(queue_arn="CapturesQueue", batch_size=5, name="ingest")
def ingest(event):
    pass


@app.on_sqs_message(queue_arn="DeliveriesQueue", batch_size=10, name="deliver")
def deliver(event):
    pass


@app.schedule(Rate(5, unit=Rate.MINUTES), name="watch")
def watch(event):
    pass
"""


@pytest.fixture(scope="session")
def packaged_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sam.json as `chalice package` writes it with our configuration, policies and merged
    template."""
    folder = tmp_path_factory.mktemp("packaged")
    shutil.copytree(
        package.ROOT / ".chalice", folder / ".chalice", ignore=shutil.ignore_patterns("deploy*")
    )
    routes = {path: [*methods] for path, methods in app.routes.items()}
    (folder / "app.py").write_text(f"ROUTES = {routes}\n{APPLICATION}")
    (folder / "requirements.txt").write_text("")
    template.write_merged(folder / "merge.json")
    chalice = [sys.executable, "-c", "from chalice.cli import main; main()"]
    options = ["--pkg-format", "cloudformation", "--merge-template", "merge.json"]
    done = subprocess.run(
        [*chalice, "package", *options, "out"],
        cwd=folder,
        env={"AWS_DEFAULT_REGION": "eu-central-1", **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    template.write_shipped(folder / "out" / "sam.json", folder / "sam.json")
    return folder / "sam.json"


@pytest.fixture(scope="session")
def packaged(packaged_path: Path) -> dict[str, Any]:
    return json.loads(packaged_path.read_text())


@pytest.fixture(scope="session")
def translated(packaged_path: Path) -> dict[str, Any]:
    """What CloudFormation gets of it: SAM's translator is the one that AWS runs."""
    # its import takes seconds, and each worker imports this module
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    whole = json.loads(packaged_path.read_text())
    for one in whole["Resources"].values():
        if "CodeUri" in one.get("Properties", {}):
            one["Properties"]["CodeUri"] = {"Bucket": "deployments", "Key": "deployment.zip"}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        return Translator({}, Parser()).translate(whole, {})
