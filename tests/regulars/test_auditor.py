"""An auditor's own program: written after docs/audit.md alone, with nothing of ours, in some 30
lines."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.privacy.signing import fingerprint
from regulars.cli import main
from tests.support.audit.shop import Shop

AUDITOR = """
import base64, hashlib, json, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
sha = lambda data: hashlib.sha256(data).digest()
form = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False}
canonical = lambda value: json.dumps(value, **form).encode()
def verified(signed):
    key, signature = base64.b64decode(signed["public_key"]), base64.b64decode(signed["signature"])
    assert sha(key).hex() == sys.argv[2], "signed by another key"
    Ed25519PublicKey.from_public_bytes(key).verify(signature, canonical(signed["statement"]))
    return signed["statement"]
def root(nodes):
    half = 1 << (len(nodes) - 1).bit_length() - 1 if len(nodes) > 1 else 0
    return sha(b"\\1" + root(nodes[:half]) + root(nodes[half:])) if half else nodes[0]
hours, erased, bare, upto, before = [], set(), set(), 0, ""
for line in map(json.loads, open(sys.argv[1], encoding="utf-8")):
    if "open" in line:
        erased |= {*verified(json.loads(line["open"]["entry"])["signed"]).get("leaves", ())}
        continue
    hours.append((line, [])) if "statement" in line else hours[-1][1].append(line)
for number, (head, entries) in enumerate(hours, 1):
    said = verified(head)
    assert (said["number"], said["before"]) == (number, before), "an hour is missing"
    for one in entries:
        if one["entry"] is None:
            bare.add(one["hash"])
            continue
        text = b"\\0" + one["salt"].encode() + b"\\0" + one["entry"].encode()
        assert one["hash"] == sha(text).hex(), "an entry was changed"
        if (entry := json.loads(one["entry"]))["what"] in ("audit erased", "audit trimmed"):
            erased |= {*verified(entry["signed"]).get("leaves", ())}
            upto = max(upto, entry["signed"]["statement"].get("upto", 0))
    nodes = [bytes.fromhex(one["hash"]) for one in entries]
    bare |= set() if len(nodes) == said["count"] and root(nodes).hex() == said["root"] else {number}
    before = sha(canonical(said)).hex()
gone = {one for one in bare - erased if not (isinstance(one, int) and one <= upto)}
assert not gone, "an entry is gone"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / "data")
    with closing(made.services):
        for seed, name in enumerate(("anna", "ben", "carla", "dora"), 1):
            made.enrol(seed, name)
            made.enrol(seed + 10, f"{name}s-friend")
            made.closed()
        made.services.audit.erasing.erase("shop", ["carla"], "4561")
        made.clock.advance(timedelta(hours=20))
        assert made.v1.send("PATCH", "/v1/settings", {"audit_days": 1}).status == 200
        assert made.services.audit.erasing.trim("shop", 1) == 2
        made.closed()
        # in an hour that is open
        made.services.audit.erasing.erase("shop", ["bens-friend"], "4562")
        yield made


def test_thirty_lines_written_after_the_page_verify_an_export_and_find_each_change(
    shop: Shop, tmp_path: Path
) -> None:
    assert len(AUDITOR.strip().splitlines()) <= 36, (
        "some thirty, and three that import and name what is used"
    )
    export, program = tmp_path / "audit.jsonl", tmp_path / "auditor.py"
    assert (
        main(["audit", "export", str(export), "--tenant", "shop", "--data", str(shop.folder)]) == 0
    )
    program.write_text(AUDITOR)
    key = fingerprint(shop.services.audit.signing.read_public_keys("shop").current)

    def said(lines: list[str], key: str = key) -> str:
        export.write_text("".join(lines))
        run = subprocess.run(
            [sys.executable, str(program), str(export), key], capture_output=True, text=True
        )
        return run.stderr.strip().rpartition("\n")[2] if run.returncode else "unchanged"

    lines = export.read_text().splitlines(keepends=True)
    entry = next(n for n, one in enumerate(lines) if "dora" in one)
    heads = [n for n, one in enumerate(lines) if "statement" in one]
    assert said(lines) == "unchanged"
    assert said(lines, "0" * 64) == "AssertionError: signed by another key"
    changes: list[tuple[Callable[[list[str]], list[str]], str]] = [
        (
            lambda kept: [*kept[:entry], kept[entry].replace("dora", "mary"), *kept[entry + 1 :]],
            "an entry was changed",
        ),
        (lambda kept: [*kept[: heads[1]], *kept[heads[2] :]], "an hour is missing"),
        (lambda kept: [one for one in kept if "audit erased" not in one], "an entry is gone"),
        (
            lambda kept: [*kept[:entry], kept[entry + 1], kept[entry], *kept[entry + 2 :]],
            "an entry is gone",
        ),
    ]
    for change, finding in changes:
        assert finding in said(change(lines))
