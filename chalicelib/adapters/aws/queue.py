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
    """The Queue port on the queue at `url`, whose redrive policy moves messages to the one at `dead_letter_url`.

    `wait_s`: how long a receive waits for a message. From 1 on it asks all of SQS's servers, with 0 only some.
    """

    def __init__(self, client: SQSClient, url: str, dead_letter_url: str, wait_s: int = 1) -> None:
        self._client = client
        self._url = url
        self._dead_letter_url = dead_letter_url
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
        return self._receive(self._url, limit, visibility_s)

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

    def dead_letters(self, limit: int) -> list[Message]:
        require_receive(limit)
        return self._receive(self._dead_letter_url, limit, 0)

    def _receive(self, url: str, limit: int, visibility_s: int) -> list[Message]:
        with translated(_SERVICE):
            answer = self._client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=limit,
                VisibilityTimeout=visibility_s,
                WaitTimeSeconds=self._wait_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return [
            Message(message["Body"], message["ReceiptHandle"], int(message["Attributes"]["ApproximateReceiveCount"]))
            for message in answer.get("Messages", [])
        ]
