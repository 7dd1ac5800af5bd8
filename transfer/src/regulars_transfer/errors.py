"""Errors that `regulars import` and `regulars export` report in one line.

TransferError
|- DamagedFile   a file is not what was written, or no table
|- NoPictures    a source has no pictures of people
"""

from __future__ import annotations

import click


class TransferError(click.ClickException):
    """Base of all: one English sentence that says what was wrong and what would be right."""


class DamagedFile(TransferError): ...


class NoPictures(TransferError): ...
