"""A chain over renewals of the signing key: each hour by the key of its time, and no renewal that
nobody told of."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.domain.errors import InvalidInput, StorageUnavailable
from chalicelib.privacy import signing
from chalicelib.privacy.audit.chain import Chain
from chalicelib.privacy.audit_entries import Document, entry_put, leaf_of, new_entry
from chalicelib.privacy.signing import canonical_json, renewal_of, sign_renewal
from chalicelib.storage import keys
from chalicelib.storage.box.vault import PlainVault
from chalicelib.storage.items import write
from tests.privacy.audit.steps import a_chain, settle
from tests.support.audit.desk import HOUR, RENEW, TENANT, Desk

OWN, OWN_PUBLIC = signing.new_key()


def private_of(made: Desk) -> str:
    return PlainVault().unseal(bytes(made.key_item()["sealed"]), f"{TENANT}/signing")


def renewed_after_two_hours(made: Desk, *, is_lost: bool = False) -> str:
    """Make two hours, renew the key, and make two more; return the old private half."""
    a_chain(made, 2)
    stolen = private_of(made)
    if is_lost:
        made.lose_key()
    made.renew(is_lost=is_lost)
    a_chain(made, 2)
    assert made.verify().findings == []
    return stolen


def by(private: str) -> Callable[[str, Mapping[str, Any]], Document]:
    return lambda _tenant, statement: signing.sign_statement(statement, private)


@pytest.mark.parametrize("is_lost", [False, True])
def test_each_hour_is_signed_by_the_key_of_its_time_and_the_audit_says_which_vouches(
    made: Desk, is_lost: bool
) -> None:
    renewed_after_two_hours(made, is_lost=is_lost)
    [renewal] = made.verify().renewals
    signers = [signing.public_key_from(one.document["public_key"]) for one in made.elements]
    assert signers == [renewal.old] * 2 + [renewal.new] * 2
    assert (renewal.heads, renewal.is_vouched) == (2, not is_lost)
    [entry] = [one for one in made.entries() if one["what"] == RENEW]
    assert (entry["by"], renewal_of(entry["renewal"])) == ("operator", renewal)


def test_a_key_is_renewed_again_and_again_also_before_anything_was_closed(made: Desk) -> None:
    made.key_item()
    made.renew()
    made.lose_key()
    made.renew(is_lost=True)
    a_chain(made, 1)
    made.renew()
    a_chain(made, 1)
    seen = made.verify()
    assert [(one.heads, one.is_vouched) for one in seen.renewals] == [
        (0, True),
        (0, False),
        (1, True),
    ]
    assert seen.findings == []


def test_what_was_erased_and_let_go_before_a_renewal_stays_so(made: Desk) -> None:
    a_chain(made, 2)
    made.clock.advance(timedelta(days=1) - 2 * HOUR)
    assert made.trim(1) == 1
    made.erasing.erase(TENANT, ["anna"], "1")
    made.renew()  # the statements wait still, and the new key closes their hour
    settle(made)
    seen = made.verify()
    assert (seen.findings, seen.erased, seen.trimmed) == ([], {"1": 1}, {1: 1})


def test_what_cannot_be_renewed_is_said_and_nothing_is_changed(made: Desk) -> None:
    with pytest.raises(InvalidInput, match="no signing key to renew"):
        made.renew()
    made.lose_key()
    before = made.key_item()
    with pytest.raises(StorageUnavailable, match=r"cannot be read: .*--lost"):
        made.renew()
    assert made.key_item() == before
    assert list(made.chain.list_waiting(TENANT)) == []


def test_an_hour_that_is_being_closed_meanwhile_is_closed_by_the_new_key(made: Desk) -> None:
    made.act("anna")
    made.clock.advance(2 * HOUR)

    def renews_when_it_has_signed(tenant: str, statement: Mapping[str, Any]) -> Document:
        document = made.signing.sign_statement(tenant, statement)
        made.renew()
        return document

    signing = SimpleNamespace(sign_statement=renews_when_it_has_signed)
    audit = SimpleNamespace(signing=signing)
    book: Any = SimpleNamespace(**{**vars(made.book), "audit": audit})
    assert Chain(book).close_hours(TENANT) == 0
    assert made.close() == 1
    seen = made.verify()
    assert (seen.findings, [one.heads for one in seen.renewals], seen.hours) == ([], [0], 1)


def test_several_who_renew_at_once_do_it_one_after_the_other(made: Desk) -> None:
    a_chain(made, 1)

    def renew(_number: int) -> None:
        made.renew()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(renew, range(4)))
    settle(made)
    seen = made.verify()
    assert (seen.findings, len(seen.renewals)) == ([], 4)


def test_retention_takes_the_entry_and_leaves_the_renewal(made: Desk) -> None:
    renewed_after_two_hours(made)
    made.clock.advance(timedelta(days=2))
    made.trim(1)
    settle(made)
    seen = made.verify()
    assert (seen.findings, len(seen.renewals), seen.trimmed) == ([], 1, {1: 4})


# --- attacks by somebody who may write to the table and to the blobs, and has stolen the old key
# ----------------------

Attack = Callable[[Desk, str], None]


def record(made: Desk, *renewals: Mapping[str, Any], **fields: Any) -> None:
    """Put other renewals beside the key."""
    made.put_key(
        {
            **made.key_item(),
            "renewals": [canonical_json(one).decode() for one in renewals],
            **fields,
        }
    )


def said(made: Desk, **fields: Any) -> dict[str, Any]:
    """Return the first renewal's statement with other fields."""
    statement = json.loads(made.key_item()["renewals"][0])["statement"]
    return {
        **{name: statement[name] for name in ("tenant", "old", "new", "since", "until", "heads")},
        **fields,
    }


