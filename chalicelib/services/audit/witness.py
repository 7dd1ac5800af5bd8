"""Heads for a witness outside: by one of them `verify` finds a chain that was cut off or made anew."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core import keys
from chalicelib.core.items import every, write
from chalicelib.core.ports import ItemStore, Put, Witness
from chalicelib.core.signing import canonical
from chalicelib.services.audit.chain import Chain, element_of


@dataclass
class Witnessing:
    items: ItemStore
    chain: Chain
    witness: Witness

    def tenant(self, tenant: str) -> int:
        """Give the heads that were not given yet, the oldest first; return how many.

        May be cut off anywhere and repeated. After a restore heads come again, with the hash in the name: both stay.
        Raises StorageUnavailable, Unusable, Busy.
        """
        noted = self.items.get(keys.AUDIT, (tenant, keys.AUDIT_WITNESSED))
        low = keys.audit_number(int(noted["number"]) + 1 if noted else 1)
        given = 0
        for element in map(element_of, every(self.items, keys.AUDIT, keys.audit_heads(tenant), low=low)):
            head = element.head
            name = f"{tenant}/{keys.audit_number(head.number)}-{head.hash[:16]}.json"
            self.witness.keep(name, canonical(element.document))
            item = {"tenant": tenant, "id": keys.AUDIT_WITNESSED, "number": head.number}
            write(self.items, [Put(keys.AUDIT, item)])
            given += 1
        return given
