"""Acts in several shops: a refusal in one shop does not stop the others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import click
from msgspec import Struct

from chalicelib.domain.audit_events import begin_in_tenant
from chalicelib.domain.errors import RegularsError, TenantNotFound
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.storage.values import format_count, one_line
from chalicelib.telemetry import log_failure
from regulars.errors import OperatorError


def describe_failure(error: Exception, what: str) -> str:
    """Return the message of an error; log an unexpected one and add its type."""
    if isinstance(error, RegularsError | OperatorError):
        return str(error)
    log_failure(error, what)
    return f"{type(error).__name__}: {error}"


class Left(Struct):
    """Names of the shops in which something failed."""

    left: list[str]

    def note_failure(self, shop: str, what: str, why: str) -> None:
        """Print a failure in a shop to stderr and note the shop."""
        print(one_line(f"{shop}: {what}: {why}"), file=sys.stderr, flush=True)
        self.left.append(shop)

    @contextmanager
    def try_in(self, shop: str, what: str) -> Iterator[None]:
        """Note a failure inside as this shop's: the others go on, also behind a fault of ours."""
        try:
            yield
        except click.Abort:
            raise
        except Exception as error:
            self.note_failure(shop, what, describe_failure(error, f"{shop}: {what}"))

    def require_all(self) -> None:
        """Raise OperatorError if something is left."""
        if self.left:
            names = [*dict.fromkeys(self.left)]
            shops = format_count(len(names), "shop", "shops")
            raise OperatorError(
                f"{shops} left: {', '.join(names)}. Fix the reported problems and run the command "
                "again"
            )


def list_shops(services: Services, names: Sequence[str]) -> list[str]:
    """Return these names, each once, or without names those of all tenants.

    Raises TenantNotFound.
    """
    wanted = [services.tenants.read_stored(name).name for name in dict.fromkeys(names)]
    return wanted or [tenant.name for tenant in services.tenants.list_all()]


def do_in_each(
    services: Services,
    shops: Sequence[str],
    what: str,
    act: Callable[[Tenant], object],
    left_before: Sequence[str] = (),
) -> Left:
    """Do an act in the books of these tenants; return those that are left.

    `what`: the words for a book in which it could not be done. `left_before`: the tenants that an
    earlier act has left, which are returned, too. One that is erased meanwhile has nothing left to
    do. Of one book alone, raises what the act raises.
    """
    left = Left([*left_before])
    if len(shops) == 1 and not left.left:
        with begin_in_tenant(shops[0]):
            act(services.tenants.get_by_name(shops[0]))
        return left
    for shop in shops:
        with left.try_in(shop, what), suppress(TenantNotFound), begin_in_tenant(shop):
            act(services.tenants.get_by_name(shop))
    return left
