"""The application: every HTTP dialect, and the functions that events and schedules call."""

from __future__ import annotations

import json
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, Rate, SQSEvent

from chalicelib import bootstrap
from chalicelib.api.icredit import routes as icredit
from chalicelib.api.sunmi import routes as sunmi

provide = bootstrap.Provider()

app = Chalice(app_name="regulars")
app.api.binary_types += ["multipart/form-data", "application/x-www-form-urlencoded"]
app.register_blueprint(sunmi.blueprint(provide))
app.register_blueprint(icredit.blueprint(provide))


@app.lambda_function(name="search")
def search(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Exact search in the galleries that this function holds; called by `api`."""
    from chalicelib.adapters import remote_search

    return remote_search.answer(event, provide().search())


@app.on_sqs_message(queue_arn="IndexQueue", batch_size=1, name="build_index")
def build_index(event: SQSEvent) -> None:
    """A tenant's journal has grown: write a snapshot. Delivered twice, it finds nothing to do."""
    for record in event:
        provide().index().build(json.loads(record.body)["tenant"])


@app.schedule(Rate(1, unit=Rate.HOURS), name="sweep")
def sweep(_event: CloudWatchEvent) -> None:
    """What time leaves behind, tenant by tenant."""
    services = provide()
    for tenant in services.tenants.all():
        services.index().build(tenant.name)
        services.sweep.tenant(tenant.name)
        services.sealing.tenant(tenant)
