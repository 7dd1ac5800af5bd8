"""How long S3 asks to wait reaches whoever called us."""

import pytest
from botocore.exceptions import ClientError

from chalicelib.api.http import make_retry_header
from chalicelib.storage.aws.errors import translate_failure


@pytest.mark.parametrize(
    ("code", "sent", "said"),
    [
        ("SlowDown", "40", "40"),
        ("InternalError", "Sun, 01 Mar 2026 12:01:30 GMT", "90"),
        ("SlowDown", "0.2", "1"),
        ("SlowDown", "86400", "3600"),
        ("SlowDown", None, "1"),
    ],
)
def test_the_wait_that_s3_asks_for_is_passed_on(code: str, sent: str | None, said: str) -> None:
    headers = {"date": "Sun, 01 Mar 2026 12:00:00 GMT"} | ({"retry-after": sent} if sent else {})
    response = {
        "Error": {"Code": code, "Message": "slow"},
        "ResponseMetadata": {"HTTPStatusCode": 503, "HTTPHeaders": headers},
    }
    error = translate_failure(ClientError(response, "PutObject"), "S3")
    assert make_retry_header(error, 503) == {"Retry-After": said}
