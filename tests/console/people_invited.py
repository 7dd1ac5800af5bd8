"""People whom a shop invites, and the devices that keep their passkeys."""

from typing import Any

from playwright.sync_api import CDPSession, Page

from tests.console.conftest import Book, Visitor

_DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
}


def invite(book: Book, name: str, **said: Any) -> str:
    """The path of somebody's link; a second try invites anew."""
    with book.client() as client:
        for one in client.list_members().members:
            if one.name == name:
                client.delete_member(one.id)
        return "#" + client.add_member(name=name, **said).url.partition("#")[2]


def open_device(visitor: Visitor) -> tuple[Page, CDPSession, dict[str, str]]:
    """Open a page with a device that keeps passkeys; return also what talks to it, and its id."""
    page = visitor.context.new_page()
    device = visitor.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    return page, device, device.send("WebAuthn.addVirtualAuthenticator", {"options": _DEVICE})
