"""Errors that the command line reports in one line instead of a traceback.

OperatorError
|- UnusableFolder      the data folder cannot be created or written
|- UnfinishedRestore   erasures and removals since the backup have not been applied again
|- FolderInUse         another server holds the data folder
|- CopiedFolder        the data folder was moved or copied; the operator has to declare which
|- DamagedFile         a file written by this program is damaged
|- NotWrittenDown      keys were made but could not be saved; the error carries them
|- PortTaken
|- NoPictures          the demo or the evaluation lacks pictures
|- UnusableNetwork     an operator's model does not match its manifest
|- WrongAnswer         the service's answer violates its contract
|- NotDeployed         nothing was deployed, or the deployment was rolled back
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
