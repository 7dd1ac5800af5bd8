"""`regulars erase`: leave nothing of a person, wait for the end, and write the receipt."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from chalicelib.core.errors import FaceNotFound
from regulars.errors import OperatorError
from regulars.options import PATH, services_of, storage_options

if TYPE_CHECKING:
    from chalicelib.core.erasures import Erasure
    from chalicelib.core.model import Tenant
    from chalicelib.services import Services

PATIENCE_S = 10.0
"""After so long without a step, nobody serves this folder: the command does the steps itself."""
LONG_PATIENCE_S = 600.0
_PAUSE_S = 1.0


@click.command(short_help="Leave nothing of a person; write the receipt.")
@click.option("--tenant", "name", metavar="NAME", required=True, help="The tenant of the face.")
@click.option("--face", "faceid", metavar="ID", help="The face of the person.")
@click.option(
    "--again", type=PATH, multiple=True, metavar="RECEIPT", help="Erase again who a restored backup has brought back."
)
@click.option("--receipt", type=PATH, help="Where the receipt of --face is written.  [default: erasure-ID.json]")
@storage_options
def erase(
    name: str, faceid: str | None, again: tuple[Path, ...], receipt: Path | None, data: Path | None, stage: str | None
) -> None:
    """Erase a person: face, pictures, templates, names, sightings, and the face in the captures that show it.

    Counts stay. It takes some minutes, since requests under way end first; the face is gone at once. A service that
    runs does the steps, else the command.

    \b
    Examples:
      regulars erase --tenant shop-12 --face 21
      regulars erase --tenant shop-12 --again receipts/erasure-1.json
    """
    if (faceid is None) is not bool(again):
        raise click.UsageError("name the person by --face, or by the receipts of erasures of before, with --again")
    if receipt is not None and again:
        raise click.UsageError("--receipt goes with --face: --again may find several people, each with a receipt")
    with services_of(data, stage) as services:
        tenant = services.tenants.named(name)
        faceids = [faceid] if faceid is not None else _known(services, tenant, again)
        for one in faceids:
            _erase(services, tenant, one, receipt, stage is not None)
        if not faceids:
            print("nobody of these receipts is in the book")


@contextmanager
def _reserved(receipt: Path | None) -> Iterator[TextIO]:
    """Make the file of a receipt: after the erasure there is no face that a second try could name.

    A device or a pipe is opened as it is. A file goes again if the block raises.
    """
    path = receipt or Path(f".erasure-{secrets.token_hex(8)}.json")
    is_new = not path.exists() or path.is_file()
    try:
        stream = path.open("x" if is_new else "w", encoding="utf-8")
    except FileExistsError:
        raise OperatorError(f"{path} is there already, and nothing is written over it: name a new file") from None
    except OSError as error:
        raise OperatorError(
            f"no receipt can be written into {path.absolute().parent} ({error.strerror}), so nobody is erased: name a "
            "file by --receipt"
        ) from error
    try:
        yield stream
    except BaseException:
        with suppress(OSError):  # what could not be written is tried once more
            stream.close()
        if is_new:
            path.unlink(missing_ok=True)
        raise


def _erase(services: Services, tenant: Tenant, faceid: str, receipt: Path | None, is_stage: bool) -> None:
    with _reserved(receipt) as stream:
        is_there = bool(services.faces.by_id(tenant, [faceid]))
        deletion = services.erasure.deletion
        deleted = (
            deletion.of_faces(tenant, [faceid], by="operator", erase=True)
            if is_there
            else deletion.of_gone(tenant, faceid, by="operator")
        )
        if deleted.not_exist:
            raise FaceNotFound(f"there is no face {faceid!r}, and none that was deleted has left anything")
        [id_] = deleted.erasures
        path = receipt or Path(f"erasure-{id_}.json")
        print(f"the face is deleted; erasure {id_} goes on", flush=True)
        text = json.dumps(_waited(services, tenant, id_, is_stage).receipt, indent=2, ensure_ascii=False)
        try:
            with stream:
                stream.write(f"{text}\n")
            if receipt is None:
                Path(stream.name).rename(path)
        except OSError as error:
            print(text)
            raise OperatorError(
                f"the person is erased, and {path} cannot be written ({error.strerror}): the receipt is what is "
                "printed, and no command gives it again, so keep it"
            ) from error
    print(f"erased: {path} is the receipt; `regulars receipt verify {path}` checks it")


def _waited(services: Services, tenant: Tenant, id_: str, is_stage: bool) -> Erasure:
    """Wait until the erasure is done; do its steps if nobody else does, unless a stage's functions have to."""
    begun, ours = time.monotonic(), False
    while True:
        erasure = services.erasure.records.get(tenant.name, id_)
        if erasure.done_at is not None:
            return erasure
        patience_s = LONG_PATIENCE_S if is_stage or erasure.step else PATIENCE_S
        ours = ours or (not is_stage and time.monotonic() > begun + patience_s)
        if ours and services.clock.now() >= erasure.goes_on_at:
            services.erasure.steps.go_on(tenant, id_)
        time.sleep(_PAUSE_S)


def _known(services: Services, tenant: Tenant, receipts: tuple[Path, ...]) -> list[str]:
    """Return the tenant's faces that these receipts say were erased. Raises OperatorError for what is no receipt."""
    from chalicelib.core import signing
    from chalicelib.core.erasures import face_hash
    from chalicelib.core.errors import InvalidInput
    from chalicelib.core.page_tokens import FaceOrder

    found: list[str] = []
    ids = services.faces.lists.ids(tenant, None, FaceOrder.ID).ids
    for path in receipts:
        try:
            statement, _ = signing.verified(json.loads(path.read_bytes()))
            salt, hashes = statement["faces"]["salt"], set(statement["faces"]["sha256"])
        except (InvalidInput, ValueError, KeyError, TypeError, RecursionError) as error:
            raise OperatorError(f"{path} is no receipt of an erasure: {error}") from error
        found += [faceid for faceid in ids if face_hash(salt, faceid) in hashes]
    return list(dict.fromkeys(found))
