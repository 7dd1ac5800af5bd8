"""One change of many faces: each by itself, so that one that cannot be changed stops no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from chalicelib.core.errors import Busy, ConditionFailed, InvalidInput, RegularsError, StorageUnavailable
from chalicelib.core.items import write
from chalicelib.core.model import Tenant
from chalicelib.core.ports import ItemStore, Put
from chalicelib.services.commit.idempotency import OK, PARTIAL, Answer, RequestId, Requests, WentOn
from chalicelib.services.enrolment.update import FaceChanges, FaceUpdate

MAX_CHANGED = 100


@dataclass(frozen=True)
class FailedFace:
    """A face that was not changed. `code`: the name of the error; `message`: its sentence."""

    id: str
    code: str
    message: str


@dataclass(frozen=True)
class ManyChanged:
    """The outcome of a change of many faces: each id is in one of the lists."""

    done: list[str] = field(default_factory=list)
    failed: list[FailedFace] = field(default_factory=list)


@dataclass
class ManyFaces:
    items: ItemStore
    update: FaceUpdate
    requests: Requests

    def change(
        self, tenant: Tenant, faceids: Sequence[str], changes: FaceChanges, request: RequestId | None = None
    ) -> ManyChanged:
        """Change up to 100 faces of any groups. A repeated id counts once.

        Each transaction records which faces are done. So a repeat after a crash continues where it stopped, and changes
        no face twice. Raises InvalidInput if there are no ids or over 100, Busy or StorageUnavailable at the first face
        that storage refuses: then those before it are changed; AnsweredAlready.
        """
        if not 0 < len(faceids) <= MAX_CHANGED:
            raise InvalidInput(f"1 to {MAX_CHANGED} faces are changed at once, not {len(faceids)}")
        run = _Run(self, tenant, request, self._done(tenant, request))
        for faceid in dict.fromkeys(faceids):
            run.change(faceid, changes)
        return run.finished()

    def _done(self, tenant: Tenant, request: RequestId | None) -> list[str] | None:
        """Return what is done of the request; None if nothing is recorded of it."""
        progress = self.requests.progress(tenant.name, request)
        return None if progress is None else list(progress["done"])


@dataclass
class _Run:
    """One run of a request. `recorded`: the faces that its record says are done; None: there is no record."""

    many: ManyFaces
    tenant: Tenant
    request: RequestId | None
    recorded: list[str] | None
    failed: list[FailedFace] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.done = list(self.recorded or [])

    def change(self, faceid: str, changes: FaceChanges) -> None:
        while faceid not in self.done:
            done = [*self.done, faceid]
            try:
                record = self._record(PARTIAL, {"done": done})
                self.many.update.of_id(self.tenant, faceid, changes, request=self.request, record=record)
            except WentOn:
                self._read_again()
            except (Busy, StorageUnavailable):
                raise
            except RegularsError as error:
                self.failed.append(_failed(faceid, error))
                return
            else:
                self.done = done
                self.recorded = None if self.request is None else done

    def finished(self) -> ManyChanged:
        """Record the answer and return it."""
        while True:
            changed = ManyChanged(self.done, self.failed)
            record = self._record(OK, asdict(changed))
            try:
                if record is not None:
                    write(self.many.items, [record])
            except ConditionFailed:
                self.many.requests.raise_if_answered(self.tenant.name, self.request)
                self._read_again()
            else:
                return changed

    def _record(self, code: str, body: Mapping[str, Any]) -> Put | None:
        if self.request is None:
            return None
        after = None if self.recorded is None else {"done": self.recorded}
        return self.many.requests.record(self.tenant.name, self.request, Answer(code, body), after=after)

    def _read_again(self) -> None:
        self.recorded = self.many._done(self.tenant, self.request)
        self.done = list(self.recorded or [])


def _failed(faceid: str, error: RegularsError) -> FailedFace:
    return FailedFace(faceid, type(error).__name__, str(error))
