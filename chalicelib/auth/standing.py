"""Access registers: signed lists of a tenant's accesses, by which a restore ends again what has
ended since its backup.

The registers (privacy/standing) lie beside backups and at the witness.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.auth.roles import ApiKey, Member, Role
from chalicelib.domain.api_keys import FIRST
from chalicelib.domain.consent import Basis, Ending, Remembered
from chalicelib.domain.effects import SHARED_KEYS, name_access
from chalicelib.domain.errors import (
    InvalidInput,
    LastAdminKey,
    NotFound,
    RegularsError,
    StorageUnavailable,
    TenantNotFound,
    Unusable,
)
from chalicelib.domain.model import Face, Tenant
from chalicelib.domain.tenant_settings import SETTINGS
from chalicelib.domain.webhooks import Hook, hook_fields
from chalicelib.privacy.signing import canonical_json, fingerprint
from chalicelib.privacy.standing import (
    HELD,
    REMEMBERED,
    RESTRICTED,
    SINCE,
    WITHDRAWN,
    Access,
    Document,
    Ended,
    Point,
    Restored,
    Standing,
    compute_digest,
    find_marked_since,
    find_withdrawn_at,
    hash_with,
    list_ended,
    list_new,
    make_statement,
    name_document,
    parse_document,
    write_value,
)
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import retry_if_changed, walk_items, write
from chalicelib.storage.ports import Item, Put, Update, absent, equals, exists
from chalicelib.storage.records.captures import camera_from
from chalicelib.storage.values import milliseconds, moment, parse_optional, time_text

if TYPE_CHECKING:
    from chalicelib.services import Services

_log = logging.getLogger(__name__)

_UNCHANGED = "documents-same"
_BUSY = "documents of what stands are made all the time: try again in a moment"


class StandingDocuments(Service["Services"]):
    """The access registers: writes them, gives them to the witness, and applies them after a
    restore."""

    def read(self, tenant: Tenant) -> Standing:
        """Return the current access register of a tenant's book."""
        key = self.services.audit.signing.read_face_key(tenant.name)
        # what a restore asks is no setting that another one would repeat
        values = {name: getattr(tenant, name) for name in SETTINGS if name != "restore_gap"}
        return Standing(
            dict(self._list_accesses(tenant, key)),
            {name: write_value(value, key, name) for name, value in values.items()},
            self._read_marks(tenant, key),
            tenant.disabled,
            self._read_point(tenant),
            self.services.clock.now(),
        )

    def _read_noted(self, tenant: str) -> Item:
        """Return what is noted of the documents that were made; nothing before the first."""
        return self.services.items.get(keys.AUDIT, (tenant, keys.AUDIT_STANDING)) or {}

    def _read_point(self, tenant: Tenant) -> Point:
        item = self._read_noted(tenant.name)
        line = {life: int(number) for life, number in item.get("line", {}).items()}
        signer = self.services.audit.signing.read_public_keys(tenant.name).current
        return Point(tenant.life, int(item.get("number", 0)), line, fingerprint(signer))

    def begin_line(self, name: str, point: Point, newest: int) -> None:
        """Note that a tenant's book goes on from a point in another life, which has begun.

        `newest`: the highest number of a document that is known. May be repeated.
        """
        before = self._read_noted(name)
        number = int(before.get("number", 0))
        item = {
            "tenant": name,
            "id": keys.AUDIT_STANDING,
            "number": max(number, newest) + 1,
            "line": {**point.line, point.life: int(before.get("line", {}).get(point.life, number))},
            "digest": "",
        }
        write(self.services.items, [Put(keys.AUDIT, item)])

    def _list_accesses(self, tenant: Tenant, key: bytes) -> Iterator[tuple[str, Access]]:
        """Yield each way into the tenant's book by its name, such as `key 12` or `camera door`.

        Its Access says the rights, and has hashes in place of the secrets. `key`: the tenant's face
        key, by which they are hashed.
        """
        items = self.services.items
        record = items.get(keys.TENANTS, keys.tenant_item(tenant.name))
        if record is None:
            raise TenantNotFound(f"tenant {tenant.name} is erased meanwhile")
        # The key as it is sealed: on a stage with another KMS key nobody can read it.
        shared = (
            bytes(record["app_key"]).hex(),
            str(record["appcode_digest"]),
            str(record["access_key_id"]),
        )
        yield SHARED_KEYS, Access(frozenset(hash_with(key, text) for text in shared))
        for api_key in self.services.access.keys.list_all(tenant):
            yield name_access("key", api_key.id), _describe_key(api_key, key)
        for member in self.services.access.members.list_all(tenant):
            yield name_access("member", member.id), _describe_member(member, key)
        for hook in self.services.webhooks.hooks.list_all(tenant.name):
            yield name_access("hook", hook.id), _describe_hook(hook, key)
        for item in walk_items(items, keys.CAMERAS, tenant.name, between=keys.CAMERA_IDS):
            yield name_access("camera", str(item["id"])), _describe_camera(item, key)

    def _read_marks(self, tenant: Tenant, key: bytes) -> Mapping[str, Sequence[str]]:
        """Return the marks of faces that have some, and of those that became a part of these."""
        marks_by_face: dict[str, set[str]] = {}
        for face_on_hold in self.services.faces.holds.list_all(tenant.name):
            marks_by_face.setdefault(face_on_hold.faceid, set()).add(HELD)
        absorbed_before = dict[str, Sequence[str]]()
        for face in self.services.restrictions.list_all(tenant):
            absorbed_before[face.faceid] = face.absorbed
            marks_by_face.setdefault(face.faceid, set()).update(_list_restrictions(face))
        by_hash: dict[str, set[str]] = {}
        for faceid, marks in marks_by_face.items():
            absorbed = {
                merge.other
                for merge in self.services.merges.records.list_below(tenant.name, faceid)
            }
            for part in {faceid, *absorbed, *absorbed_before.get(faceid, ())}:
                by_hash.setdefault(hash_with(key, "face", part), set()).update(marks)
        return {hashed: sorted(marks) for hashed, marks in by_hash.items()}

    def list_names(self, tenant: Tenant) -> list[str]:
        """Return a description of each access of a tenant for operators: `key 12 is open (office,
        admin)`."""
        access, cameras = self.services.access, self.services.cameras.list_all(tenant)
        return [
            f"{SHARED_KEYS} are open",
            *(
                f"{name_access('key', key.id)} is open ({key.name}, {key.role})"
                for key in access.keys.list_all(tenant)
            ),
            *(
                f"{name_access('member', member.id)} may sign in ({member.name}, {member.role})"
                for member in access.members.list_all(tenant)
            ),
            *(
                f"{name_access('hook', hook.id)} is told "
                f"({hook.url or hook.address or hook.name or 'a mailbox'})"
                for hook in self.services.webhooks.hooks.list_all(tenant.name)
                if hook.enabled
            ),
            *(
                f"{name_access('camera', camera.id)} sends ({camera.name})"
                for camera in cameras
                if camera.enabled
            ),
        ]

    @retry_if_changed(_BUSY)
    def make_document(self, tenant: Tenant) -> tuple[str, Mapping[str, Any]]:
        """Make the document of now, signed and with the next number, and its name beside a backup.

        Raises Busy, StorageUnavailable.
        """
        statement = self._make_statement(tenant)
        # Only now: a backup that has the number was made later, and so has what the document says.
        number = self._count_on(tenant.name, statement["number"])
        signed = self.services.audit.signing.sign_statement(
            tenant.name, {**statement, "number": number}
        )
        return name_document(tenant.app_id, tenant.life), signed

    @retry_if_changed(_BUSY)
    def begin_backup(self, tenant: Tenant) -> None:
        """Give a new backup its own number, and the tenant the key by which a restore recognises
        what the tenant has signed since."""
        self._count_on(tenant.name, self._read_point(tenant).number)

    def _count_on(self, name: str, before: int) -> int:
        """Note the number behind `before` and return it.

        Raises ConditionFailed if another was first.
        """
        item_key, number = (name, keys.AUDIT_STANDING), before + 1
        first = {"tenant": name, "id": keys.AUDIT_STANDING, "number": number}
        is_next = equals("number", before, _UNCHANGED)
        action = (
            Update(keys.AUDIT, item_key, (is_next,), set={"number": number})
            if before
            else Put(keys.AUDIT, first, (absent(_UNCHANGED),))
        )
        write(self.services.items, [action])
        return number

    def write_beside(self, tenant: Tenant, folder: Path) -> None:
        """Write the document of now into a folder of backups, in place of the one before of the
        same life.

        Raises Busy, StorageUnavailable; Unusable if a later document lies there, which this book
        did not make.
        """
        with self.services.ports.backups.hold():
            name, document = self.make_document(tenant)
            there = _find_document(folder / name)
            if there is not None and there.point.number >= document["statement"]["number"]:
                raise Unusable(
                    f"{folder / name} is later than this data folder. Did the folder come back "
                    "from a snapshot? Stop its service and run `regulars restore --finish`, which "
                    "ends again what ended since"
                )
            self.services.ports.backups.replace(folder, name, canonical_json(document))

    def write_outside(self, tenant_name: str) -> None:
        """Write the document of now beside the box's last backups, and give it to the witness.

        What cannot be written is logged: the schedule writes it later.
        """
        folders = self.services.ports.backups.list_mounted()
        if not folders and self.services.ports.witness is None:
            return
        tenant = self.services.tenants.find(tenant_name)
        if tenant is None:
            return  # erased meanwhile
        acts: dict[str, Callable[[], object]] = {
            str(folder): partial(self.write_beside, tenant, folder) for folder in folders
        }
        acts["the witness"] = partial(self.tell_witness, tenant)
        for place, act in acts.items():
            try:
                act()
            except RegularsError as error:
                _log.warning(
                    "%s: what ended is not noted at %s yet, and is within the hour: %s",
                    tenant_name,
                    place,
                    error,
                )

    def _make_statement(self, tenant: Tenant) -> Mapping[str, Any]:
        key = self.services.audit.signing.read_face_key(tenant.name)
        return make_statement(tenant.name, tenant.app_id, key, self.read(tenant))

    def tell_witness(self, tenant: Tenant) -> bool:
        """Give the witness the document of now if it was given another one last; return whether it
        was.

        May be cut off anywhere and repeated. Raises StorageUnavailable, Unusable, Busy.
        """
        if (witness := self.services.ports.witness) is None:
            return False
        digest = compute_digest(self._make_statement(tenant))
        if self._read_noted(tenant.name).get("digest") == digest:
            return False
        _, document = self.make_document(tenant)
        number = document["statement"]["number"]
        witness.keep(name_document(tenant.app_id, tenant.life, number), canonical_json(document))
        item_key = (tenant.name, keys.AUDIT_STANDING)
        update = Update(keys.AUDIT, item_key, (exists(_UNCHANGED),), set={"digest": digest})
        write(self.services.items, [update])
        return True

    def end_by_documents(self, restored: Restored, later: Sequence[Standing]) -> Iterator[str]:
        """End again what had ended since the backup; yield lines that report it.

        `later`: what the tenant's documents since then say (`choose_documents`). Settings stay as
        they are (backup/after.py). May be cut off anywhere and repeated.
        """
        if not later:
            return
        tenant, present = restored.tenant, self.read(restored.tenant)
        for ended in list_ended(present, later):
            yield from self.end_access(restored, ended)
        if later[-1].is_disabled and not present.is_disabled:
            self.services.tenants.disable(tenant.name)
            yield "the shop is disabled"
        for access in list_new(restored.standing, later):
            yield f"{access} was made since, and is not there: make another if it is needed"
        yield from self._mark_faces(tenant, later)

    def end_access(self, restored: Restored, ended: Ended) -> Iterator[str]:
        """End an access, or its replaced secrets, and reduce it to its last rights; yield what was
        done."""
        tenant, (kind, _, id_) = restored.tenant, ended.access.partition(" ")
        try:
            if ended.access == SHARED_KEYS or id_ == FIRST:
                yield from self._end_shared(restored, ended)
            elif kind == "key":
                yield from self._end_key(restored, id_, ended)
            elif kind == "member":
                yield from self._end_member(tenant, id_, ended)
            elif kind == "hook":
                yield from self._end_hook(tenant, id_, ended)
            elif kind == "camera":
                yield from self._end_camera(tenant, id_, ended)
        except NotFound:
            return  # made since the backup, or ended by another document
        except RegularsError as error:
            yield f"{ended.access} is not as it was last, and could not be ended: {error}"

    def _end_shared(self, restored: Restored, ended: Ended) -> Iterator[str]:
        """End the keys that the tenant has from its first day.

        None of them ends alone but the first key.
        """
        tenant = restored.tenant
        secrets = dict(
            self._list_accesses(tenant, self.services.audit.signing.read_face_key(tenant.name))
        )
        if ended.is_gone and ended.access != SHARED_KEYS:
            try:
                self.services.access.keys.delete(tenant, FIRST)
            except LastAdminKey:
                restored.rotate(tenant.name)
                yield (
                    "the first key was deleted, and is the only one of an admin here: it has "
                    "another secret"
                )
            else:
                yield "the first key is deleted"
        elif ended.is_gone or not ended.over.isdisjoint(secrets[ended.access].secrets):
            restored.rotate(tenant.name)
            yield (
                "the shared keys were renewed since: all of them have other secrets now, such "
                "as in credentials.json"
            )

    def _end_key(self, restored: Restored, id_: str, ended: Ended) -> Iterator[str]:
        """Give an API key of a restored book the state that it had last, and yield a line about
        each change.

        `deleted since the backup, or expired`: it is deleted; the last key of an admin gets a
        secret that nobody knows. `renewed since`: it gets such a secret, too; the key of a dialect
        is deleted. `its rights were lessened since`: it loses them again.

        Raises KeyNotFound if the book has no such key.
        """
        tenant, ring = restored.tenant, self.services.access.keys
        key, ends_at = ring.get(tenant, id_), parse_optional(moment, ended.rights.get("ends"))
        has_expired = ends_at is not None and ends_at <= self.services.clock.now()
        if ended.is_gone or (ended.over and key.service) or has_expired:
            try:
                ring.delete(tenant, id_)
            except LastAdminKey:
                ring.renew(tenant, id_)
                yield (
                    f"key {id_} was deleted, and is the only one of an admin here: it has a "
                    "secret that nobody knows"
                )
            else:
                yield f"key {id_} is deleted"
            return
        if ended.over:
            ring.renew(tenant, id_)
            yield (
                f"key {id_} was renewed since, and its secret of then is over: renew it to have one"
            )
        if limits := _lessen_key(key, ended.rights):
            ring.change(tenant, id_, limits)
            yield f"key {id_} may do no more than it might last: {_say(limits)}"

    def _end_member(self, tenant: Tenant, id_: str, ended: Ended) -> Iterator[str]:
        """Give a member of a restored book the state that they had last, and yield a line about
        each change.

        A member is a person who signs in. `removed since the backup`: the member is removed. `a
        passkey or password was ended since`: it signs nobody in. `rights were lessened since`: they
        are lost again.

        Raises MemberNotFound if the book has no such member.
        """
        members = self.services.access.members
        if ended.is_gone:
            members.delete(tenant, id_)
            yield f"member {id_} is removed"
            return
        key = self.services.audit.signing.read_face_key(tenant.name)
        member = members.get(tenant, id_)
        if ended.over:
            members.end_sign_ins(tenant, id_, lambda way: hash_with(key, way) in ended.over)
            yield (
                f"member {id_} signs in no more by what was removed since: a new link lets them "
                "in again"
            )
        if limits := _lessen(member.role, member.pictures, ended.rights):
            members.change_member(tenant, id_, limits)
            yield f"member {id_} may do no more than it might last: {_say(limits)}"

    def _end_hook(self, tenant: Tenant, id_: str, ended: Ended) -> Iterator[str]:
        hooks = self.services.webhooks.hooks
        hook = hooks.get(tenant.name, id_)
        if ended.is_gone:
            hooks.delete(tenant.name, id_)
            yield f"hook {id_} is deleted"
        elif hook.enabled:
            hooks.change_hook(tenant.name, id_, {"enabled": False})
            yield f"hook {id_} was changed since, and is off: look at it, and switch it on"

    def _end_camera(self, tenant: Tenant, id_: str, ended: Ended) -> Iterator[str]:
        cameras = self.services.cameras
        if ended.is_gone:
            cameras.delete(tenant, id_)
            yield f"camera {id_} is deleted; its captures stay"
            return
        if ended.over:
            cameras.replace_key(tenant, id_)
            yield f"camera {id_} got another key since, and its key of then is over: make another"
        if not ended.rights.get("enabled", True) and cameras.get(tenant, id_).enabled:
            cameras.change(tenant, id_, {"enabled": False})
            yield f"camera {id_} is disabled"

    def _mark_faces(self, tenant: Tenant, later: Sequence[Standing]) -> Iterator[str]:
        """Withdraw, restrict and hold the faces that the documents mark. None is freed.

        A withdrawal counts that stands in any document, a hold and a restriction if they stand in
        the newest.
        """
        marks_by_hash: dict[str, set[str]] = {}
        for standing in later:
            for hashed, marks in standing.faces.items():
                counting = marks if standing is later[-1] else {*marks} & {WITHDRAWN}
                marks_by_hash.setdefault(hashed, set()).update(counting)
        if not marks_by_hash:
            return
        key = self.services.audit.signing.read_face_key(tenant.name)
        reason = f"as before the restore, by the document of {time_text(later[-1].at)}"
        for faceid in sorted(self.services.erasure.again.read_people(tenant.name).faceids):
            hashed = hash_with(key, "face", faceid)
            for mark in sorted(marks_by_hash.get(hashed, ()), reverse=True):
                since = find_marked_since(later, hashed, mark)
                if since is not None:
                    at = find_withdrawn_at(later, hashed, since)
                    yield from self._mark_face(tenant, faceid, mark, at, reason)

    def _mark_face(
        self, tenant: Tenant, faceid: str, mark: str, since: datetime, reason: str
    ) -> Iterator[str]:
        face = self.services.faces.get(tenant, faceid, restricted=True)
        has = {*_list_restrictions(face), *([HELD] if face.hold else [])}
        if mark in has:
            return
        if mark == WITHDRAWN:
            self.services.consents.withdraw_again(tenant, faceid, since)
            yield f"the consent of {faceid} is withdrawn"
        elif mark.startswith(REMEMBERED):
            if WITHDRAWN in has:
                evidence = f"not known since a restore: {reason}"
                wish = Remembered(Basis(mark.removeprefix(REMEMBERED)), evidence, since)
                self.services.consents.withdraw_again(tenant, faceid, since, wish)
                yield f"{faceid} is remembered in order to be forgotten"
        elif mark == RESTRICTED:
            self.services.restrictions.set(tenant, faceid, reason)
            yield f"{faceid} is restricted"
        elif mark == HELD:
            self.services.faces.holds.set(tenant, faceid, reason)
            yield f"{faceid} is held"

    def end_sign_ins(self, tenant: Tenant) -> str:
        """End all sessions, invitations and codes of a tenant, which a backup brought back; return
        a line about it."""
        ended_count = self.services.access.sessions.end_all(tenant.name)
        ended_count += self.services.access.members.end_invitations(tenant)
        return f"sessions, invitations and codes have ended ({ended_count}): sign in again"


