"""The printed report of `regulars cost`."""

from __future__ import annotations

from regulars.cost import figures, prices
from regulars.cost.prices import Prices, bill
from regulars.cost.usage import Load, Model, Quantities


def show(load: Load, slowdown: float) -> None:
    """Print the month's bill, the price of a thousand of each operation, and that of AWS's own face search."""
    listed, model = prices.load(), Model(figures.load(), load, slowdown)
    print(
        f"{load.faces:,} faces, {load.captures_a_day:,g} captures and {load.searches_a_day:,g} searches a day, "
        f"{load.tenants} tenant{'s' if load.tenants != 1 else ''}; US dollars,\n"
        f"list prices of {listed.region} as of {listed.date} (regulars/cost/prices.toml names the pages: check them)\n"
    )
    _show_bill("A month", model.month(), listed)
    _show_bill("A month in which nobody comes", model.idle(), listed)
    without_key = model.idle() + model.without_key(model.idle())
    _show_bill("The same, SecretsParameter given", without_key, listed)
    _show_bill("The same, and QueueLimits off", without_key + model.without_limits(), listed)
    _show_besides(model, listed)
    _show_each(model, listed)
    _show_peer(model, listed)


def in_a_line(load: Load) -> str:
    """Say in a line what a month costs, with this traffic and without any."""
    listed, model = prices.load(), Model(figures.load(), load)
    month, idle = (sum(bill(q, listed, with_free=False).values()) for q in (model.month(), model.idle()))
    return (
        f"{month:.2f} USD a month with {load.faces:,} faces, {load.captures_a_day:,} captures and "
        f"{load.searches_a_day:,} searches a day, {idle:.2f} if nobody comes; `regulars cost` reckons with your figures"
    )


def _show_bill(title: str, quantities: Quantities, listed: Prices) -> None:
    without, with_free = (bill(quantities, listed, with_free=free) for free in (False, True))
    print(f"{title:34}{'list':>10}{'less what is always free':>28}")
    for service, name in listed.names.items():
        if without[service]:
            print(f"  {name:32}{without[service]:>10.2f}{with_free[service]:>28.2f}")
    print(f"  {'in all':32}{sum(without.values()):>10.2f}{sum(with_free.values()):>28.2f}\n")


def _show_besides(model: Model, listed: Prices) -> None:
    """Print what each choice adds to a month, the stage's own share of the free allowances deducted."""
    month = model.month()
    print(f"{'A month costs more with':34}{'list':>10}{'less what is always free':>28}")
    for name, quantities in {**model.besides(), "a second stage, if nobody comes": model.idle()}.items():
        more = [
            sum(bill(month + quantities, listed, with_free=free).values())
            - sum(bill(month, listed, with_free=free).values())
            for free in (False, True)
        ]
        print(f"  {name:32}{more[0]:>10.2f}{more[1]:>28.2f}")
    print()


def _show_each(model: Model, listed: Prices) -> None:
    """Print each operation's price. The free allowances are not deducted: this is the price of one more."""
    load = model.load
    shares = (model.cold_share(load.searches_a_day), model.cold_share(load.captures_a_day))
    print(f"{'A thousand of each':34}{'USD':>10}   of which")
    for name, quantities in model.per_thousand().items():
        by_service = bill(quantities, listed, with_free=False)
        services = sorted(by_service.items(), key=lambda part: -part[1])
        parts = ", ".join(f"{listed.names[service]} {usd:.4f}" for service, usd in services if usd >= 0.00005)
        print(f"  {name:32}{sum(by_service.values()):>10.4f}   {parts}")
    print(f"  cold starts in it: {shares[0]:.1%} of what searches run, {shares[1]:.1%} of what captures run\n")


def _show_peer(model: Model, listed: Prices) -> None:
    """Print our prices beside Amazon Rekognition's."""
    usd, each = listed.usd, model.per_thousand()
    rows = {
        "a thousand searches by picture": (each["API search, somebody known"], Quantities(images=1_000)),
        "a thousand faces indexed": (each["enrolment over the API"], Quantities(images=1_000)),
        "a thousand faces kept a month": (model.kept(1_000), Quantities(faces=1_000)),
        "the month above": (model.month(), model.peer()),
    }
    print(f"{'The two bills, list prices':34}{'here':>10}{'Amazon Rekognition':>28}")
    for name, (ours, theirs) in rows.items():
        here = sum(bill(ours, listed, with_free=False).values())
        there = sum(usd[what] * quantity for what, quantity in theirs.items())
        print(f"  {name:32}{here:>10.4f}{there:>28.4f}")
    print(
        f"  Amazon Rekognition's prices are those of its public page as known on {listed.date}, for {listed.region}:\n"
        f"  {listed.pages['rekognition']}. A month there: a call a search or capture, and one\n"
        "  more to index somebody new."
    )
