"""Random histories of acts, closings, erasures and retention verify; after any attack they do
not."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tenant_settings import AUDIT_DAYS
from chalicelib.privacy.audit_entries import (
    DAYS,
    Document,
    compute_root,
    entry_put,
    leaf_of,
    new_entry,
)
from chalicelib.privacy.signing import canonical_json
from chalicelib.storage import keys
from chalicelib.storage.items import write
from chalicelib.storage.ports import Put
from chalicelib.storage.values import time_text
from tests.privacy.audit.steps import STEPS, Step, a_chain, play, settle
from tests.support.audit.desk import (
    HOUR,
    SETS,
    TENANT,
    Desk,
    desk,
    desk_at,
    forged,
    open_items,
    signed_by_another,
)
from tests.support.examples import examples

EXAMPLES_TRIED, ALL_EXAMPLES = 40, 2_000


@examples(EXAMPLES_TRIED, ALL_EXAMPLES)
@given(STEPS)
def test_whatever_is_done_the_chain_verifies_and_no_entry_is_lost_or_stands_twice(
    steps: list[Step],
) -> None:
    with desk() as made:
        written = play(made, [step for step in steps if step[0] not in ("erase", "trim")])
        settle(made)
        found = Counter(str(entry["id"]) for entry in made.entries() if "renewal" not in entry)
        assert made.verify().findings == []
        assert found == Counter(written)
        assert open_items(made) == []


@examples(EXAMPLES_TRIED, ALL_EXAMPLES)
@given(STEPS)
def test_whatever_is_done_nobody_who_was_erased_is_named_and_the_chain_verifies(
    steps: list[Step],
) -> None:
    with desk() as made:
        play(made, steps)
        made.erasing.erase(TENANT, ["anna"], "1")
        settle(made)
        assert made.verify().findings == []
        stored = [made.blobs.get(blob.key) or b"" for blob in made.blobs.walk("")]
        assert not any(b'"anna' in data or b'anna"' in data for data in stored)
        assert not any("anna" in str(item) for item in open_items(made))


# --- attacks: each by somebody who may write to the table and to the blobs
# --------------------------------------------

Attack = Callable[[Desk, int, int], None]
"""Attacks an hour, at the place of an entry."""


def edits_an_entry(made: Desk, number: int, place: int) -> None:
    element = made.elements[number - 1]
    leaves = made.chain.read_leaves(element)
    place = place if leaves[place].entry else 0  # only one of them was erased
    leaves[place] = replace(
        leaves[place], entry=(leaves[place].entry or "").replace("first", "other")
    )
    made.overwrite(element, leaves)


def hashes_a_forged_entry(made: Desk, number: int, place: int) -> None:
    element = made.elements[number - 1]
    leaves = made.chain.read_leaves(element)
    leaves[place] = forged(leaves[place])
    made.overwrite(element, leaves)


def makes_the_head_fit_a_forged_entry(made: Desk, number: int, place: int) -> None:
    hashes_a_forged_entry(made, number, place)
    element = made.elements[number - 1]
    head = replace(
        element.head, root=compute_root(one.hash for one in made.chain.read_leaves(element))
    )
    made.put_head(number, made.signing.sign_statement(TENANT, head.statement))


def signs_all_anew_by_another_key(made: Desk, number: int, place: int) -> None:
    leaves = made.chain.read_leaves(made.elements[number - 1])
    leaves[place] = forged(leaves[place])
    made.make_anew(number, leaves, signed_by_another)


def takes_a_signature(made: Desk, number: int, _place: int) -> None:
    document = {**made.elements[number - 1].document, "signature": "", "public_key": ""}
    made.put_head(number, document)
    made.put_blob(keys.audit_anchor(TENANT, number), canonical_json(document))


def drops_an_entry(made: Desk, number: int, place: int) -> None:
    element = made.elements[number - 1]
    leaves = made.chain.read_leaves(element)
    made.overwrite(element, [*leaves[:place], *leaves[place + 1 :]])


def swaps_two_entries(made: Desk, number: int, place: int) -> None:
    element = made.elements[number - 1]
    leaves = made.chain.read_leaves(element)
    leaves[place - 1], leaves[place] = leaves[place], leaves[place - 1]
    made.overwrite(element, leaves)


def adds_a_late_entry(made: Desk, number: int, _place: int) -> None:
    element = made.elements[number - 1]
    leaves = made.chain.read_leaves(element)
    late = {**(leaves[0].content or {}), "id": "1", "late": True, "at": "2026-01-01T00:00:00.000Z"}
    made.overwrite(element, [*leaves, leaf_of(late)])


def erases_without_an_entry(made: Desk, number: int, place: int) -> None:
    element = made.elements[number - 1]
    leaves = made.chain.read_leaves(element)
    place = place if leaves[place].entry else 0  # only one of them was erased
    leaves[place] = leaves[place].without_entry
    made.overwrite(element, leaves)


def lets_an_hours_entries_go_without_an_entry(made: Desk, number: int, _place: int) -> None:
    made.chain.replace_leaves(made.elements[number - 1], None)


def says_in_an_entry_of_its_own_that_it_was_erased(made: Desk, number: int, place: int) -> None:
    element = made.elements[number - 1]
    leaf = made.chain.read_leaves(element)[place]
    erases_without_an_entry(made, number, place)
    made.write(
        "audit erased",
        "regulars",
        erasure="1",
        leaves=[leaf.hash],
        signed=by_another(made, leaves=[leaf.hash]),
    )


def says_in_an_entry_of_its_own_that_hours_were_let_go(
    made: Desk, number: int, _place: int
) -> None:
    made.chain.replace_leaves(made.elements[number - 1], None)
    made.write(
        "audit trimmed", "regulars", upto=number, signed=by_another(made, upto=number, audit_days=1)
    )


def by_another(made: Desk, **said: Any) -> Document:
    at = time_text(made.clock.now() + timedelta(days=9))
    return signed_by_another(
        TENANT, {"kind": "erasure in the audit", "tenant": TENANT, "at": at, **said}
    )


def erases_what_waits(made: Desk, _number: int, _place: int) -> None:
    made.act("anna")
    [item] = open_items(made)[-1:]
    bare = {name: item[name] for name in ("tenant", "id", "at")}
    write(
        made.items,
        [Put(keys.AUDIT, {**bare, "leaf": leaf_of(json.loads(item["entry"]), item["salt"]).hash})],
    )


def deletes_an_hours_entries(made: Desk, number: int, _place: int) -> None:
    made.blobs.delete(made.elements[number - 1].entries or "")


def damages_an_hours_entries(made: Desk, number: int, _place: int) -> None:
    made.put_blob(made.elements[number - 1].entries or "", b'["nothing"]\n{}')


def removes_an_hour(made: Desk, number: int, _place: int) -> None:
    made.drop_head(number, anchor=True)


def swaps_two_hours(made: Desk, number: int, _place: int) -> None:
    other = number % len(made.elements) + 1
    one, another = made.elements[number - 1], made.elements[other - 1]
    made.put_head(number, another.document)
    made.put_head(other, one.document)


def truncates(made: Desk, number: int, _place: int) -> None:
    """The newest hours are gone from the table; the anchors were not reached."""
    for element in made.elements[number - 1 :]:
        made.drop_head(element.head.number, anchor=False)
    made.set_end(made.elements[-1].head if made.elements else None)


def puts_the_end_back(made: Desk, number: int, _place: int) -> None:
    made.set_end(made.elements[number - 2].head if number > 1 else None)


def damages_a_head(made: Desk, number: int, _place: int) -> None:
    made.put_head(number, {"statement": {"number": number}})


def takes_an_anchor(made: Desk, number: int, _place: int) -> None:
    made.blobs.delete(keys.audit_anchor(TENANT, min(number, len(made.elements) - 1)))


ATTACKS = (
    edits_an_entry,
    hashes_a_forged_entry,
    makes_the_head_fit_a_forged_entry,
    signs_all_anew_by_another_key,
    takes_a_signature,
    drops_an_entry,
    swaps_two_entries,
    adds_a_late_entry,
    erases_without_an_entry,
    lets_an_hours_entries_go_without_an_entry,
    says_in_an_entry_of_its_own_that_it_was_erased,
    says_in_an_entry_of_its_own_that_hours_were_let_go,
    erases_what_waits,
    deletes_an_hours_entries,
    damages_an_hours_entries,
    removes_an_hour,
    swaps_two_hours,
    truncates,
    puts_the_end_back,
    damages_a_head,
    takes_an_anchor,
)
OF_NO_HOUR = (puts_the_end_back, erases_what_waits)


@examples(EXAMPLES_TRIED, ALL_EXAMPLES)
@given(
    hours=st.integers(2, 5),
    attacks=st.lists(
        st.tuples(st.sampled_from(ATTACKS), st.integers(1, 5), st.integers(1, 2)),
        min_size=1,
        max_size=1,
    ),
    erased=st.booleans(),
)
def test_an_attack_at_any_place_is_found(
    hours: int, attacks: list[tuple[Attack, int, int]], erased: bool
) -> None:
    with desk() as made:
        a_chain(made, hours)
        if erased:
            made.erasing.erase(TENANT, ["ben"], "1")
            settle(made)
        assert made.verify().findings == []
        for attack, number, place in attacks:
            attack(made, min(number, hours), place)
        assert made.verify().findings != []


@pytest.mark.parametrize("attack", ATTACKS)
def test_each_attack_is_found_and_says_which_hour(made: Desk, attack: Attack) -> None:
    a_chain(made)
    attack(made, 2, 1)
    findings = made.verify().findings
    assert findings
    assert attack in OF_NO_HOUR or any("hour 2" in one or "head" in one for one in findings)


def test_who_makes_all_anew_is_found_by_a_head_that_was_kept_elsewhere(made: Desk) -> None:
    a_chain(made)
    kept = made.elements[2].document
    leaves = made.chain.read_leaves(made.elements[1])
    made.make_anew(2, [forged(leaves[0]), *leaves[1:]])
    assert made.verify().findings == []  # nothing that is stored tells, if the key was had, too
    assert any("made anew" in one for one in made.verify(kept).findings)


def test_who_cuts_off_all_that_is_stored_is_found_by_a_head_that_was_kept_elsewhere(
    made: Desk,
) -> None:
    a_chain(made)
    kept = made.elements[-1].document
    made.drop_head(4, anchor=True)
    made.set_end(made.elements[-1].head)
    assert made.verify().findings == []
    assert any("cut off" in one for one in made.verify(kept).findings)


def test_who_puts_an_older_copy_of_the_disk_back_is_found_by_a_head_that_was_kept_elsewhere(
    tmp_path: Path,
) -> None:
    (tmp_path / "disk").mkdir()
    with desk_at(tmp_path / "disk") as made:
        a_chain(made)
        shutil.copytree(tmp_path / "disk", tmp_path / "copy")
        made.act("anna", what="DELETE /v1/faces/{id}")
        settle(made)
        kept = made.elements[-1].document
    with desk_at(tmp_path / "copy") as older:
        assert older.verify().findings == []
        assert any("cut off" in one for one in older.verify(kept).findings)
        older.clock.advance(12 * HOUR)
        older.act("ben")
        settle(older)
        assert any("made anew" in one for one in older.verify(kept).findings), (
            "also when it went on from there"
        )


def test_a_head_of_another_tenant_is_no_head_to_verify_by(made: Desk) -> None:
    a_chain(made, 1)
    document = made.elements[0].document
    other = {**document, "statement": {**document["statement"], "tenant": "other"}}
    with pytest.raises(InvalidInput, match="of tenant 'other'"):
        made.verify(other)
    with pytest.raises(InvalidInput, match="no head"):
        made.verify({"statement": 1})


def test_a_late_entry_goes_into_the_next_hour_and_says_so(made: Desk) -> None:
    a_chain(made, 1)
    id_ = made.act("anna", late=3 * HOUR)
    settle(made)
    assert [entry["id"] for entry in made.entries()][-1] == id_
    assert made.elements[-1].head.count == 1
    assert made.verify().findings == []


def test_what_was_erased_is_listed_and_its_leaves_stay(made: Desk) -> None:
    a_chain(made)
    leaves = [leaf for one in made.elements for leaf in made.chain.read_leaves(one)]
    before = [leaf.hash for leaf in leaves if "anna" in (leaf.entry or "")]
    made.act("anna")
    erased = made.erasing.erase(TENANT, ["anna"], "erasure-1")
    settle(made)
    assert set(before) <= set(erased)
    assert len(erased) == 5
    (told,) = [entry for entry in made.entries() if entry["what"] == "audit erased"]
    assert told["signed"]["statement"]["leaves"] == erased
    assert made.verify().erased == {"erasure-1": 5}
    assert made.erasing.erase(TENANT, ["anna"], "1") == []


def test_the_oldest_entries_go_and_their_heads_stay(made: Desk) -> None:
    a_chain(made)
    made.clock.advance(timedelta(days=1) - 3 * HOUR)
    assert made.trim(1) == 3
    assert made.trim(1) == 0
    assert (made.verify().findings, made.verify().trimmed) == ([], {1: 3})
    settle(made)
    assert (made.verify().findings, made.verify().trimmed) == ([], {1: 3})


def test_of_many_hours_that_are_long_over_a_night_lets_only_the_oldest_go(made: Desk) -> None:
    for _ in range(8):
        made.act("anna")
        settle(made)
    made.clock.advance(timedelta(days=400))
    assert made.trim(1) == 5
    assert (made.verify().findings, made.verify().trimmed) == ([], {1: 5})
    assert made.trim(1) == 3, "so few may go at once"


def says_the_days(made: Desk) -> None:
    made.write(SETS, "key first", audit_days=1)


def says_the_days_by_another_key(made: Desk) -> None:
    entry = new_entry(made.clock, SETS, "key first")
    said = signed_by_another(
        TENANT, {"kind": DAYS, "tenant": TENANT, "at": entry["at"], "audit_days": 1}
    )
    write(made.items, [entry_put(TENANT, {**entry, "signed": said})])


def says_again_what_was_signed_once(made: Desk) -> None:
    [old] = [
        one
        for one in made.entries()
        if one.get("signed", {}).get("statement", {}).get("audit_days") == 1
    ]
    write(
        made.items,
        [entry_put(TENANT, {**old, "id": new_entry(made.clock, SETS, "key first")["id"]})],
    )


@pytest.mark.parametrize(
    ("says", "found"),
    [(says_the_days, 0), (says_the_days_by_another_key, 1), (says_again_what_was_signed_once, 0)],
)
def test_hours_go_by_the_days_only_that_the_tenant_has_signed_last(
    made: Desk, says: Callable[[Desk], None], found: int
) -> None:
    made.set_days(1)
    a_chain(made)
    made.set_days(9)
    settle(made)
    made.clock.advance(timedelta(days=3))
    assert made.erasing.trim(TENANT, 9) == 0
    says(made)
    with pytest.raises(
        InvalidInput, match=r"is 1, and the tenant has signed 9: somebody changed it beside the"
    ):
        made.erasing.trim(TENANT, 1)
    settle(made)
    with pytest.raises(InvalidInput, match="the tenant has signed 9"):
        made.erasing.trim(TENANT, 1)
    assert (bool(made.verify().findings), made.verify().trimmed) == (bool(found), {})


def test_of_a_tenant_that_has_signed_no_days_hours_go_by_those_of_new_tenants(made: Desk) -> None:
    a_chain(made)
    made.clock.advance(timedelta(days=AUDIT_DAYS + 1))
    with pytest.raises(InvalidInput, match=r"is 1, and the tenant has signed 400"):
        made.erasing.trim(TENANT, 1)
    assert made.erasing.trim(TENANT, AUDIT_DAYS) == 4


def test_a_damaged_hour_stays_and_the_others_go(
    made: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    a_chain(made)
    damages_an_hours_entries(made, 2, 0)
    drops_an_entry(made, 3, 1)
    made.clock.advance(timedelta(days=3))
    assert made.trim(1) == 2
    assert [hour in caplog.text for hour in ("hour 1", "hour 2", "hour 3")] == [False, True, True]
    assert made.trim(1) == 0
    assert [one.head.number for one in made.elements if one.entries] == [2, 3]
    assert [one[:6] for one in made.verify().findings] == ["hour 2", "hour 3"]


def test_an_audit_that_is_younger_than_its_tenants_signing_key_is_a_finding(made: Desk) -> None:
    assert made.verify().findings == []
    a_chain(made)
    for element in made.elements:
        made.drop_head(element.head.number, anchor=True)
    made.set_end(None)
    made.write(SETS, "key first")
    [finding] = made.verify().findings
    assert finding.startswith(
        "no hour is closed, and no entry is as old as the tenant's signing key (2026-"
    )


def test_two_who_close_at_once_make_each_hour_once_while_others_act(made: Desk) -> None:
    written: list[str] = []

    def acts(_number: int) -> None:
        for _ in range(25):
            written.append(made.act("anna"))
            made.clock.advance(timedelta(minutes=7))

    def closes(_number: int) -> None:
        for _ in range(15):
            made.close()

    with ThreadPoolExecutor(6) as pool:
        done = [*pool.map(lambda work: work(0), [acts, closes, acts, closes, acts, closes])]
    assert len(done) == 6
    settle(made)
    assert made.verify().findings == []
    assert Counter(str(entry["id"]) for entry in made.entries()) == Counter(written)


def test_an_erasure_holds_up_a_closing_that_has_read_what_it_erases(made: Desk) -> None:
    made.act("anna")
    made.clock.advance(2 * HOUR)
    sign = made.signing.sign_statement

    def meanwhile(tenant: str, statement: Mapping[str, Any]) -> Document:
        made.signing.sign_statement = sign
        made.erasing.erase(TENANT, ["anna"], "1")
        return sign(tenant, statement)

    made.signing.sign_statement = meanwhile
    assert made.close() == 0
    settle(made)
    assert not any("anna" in str(entry) for entry in made.entries())
    assert made.verify().findings == []


def test_a_head_is_the_same_bytes_wherever_it_stands(made: Desk) -> None:
    a_chain(made, 1)
    (element,) = made.elements
    assert made.blobs.get(keys.audit_anchor(TENANT, 1)) == canonical_json(element.document)
