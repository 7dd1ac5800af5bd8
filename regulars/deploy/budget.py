"""The budget that tells of a month's spending.

CloudFormation does not know budgets in half of the regions, so the command makes it, by the stack's
parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from regulars.deploy.stack import Account, Budget


def keep_budget(account: Account, stack: str, parameters: Mapping[str, str]) -> Iterator[str]:
    """Make, change or delete the budget called as the stack, as its parameters say; yield a line if
    that was needed.

    What is there is asked each time: an earlier command may have been cut off before it came here.
    If AWS refuses, a warning is yielded and nothing raised, since the deployment is done by then.
    """
    wanted, present = parse_wanted(parameters), None
    try:
        present = account.read_budget(stack)
        if present == wanted:
            return
        if present is not None:
            account.delete_budget(stack)
        if wanted is not None:
            account.make_budget(stack, wanted)
    except account.failures as error:
        if wanted or present:
            yield f"warning     nobody is told of the month's spending: {error}"
        return
    told = (
        "the budget is gone"
        if wanted is None
        else f"{wanted.topic} is told of four fifths of {wanted.usd:g} USD"
    )
    yield f"budget      {told}"


def parse_wanted(parameters: Mapping[str, str]) -> Budget | None:
    """Return the budget that the parameters ask for; None: none, as without a topic that would be
    told."""
    usd, topic = float(parameters.get("BudgetUsd") or 0), parameters.get("AlarmTopic", "")
    return Budget(usd, topic) if usd and topic else None
