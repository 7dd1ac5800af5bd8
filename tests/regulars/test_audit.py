import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.privacy.signing import fingerprint
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items, write
from chalicelib.storage.ports import Delete
from regulars.cli import main
from tests.support.audit.desk import forged
from tests.support.audit.shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / "data")
    with closing(made.services):
        made.enrol(1, "anna")
        made.closed()
        made.enrol(2, "ben")
        made.closed()
        yield made


def run(shop: Shop, *arguments: str) -> int:
    return main(["audit", *arguments, "--tenant", "shop", "--data", str(shop.folder)])


def test_a_chain_that_nobody_touched_is_verified_with_the_newest_head(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(shop, "verify") == 0
    said = capsys.readouterr().out
    assert "what is there is unchanged (2 hours, " in said
    assert f"the newest is hour {shop.services.audit.chain.read_end('shop').number}" in said


def test_what_was_erased_what_was_let_go_and_what_is_not_closed_are_listed(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = shop.services.audit
    assert len(audit.erasing.erase("shop", ["ben"], "4561")) == 1
    shop.clock.advance(timedelta(hours=22))
    assert shop.v1.send("PATCH", "/v1/settings", {"audit_days": 1}).status == 200
    assert audit.erasing.trim("shop", 1) == 1
    assert run(shop, "verify") == 0
    said = capsys.readouterr().out
    assert "shop: 1 entry was erased by erasure 4561" in said
    assert "shop: 1 hour expired by audit_days 1" in said
    assert "shop: 3 entries wait to be closed, the first from 2026-03-16T14:10 on" in said


def test_before_anything_is_closed_it_is_said_that_nothing_is_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Shop(tmp_path / "new")
    with closing(made.services):
        made.enrol(1, "anna")
        assert run(made, "verify") == 0
    said = capsys.readouterr().out
    assert "1 entry waits to be closed, from 2026-03-16T10:10 on, and proves nothing yet" in said
    assert "nothing is closed yet (0 hours, 0 entries)" in said


def test_an_audit_that_was_emptied_is_a_finding(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = shop.services.audit
    for element in [*audit.chain.list_elements("shop")]:
        audit.chain.replace_leaves(element, None)
    for blob in [*shop.services.ports.storage.blobs.walk(keys.audit_folder("shop"))]:
        shop.services.ports.storage.blobs.delete(blob.key)
    for partition in (keys.audit_heads("shop"), "shop"):
        gone = [
            (one["tenant"], one["id"])
            for one in walk_items(shop.services.items, keys.AUDIT, partition)
        ]
        write(shop.services.items, [Delete(keys.AUDIT, key) for key in gone])
    assert run(shop, "verify") == 1
    assert "shop: 1 finding (0 hours, 0 entries)" in capsys.readouterr().out


def test_a_changed_entry_is_said_and_the_exit_code_is_1(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = shop.services.audit.chain
    element = next(chain.list_elements("shop"))
    leaves = chain.read_leaves(element)
    chain.replace_leaves(element, [forged(leaves[0]), *leaves[1:]])
    assert run(shop, "verify") == 1
    assert (
        "hour 1 (2026-03-16T09): its entries are not those that it was closed with"
        in capsys.readouterr().out
    )


def test_a_head_that_was_kept_shows_that_the_chain_was_cut_off(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(shop, "head") == 0
    kept = tmp_path / "head.json"
    kept.write_text(capsys.readouterr().out)
    assert run(shop, "verify", "--head", str(kept)) == 0
    document = json.loads(kept.read_text())
    document["statement"]["number"] += 1
    kept.write_text(json.dumps(document))
    assert run(shop, "verify", "--head", str(kept)) == 1
    assert "it was cut off" in capsys.readouterr().out
    kept.write_text("no head")
    assert run(shop, "verify", "--head", str(kept)) == 2


def test_an_export_has_every_head_and_entry_with_its_salt_and_is_never_overwritten(
    shop: Shop, tmp_path: Path
) -> None:
    file = tmp_path / "audit.jsonl"
    assert run(shop, "export", str(file)) == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    heads = [line for line in lines if "statement" in line]
    assert [one["statement"]["number"] for one in heads] == list(range(1, len(heads) + 1))
    assert len(lines) - len(heads) == sum(one["statement"]["count"] for one in heads)
    assert all(line["salt"] and line["entry"] for line in lines if "hash" in line)
    assert run(shop, "export", str(file)) == 1


def test_a_tenant_without_a_closed_hour_has_no_head(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Shop(tmp_path / "new")
    with closing(made.services):
        assert run(made, "head") == 2
    assert "the next sweep closes" in capsys.readouterr().err


def an_export(shop: Shop, path: Path) -> tuple[list[str], str]:
    """Write an export of the shop; return its lines, and the fingerprint of the shop's key."""
    assert run(shop, "export", str(path)) == 0
    return path.read_text().splitlines(), fingerprint(
        shop.services.audit.signing.read_public_keys("shop").current
    )


def test_an_export_is_verified_by_its_key_alone(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.services.audit.erasing.erase("shop", ["ben"], "4561")
    shop.closed()
    _, key = an_export(shop, tmp_path / "audit.jsonl")
    assert main(["audit", "verify", "--file", str(tmp_path / "audit.jsonl"), "--key", key]) == 0
    said = capsys.readouterr().out
    assert "what is there is unchanged (3 hours, " in said
    assert "shop: 1 entry was erased by erasure 4561" in said
    assert (
        main(["audit", "verify", "--file", str(tmp_path / "audit.jsonl"), "--key", "0" * 64]) == 1
    )
    with (tmp_path / "audit.jsonl").open("a") as more:
        more.write('{"open": {"hash": "", "entry": "{\\"what\\": \\"audit erased\\"}"}}')
    assert main(["audit", "verify", "--file", str(tmp_path / "audit.jsonl"), "--key", key]) == 1
    assert "the tenant has not signed that" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line",
    [
        b"\xff",
        b"[" * 100_000,
        b"[1]",
        b'{"open": 1}',
        b'{"open": {"hash": "", "entry": "[1]"}}',
        *(b'{"hash": "", "entry": "%s"}' % text for text in (b"?", b"1", b"[1]")),
    ],
)
def test_what_is_no_line_of_an_export_is_named(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: bytes
) -> None:
    (head, *_), key = an_export(shop, path := tmp_path / "audit.jsonl")
    path.write_bytes(head.encode() + b"\n" + line)
    assert main(["audit", "verify", "--file", str(path), "--key", key]) == 2
    assert (
        "line 2 is none of an export of an audit: `regulars audit export` writes one"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("said", [{"hour": 10**30}, {"hour": 10**16}, {"tenant": "\ud800"}])
def test_a_head_that_none_can_be_is_named(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str], said: dict[str, object]
) -> None:
    (head, *_), key = an_export(shop, path := tmp_path / "audit.jsonl")
    document = json.loads(head)
    path.write_text(json.dumps({**document, "statement": {**document["statement"], **said}}))
    assert main(["audit", "verify", "--file", str(path), "--key", key]) == 2
    assert (
        "line 1 is none of an export of an audit: `regulars audit export` writes one"
        in capsys.readouterr().err
    )


def test_whatever_line_of_an_export_is_changed_dropped_or_swapped_is_found(
    shop: Shop, tmp_path: Path
) -> None:
    lines, key = an_export(shop, tmp_path / "audit.jsonl")
    tried = 0
    for place, line in enumerate(lines):
        others = [*lines[:place], *lines[place + 1 :]]
        for changed in (
            [
                *lines[:place],
                line.replace("shop", "mall").replace("anna", "carl").replace('"by', '"bY'),
                *lines[place + 1 :],
            ],
            others if place < len(lines) - 1 else lines[1:],
            [*others, line],
        ):
            if changed == lines:
                continue
            path = tmp_path / "changed.jsonl"
            path.write_text("\n".join(changed))
            assert main(["audit", "verify", "--file", str(path), "--key", key]) in (1, 2), (
                place,
                line[:200],
            )
            tried += 1
    assert tried >= 2 * len(lines)
