"""Acts in several shops: one whose book refuses holds up no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from msgspec import Struct

from chalicelib.domain.errors import RegularsError, TenantNotFound
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.storage.values import format_count
from regulars.errors import OperatorError


class Left(Struct):
    """The names of the shops in which something could not be done."""

    left: list[str]

    def note_failure(self, shop: str, what: str, why: Exception | str) -> None:
        """Print what could not be done in a shop, which is left."""
        print(f"{shop}: {what}: {why}", flush=True)
        self.left.append(shop)

    @contextmanager
    def try_in(self, shop: str, what: str) -> Iterator[None]:
        """Note a failure inside as this shop's: the others go on."""
        try:
            yield
        except (RegularsError, OperatorError) as error:
            self.note_failure(shop, what, error)

    def require_all(self) -> None:
        """Raise OperatorError if something is left."""
        if self.left:
            names = [*dict.fromkeys(self.left)]
            shops = format_count(len(names), "shop", "shops")
            raise OperatorError(
                f"{shops} left: {', '.join(names)}. Mend what is said of each: then the same "
                "command does what is left"
            )


def list_shops(services: Services, names: Sequence[str]) -> list[str]:
    """Return these names, each once, or without names those of all tenants.

    Raises TenantNotFound.
    """
    wanted = [services.tenants.read_stored(name).name for name in dict.fromkeys(names)]
    return wanted or [tenant.name for tenant in services.tenants.list_all()]


def do_in_each(
    services: Services, shops: Sequence[str], what: str, act: Callable[[Tenant], object]
) -> Left:
    """Do an act in the books of these tenants; return those that are left.

    `what`: the words for a book in which it could not be done. One that is erased meanwhile has
    nothing left to do. Of one book alone, raises what the act raises.
    """
    left = Left([])
    if len(shops) == 1:
        act(services.tenants.get_by_name(shops[0]))
        return left
    for shop in shops:
        with left.try_in(shop, what), suppress(TenantNotFound):
            act(services.tenants.get_by_name(shop))
    return left
