"""All services: those of the book, and around it those of privacy, auth and api. Privacy takes the
book's hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.book.book import Book
from chalicelib.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.api.account import Account
    from chalicelib.api.readiness import Readiness
    from chalicelib.auth.access import Access
    from chalicelib.bootstrap import Adapters
    from chalicelib.domain.face_sets import FaceSets
    from chalicelib.privacy.audit.audit import Audit
    from chalicelib.privacy.consents import Consents
    from chalicelib.privacy.done import DoneActs
    from chalicelib.privacy.erasure.erasure import Forgetting
    from chalicelib.privacy.hooks import PrivacyHooks
    from chalicelib.privacy.notices import Notices
    from chalicelib.privacy.refusals import Refusals
    from chalicelib.privacy.restrictions import Restrictions
    from chalicelib.privacy.subject_access import Archives
    from chalicelib.settings import Settings
    from chalicelib.sweep import Sweep, Watch


class Services(Book):
    """The book with all that is around it, as attributes, a service each.

    Set an attribute to replace a service.
    """

    settings: Settings
    ports: Adapters

    def __init__(self, settings: Settings, ports: Adapters) -> None:
        # not when the application is imported
        from chalicelib.privacy.audit.audit import AuditedItems

        super().__init__(
            settings,
            ports,
            AuditedItems(ports.storage.items, ports.clock, self._sign, self._write_outside),
        )

    def _sign(self, tenant: str, statement: Mapping[str, Any]) -> Mapping[str, Any]:
        # the service is made when something is signed
        return self.audit.signing.sign_statement(tenant, statement)

    def _write_outside(self, tenant: str) -> None:
        self.access.standing.write_outside(tenant)

    @lazy
    def book_hooks(self) -> PrivacyHooks:
        from chalicelib.privacy.hooks import PrivacyHooks

        return PrivacyHooks(self)

    @lazy
    def face_sets(self) -> FaceSets:
        from chalicelib.api.dialects import make_face_sets

        return make_face_sets(self)

    @lazy
    def audit(self) -> Audit:
        from chalicelib.privacy.audit.audit import Audit

        return Audit(self)

    @lazy
    def done(self) -> DoneActs:
        from chalicelib.privacy.done import DoneActs

        return DoneActs(self)

    @lazy
    def access(self) -> Access:
        from chalicelib.auth.access import Access

        return Access(self)

    @lazy
    def consents(self) -> Consents:
        from chalicelib.privacy.consents import Consents

        return Consents(self)

    @lazy
    def refusals(self) -> Refusals:
        from chalicelib.privacy.refusals import Refusals

        return Refusals(self)

    @lazy
    def restrictions(self) -> Restrictions:
        from chalicelib.privacy.restrictions import Restrictions

        return Restrictions(self)

    @lazy
    def notices(self) -> Notices:
        from chalicelib.privacy.notices import Notices

        return Notices(self)

    @lazy
    def erasure(self) -> Forgetting:
        from chalicelib.privacy.erasure.erasure import Forgetting

        return Forgetting(self)

    @lazy
    def archives(self) -> Archives:
        from chalicelib.privacy.subject_access import Archives

        return Archives(self)

    @lazy
    def account(self) -> Account:
        from chalicelib.api.account import Account

        return Account(self)

    @lazy
    def readiness(self) -> Readiness:
        from chalicelib.api.readiness import Readiness

        return Readiness(self)

    @lazy
    def watch(self) -> Watch:
        from chalicelib.sweep import Watch

        return Watch(self)

    @lazy
    def sweep(self) -> Sweep:
        from chalicelib.sweep import Sweep

        return Sweep(self)
