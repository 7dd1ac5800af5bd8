"""docs/coming-from.md names calls that there are, here and at Amazon."""

from __future__ import annotations

import re

import yaml
from botocore.loaders import Loader

from tests.docs.session import ROOT

PAGE = (ROOT / "docs/coming-from.md").read_text(encoding="utf-8")
ROWS = PAGE.partition("\n## The calls\n")[2].partition("\n## ")[0].splitlines()


def test_every_call_of_v1_in_the_docs_is_served() -> None:
    paths = yaml.safe_load((ROOT / "docs/api/v1.yaml").read_text(encoding="utf-8"))["paths"]
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    named = {
        call
        for page in [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/tasks/*.md")]
        for call in re.findall(r"`((?:GET|POST|PATCH|DELETE) /v1/[\w/{}.-]+)", page.read_text(encoding="utf-8"))
    }
    assert len(named) > 20
    assert named <= served


def test_every_operation_of_amazons_in_the_table_is_in_its_model() -> None:
    operations = set(Loader().load_service_model("rekognition", "service-2")["operations"])
    named = {name for row in ROWS[3:] if row.startswith("|") for name in re.findall(r"[A-Z]\w+", row.split("|")[2])}
    assert len(named) > 10
    assert named <= operations
