import base64
from concurrent.futures import ThreadPoolExecutor

from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, Kind
from chalicelib.privacy import signing
from chalicelib.services import Services
from chalicelib.storage import keys


def test_a_tenant_has_one_key_however_many_ask_for_it_first(services: Services) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = set(
            threads.map(
                lambda _: services.audit.signing.read_public_keys("shop").current, range(16)
            )
        )
    assert len(found) == 1
    assert signing.verify_statement(services.audit.signing.sign_statement("shop", {"a": 1})) == (
        {"a": 1},
        *found,
    )
    assert services.audit.signing.read_public_keys("market").current not in found


def test_the_private_half_is_sealed_for_its_tenant(services: Services) -> None:
    services.audit.signing.read_public_keys("shop")
    storage = services.ports.storage
    item = storage.items.get(keys.TENANTS, keys.signing_key("shop"))
    private = storage.vault.unseal(bytes(item["sealed"]), "shop/signing")
    assert len(base64.b64decode(private)) == 32
    assert signing.verify_statement(signing.sign_statement({}, private))[1] == item["public_key"]


def test_the_key_by_which_receipts_hash_ids_stays_when_the_signing_key_is_renewed(
    services: Services,
) -> None:
    signing, items = services.audit.signing, services.ports.storage.items
    signing.read_public_keys("shop")
    item = items.get(keys.TENANTS, keys.signing_key("shop"))
    before = signing.read_face_key("shop")
    assert (len(before), before) == (32, bytes(item["face_key"]))
    signing.renew_key("shop")
    assert signing.read_face_key("shop") == before
    assert signing.read_face_key("market") != before


def test_the_operators_own_act_may_be_the_first_that_needs_it(services: Services) -> None:
    with audit_events.begin_audit_event(
        AuditEvent("regulars erase", "operator", Kind.CHANGE, "shop")
    ):
        services.audit.signing.read_public_keys("shop")
    assert [
        (one.leaf.content or {})["by"] for one in services.audit.chain.list_waiting("shop")
    ] == ["operator"]
