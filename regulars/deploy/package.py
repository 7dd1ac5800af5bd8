"""The package that a deployment uploads: its model packs, and its making by the checkout's
infra/package.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.packs import Pack
from regulars.errors import NotDeployed

ARCHIVE, TEMPLATE = "deployment.zip", "sam.json"
"""Files of a package, in its folder."""

_USUAL = "arm64"
"""The target that `make package` packages for, into `build` itself."""

_CHECKOUT = Path(__file__).resolve().parents[2]


def find_shipped_packs(
    models: Path | None, names: Sequence[str], environ: Mapping[str, str]
) -> tuple[Pack, ...]:
    """Find the packs that a package has: those of these names, and all of the program's own.

    Raises MissingModel.

    `models`: folder of packs of one's own; None: that of $REGULARS_MODELS, if set. No names: that
    of $REGULARS_PACK, if set. The first pack is that of new tenants.
    """
    wanted_names = names or filter(None, [environ.get("REGULARS_PACK")])
    all_names = dict.fromkeys([*wanted_names, *packs.list_names(None)])
    return tuple(packs.find(models or _find_own_packs(environ), name) for name in all_names)


def _find_own_packs(environ: Mapping[str, str]) -> Path | None:
    """Return the folder that the environment names, as seen from here."""
    folder = environ.get("REGULARS_MODELS")
    return Path(folder) if folder else None


def list_pack_options(
    models: Path | None, names: Sequence[str], environ: Mapping[str, str]
) -> list[str]:
    """Return the packaging's options for these packs: it runs in the checkout, wherever a relative
    folder is."""
    folder = models or _find_own_packs(environ)
    options = [option for name in names for option in ("--pack", name)]
    return [*options, "--models", str(folder.resolve())] if folder else options


def read_parameters() -> dict[str, Any]:
    """Return the rules of the checkout's parameters, by their names, without packaging it.

    Raises NotDeployed.
    """
    merged: dict[str, Any] = json.loads(_run_in_checkout("infra.template", []))
    rules: dict[str, Any] = merged["Parameters"]
    return rules


def package_checkout(architecture: str, models: Path | None, shipped: Sequence[Pack]) -> Path:
    """Package the checkout as `make package` does, and return the folder of it.

    Raises NotDeployed.
    """
    out = _CHECKOUT / "build"
    if architecture != _USUAL:
        out /= architecture
    options = ["--architecture", architecture, "--out", str(out), "--required"]
    _run_in_checkout(
        "infra.package",
        [
            *options,
            *list_pack_options(models, [pack.manifest.name for pack in shipped], os.environ),
        ],
    )
    return out


def _run_in_checkout(module: str, options: Sequence[str]) -> str:
    """Run a module of the checkout; return what it printed. Raises NotDeployed."""
    if not (_CHECKOUT / "infra" / "package.py").is_file():
        raise NotDeployed(
            "only a checkout can be deployed: clone the repository and run `regulars deploy` there"
        )
    run = subprocess.run(  # noqa: S603 -- our own command
        [sys.executable, "-m", module, *options],
        cwd=_CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise NotDeployed(f"nothing was packaged: {run.stdout}{run.stderr}".rstrip())
    return run.stdout
