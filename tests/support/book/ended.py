"""How it is written whose record of consent has ended."""

from collections.abc import Sequence

from chalicelib.storage.items import ENDED_CHANGES, WITHDRAWN
from chalicelib.storage.ports import Action, Update
from tests.support.meanwhile import Around


class EndedByCommits(Around):
    """The real item store, which fails if that changes by anything else than a commit.

    Processes remember it by the gallery's seq, so each would go on with what it remembers.
    """

    def transact(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Update):
                written = {*action.set, *action.add}
                assert not written & {WITHDRAWN, ENDED_CHANGES} or "seq" in written, action
        self._items.transact(actions)
