"""The client: the operations of v1."""

from __future__ import annotations

from regulars_client.operations import Operations


class Regulars(Operations):
    """A tenant of a service, over v1.

    >>> with Regulars("http://127.0.0.1:8000") as regulars:
    ...     ann = regulars.enrol_face(group="VIP", picture=Path("ann.jpg"), name="Ann Lee")
    """
