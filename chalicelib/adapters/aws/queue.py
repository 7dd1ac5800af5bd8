"""Messages in SQS: the Queue on AWS."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.adapters.aws.errors import translated
from chalicelib.adapters.limits import require_message, require_receive, require_visibility
from chalicelib.core.ports import Message

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageRequestTypeDef

_SERVICE = "SQS"


class SqsQueue:
    """The Queue port on the queue at `url`, whose redrive policy moves what fails too often to its dead letters.

    `wait_s`: how long a receive waits for a message. From 1 on it asks all of SQS's servers, with 0 only some.
    """

    def __init__(self, client: SQSClient, url: str, wait_s: int = 1) -> None:
        self._client = client
        self._url = url
        self._wait_s = wait_s

    def send(self, body: str, delay_s: int = 0, group: str = "") -> None:
        require_message(body, delay_s)
        message: SendMessageRequestTypeDef = {"QueueUrl": self._url, "MessageBody": body, "DelaySeconds": delay_s}
        if group:
            message["MessageGroupId"] = group
        with translated(_SERVICE):
            self._client.send_message(**message)

    def receive(self, limit: int, visibility_s: int) -> list[Message]:
        require_receive(limit, visibility_s)
        with translated(_SERVICE):
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=limit,
                VisibilityTimeout=visibility_s,
                WaitTimeSeconds=self._wait_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return [
            Message(message["Body"], message["ReceiptHandle"], int(message["Attributes"]["ApproximateReceiveCount"]))
            for message in answer.get("Messages", [])
        ]

    def hide(self, receipt: str, visibility_s: int) -> None:
        require_visibility(visibility_s)
        if not receipt:
            return
        gone = (self._client.exceptions.MessageNotInflight, self._client.exceptions.ReceiptHandleIsInvalid)
        with translated(_SERVICE), suppress(*gone):
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=visibility_s
            )

    def delete(self, receipt: str) -> None:
        if not receipt:
            return
        with translated(_SERVICE), suppress(self._client.exceptions.ReceiptHandleIsInvalid):
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)
