"""Captures a second through ingest, split into vision, search and storage, with a small gallery and
a large one.

    python -m regulars_lab.bench.ingest [--json FILE] [--galleries 1000,29000]

The week of `make week` is ingested by as many threads as there are cores, on the embedded storage,
beside synthetic faces. The peer is the bare pipeline (decode, detect, embed, describe) over the
same pictures with as many threads: the ratio says what the visitor book adds to the models. Units
are what DynamoDB would charge (lab/src/regulars_lab/rigs).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.book.captures.captures import Offer
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.captures import RULES, Capture, CaptureState
from chalicelib.domain.model import Profile, Tenant
from chalicelib.domain.rules.decision import SearchRequest
from chalicelib.open_storage import open_storage
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.in_process import SystemClock
from chalicelib.storage.ports import Storage, Vision
from chalicelib.telemetry import collect_stages, count_stage
from regulars_lab.bench.measuring import numbers, pack, parser, time_call, write
from regulars_lab.week import run, timeline
from tests.support.book.synthetic import write_faces
from tests.support.book.tenants import KEEPING
from tests.support.storage.meter import MeteredItems

GROUP = "bench"
VISION = ("decode", "detect", "align", "examine", "quality", "crop")
WARM_UP = 6


def main() -> None:
    options = parser("ingest", __doc__)
    options.add_argument(
        "--galleries", default="1000,29000", help="synthetic faces enrolled (default: %(default)s)"
    )
    arguments = options.parse_args()
    vision = FacePipeline(pack())
    with tempfile.TemporaryDirectory() as folder:
        week = run.draw(None, Path(folder), run.last_week(datetime.now(UTC)))
        pictures = {file: (capture, file.read_bytes()) for file, capture in week.items()}
    shots = list(pictures.values())
    figures = {
        "captures": len(shots),
        "threads": os.cpu_count() or 1,
        "galleries": [measure_ingest(vision, shots, size) for size in numbers(arguments.galleries)],
    }
    report(figures)
    write(figures, arguments.json)


Shot = tuple[timeline.Capture, bytes]


class TimedItems(MeteredItems):
    """Metered, and its time counted as the stage `storage`."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in ("get", "get_many", "get_each", "query", "transact"):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            with count_stage("storage"):
                return found(*args, **kwargs)

        return call


