"""The witness: it is given a document, which is read again where that can be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from chalicelib.domain.errors import RegularsError
from chalicelib.storage.values import time_ordered_id, time_text
from regulars.doctor.reach.asking import NotSetUp, Reach
from regulars.findings import Finding, failed, well

_BELOW = "doctor"
"""Folder of such documents at a witness, beside those of heads and receipts."""


def ask_witness(reach: Reach) -> Iterator[Finding]:
    """Have the witness keep a document, and read it again."""
    address = reach.services.settings.witness
    if address is None:
        raise NotSetUp("`witness` names a folder, a bucket or a URL")
    where = address.partition("://")[0] if "://" in address else "folder"
    name = f"{_BELOW}/{time_ordered_id(reach.now)}.json"
    document = json.dumps({"doctor": time_text(reach.now)}).encode()
    sent = f"the document {name} for the witness ({where})"
    try:
        if (witness := reach.services.ports.witness) is not None:
            witness.keep(name, document)
        is_kept = where != "folder" or (Path(address) / name).read_bytes() == document
    except (RegularsError, OSError) as error:
        yield failed("witness", f"{sent}: {error}. See that `witness` is there and may be written")
        return
    if not is_kept:
        yield failed("witness", f"{sent} was taken, and reads otherwise: see that folder")
    elif where == "folder":
        yield well("witness", f"{sent} was kept, and reads the same")
    else:
        yield well("witness", f"{sent} was taken; who asks may not read there")
