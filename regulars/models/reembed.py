"""`regulars reembed`: a change of tenants to another pack's model, with an estimate of its time and
a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn
from rich.progress import Progress as Bar

from chalicelib.book.model_change import ReembeddingOutcome
from chalicelib.book.vision.machine import count_cores
from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.model import Face, Tenant
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.ports import Vision
from regulars.options import open_services
from regulars.shops import do_in_each, list_shops


def reembed_tenants(settings: Settings, pack_name: str, names: Sequence[str]) -> int:
    """Change the tenants (none named: all) to the pack's model.

    Return the exit code: 1 if the search no longer finds some of the faces. Raises OperatorError if
    there is no such data folder, TenantNotFound.
    """
    lost: list[str] = []
    with _open_with_model(settings, pack_name) as (services, new):

        def change(tenant: Tenant) -> None:
            old = services.tenant_vision.choose_vision(tenant.model)
            if old.model != new.model:
                print(_describe_work(services, tenant, old, new), flush=True)
            outcome = _change_model(services, tenant.name, old, new)
            _print_outcome(tenant.name, outcome)
            lost.extend(outcome.lost)

        do_in_each(services, list_shops(services, names), "not changed", change).require_all()
    return 1 if lost else 0


def print_estimates(settings: Settings, pack_name: str, names: Sequence[str]) -> None:
    """Print how much work `reembed_tenants` would be, a line a tenant.

    Raises OperatorError, TenantNotFound.
    """
    with _open_with_model(settings, pack_name) as (services, new):

        def estimate(tenant: Tenant) -> None:
            old = services.tenant_vision.choose_vision(tenant.model)
            print(_describe_work(services, tenant, old, new), flush=True)

        do_in_each(services, list_shops(services, names), "not estimated", estimate).require_all()


@contextmanager
def _open_with_model(settings: Settings, pack_name: str) -> Iterator[tuple[Services, FacePipeline]]:
    with closing(open_services(settings)) as services:
        new = FacePipeline(packs.find(settings.models, pack_name))
        new.load()
        yield services, new


def _describe_work(services: Services, tenant: Tenant, old: Vision, new: FacePipeline) -> str:
    """Describe the remaining work in one line, without a time if no picture is left to estimate it
    by."""
    remaining = services.reembedding.count_remaining(tenant.name, new.model)
    lost = _say_erased(services.restrictions.list_all(tenant), new.model)
    if not remaining.faces:
        return f"{tenant.name}: all faces have their templates of {new.model} already{lost}"
    seconds = services.reembedding.measure_embedding(tenant.name, old, new)
    duration = (
        ""
        if seconds is None
        else f", about {_describe_duration(remaining.faces * seconds / count_cores())} here"
    )
    pictures = f"reads {remaining.pictures} pictures"
    return f"{tenant.name}: {remaining.faces} faces{duration}; {pictures}{lost}"


def _say_erased(restricted: Sequence[Face], model: str) -> str:
    """Say how many people a sweep erases then, of whom the template alone is left."""
    erased = [
        face
        for face in restricted
        if face.stripped_at and not any(one.model == model for one in face.templates)
    ]
    if not erased:
        return ""
    return f"; erases {len(erased)} who are remembered after consent: no picture of them is left"


def _change_model(
    services: Services, tenant: str, old: Vision, new: FacePipeline
) -> ReembeddingOutcome:
    with Bar(*Bar.get_default_columns(), MofNCompleteColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{tenant} to {new.model}", total=None)

        def show(done_count: int, face_count: int) -> None:
            bar.update(task, completed=done_count, total=face_count)

        return services.reembedding.change_model(tenant, old, new, show, threads=count_cores())


def _print_outcome(tenant: str, outcome: ReembeddingOutcome) -> None:
    """Print how many faces have the new model's embeddings, and which have not, with the
    reasons."""
    outlook = "searches go by it from now on" if outcome.switched else "they go by it already"
    print(f"{tenant}: {outcome.embedded} faces embedded by {outcome.model}; {outlook}")
    if outcome.rejected.embedded or outcome.rejected.without_capture:
        print(
            f"{tenant}: {outcome.rejected.embedded} pictures that are not a face's embedded too, "
            f"{outcome.rejected.without_capture} no longer tell it from others: their captures are "
            "gone"
        )
    if outcome.lost:
        print(
            f"{tenant}: {len(outcome.lost)} faces are kept without a template of {outcome.model} "
            "and are not found:"
        )
        _print_reasons(outcome, outcome.lost)
        print(
            "give each a picture (updateFace, or enrol it again) to have it found", file=sys.stderr
        )
    poorer = outcome.failures.keys() - outcome.lost
    if poorer:
        print(
            f"{tenant}: {len(poorer)} faces are found by some of their pictures only; of another "
            "one:"
        )
        _print_reasons(outcome, poorer)


def _print_reasons(outcome: ReembeddingOutcome, faceids: Collection[str]) -> None:
    for faceid in sorted(faceids):
        print(f"  {faceid}  {outcome.failures[faceid]}")


def _describe_duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