def measure_ingest(vision: Vision, shots: Sequence[Shot], gallery_size: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(storage=Path(folder))
        storage = open_storage(settings, SystemClock())
        services, tenant = prepare_services(settings, storage, vision, gallery_size)
        captures = offer_captures(services, storage, tenant, shots)
        items = TimedItems(storage.items)
        timed = bootstrap.build(
            settings, vision=lambda: vision, storage=replace(storage, items=items)
        )
        with closing(timed):
            warm(timed, tenant, vision, shots)
            items.spent.clear()
            bare_s = bare(vision, shots)
            stages, elapsed_s = ingest_captures(timed, tenant, captures)
            faces = sum(
                len(timed.captures.get(tenant, one.camera_id, one.id).sightings) for one in captures
            )
    units = {"reads": sum(items.spent.values()), "writes": sum(items.written.values())}
    shares = {
        "vision": sum(stages[name] for name in VISION),
        "search": stages["search"],
        "storage": stages["storage"],
    }
    total_ms = stages["total"]
    return {
        "gallery": gallery_size,
        "captures_a_second": round(len(captures) / elapsed_s, 1),
        "ratio_to_bare_pipeline": round(elapsed_s / bare_s, 2),
        "ms_a_capture": {name: round(ms / len(captures), 2) for name, ms in shares.items()}
        | {"all": round(total_ms / len(captures), 2)},
        "faces": faces,
        "units_a_capture": {name: round(count / len(captures), 1) for name, count in units.items()},
    }


def prepare_services(
    settings: Settings, storage: Storage, vision: Vision, size: int
) -> tuple[Services, Tenant]:
    services = bootstrap.build(settings, vision=lambda: vision, storage=storage)
    services.tenants.add("bench", Profile.CLOUD, KEEPING)
    tenant = services.tenants.get_by_name("bench")
    services.groups.create(tenant, GROUP, None, "")
    write_faces(storage.items, tenant, services.groups.get_by_name(tenant, GROUP), size, vision)
    for camera in (timeline.DOOR, timeline.TILL):
        services.cameras.add(tenant, camera, camera)
    return services, tenant


def offer_captures(
    services: Services, storage: Storage, tenant: Tenant, shots: Sequence[Shot]
) -> list[Capture]:
    offers = [
        Offer(shot.camera, hashlib.sha256(data).hexdigest(), len(data), "image/jpeg", shot.at)
        for shot, data in shots
    ]
    uploads = [
        upload
        for begin in range(0, len(offers), 100)
        for upload in services.captures.offer_uploads(tenant, offers[begin : begin + 100])
    ]
    for upload, (shot, data) in zip(uploads, shots, strict=True):
        key = keys.capture_picture(tenant.name, shot.camera, upload.capture.id)
        storage.uploads.put_if_absent(key, data, "image/jpeg")
    return [replace(upload.capture, state=CaptureState.WANTED) for upload in uploads]


def warm(services: Services, tenant: Tenant, vision: Vision, shots: Sequence[Shot]) -> None:
    """Load models and gallery."""
    for _, data in shots[:WARM_UP]:
        image = vision.read_picture(data, RULES)
        faces = vision.detect(image)
        probes = vision.examine(image, faces).embeddings
        if len(probes):
            services.ports.search.search(tenant.name, SearchRequest(vision.model, probes))


def bare(vision: Vision, shots: Sequence[Shot]) -> float:
    """Seconds for all pictures."""
    return _seconds(lambda shot: examine_picture(vision, shot[1]), shots)


def examine_picture(vision: Vision, picture: bytes) -> None:
    """Do all that the models do with a capture's picture."""
    image = vision.read_picture(picture, RULES)
    faces = vision.detect(image)
    vision.examine(image, faces)


def ingest_captures(
    services: Services, tenant: Tenant, captures: Sequence[Capture]
) -> tuple[dict[str, float], float]:
    """Milliseconds by stage, of all threads together, and seconds in all."""
    found: list[dict[str, float]] = []

    def one(capture: Capture) -> None:
        with collect_stages() as stages:
            _, total_ms = time_call(
                lambda: services.sightings.ingest.resolve_capture(
                    tenant.name, capture.camera_id, capture.id
                )
            )
        found.append({**stages, "total": total_ms})

    elapsed_s = _seconds(one, captures)
    sums: Counter[str] = Counter()
    for stages in found:
        sums.update(stages)
    return dict(sums), elapsed_s  # a stage that is not there is no 0


def _seconds(work: Callable[[Any], None], over: Sequence[Any]) -> float:
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return time_call(lambda: list(pool.map(work, over)))[1] / 1e3


def report(figures: dict[str, Any]) -> None:
    print(
        f"{figures['captures']} captures, {figures['threads']} threads, storage embedded (SQLite, "
        "synchronous=FULL)"
    )
    print(
        f"{'gallery':>8} {'captures/s':>11} {'x bare':>7} "
        f"{'vision':>8} {'search':>8} {'storage':>8} {'all':>8} ms a capture"
    )
    for row in figures["galleries"]:
        ms = row["ms_a_capture"]
        print(
            f"{row['gallery']:>8} {row['captures_a_second']:>11} "
            f"{row['ratio_to_bare_pipeline']:>7} "
            f"{ms['vision']:>8} {ms['search']:>8} {ms['storage']:>8} {ms['all']:>8}"
        )
    small, large = figures["galleries"][0], figures["galleries"][-1]
    for name in ("search", "storage", "all"):
        ratio = large["ms_a_capture"][name] / max(small["ms_a_capture"][name], 0.01)
        print(f"{name}: x {ratio:.2f} from {small['gallery']} to {large['gallery']} faces")
    units = large["units_a_capture"]
    print(f"DynamoDB units a capture: {units['reads']} read, {units['writes']} write")


if __name__ == "__main__":
    main()
