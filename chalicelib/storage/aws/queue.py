"""Messages in SQS: the Queue on AWS."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.storage.aws.errors import translate_failures
from chalicelib.storage.limits import require_message, require_visibility

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageRequestTypeDef

_SERVICE = "SQS"


class SqsQueue:
    """The Queue port on the queue at `url`, whose redrive policy moves what fails too often to its
    dead letters.

    Lambda receives its messages, and deletes those that a function is done with.
    """

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, body: str, delay_s: int = 0, group: str = "") -> None:
        require_message(body, delay_s)
        message: SendMessageRequestTypeDef = {
            "QueueUrl": self._url,
            "MessageBody": body,
            "DelaySeconds": delay_s,
        }
        if group:
            message["MessageGroupId"] = group
        with translate_failures(_SERVICE):
            self._client.send_message(**message)

    def drop(self, group: str) -> None:
        """Leave them to the functions, which drop a message of a tenant that is not there."""

    def hide(self, receipt: str, visibility_s: int) -> None:
        require_visibility(visibility_s)
        if not receipt:
            return
        gone_errors = (
            self._client.exceptions.MessageNotInflight,
            self._client.exceptions.ReceiptHandleIsInvalid,
        )
        with translate_failures(_SERVICE), suppress(*gone_errors):
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=visibility_s
            )
