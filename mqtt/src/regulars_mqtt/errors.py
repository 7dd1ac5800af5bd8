"""Errors that `regulars mqtt` reports in one line."""

from __future__ import annotations

import click


class BridgeError(click.ClickException):
    """One English sentence that says what was wrong and what would be right."""