def _list_restrictions(face: Face) -> list[str]:
    if (restriction := face.restriction) is None:
        return []
    return [
        *([RESTRICTED] if restriction.reason else []),
        *([WITHDRAWN] if restriction.ended is Ending.WITHDRAWN else []),
        *([f"{REMEMBERED}{face.remembered.basis}"] if face.remembered else []),
        *([f"{SINCE}{time_text(face.withdrawn_at)}"] if face.withdrawn_at else []),
    ]


def _describe_key(api_key: ApiKey, key: bytes) -> Access:
    rights = {
        "role": str(api_key.role),
        "pictures": api_key.pictures,
        "ends": parse_optional(milliseconds, api_key.expires_at),
    }
    return Access(frozenset([hash_with(key, api_key.digest)]), rights)


def _describe_member(member: Member, key: bytes) -> Access:
    return Access(
        frozenset(hash_with(key, way) for way in member.sign_ins),
        {"role": str(member.role), "pictures": member.pictures},
    )


def _describe_hook(hook: Hook, key: bytes) -> Access:
    """Describe a hook by its secret and by what it is sent.

    An erasure takes ids out of its `people`: not compared.
    """
    fields = {
        name: str(value)
        for name, value in hook_fields(hook).items()
        if name not in ("secret", "former_secret", "former_until", "people", "name")
    }
    form = canonical_json({**fields, "people": str(hook.people is None)}).decode()
    return Access(
        frozenset([hash_with(key, hook.sealed_secret.hex())]), {"form": hash_with(key, form)}
    )


