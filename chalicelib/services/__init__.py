"""Use cases, one verb each, called by every dialect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.core.ports import Clock, PictureFetcher, Queue, UploadStore
    from chalicelib.core.search import FaceSearch, IndexBuilder
    from chalicelib.services.captures.cameras import Cameras
    from chalicelib.services.captures.captures import Captures
    from chalicelib.services.captures.redrive import Redrive
    from chalicelib.services.commit.idempotency import Requests
    from chalicelib.services.enrolment.enrolment import Enrolment
    from chalicelib.services.enrolment.everybody import GroupEnrolment
    from chalicelib.services.enrolment.pictures import FacePictures
    from chalicelib.services.enrolment.update import FaceUpdate
    from chalicelib.services.erasure.faces import Deletion
    from chalicelib.services.faces.faces import Faces
    from chalicelib.services.groups.attributes import Attributes
    from chalicelib.services.groups.groups import Groups
    from chalicelib.services.merges.merge import Merging
    from chalicelib.services.merges.records import Merges
    from chalicelib.services.merges.undo import Undoing
    from chalicelib.services.model_change.reembedding import Reembedding
    from chalicelib.services.models.tenant_model import TenantModels, Visions
    from chalicelib.services.recognition.identify import Identify
    from chalicelib.services.sightings.ingest import Ingest
    from chalicelib.services.sightings.rejection import Rejection
    from chalicelib.services.sightings.timeline import Sightings
    from chalicelib.services.statistics.amounts import Statistics
    from chalicelib.services.statistics.observations import Observations
    from chalicelib.services.statistics.recorder import Recorder
    from chalicelib.services.statistics.sealing import Sealing
    from chalicelib.services.sweep import Sweep
    from chalicelib.services.tenants.accounts import Tenants
    from chalicelib.services.tenants.quotas import Quotas
    from chalicelib.services.watch import Watch
    from chalicelib.services.webhooks.deliveries import Deliveries
    from chalicelib.services.webhooks.hooks import Hooks
    from chalicelib.settings import Settings


@dataclass(frozen=True)
class Services:
    """All use cases, wired; `vision`, `search` and `pictures_by_url` are made on first use."""

    settings: Settings
    clock: Clock
    tenants: Tenants
    models: TenantModels
    quotas: Quotas
    groups: Groups
    attributes: Attributes
    faces: Faces
    enrolment: Enrolment
    group_enrolment: GroupEnrolment
    face_update: FaceUpdate
    face_pictures: FacePictures
    deletion: Deletion
    identify: Identify
    reembedding: Reembedding
    recorder: Recorder
    observations: Observations
    statistics: Statistics
    sealing: Sealing
    requests: Requests
    cameras: Cameras
    captures: Captures
    ingest: Ingest
    redrive: Redrive
    sightings: Sightings
    merges: Merges
    merging: Merging
    undoing: Undoing
    rejection: Rejection
    hooks: Hooks
    deliveries: Deliveries
    watch: Watch
    sweep: Sweep
    index: Callable[[], IndexBuilder]
    index_queue: Queue
    captures_queue: Queue
    deliveries_queue: Queue
    uploads: UploadStore
    search: Callable[[], FaceSearch]
    vision: Visions
    pictures_by_url: Callable[[], PictureFetcher]
    close: Callable[[], None]
    """Let go of what is open (database connections); the services are of no use afterwards."""
