"""Checks of all parties, in the order of a picture's way: from a camera to the receivers of
events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

from msgspec.structs import replace

from chalicelib.domain.errors import RegularsError
from regulars import folder
from regulars.configuration import Configuration, parse_lines
from regulars.deploy.stage import read_url
from regulars.doctor.reach import cameras, hooks, mail, stage, tls, web, witness
from regulars.doctor.reach.asking import Agree, Ask, NotSetUp, Reach, find_cause
from regulars.errors import OperatorError
from regulars.findings import Finding, failed, unasked
from regulars.mail import MailSettings, make_mailer
from regulars.options import open_services, open_services_of

PARTIES: Mapping[str, Ask] = MappingProxyType(
    {
        "address": web.ask_address,
        "tls": tls.ask_tls,
        "paths": web.ask_paths,
        "limits": web.ask_limits,
        "camera": cameras.ask_pushes,
        "upload": cameras.ask_uploads,
        "s3": stage.ask_bucket,
        "push": hooks.ask_pushes,
        "message": hooks.ask_channels,
        "mail": mail.ask_mail,
        "hook": hooks.ask_hooks,
        "witness": witness.ask_witness,
    }
)
"""Parties by the subjects of their lines."""


_BROKEN = "see name, router, port and certificate; a proxy's log, and its limits of size and time"


def ask_party(subject: str, reach: Reach) -> Iterator[Finding]:
    """Ask a party, and say what it answers."""
    try:
        yield from PARTIES[subject](reach)
    except NotSetUp as error:
        yield unasked(subject, f"not set up: {error}")
    except (RegularsError, OperatorError) as error:  # of the book: it is full, busy or away
        yield failed(subject, f"it could not be asked: {error}")
    except ConnectionError as error:
        said = str(find_cause(error).args[-1])
        said_alone = said.partition(">: ")[2] or said  # behind the name of a library's object
        yield failed(subject, f"no answer ({said_alone}): {_BROKEN}")


def ask_parties(reach: Reach) -> Iterator[Finding]:
    """Ask each party."""
    for subject in PARTIES:
        yield from ask_party(subject, reach)


def check_box(configured: Configuration, agree: Agree) -> Iterator[Finding]:
    """Ask the parties of a box, by the settings of the service that runs, else by those here.

    Raises OperatorError if they are of a stage.
    """
    data = configured.settings.storage
    if not isinstance(data, Path):
        raise OperatorError("these settings are of a stage in AWS: name it, as --stage NAME")
    running = folder.find_server(data)
    in_use, inner_url = configured, ""
    if running is not None and running.settings:
        in_use, inner_url = parse_lines(running.settings, data / folder.LOCK), running.url
    settings = replace(in_use.settings, storage=data)
    url = settings.public_url or inner_url
    with closing(open_services(settings, mailer=make_mailer(in_use.mail))) as services:
        yield from ask_parties(Reach(services, in_use.mail, url, inner_url, agree))


def check_stage(name: str, agree: Agree) -> Iterator[Finding]:
    """Ask the parties of a stage in AWS, which sends no mail."""
    with open_services_of(None, name) as services:
        reach = Reach(services, MailSettings(), read_url(name), "", agree)
        yield from ask_parties(reach)
