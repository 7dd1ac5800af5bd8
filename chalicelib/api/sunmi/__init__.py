"""SUNMI's face API for cameras and their software: `POST /openapi/face/*`, with signed forms.

The contract: docs/contract/sunmi.md.
"""

from chalicelib.api.dialect import Dialect
from chalicelib.domain.audit_events import Kind, kinds_by_name
from chalicelib.domain.model import SharedKey
from chalicelib.privacy.reading import data_by_name

PREFIX = "/openapi/face/"

DIALECT = Dialect(
    __name__,
    "sunmi",
    "SUNMI",
    (PREFIX,),
    kinds_by_name(
        {
            Kind.CHANGE: "createGroup, updateGroup, updateMigration, deleteGroup, addFaceInfoItem, "
            "removeFaceInfoItem, addFace, deleteFace, updateFace",
            Kind.DECISION: "getFaceByPicture",
        }
    ),
    data_by_name(
        {
            "getFace, getFaceList, getFaceByArrival": "names estimates visits",
            "getFaceByPicture": "names estimates visits likeness",
        }
    ),
    shared_key=SharedKey.APP_KEY,
    has_canary=True,
)
