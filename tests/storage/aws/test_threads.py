import threading
from contextvars import ContextVar

import pytest

from chalicelib.domain.errors import StorageUnavailable
from chalicelib.storage.aws.clients import begin_in_thread
from chalicelib.storage.ports import defer_call


def test_work_is_under_way_while_its_caller_goes_on() -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        assert goes_on.wait(60)
        return 7

    end = begin_in_thread(work)
    assert begun.wait(60)
    goes_on.set()
    assert end() == end() == 7


@pytest.mark.parametrize("begin_call", [begin_in_thread, defer_call])
def test_an_error_is_raised_when_the_end_is_asked_for(begin_call: object) -> None:
    def work() -> None:
        raise StorageUnavailable("storage does not answer: try again")

    assert callable(begin_call)
    end = begin_call(work)
    with pytest.raises(StorageUnavailable):
        end()


def test_work_belongs_to_the_invocation_of_its_caller() -> None:
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")
    whose.set("mine")
    assert begin_in_thread(whose.get)() == "mine"
