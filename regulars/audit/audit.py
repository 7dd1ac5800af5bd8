"""`regulars audit`: what its commands print and write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from chalicelib.core.audit import Document, head_of
from chalicelib.core.errors import InvalidInput
from chalicelib.core.signing import fingerprint
from chalicelib.core.values import moment, time_text
from chalicelib.services import Services
from chalicelib.services.audit.audit import Wanted
from chalicelib.settings import Settings
from regulars.receipt import earlier
from regulars.tenants import tenants

_A_PAGE = 500


@contextmanager
def _opened(settings: Settings, tenant: str) -> Iterator[Services]:
    """Raise OperatorError if there is no such data folder or tenant."""
    with closing(tenants.opened(settings)) as services:
        tenants.chosen(services, [tenant])
        yield services


def verify(settings: Settings, tenant: str, kept: Path | None) -> int:
    """Print what is wrong, a line each, and what was looked at. Return the exit code."""
    document = None if kept is None else _read(kept)
    with _opened(settings, tenant) as services:
        seen = services.audit.verifying.tenant(tenant, document)
    for finding in seen.findings:
        print(f"{tenant}: {finding}")
    for renewal in seen.renewals:
        print(f"{tenant}: after hour {renewal.heads} key {fingerprint(renewal.new)} signs; before {earlier(renewal)}")
    counts = f"{seen.hours} hours, {seen.entries} entries, {seen.erased} erased, {seen.trimmed} hours no longer kept"
    print(f"{tenant}: {f'{len(seen.findings)} findings' if seen.findings else 'nothing was changed'} ({counts})")
    if seen.last is not None and kept is None:
        last = head_of(seen.last)
        print(f"{tenant}: the newest is hour {last.number}, {time_text(moment(last.hour))[:13]}, {last.hash}")
    return 1 if seen.findings else 0


def head(settings: Settings, tenant: str) -> None:
    with _opened(settings, tenant) as services:
        newest = next(services.audit.chain.elements(tenant, newest_first=True), None)
        if newest is None:
            raise InvalidInput(
                f"no hour of tenant {tenant!r} is closed yet: the next sweep closes the hours that are over"
            )
        print(json.dumps(dict(newest.document), ensure_ascii=False))


def list_all(settings: Settings, tenant: str, wanted: Wanted, most: int) -> None:
    """Print entries, the newest first."""
    with _opened(settings, tenant) as services:
        services.audit.reads.exported(tenant)
        token, left = None, most
        while left:
            page = services.audit.reading.page(tenant, wanted, min(left, _A_PAGE), token)
            for hour, entry in page.rows:
                print(json.dumps({"hour": hour, **entry}, ensure_ascii=False))
            token, left = page.next_token, left - len(page.rows)
            if token is None:
                return


def export(settings: Settings, tenant: str, file: Path) -> None:
    """Write the chain to a new file, a line of JSON for each head and entry."""
    with _opened(settings, tenant) as services, file.open("x", encoding="utf-8") as out:
        services.audit.reads.exported(tenant)
        hours = 0
        for element in services.audit.chain.elements(tenant):
            lines = [dict(element.document), *(asdict(leaf) for leaf in services.audit.chain.leaves(element))]
            out.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            hours += 1
    print(f"{hours} hours are in {file}")


def replay(settings: Settings, tenant: str, entry: str) -> int:
    """Print whether a search of that time gives the same answer. Return the exit code."""
    with _opened(settings, tenant) as services:
        same, said = services.sightings.replay.entry(services.tenants.named(tenant), entry)
    print({True: "the same: ", False: "other: ", None: "cannot be replayed: "}[same] + said)
    return 1 if same is False else 0


def _read(kept: Path) -> Document:
    try:
        document = json.loads(kept.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{kept} is no head of an audit: `regulars audit head` prints one") from error
    head_of(document)
    return dict(document)
