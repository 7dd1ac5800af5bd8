"""Processes that begin in a millisecond: this one has imported the uploader, and forks itself for
each command.

What is killed is a whole process all the same, with its own database connection, files and sockets.
Reads a line of JSON (`{"argv": [...], "env": {...}, "log": file, "hails": false}`), answers the
child's pid, waits for it and answers how it ended.
"""

import json
import os
import signal
import sys

import hail


def main() -> None:
    from regulars_edge import cli

    for line in sys.stdin:
        command = json.loads(line)
        pid = os.fork()
        if pid == 0:
            handle = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.environ.update(command["env"])
            if command["hails"]:
                hail.begin()
            code = 70
            try:
                code = cli.main(command["argv"])
                sys.stdout.flush()
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
