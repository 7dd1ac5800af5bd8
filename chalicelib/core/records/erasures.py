"""Erasures to items and back."""

from __future__ import annotations

import json

from chalicelib.core.erasures import Erasure
from chalicelib.core.ports import Item
from chalicelib.core.values import Codec, Form

COUNT = "n_"
"""What the attributes of counts begin with: each is added to in the transaction of what it counts."""

_ERASURE = Codec(
    Erasure,
    rare="faceids names pseudonym salt faces hashes",
    hashes=Form(
        lambda hashes: {name: list(of) for name, of in hashes.items()},
        lambda stored: {name: tuple(of) for name, of in stored.items()},
    ),
    counts=Form(
        lambda counts: {f"{COUNT}{name}": number for name, number in counts.items()},
        lambda item: {name.removeprefix(COUNT): int(item[name]) for name in sorted(item) if name.startswith(COUNT)},
        whole=True,
    ),
    receipt=Form(json.dumps, json.loads),
)
erasure_from = _ERASURE.read


def erasure_item(tenant: str, erasure: Erasure) -> Item:
    return {"tenant": tenant, **_ERASURE.write(erasure)}
