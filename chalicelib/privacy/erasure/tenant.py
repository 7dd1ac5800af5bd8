"""Erasure of a whole tenant: of a shop that leaves, nothing stays but a signed receipt
(docs/decisions/0049).

One transaction takes the tenant's record away and stores that of the erasure. From then on nobody
finds the tenant: no credential is good, no job and no message of it does anything, and no tenant
gets the name again. Then an operator's command does the steps. Each may be cut off anywhere and
repeated: what is left is found by whose it is (`keys.is_of_tenant`), never by a list of tables, so
that no new table is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chalicelib.domain.errors import FaceHeld, TenantNotFound
from chalicelib.privacy.erasure_progress import COUNT, receipt_name
from chalicelib.privacy.signing import canonical_json
from chalicelib.privacy.tenant_erasure_progress import (
    OBJECTS,
    UNDER_WAY,
    UPLOADS,
    TenantErasure,
    TenantStep,
    tenant_erasure_from,
    tenant_erasure_item,
    tenant_statement,
)
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    cut_in_parts,
    retry_if_changed,
    walk_items,
    write,
    write_unless_changed,
)
from chalicelib.storage.ports import Check, Delete, Put, Table, Update, absent, equals, exists
from chalicelib.storage.values import format_count, parse_optional, time_ordered_id

if TYPE_CHECKING:
    from chalicelib.services import Services

_A_TRANSACTION = 50
"""Items that one transaction deletes."""
_AT_ONCE = 8
"""Objects that are deleted in parallel."""
_LISTED = 1_000
"""Objects of which the deletions are awaited together."""


class TenantErasures(Service["Services"]):
    """The erasures of tenants. Their writes are in no audit, since that is erased, too."""

    def find(self, name: str) -> TenantErasure | None:
        """Return the erasure of the tenant of that name, also one that is done; None: there is
        none."""
        return parse_optional(
            tenant_erasure_from,
            self.services.storage.items.get(keys.TENANTS, keys.erased_item(name)),
        )

    def list_all(self) -> list[TenantErasure]:
        """Return all erasures, by the tenants' names."""
        return [
            tenant_erasure_from(item)
            for item in walk_items(self.services.storage.items, keys.TENANTS, keys.ERASED)
        ]

    def begin(self, name: str, by: str, *, under_way: timedelta = UNDER_WAY) -> TenantErasure:
        """Remove a tenant, and return its erasure, whose steps `go_on` does.

        `under_way`: for how long something may still write that knows the tenant. Raises
        TenantNotFound, FaceHeld if a face is under legal hold, Busy.
        """
        now = self.services.clock.now()
        return self._take_tenant_away(
            name, TenantErasure(time_ordered_id(now), name, "", now, by, now + under_way)
        )

    def begin_again(self, name: str, by: str, *, id_: str, at: datetime) -> TenantErasure:
        """Remove a tenant that a backup brought back: as `begin`, by the previous erasure.

        Nothing is under way, and a legal hold is in the backup only: it was over when the tenant
        was erased.
        """
        now = self.services.clock.now()
        return self._take_tenant_away(name, TenantErasure(id_, name, "", at, by, now), free=False)

    @retry_if_changed("the gallery of this tenant changes all the time: disable the tenant first")
    def _take_tenant_away(
        self, name: str, erasure: TenantErasure, *, free: bool = True
    ) -> TenantErasure:
        """Delete the tenant's own item and note the erasure, at once.

        `free`: no face may be under legal hold.
        """
        tenant = self.services.tenants.read_stored(name)
        seq = self.services.writer.read_seq(name)  # each hold comes with another one
        if free:
            self._require_free(name)
        erasure = replace(erasure, app_id=tenant.app_id)
        write(
            self.services.storage.items,
            [
                Put(keys.TENANTS, tenant_erasure_item(erasure), (absent("never-erased"),)),
                Delete(keys.TENANTS, keys.tenant_item(name), (exists("tenant-exists"),)),
                Check(keys.DIRECTORY, (name, keys.TENANT_ITEM), (equals("seq", seq, "seq-same"),)),
            ],
        )
        return erasure

    def go_on(self, name: str) -> TenantErasure:
        """Do the next step, if its time has come, and return the erasure after it.

        ALL deletes everything. LATE deletes what was written meanwhile, once `late_at` is over.
        RECEIPT signs the receipt. FILES wipes the files of storage, and gives the witness the
        receipt. May be cut off anywhere, and called again. Raises TenantNotFound,
        StorageUnavailable, Busy (also while a file cannot be wiped), and what the witness raises.
        """
        erasure = self._read_erasure(name)
        match erasure.next_step:
            case TenantStep.ALL:
                self._count_files(erasure)
                self._delete_everything(erasure)
                self._save(erasure, step=erasure.step + 1)
            case TenantStep.LATE if self.services.clock.now() >= erasure.late_at:
                self._delete_everything(erasure)
                self._save(erasure, step=erasure.step + 1)
            case TenantStep.RECEIPT:
                self._sign(erasure)
            case TenantStep.FILES:
                self.services.storage.scrub()
                self._tell(erasure)
                self._save(erasure, step=erasure.step + 1)
        return self._read_erasure(name)

    def _read_erasure(self, name: str) -> TenantErasure:
        erasure = self.find(name)
        if erasure is None:
            raise TenantNotFound(f"there is no erasure of a tenant {name[:70]!r}")
        return erasure

    def _require_free(self, name: str) -> None:
        hold_count = sum(1 for _ in self.services.faces.holds.list_all(name))
        if hold_count:
            raise FaceHeld(
                f"{format_count(hold_count, 'face', 'faces')} of {name} under legal hold: "
                "lift that first (`regulars call list-holds`)"
            )

    def _count_files(self, erasure: TenantErasure) -> None:
        """Note how many files there are, before any goes: a deletion that is done twice would count
        them twice."""
        if OBJECTS not in erasure.counts:
            numbers = {
                name: sum(1 for _ in files) for name, files in self._list_files(erasure.tenant)
            }
            self._save(erasure, **{f"{COUNT}{name}": number for name, number in numbers.items()})

    def _list_files(self, name: str) -> Iterator[tuple[str, Iterator[str]]]:
        prefix, storage = keys.objects_of_tenant(name), self.services.storage
        for kind, blobs in ((OBJECTS, storage.blobs), (UPLOADS, storage.uploads)):
            yield kind, (blob.key for blob in blobs.walk(prefix))

    def _delete_everything(self, erasure: TenantErasure) -> None:
        """Delete all of the tenant but what signs the receipt."""
        storage = self.services.storage
        for queue in (storage.index_queue, storage.captures_queue, storage.deliveries_queue):
            queue.drop(erasure.tenant)
        deletes = {OBJECTS: storage.blobs.delete, UPLOADS: storage.uploads.delete}
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for kind, files in self._list_files(erasure.tenant):
                for part in cut_in_parts(files, _LISTED):
                    list(threads.map(deletes[kind], part))
        for table in keys.TABLES:
            for item_keys in cut_in_parts(self._list_places(table, erasure.tenant), _A_TRANSACTION):
                self._delete(erasure, table, item_keys)

    def _list_places(self, table: Table, name: str) -> Iterator[tuple[str, str]]:
        prefix = "" if table.name == keys.TENANTS.name else name
        for item in self.services.storage.items.scan(table, prefix):
            item_key = item[table.partition], item[table.sort]
            if keys.is_of_tenant(table, item, name) and item_key != keys.signing_key(name):
                yield item_key

    def _delete(
        self, erasure: TenantErasure, table: Table, item_keys: Sequence[tuple[str, str]]
    ) -> None:
        """Delete items, and count them in the same transaction."""
        deletes = (Delete(table, item_key) for item_key in item_keys)
        same = (equals("step", erasure.step, "step-same"),)
        number = {f"{COUNT}{table.name}": len(item_keys)}
        record = Update(keys.TENANTS, keys.erased_item(erasure.tenant), same, add=number)
        write(self.services.storage.items, [*deletes, record])

    def _sign(self, erasure: TenantErasure) -> None:
        """Sign the receipt and delete the key in one transaction: nobody signs anything else for
        this tenant."""
        self.services.storage.scrub()
        statement = tenant_statement(erasure, self.services.clock.now())
        receipt = self.services.audit.signing.sign_statement(erasure.tenant, statement)
        item = tenant_erasure_item(replace(erasure, step=erasure.step + 1, receipt=receipt))
        fields = {name: item[name] for name in ("step", "receipt")}
        if_same = (equals("step", erasure.step, "step-same"),)
        record = Update(keys.TENANTS, keys.erased_item(erasure.tenant), if_same, set=fields)
        write(
            self.services.storage.items,
            [record, Delete(keys.TENANTS, keys.signing_key(erasure.tenant))],
        )

    def _tell(self, erasure: TenantErasure) -> None:
        """Write the receipt beside the last backups, and give it to the witness, if there is one.

        Raises StorageUnavailable, Unusable, Busy.
        """
        if erasure.receipt is None:
            return
        name = receipt_name(erasure.app_id, erasure.id)
        receipt = canonical_json(erasure.receipt)
        self.services.ports.backups.keep(name, receipt)
        if self.services.ports.witness is not None:
            self.services.ports.witness.keep(name, receipt)

    def _save(self, erasure: TenantErasure, **fields: Any) -> None:
        same = (equals("step", erasure.step, "step-same"),)
        update = Update(keys.TENANTS, keys.erased_item(erasure.tenant), same, set=fields)
        # else another process is further
        write_unless_changed(self.services.storage.items, [update])
