"""Runs what stands between service and broker, step by step, whatever is away for a while."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from regulars_client.errors import RegularsError

from regulars.mqtt.broker import Broker

AGAIN_S = 5.0
"""Between two tries while something is away."""

_log = logging.getLogger(__name__)


def run(broker: Broker, steps: Sequence[Callable[[], float]], stop: threading.Event) -> None:
    """Connect, and call each of `steps` in a thread of its own until `stop` is set.

    A step returns the seconds until the next one. One that fails is tried again, and the reason is logged once.
    """
    threads = [threading.Thread(target=_again_and_again, args=(step, stop), daemon=True) for step in steps]
    broker.start()
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join(AGAIN_S)
    broker.stop()


def _again_and_again(step: Callable[[], float], stop: threading.Event) -> None:
    said = ""
    while not stop.is_set():
        try:
            wait_s = step()
            said = ""
        except RegularsError as error:
            wait_s = AGAIN_S
            if str(error) != said:
                _log.warning("%s; it is tried again every %.0f s", error, AGAIN_S)
            said = str(error)
        except Exception:
            wait_s = AGAIN_S
            _log.exception("a step failed; it is tried again in %.0f s", AGAIN_S)
        stop.wait(wait_s)
