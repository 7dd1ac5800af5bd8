"""Every error that there is, and one of each."""

from collections.abc import Iterator

from chalicelib.domain.errors import ConditionFailed, RegularsError


def tree(root: type[RegularsError] = RegularsError) -> Iterator[type[RegularsError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def instance(error: type[RegularsError]) -> RegularsError:
    return ConditionFailed(frozenset({"seq"})) if error is ConditionFailed else error("why")
