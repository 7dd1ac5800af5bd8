"""The package of the application for Lambda: `python -m infra.package` writes build/deployment.zip
and build/sam.json.

Chalice makes the template and picks its own and our modules; the dependencies, the models and the
search kernel come beside them (infra/dependencies.py). Skips, with one line, if there is no Python
of the target's version.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from importlib import resources
from importlib.metadata import entry_points
from pathlib import Path

from chalicelib.api.dialects import GROUP
from chalicelib.book.search.scan import build_kernel
from chalicelib.book.search.scan.scan import library_path
from chalicelib.book.vision.packs import manifest as manifests
from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.packs import Pack
from infra import bundle, dependencies, sbom, template
from infra.bundle import copy_parts
from infra.dependencies import ROOT, Failed
from infra.target import ARCHITECTURES, Target, find_python
from regulars.deploy.package import ARCHIVE, TEMPLATE, find_shipped_packs
from regulars.libraries import list_console_libraries

BUILD = ROOT / "build"
STAGE = BUILD / "stage"
VENVS = BUILD / "chalice"
MERGE = BUILD / "merge.json"

_STAGED = ("app.py", "chalicelib", ".chalice/config.json", ".chalice/policies")


class NoInterpreter(Failed):
    """There is no Python of the target's version here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Package by the arguments of the command line.

    Return 1 if that failed, or was `--required` and skipped.
    """
    parser = argparse.ArgumentParser(
        "python -m infra.package", description="package the application for Lambda"
    )
    parser.add_argument("--architecture", choices=ARCHITECTURES, default=ARCHITECTURES[0])
    parser.add_argument("--out", type=Path, default=BUILD, help="folder (default: build)")
    parser.add_argument(
        "--models", type=Path, help="folder of packs of one's own (default: $REGULARS_MODELS)"
    )
    parser.add_argument(
        "--pack", action="append", default=[], metavar="NAME", help="pack to ship, too; repeat it"
    )
    parser.add_argument(
        "--required", action="store_true", help="fail if there is no Python of that version"
    )
    options = parser.parse_args(arguments)
    target = Target(options.architecture)
    try:
        make_package(target, options.out, options.models, options.pack)
    except NoInterpreter as error:
        _print_line(f"package: {'FAILED' if options.required else 'skipped'}: {error}")
        return int(options.required)
    except (Failed, packs.MissingModel) as error:
        _print_line(f"package: FAILED: {error}")
        return 1
    return 0


def make_package(
    target: Target, out: Path = BUILD, models: Path | None = None, names: Sequence[str] = ()
) -> Path:
    """Make the package of this checkout. Return its archive, beside which lies the template.

    `models`: the folder of the operator's own packs; None: the one of $REGULARS_MODELS, if it is
    set. `names`: of the packs to ship beside the program's; none: the one of $REGULARS_PACK, if it
    is set. New tenants get the first one. Raises NoInterpreter if there is no Python of the
    target's version, Failed, MissingModel.
    """
    python = find_python(target.python)
    if python is None:
        raise NoInterpreter(f"there is no Python {target.python} on PATH or in pyenv")
    shipped = find_shipped_packs(models, names, os.environ)
    _require_kernel(target)
    _assemble_package(target, python, out, shipped)
    sizes = bundle.check_bundle(out / ARCHIVE, target, shipped)
    packs_in_it = ", ".join(pack.manifest.name for pack in shipped)
    _print_line(f"package: made, {out / ARCHIVE} for {target.name} with {packs_in_it}: {sizes}")
    return out / ARCHIVE


def _assemble_package(target: Target, python: Path, out: Path, shipped: Sequence[Pack]) -> None:
    """Write the archive and the template into `out`.

    `python`: of the target's version; `shipped`: packs to ship.
    """
    libraries = dependencies.install_libraries(target, python)
    chalice = _install_chalice(target, python)
    application = _package_by_chalice(target, chalice, libraries)
    dependencies.compile_modules(application, python)
    sbom.write_package_bill(
        application / sbom.NAME,
        libraries,
        _find_site_packages(chalice),
        shipped,
        list_console_libraries(),
    )
    models = {name: path for pack in shipped for name, path in _list_pack_files(pack).items()}
    files = {
        **bundle.list_files_below(libraries),
        **bundle.list_files_below(application),
        **models,
        **bundle.list_console_files(),
    }
    bundle.write_archive(out / ARCHIVE, files)
    template.write_shipped(STAGE / "out" / TEMPLATE, out / TEMPLATE)


def _package_by_chalice(target: Target, chalice: Path, libraries: Path) -> Path:
    """Make a folder of our code and Chalice's own as Chalice ships it; the template lies beside."""
    _stage_checkout(target)
    template.write_merged(MERGE)
    options: list[str | Path] = [
        "--pkg-format",
        "cloudformation",
        "--merge-template",
        MERGE,
        STAGE / "out",
    ]
    # Chalice imports the application to know its functions. Libraries of another processor do for
    # that, since nothing compiled is imported before it is used; they come after Chalice's own,
    # some of which are pruned there.
    (_find_site_packages(chalice) / "libraries.pth").write_text(f"{libraries}\n")
    # It asks for a region to name the service principal, the same in all.
    variables = {"PYTHONDONTWRITEBYTECODE": "1", "AWS_DEFAULT_REGION": "us-east-1"}
    dependencies.run_command([chalice, "package", *options], cwd=STAGE, variables=variables)
    application = STAGE / "application"
    shutil.unpack_archive(STAGE / "out" / ARCHIVE, application)
    return application


