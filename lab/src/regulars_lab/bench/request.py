"""One request from end to end: a 720-pixel portrait through getFaceByPicture, over HTTP, split by
stage.

    python -m regulars_lab.bench.request [--json FILE] [--repeat N] [--galleries 40,1000]

The peer is the same pipeline called in this process, without HTTP, signature, storage and search:
the ratio says what the service adds to the models. Likewise POST /v1/identify with the bare picture
as its body, beside what it needs of the pipeline: quality too; and SearchFacesByImage, prepared and
signed beforehand, beside identify. Also the storage transaction of an enrolment (stage `commit`),
and the time of a thumbnail.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as AwsCredentials
from PIL import Image

from chalicelib import bootstrap
from chalicelib.api.sunmi.probe import DONE
from chalicelib.api.sunmi.routes import PICTURES
from chalicelib.api.v1.wire import PICTURES as LOOKED_AT
from chalicelib.book.vision.pictures import crop
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.model import Credentials
from chalicelib.settings import Settings
from chalicelib.storage.ports import Vision
from regulars.clients import Connection, Reply
from regulars.serve import service
from regulars.tenants import credentials
from regulars_lab.bench.measuring import numbers, pack, parser, processor_s, time_call, write
from regulars_lab.rigs.stand_ins import SIDE_PX, portraits
from tests.support.api.over_http import Sunmi, SunmiReply
from tests.support.book.synthetic import write_faces

GROUP = "bench"
WARM_UP = 10
IDLE_S = 0.05
"""Seconds of processors in a second, below which the service is idle."""

PACE_S = 0.08
"""Pause between requests of one kind, of which a key may send ten a second."""


def main() -> None:
    options = parser("request", __doc__)
    options.add_argument(
        "--repeat", type=int, default=200, help="requests measured (default: %(default)s)"
    )
    options.add_argument(
        "--galleries", default="40,1000", help="faces enrolled (default: %(default)s)"
    )
    arguments = options.parse_args()
    picture, vision = portraits()[-1], FacePipeline(pack())
    figures: dict[str, Any] = {
        "picture_bytes": len(picture),
        "thumbnail_ms": thumbnail_ms(vision, picture),
        "galleries": [
            over_http(vision, picture, size, arguments.repeat)
            for size in numbers(arguments.galleries)
        ],
    }
    report(figures)
    write(figures, arguments.json)


def in_process(vision: Vision, picture: bytes) -> None:
    """Run the pipeline alone."""
    image = vision.read_picture(picture, PICTURES)
    vision.embed(image, vision.detect_largest(image)[:1])


def looked_at(vision: Vision, picture: bytes) -> None:
    """Run the part of the pipeline that an identification needs."""
    image = vision.read_picture(picture, LOOKED_AT)
    faces = vision.detect(image)
    vision.embed(image, faces)
    vision.qualities(image, faces)


def thumbnail_ms(vision: Vision, picture: bytes) -> float:
    """Median milliseconds of a thumbnail of a kept face."""
    image = vision.read_picture(picture, PICTURES)
    with Image.open(io.BytesIO(vision.crop(image, vision.detect(image)[0]).data)) as kept:
        kept.load()
        return round(
            float(np.median([time_call(lambda: crop.make_thumbnail(kept))[1] for _ in range(50)])),
            2,
        )


def over_http(vision: Vision, picture: bytes, gallery_size: int, repeat: int) -> dict[str, Any]:
    """Figures of searches and enrolments on a service of its own with `gallery_size` faces
    enrolled."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with closing(bootstrap.build(Settings(storage=data), vision=lambda: vision)) as services:
            credentials.CredentialsFile(data, services.tenants).provide()
            tenant = services.tenants.get_by_name("shop")
            services.groups.create(tenant, GROUP, 10_000, "made by a benchmark")
            group = services.groups.get_by_name(tenant, GROUP)
            write_faces(services.ports.storage.items, tenant, group, gallery_size - 1, vision)
        with service.run_service(data) as running, Connection(running.url) as connection:
            sunmi = Sunmi(connection, credentials.read_credentials(data)["shop"])
            added = sunmi.add_face(GROUP, "portrait", picture)
            require(added.code == DONE, added)
            keys = credentials.read_credentials(data)["shop"]
            searches, alone_ms = [], []
            identified, looked_ms, by_image = [], [], []
            # by turns, so that both meet the same moods of the machine
            for _ in range(WARM_UP + repeat):
                searches.append(search(sunmi, picture))
                alone_ms.append(time_call(lambda: in_process(vision, picture))[1])
                identified.append(identify(connection, keys.api_key, picture))
                by_image.append(search_by_image(connection, running.url, keys, picture))
                looked_ms.append(time_call(lambda: looked_at(vision, picture))[1])
            searches, alone_ms = searches[WARM_UP:], alone_ms[WARM_UP:]
            identified, looked_ms, by_image = (
                identified[WARM_UP:],
                looked_ms[WARM_UP:],
                by_image[WARM_UP:],
            )
            wide = full_hd(picture)
            numbered = itertools.count(WARM_UP + repeat)
            others = itertools.cycle(portraits())
            calls: dict[str, Callable[[], object]] = {
                "getFaceByPicture": partial(search, sunmi, picture),
                "SearchFacesByImage": partial(
                    search_by_image, connection, running.url, keys, picture
                ),
                "identify": partial(identify, connection, keys.api_key, picture),
                "identify, 1920x1080": partial(identify, connection, keys.api_key, wide),
                "enrolment": lambda: enrol(sunmi, next(others), next(numbered)),
            }
            until_idle(running.process.pid)
            pid, times = running.process.pid, range(repeat)
            cpu_ms = {
                name: per_call_ms(call, times, partial(processor_s, pid))
                for name, call in calls.items()
            }
            enrolments = [enrol(sunmi, picture, n) for n in range(WARM_UP + repeat // 4)][WARM_UP:]
            cpu_ms["in process"] = per_call_ms(
                partial(in_process, vision, picture), times, time.process_time
            )
    return {
        "gallery_size": gallery_size,
        "cpu_ms": cpu_ms,
        "in_process": summary(alone_ms),
        "client": summary([reply.elapsed_ms for reply in searches]),
        "ratio_to_in_process": ratio([reply.elapsed_ms for reply in searches], alone_ms),
        "server": summary([stages_ms(reply)["total"] for reply in searches]),
        "stages_ms": stages(searches),
        "identify": {
            "client": summary([reply.elapsed_ms for reply in identified]),
            "in_process": summary(looked_ms),
            "ratio_to_in_process": ratio([reply.elapsed_ms for reply in identified], looked_ms),
            "stages_ms": stages(identified),
        },
        "search_by_image": {
            "client": summary([reply.elapsed_ms for reply in by_image]),
            "ratio_to_identify": ratio(
                [one.elapsed_ms for one in by_image], [one.elapsed_ms for one in identified]
            ),
            "stages_ms": stages(by_image),
        },
        "enrolment": {
            "client": summary([reply.elapsed_ms for reply in enrolments]),
            "stages_ms": stages(enrolments),
        },
    }


def full_hd(portrait: bytes) -> bytes:
    """Draw a picture of 1920x1080 with the portrait in its middle."""
    wide, target = Image.new("RGB", (1920, 1080), (110, 118, 126)), io.BytesIO()
    with Image.open(io.BytesIO(portrait)) as picture:
        wide.paste(
            picture, ((wide.width - picture.width) // 2, (wide.height - picture.height) // 2)
        )
    wide.save(target, "JPEG", quality=90)
    return target.getvalue()


def until_idle(pid: int) -> None:
    """Wait until the service is done with what it does behind the requests: it compares new faces
    with all others."""
    used_s = -1.0
    while (now_s := processor_s(pid)) - used_s > IDLE_S:
        used_s = now_s
        time.sleep(1)


def per_call_ms(call: Callable[[], object], times: range, used_s: Callable[[], float]) -> float:
    """Return the milliseconds of processors that a call takes, by `used_s`, which says what was
    used so far."""
    call()
    began = used_s()
    for _ in times:
        call()
        time.sleep(PACE_S)
    return round(1e3 * (used_s() - began) / len(times), 1)


def search(sunmi: Sunmi, picture: bytes) -> Reply:
    answer = sunmi.search(picture)
    require(answer.code == DONE and answer.data["faceid"] == "portrait", answer)
    return answer.reply


def identify(connection: Connection, api_key: str, picture: bytes) -> Reply:
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "image/jpeg"}
    reply = connection.request("POST", "/v1/identify", picture, headers)
    if reply.status != 200 or not reply.json["faces"][0]["match"]:
        raise SystemExit(f"bench.request: the service gave a wrong answer: {reply}")
    return reply


def search_by_image(connection: Connection, url: str, pair: Credentials, picture: bytes) -> Reply:
    """Send a request that was signed before its time is taken.

    Programs' own SDKs take time besides.
    """
    sent = {"CollectionId": GROUP, "Image": {"Bytes": base64.b64encode(picture).decode()}}
    target = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "RekognitionService.SearchFacesByImage",
    }
    request = AWSRequest("POST", f"{url}/", target, json.dumps(sent).encode())
    of_tenant = AwsCredentials(pair.access_key_id, pair.secret_access_key)
    SigV4Auth(of_tenant, "rekognition", "eu-central-1").add_auth(request)
    reply = connection.request("POST", "/", request.body, dict(request.headers))
    if reply.status != 200 or reply.json["FaceMatches"][0]["Face"]["FaceId"] != "portrait":
        raise SystemExit(f"bench.request: the service gave a wrong answer: {reply}")
    return reply


def enrol(sunmi: Sunmi, picture: bytes, number: int) -> Reply:
    answer = sunmi.add_face(GROUP, f"again-{number}", picture)
    require(answer.code == DONE, answer)
    return answer.reply


def require(right: bool, answer: SunmiReply) -> None:
    if not right:
        raise SystemExit(f"bench.request: the service gave a wrong answer: {answer}")


def summary(times_ms: Sequence[float]) -> dict[str, float]:
    median, p99 = np.percentile(times_ms, [50, 99])
    return {"median_ms": round(float(median), 2), "p99_ms": round(float(p99), 2)}


def ratio(times_ms: Sequence[float], peer_ms: Sequence[float]) -> float:
    return round(float(np.median(times_ms) / np.median(peer_ms)), 3)


def stages_ms(reply: Reply) -> dict[str, float]:
    """Return the milliseconds by stage, as the server measured them (header Server-Timing)."""
    parts = (
        part.strip().partition(";dur=")
        for part in reply.headers.get("server-timing", "").split(",")
    )
    return {name: float(ms) for name, found, ms in parts if found}


def stages(replies: Sequence[Reply]) -> dict[str, float]:
    """Median milliseconds of each stage, in the order of the header, without the total."""
    names = [name for name in stages_ms(replies[0]) if name != "total"]
    return {
        name: round(float(np.median([stages_ms(reply).get(name, 0.0) for reply in replies])), 2)
        for name in names
    }


def report(figures: dict[str, Any]) -> None:
    def times(summary: dict[str, float]) -> str:
        return f"median {summary['median_ms']:.1f} ms, p99 {summary['p99_ms']:.1f} ms"

    def split(by_stage: dict[str, float]) -> str:
        return ", ".join(f"{name} {ms:.1f}" for name, ms in by_stage.items())

    print(f"picture of {SIDE_PX} px, {figures['picture_bytes'] / 1024:.0f} KB")
    print(f"a thumbnail takes {figures['thumbnail_ms']:.1f} ms")
    for gallery in figures["galleries"]:
        print(f"\ngetFaceByPicture, gallery of {gallery['gallery_size']}")
        print(
            f"  client:     {times(gallery['client'])}, {gallery['ratio_to_in_process']:.2f} x in "
            "process"
        )
        print(f"  server:     {times(gallery['server'])}")
        print(f"  in process: {times(gallery['in_process'])} (decode, detect, align, embed)")
        print(f"  by stage:   {split(gallery['stages_ms'])}")
        identified = gallery["identify"]
        print(
            f"  identify:   {times(identified['client'])}, {identified['ratio_to_in_process']:.2f} "
            "x in process"
        )
        print(
            f"              in process {times(identified['in_process'])}; "
            f"{split(identified['stages_ms'])}"
        )
        of_image = gallery["search_by_image"]
        print(
            f"  SearchFacesByImage: {times(of_image['client'])}, "
            f"{of_image['ratio_to_identify']:.2f} x identify"
        )
        print(f"              {split(of_image['stages_ms'])}")
        print(
            f"  enrolment:  {times(gallery['enrolment']['client'])}; "
            f"{split(gallery['enrolment']['stages_ms'])}"
        )
        print(f"  ms of processors a call: {split(gallery['cpu_ms'])}")


if __name__ == "__main__":
    main()
