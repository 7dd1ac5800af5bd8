"""The budget that tells of a month's spending.

CloudFormation does not know budgets in half of the regions, so the command makes it, by the stack's
parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from regulars.deploy.stack import Account, Budget


def keep_budget(
    account: Account, stack: str, before: Mapping[str, str] | None, after: Mapping[str, str]
) -> Iterator[str]:
    """Make, change or delete the budget called as the stack, as its parameters say; yield a line if
    that was needed.

    `before`, `after`: the stack's parameters before and after this deployment. If AWS refuses, a
    warning is yielded and nothing raised, since the deployment is done by then.
    """
    wanted = parse_wanted(after)
    if wanted is None and parse_wanted(before or {}) is None:
        return
    try:
        present = account.read_budget(stack)
        if present == wanted:
            return
        if present is not None:
            account.delete_budget(stack)
        if wanted is not None:
            account.make_budget(stack, wanted)
    except account.failures as error:
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
