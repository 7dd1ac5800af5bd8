"""Use cases, one verb each, called by every dialect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.core.ports import Clock, FaceSearch, IndexBuilder, PictureFetcher, Queue, UploadStore
    from chalicelib.services.attributes import Attributes
    from chalicelib.services.cameras import Cameras
    from chalicelib.services.captures import Captures
    from chalicelib.services.deletion import Deletion
    from chalicelib.services.deliveries import Deliveries
    from chalicelib.services.enrolment import Enrolment
    from chalicelib.services.face_pictures import FacePictures
    from chalicelib.services.face_update import FaceUpdate
    from chalicelib.services.faces import Faces
    from chalicelib.services.group_enrolment import GroupEnrolment
    from chalicelib.services.groups import Groups
    from chalicelib.services.hooks import Hooks
    from chalicelib.services.identify import Identify
    from chalicelib.services.ingest import Ingest
    from chalicelib.services.merging import Merging
    from chalicelib.services.merging_records import Merges
    from chalicelib.services.merging_undo import Undoing
    from chalicelib.services.observations import Observations
    from chalicelib.services.quotas import Quotas
    from chalicelib.services.recorder import Recorder
    from chalicelib.services.redrive import Redrive
    from chalicelib.services.reembedding import Reembedding
    from chalicelib.services.rejection import Rejection
    from chalicelib.services.requests import Requests
    from chalicelib.services.sealing import Sealing
    from chalicelib.services.sightings import Sightings
    from chalicelib.services.statistics import Statistics
    from chalicelib.services.sweep import Sweep
    from chalicelib.services.tenant_models import TenantModels
    from chalicelib.services.tenants import Tenants
    from chalicelib.services.visions import Visions
    from chalicelib.services.watch import Watch
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
