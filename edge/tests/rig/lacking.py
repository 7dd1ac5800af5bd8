"""A box that lacks a package."""

import os
from pathlib import Path


def lack(folder: Path, module: str) -> dict[str, str]:
    """Return an environment in which a module cannot be imported."""
    lacking = folder / "lacking"
    lacking.mkdir()
    (lacking / f"{module}.py").write_text('raise ImportError("it is not installed")')
    path = os.pathsep.join([str(lacking), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path}
