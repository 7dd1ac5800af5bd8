"""A stage by its name: its stack, its settings as the stack's outputs state them, and a stop of its
functions."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from chalicelib.domain.errors import InvalidInput

if TYPE_CHECKING:
    from regulars.deploy.stack import Account

# AWS allows 32 characters for some names that contain the stage's, such as the sampling rule's.
_STAGE = re.compile(r"[a-z]([a-z0-9-]{0,17}[a-z0-9])?")
_PACKAGES = "packages"
"""No stage: the bucket that has the packages of all stages is called as what such a stage has."""


def read_settings(stage: str) -> dict[str, str]:
    """Return REGULARS_* of a stage in the environment's account and region.

    Raises InvalidInput if no stage can have that name, NotDeployed if there is none of that name.
    """
    account, stack = _find_account_and_stack(stage)
    return account.read_settings(stack)


def read_url(stage: str) -> str:
    """Return the address of a stage's service; "": its stack is gone.

    Raises InvalidInput if no stage can have that name.
    """
    account, stack = _find_account_and_stack(stage)
    return (account.read_outputs(stack) or {}).get("EndpointURL", "").rstrip("/")


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

    from regulars.deploy.stack import Account

    return Account(boto3.session.Session()), stack_name(stage)


def stack_name(stage: str) -> str:
    """Name the stack of a stage. Raises InvalidInput if the stage is no legal name."""
    if not _STAGE.fullmatch(stage) or stage == _PACKAGES:
        raise InvalidInput(
            "a stage is 1 to 19 small letters, digits and inner hyphens, such as `prod`, not "
            f"{stage!r}"
        )
    return f"regulars-{stage}"
