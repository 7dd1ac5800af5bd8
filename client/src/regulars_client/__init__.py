"""A typed client of Regulars: enrol, find and name people, ask who came."""

from regulars_client.client import Regulars

__all__ = ["Regulars"]
