"""Runs the steps between service and broker, also while one of them is away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from regulars_client.errors import RegularsError

from regulars_mqtt.broker import Broker
from regulars_mqtt.frigate import Away

AGAIN_S = 5.0
"""Between two tries while something is away."""

_log = logging.getLogger(__name__)


def run(
    broker: Broker,
    steps: Sequence[Callable[[], float]],
    stop: threading.Event,
    again_s: float = AGAIN_S,
) -> None:
    """Connect, and call each of `steps` in a thread of its own until `stop` is set.

    A step returns the seconds until the next one. One that fails is tried again, and the reason is
    logged once.
    """
    threads = [
        threading.Thread(target=_repeat_step, args=(step, stop, again_s), daemon=True)
        for step in steps
    ]
    broker.start()
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join(AGAIN_S)
    broker.stop()


def _repeat_step(step: Callable[[], float], stop: threading.Event, again_s: float) -> None:
    """Call `step` until `stop` is set, each time after the seconds that it returns, or `again_s` if
    it fails.

    The same complaint is logged once.
    """
    last_complaint = ""
    while not stop.is_set():
        try:
            wait_s = step()
            last_complaint = ""
        except (RegularsError, Away) as error:
            wait_s = again_s
            if str(error) != last_complaint:
                _log.warning("%s; it is tried again every %.0f s", error, again_s)
            last_complaint = str(error)
        except Exception:
            wait_s = again_s
            _log.exception("a step failed; it is tried again in %.0f s", again_s)
        stop.wait(wait_s)
