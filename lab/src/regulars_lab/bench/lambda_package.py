"""The unpacked package, a Python like Lambda's, and the environments that the template gives to its
functions."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from infra import package
from infra.target import Target, find_python
from regulars_lab.bench.lambda_account import Account
from regulars_lab.bench.lambda_runtime import Function, environment, invocations

FUNCTION = "AWS::Serverless::Function"

WORK = package.BUILD / "lambda"


class Unpacked(Struct, frozen=True):
    """The package for this machine's processor as it lies in Lambda.

    `template`: what CloudFormation would make.
    """

    python: Path
    task: Path
    template: Mapping[str, Any]

    @property
    def functions(self) -> Mapping[str, Any]:
        """Properties of the functions by their names in the template."""
        return {
            name: r["Properties"]
            for name, r in self.template["Resources"].items()
            if r["Type"] == FUNCTION
        }

    def environ(self, aws: Account, name: str) -> dict[str, str]:
        """Return a function's own part of its environment, as far as the account has what it
        names."""
        shared = self.template["Globals"]["Function"]["Environment"]["Variables"]
        own = self.functions[name].get("Environment", {}).get("Variables", {})
        resolved = {
            variable: aws.resolve_value(value) for variable, value in {**shared, **own}.items()
        }
        return {"AWS_ENDPOINT_URL": aws.url} | {
            variable: value for variable, value in resolved.items() if value
        }

    def make_function(self, name: str, environ: Mapping[str, str]) -> Function:
        """Return a function that runs from its first event on."""
        handler = self.functions[name]["Handler"]
        return Function(
            self.python, handler, self.task, {**environment(self.task, None), **environ}
        )

    @contextmanager
    def searching(self, aws: Account, search: Function) -> Iterator[dict[str, str]]:
        """Give the environment of the api function, which invokes this search function for
        galleries of any size."""
        with invocations(search) as url:
            elsewhere = {"REGULARS_SEARCH_FUNCTION": "Search", "REGULARS_NEAR_FACES": "0"}
            yield {**self.environ(aws, "APIHandler"), **elsewhere, "AWS_ENDPOINT_URL_LAMBDA": url}


def unpack_package() -> Unpacked:
    """Make the package and lay it out as Lambda does. Raises Failed."""
    target = Target("x86_64" if platform.machine() == "x86_64" else "arm64")
    made = package.make_package(target, package.BUILD / target.architecture)
    task = WORK / "task"
    shutil.rmtree(task, ignore_errors=True)
    shutil.unpack_archive(made, task)
    return Unpacked(
        _runtime(target), task, json.loads(made.with_name(package.TEMPLATE).read_text())
    )


def _runtime(target: Target) -> Path:
    """Make a Python like Lambda's, with the runtime interface client and boto3, compiled."""
    folder = WORK / f"python{target.python}"
    python = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        found = find_python(target.python)
        if found is None:
            raise package.NoInterpreter(f"there is no Python {target.python} on PATH or in pyenv")
        subprocess.run([found, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "awslambdaric>=3", "boto3"], check=True
        )
        (folder / "ready").touch()
    return python
