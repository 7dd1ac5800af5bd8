"""The refusal list: people who are not enrolled again, since their consent has ended or they were
erased.

Of each end keyed hashes of ids, pictures and the record of consent stay for good. They hold no
template and cannot be reversed (docs/decisions/0102). Each is an item of its own, found by
its key, so an enrolment reads as few, however many said no. They are written before what ends the
consent: cut off in between, the person is refused already, and what was asked for is sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.consent import EndedRecord, Ending
from chalicelib.domain.grounds import Claim, find_ended_record, list_claims, require_not_ended
from chalicelib.domain.hooks import ENDED
from chalicelib.domain.model import Face, Tenant
from chalicelib.privacy.erasure_progress import Erasure, Refused, hash_claim
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import cut_in_parts, walk_items, write
from chalicelib.storage.ports import Item, Put
from chalicelib.storage.records.merges import Merge
from chalicelib.storage.values import milliseconds, moment, photo_id

if TYPE_CHECKING:
    from chalicelib.services import Services

_AT_ONCE = 90
"""Items that one transaction writes, of a hundred that DynamoDB takes."""


class Refusals(Service["Services"]):
    """The people who withdrew, by keyed hashes."""

    def list_absorbed(self, tenant: Tenant, faces: Iterable[Face]) -> list[Merge]:
        """List the merges of other faces into these."""
        records = self.services.merges.records
        return [merge for face in faces for merge in records.list_below(tenant.name, face.faceid)]

    def add_refused(
        self,
        tenant: str,
        erasure: Erasure,
        faceids: Iterable[str],
        faces: Iterable[Face] = (),
        pictures: Iterable[str] = (),
    ) -> Erasure:
        """Add the hashes to an erasure by which its people are refused from then on.

        `faceids`: with those of merged faces; `faces`: those that are known; `pictures`: SHA-256 of
        stored pictures, which an export has. What was asked for counts from then on. What follows
        the end of a consent counts from that.
        """
        asked = EndedRecord(Ending.NONE, erasure.at, erasure.at)
        claims = {Claim("id", faceid, ""): asked for faceid in faceids}
        claims |= {Claim("picture", photo_id(sha256), ""): asked for sha256 in pictures}
        for face in faces:
            ended = find_ended_record(face) if erasure.by == ENDED else None
            claims |= {claim._replace(whose=""): ended or asked for claim in list_claims(face)}
        refused = (*erasure.refused, *self._hash_claims(tenant, claims))
        return replace(erasure, refused=refused)

    def write_end(self, tenant: Tenant, face: Face, end: EndedRecord | None) -> None:
        """Write that the consent of a face, as it was before, and of those merged into it has
        ended."""
        merges = self.list_absorbed(tenant, [face])
        claims = [Claim("id", merge.other, "") for merge in merges if merge.is_same_person]
        claims += [claim for each in (face, *list_backups(merges)) for claim in list_claims(each)]
        if end is not None:
            ended_claims = {claim._replace(whose=""): end for claim in claims}
            self.write(tenant.name, self._hash_claims(tenant.name, ended_claims))

    def write(self, tenant: str, refused: Iterable[Refused]) -> None:
        """Write from when on a record counts again for these hashes; a later end stays.

        May be cut off anywhere and repeated. No entry of the audit is of it.
        """
        items = self.services.storage.items
        by_time = sorted(refused, key=lambda one: one.end.counts_from)
        ends = {hashed: one.end for one in by_time for hashed in one.hashes}
        for part in cut_in_parts(sorted(ends), _AT_ONCE):
            stored = self._read_ends(tenant, part)
            newer = [
                (hashed, ends[hashed])
                for hashed, end in zip(part, stored, strict=True)
                if end is None or end.counts_from < ends[hashed].counts_from
            ]
            if newer:
                mark = _make_item(tenant, "", newer[-1][1])
                made = [mark, *(_make_item(tenant, hashed, end) for hashed, end in newer)]
                write(items, [Put(keys.DIRECTORY, item) for item in made])

    def refuse_ended(
        self, name: str, before: Face | None, face: Face, *, is_somebody_else: bool
    ) -> None:
        """Raise FaceErased or ConsentOlder, as described in `BookHooks.refuse_ended`, by the ended
        records of all shops of the controller."""
        claims = list_claims(face, before)
        if is_somebody_else:
            claims = [claim for claim in claims if claim.kind == "record"]
        if not claims:
            return
        tenant = self.services.tenants.read_stored(name)
        shops = [name, *(shop.name for shop in self.services.tenants.list_other_shops(tenant))]
        ends = [
            (claim, end)
            for claim, end in self._find_ends(shops, claims)
            if claim.kind != "record" or not self._is_of_others(tenant, face.faceid, claim)
        ]
        require_not_ended(face.consent, ends, self.services.clock.now())

    def _find_ends(
        self, shops: Iterable[str], claims: Sequence[Claim]
    ) -> Iterator[tuple[Claim, EndedRecord]]:
        """Yield what ended of these claims in one of these shops."""
        for shop in shops:
            if self._read_ends(shop, [""]) == [None]:  # nobody said no there, so it needs no key
                continue
            key = self.services.audit.signing.read_face_key(shop)
            hashes = [hash_claim(key, claim.kind, claim.value) for claim in claims]
            for claim, end in zip(claims, self._read_ends(shop, hashes), strict=True):
                if end is not None:
                    yield claim, end

    def _read_ends(self, tenant: str, hashes: Iterable[str]) -> list[EndedRecord | None]:
        item_keys = [(tenant, keys.refused_item(hashed)) for hashed in hashes]
        items = self.services.items.get_many(keys.DIRECTORY, item_keys)
        return [_parse_end(item) if item else None for item in items]

    def _is_of_others(self, tenant: Tenant, faceid: str, record: Claim) -> bool:
        """Return whether somebody else in the book has the same record of consent, so that it does
        not say who somebody is. It is asked only of a record that was found."""
        listed = walk_items(self.services.items, keys.FACES, tenant.name, index="by_consent")
        other_ids = [item["faceid"] for item in listed if item["faceid"] != faceid]
        return any(
            record in list_claims(other)
            for part in cut_in_parts(other_ids, _AT_ONCE)
            for other in self.services.faces.by_id(tenant, part).values()
        )

    def _hash_claims(self, tenant: str, claims: dict[Claim, EndedRecord]) -> tuple[Refused, ...]:
        key = self.services.audit.signing.read_face_key(tenant)
        hashes: dict[EndedRecord, list[str]] = {}
        for claim, end in claims.items():
            hashes.setdefault(end, []).append(hash_claim(key, claim.kind, claim.value))
        return tuple(Refused(end, (*sorted(each),)) for end, each in hashes.items())


def list_backups(merges: Iterable[Merge]) -> list[Face]:
    """List the faces that an undo of these merges would bring back."""
    return [merge.backup.face for merge in merges if merge.is_active and merge.backup is not None]


def _make_item(tenant: str, hashed: str, end: EndedRecord) -> Item:
    key = {"tenant": tenant, "item": keys.refused_item(hashed), "ended": str(end.ending)}
    return {**key, "at": milliseconds(end.at), "counts_from": milliseconds(end.counts_from)}


def _parse_end(item: Item) -> EndedRecord:
    return EndedRecord(Ending(item["ended"]), moment(item["at"]), moment(item["counts_from"]))
