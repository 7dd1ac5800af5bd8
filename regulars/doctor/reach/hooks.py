"""Browsers that get pushes, channels that get messages, and plain hooks: each is sent a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chalicelib.domain.errors import RegularsError
from chalicelib.domain.model import Tenant
from chalicelib.domain.webhooks import Delivery, Hook, Way, test_event, write_payload
from chalicelib.storage.ports import ComeBackLater
from chalicelib.storage.values import time_ordered_id
from regulars.doctor.reach.asking import NotSetUp, Reach, choose_remedy, say_unsent
from regulars.findings import Finding, failed, unasked, warning, well

_REMEDIES = {
    300: "it sends elsewhere, and nobody follows: give the hook that other address",
    400: "it does not take such a message: see its log, and the hook's template",
    401: "it does not take this key any more: give the hook another one",
    403: "it does not take this key any more: give the hook another one",
    404: "nobody is at this address any more: give the hook another one, or delete it",
    410: "it wants nothing any more: delete the hook, and join again",
    413: "it does not take a body of this size: raise its limit",
    429: "it is sent too much: see who else sends there, and set `pause_s`",
    500: "it failed: see its log",
}


def ask_pushes(reach: Reach) -> Iterator[Finding]:
    """Push a test to each browser that has joined, by the tenant's own token."""
    how = "no browser gets pushes: open the console's Alerts there, over https"
    yield from _ask_hooks(reach, "push", how, lambda hook: hook.way == Way.PUSH)


def ask_channels(reach: Reach) -> Iterator[Finding]:
    """Send a test message to each channel, mail too."""
    how = "no channel gets messages: make an alert in the console (docs/webhooks.md)"
    yield from _ask_hooks(reach, "message", how, lambda hook: hook.way not in (None, Way.PUSH))


def ask_hooks(reach: Reach) -> Iterator[Finding]:
    """Post a signed test event to each URL."""
    how = "no URL gets events: POST /v1/hooks with a `url` (docs/webhooks.md)"
    yield from _ask_hooks(reach, "hook", how, lambda hook: hook.url is not None)


def _ask_hooks(
    reach: Reach, subject: str, how: str, takes: Callable[[Hook], bool]
) -> Iterator[Finding]:
    hooks = [
        (tenant, hook)
        for tenant in reach.tenants
        for hook in reach.services.webhooks.hooks.list_all(tenant.name)
        if hook.enabled and takes(hook)
    ]
    if not hooks:
        raise NotSetUp(how)
    is_agreed = reach.agree([_name_test(*one) for one in hooks])
    for tenant, hook in hooks:
        if is_agreed:
            yield _ask_hook(reach, subject, tenant, hook)
        else:
            yield say_unsent(subject, _name_test(tenant, hook))


def _name_test(tenant: Tenant, hook: Hook) -> str:
    return f"a test to {hook.way or 'hook'} {hook.id} of tenant {tenant.name} ({hook.recipient})"


def _ask_hook(reach: Reach, subject: str, tenant: Tenant, hook: Hook) -> Finding:
    """Send a test as a delivery is sent, which is not stored: the hook's health stays."""
    now = reach.now
    event = test_event(f"test-{time_ordered_id(now)}", now, hook.id)
    body = write_payload(tenant.name, event)
    delivery = Delivery(tenant.name, hook.id, event.id, event.kind, body, now, now)
    sent = _name_test(tenant, hook)
    try:
        answer = reach.services.webhooks.deliveries.post_delivery(hook, delivery)
    except ComeBackLater as error:
        return warning(subject, f"{sent}: {error}. Ask again then")
    except RegularsError as error:
        return failed(subject, f"{sent}: {error}")
    if answer is None:
        return unasked(subject, f"{sent} was not sent: nobody is to be told now")
    answered = f"{sent} was answered {answer}"
    if answer.is_well:
        return well(subject, answered)
    return failed(subject, f"{answered}: {choose_remedy(answer.status, _REMEDIES)}")
