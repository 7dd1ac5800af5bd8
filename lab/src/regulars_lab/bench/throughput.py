"""Captures a second of one box, its memory meanwhile, and the time from a picture's PUT to the
hook's call.

    python -m regulars_lab.bench.throughput [--captures N] [--cameras N] [--rate R] [--cores N]
    [--photos FOLDER]
        [--json FILE]

Cameras send scenes of people to `regulars serve`, which may use a few cores only, and a hook gets
its events. Without --rate they send as soon as fewer than a hundred captures wait. Half of the
captures show somebody who comes, half somebody who is still there. The peer is all that the models
do on the same pictures and cores: decode, detect, embed, describe. The machine may have other work,
so what counts is the time of processors.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import re
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from chalicelib.book.vision.machine import count_cores
from chalicelib.book.vision.pipeline import FacePipeline
from regulars.clients import Connection
from regulars.demo.album import encode_jpeg, open_picture
from regulars.demo.run import find_pictures
from regulars.serve import service
from regulars.tenants import credentials
from regulars_lab.bench.ingest import examine_picture
from regulars_lab.bench.measuring import (
    memory_bytes,
    pack,
    parser,
    processor_s,
    time_call,
    write,
)
from regulars_lab.v1 import STORED, V1, Picture
from regulars_lab.week.scenes import WIDTH, Scenes
from regulars_lab.week.timeline import GAP, Capture
from testing.ports import free_port
from tests.support.book.tenants import CHOICE

TENANT, _ = credentials.FIRST_TENANT
MOST_WAITING = 100
"""Captures that wait in the box at most, if the cameras have no rate."""
LOOK_S = 0.2
EVERY = 1000
"""Captures between two looks at the memory."""
PATIENCE_S = 120.0
"""How long nothing may be resolved before the run is given up."""

_RESOLVED = re.compile(rb"^regulars_captures_resolved_total (\S+)", re.MULTILINE)
_MB = 1e6


def main(argv: Sequence[str] | None = None) -> None:
    options = parser("throughput", __doc__)
    options.add_argument(
        "--captures", type=int, default=600, help="how many are sent (default: %(default)s)"
    )
    options.add_argument(
        "--cameras", type=int, default=4, help="how many send (default: %(default)s)"
    )
    options.add_argument(
        "--rate", type=float, help="captures a second of all cameras together, at random times"
    )
    options.add_argument(
        "--cores", type=int, default=2, help="cores that the box may use (default: %(default)s)"
    )
    options.add_argument("--photos", type=Path, help="people's photos, in place of those at hand")
    options.add_argument(
        "--width", type=int, default=WIDTH, help="of the pictures, in pixels (default: %(default)s)"
    )
    arguments = options.parse_args(argv)
    scenes = draw_scenes(arguments.photos, arguments.captures, arguments.width)
    with tempfile.TemporaryDirectory() as folder, Hook() as hook:
        metrics = f"http://127.0.0.1:{free_port()}/metrics"
        os.environ |= {
            "REGULARS_METRICS_PORT": str(urlsplit(metrics).port),
            "REGULARS_HOOK_NETWORKS": "127.0.0.0/8",
        }
        every = os.sched_getaffinity(0)
        # the box gets them from its parent
        os.sched_setaffinity(0, sorted(every)[: arguments.cores])
        bare_ms = bare(scenes)
        with service.run_service(Path(folder)) as box:
            os.sched_setaffinity(0, every)
            figures = Run(box, metrics, hook, arguments.cameras).figures(
                scenes, arguments.captures, arguments.rate
            )
    figures |= {
        "cores": arguments.cores,
        "load": os.getloadavg()[1],
        "bare_cpu_ms": round(bare_ms, 1),
    }
    report(figures)
    write(figures, arguments.json)


def draw_scenes(photos: Path | None, most: int, width: int) -> list[bytes]:
    """Draw two scenes of each person, `most` or one more, as a camera over a door takes them."""
    people = find_pictures(photos).people[: -(-most // 2)]
    scenes, noon = Scenes(people), datetime(2026, 11, 2, 12, tzinfo=UTC)
    drawn = [
        scenes.jpeg(Capture(noon, camera, (one.name,)))
        for one in people
        for camera in ("door", "till")
    ]
    return (
        drawn
        if width == WIDTH
        else [encode_jpeg(open_picture(scene), side_px=width) for scene in drawn]
    )


def bare(scenes: Sequence[bytes]) -> float:
    """Return the milliseconds of processors that the models take for a picture, on all cores at
    once as in the box."""
    vision = FacePipeline(pack())
    examine_picture(vision, scenes[0])
    with ThreadPoolExecutor(count_cores()) as pool:
        return time_call(
            lambda: list(pool.map(partial(examine_picture, vision), scenes)), time.process_time
        )[1] / len(scenes)


class Hook(ThreadingHTTPServer):
    """A receiver of events. `called`: when that of a capture came, by the monotonic clock."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Called)
        self.called: dict[str, float] = {}
        self.url = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Called(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        now_s = time.monotonic()
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"]
        if "capture" in data:
            self.server.called.setdefault(data["capture"], now_s)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Run:
    """Captures on their way through a box."""

    def __init__(self, box: service.Service, metrics: str, hook: Hook, cameras: int) -> None:
        self._box, self._metrics, self._hook = box, metrics, hook
        self._api_key = credentials.read_credentials(box.data)[TENANT].api_key
        self._cameras = [f"camera-{number:03d}" for number in range(cameras)]
        self._put: dict[str, float] = {}
        self._resolved = 0
        self._chance, self._due_s = random.Random(7), time.monotonic()
        self._changed = threading.Condition()
        with Connection(box.url) as connection:
            v1 = V1(connection, self._api_key)
            v1.call("PATCH", "/v1/settings", CHOICE)
            self._hook_id = v1.call("POST", "/v1/hooks", {"url": hook.url})["id"]
            for camera in self._cameras:
                v1.add_camera(camera)

    def figures(self, scenes: Sequence[bytes], captures: int, rate: float | None) -> dict[str, Any]:
        """Send the captures, wait until they are resolved, and return what it took."""
        pid = self._box.process.pid
        idle, cpu_s, began_s = memory_bytes(pid), processor_s(pid), time.monotonic()
        pictures, taking = self._pictures(scenes, captures), threading.Lock()
        with ThreadPoolExecutor(len(self._cameras)) as pool:
            sent = [pool.submit(self._send, pictures, taking, rate) for _ in self._cameras]
            resident = self._watch_memory(captures)
            for one in sent:
                one.result()
        seconds, cpu_s = time.monotonic() - began_s, processor_s(pid) - cpu_s
        self._wait_for_hooks()
        hooks_ms = [1e3 * (at_s - self._put[id_]) for id_, at_s in self._hook.called.copy().items()]
        p50, p99 = np.percentile(hooks_ms or [math.nan], [50, 99])
        return {
            "captures": captures,
            "cameras": len(self._cameras),
            "captures_a_second": round(captures / seconds, 1),
            "cpu_ms": round(cpu_s * 1e3 / captures, 1),
            "idle_mb": round(idle["VmRSS"] / _MB),
            "peak_mb": round(memory_bytes(pid)["VmHWM"] / _MB),
            "mb_at_each_thousand": resident,
            "hooks": len(hooks_ms),
            "put_to_hook_ms": {"p50": round(float(p50)), "p99": round(float(p99))},
        }

    def _pictures(self, scenes: Sequence[bytes], captures: int) -> Iterator[Picture]:
        """Yield the captures: each person twice, first at her arrival, and again when the gap is
        over.

        What stands behind a JPEG's end makes another picture of it.
        """
        step = GAP / len(scenes) * 1.1
        begin = datetime.now(UTC) - step * captures
        for number, camera in zip(range(captures), itertools.cycle(self._cameras), strict=False):
            scene = scenes[number % len(scenes)] + number.to_bytes(4, "big")
            yield Picture(camera, begin + step * number, scene)

    def _send(
        self, pictures: Iterator[Picture], taking: threading.Lock, rate: float | None
    ) -> None:
        """Send pictures one after the other, as a camera does: offer one, then put it by the URL in
        the answer."""
        with Connection(self._box.url) as connection:
            v1 = V1(connection, self._api_key)
            while True:
                with taking:
                    picture = next(pictures, None)
                    due_s = self._due_s = self._due_s + (
                        self._chance.expovariate(rate) if rate else 0
                    )
                if picture is None:
                    return
                if rate:
                    time.sleep(max(0.0, due_s - time.monotonic()))
                else:
                    with self._changed:
                        self._changed.wait_for(
                            lambda: len(self._put) - self._resolved < MOST_WAITING
                        )
                answer = v1.call("POST", "/v1/captures/uploads", {"captures": [picture.offer]})
                upload = answer["uploads"][0]
                url = urlsplit(upload["url"])
                self._put[upload["id"]] = time.monotonic()
                put = connection.request(
                    "PUT", f"{url.path}?{url.query}", picture.data, upload["headers"]
                )
                if put.status != STORED:
                    raise SystemExit(
                        f"bench.throughput: a picture was answered with {put.status}: {put.json}"
                    )

    def _wait_for_hooks(self) -> None:
        """Wait until the hook has heard of all that happened."""
        with Connection(self._box.url) as connection:
            v1 = V1(connection, self._api_key)
            while v1.call("GET", f"/v1/hooks/{self._hook_id}/deliveries?state=pending")[
                "deliveries"
            ]:
                time.sleep(LOOK_S)

    def _watch_memory(self, captures: int) -> list[int]:
        """Return, when all captures are resolved, the resident megabytes at each thousand."""
        resident: list[int] = []
        changed_s = time.monotonic()
        while self._resolved < captures:
            time.sleep(LOOK_S)
            with urllib.request.urlopen(self._metrics) as answer:
                found = _RESOLVED.search(answer.read())
            resolved, now_s = int(float(found[1])) if found else 0, time.monotonic()
            changed_s = now_s if resolved > self._resolved else changed_s
            if now_s > changed_s + PATIENCE_S:
                raise SystemExit(
                    f"bench.throughput: {captures - self._resolved} captures are not resolved"
                )
            with self._changed:
                self._resolved = resolved
                self._changed.notify_all()
            if resolved >= EVERY * (len(resident) + 1):
                resident.append(round(memory_bytes(self._box.process.pid)["VmRSS"] / _MB))
                print(f"{resolved:>7} captures, {resident[-1]} MB", flush=True)
        return resident


def report(figures: dict[str, Any]) -> None:
    count, cpu_ms, bare_ms = figures["cores"], figures["cpu_ms"], figures["bare_cpu_ms"]
    possible, limit = (1e3 * count / ms for ms in (cpu_ms, bare_ms))
    print(
        f"{figures['captures']} captures of {figures['cameras']} cameras to a box of {count} cores"
    )
    print(
        f"by the clock {figures['captures_a_second']} a second; the machine's load was "
        f"{figures['load']:.1f}"
    )
    print(f"processors: {cpu_ms} ms a capture, so {possible:.1f} a second if those cores are free")
    print(
        f"the bare models: {bare_ms} ms, {limit:.1f} a second; the box takes "
        f"{cpu_ms / bare_ms:.2f} times as much"
    )
    print(f"memory: {figures['idle_mb']} MB idle, {figures['peak_mb']} at most")
    times = figures["put_to_hook_ms"]
    print(f"PUT to hook, {figures['hooks']} times: p50 {times['p50']} ms, p99 {times['p99']} ms")


if __name__ == "__main__":
    main()
