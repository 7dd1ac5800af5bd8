"""`regulars models`: the packs of face models, and whether their files are right."""

from __future__ import annotations

import sys
from pathlib import Path

from chalicelib.vision.packs import packs
from chalicelib.vision.packs.packs import Pack, State

_MIB = 1024 * 1024


def check(models: Path | None) -> int:
    """Print the packs with the state of each file, compared by its digest. Return 1 if one is missing or damaged."""
    packs.require_folder(models)
    wrong = [pack for name in packs.names(models) if not _report(pack := packs.at(models, name))]
    for pack in wrong:
        print(f"{pack.manifest.name} is not complete. {packs.remedy(pack)}", file=sys.stderr)
    return 1 if wrong else 0


def _report(pack: Pack) -> bool:
    """Print the pack; return whether it is complete."""
    states = packs.verify(pack)
    print(f"{pack.about}  embedding {pack.manifest.embedding.model}  ({pack.manifest.licence})")
    for file, state in states.items():
        licence = file.licence.split(";")[0]
        print(f"  {state:<8} {file.name:<48} {file.size_bytes / _MIB:6.1f} MB  {licence}")
    if pack.measured:
        print(f"  its curve is the one that you measured, {pack.measured}")
    return set(states.values()) == {State.OK}