def _describe_camera(item: Item, key: bytes) -> Access:
    rights = {"enabled": camera_from(item).enabled}
    return Access(frozenset([hash_with(key, str(item["key_digest"]))]), rights)


def _lessen(role: Role, pictures: bool, last: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rights that have to change so that they are no more than the last ones."""
    last_role = Role(last.get("role", role))
    return {
        **({"role": last_role} if not last_role.includes(role) else {}),
        **({"pictures": False} if pictures and not last.get("pictures", True) else {}),
    }


def _lessen_key(key: ApiKey, last: Mapping[str, Any]) -> dict[str, Any]:
    """Return as `_lessen` for a key, with its end."""
    limits = _lessen(key.role, key.pictures, last)
    ends_at = parse_optional(moment, last.get("ends"))
    if ends_at is not None and (key.expires_at is None or ends_at < key.expires_at):
        limits["expires_at"] = ends_at
    return limits


def _say(limits: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value if not isinstance(value, bool) else str(value).lower()}"
        for name, value in limits.items()
    )


def _find_document(file: Path) -> Document | None:
    """Return a document that is as it was signed; None: there is none.

    Raises StorageUnavailable.
    """
    try:
        return parse_document(file.read_bytes())
    except (FileNotFoundError, InvalidInput):
        return None
    except OSError as error:
        raise StorageUnavailable(f"cannot read {file}: {error.strerror}") from error
