"""The witness: it is given a document, which is read again where that can be."""

from __future__ import annotations

import json
from collections.abc import Iterator

from chalicelib.domain.errors import RegularsError
from chalicelib.storage.values import time_ordered_id, time_text
from chalicelib.witness import read_documents
from regulars.doctor.reach.asking import Reach
from regulars.findings import Finding, failed, unasked, well

_BELOW = "doctor"
"""Folder of such documents at a witness, beside those of heads and receipts."""


def ask_witness(reach: Reach) -> Iterator[Finding]:
    """Have the witness keep a document, and read it again."""
    address = reach.services.settings.witness
    if address is None:
        yield unasked("witness", "not set up: `witness` names a folder, a bucket or a URL")
        return
    where = address.partition("://")[0] if "://" in address else "folder"
    name = f"{_BELOW}/{time_ordered_id(reach.now)}.json"
    document = json.dumps({"doctor": time_text(reach.now)}).encode()
    sent = f"the document {name} for the witness ({where})"
    try:
        if (witness := reach.services.ports.witness) is not None:
            witness.keep(name, document)
        read = dict(read_documents(address, _BELOW))
        kept = read[name]() if name in read else None
    except (RegularsError, OSError) as error:
        yield failed("witness", f"{sent}: {error}. See that `witness` is there and may be written")
        return
    if where in ("http", "https"):
        yield well("witness", f"{sent} was taken; a URL gives nothing back to compare")
    elif kept == document:
        yield well("witness", f"{sent} was kept, and reads the same")
    else:
        yield failed("witness", f"{sent} was taken, and is not there: see `witness`")
