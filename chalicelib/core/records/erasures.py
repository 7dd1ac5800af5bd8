"""Erasures to items and back."""

from __future__ import annotations

import json

from chalicelib.core.erasures import Erasure
from chalicelib.core.ports import Item
from chalicelib.core.values import known, milliseconds, moment, optional

COUNT = "n_"
"""What the attributes of counts begin with: each is added to in the transaction of what it counts."""


def erasure_item(tenant: str, erasure: Erasure) -> Item:
    fields = {
        "tenant": tenant,
        "id": erasure.id,
        "at": milliseconds(erasure.at),
        "by": erasure.by,
        "erases": erasure.erases,
        "faceids": list(erasure.faceids) or None,
        "names": list(erasure.names) or None,
        "number": erasure.number,
        "step": erasure.step,
        "seq": erasure.seq,
        "pseudonym": erasure.pseudonym or None,
        "salt": erasure.salt or None,
        "faces": list(erasure.faces) or None,
        "hashes": {name: list(hashes) for name, hashes in erasure.hashes.items()} or None,
        "done_at": optional(milliseconds, erasure.done_at),
        "receipt": optional(json.dumps, erasure.receipt),
    }
    return {**known(fields), **{f"{COUNT}{name}": number for name, number in erasure.counts.items()}}


def erasure_from(item: Item) -> Erasure:
    return Erasure(
        id=item["id"],
        at=moment(item["at"]),
        by=item["by"],
        erases=item["erases"],
        faceids=tuple(item.get("faceids", ())),
        number=int(item["number"]),
        names=tuple(item.get("names", ())),
        step=int(item["step"]),
        seq=optional(int, item.get("seq")),
        pseudonym=item.get("pseudonym", ""),
        salt=item.get("salt", ""),
        faces=tuple(item.get("faces", ())),
        hashes={name: tuple(hashes) for name, hashes in item.get("hashes", {}).items()},
        counts={name.removeprefix(COUNT): int(item[name]) for name in sorted(item) if name.startswith(COUNT)},
        done_at=optional(moment, item.get("done_at")),
        receipt=optional(json.loads, item.get("receipt")),
    )
