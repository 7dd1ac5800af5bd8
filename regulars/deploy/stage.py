"""A stage by its name: its settings, as the outputs of its stack state them, and the tenant of its
canary."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regulars.deploy.stack import Account


def read_settings(stage: str) -> dict[str, str]:
    """Return REGULARS_* of a stage in the environment's account and region.

    Raises InvalidInput if no stage can have that name, NotDeployed if there is none of that name.
    """
    account, stack = _find_account_and_stack(stage)
    return account.read_settings(stack)


def stop_functions(stage: str | None) -> AbstractContextManager[None]:
    """Let no function of a stage run while a block lasts, or for good if it fails.

    None: of a box, whose are none.
    """
    if stage is None:
        return nullcontext()
    account, stack = _find_account_and_stack(stage)
    return account.stop_functions(stack)


def _find_account_and_stack(stage: str) -> tuple[Account, str]:
    import boto3

    from regulars.deploy.deploy import stack_name
    from regulars.deploy.stack import Account

    return Account(boto3.session.Session()), stack_name(stage)