def signs_a_new_hour_by_the_old_key(made: Desk, stolen: str) -> None:
    newest = made.elements[-1]
    made.put_head(4, signing.sign_statement(newest.head.statement, stolen))
    made.put_blob(keys.audit_anchor(TENANT, 4), canonical_json(made.elements[-1].document))


def makes_the_hours_before_the_renewal_anew(made: Desk, stolen: str) -> None:
    newest = [one.document for one in made.elements[2:]]
    made.make_anew(2, made.chain.read_leaves(made.elements[1])[1:], by(stolen))
    for document in newest:  # these need the new key
        made.put_head(document["statement"]["number"], document)
        made.put_blob(
            keys.audit_anchor(TENANT, document["statement"]["number"]), canonical_json(document)
        )


def stretches_the_old_keys_time(made: Desk, stolen: str) -> None:
    record(made, sign_renewal(said(made, heads=4), stolen, stolen))
    made.make_anew(3, made.chain.read_leaves(made.elements[2]), by(stolen))


def takes_the_renewal_away(made: Desk, _stolen: str) -> None:
    record(made)


def puts_the_old_key_back(made: Desk, _stolen: str) -> None:
    record(made, public_key=renewal_of(json.loads(made.key_item()["renewals"][0])).old)


def signs_all_by_the_old_key_again(made: Desk, stolen: str) -> None:
    puts_the_old_key_back(made, stolen)
    for one in made.elements:
        document = signing.sign_statement(one.head.statement, stolen)
        made.put_head(one.head.number, document)
        made.put_blob(keys.audit_anchor(TENANT, one.head.number), canonical_json(document))


def puts_its_own_key_behind_the_renewal(made: Desk, _stolen: str) -> None:
    made.put_key({**made.key_item(), "public_key": OWN_PUBLIC})
    made.make_anew(3, made.chain.read_leaves(made.elements[2]), by(OWN))


def lets_the_old_key_vouch_for_a_key_of_its_own(made: Desk, stolen: str) -> None:
    own = base64.b64encode(OWN_PUBLIC).decode()
    record(made, sign_renewal(said(made, new=own), stolen, OWN), public_key=OWN_PUBLIC)
    made.make_anew(3, made.chain.read_leaves(made.elements[2]), by(OWN))


def says_that_another_tenants_key_was_renewed(made: Desk, stolen: str) -> None:
    record(made, sign_renewal(said(made, tenant="other"), stolen, private_of(made)))


