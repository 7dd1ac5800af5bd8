"""How is iCREDIT's face API said? `POST /icredit/face/*`, with an app code.

The contract: docs/contract/icredit.md.
"""

from chalicelib.api.dialect import Dialect
from chalicelib.core.acts import Kind, kinds_by_name
from chalicelib.core.model import SharedKey

PREFIX = "/icredit/face/"

DIALECT = Dialect(
    "icredit",
    "iCREDIT",
    (PREFIX,),
    kinds_by_name({Kind.CHANGE: "manage 0, manage 3", Kind.DECISION: "manage 1"}),
    shared_key=SharedKey.APPCODE,
)
