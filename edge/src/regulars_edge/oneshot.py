"""Wires `regulars-edge upload`."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from regulars_edge import exits, logs, upload
from regulars_edge.clock import ServiceTime, SystemClock
from regulars_edge.config import Config, checked_url, default_spool, load, time_in_name, zone_named
from regulars_edge.credentials import api_key
from regulars_edge.errors import Misconfigured
from regulars_edge.http import Http, proxies_of_environment
from regulars_edge.lane import Lane
from regulars_edge.pace import Backoff, Bandwidth
from regulars_edge.progress import Bar
from regulars_edge.service import Service
from regulars_edge.spool import spool as spools

FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 30.0
"""Somebody waits for this command, or a script does: it tries more often than the service beside a camera."""

WRONG_CLOCK_MS = 60_000


def upload_folder(arguments: argparse.Namespace, config: Config | None) -> upload.Report:
    """Upload a folder once. Raises Misconfigured, SpoolInUse, SpoolFull, SpoolDamaged."""
    folder = arguments.folder
    if not folder.is_dir():
        raise Misconfigured(f"{folder} is no folder")
    if config and any(camera.masks and camera.name == arguments.camera for camera in config.cameras):
        raise Misconfigured(
            f"{arguments.camera} has masks, and `upload` sends files as they are: let `run` watch their folder"
        )
    redaction = logs.to_stderr(arguments.log)
    key = api_key(arguments.key_file or (config.api_key_file if config else None))
    redaction.hide(key)
    url = checked_url(arguments.url, "--url") if arguments.url else config.url if config else None
    if url is None:
        raise Misconfigured("which service? Give --url, or --config")
    zone = zone_named(arguments.zone, "--zone") if arguments.zone else None
    in_name = time_in_name(arguments.time_in_name, "--time-in-name") if arguments.time_in_name else None
    clock = SystemClock()
    service_time = ServiceTime(clock)
    http = Http(clock, ca_file=config.ca_file if config else None, proxies=proxies_of_environment())
    service = Service(http, url, partial(str, key), service_time)
    bar = None if arguments.no_progress or not sys.stderr.isatty() else Bar()
    with spools.opened(config.spool if config else default_spool(), config.limits if config else None, clock) as spool:
        run = spool.new_run()
        lane = Lane(
            spool,
            service,
            arguments.camera,
            service_time,
            run=run,
            make_camera=True,
            bandwidth=Bandwidth(config.bandwidth_bytes_s if config else None),
            backoff=Backoff(base_s=FIRST_WAIT_S, cap_s=LONGEST_WAIT_S),
        )
        work = upload.Upload(
            folder,
            spool,
            arguments.camera,
            run=run,
            zone=zone,
            time_in_name=in_name,
            progress=bar.show if bar else id,
        )
        report = work.upload(lane, arguments.give_up_after * 60)
    if bar:
        bar.close()
    error_ms = service_time.wall_error_ms()
    if error_ms is not None and abs(error_ms) > WRONG_CLOCK_MS:
        print(
            f"this machine's clock is {error_ms / 1000:+.0f} s off the service's; times of files without EXIF data are "
            "those that the files have",
            file=sys.stderr,
        )
    return report


def upload_code(report: upload.Report) -> int:
    if report.is_complete:
        return exits.OK
    if report.needs_operator:
        return exits.OPERATOR
    return exits.GAVE_UP if report.unsent else exits.INCOMPLETE


def upload_command(arguments: argparse.Namespace) -> int:
    report = upload_folder(arguments, load(arguments.config) if arguments.config else None)
    code = upload_code(report)
    print("\n".join(upload.summary(report)), file=sys.stdout if code == exits.OK else sys.stderr)
    return code
