"""CompreFace's REST API: `/api/v1/*`, with an API key of a service in x-api-key.

The page for users: docs/compreface.md.
"""

from chalicelib.api.dialect import Dialect
from chalicelib.auth.roles import Role
from chalicelib.domain.audit_events import Kind, kinds_by_name
from chalicelib.privacy.reading import data_by_name

PREFIX = "/api/v1/"

DIALECT = Dialect(
    __name__,
    "compreface",
    "CompreFace",
    (PREFIX, "/core/"),
    kinds_by_name(
        {
            Kind.CHANGE: "add_subject, rename_subject, delete_subject, delete_subjects, "
            "add_example, delete_example, "
            "delete_examples, delete_examples_of_subject",
            Kind.DECISION: "recognize, recognize_embeddings, verify, verify_example, "
            "verify_embeddings",
        }
    ),
    data_by_name(
        {
            "list_subjects, list_examples, add_example, delete_example, delete_examples": "names",
            "recognize, recognize_embeddings, verify_example, verify_embeddings": "names likeness",
            "show_example": "pictures",
        }
    ),
    services={"recognition": Role.OPERATOR, "detection": Role.VIEWER, "verification": Role.VIEWER},
    face_sets="regulars_dialects.face_sets:UserSets",
)
