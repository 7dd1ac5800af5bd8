"""The environment of a function, and the lines that it logs."""

import io
import json
from typing import Any

LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "regulars-prod-APIHandler",
    "REGULARS_TABLE_PREFIX": "regulars-prod-",
}


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]
