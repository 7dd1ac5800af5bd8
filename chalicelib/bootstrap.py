"""The composition root: which adapter stands behind which port, made from the settings and from nothing else.

AWS clients, the models, numpy and the use cases are loaded when they are first used, not when the application is
imported.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib import chosen
from chalicelib.core import first_use
from chalicelib.core.errors import RegularsError
from chalicelib.core.first_use import Lazy
from chalicelib.core.model import JournalEntry
from chalicelib.core.ports import (
    Clock,
    Queue,
    Vision,
)
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import Storage, opened

if TYPE_CHECKING:
    from chalicelib.services.captures.cameras import Cameras
    from chalicelib.services.captures.captures import Captures
    from chalicelib.services.captures.reading import CaptureReading, SightedFaces
    from chalicelib.services.captures.redrive import Redrive
    from chalicelib.services.commit.gallery import GalleryWriter
    from chalicelib.services.commit.idempotency import Requests
    from chalicelib.services.enrolment.enrolment import Enrolment
    from chalicelib.services.enrolment.everybody import GroupEnrolment
    from chalicelib.services.enrolment.pictures import FacePictures
    from chalicelib.services.enrolment.update import FaceUpdate
    from chalicelib.services.erasure.captures import CaptureExpiry
    from chalicelib.services.erasure.faces import Deletion
    from chalicelib.services.erasure.orphans import OrphanedPictures
    from chalicelib.services.faces.faces import Faces
    from chalicelib.services.faces.portraits import Portraits
    from chalicelib.services.groups.attributes import Attributes
    from chalicelib.services.groups.groups import Groups
    from chalicelib.services.merges.chores import MergeChores
    from chalicelib.services.merges.merge import Merging
    from chalicelib.services.merges.moving import FaceObservations, Moving
    from chalicelib.services.merges.records import Merges
    from chalicelib.services.merges.undo import CurrentModel, Undoing
    from chalicelib.services.model_change.reembedding import Reembedding
    from chalicelib.services.model_change.rejected_pictures import RejectedPictures
    from chalicelib.services.models.tenant_model import TenantModels, Visions
    from chalicelib.services.recognition.identify import Identify
    from chalicelib.services.recognition.negatives import Negatives
    from chalicelib.services.recognition.recognition import Recognition, Resolver
    from chalicelib.services.sightings.commit import SightingCommit
    from chalicelib.services.sightings.events import Fullness
    from chalicelib.services.sightings.ingest import Ingest
    from chalicelib.services.sightings.rejection import Rejection
    from chalicelib.services.sightings.strangers import Strangers
    from chalicelib.services.sightings.timeline import Sightings
    from chalicelib.services.statistics.amounts import Statistics
    from chalicelib.services.statistics.calendar import Calendar
    from chalicelib.services.statistics.days import DayReader
    from chalicelib.services.statistics.observations import Observations
    from chalicelib.services.statistics.recorder import Recorder
    from chalicelib.services.statistics.sealing import Sealing
    from chalicelib.services.sweep import Sweep
    from chalicelib.services.tenants.accounts import Tenants
    from chalicelib.services.tenants.quotas import Quotas
    from chalicelib.services.visits.face_visits import HeldFaces
    from chalicelib.services.watch import Watch
    from chalicelib.services.webhooks.deliveries import Deliveries
    from chalicelib.services.webhooks.hooks import Hooks
    from chalicelib.services.webhooks.outbox import Outbox
else:
    # The same names, each imported when something is first asked of what it makes.
    globals().update(
        first_use.classes(
            "chalicelib.services",
            "groups.attributes.Attributes",
            "statistics.calendar.Calendar",
            "captures.cameras.Cameras",
            "erasure.captures.CaptureExpiry",
            "captures.reading.CaptureReading",
            "captures.captures.Captures",
            "merges.undo.CurrentModel",
            "statistics.days.DayReader",
            "erasure.faces.Deletion",
            "erasure.orphans.OrphanedPictures",
            "webhooks.deliveries.Deliveries",
            "enrolment.enrolment.Enrolment",
            "enrolment.update.FaceUpdate",
            "faces.faces.Faces",
            "sightings.events.Fullness",
            "commit.gallery.GalleryWriter",
            "enrolment.pictures.FacePictures",
            "enrolment.everybody.GroupEnrolment",
            "groups.groups.Groups",
            "visits.face_visits.HeldFaces",
            "webhooks.hooks.Hooks",
            "recognition.identify.Identify",
            "sightings.ingest.Ingest",
            "merges.merge.Merging",
            "merges.chores.MergeChores",
            "merges.records.Merges",
            "merges.undo.Undoing",
            "merges.moving.FaceObservations",
            "merges.moving.Moving",
            "recognition.negatives.Negatives",
            "statistics.observations.Observations",
            "webhooks.outbox.Outbox",
            "faces.portraits.Portraits",
            "tenants.quotas.Quotas",
            "recognition.recognition.Recognition",
            "statistics.recorder.Recorder",
            "captures.redrive.Redrive",
            "model_change.reembedding.Reembedding",
            "model_change.rejected_pictures.RejectedPictures",
            "sightings.rejection.Rejection",
            "commit.idempotency.Requests",
            "recognition.recognition.Resolver",
            "statistics.sealing.Sealing",
            "captures.reading.SightedFaces",
            "sightings.commit.SightingCommit",
            "sightings.timeline.Sightings",
            "statistics.amounts.Statistics",
            "sightings.strangers.Strangers",
            "sweep.Sweep",
            "models.tenant_model.TenantModels",
            "tenants.accounts.Tenants",
            "models.tenant_model.Visions",
            "watch.Watch",
        )
    )


WATCHED_CAPTURES = timedelta(hours=2)
"""Captures that are looked at every few minutes for a lost event; the sweep looks at all."""

INDEX_EVERY = 256
"""Commits after which the index builder is called; the schedule calls it too, so a lost message loses nothing."""


class Provider:
    """Gives the services: those of the environment, made at the first call, or those that it was told to use."""

    def __init__(self) -> None:
        self._services = Lazy(lambda: build(Settings.from_environment(os.environ)))

    def __call__(self) -> Services:
        return self._services()

    def use(self, services: Services) -> None:
        self._services = Lazy(lambda: services)


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    vision: Callable[[], Vision] | None = None,
    vision_of: Callable[[str], Vision] | None = None,
    storage: Storage | None = None,
) -> Services:
    """Wire the services. `clock`, `vision`, `vision_of` (by the model's id) and `storage` stand in for those of the
    settings where given."""
    from chalicelib.adapters.cached_vault import CachedVault
    from chalicelib.adapters.clock import SystemClock

    clock = clock or SystemClock()
    storage = storage or opened(settings, clock)
    model = chosen.model_of(vision, settings)
    pipelines = Lazy(chosen.pipelines)
    vision = vision or Lazy(lambda: chosen.pipeline(settings, pipelines()))
    models = TenantModels(storage.items, model)
    visions = Visions(models, vision, vision_of or (lambda model: chosen.pipeline_of(model, settings, pipelines())))
    galleries = Lazy(lambda: chosen.galleries(settings, storage))
    search = Lazy(lambda: chosen.search(settings, storage, galleries))
    items, blobs, uploads, vault = storage.items, storage.blobs, storage.uploads, CachedVault(storage.vault)
    requests = Requests(items, clock)
    tenants = Tenants(items, vault, clock, model)
    groups = Groups(items, requests, clock)
    portraits = Portraits(visions, blobs)
    writer = GalleryWriter(items, clock, _announce(storage.index_queue))
    faces = Faces(items, groups)
    recorder = Recorder(items, Calendar(items), clock)
    days = DayReader(items, blobs, clock)
    index = Lazy(lambda: chosen.compactor(storage, galleries(), clock, models.of))
    negatives, merges = Negatives(items), Merges(items)
    held_faces, face_observations = HeldFaces(items, groups, recorder), FaceObservations(items, days)
    moving = Moving(items, held_faces, face_observations, recorder, merges)
    merge_chores = MergeChores(items, merges, moving, portraits, clock)
    cameras = Cameras(items, tenants, groups, clock)
    postman = Lazy(lambda: chosen.postman(settings))
    hooks = Hooks(items, vault, postman, clock)
    outbox = Outbox(items, hooks, storage.deliveries_queue, clock)
    fullness = Fullness(items)
    redrive = Redrive(items, uploads, cameras, storage.captures_queue, clock)
    recognition = Recognition(visions, search, faces, negatives, settings.fpir_target)
    reading = CaptureReading(visions)
    sighted = SightedFaces(items, uploads, reading)
    face_pictures = FacePictures(items, faces, portraits, sighted, recognition, negatives, writer, clock)
    ingest = Ingest(
        items,
        uploads,
        tenants,
        cameras,
        reading,
        Resolver(recognition),
        SightingCommit(items, groups, writer, recorder, outbox, fullness, held_faces),
        Strangers(groups, faces, portraits, writer, recorder, outbox, fullness, negatives, merges),
        writer,
        clock,
    )
    return Services(
        settings=settings,
        clock=clock,
        tenants=tenants,
        models=models,
        quotas=Quotas(items, clock),
        groups=groups,
        attributes=Attributes(groups, requests),
        faces=faces,
        enrolment=Enrolment(groups, faces, portraits, writer, recorder, requests, clock),
        group_enrolment=GroupEnrolment(groups, faces, portraits, writer, recorder, visions, search, negatives, clock),
        face_update=FaceUpdate(items, groups, faces, portraits, writer, requests, clock),
        face_pictures=face_pictures,
        deletion=Deletion(items, groups, faces, portraits, writer, requests, negatives, merges, moving),
        identify=Identify(visions, recognition, faces, groups, recorder, clock),
        reembedding=Reembedding(items, blobs, writer, index, _tail(storage), RejectedPictures(negatives, uploads)),
        recorder=recorder,
        observations=Observations(items, days),
        statistics=Statistics(days),
        sealing=Sealing(items, blobs, clock),
        requests=requests,
        cameras=cameras,
        captures=Captures(items, uploads, cameras, clock, settings.clock_tolerance_s),
        ingest=ingest,
        redrive=redrive,
        sightings=Sightings(items, faces, uploads),
        merges=merges,
        merging=Merging(items, groups, held_faces, writer, merges, moving, negatives, portraits, clock),
        undoing=Undoing(
            groups,
            held_faces,
            face_observations,
            writer,
            merges,
            moving,
            negatives,
            CurrentModel(visions, portraits),
            portraits,
            clock,
        ),
        rejection=Rejection(
            items,
            groups,
            faces,
            held_faces,
            sighted,
            face_pictures,
            recorder,
            writer,
            negatives,
            moving,
            ingest,
            clock,
        ),
        hooks=hooks,
        deliveries=Deliveries(items, hooks, outbox, postman, clock),
        watch=Watch(
            items,
            tenants,
            cameras,
            outbox,
            lambda tenant: redrive.lost(tenant, captured_in=WATCHED_CAPTURES),
            lambda tenant: redrive.cut_off(tenant),  # noqa: PLW0108 -- whose attribute would make it now
            clock,
        ),
        sweep=Sweep(
            requests,
            redrive,
            outbox,
            OrphanedPictures(items, blobs, merge_chores, clock),
            CaptureExpiry(items, uploads, cameras, clock, timedelta(days=settings.capture_days)),
            merge_chores,
            clock,
            expires_items=storage.expires_items,
        ),
        index=index,
        index_queue=storage.index_queue,
        captures_queue=storage.captures_queue,
        deliveries_queue=storage.deliveries_queue,
        uploads=uploads,
        search=search,
        vision=visions,
        pictures_by_url=Lazy(chosen.fetcher),
        close=storage.close,
    )


def _tail(storage: Storage) -> Callable[[str, int, int], list[JournalEntry] | None]:
    def tail(tenant: str, held: int, wanted: int) -> list[JournalEntry] | None:
        from chalicelib.index import journal

        return journal.tail(storage.items, tenant, held, wanted)

    return tail


def _announce(queue: Queue) -> Callable[[str, int], None]:
    def on_commit(tenant: str, seq: int) -> None:
        if seq % INDEX_EVERY == 0:
            with suppress(RegularsError):
                queue.send(json.dumps({"tenant": tenant}))

    return on_commit
