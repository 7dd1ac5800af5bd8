"""The bucket of a stage in AWS, which sends an event for each picture of a camera."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.settings import AwsStorage
from regulars.doctor.reach.asking import NotSetUp, Reach
from regulars.findings import Finding, failed, well

_CREATED = "s3:ObjectCreated:*"


def ask_bucket(reach: Reach) -> Iterator[Finding]:
    """Check where S3 sends events of new pictures. A picture itself is sent by
    `cameras.ask_uploads`."""
    storage = reach.services.settings.storage
    if not isinstance(storage, AwsStorage):
        raise NotSetUp("--stage names a stage in AWS")
    from chalicelib.storage.aws.clients import open_aws_client

    bucket, queue = storage.captures_bucket, storage.captures_queue_url.rpartition("/")[2]
    sent = f"who is told of pictures in {bucket}"
    try:
        told = open_aws_client("s3").get_bucket_notification_configuration(Bucket=bucket)
    except (BotoCoreError, ClientError) as error:
        yield failed("s3", f"{sent}: {error}: see the bucket, and the rights of who asks")
        return
    events = [
        event
        for rule in told.get("QueueConfigurations", [])
        if rule["QueueArn"].rpartition(":")[2] == queue and "Filter" not in rule
        for event in rule["Events"]
    ]
    if _CREATED in events:
        yield well("s3", f"{sent}: the queue {queue}, of each")
    else:
        yield failed("s3", f"{sent}: not the queue {queue}, of each: deploy the stage again")
