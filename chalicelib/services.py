"""All use cases: the book's rooms, and around it those of rights and doors, which take the book's duties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.book.book import Book
from chalicelib.book.rooms import Made

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.bootstrap import Adapters
    from chalicelib.consistency import Consistency
    from chalicelib.doors.access.access import Access
    from chalicelib.doors.account import Account
    from chalicelib.doors.readiness import Readiness
    from chalicelib.rights.audit.audit import Audit
    from chalicelib.rights.consents import Consents
    from chalicelib.rights.duties import RightsDuties
    from chalicelib.rights.erasure.erasure import Forgetting
    from chalicelib.rights.notices import Notices
    from chalicelib.rights.restrictions import Restrictions
    from chalicelib.rights.subject_access import Archives
    from chalicelib.settings import Settings
    from chalicelib.sweep import Sweep, Watch


class Services(Book):
    """The book with all that is around it, as attributes, a room each. Set an attribute to replace a room."""

    settings: Settings
    ports: Adapters

    def __init__(self, settings: Settings, ports: Adapters) -> None:
        from chalicelib.rights.audit.audit import AuditedItems  # not when the application is imported

        super().__init__(settings, ports, AuditedItems(ports.storage.items, ports.clock, self._sign))

    @property
    def book(self) -> Services:
        return self

    def _sign(self, tenant: str, statement: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.audit.signing.sign_statement(tenant, statement)  # the room is made when something is signed

    duties: Made[RightsDuties] = Made("rights.duties.RightsDuties")
    audit: Made[Audit] = Made("rights.audit.audit.Audit")
    access: Made[Access] = Made("doors.access.access.Access")
    consents: Made[Consents] = Made("rights.consents.Consents")
    restrictions: Made[Restrictions] = Made("rights.restrictions.Restrictions")
    notices: Made[Notices] = Made("rights.notices.Notices")
    erasure: Made[Forgetting] = Made("rights.erasure.erasure.Forgetting")
    archives: Made[Archives] = Made("rights.subject_access.Archives")
    account: Made[Account] = Made("doors.account.Account")
    readiness: Made[Readiness] = Made("doors.readiness.Readiness")
    consistency: Made[Consistency] = Made("consistency.Consistency")
    watch: Made[Watch] = Made("sweep.Watch")
    sweep: Made[Sweep] = Made("sweep.Sweep")
