"""A box that lacks an extra of the uploader."""

import os
from pathlib import Path

from regulars_edge.update import EXTRAS


def lack(folder: Path, extra: str) -> dict[str, str]:
    """Return an environment in which the extra's package cannot be imported."""
    lacking = folder / "lacking"
    lacking.mkdir()
    (lacking / f"{EXTRAS[extra]}.py").write_text('raise ImportError("it is not installed")')
    path = os.pathsep.join([str(lacking), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path}
