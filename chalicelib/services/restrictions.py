"""Who is kept, and neither matched nor looked at? (docs/decisions/0049)

A restricted face is in the group RESTRICTED, which is hidden as deleted groups are.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from chalicelib.core import keys
from chalicelib.core.errors import Conflict, TooMany
from chalicelib.core.items import every, restricted_faces, write_unless_changed
from chalicelib.core.model import REGULAR, RESTRICTED, Edit, Face, JournalEntry, Restriction, Tenant
from chalicelib.core.places import PLACES, Mark
from chalicelib.core.ports import Action, Put, absent
from chalicelib.core.records.faces import user_item
from chalicelib.core.templates import MAX_FACES, User, compared, deleted, entry_of, mean_of, user_of
from chalicelib.services.commit import Change, written
from chalicelib.services.faces import MAX_HOLDS, take_reason
from chalicelib.services.idempotency import RequestId
from chalicelib.services.outside import Outside

_EVENTS = 40
"""Most events whose names go in one transaction with the restriction."""


class Restrictions(Outside):
    """Faces that are kept and used for nothing: their group is RESTRICTED, which is hidden as deleted groups are."""

    most: int = MAX_HOLDS

    def all(self, tenant: Tenant) -> list[Face]:
        """Return the restricted faces."""
        return self.book.faces.restricted(tenant)

    def set(self, tenant: Tenant, faceid: str, reason: str, request: RequestId | None = None) -> Face:
        """Take a face out of the gallery and of all lists, and its name out of events that wait. Return it.

        A user goes with its last face, and a subject with its name. Of a restricted one, nothing changes.
        Raises InvalidInput, FaceNotFound, Conflict, TooMany, Busy, AnsweredAlready.
        """
        reason = take_reason(reason, "restriction", is_set=True)
        self.require_room(tenant, [faceid])

        def restricted(face: Face) -> tuple[Face, Change] | None:
            _require_settled(face)
            if face.restriction:
                return None
            user = self.book.faces.user_of_entry(tenant, user_of(face))
            now, lost = self.book.clock.now(), {face.group_id: -1}
            restriction = Restriction(reason, now, face.group_id, face.user, user.name if user else "")
            after = replace(face, group_id=RESTRICTED, restriction=restriction, user="", changed_at=now)
            unnamed = {"outbox": self._unnamed}
            places = [unnamed[one.name] for one in PLACES if one.restriction is Mark.UNNAMED]
            actions = tuple(action for place in places for action in place(tenant.name, faceid))
            return after, Change(actions, (deleted(face),), lost, self.book.groups.limited(tenant, lost))

        return self.book.faces.changed(tenant, faceid, restricted, request, restricted=True)

    def require_room(self, tenant: Tenant, faceids: Sequence[str]) -> None:
        """Raise TooMany if these faces cannot all be restricted."""
        away = {*restricted_faces(self.book.items, tenant.name)}
        if len(away.union(faceids)) > max(self.most, len(away)):
            raise TooMany(f"a tenant restricts {self.most} faces at most, {len(away)} now: erase those not needed")

    def _unnamed(self, tenant: str, faceid: str) -> tuple[Action, ...]:
        """Take the name out of events about the face, until the rest fit its transaction; return the actions of these.

        A call that writes another one meanwhile changes the face.
        """
        from chalicelib.core.webhooks import without_name  # not at the cold starts of searches

        waiting = (without_name(item, {faceid}) for item in every(self.book.items, keys.OUTBOX, tenant))
        named = list(filter(None, waiting))
        for one in named[_EVENTS:]:
            write_unless_changed(self.book.items, [one])
        return tuple(named[:_EVENTS])

    def lift(self, tenant: Tenant, faceid: str, reason: str, request: RequestId | None = None) -> Face:
        """Return a face to its group and to the gallery, for this reason, which the audit has. Return it.

        If its group was deleted, it goes to the group of regulars; its user is made again if there is none, and if that
        has no room, it has none. If it has no template of the tenant's model, since that changed meanwhile, no search
        finds it until its pictures are embedded again. Raises InvalidInput, FaceNotFound, FaceHeld (a held face would
        lose its user), GroupFull, Conflict, Busy, AnsweredAlready.
        """
        take_reason(reason, "restriction", is_set=False)

        def lifted(face: Face) -> tuple[Face, Change] | None:
            _require_settled(face)
            restriction = face.restriction
            if restriction is None:
                return None
            is_there = self.book.groups.of_id(tenant, restriction.group_id) is not None
            group_id, values = (restriction.group_id, face.attributes) if is_there else (REGULAR, {})
            id_ = restriction.user if is_there else ""
            user = self.book.faces.user_of_entry(tenant, entry_of(group_id, id_)) if id_ else None
            has_room = bool(id_) and (user is None or len(user.faceids) < MAX_FACES)
            after = replace(face, group_id=group_id, attributes=values, user=id_ if has_room else "")
            after = replace(after, restriction=None, changed_at=self.book.clock.now())
            put = JournalEntry(Edit.PUT, faceid, group_id, compared(face.templates), user=user_of(after))
            is_made = has_room and user is None
            made = self._user_again(tenant.name, after, restriction.subject) if is_made else Change((), ())
            counts, limited = {group_id: 1}, self.book.groups.limited(tenant, [group_id])
            made = replace(made, journal=(put, *made.journal), counts=counts, limited_groups=limited)
            return after, replace(made, skips_model_check=True)

        return self.book.faces.changed(tenant, faceid, lifted, request, restricted=True)

    def _user_again(self, tenant: str, face: Face, subject: str) -> Change:
        """Return the change that makes the face's user, gone with a restriction, unless it was made meanwhile.

        `subject`: its name.
        """
        bare = User(face.group_id, face.user, name=subject, created_at=face.enrolled_at if subject else None)
        user = replace(bare, faceids=(face.faceid,), templates=() if subject else mean_of([face.templates]))
        _, entries = written(tenant, bare, user)
        put = Put(keys.DIRECTORY, user_item(tenant, user), (absent("user-free"),))
        return Change((put,), tuple(entries), users={face.group_id: 1})


def _require_settled(face: Face) -> None:
    if face.moving:
        raise Conflict(f"a merge of face {face.faceid!r} is still going on: send the request again in a minute")
