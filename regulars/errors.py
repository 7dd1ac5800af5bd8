"""What the command line answers with one line instead of a traceback.

OperatorError
|- FolderInUse         another server holds the data folder
|- DamagedFile         a file of ours is not what we wrote
|- PortTaken
|- NoPictures          the demo has nothing to show
|- WrongAnswer         the service answered what its contract does not know
"""

from __future__ import annotations


class OperatorError(Exception):
    """Base of all; `str(error)` is one English sentence: what was wrong and what would be right."""


class FolderInUse(OperatorError): ...


class DamagedFile(OperatorError): ...


class PortTaken(OperatorError): ...


class NoPictures(OperatorError): ...


class WrongAnswer(OperatorError): ...
