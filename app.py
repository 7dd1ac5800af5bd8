"""The application: every HTTP dialect, and the functions that events and schedules call."""

from __future__ import annotations

import os
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import Any

from chalice.app import CloudWatchEvent, Cron, Rate, SQSEvent

import chalicelib.cold_start  # first: while the others are imported, no garbage is collected
from chalicelib import bootstrap
from chalicelib.api import batches, console, dialects, health, observability
from chalicelib.api.application import Application
from chalicelib.api.v1 import blueprint as v1

provide = bootstrap.Provider(dialects.SETTINGS)
vision_ahead = chalicelib.cold_start.VisionAhead(provide, os.environ)
console_files = console.Console(provide)
observability.log_as_json(os.environ)
app = Application("regulars", partial(vision_ahead.begin_loading, describes=False))
app.register_middleware(chalicelib.cold_start.delay_garbage_collection, "all")
app.register_middleware(observability.make_observer(os.environ), "all")
for routes in (health, v1):
    app.register_blueprint(routes.make_blueprint(provide))
app.register_dialects(provide, at_once="AWS_LAMBDA_FUNCTION_NAME" not in os.environ)
app.register_blueprint(console.make_blueprint(console_files, dialects.find_root_answer(provide)))


@app.lambda_function(name="search")
def search(event: dict[str, Any], context: object) -> Any:
    """Name the search function for Chalice; Lambda calls the other, which imports no dialect."""
    return import_module("chalicelib.search_function").search(event, context)


@app.lambda_function(name="canary")
def canary(event: dict[str, str], _context: object) -> None:
    """Ask as clients of the stage do. A schedule gives URLs and tenant (infra/functions.yaml)."""
    from chalicelib.api.canary import run_canary

    most_s = float(event.get("most_s", 0))
    run_canary(provide(), event["url"], event["cameras_url"], event["tenant"], most_s)


@app.on_sqs_message(queue_arn="IndexQueue", batch_size=1, name="build_index")
def build_index(event: SQSEvent) -> None:
    """Write a snapshot of a tenant whose journal has grown, or do its hourly jobs, also twice."""
    remaining_s = partial(batches.parse_time_left_s, event)
    for record in event.to_dict()["Records"]:
        provide().sweep.handle_message(record["body"], batches.count_receives(record), remaining_s)


@app.on_sqs_message(queue_arn="CapturesQueue", batch_size=5, name="ingest")
def ingest(event: SQSEvent) -> dict[str, Any]:
    """Resolve the faces in stored pictures. A second delivery of a message counts nothing twice. A
    schedule sends an empty batch, so that none waits for a cold start (infra/functions.yaml)."""
    vision_ahead.begin_loading(describes=True, waits=not batches.parse_bodies(event))
    queue = provide().ports.storage.captures_queue
    return batches.handle_each(event, provide().sightings.ingest.take_message, queue)


@app.on_sqs_message(queue_arn="DeliveriesQueue", batch_size=10, name="deliver")
def deliver(event: SQSEvent) -> dict[str, Any]:
    """Send events to the hooks that want them."""
    failed = provide().webhooks.deliveries.deliver_all(batches.parse_bodies(event))
    return batches.report_failed(event, failed, provide().ports.storage.deliveries_queue)


@app.schedule(Rate(5, unit=Rate.MINUTES), name="watch")
def watch(event: CloudWatchEvent) -> None:
    """Look for silent cameras, and for lost captures and deliveries: no message reports these."""
    provide().watch.run(partial(batches.parse_time_left_s, event))


@app.schedule(Cron(7, "*", "*", "*", "?", "*"), name="sweep")  # an update begins a rate anew
def sweep(event: CloudWatchEvent) -> None:
    """Send a message for each tenant, whose jobs of this hour `build_index` does."""
    provide().sweep.request_sweeps(datetime.fromisoformat(event.to_dict()["time"]))
