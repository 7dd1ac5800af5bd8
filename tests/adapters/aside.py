"""What a queue has put aside, because it was received too often: no program reads it, people do."""

from chalicelib.adapters.aws.queue import SqsQueue
from chalicelib.adapters.embedded.queue import SqliteQueue
from chalicelib.core.ports import Queue


def put_aside(queue: Queue) -> list[str]:
    """The messages' bodies. Of SQS, ten at most, of the queue that is called as this one and `-dead`."""
    if isinstance(queue, SqsQueue):
        asked = {"QueueUrl": f"{queue._url}-dead", "MaxNumberOfMessages": 10, "VisibilityTimeout": 0}
        return [message["Body"] for message in queue._client.receive_message(**asked).get("Messages", [])]
    assert isinstance(queue, SqliteQueue)
    with queue._file.reading() as connection:
        return [body for (body,) in connection.execute("SELECT body FROM messages WHERE dead = 1 ORDER BY id")]
