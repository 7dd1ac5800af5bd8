"""iCREDIT's face API: `POST /icredit/face/*`, with an app code.

The contract: docs/contract/icredit.md.
"""

from chalicelib.api.dialect import Dialect
from chalicelib.domain.audit_events import Kind, kinds_by_name
from chalicelib.domain.model import SharedKey
from chalicelib.privacy.reading import data_by_name

PREFIX = "/icredit/face/"

DIALECT = Dialect(
    __name__,
    "icredit",
    "iCREDIT",
    (PREFIX,),
    kinds_by_name({Kind.CHANGE: "manage 0, manage 3", Kind.DECISION: "manage 1"}),
    data_by_name(
        {
            "manage 0, query, analysis": "names estimates visits",
            "manage 1": "names estimates visits likeness",
        }
    ),
    shared_key=SharedKey.APPCODE,
    has_feelings=True,
)
