"""Errors that the command line reports in one line instead of a traceback.

OperatorError
|- UnusableFolder      the data folder cannot be made or written
|- UnfinishedRestore   what ended since a folder's backup has not ended again
|- FolderInUse         another server holds the data folder
|- CopiedFolder        the data folder is not the one that was served before; say what it is
|- DamagedFile         a file of ours is not what we wrote
|- NotWrittenDown      keys were made and could not be saved; the error carries them
|- PortTaken
|- NoPictures          the demo or the evaluation lacks pictures
|- UnusableNetwork     an operator's network is not what its manifest says
|- WrongAnswer         the service's answer is not in its contract
|- NotDeployed         nothing was deployed, or it was rolled back
"""

from __future__ import annotations

from regulars_client.errors import DamagedFile as DamagedFile
from regulars_client.errors import OperatorError as OperatorError

from chalicelib.domain.model import Credentials


class UnusableFolder(OperatorError): ...


class UnfinishedRestore(OperatorError): ...


class FolderInUse(OperatorError): ...


class CopiedFolder(OperatorError): ...


class NotWrittenDown(OperatorError):
    def __init__(self, message: str, credentials: Credentials) -> None:
        super().__init__(message)
        self.credentials = credentials


class PortTaken(OperatorError): ...


class NoPictures(OperatorError): ...


class UnusableNetwork(OperatorError): ...


class WrongAnswer(OperatorError): ...


class NotDeployed(OperatorError): ...
