"""The command line of `regulars mqtt`."""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from msgspec import Struct
from regulars_client.errors import OperatorError

if TYPE_CHECKING:
    from regulars_client import Regulars

    from regulars_mqtt.broker import Broker, Login
    from regulars_mqtt.discovery import Descriptions

_PATH = click.Path(path_type=Path)
PASSWORD = "REGULARS_MQTT_PASSWORD"  # noqa: S105 -- the name of a variable
_TENANT = re.compile(r"[a-z0-9-]{1,40}")
_PREFIX = re.compile(r"[^\s+#/]+(/[^\s+#/]+)*")
"""A topic without wildcards."""
_PATIENCE_S = 2.0
"""How long one request to the service is tried."""

_log = logging.getLogger(__name__)


@click.command(short_help="Publish visits to MQTT and Home Assistant.")
@click.option(
    "--url", help="URL of the service.  [default: $REGULARS_URL, or http://127.0.0.1:8000]"
)
@click.option(
    "--key-file", type=_PATH, help="File with an admin's key.  [default: $REGULARS_API_KEY]"
)
@click.option(
    "--mailbox",
    metavar="NAME",
    help="Name or ID of the mailbox to publish; created if missing.",
)
@click.option(
    "--broker", required=True, metavar="URL", help="mqtt://HOST[:PORT], or mqtts:// for TLS."
)
@click.option("--user", help="User name at the broker.")
@click.option(
    "--password-file",
    type=_PATH,
    help=f"File with that user's password, mode 600.  [default: ${PASSWORD}]",
)
@click.option("--ca-file", type=_PATH, help="CA certificates (PEM).  [default: the system's]")
@click.option(
    "--discovery",
    default="homeassistant",
    metavar="PREFIX",
    help="Home Assistant's discovery prefix.",
)
@click.option(
    "--frigate",
    metavar="URL",
    help="Frigate to take pictures of people from: http://HOST:5000.",
)
@click.option(
    "--frigate-topic",
    default="frigate",
    metavar="PREFIX",
    help="Frigate's `mqtt.topic_prefix`.",
)
@click.option(
    "--names", is_flag=True, help="Publish names: entities of people, and sub-labels in Frigate."
)
@click.option(
    "--forget",
    metavar="TENANT",
    help="Clear the broker's retained messages of an erased tenant or book, then exit.",
)
@click.option(
    "--check", is_flag=True, help="Test the broker with the topic regulars-check/, then exit."
)
def mqtt(
    *,
    url: str | None,
    key_file: Path | None,
    mailbox: str | None,
    frigate: str | None,
    frigate_topic: str,
    names: bool,
    forget: str | None,
    check: bool,
    **broker: Any,
) -> int:
    """Tell an MQTT broker who comes, so that Home Assistant finds each camera and person; take
    Frigate's pictures.

    It runs until Ctrl-C. Events come from a mailbox, which keeps them for 30 days until the broker
    has confirmed them.

    \b
    Examples:
      regulars mqtt --broker mqtt://127.0.0.1 --mailbox home
      regulars mqtt --broker mqtts://broker.lan --user regulars --password-file password \\
        --mailbox home --names
      regulars mqtt --broker mqtt://127.0.0.1 --frigate http://127.0.0.1:5000 --names
      regulars mqtt --broker mqtt://127.0.0.1 --forget shop-12
      regulars mqtt --broker mqtt://127.0.0.1 --check
    """
    if check:
        from regulars_mqtt.checking import check_broker

        if mailbox or frigate or forget:
            raise click.UsageError("--check goes without --mailbox, --frigate and --forget")
        check_broker(BrokerOptions(**broker).connect_briefly)
        print("ok: a topic was filled, emptied and filled again, as it was told")
        return 0
    if forget is not None:
        if mailbox or frigate or not _TENANT.fullmatch(forget):
            raise click.UsageError(
                "--forget takes the name of one tenant, and neither --mailbox nor --frigate"
            )
        return _forget(forget, BrokerOptions(**broker))
    if mailbox is None and frigate is None:
        raise click.UsageError(
            "there is nothing to do: --mailbox, --frigate or both; --forget; --check"
        )
    if not _PREFIX.fullmatch(frigate_topic):
        raise click.UsageError(
            f"--frigate-topic is a topic such as frigate or shop/frigate, not {frigate_topic!r}"
        )
    from regulars_client.commands import open_service
    from regulars_client.connection import parse_service_url
    from regulars_client.errors import RegularsError
    from regulars_client.logs import TextLines

    try:
        frigate = frigate and parse_service_url(frigate)
    except RegularsError as error:
        raise click.UsageError(str(error)) from error

    handler = logging.StreamHandler()
    handler.setFormatter(TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    try:
        with open_service(url, key_file, _PATIENCE_S) as service:
            _run_bridge(
                service,
                BrokerOptions(**broker),
                mailbox=mailbox,
                frigate=frigate,
                frigate_topic=frigate_topic,
                names=names,
            )
    except RegularsError as error:
        raise OperatorError(str(error)) from error
    return 0


class BrokerOptions(Struct, frozen=True):
    """The broker, as the options say. `discovery`: Home Assistant's prefix."""

    broker: str
    user: str | None
    password_file: Path | None
    ca_file: Path | None
    discovery: str

    def connect(self, login: Login | None, available: str) -> Broker:
        """Connect by a name that no other connection has.

        `available`: the topic that says whether it is there.
        """
        from regulars_mqtt.broker import Address, Broker

        name = f"regulars-{secrets.token_hex(6)}"
        return Broker(Address.of(self.broker), name, available, login=login, ca=self.ca_file)

    def connect_briefly(self) -> Broker:
        """Connect to look, or to tidy up."""
        return self.connect(make_login(self.user, self.password_file), "")


def _run_bridge(
    service: Regulars,
    options: BrokerOptions,
    *,
    mailbox: str | None,
    frigate: str | None,
    frigate_topic: str,
    names: bool,
) -> None:
    """Run the bridge between the service and a broker of MQTT until a signal stops it.

    `mailbox`: the id or name of the hook whose events go to the broker; None: none go. `frigate`:
    the address of Frigate, whose events are taken from the broker at topics of the prefix
    `frigate_topic`; None: none are taken. `names`:
    whether Home Assistant and Frigate are told names. Raises what the service or the broker
    refuses.
    """
    from regulars_client.signals import stop_on_signals

    from regulars_mqtt.bridge import run
    from regulars_mqtt.broker import Address
    from regulars_mqtt.turns import Turns

    host = Address.of(options.broker).host
    login = make_login(options.user, options.password_file)
    descriptions = describe_book(service, options.discovery)
    topics = descriptions.topics
    recipients = ", ".join(
        (host, *([urlsplit(frigate).hostname or frigate] if frigate and names else []))
    )
    mailbox_id = mailbox and find_or_make_mailbox(service, mailbox, recipients)
    connection = options.connect(
        login, topics.available if mailbox_id else topics.frigate_available
    )
    turns = Turns(connection, f"{topics.bridges}/{mailbox_id or 'frigate'}")
    steps = _make_steps(
        service,
        connection,
        descriptions,
        mailbox=mailbox_id,
        frigate=frigate,
        frigate_topic=frigate_topic,
        names=names,
    )
    run(connection, [turns.step, *map(turns.guard, steps)], stop_on_signals())


def describe_book(service: Regulars, discovery: str) -> Descriptions:
    """Return the topics of the service's book, and let the service refuse requests once it has
    another one.

    A restore gives the book another life. Nothing is remembered here of the book but events that
    were told already.
    """
    from regulars_mqtt.discovery import Descriptions, Topics

    tenant, book = service.get_session().tenant, service.book
    if book is None:
        _log.warning(
            "this service is of an older version, which does not say whose book it is: another box "
            "with a tenant %s at "
            "this broker has the same entities, and they take each other's people away",
            tenant,
        )
    else:
        service.pin_book(book, in_any_life=True)
    topics = Topics(book.id if book else tenant, discovery)
    _log.info("the topics of %s begin with regulars/%s/", tenant, topics.book)
    return Descriptions(topics, tenant, service.url, metadata.version("regulars-mqtt"))


def make_login(user: str | None, password_file: Path | None) -> Login | None:
    """Return the user and the password, if a user is given. Raises OperatorError."""
    from regulars_client.errors import NotConfigured
    from regulars_client.keys import read_secret

    from regulars_mqtt.broker import Login

    try:
        password = read_secret(password_file) if password_file else os.environ.get(PASSWORD)
    except NotConfigured as error:
        raise OperatorError(str(error)) from error
    return Login(user, password) if user else None


def _forget(tenant: str, options: BrokerOptions) -> int:
    """Empty the retained messages of a tenant, or of a book, and print how many they were.

    Raises OperatorError if several books at the broker are called so: which one is meant is not
    known.
    """
    from regulars_mqtt.discovery import Topics
    from regulars_mqtt.forgetting import empty_messages, find_books

    books = find_books(options.connect_briefly(), tenant, options.discovery)
    if len(books) > 1:
        listed = ", ".join(f"{book} ({service_url})" for book, service_url in sorted(books.items()))
        raise OperatorError(
            f"{len(books)} books at this broker are called {tenant}: {listed}. Name the one that "
            "was erased by its id, "
            "as --forget ID"
        )
    count = empty_messages(
        options.connect_briefly(),
        [Topics(book, options.discovery) for book in sorted({tenant, *books})],
    )
    print(f"{count} retained messages of {tenant} are emptied")
    return 0


def find_or_make_mailbox(service: Regulars, id_or_name: str, recipient: str) -> str:
    """Return the id of the mailbox that has this id or name.

    If there is none, make one of that name.

    The mailbox says from now on that its events go to `recipient`: the notice and the archive of a
    person name it. Raises RegularsError of the client, and OperatorError if it is a hook with a
    URL.
    """
    from regulars_mqtt.discovery import EVENTS

    hooks = [service.get_hook(id_or_name)] if id_or_name.isdecimal() else service.list_hooks().hooks
    hook = next((hook for hook in hooks if id_or_name in (hook.id, hook.name)), None)
    if hook is None:
        return service.add_hook(
            url=None,
            name=id_or_name,
            events=[*EVENTS],
            passes_to=recipient,
        ).id
    if hook.url is not None:
        raise OperatorError(
            f"{id_or_name} is a hook with a URL, and no mailbox: give --mailbox another name"
        )
    if hook.passes_to != recipient:
        service.change_hook(hook.id, passes_to=recipient)
    return hook.id


def _make_steps(
    service: Regulars,
    broker: Broker,
    descriptions: Descriptions,
    *,
    mailbox: str | None,
    frigate: str | None,
    frigate_topic: str,
    names: bool,
) -> list[Callable[[], float]]:
    """Make the steps that the bridge repeats: from the mailbox to the broker, and from Frigate to
    the service."""
    from regulars_mqtt.frigate import Frigate
    from regulars_mqtt.publishing import Publisher
    from regulars_mqtt.snapshots import Snapshots

    steps = []
    if mailbox is not None:
        steps.append(Publisher(service, mailbox, broker, descriptions, names=names).step)
    if frigate is not None:
        snapshots = Snapshots(
            service,
            Frigate(frigate),
            gives_names=names,
            count_connections=lambda: broker.connections,
            prefix=frigate_topic,
        )
        broker.listen(snapshots.topic, snapshots.take_message)
        steps.append(snapshots.step)
    return steps
