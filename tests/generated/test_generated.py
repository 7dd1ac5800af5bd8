"""Clients that generators of others make of docs/api/v1.yaml do the main jobs against one box.

They enrol, send a capture with its camera, verify, page, and read an error.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openapi_generator_cli
import pytest

from regulars.openapi import PATH
from testing.needs import needed
from tests.support.box.server import Server
from tests.support.examples import rest
from tests.support.npm import NODE, installed
from tests.support.pictures import photos

pytestmark = rest

HERE = Path(__file__).parent
SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Options of Java for a program of seconds: to make its code faster takes longer than to run it."""
PICTURES = [str(photos.FOLDER / name) for name in (*photos.PAIRS[0], photos.OTHER)]


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def require_done(said: str, camera: str) -> None:
    found: dict[str, Any] = json.loads(said)
    assert found == {
        "camera": camera,
        "match": True,
        "pages": ["Ann", "Ben"],
        "code": "FaceNotFound",
    }


def python(box: Server, tmp_path: Path) -> None:
    """Of openapi-python-client."""
    generator = (
        sys.executable,
        "-m",
        "openapi_python_client",
        "generate",
        "--path",
        PATH,
        "--output-path",
        "client",
    )
    run(*generator, folder=tmp_path)
    program = (
        sys.executable,
        HERE / "jobs.py",
        box.url,
        box.credentials("shop").api_key,
        *PICTURES,
    )
    require_done(run("env", f"PYTHONPATH={tmp_path / 'client'}", *program, folder=tmp_path), "gate")


def typescript(box: Server, tmp_path: Path) -> None:
    """Of openapi-typescript: the compiler accepts the program with the types that it makes, and the
    program runs."""
    packages = installed(HERE / "typescript", "generated-typescript") / "node_modules"
    (tmp_path / "node_modules").symlink_to(packages)
    (tmp_path / "jobs.mts").write_text((HERE / "typescript" / "jobs.mts").read_text())
    types = packages / "openapi-typescript" / "bin" / "cli.js"
    run(NODE, types, PATH, "--default-non-nullable=false", "--output", "v1.d.ts", folder=tmp_path)
    compiler = (
        NODE,
        packages / "typescript" / "bin" / "tsc",
        "--strict",
        "--module",
        "nodenext",
        "--target",
        "es2022",
    )
    run(*compiler, "--skipLibCheck", "jobs.mts", folder=tmp_path)
    program = (NODE, tmp_path / "jobs.mjs", box.url, box.credentials("shop").api_key, *PICTURES)
    require_done(run(*program, folder=tmp_path), "door")


def java(box: Server, tmp_path: Path) -> None:
    """Of openapi-generator, compiled with what is in its own archive."""
    archive = str(Path(openapi_generator_cli.__file__).with_name("openapi-generator.jar"))
    java = needed("java")
    # A form's models are made too, since the client imports them.
    parts = "models,apis,supportingFiles,modelTests=false,apiTests=false,skipFormModel=false"
    # One object holds a call's parameters, so that a new one changes no caller.
    options = "openApiNullable=false,hideGenerationTimestamp=true,useSingleRequestParameter=static"
    chosen = ("--additional-properties", options)
    generate = (
        "-jar",
        archive,
        "generate",
        "-g",
        "java",
        "--library",
        "native",
        "-i",
        PATH,
        "-o",
        "client",
    )
    run(java, *SHORT_LIVED, *generate, "--global-property", parts, *chosen, folder=tmp_path)
    sources = [
        *(tmp_path / "client" / "src" / "main").rglob("*.java"),
        *(HERE / "java").rglob("*.java"),
    ]
    compiler = (
        needed("javac"),
        *(f"-J{option}" for option in SHORT_LIVED),
        "-proc:none",
        "-nowarn",
    )
    run(*compiler, "-cp", archive, "-d", "classes", *sources, folder=tmp_path)
    places = os.pathsep.join(("classes", archive))
    program = (
        java,
        *SHORT_LIVED,
        "-cp",
        places,
        "Jobs",
        box.url,
        box.credentials("shop").api_key,
        *PICTURES,
    )
    require_done(run(*program, folder=tmp_path), "yard")


@pytest.mark.parametrize("made", [python, typescript, java])
def test_a_generators_client_does_the_main_jobs(
    made: Callable[[Server, Path], None], box: Server, tmp_path: Path
) -> None:
    made(box, tmp_path)
