"""A server in a process of its own that ends soon if it stands still; what it is asked for works,
or never ends."""

import threading
import time

from regulars.serve.callers import CallerHint
from regulars.serve.messages import Request, Response, make_message
from regulars.serve.server import Front, open_listener
from regulars.serve.site import Site
from regulars.serve.watchdog import Watchdog

ENDS_AFTER_S, UNWELL_S, WORK_S = 6.0, 2.0, 0.2
NEVER = threading.Event()


class Shop:
    """Answers that take WORK_S. `/never` has none, and the loop never comes back from `/loop`."""

    copies = 1

    def admit(self, head: Request) -> int:
        if head.path == "/loop":
            NEVER.wait()
        return 0

    def answer(self, request: Request) -> Response:
        if request.path == "/never":
            NEVER.wait()
        time.sleep(WORK_S)
        return make_message(200, "done")

    def answer_error(self, _head: Request, error: Exception) -> Response:
        return make_message(503, str(error))

    def read(self, head: Request) -> CallerHint:
        return CallerHint(head.headers.get("x-tenant"))


if __name__ == "__main__":
    part = Shop()
    with open_listener("127.0.0.1", 0) as sock:
        print(sock.getsockname()[1], flush=True)
        front = Front(
            Site(part, read_caller=part.read, unwell_s=UNWELL_S),
            sock,
            watchdog=Watchdog(ENDS_AFTER_S),
        )
        front.run(threading.Event())
