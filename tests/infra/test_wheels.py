"""The wheels of `make dist` outside of a checkout: console, page of the API, kernel, models,
uploader and client."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from collections.abc import Iterator
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from chalicelib.book.search.scan.scan import library_path
from chalicelib.book.vision.packs import packs
from chalicelib.version import VERSION
from infra import sbom
from infra.bundle import NoLibraries
from infra.dependencies import ROOT
from infra.releases import wheels
from tests.support.examples import rest

pytestmark = rest

COMMANDS = ("regulars", "regulars-edge")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands' folder of a new environment with the wheels in it.

    The libraries are this environment's.
    """
    folder = tmp_path_factory.mktemp("installed")
    try:
        built = wheels.build_wheels(folder / "dist")
    except NoLibraries as error:
        pytest.skip(str(error))
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*install, *built], check=True)
    # A path in a .pth file is searched, and .pth files in it are not read: editable installs are
    # not found by it.
    site = next(environment.glob("lib/python*/site-packages"))
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"])
    return environment / "bin"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment with an empty home and nothing of the checkout."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "REGULARS_"))
    }
    return {**kept, "HOME": str(tmp_path), "no_proxy": "127.0.0.1"}


def run(
    command: list[object], folder: Path, environ: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return bytes(answer.read())


def test_what_is_imported_is_the_wheels(
    installed: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    imports = (
        "import app, chalicelib, regulars, regulars_edge, regulars_client, regulars_mqtt; "
        "print(app.__file__, regulars.__file__)"
    )
    done = run([installed / "python", "-c", imports], tmp_path, environ)
    assert done.returncode == 0, done.stderr
    assert all(path.startswith(str(installed.parent)) for path in done.stdout.split())


def test_a_lock_beside_the_wheels_names_ours_by_their_bytes_and_no_place_but_this_folder(
    installed: Path,
) -> None:
    built = installed.parents[1] / "dist"
    ours: set[Path] = set()
    for name, (needs, _) in wheels.LOCKED.items():
        lock = (built / name).read_text()
        options, own = lock.removesuffix(needs.read_text()).split("--only-binary :all:\n")
        assert options == f"# pip install --requirement {name}\n--find-links .\n"
        for project, version, digest in re.findall(
            r"(\w+)==(\S+) \\\n    --hash=sha256:(\w+)\n", own
        ):
            [wheel] = built.glob(f"{project}-{version}-*.whl")
            assert hashlib.sha256(wheel.read_bytes()).hexdigest() == digest
            ours.add(wheel)
    page = (ROOT / "docs" / "install.md").read_text()
    assert all(f"dist/{name}" in page for name in wheels.LOCKED)
    others = [
        path
        for named in re.findall(r"\./(dist/regulars[\w.*-]*\.whl)", page)
        for path in built.parent.glob(named)
    ]
    assert sorted([*ours, *others]) == sorted(built.glob("*.whl"))


def test_what_the_wheel_requires_is_what_its_modules_import(installed: Path) -> None:
    [wheel] = (installed.parents[1] / "dist").glob("regulars-*.whl")
    [one] = distributions(path=[str(wheel)])
    required = {
        canonicalize_name(Requirement(text).name)
        for text in one.requires or ()
        if "extra ==" not in text
    }
    with zipfile.ZipFile(wheel) as archive:
        modules = [
            archive.read(name).decode() for name in archive.namelist() if name.endswith(".py")
        ]
    imported = set(
        re.findall(r"^ *(?:from|import) (?!mypy_)(\w+)", "\n".join(modules), re.MULTILINE)
    )
    brought_by = packages_distributions()
    needed = {canonicalize_name(name) for word in imported for name in brought_by.get(word, ())}
    assert needed - required == {"regulars"}


def test_another_build_gives_the_same_bytes_and_the_sums_are_right(
    installed: Path, tmp_path: Path
) -> None:
    built, mask = installed.parents[1] / "dist", os.umask(0o077)  # files that nobody else may read
    try:
        wheels.build_wheels(tmp_path)
    finally:
        os.umask(mask)
    assert (tmp_path / wheels.SUMS).read_text() == (built / wheels.SUMS).read_text()
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", wheels.SUMS],
        cwd=built,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    parts = {
        part["name"]: part for part in json.loads((built / sbom.NAME).read_text())["components"]
    }
    models = {"yunet_s_dynamic.onnx", "person_retail_0013.onnx"}
    assert {"preact", "onnxruntime", "av", *models} <= parts.keys()
    assert parts["av"]["licenses"] == [{"expression": "BSD-3-Clause AND GPL-3.0-or-later"}]
    assert {name for name, part in parts.items() if not part.get("version")} == {
        "matplotlib",
        "pi-heif",
    }, "have no lock"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_its_version(
    command: str, installed: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    done = run([installed / command, "--version"], tmp_path, environ)
    assert (done.returncode, done.stdout) == (0, f"{command} {VERSION}\n"), done.stderr


@pytest.mark.parametrize("command", ["import", "export", "mqtt"])
def test_the_wheels_beside_it_add_their_commands(
    command: str, installed: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    done = run([installed / "regulars", command, "--help"], tmp_path, environ)
    assert (done.returncode, "--url" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("command", ["evaluate", "calibrate", "models add"])
def test_the_lab_adds_its_commands(
    command: str, installed: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    done = run([installed / "regulars", *command.split(), "--help"], tmp_path, environ)
    assert (done.returncode, "--out" in done.stdout) == (0, True), done.stderr


def test_the_compiled_kernel_is_inside(
    installed: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    if not library_path().is_file():
        pytest.skip("no compiler made this machine's kernel: searches are slow")
    said = (
        "from chalicelib.book.search.scan.scan import load_kernel; print(load_kernel() is not None)"
    )
    assert run([installed / "python", "-c", said], tmp_path, environ).stdout == "True\n"


def test_a_wheel_that_lacks_a_library_says_how_to_get_it(
    installed: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    bare = (
        "import sys; sys.modules['click'] = None; from regulars.__main__ import main; "
        "sys.exit(main())"
    )
    done = run([installed / "python", "-c", bare], tmp_path, environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "regulars: the library click is not installed: install again, as by `pipx "
    )
    assert done.stderr.count("\n") == 1


def test_only_a_checkout_is_deployed(
    installed: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    done = run(
        [installed / "regulars", "deploy", "--stage", "prod", "--dry-run"], tmp_path, environ
    )
    assert done.returncode == 1
    assert "only a checkout can be deployed" in done.stderr


def test_the_models_are_inside_and_nothing_is_fetched(
    installed: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    done = run([installed / "regulars", "models"], tmp_path, environ)
    assert done.returncode == 0, done.stderr
    assert f"of {installed.parent}/" in done.stdout.splitlines()[0]
    shipped = sum(len(packs.read_pack(name=name).files) for name in packs.list_names(None))
    assert done.stdout.count("\n  ok  ") == shipped >= 10
    site = next(installed.parent.glob("lib/python*/site-packages"))
    licences = {
        file.name
        for file in (site / "chalicelib" / "model_packs" / "face-pack-4").glob("LICENSE.*")
    }
    assert licences == {file.name for file in packs.read_pack().folder.glob("LICENSE.*")}
    detector = site / "regulars_edge" / "choose" / "yunet_s_dynamic.onnx"
    assert not detector.is_symlink()
    assert detector.read_bytes() == packs.read_pack().read_content("yunet_s_dynamic.onnx")
    count = site / "regulars_edge" / "count"
    beside = {file.name for file in count.iterdir() if file.suffix != ".py"} - {"__pycache__"}
    assert beside == {
        "person_retail_0013.onnx",
        "manifest.toml",
        "LICENSE.open-model-zoo.txt",
    }
    assert not (count / "LICENSE.open-model-zoo.txt").is_symlink()


@pytest.fixture
def served(installed: Path, tmp_path: Path, environ: dict[str, str]) -> Iterator[str]:
    command = [installed / "regulars", "serve", "--port", "0", "--data", tmp_path / "shop"]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        ready = process.stdout.readline()
        assert ready.startswith("ready http://"), (tmp_path / "log").read_text()
        yield ready.split()[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_the_service_starts_and_shows_its_pages(served: str) -> None:
    assert json.loads(read(f"{served}/ready"))["pack"] == packs.DEFAULT_PACK
    page = read(f"{served}/console").decode()
    files = set(re.findall(r"\./console/[\w/-]+\.[0-9a-f]{12}\.\w+", page))
    assert len(files) > 20
    for file in files:
        assert read(f"{served}/{file.removeprefix('./')}")


@pytest.mark.parametrize(
    ("words", "completed"), [("regulars mod", "models"), ("regulars serve --tls-c", "--tls-cert")]
)
def test_tab_completes_commands_and_options(
    words: str, completed: str, installed: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    asked = {
        "_REGULARS_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    assert completed in run([installed / "regulars"], tmp_path, {**environ, **asked}).stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_completion_that_is_printed_is_good_bash(
    command: str, installed: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    made_by_click = command == "regulars"
    words = [] if made_by_click else ["completion", "bash"]
    more = {"_REGULARS_COMPLETE": "bash_source"} if made_by_click else {}
    done = run([installed / command, *words], tmp_path, {**environ, **more})
    assert done.returncode == 0, done.stderr
    (tmp_path / "completion").write_text(done.stdout)
    sourced = run(["bash", "-c", f". ./completion && complete -p {command}"], tmp_path, environ)
    assert command in sourced.stdout, sourced.stderr
