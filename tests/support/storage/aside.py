"""SQS as Lambda uses it, for tests that play Lambda; and what a queue has put aside, which people
look at."""

from contextlib import suppress

from chalicelib.storage.aws.errors import translate_failures
from chalicelib.storage.aws.queue import SqsQueue
from chalicelib.storage.limits import require_receive
from chalicelib.storage.ports import Message, Queue


class ReceivingSqs(SqsQueue):
    """The queue with both methods that a box's queue has beside the port's."""

    def receive(self, limit: int, visibility_s: int) -> list[Message]:
        require_receive(limit, visibility_s)
        asked = {
            "QueueUrl": self._url,
            "MaxNumberOfMessages": limit,
            "VisibilityTimeout": visibility_s,
        }
        with translate_failures("SQS"):
            answer = self._client.receive_message(
                **asked, MessageSystemAttributeNames=["ApproximateReceiveCount"]
            )
        return [
            Message(
                one["Body"], one["ReceiptHandle"], int(one["Attributes"]["ApproximateReceiveCount"])
            )
            for one in answer.get("Messages", [])
        ]

    def delete(self, receipt: str) -> None:
        if receipt:
            with (
                translate_failures("SQS"),
                suppress(self._client.exceptions.ReceiptHandleIsInvalid),
            ):
                self._client.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)


def put_aside(queue: Queue) -> list[str]:
    """The bodies of messages that were received too often.

    Of SQS, ten at most, of the queue that is called `-dead`.
    """
    if isinstance(queue, SqsQueue):
        asked = {
            "QueueUrl": f"{queue._url}-dead",
            "MaxNumberOfMessages": 10,
            "VisibilityTimeout": 0,
        }
        return [
            message["Body"]
            for message in queue._client.receive_message(**asked).get("Messages", [])
        ]
    with queue._file.reading() as connection:
        return [
            body
            for (body,) in connection.execute(
                "SELECT body FROM messages WHERE dead = 1 ORDER BY id"
            )
        ]
