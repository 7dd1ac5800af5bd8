"""All routes of v1 and the dialects that a key opens, and their samples."""

from regulars_dialects.compreface import routes as compreface
from regulars_dialects.deepstack import routes as deepstack
from regulars_dialects.rekognition import requests as rekognition

from chalicelib.api.icredit import routes as icredit
from chalicelib.api.sunmi import routes as sunmi
from chalicelib.api.v1 import routes as v1
from tests.support.api.samples import SAMPLES, Sample

ROUTES = [
    *(
        (operation.method, operation.path)
        for operation in v1.OPERATIONS
        if operation.role is not None
    ),
    *(
        ("POST", sunmi.PREFIX + name)
        for name in [*(endpoint.name for endpoint in sunmi.ENDPOINTS), *sunmi.ALIASES]
    ),
    *(("POST", icredit.PREFIX + operation.name) for operation in icredit.OPERATIONS),
    *(
        (one.method, one.path)
        for one in compreface.OPERATIONS
        if one.service and "{second}" not in one.path
    ),
    *(("POST", one.path) for one in deepstack.OPERATIONS),
    *(("POST", f"/ {operation}") for operation in rekognition.REQUESTS),
]


def samples_of(method: str, path: str) -> list[Sample]:
    assert (method, path) in SAMPLES, (
        f"{method} {path} has no sample: add one to tests/support/api/samples.py, with a {{slot}} "
        "for each id"
    )
    return [*SAMPLES[method, path]]