def erases_by_the_old_key(made: Desk, stolen: str) -> None:
    """Blank an entry, and say so in an entry that is dated before the renewal."""
    first, *others = made.chain.read_leaves(made.elements[0])
    made.overwrite(made.elements[0], [first.without_entry, *others])
    entry = {**new_entry(made.clock, "audit erased", "regulars"), "at": said(made)["since"]}
    statement = {
        "kind": entry["what"],
        "tenant": TENANT,
        "at": entry["at"],
        "erasure": "1",
        "leaves": [first.hash],
    }
    write(
        made.items,
        [entry_put(TENANT, {**entry, "signed": signing.sign_statement(statement, stolen)})],
    )


def damages_the_record(made: Desk, _stolen: str) -> None:
    made.put_key({**made.key_item(), "renewals": ["no JSON"]})


def damages_the_renewal(made: Desk, _stolen: str) -> None:
    record(made, {"statement": {}})


ATTACKS = {
    signs_a_new_hour_by_the_old_key: "hour 4 .* is signed by another key",
    makes_the_hours_before_the_renewal_anew: "hour 3 .* does not hold the hash of the hour before "
    "it",
    stretches_the_old_keys_time: "signed by another key than the new one",
    takes_the_renewal_away: "hour 1 .* is signed by another key",
    puts_the_old_key_back: "hour 3 .* is signed by another key",
    signs_all_by_the_old_key_again: "an entry tells of a renewal of the signing key that the "
    "record of the keys lacks",
    puts_its_own_key_behind_the_renewal: "after hour 2 does not lead to the next key",
    lets_the_old_key_vouch_for_a_key_of_its_own: "the renewal of the signing key after hour 2 has "
    "no entry",
    says_that_another_tenants_key_was_renewed: "does not lead to the next key",
    erases_by_the_old_key: "hour 1 .* entry 1 was erased, and no signed entry says so",
    damages_the_record: "the record of the signing keys, cannot be read",
    damages_the_renewal: "a renewal of the signing key cannot be read",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_found(made: Desk, attack: Attack) -> None:
    attack(made, renewed_after_two_hours(made))
    assert re.search(ATTACKS[attack], "\n".join(made.verify().findings))


def test_who_signs_the_same_hours_by_a_key_of_its_own_is_found_by_a_head_that_was_kept_elsewhere(
    made: Desk,
) -> None:
    a_chain(made)
    kept = made.elements[2].document
    made.put_key({**made.key_item(), "public_key": OWN_PUBLIC})
    made.make_anew(1, made.chain.read_leaves(made.elements[0]), by(OWN))
    assert made.verify().findings == []
    [finding] = made.verify(kept).findings
    assert re.match(
        "hour 3 .* is signed by another key than the one that was kept elsewhere", finding
    )


def test_who_makes_all_anew_behind_a_stolen_key_is_found_by_a_head_that_was_kept_since_the_renewal(
    made: Desk,
) -> None:
    stolen = renewed_after_two_hours(made)
    kept = made.elements[2].document
    forged = sign_renewal(said(made, new=base64.b64encode(OWN_PUBLIC).decode()), stolen, OWN)
    record(made, forged, public_key=OWN_PUBLIC)
    leaves = made.chain.read_leaves(made.elements[2])
    anew = [
        leaf_of({**(one.content or {}), "renewal": forged}) if RENEW in str(one) else one
        for one in leaves
    ]
    made.make_anew(3, anew, by(OWN))
    assert made.verify().findings == []  # nothing that is stored tells
    assert any("made anew" in one for one in made.verify(kept).findings)


def test_a_key_that_somebody_puts_in_the_tenants_place_is_shown_as_one_for_which_the_key_before_does_not_vouch(  # noqa: E501
    made: Desk,
) -> None:
    a_chain(made, 2)
    made.renew()
    genuine = json.loads(made.key_item()["renewals"][0])
    old, own = genuine["statement"]["new"], base64.b64encode(OWN_PUBLIC).decode()
    forged = sign_renewal(said(made, old=old, new=own), None, OWN)
    record(made, genuine, forged, public_key=OWN_PUBLIC)
    write(made.items, [entry_put(TENANT, new_entry(made.clock, RENEW, "operator", renewal=forged))])
    seen = made.verify()
    assert (seen.findings, [one.is_vouched for one in seen.renewals]) == ([], [True, False])
