"""Settings of a stage, as the outputs of its stack state them."""

from __future__ import annotations


def settings(stage: str) -> dict[str, str]:
    """Return REGULARS_* of a stage in the environment's account and region.

    Raises InvalidInput if no stage can have that name, NotDeployed if there is none of that name.
    """
    import boto3

    from regulars.deploy.deploy import stack_name
    from regulars.deploy.stack import Account

    return Account(boto3.session.Session()).settings(stack_name(stage))
