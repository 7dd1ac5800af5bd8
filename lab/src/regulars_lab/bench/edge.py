"""The edge uploader: opening a long spool, memory, CPU at a picture a second, throughput against
the local server.

    python -m regulars_lab.bench.edge [--spooled N] [--pictures N] [--seconds N] [--json FILE]

The peer of the throughput is a bare loop over the same HTTP library: it offers and puts the same
pictures, and neither spools, nor checks, nor asks whether they are there. The service is `regulars
serve` on an empty folder; the uploader is the installed command in a process of its own, whose
memory and time the kernel tells (/proc).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
from PIL import Image
from regulars_edge.picture import format_rfc3339
from regulars_edge.spool import database
from regulars_edge.spool import spool as spools

from regulars.serve.service import Service
from regulars.serve.service import run_service as running_service
from regulars.tenants import credentials
from regulars_lab.bench.measuring import memory_bytes, parser, processor_s, time_call, write

EDGE = Path(sys.executable).with_name("regulars-edge")
ROUNDS = 3
OFFERED = 50


def main() -> None:
    options = parser("edge", __doc__)
    options.add_argument(
        "--spooled",
        type=int,
        default=100_000,
        help="pictures in the long spool (default: %(default)s)",
    )
    options.add_argument(
        "--pictures", type=int, default=200, help="pictures of the upload (default: %(default)s)"
    )
    options.add_argument(
        "--seconds",
        type=int,
        default=20,
        help="how long processes are watched (default: %(default)s)",
    )
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_service(Path(folder) / "data") as service:
        figures = {
            "throughput": throughput(Path(folder), service, arguments.pictures),
            "a_picture_a_second": steady(Path(folder), service, arguments.seconds),
            "long_spool": long_spool(Path(folder), service, arguments.spooled, arguments.seconds),
        }
    report(figures)
    write(figures, arguments.json)


def key_of(service: Service) -> str:
    return credentials.read_credentials(service.data)["shop"].api_key


def environment(service: Service, spool: Path) -> dict[str, str]:
    return {**os.environ, "REGULARS_API_KEY": key_of(service), "REGULARS_EDGE_SPOOL": str(spool)}


def throughput(folder: Path, service: Service, count: int) -> dict[str, Any]:
    """Time the command over a folder against the bare loop, in turn, each time with pictures new to
    the service."""
    ours, peer = [], []
    size = 0
    for number in range(ROUNDS):
        for kind, times in (("ours", ours), ("peer", peer)):
            where = folder / f"{kind}-{number}"
            size = write_pictures(where, count, seed=f"{kind}{number}")
            send = partial(upload, folder / "spool") if kind == "ours" else bare_loop
            times.append(time_call(partial(send, service, where))[1] / 1e3)
    best, best_peer = min(ours), min(peer)
    return {
        "pictures": count,
        "bytes_each": size // count,
        "ours_per_s": round(count / best, 1),
        "peer_per_s": round(count / best_peer, 1),
        "ratio_to_peer": round(best_peer / best, 2),
        "start_of_the_command_s": round(start_s(), 2),
    }


def start_s() -> float:
    return (
        time_call(
            lambda: subprocess.run([EDGE, "--version"], check=True, stdout=subprocess.DEVNULL)
        )[1]
        / 1e3
    )


def upload(spool: Path, service: Service, where: Path) -> None:
    subprocess.run(
        [EDGE, "upload", str(where), "--url", service.url, "--camera", "bench", "--no-progress"],
        env=environment(service, spool),
        check=True,
        capture_output=True,
    )


def bare_loop(service: Service, where: Path) -> None:
    pool = urllib3.PoolManager()
    headers = {"Authorization": f"Bearer {key_of(service)}", "Content-Type": "application/json"}
    files = sorted(where.glob("*.jpg"))
    for start in range(0, len(files), OFFERED):
        some = [(path, path.read_bytes()) for path in files[start : start + OFFERED]]
        rows = [
            {
                "camera": "bench",
                "sha256": hashlib.sha256(data).hexdigest(),
                "size": len(data),
                "content_type": "image/jpeg",
                "captured_at": format_rfc3339(path.stat().st_mtime_ns // 1_000_000),
            }
            for path, data in some
        ]
        offered = pool.request(
            "POST", f"{service.url}/v1/captures/uploads", headers=headers, json={"captures": rows}
        )
        for (_, data), one in zip(some, offered.json()["uploads"], strict=True):
            answer = pool.request("PUT", one["url"], body=data, headers=one["headers"])
            if answer.status != 200:
                raise SystemExit(f"bench.edge: a PUT was answered {answer.status}")


def write_pictures(where: Path, count: int, seed: str) -> int:
    """JPEGs of about 100 KB, each of its own content; returns their bytes."""
    where.mkdir(exist_ok=True)
    data = noise()
    for number in range(count):
        note = f"{seed} {number}".encode().ljust(64)
        path = where / f"{number:06d}.jpg"
        path.write_bytes(
            data[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + data[2:]
        )
    return count * (len(data) + 68)


def noise() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((640, 480), 60).convert("RGB").save(out, "JPEG", quality=80)
    return out.getvalue()


def steady(folder: Path, service: Service, seconds: int) -> dict[str, Any]:
    """`run` on a folder into which a picture comes each second."""
    drop, source = folder / "drop", folder / "steady"
    drop.mkdir()
    write_pictures(source, seconds + 2, seed="steady")
    with running(folder, service, folder / "steady-spool", drop) as pid:
        time.sleep(2)
        before = processor_s(pid)
        began = time.monotonic()
        for number, path in enumerate(sorted(source.iterdir())[:seconds]):
            time.sleep(max(0.0, began + number - time.monotonic()))
            path.rename(drop / path.name)
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        used = processor_s(pid) - before
        memory = memory_mb(pid)
    return {"seconds": seconds, "cpu_share_of_a_core": round(used / seconds, 4), **memory}


def long_spool(folder: Path, service: Service, count: int, seconds: int) -> dict[str, Any]:
    where = folder / "long-spool"
    fill(where, count)
    began = time.perf_counter()
    with spools.open_spool(where) as spool:
        opened_s = time.perf_counter() - began
        began = time.perf_counter()
        entries = spool.list_next("bench", 50, 2**25)
        first_s = time.perf_counter() - began
    if len(entries) != 50:
        raise SystemExit("bench.edge: the long spool has no pictures")
    drop = folder / "empty-drop"
    drop.mkdir()
    with running(folder, service, where, drop) as pid:
        time.sleep(seconds)
        memory = memory_mb(pid)
    began = time.perf_counter()
    status = subprocess.run(
        [EDGE, "status", "--json"],
        env=environment(service, where),
        check=True,
        capture_output=True,
        text=True,
    )
    sent = json.loads(status.stdout)["cameras"]["bench"]["sent"]
    return {
        "spooled": count,
        "opened_s": round(opened_s, 3),
        "first_50_s": round(first_s, 3),
        "status_s": round(time.perf_counter() - began, 2),
        "sent_meanwhile": sent,
        **memory,
    }


def fill(where: Path, count: int) -> None:
    """Spooled pictures as the uploader leaves them, written without a sync each, which would take
    an hour."""
    with spools.open_spool(where) as spool:
        clock_ms = spool.clock.wall_ms()
    data = noise()[:2048]
    rows = []
    for number in range(count):
        name = f"{hashlib.sha256(str(number).encode()).hexdigest()[:24]}.jpg"
        content = data[:2] + str(number).encode().ljust(8) + data[10:]
        (where / "pictures" / name).write_bytes(content)
        at_ms = clock_ms - (count - number) * 1000
        rows.append(
            (
                "bench",
                "bench",
                hashlib.sha256(content).digest(),
                len(content),
                at_ms,
                at_ms,
                name,
                at_ms,
            )
        )
    db = database.open_books(where)
    db.execute("BEGIN")
    db.executemany(
        "INSERT INTO pictures (camera, source, sha256, size, content_type, state, wall_ms, "
        "captured_at_ms, file, "
        "spooled_at_ms) VALUES (?, ?, ?, ?, 'image/jpeg', 0, ?, ?, ?, ?)",
        rows,
    )
    db.execute("COMMIT")
    db.close()


@contextmanager
def running(folder: Path, service: Service, spool: Path, drop: Path) -> Iterator[int]:
    """`regulars-edge run` on a watched folder; its pid."""
    config = folder / "edge.toml"
    config.write_text(
        f'[server]\nurl = "{service.url}"\nmake_cameras = true\n[metrics]\nport = 0\n'
        f'[[camera]]\nname = "bench"\nsource = "folder"\nfolder = "{drop}"\n'
    )
    with (folder / "run.log").open("w") as log:
        process = subprocess.Popen(
            [EDGE, "run", "--config", str(config)], env=environment(service, spool), stderr=log
        )
    try:
        yield process.pid
        if process.poll() is not None:
            raise SystemExit(
                f"bench.edge: the uploader ended: {(folder / 'run.log').read_text()[-2000:]}"
            )
    finally:
        process.terminate()
        process.wait(30)


def memory_mb(pid: int) -> dict[str, float]:
    memory = memory_bytes(pid)
    return {
        "resident_mb": round(memory["VmRSS"] / 2**20, 1),
        "peak_mb": round(memory["VmHWM"] / 2**20, 1),
    }


def report(figures: Mapping[str, Mapping[str, Any]]) -> None:
    fast, slow, long = (
        figures[name] for name in ("throughput", "a_picture_a_second", "long_spool")
    )
    print(
        f"throughput: {fast['pictures']} pictures of {fast['bytes_each'] / 1000:.0f} KB: "
        f"{fast['ours_per_s']}/s, "
        f"bare loop {fast['peer_per_s']}/s, ratio {fast['ratio_to_peer']} "
        f"(of which the command's start {fast['start_of_the_command_s']} s)"
    )
    print(
        f"a picture a second for {slow['seconds']} s: {slow['cpu_share_of_a_core'] * 100:.1f} % of "
        "a core, "
        f"{slow['resident_mb']} MB resident, at most {slow['peak_mb']} MB"
    )
    print(
        f"{long['spooled']} spooled: opened in {long['opened_s']} s, the first 50 read in "
        f"{long['first_50_s']} s; "
        f"while it sends ({long['sent_meanwhile']} went out) {long['resident_mb']} MB resident, at "
        "most "
        f"{long['peak_mb']} MB; status in {long['status_s']} s"
    )


if __name__ == "__main__":
    main()
