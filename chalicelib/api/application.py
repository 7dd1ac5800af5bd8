"""The app in which dialects register. It takes two kinds of events: the REST API's, which Chalice reads, and a
function URL's (payload version 2.0), which are turned into the REST API's.

The function URL stands for the Rekognition dialect, since API Gateway may drop a signature (docs/decisions/0053).
Whatever its path is, a request goes to the dialect's only route, and the path is what the client signed.
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from chalice.app import Chalice

from chalicelib.api.http import FORMS, FUNCTION_URL, IMAGES, Refused, plain_refusal
from chalicelib.api.rekognition.routes import METHOD, PATH


class Application(Chalice):
    """A Chalice app that gets uploads as bytes, and takes events of a function URL, too."""

    def __init__(self, name: str) -> None:
        super().__init__(name, configure_logs=False)
        self.api.binary_types += [one for one in (*FORMS, *IMAGES) if one not in self.api.binary_types]

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        if event.get("version") != "2.0":
            return super().__call__(event, context)
        method = event["requestContext"]["http"]["method"]
        if method != METHOD:
            refused = Refused(405, f"Send this with {METHOD}, not {method}.", {"Allow": METHOD})
            return plain_refusal(refused).to_dict()
        return super().__call__(_of_the_rest_api(event), context)


def _of_the_rest_api(event: Mapping[str, Any]) -> dict[str, Any]:
    """Say in an event of payload version 1.0 what one of version 2.0 says."""
    query = parse_qs(event.get("rawQueryString") or "", keep_blank_values=True)
    caller = event["requestContext"]["http"]
    return {
        "resource": PATH,
        "path": PATH,
        "httpMethod": METHOD,
        "headers": event["headers"],
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": PATH,
            "httpMethod": METHOD,
            "path": event["rawPath"],
            "stage": FUNCTION_URL,
            "requestId": event["requestContext"].get("requestId"),
            "identity": {"sourceIp": caller.get("sourceIp"), "userAgent": caller.get("userAgent")},
        },
        "body": event.get("body"),
        "isBase64Encoded": bool(event.get("isBase64Encoded")),
    }
