"""The functions of storage/keys that make keys."""

import inspect
import re

from chalicelib.storage import keys

_LOOKS = re.compile(
    r".*(_range|_of_.*)|parts_of_.*|is_.*|[a-z]+_until|face_folder|audit_folder|(face|capture)"
    r"_pictures"
    r"|crops|snapshots|days_columns|zones_columns|calendar_day"
)
"""Names of functions of storage/keys that make bounds and prefixes, or take keys apart."""


def makers() -> set[str]:
    """What makes keys, by its name: functions, and items that are alone in their kind."""
    functions = (
        name
        for name, one in vars(keys).items()
        if inspect.isfunction(one) and one.__module__ == keys.__name__
    )
    items = (name for name in vars(keys) if name.endswith("_ITEM"))
    return {
        name
        for name in (*functions, *items)
        if not name.startswith("_") and not _LOOKS.fullmatch(name)
    }