def _install_chalice(target: Target, python: Path) -> Path:
    """Return Chalice's command, installed for the target's Python: it packages for the Python that
    runs it.

    It is installed anew only if its lock or the Python has changed.
    """
    venv = VENVS / f"python{target.python}"
    stamp, inputs = venv / "inputs", f"{python}\n{dependencies.CHALICE.read_text(encoding='utf-8')}"
    if not (stamp.is_file() and stamp.read_text() == inputs):
        shutil.rmtree(venv, ignore_errors=True)
        dependencies.run_command([python, "-m", "venv", venv])
        quiet = ["--quiet", "--disable-pip-version-check"]
        dependencies.run_command(
            [
                venv / "bin" / "python",
                "-m",
                "pip",
                "install",
                *quiet,
                *dependencies.make_lock_options(dependencies.CHALICE),
            ]
        )
        stamp.write_text(inputs)
    return venv / "bin" / "chalice"


def _find_site_packages(command: Path) -> Path:
    """Return the site-packages of the virtual environment that a command is in."""
    (packages,) = command.parent.parent.glob("lib/python*/site-packages")
    return packages


def _stage_checkout(target: Target) -> None:
    """Copy what is shipped and nothing else, for the target's processor.

    Requirements and packs come beside it.
    """
    shutil.rmtree(STAGE, ignore_errors=True)
    kernels = {library_path(Target(name).machine).name for name in ARCHITECTURES} - {
        library_path(target.machine).name
    }
    left_out = shutil.ignore_patterns("__pycache__", "*.part", "model_packs", *kernels)
    copy_parts(_STAGED, STAGE, left_out)
    copy_dialects(STAGE / "vendor")  # what lies in it, Chalice ships beside the application
    settings = STAGE / ".chalice" / "config.json"
    config = json.loads(settings.read_text(encoding="utf-8"))
    config["lambda_architecture"] = target.architecture
    settings.write_text(json.dumps(config), encoding="utf-8")
    (STAGE / "requirements.txt").touch()


def copy_dialects(folder: Path) -> None:
    """Copy the packages of the installed dialects into a folder, and the entry points by which the
    service finds them."""
    left_out = shutil.ignore_patterns("__pycache__")
    for point in entry_points(group=GROUP):
        if one := point.dist:
            info = folder / f"{one.name.replace('-', '_')}-{one.version}.dist-info"
            info.mkdir(parents=True, exist_ok=True)
            text = one.read_text("entry_points.txt") or ""
            (info / "entry_points.txt").write_text(text, encoding="utf-8")
        package = point.module.partition(".")[0]
        if not (ROOT / package).is_dir():  # what is ours is copied besides
            source = str(resources.files(package))
            shutil.copytree(source, folder / package, ignore=left_out, dirs_exist_ok=True)


def _list_pack_files(pack: Pack) -> dict[str, Path]:
    """Return the pack's files by their names in the zip.

    Raises MissingModel if one is not what the manifest names.

    A curve that was measured here goes in the place of the pack's own.
    """
    curve = manifests.read_table(pack.folder)["calibration"]
    licences = [file.name for file in pack.folder.glob("LICENSE*")]
    own_files = [
        file.name for file in pack.files if pack.find_path(file.name).parent == pack.folder
    ]
    files = {name: pack.folder / name for name in ("manifest.toml", curve, *licences, *own_files)}
    for file in pack.files:
        pack.read_content(file.name)  # which compares it with its digest
    files[curve] = pack.measured or files[curve]
    if population_file := pack.manifest.measured.rows:
        files[packs.BESIDE_A_CURVE] = population_file
    return {f"{bundle.PACKS}/{pack.manifest.name}/{name}": path for name, path in files.items()}


def _require_kernel(target: Target) -> None:
    compiled = library_path(target.machine)
    source = Path(build_kernel.__file__).with_name("kernel.c")
    if compiled.is_file() and compiled.stat().st_mtime >= source.stat().st_mtime:
        return
    if build_kernel.build(target.machine) is None:
        raise Failed(
            f"the search kernel was not compiled for {target.machine}: pip install --group kernel"
        )


def _print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
