"""`regulars models`: the packs of face models, the places and state of their files, and ways to get them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from chalicelib.vision.packs import packs
from chalicelib.vision.packs.packs import NAMES, FileStatus, Pack, State
from regulars.models import pulling

_MIB = 1024 * 1024


def show(models: Path | None, name: str | None) -> int:
    """Print the packs' files, the place of each, and all places searched."""
    shown = [_pack(models, each) for each in ([name] if name else NAMES)]
    for pack in shown:
        manifest = pack.manifest
        print(f"{manifest.name} {manifest.version}  embedding {manifest.embedding.model}  ({manifest.licence})")
        for status in packs.verify(pack):
            file, found = status.file, _where(status)
            print(f"  {file.name:<48} {file.size_bytes / _MIB:6.1f} MB  {file.licence.split(';')[0]:<11} {found}")
    print("looked in " + ", ".join(str(place) for place in shown[0].places))
    return 0


def check(places: Sequence[Path], name: str | None) -> int:
    """Compare every file with its digest. Return 1 if a file is damaged, even if a good copy of it lies elsewhere.

    Without a name, check every pack that has a file here, or the default pack if none has. A pack that only lacks files
    is an error if no other checked pack is complete.
    """
    every = {each: packs.at(places, each) for each in ([name] if name else NAMES)}
    chosen = [each for each, pack in every.items() if name or _is_begun(pack)] or NAMES[:1]
    statuses = {each: packs.verify(every[each]) for each in chosen}
    incomplete = [each for each in chosen if not _report(each, statuses[each])]
    lacking = [each for each in incomplete if not _damaged(statuses[each])]
    excused = lacking if len(incomplete) < len(chosen) else []
    for each in excused:
        print(f"{each} is not at hand; another pack is, and is used. To get it: {packs.pull_command(each)}")
    bad = [each for each in chosen if each not in excused and (each in incomplete or _damaged(statuses[each]))]
    copies = [path for each in chosen for status in statuses[each] for path in status.passed_over]
    for each in bad:
        print(f"get what is wrong with {each} by: {packs.pull_command(each)}", file=sys.stderr)
    if copies:
        print("remove the damaged copies, or put complete ones in their places: others are used", file=sys.stderr)
    return 1 if bad or copies else 0


def fetch(models: Path | None, name: str | None, *, any_pack: bool) -> int:
    """Get missing and damaged files. Return 1 if a needed file is still missing.

    `any_pack`: try one pack after the other until one is complete, and keep nothing of the others. If a pack is
    complete already, do nothing.
    """
    if any_pack and any(not _absent(models, each) for each in NAMES):
        return 0
    for each in NAMES if any_pack else [name or NAMES[0]]:
        pack = _pack(models, each)
        progress = _show_progress if sys.stderr.isatty() else None
        pull = pulling.pull_complete if any_pack else pulling.pull
        if _report(each, pull(pack, pulling.target_of(pack, models), pulling.Web(progress=progress))):
            return 0
    if not any_pack and name != NAMES[-1]:
        print(f"what package registries alone can give: {packs.pull_command(NAMES[-1])}", file=sys.stderr)
    return 1


def build(models: Path | None, name: str | None, out: Path) -> int:
    """Convert the pack's files again from their sources into `out`. Return 1 if one fails or gives other bytes."""
    pack = _pack(models, name or NAMES[0])
    built = pulling.build(pack, out)
    for made in built:
        outcome = "the pack's own bytes" if made.same else made.detail or "other bytes than the pack's"
        print(
            f"{'same' if made.same else 'differs' if not made.detail else 'failed':<8} {made.file.name:<48} {outcome}"
        )
    same = sum(made.same for made in built)
    print(f"{same} of {len(built)} converted files are, byte for byte, those of {pack.manifest.name}")
    return 0 if same == len(built) else 1


def _pack(models: Path | None, name: str) -> Pack:
    return packs.at(packs.default_places(models), name)


def _where(status: FileStatus) -> str:
    """Return the path of the file in use, and say if it is damaged."""
    if status.path is None:
        return "not found"
    return f"{status.path}" + (" (damaged)" if status.state is State.DAMAGED else "")


def _is_begun(pack: Pack) -> bool:
    return any(pack.candidates(file) for file in pack.files)


def _damaged(statuses: Sequence[FileStatus]) -> bool:
    return any(status.state is State.DAMAGED for status in statuses)


def _absent(models: Path | None, name: str) -> bool:
    return not pulling.complete(packs.verify(_pack(models, name)))


def _report(name: str, statuses: Sequence[FileStatus]) -> bool:
    """Print each file's state; return whether the pack is complete."""
    print(name)
    for status in statuses:
        where = status.detail or (str(status.path) if status.path else "")
        print(f"  {status.state:<8} {status.file.name:<48} {where}".rstrip())
        for path in status.passed_over:
            print(f"  {State.DAMAGED:<8} {'a copy of it, passed over':<48} {path}")
    bad = sum(status.state is not State.OK for status in statuses)
    print(f"  {len(statuses) - bad} of {len(statuses)} files are complete")
    complete = pulling.complete(statuses)
    for status in statuses if complete else ():
        if status.state is not State.OK:
            print(f"  without {status.file.name}, {status.file.without}")
    return complete


def _show_progress(name: str, done_bytes: int, all_bytes: int) -> None:
    end = "\n" if done_bytes >= all_bytes else "\r"
    print(f"{name}  {done_bytes / _MIB:.1f} of {all_bytes / _MIB:.1f} MB", end=end, file=sys.stderr, flush=True)
