"""All use cases: the book's rooms, and around it those of rights and doors, which take the book's duties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.services.book import Book
from chalicelib.services.rooms import Made

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.bootstrap import Adapters
    from chalicelib.services.access.access import Access
    from chalicelib.services.account import Account
    from chalicelib.services.audit.audit import Audit
    from chalicelib.services.consents import Consents
    from chalicelib.services.consistency import Consistency
    from chalicelib.services.duties import RightsDuties
    from chalicelib.services.erasure.erasure import Forgetting
    from chalicelib.services.notices import Notices
    from chalicelib.services.readiness import Readiness
    from chalicelib.services.restrictions import Restrictions
    from chalicelib.services.subject_access import Archives
    from chalicelib.services.sweep import Sweep, Watch
    from chalicelib.settings import Settings


class Services(Book):
    """The book with all that is around it, as attributes, a room each. Set an attribute to replace a room."""

    settings: Settings
    ports: Adapters

    def __init__(self, settings: Settings, ports: Adapters) -> None:
        from chalicelib.services.audit.audit import AuditedItems  # not when the application is imported

        super().__init__(settings, ports, AuditedItems(ports.storage.items, ports.clock, self._sign))

    @property
    def book(self) -> Services:
        return self

    def _sign(self, tenant: str, statement: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.audit.signing.sign(tenant, statement)  # the room is made when something is signed

    duties: Made[RightsDuties] = Made("services.duties.RightsDuties")
    audit: Made[Audit] = Made("services.audit.audit.Audit")
    access: Made[Access] = Made("services.access.access.Access")
    consents: Made[Consents] = Made("services.consents.Consents")
    restrictions: Made[Restrictions] = Made("services.restrictions.Restrictions")
    notices: Made[Notices] = Made("services.notices.Notices")
    erasure: Made[Forgetting] = Made("services.erasure.erasure.Forgetting")
    archives: Made[Archives] = Made("services.subject_access.Archives")
    account: Made[Account] = Made("services.account.Account")
    readiness: Made[Readiness] = Made("services.readiness.Readiness")
    consistency: Made[Consistency] = Made("services.consistency.Consistency")
    watch: Made[Watch] = Made("services.sweep.Watch")
    sweep: Made[Sweep] = Made("services.sweep.Sweep")
